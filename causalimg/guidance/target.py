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
        able = self.reader.can_read(graph)
        if not able:
            raise ValueError(f"{self.label}: {self.reader.describe()} reads no variable of {graph.title}")
        names = able if self.variables is None else self.variables
        check_known(f"variable that this {type(self.reader).__name__.lower()} reads", names, able)
        return [
            self.model_copy(update={"variables": (name,), "label": self._label(name, len(names))}) for name in names
        ]

    def _label(self, name: str, count: int) -> str:
        """The label of the term for one of `count` variables: the user's own, or that of the kind of term."""
        if "label" in self.model_fields_set and self.label:
            return f"{self.label} {name}" if count > 1 else self.label
        return self.default_label(name)

    @abstractmethod
    def default_label(self, name: str) -> str:
        """What the term for the variable `name` is called, where the user says nothing."""

    def check(self, graph: Graph, image: str, mechanism: Mechanism) -> None:
        super().check(graph, image, mechanism)
        reads = [
            n for n in self.reader.can_read(graph) if graph.image_of(n) == image and n not in graph.descendants(image)
        ]
        what = f"variable that this {type(self.reader).__name__.lower()} reads off {image}, and that {image} does not cause,"
        check_known(what, self.variables or (), reads)

    @property
    def variable(self) -> str:
        """The one variable of an expanded term."""
        (name,) = self.variables or ("",)
        return name

    def distances(self, imagined: Imagined, target: Tensor) -> Tensor:
        """How far the reading of each item is from `target`: values, levels, or log-probabilities of levels."""
        reading = imagined.readings(self.reader)[self.variable]
        if not imagined.graph[self.variable].discrete:
            return self.distance(reading, target, imagined.spread[self.variable])
        wanted = target.exp() if target.ndim > 1 else F.one_hot(target, reading.shape[1]).to(reading)
        return F.cross_entropy(reading, wanted, reduction="none")


class Target(OfReader):
    """`reader` guides: its soft reading of what was set, or follows from it, approaches the counterfactual value."""

    __init__ = OfReader.__init__  # type checkers make up another one for a pydantic class without

    def default_label(self, name: str) -> str:
        return name

    def __call__(self, imagined: Imagined) -> Tensor:
        moved = imagined.moved[self.variable]
        return torch.where(moved, self.distances(imagined, imagined.world[self.variable]), 0.0)


class Hold(OfReader):
    """`reader` holds: its soft reading of what was neither set nor follows from it stays.

    `targets`: at the reader's own answer on the factual image ("soft"), or at the value in the table ("hard").
    """

    targets: Annotated[Literal["soft", "hard"], one_of("targets", "soft", "hard")] = "soft"

    __init__ = OfReader.__init__

    def default_label(self, name: str) -> str:
        return f"hold {name}"

    def __call__(self, imagined: Imagined) -> Tensor:
        soft = self.targets == "soft"
        stays = imagined.held(self.reader)[self.variable] if soft else imagined.factual[self.variable]
        return torch.where(imagined.moved[self.variable], 0.0, self.distances(imagined, stays))
