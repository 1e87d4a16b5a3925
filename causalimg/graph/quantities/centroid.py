"""Where a structure is: the mean position of its pixels, weighted by their probabilities."""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from causalimg.graph.quantities.quantity import FRACTION, MM, PIXELS, Outlined
from causalimg.graph.quantities.settings import one_of
from causalimg.graph.quantities.structure import OfStructure, centres, mean_within

if TYPE_CHECKING:
    from torch import Tensor


class Centroid(OfStructure):
    """How far down (`axis` "row") or across ("column") the middle of a structure is, from the image's upper left corner.

    In ``"mm"``, ``"px"`` (pixels; the centre of the first is at 0.5) or as ``"fraction"`` of the image's height or width.
    The centroid of nothing is the centre of the image.
    """

    units: ClassVar[tuple[str, ...]] = (MM, PIXELS, FRACTION)
    steady: ClassVar[bool] = False
    axis: Annotated[Literal["row", "column"], one_of("axis", "row", "column")]

    __init__ = OfStructure.__init__

    def measure(self, seen: Outlined, unit: str) -> "Tensor":
        height, width = self.pixel(seen, unit)
        mask = seen.masks[self.structure]
        if self.axis == "row":
            return height * mean_within(mask.mT, centres(mask.mT))
        return width * mean_within(mask, centres(mask))
