"""The area of a structure: the sum of its probabilities times the area of a pixel, whether these are soft or 0 and 1."""

from typing import TYPE_CHECKING, ClassVar

from causalimg.graph.quantities.quantity import FRACTION, MM2, PIXELS, Outlined
from causalimg.graph.quantities.structure import OfStructure

if TYPE_CHECKING:
    from torch import Tensor


class Area(OfStructure):
    """Area of a structure, in ``"mm2"``, ``"px"`` (pixels) or as ``"fraction"`` of the image."""

    units: ClassVar[tuple[str, ...]] = (MM2, PIXELS, FRACTION)

    __init__ = OfStructure.__init__

    def measure(self, seen: Outlined, unit: str) -> "Tensor":
        height, width = self.pixel(seen, unit)
        return seen.masks[self.structure].sum((-2, -1)) * (height * width)
