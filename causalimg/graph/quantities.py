"""Quantities: numbers measured on the outlines of structures in an image.

A quantity is written once for soft and for hard outlines. A soft outline is a map of probabilities, so that the
quantity is differentiable and can guide (Xia et al., 2025, arXiv:2509.24913, sec. 2.2); a hard one is 0 or 1 and is what
is reported. Only methods that tensors and arrays share are used: this layer imports no torch.
"""

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from causalimg.graph.spec import Kinded

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

MM2, PIXELS, FRACTION = "mm2", "px", "fraction"


class Quantity(Kinded):
    """What is measured on structures. A new one: a subclass with `units`, `structures` and `measure`.

    `units` are those it can be given in; one that begins with "mm" needs an image whose `spacing` is known. `image` names
    the image that is measured; needed only where the graph leaves a choice.
    """

    units: ClassVar[tuple[str, ...]]
    image: str | None = None

    @property
    @abstractmethod
    def structures(self) -> tuple[str, ...]:
        """The structures whose outlines `measure` needs."""

    @abstractmethod
    def measure(self, masks: "Mapping[str, Tensor]", unit: str, spacing: tuple[float, float] | None) -> "Tensor":
        """The quantity, shape (batch,), in `unit`, from masks of shape (batch, height, width) with values in [0, 1].

        `spacing` is the size of a pixel in mm, (row, column).
        """


class Area(Quantity):
    """Area of a structure, in ``"mm2"``, ``"px"`` (pixels) or as ``"fraction"`` of the image."""

    units: ClassVar[tuple[str, ...]] = (MM2, PIXELS, FRACTION)
    structure: str

    def __init__(self, structure: str, **data: Any) -> None:
        super().__init__(**{"structure": structure, **data})

    def __repr_args__(self) -> list[tuple[str | None, Any]]:
        others = [(name, value) for name, value in super().__repr_args__() if name != "structure"]
        return [(None, self.structure), *others]

    @property
    def structures(self) -> tuple[str, ...]:
        return (self.structure,)

    def measure(self, masks: "Mapping[str, Tensor]", unit: str, spacing: tuple[float, float] | None) -> "Tensor":
        mask = masks[self.structure]
        pixels = mask.sum(-1).sum(-1)
        if unit == MM2:
            if spacing is None:
                raise ValueError(f"{self!r} in mm2 needs an image with spacing=(mm, mm)")
            return pixels * (spacing[0] * spacing[1])
        return pixels / (mask.shape[-1] * mask.shape[-2]) if unit == FRACTION else pixels
