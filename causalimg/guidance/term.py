"""A term of the guidance loss: a label, a weight, and a function from imagined counterfactuals to a loss per item.

A new one is a file of its own and no edit elsewhere::

    class NoDarker(Term):
        def __call__(self, imagined):
            return (imagined.image.mean((1, 2, 3)) - imagined.was.mean((1, 2, 3))).abs()

    model.finetune(train, guidance=[Target(segmentor), NoDarker(weight=2.0)])
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field
from torch import Tensor, nn

from causalimg.graph import Graph
from causalimg.graph.spec import Spec
from causalimg.guidance.imagined import Imagined
from causalimg.mechanisms import Mechanism
from causalimg.readers import Reader


class Term(Spec, ABC):
    """A loss that fine-tuning minimises, `weight` times its mean over a batch; annotated class attributes are its settings.

    `label` is its name in the history, by default that of its class in lower case; two terms of one label are refused. Raises
    ValueError for a weight that is not positive: leave a term out instead.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    weight: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    label: str = ""

    def model_post_init(self, context: Any) -> None:
        """Give it its default label."""
        if not self.label:
            object.__setattr__(self, "label", type(self).__name__.lower())

    @abstractmethod
    def __call__(self, imagined: Imagined) -> Tensor:
        """The loss of each item, (n,), differentiable in `imagined.image`."""

    @property
    def reads(self) -> Sequence[tuple[Reader, str]]:
        """The readers whose readings it uses, each with a variable. Such a reader counts as a guide: it may not judge."""
        return ()

    def expanded(self, graph: Graph) -> Sequence["Term"]:
        """The terms that this one stands for in a model of `graph`: itself, unless it says otherwise."""
        return (self,)

    @property
    def modules(self) -> list[nn.Module]:
        """The networks among its settings. A reader among them counts as a guide, too."""
        settings = (getattr(self, name) for name in type(self).model_fields)
        return [setting for setting in settings if isinstance(setting, nn.Module)]

    def check(self, graph: Graph, image: str, mechanism: Mechanism) -> None:
        """Raise ValueError or TypeError where it can't work for `image` and the `mechanism` that makes it."""

    def labelled(self, label: str) -> Self:
        """The same term under another label."""
        return self.model_copy(update={"label": label})
