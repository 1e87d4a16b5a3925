"""How wide and how high a structure is: the length of its shadow on the axis.

A column is taken to the degree of its most probable pixel,

    width = sum_j max_i p_ij    columns,

exact on 0 and 1, and monotone: what grows the outline never makes it narrower. Along a border that is a ramp of probabilities
it is the ramp's integral, as for an area, so that soft and hard agree. (One minus the product of 1 - p would not do: over a
column it adds up the little that a segmentor leaves everywhere.) What is missing between two parts does not count, and
a stray pixel counts as the one column that it is.
"""

from typing import TYPE_CHECKING, ClassVar

from causalimg.graph.quantities.quantity import FRACTION, MM, PIXELS, Outlined
from causalimg.graph.quantities.structure import OfStructure

if TYPE_CHECKING:
    from torch import Tensor


class Width(OfStructure):
    """How many columns a structure takes, in ``"mm"``, ``"px"`` (pixels) or as ``"fraction"`` of the image's width."""

    units: ClassVar[tuple[str, ...]] = (MM, PIXELS, FRACTION)

    __init__ = OfStructure.__init__

    def measure(self, seen: Outlined, unit: str) -> "Tensor":
        _, width = self.pixel(seen, unit)
        return seen.masks[self.structure].amax(-2).sum(-1) * width


class Height(OfStructure):
    """How many rows a structure takes, in ``"mm"``, ``"px"`` (pixels) or as ``"fraction"`` of the image's height."""

    units: ClassVar[tuple[str, ...]] = (MM, PIXELS, FRACTION)

    __init__ = OfStructure.__init__

    def measure(self, seen: Outlined, unit: str) -> "Tensor":
        height, _ = self.pixel(seen, unit)
        return seen.masks[self.structure].amax(-1).sum(-1) * height
