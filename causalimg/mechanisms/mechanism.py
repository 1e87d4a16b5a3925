"""The contract: a mechanism turns noise into a value and back.

    noise(n, generator)           -> u          draw exogenous noise for n samples
    predict(u, parents)           -> value      v := f(pa, u)
    abduct(value, parents, prior) -> u          the noise that explains the value
    loss(value, parents)          -> (batch,)   what `fit` minimises

Many noises may explain a value. Which of them `abduct` finds is decided by `prior`, a draw of `noise`, and by nothing else: the
same draw gives the same noise, and independent draws are carried to independent draws of the posterior p(u | value, parents).

A mechanism that can say how likely a value was is a `Likelihood`: it has `explain(value, parents, prior) -> u, nll` besides. A
score and a report ask for that type. One that is fitted by it is a `MaximumLikelihood`.

A counterfactual is ``predict(abduct(v, pa, prior), pa')``, in a region if one is given. Where what was seen counts beyond the
noise that explains it (an edit of the image, see `edited`; a region, see `flow_matching`), a mechanism has its own
`counterfactual`.

Values are in natural units: a continuous variable is float32 of shape (batch,), a categorical one int64 level indices of shape
(batch,), an image float32 of shape (batch, channels, height, width). Parents arrive by name.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, Self, Union

import torch
from torch import Generator, Tensor, nn

from causalimg.configured import Configured
from causalimg.errors import buildable, located
from causalimg.graph import Graph, Variable
from causalimg.mechanisms.context import Context
from causalimg.training.recipe import Recipe
from causalimg.values import leaves

OF_NUMBERS = Recipe(steps=500, batch=256, lr=5e-3, weight_decay=1.0, accelerator="cpu")
"""How mechanisms of numbers and levels train: their steps are too small for an accelerator."""

Values = Mapping[str, Tensor]
Noise = Union[Tensor, tuple["Noise", ...]]  # noqa: UP007  # a name in quotes can't be joined by |
"""Exogenous noise: a tensor, or a (named) tuple of them; the first dimension counts samples."""


class ImageNoise(NamedTuple):
    """Noise of an image with a part for every pixel, beside the latents that say what is to be seen.

    `latents`: tensors (batch, ...), coarse to fine. `pixels`: (batch, ..., channels, height, width).
    """

    latents: tuple[Tensor, ...]
    pixels: Tensor


def standard_normal(
    shape: Sequence[int], device: torch.device, generator: Generator | None, dtype: torch.dtype = torch.float32
) -> Tensor:
    """Draws of N(0, 1) on `device`. A generator draws where it lives: on the CPU, the same for every device."""
    where = device if generator is None else generator.device
    return torch.randn(*shape, dtype=dtype, device=where, generator=generator).to(device)


def temper(u: Noise, temperature: float) -> Noise:
    """`u` with the noise of its pixels, if it has any, multiplied by `temperature`.

    For training and evaluation only: at another temperature than 1 the null intervention does not return the image.
    """
    return u._replace(pixels=temperature * u.pixels) if isinstance(u, ImageNoise) else u


def rows(u: Noise, parents: Values) -> int:
    """How many samples `u` and `parents` describe together: `u` may be one sample that serves every row of `parents`."""
    lengths = {len(part) for _, part in leaves(u)} | {len(column) for column in parents.values()}
    return 0 if 0 in lengths else max(lengths)


class Seen(NamedTuple):
    """What was seen of a variable, (batch, *value_shape), and of its parents, (batch, ...) by name."""

    value: Tensor
    parents: Values


Weights = Mapping[str, float | Tensor]
"""By parent, how strongly an answer follows it: a number, or one for each row, (batch,)."""

Pull = Callable[[Tensor, Tensor], Tensor]
"""From images that are about to come out, and those that would if nothing were asked, to the change that is wished of the first;
all (batch, channels, height, width), in grey values."""


class Options(NamedTuple):
    """How an answer is to be made.

    `region`: where an image may change, (batch, height, width): 1 where it may, 0 where not. Every mechanism of images heeds it.
    `weights` replace those of a `Guidable` mechanism, by parent; `pull` guides an image of it while that comes about, and
    changes nothing where it wishes for nothing. `through`: parents that what lies within a `Mediated` mechanism follows, in place
    of those that are given, in as many rows.
    """

    region: Tensor | None = None
    weights: Weights | None = None
    pull: Pull | None = None
    through: Values | None = None


class Abduction(NamedTuple):
    """What `explain` returns: noise `u`, and `nll` in nats per sample, shape (batch,)."""

    u: Noise
    nll: Tensor


class Mechanism(Configured, ABC):
    """How a variable comes about from its parents and noise.

    To write one, subclass it (or `Likelihood`, or `MaximumLikelihood`). Annotated class attributes are settings (see
    `Configured`). `build` makes the layers once `variable` and `parents` are known; then come the four methods of the contract.
    `loss` is differentiable in the parameters, `predict` in the noise and in the parents. ``predict(abduct(v, pa, prior), pa)``
    returns ``v``, to `tolerance`, whatever the `prior`. Noise of one sample serves every row of `parents`, and one value every
    row of `prior`. `causalimg.testing.check_mechanism` tests it.

    `fitted`, 0-d bool, says whether it has been fitted, `interrupted`, 0-d uint8, in what training it was cut short (see `fit`);
    both are saved with the weights.
    """

    handles: ClassVar[tuple[type[Variable], ...]]
    """The kinds of variable that this mechanism can produce."""

    recipe: ClassVar[Recipe] = Recipe()
    """How `fit` trains it, where the user doesn't say otherwise."""

    tuning: ClassVar[Recipe] = Recipe(steps=400, batch=24, lr=2e-3, warmup=20)
    """How `finetune` trains it, or its edit, where the user doesn't say otherwise."""

    tolerance: ClassVar[float] = 1e-5
    """How exactly `predict` inverts `abduct`, as a share of the standard deviation of the values."""

    abducts_once: ClassVar[bool] = False
    """Whether fine-tuning abducts each image but once: not where it should see many draws of the posterior."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.fitted = nn.Buffer(torch.zeros((), dtype=torch.bool))
        self.interrupted = nn.Buffer(torch.zeros((), dtype=torch.uint8))
        self.variable: Variable
        self.parents: dict[str, Variable]

    @abstractmethod
    def build(self) -> None:
        """Make the layers. `self.variable` and `self.parents` (by name) are known; raise ValueError for what won't fit."""

    @abstractmethod
    def noise(self, n: int, generator: Generator | None = None) -> Noise:
        """Exogenous noise of `n` samples, on the mechanism's device; drawn from `generator`, or else the global one."""

    @abstractmethod
    def predict(self, u: Noise, parents: Values) -> Tensor:
        """The value, shape (batch, *variable.value_shape), that noise `u` and `parents` bring about."""

    @abstractmethod
    def abduct(self, value: Tensor, parents: Values, prior: Noise) -> Noise:
        """The noise that explains `value` under `parents`. Nothing is drawn but `prior`, from `noise`: one row for each of
        `value`, or more for one, as draws of what is left open."""

    @abstractmethod
    def loss(self, value: Tensor, parents: Values) -> Tensor:
        """What `fit` minimises, shape (batch,): summed over the dimensions of a value."""

    def counterfactual(self, u: Noise, parents: Values, seen: Seen, options: Options = Options()) -> Tensor:
        """The value under `parents`, where `seen` is what was seen and `u` explains it: shape (batch, *variable.value_shape).

        Under the parents that were seen it is what was seen, to `tolerance`; and so it is outside the region of an image, if
        `options` have one. By default, what `predict` gives, laid into the region.
        """
        return laid_into(options.region, self.predict(u, parents), seen.value)

    def prepare(self, value: Tensor, parents: Values) -> None:
        """See the training data once, before training: the place to fit standardisation. Extend it with ``super()``."""
        for module in self.modules():
            if isinstance(module, Context):
                module.standardise(parents)

    def prepare_finetuning(self, parents: Iterable[str]) -> nn.Module:
        """Learn which `parents` fine-tuning will change; returns the part of the mechanism that it trains. By default, all."""
        return self

    @property
    def unwrapped(self) -> "Mechanism":
        """The mechanism that `fit` trains: this one, or the one that it wraps."""
        return self

    def bind(self, graph: Graph, name: str) -> Self:
        """A new mechanism with these settings, built for the variable `name` of `graph`.

        Raises TypeError where this kind of mechanism can't produce that kind of variable, and ValueError for settings of which
        none can be built.
        """
        try:
            with located(name), buildable(self.spec):
                return self.built(graph[name], {parent: graph[parent] for parent in graph.parents(name)})
        except TypeError as error:
            raise TypeError(f"{name}: {error}") from None

    def built(self, variable: Variable, parents: Mapping[str, Variable]) -> Self:
        """A new mechanism with these settings, built for `variable`.

        Raises TypeError for a kind of variable that it doesn't handle, and ValueError where it is built already.
        """
        if hasattr(self, "variable"):
            raise ValueError(
                f"this {type(self).__name__} is built already, and its weights would be lost: give an unbuilt one with its "
                "settings, and its weights to load_state_dict"
            )
        made = type(self)(**dict(self.spec))
        if not isinstance(variable, made.handles):
            handled = " or ".join(kind.__name__ for kind in made.handles)
            raise TypeError(f"{type(self).__name__} produces {handled}, not {type(variable).__name__}")
        made.variable, made.parents = variable, dict(parents)
        made.build()
        return made


class Guidable(Mechanism, ABC):
    """A mechanism whose answers can be guided while they are made: its `counterfactual` heeds `weights` and `pull` of `Options`.

    They follow each of its parents with a weight: 1 as it was fitted, more for a stronger effect. `weights`, (parents,), are its
    own, in the order of `parents`: a buffer that `build` makes and calibration sets.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.weights: Tensor

    @abstractmethod
    def counterfactual(self, u: Noise, parents: Values, seen: Seen, options: Options = Options()) -> Tensor:
        """See `Mechanism.counterfactual`."""


class Mediated(Mechanism, ABC):
    """A mechanism with something of its own between the parents and the value, such as latents that move with the parents: its
    `counterfactual` heeds `through` of `Options`."""

    @abstractmethod
    def counterfactual(self, u: Noise, parents: Values, seen: Seen, options: Options = Options()) -> Tensor:
        """See `Mechanism.counterfactual`."""


def laid_into(region: Tensor | None, answer: Tensor, value: Tensor) -> Tensor:
    """`answer` within `region`, and `value` outside it; images (batch, channels, height, width). Without a region, `answer`."""
    return answer if region is None else value + region[:, None] * (answer - value)


class Likelihood(Mechanism, ABC):
    """A mechanism that says how likely a value was: exactly, or by a bound on it."""

    @abstractmethod
    def explain(self, value: Tensor, parents: Values, prior: Noise) -> Abduction:
        """What `abduct` finds, and (a bound on) the negative log-likelihood of `value`, in one pass."""


class MaximumLikelihood(Likelihood, ABC):
    """A mechanism whose likelihood is what `fit` maximises.

    Write `explain` in place of `abduct` and `loss`. Write `abduct` too where the noise alone costs less.
    """

    def abduct(self, value: Tensor, parents: Values, prior: Noise) -> Noise:
        return self.explain(value, parents, prior).u

    def loss(self, value: Tensor, parents: Values) -> Tensor:
        return self.explain(value, parents, self.noise(len(value))).nll


class Monotone(MaximumLikelihood, ABC):
    """A mechanism of a number that rises with its noise, which is one standard normal number: (batch,)."""


def likelihood_of(mechanism: Mechanism) -> Likelihood | None:
    """`mechanism`, or the one that it wraps, if that is a `Likelihood`."""
    unwrapped = mechanism.unwrapped
    return unwrapped if isinstance(unwrapped, Likelihood) else None


def noisy_by_pixel(mechanism: Mechanism) -> bool:
    """Whether `mechanism` adds noise pixel by pixel. Nothing is drawn from the global random state."""
    return isinstance(mechanism.noise(1, Generator()), ImageNoise)


def guidable_of(mechanism: Mechanism) -> Guidable | None:
    """`mechanism`, or the one that it wraps, if that is `Guidable`."""
    unwrapped = mechanism.unwrapped
    return unwrapped if isinstance(unwrapped, Guidable) else None
