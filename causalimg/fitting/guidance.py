"""Guidance: whose readings of the counterfactual image should meet which targets, and how much that weighs.

Every variable that a reader reads has a target, in every row, intervened on or not::

    set, or an effect of what was set    its counterfactual value
    everything else                      "soft": the reader's own soft answer on the factual image; "hard": the factual value

Hard targets for what should stay would amplify whatever the reader gets wrong (Xia et al., 2024, arXiv:2403.09422).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from causalimg.errors import check_known
from causalimg.fitting.distances import Distance, squared
from causalimg.fitting.imagined import Imagined
from causalimg.fitting.jitter import jitter
from causalimg.graph import Graph, Image
from causalimg.readers import Reader
from causalimg.values import World

OwnGuidance = Callable[[Imagined], Tensor]
"""Guidance of your own: from the counterfactuals of a batch to a loss per item, (n,), differentiable in their image."""


@dataclass(frozen=True)
class Guidance:
    """A reader that guides: by `variables` (default: all that it reads), with a `weight` and a `distance`.

    `targets` says what holds in place that which should stay: the reader's own answer on the factual image, or the value in
    the table. Raises ValueError for a weight that is not positive, and for other targets.
    """

    reader: Reader
    variables: Sequence[str] | None = None
    weight: float = 1.0
    distance: Distance = squared
    targets: Literal["soft", "hard"] = "soft"

    def __post_init__(self) -> None:
        if not self.weight > 0:
            raise ValueError(f"the weight of a guidance must be positive, got {self.weight}")
        check_known("targets", [self.targets], ["soft", "hard"])


Guide = Reader | Guidance | OwnGuidance
"""What `finetune` takes as guidance."""


class Guiding(nn.Module):
    """A `Guidance` at work on `image`: its loss on imagined counterfactuals, by variable.

    `mark` sets its columns apart from those of other guidance. Raises ValueError for variables that its reader doesn't read.
    """

    def __init__(self, guidance: Guidance, graph: Graph, image: str, data: World, mark: int) -> None:
        super().__init__()
        self.guidance, self.graph, self.image, self.mark = guidance, graph, image, mark
        self.reader = guidance.reader
        reads = [name for name in self.reader.can_read(graph) if graph.image_of(name) == image]
        self.names = list(reads if guidance.variables is None else guidance.variables)
        check_known(f"variable that this {type(self.reader).__name__.lower()} reads off {image}", self.names, reads)
        spread = [torch.ones(()) if graph[name].discrete else data[name].std() for name in self.names]
        self.spread = nn.Buffer(torch.stack(spread))

    @torch.no_grad()
    def held(self, images: Tensor) -> World:
        """The reader's soft answers on factual `images`: columns that `forward` asks for."""
        read = self.reader.read(images, self.graph, self.names, soft=True)
        return {self._column(name): value for name, value in read.items()}

    def forward(self, imagined: Imagined, batch: Mapping[str, Tensor], exposure: float, hold: float) -> World:
        """The mean distance of each variable's reading to its target; what should stay weighs `hold` times as much."""
        readings, found = self._read(imagined.image, exposure), {}
        for name, spread in zip(self.names, self.spread, strict=True):
            moved, becomes = imagined.moved[name], imagined.world[name]
            stays = batch[self._column(name)] if self.guidance.targets == "soft" else imagined.factual[name]
            distance = self._distance(name, readings[name], moved, becomes, stays, spread)
            found[name] = self.guidance.weight * (distance * torch.where(moved, 1.0, hold)).mean()
        return found

    def _distance(
        self, name: str, reading: Tensor, moved: Tensor, becomes: Tensor, stays: Tensor, spread: Tensor
    ) -> Tensor:
        if not self.graph[name].discrete:
            return self.guidance.distance(reading, torch.where(moved, becomes, stays), spread)
        kept = stays.exp() if stays.ndim > 1 else F.one_hot(stays, reading.shape[1]).to(reading)
        wanted = torch.where(moved[:, None], F.one_hot(becomes, reading.shape[1]).to(reading), kept)
        return F.cross_entropy(reading, wanted, reduction="none")

    def _read(self, image: Tensor, exposure: float) -> World:
        """Soft readings under random exposure and shift; of what these would change, without."""
        measured = self.graph.measured
        steady = [name for name in self.names if exposure and (name not in measured or measured[name].steady)]
        others = [name for name in self.names if name not in steady]
        low, high = cast(tuple[float, float], cast(Image, self.graph[self.image]).bounds)
        found = self.reader.read(jitter(image, exposure, low, high), self.graph, steady, soft=True) if steady else {}
        return found | (self.reader.read(image, self.graph, others, soft=True) if others else {})

    def _column(self, name: str) -> str:
        return f"_held_{self.mark}_{name}"
