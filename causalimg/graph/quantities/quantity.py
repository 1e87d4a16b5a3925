"""Quantities: numbers measured on the outlines of structures in an image.

A quantity is written once for soft and for hard outlines. A soft outline is a map of probabilities, so that the
quantity is differentiable and can guide; a hard one is 0 or 1 and is what is reported. Only methods of tensors are used:
this layer imports no torch.

Segmentor-guided Counterfactual Fine-Tuning for Locally Coherent and Targeted Image Synthesis (Xia et al., 2025), sec. 2.2,
https://arxiv.org/abs/2509.24913
"""

from abc import abstractmethod
from collections.abc import Mapping
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, NamedTuple

from pydantic import AfterValidator, BeforeValidator, SerializeAsAny

from causalimg.errors import check_known
from causalimg.graph.spec import Kinded

if TYPE_CHECKING:
    from torch import Tensor

MM, MM2, PIXELS, FRACTION = "mm", "mm2", "px", "fraction"


class Outlined(NamedTuple):
    """Images with their outlines: what quantities are measured on.

    `masks`: by structure, (batch, height, width) with values in [0, 1]. `image`: (batch, channels, height, width).
    `spacing`: the size of a pixel in mm, (row, column), where it is known.
    """

    masks: "Mapping[str, Tensor]"
    image: "Tensor"
    spacing: tuple[float, float] | None = None


class Quantity(Kinded):
    """What is measured on structures. A new one: a subclass with `units`, `structures` and `measure`.

    `units` are those it can be given in; one that begins with "mm" needs an image whose `spacing` is known. `steady` says
    whether exposure (brightness, contrast, noise) and small shifts of the whole image leave it as it is. `growth`: as which power
    of the quantity its structures grow in length; 0 where they needn't. `moves`: whether they go elsewhere. `extensive`: whether
    it is 0 of nothing, and largest where they fill the image. `image` names the image that is measured; needed only where the
    graph leaves a choice.
    """

    units: ClassVar[tuple[str, ...]]
    steady: ClassVar[bool] = True
    growth: ClassVar[float] = 0.0
    moves: ClassVar[bool] = False
    extensive: ClassVar[bool] = False
    by_position: ClassVar[tuple[str, ...]] = ()
    """The settings that are written without their name."""
    image: str | None = None

    @property
    @abstractmethod
    def structures(self) -> tuple[str, ...]:
        """The structures whose outlines `measure` needs."""

    @abstractmethod
    def measure(self, seen: Outlined, unit: str) -> "Tensor":
        """The quantity in `unit`, shape (batch,); differentiable in masks and image."""

    def region(self, seen: Outlined) -> "Tensor":
        """Where it is measured: all of its structures, (batch, height, width), bool."""
        return reduce(or_, (seen.masks[name] > 0.5 for name in self.structures))

    def check_unit(self, unit: str) -> None:
        """Raise ValueError for a unit that the quantity has not."""
        check_known(f"unit of {self!r}", [unit], self.units)

    def pixel(self, seen: Outlined, unit: str) -> tuple[float, float]:
        """The height and the width of a pixel as `unit` has it: in mm, in pixels, or in heights and widths of the image.

        Raises ValueError for a unit that the quantity has not, and for mm where the spacing is not known.
        """
        self.check_unit(unit)
        if unit in (MM, MM2):
            if seen.spacing is None:
                raise ValueError(f"{self!r} in {unit} needs an image with spacing=(mm, mm)")
            return seen.spacing
        height, width = seen.image.shape[-2:]
        return (1 / height, 1 / width) if unit == FRACTION else (1.0, 1.0)

    def __repr_args__(self) -> list[tuple[str | None, Any]]:
        settings = dict(super().__repr_args__())
        first = [(None, settings.pop(name)) for name in self.by_position]
        return [*first, *settings.items()]


def _of_no_image(part: Quantity) -> Quantity:
    if part.image is not None:
        raise ValueError(f"say image={part.image!r} once, of the whole, and not of {part!r}")
    return part


Part = Annotated[SerializeAsAny[Quantity], BeforeValidator(Quantity.from_data), AfterValidator(_of_no_image)]
"""A quantity that another one is made of."""


def one_of(what: str, *known: str) -> BeforeValidator:
    """Refuses all but `known` words, with the nearest of them."""

    def check(word: Any) -> Any:
        check_known(what, [word], known)
        return word

    return BeforeValidator(check)
