"""One size over another: the cardiothoracic ratio is ``Ratio(Width("heart"), Width("thorax"))``.

Both are measured in mm (or mm2) where the size of a pixel is known, else in pixels, taken to be square. Nothing is divided
by less than the size of one pixel, so that value and gradient stay finite where the second structure is not there.
"""

from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import model_validator

from causalimg.graph.quantities.quantity import MM, MM2, PIXELS, Outlined, Part, Quantity

if TYPE_CHECKING:
    from torch import Tensor


class Ratio(Quantity):
    """The size `of` one structure over that of another, `to`: two lengths or two areas, as a ``"ratio"``.

    Raises ValueError for what is no pair of lengths or of areas.
    """

    units: ClassVar[tuple[str, ...]] = ("ratio",)
    by_position: ClassVar[tuple[str, ...]] = ("of", "to")
    of: Part
    to: Part

    def __init__(self, of: Quantity, to: Quantity, **data: Any) -> None:
        super().__init__(**{"of": of, "to": to, **data})

    @model_validator(mode="after")
    def _alike(self) -> Self:
        if self._metric is None:
            raise ValueError(f"expected two lengths or two areas, got {self.of!r} and {self.to!r}")
        return self

    @property
    def _metric(self) -> str | None:
        common = {*self.of.units} & {*self.to.units}
        return next((unit for unit in (MM, MM2) if {unit, PIXELS} <= common), None)

    @property
    def structures(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self.of.structures + self.to.structures))

    @property
    def steady(self) -> bool:  # type: ignore[override]  # constant for other kinds, here that of the parts
        return self.of.steady and self.to.steady

    @property
    def growth(self) -> float:  # type: ignore[override]
        return self.of.growth

    def measure(self, seen: Outlined, unit: str) -> "Tensor":
        self.check_unit(unit)
        size = PIXELS if seen.spacing is None or self._metric is None else self._metric
        height, width = self.to.pixel(seen, size)
        least = height * width if size == MM2 else min(height, width)
        return self.of.measure(seen, size) / self.to.measure(seen, size).clamp(min=least)
