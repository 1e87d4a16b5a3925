"""A quantity of a part: of the upper third of a lung, of the proximal third of a vessel.

A point has a place t along a structure, 0 at the edge where it begins and 1 where it ends, or along the image; the band is
start <= t < stop. A row (or column) takes part by the share of it that lies in the band,

    share = |[t_above, t_below] ∩ [start, stop]| / (t_below - t_above),

so that bands which share their ends partition the rows, the areas within them add up to the area, and a structure that
grows by a pixel moves no whole row from one band to the next. Where it begins and ends is said by its hard outline,
p > 1/2: no gradient goes through it. But the band that starts at 0 goes on to the image's edge, and so does that which stops
at 1: else a structure that has to grow at its end would find no gradient there.

Positional Segmentor-Guided Counterfactual Fine-Tuning for Spatially Localized Image Synthesis (Xia et al., 2026),
https://arxiv.org/abs/2603.21213
"""

from math import inf
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from causalimg.graph.quantities.quantity import Outlined, Quantity
from causalimg.graph.quantities.settings import Part, one_of
from causalimg.graph.quantities.structure import centres

if TYPE_CHECKING:
    from torch import Tensor

Place = Annotated[float, Field(ge=0, le=1)]


class Within(Quantity):
    """`quantity`, of what lies between `start` and `stop` along the height or the width of the structure `of`, or of the image.

    0 is at the top or at the left, 1 at the bottom or at the right; without `of` they are the image's. A structure that is
    not there has the extent of the image. Of one `Within` another the outer band is cut first. Raises ValueError unless
    0 <= start < stop <= 1.
    """

    by_position: ClassVar[tuple[str, ...]] = ("quantity",)
    quantity: Part
    of: str | None = None
    along: Annotated[Literal["height", "width"], one_of("along", "height", "width")] = "height"
    start: Place = 0.0
    stop: Place = 1.0

    def __init__(self, quantity: Quantity, **data: Any) -> None:
        super().__init__(**{"quantity": quantity, **data})

    @model_validator(mode="after")
    def _upright(self) -> Self:
        if not self.start < self.stop:
            raise ValueError(f"expected start < stop, got start={self.start:g} and stop={self.stop:g}")
        return self

    @property
    def units(self) -> tuple[str, ...]:  # type: ignore[override]  # constant for other kinds, here those of the part
        return self.quantity.units

    @property
    def steady(self) -> bool:  # type: ignore[override]
        return self.quantity.steady and self.of is not None

    @property
    def structures(self) -> tuple[str, ...]:
        of = () if self.of is None else (self.of,)
        return tuple(dict.fromkeys(self.quantity.structures + of))

    def measure(self, seen: Outlined, unit: str) -> "Tensor":
        band = self._band(seen)
        masks = {name: seen.masks[name] * band for name in self.quantity.structures}
        return self.quantity.measure(seen._replace(masks=masks), unit)

    def region(self, seen: Outlined) -> "Tensor":
        return self.quantity.region(seen) & (self._band(seen) > 0)

    def _band(self, seen: Outlined) -> "Tensor":
        """How much of every row, (batch, height, 1), or column, (batch, 1, width), is in the part; for the image batch is 1."""
        outline = seen.image[:1, 0] > inf if self.of is None else seen.masks[self.of].detach() > 0.5
        above, below = _places(outline.mT if self.along == "height" else outline)
        start, stop = (-inf if self.start == 0 else self.start), (inf if self.stop == 1 else self.stop)
        shared = (below.clamp(max=stop) - above.clamp(min=start)).clamp(min=0) / (below - above)
        return shared.mT if self.along == "height" else shared


def _places(hard: "Tensor") -> "tuple[Tensor, Tensor]":
    """t at the first and at the last edge of every column, each of shape (batch, 1, width)."""
    taken = hard.any(-2, keepdim=True)
    taken = taken | ~taken.any(-1, keepdim=True)
    edge = (centres(hard) - 0.5).float()
    begin, end = edge.masked_fill(~taken, inf).amin(-1, True), edge.masked_fill(~taken, -inf).amax(-1, True) + 1
    return (edge - begin) / (end - begin), (edge + 1 - begin) / (end - begin)
