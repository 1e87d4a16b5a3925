"""Quantities of one structure, and what they share: positions of pixels, and means within an outline."""

from typing import TYPE_CHECKING, Any, ClassVar

from causalimg.graph.quantities.quantity import Quantity

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
