"""A quantity of a part: of the upper third of a lung, of the proximal third of a vessel.

A point has a place t along a structure, 0 at the edge where it begins and 1 where it ends, or along the image; the band is
start <= t < stop. A row (or column) takes part by the share of it that lies in the band,

    share = |[t_above, t_below] ∩ [start, stop]| / (t_below - t_above),

so that bands which share their ends partition the rows, the areas within them add up to the area, and a structure that
grows by a pixel moves no whole row from one band to the next. Where a structure begins and ends is soft as well: with r_i the
most probable pixel of row i of n,

    begin = sum_i (1 - max_{k <= i} r_k),        end = n - sum_i (1 - max_{k >= i} r_k),

the edges where r is 0 or 1 (it is divided by its largest, or by SURE, and cut at 1). To lengthen a structure moves all of
its bands, and a gradient must know. The band that starts at 0 goes on to the image's edge, and so does that which stops at 1.

Positional Segmentor-Guided Counterfactual Fine-Tuning for Spatially Localized Image Synthesis (Xia et al., 2026),
https://arxiv.org/abs/2603.21213
"""

from math import inf
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from causalimg.graph.quantities.of_structure import centres
from causalimg.graph.quantities.quantity import Outlined, Part, Quantity, one_of

if TYPE_CHECKING:
    from torch import Tensor

SURE, ABSENT = 0.9, 0.25
"""A row as probable as this is wholly taken; a structure that is nowhere more probable than that is not there."""

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
    def growth(self) -> float:  # type: ignore[override]
        return self.quantity.growth

    @property
    def moves(self) -> bool:  # type: ignore[override]
        return self.quantity.moves

    @property
    def extensive(self) -> bool:  # type: ignore[override]
        return self.quantity.extensive

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
        outline = seen.image.new_zeros(1, *seen.image.shape[-2:]) if self.of is None else seen.masks[self.of]
        above, below = _places(outline.mT if self.along == "height" else outline)
        start, stop = (-inf if self.start == 0 else self.start), (inf if self.stop == 1 else self.stop)
        shared = (below.clamp(max=stop) - above.clamp(min=start)).clamp(min=0) / (below - above)
        return shared.mT if self.along == "height" else shared


def _places(outline: "Tensor") -> "tuple[Tensor, Tensor]":
    """t at the first and at the last edge of every column, each of shape (batch, 1, width)."""
    taken = outline.amax(-2, keepdim=True).float()
    most = taken.amax(-1, keepdim=True)
    absent, taken = most <= ABSENT, (taken / most.clamp(ABSENT, SURE)).clamp(max=1)
    edge = centres(taken) - 0.5
    begin = (1 - taken.cummax(-1).values).sum(-1, keepdim=True).masked_fill(absent, 0)
    before_end = (1 - taken.flip(-1).cummax(-1).values).sum(-1, keepdim=True).masked_fill(absent, 0)
    length = taken.shape[-1] - before_end - begin
    return (edge - begin) / length, (edge + 1 - begin) / length
