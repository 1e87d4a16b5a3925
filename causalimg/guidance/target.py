"""What should move meets its target, what should not is held: Seg-CFT, Reg-CFT, and guidance by a classifier.

*Segmentor-guided Counterfactual Fine-Tuning* (Xia et al., MICCAI 2025, arXiv:2509.24913, eq. 4). With A(x') the soft reading of a
variable by a reader, and d a distance::

    Target    d(A(x'), v')     in the rows where the variable was set or follows from what was; v' its counterfactual value
    Hold      d(A(x'), s)      in all other rows; s = A(x), the reader's answer on the factual image ("soft"), or v ("hard")

Hard targets for what should stay would amplify whatever the reader gets wrong (Xia et al., 2024, arXiv:2403.09422). For a
categorical variable d is the cross-entropy.
"""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

import torch
from torch import Tensor
from torch.nn import functional as F

from causalimg.errors import check_known
from causalimg.graph import Graph
from causalimg.graph.quantities.quantity import one_of
from causalimg.guidance.distances import Distance, squared
from causalimg.guidance.imagined import Imagined
from causalimg.guidance.term import Term
from causalimg.mechanisms import Mechanism
from causalimg.readers import Reader


class OfReader(Term):
    """A term on what `reader` reads: one for each of `variables`, by default for all that it reads."""

    reader: Reader
    variables: tuple[str, ...] | None = None
    distance: Distance = squared

    def __init__(
        self, reader: Reader, variables: Sequence[str] | None = None, distance: Distance = squared, **data: Any
    ) -> None:
        super().__init__(**{"reader": reader, "variables": variables, "distance": distance, **data})

    @property
    def reads(self) -> Sequence[tuple[Reader, str]]:
        return [(self.reader, name) for name in self.variables or ()]

    def expanded(self, graph: Graph) -> Sequence[Self]:
        names = self.reader.can_read(graph) if self.variables is None else self.variables
        named = self.label != type(self).__name__.lower()
        label = f"{self.label} {{}}" if named and len(names) > 1 else self.label if named else self._label
        return [self.model_copy(update={"variables": (name,), "label": label.format(name)}) for name in names]

    @property
    @abstractmethod
    def _label(self) -> str: ...

    def check(self, graph: Graph, image: str, mechanism: Mechanism) -> None:
        reads = [name for name in self.reader.can_read(graph) if graph.image_of(name) == image]
        what = f"variable that this {type(self.reader).__name__.lower()} reads off {image}"
        check_known(what, self.variables or (), reads)

    def distances(self, imagined: Imagined, target: Tensor) -> Tensor:
        """How far the reading of each item is from `target`: values, levels, or log-probabilities of levels."""
        (name,) = self.variables or ("",)
        reading = imagined.readings(self.reader)[name]
        if not imagined.graph[name].discrete:
            return self.distance(reading, target, imagined.spread[name])
        wanted = target.exp() if target.ndim > 1 else F.one_hot(target, reading.shape[1]).to(reading)
        return F.cross_entropy(reading, wanted, reduction="none")


class Target(OfReader):
    """`reader` guides: its soft reading of what was set, or follows from it, approaches the counterfactual value."""

    __init__ = OfReader.__init__

    @property
    def _label(self) -> str:
        return "{}"

    def __call__(self, imagined: Imagined) -> Tensor:
        (name,) = self.variables or ("",)
        return torch.where(imagined.moved[name], self.distances(imagined, imagined.world[name]), 0.0)


class Hold(OfReader):
    """`reader` holds: its soft reading of what was neither set nor follows from it stays.

    `targets`: at the reader's own answer on the factual image ("soft"), or at the value in the table ("hard").
    """

    targets: Annotated[Literal["soft", "hard"], one_of("targets", "soft", "hard")] = "soft"

    __init__ = OfReader.__init__

    @property
    def _label(self) -> str:
        return "hold {}"

    def __call__(self, imagined: Imagined) -> Tensor:
        (name,) = self.variables or ("",)
        stays = imagined.held(self.reader)[name] if self.targets == "soft" else imagined.factual[name]
        return torch.where(imagined.moved[name], 0.0, self.distances(imagined, stays))
