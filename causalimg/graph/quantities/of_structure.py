"""Quantities of one structure: its area, where it is, how wide and how high it is, and how bright.

The **area** is the sum of the probabilities times the area of a pixel, the **centroid** the mean position of the pixels,
weighted by their probabilities. **Width** (and height alike) is the length of the structure's shadow on the axis: a column is
taken to the degree of its most probable pixel,

    width = sum_j max_i p_ij    columns,

exact on 0 and 1, and monotone: what grows the outline never makes it narrower. Along a border that is a ramp of probabilities
it is the ramp's integral, as for an area, so that soft and hard agree. (One minus the product of 1 - p would not do: over a
column it adds up the little that a segmentor leaves everywhere.) What is missing between two parts does not count, and
a stray pixel counts as the one column that it is. The **mean intensity** is differentiable in the image twice: in its greys
and, through the segmentor, in the outline.
"""

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from causalimg.graph.quantities.quantity import FRACTION, MM, MM2, PIXELS, Outlined, Quantity, one_of

if TYPE_CHECKING:
    from torch import Tensor


class OfStructure(Quantity):
    """A quantity of one structure, which is written first: ``Area("lv")``.

    Subclasses say ``__init__ = OfStructure.__init__``: type checkers make up another one for a pydantic class without.
    """

    by_position: ClassVar[tuple[str, ...]] = ("structure",)
    structure: str

    def __init__(self, structure: str, **data: Any) -> None:
        super().__init__(**{"structure": structure, **data})

    @property
    def structures(self) -> tuple[str, ...]:
        return (self.structure,)


class Area(OfStructure):
    """Area of a structure, in ``"mm2"``, ``"px"`` (pixels) or as ``"fraction"`` of the image."""

    units: ClassVar[tuple[str, ...]] = (MM2, PIXELS, FRACTION)
    growth: ClassVar[float] = 0.5
    extensive: ClassVar[bool] = True

    __init__ = OfStructure.__init__

    def measure(self, seen: Outlined, unit: str) -> "Tensor":
        height, width = self.pixel(seen, unit)
        return seen.masks[self.structure].sum((-2, -1)) * (height * width)


class Centroid(OfStructure):
    """How far down (`axis` "row") or across ("column") the middle of a structure is, from the image's upper left corner.

    In ``"mm"``, ``"px"`` (pixels; the centre of the first is at 0.5) or as ``"fraction"`` of the image's height or width.
    The centroid of nothing is the centre of the image.
    """

    units: ClassVar[tuple[str, ...]] = (MM, PIXELS, FRACTION)
    steady: ClassVar[bool] = False
    moves: ClassVar[bool] = True
    axis: Annotated[Literal["row", "column"], one_of("axis", "row", "column")]

    __init__ = OfStructure.__init__

    def measure(self, seen: Outlined, unit: str) -> "Tensor":
        height, width = self.pixel(seen, unit)
        mask = seen.masks[self.structure]
        if self.axis == "row":
            return height * mean_within(mask.mT, centres(mask.mT))
        return width * mean_within(mask, centres(mask))


class Width(OfStructure):
    """How many columns a structure takes, in ``"mm"``, ``"px"`` (pixels) or as ``"fraction"`` of the image's width."""

    units: ClassVar[tuple[str, ...]] = (MM, PIXELS, FRACTION)
    growth: ClassVar[float] = 1.0
    extensive: ClassVar[bool] = True

    __init__ = OfStructure.__init__

    def measure(self, seen: Outlined, unit: str) -> "Tensor":
        _, width = self.pixel(seen, unit)
        return seen.masks[self.structure].amax(-2).sum(-1) * width


class Height(OfStructure):
    """How many rows a structure takes, in ``"mm"``, ``"px"`` (pixels) or as ``"fraction"`` of the image's height."""

    units: ClassVar[tuple[str, ...]] = (MM, PIXELS, FRACTION)
    growth: ClassVar[float] = 1.0
    extensive: ClassVar[bool] = True

    __init__ = OfStructure.__init__

    def measure(self, seen: Outlined, unit: str) -> "Tensor":
        height, _ = self.pixel(seen, unit)
        return seen.masks[self.structure].amax(-1).sum(-1) * height


class MeanIntensity(OfStructure):
    """Mean of the image, over all channels, within a structure, in ``"grey"``: the unit of the image's values and `bounds`.

    That of nothing is the mean of the whole image.
    """

    units: ClassVar[tuple[str, ...]] = ("grey",)
    steady: ClassVar[bool] = False

    __init__ = OfStructure.__init__

    def measure(self, seen: Outlined, unit: str) -> "Tensor":
        self.check_unit(unit)
        return mean_within(seen.masks[self.structure], seen.image.mean(1))


def centres(along: "Tensor") -> "Tensor":
    """Where the centres of the last dimension's pixels are, in pixels from the edge: 0.5, 1.5, ...; shape (1, 1, n)."""
    return along.detach().new_ones(1, 1, along.shape[-1]).cumsum(-1) - 0.5


def mean_within(mask: "Tensor", values: "Tensor") -> "Tensor":
    """The mean of `values` within `mask`, maps of (batch or 1, height or 1, width), shape (batch,).

    With c the mean over the whole image it is c + sum p (v - c) / max(sum p, 1): whatever c, the mean within, wherever a
    pixel or more is inside; from there on down it goes to c, and the gradient stays bounded.
    """
    whole = values.mean((-2, -1), keepdim=True)
    inside = (mask * (values - whole)).sum((-2, -1)) / mask.sum((-2, -1)).clamp(min=1)
    return whole[:, 0, 0] + inside
