"""A quantity of a part: of the upper third of a lung, of the proximal third of a vessel.

Rows (or columns) have a place t along a structure, from 0 at its first to 1 at its last, or along the image,

    t = (centre - first edge) / (last edge - first edge),

and those with start <= t < stop are the band. The centre of a pixel decides, so that bands which share their ends partition
the rows, and the areas within them add up to the area. Where the structure begins and ends is said by its hard outline,
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
        return self.quantity.region(seen) & self._band(seen)

    def _band(self, seen: Outlined) -> "Tensor":
        """Which rows, (batch, height, 1), or columns, (batch, 1, width), belong to the part; for the image batch is 1."""
        outline = seen.image[:1, 0] > inf if self.of is None else seen.masks[self.of].detach() > 0.5
        place = _places(outline.mT if self.along == "height" else outline)
        start, stop = (-inf if self.start == 0 else self.start), (inf if self.stop == 1 else self.stop)
        band = (place >= start) & (place < stop)
        return band.mT if self.along == "height" else band


def _places(hard: "Tensor") -> "Tensor":
    """t of every column, shape (batch, 1, width)."""
    taken = hard.any(-2, keepdim=True)
    taken = taken | ~taken.any(-1, keepdim=True)
    centre = centres(hard)
    first, last = centre.masked_fill(~taken, inf).amin(-1, True), centre.masked_fill(~taken, -inf).amax(-1, True)
    return (centre - first + 0.5) / (last - first + 1)
