"""An image mechanism with an edit on top: the base answers, then the edit changes what guidance has taught it to change.

With f the base mechanism, x what was seen under the parents pa, and u the noise that explains it::

    predict            f(u, pa)                       samples are the base's
    counterfactual     E(f(u, pa'), pa, pa')          E(image, pa, pa) = image, whatever E has learnt

`fit` trains the base, fine-tuning trains E alone. E is the identity where the parents are as they were seen, so fine-tuning
can't cost the likelihood of what was seen.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from math import inf
from typing import Self, cast

from torch import Generator, Tensor, nn

from causalimg.configured import Configured
from causalimg.graph import Image, Variable
from causalimg.mechanisms.mechanism import Mechanism, Noise, Options, Seen, Values, laid_into


class Edit(Configured, ABC):
    """A change of an image that depends on how its parents changed. Zero where they did not, and for parents it has not learnt.

    To write one: `build` makes the layers, `answer_to` names parents that it will be trained for, `forward` edits.
    """

    @abstractmethod
    def build(self, image: Image, parents: Mapping[str, Variable]) -> None:
        """Make the layers. Raise ValueError for an image that won't do."""

    def built(self, image: Image, parents: Mapping[str, Variable]) -> Self:
        """A new edit with these settings, built for `image`."""
        made = type(self)(**dict(self.spec))
        made.build(image, parents)
        return made

    @abstractmethod
    def answer_to(self, names: Iterable[str]) -> None:
        """From now on, answer to the parents `names` too."""

    @abstractmethod
    def forward(self, image: Tensor, before: Values, after: Values) -> Tensor:
        """`image` (batch, channels, height, width), edited, where its parents were `before` and are `after`.

        Columns of `before` have the length of those of `after`, or 1.
        """


class Edited(Mechanism):
    """`base`, an image mechanism, whose counterfactuals `edit` changes: ``Edited(base=HVAE(), edit=Deform())``."""

    handles = (Image,)

    base: Mechanism
    edit: Edit

    def build(self) -> None:
        self.base = self.base.built(self.variable, self.parents)
        bounds = cast(Image, self.variable).bounds
        self.bounds = tuple(end if bound is None else bound for bound, end in zip(bounds, (-inf, inf), strict=True))
        if self.parents:  # an image without causes is never asked about: its edit stays unbuilt
            self.edit = self.edit.built(cast(Image, self.variable), self.parents)

    def noise(self, n: int, generator: Generator | None = None) -> Noise:
        return self.base.noise(n, generator)

    def predict(self, u: Noise, parents: Values) -> Tensor:
        return self.base.predict(u, parents)

    def abduct(self, value: Tensor, parents: Values, prior: Noise) -> Noise:
        return self.base.abduct(value, parents, prior)

    def loss(self, value: Tensor, parents: Values) -> Tensor:
        return self.base.loss(value, parents)

    def counterfactual(self, u: Noise, parents: Values, seen: Seen, options: Options = Options()) -> Tensor:
        """See `Mechanism.counterfactual`. What is pulled is the base's answer, by what is wished of the edited one."""

        def edited(image: Tensor) -> Tensor:
            if not parents:
                return image
            return laid_into(options.region, self.edit(image, seen.parents, parents).clamp(*self.bounds), image)

        pull = options.pull
        if pull is not None:
            options = options._replace(pull=lambda image, was: pull(edited(image), was))
        return edited(self.base.counterfactual(u, parents, seen, options))

    def prepare(self, value: Tensor, parents: Values) -> None:
        super().prepare(value, parents)
        self.base.prepare(value, parents)

    def prepare_finetuning(self, parents: Iterable[str]) -> nn.Module:
        self.edit.answer_to(parents)
        return self.edit

    @property
    def unwrapped(self) -> Mechanism:
        return self.base.unwrapped
