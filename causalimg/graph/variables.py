"""The kinds of variables: what a value is, in which units, and within which bounds. This module imports no torch."""

from math import isfinite
from typing import TYPE_CHECKING, Annotated, Any
from unicodedata import normalize

from pydantic import BeforeValidator, Field, PositiveInt, SerializeAsAny, field_validator, model_validator

from causalimg.errors import check_known, unknown
from causalimg.graph.quantities import Quantity
from causalimg.graph.spec import Kinded

if TYPE_CHECKING:
    from torch import Tensor


def _variable_or_name(parent: Any) -> "str | Variable":
    if not isinstance(parent, str | Variable):
        raise ValueError(f"expected a variable or its name, got {parent!r}")
    return parent


Parent = Annotated["str | Variable", BeforeValidator(_variable_or_name)]
MeasuredBy = Annotated[SerializeAsAny[Quantity], BeforeValidator(Quantity.from_data)]
Millimetres = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class _Parents(tuple[Any, ...]):
    """Prints as in a class body: ``[age, sex]``."""

    def __repr__(self) -> str:
        return f"[{', '.join(map(str, self))}]"


class Variable(Kinded):
    """A node of the graph. `parents` are variables (in a class body) or their names."""

    parents: tuple[Parent, ...] = ()

    def __repr_args__(self) -> list[tuple[str | None, Any]]:
        args = super().__repr_args__()
        return [(key, _Parents(value) if key == "parents" else value) for key, value in args]

    @property
    def value_shape(self) -> tuple[int, ...]:
        """The shape of one value: () for a number."""
        return ()

    @property
    def discrete(self) -> bool:
        """Whether values are indices into levels."""
        return False

    def encode(self, name: str, value: Any) -> Any:
        """`value` as numbers, where a user may write it otherwise (a level by its name)."""
        return value

    def outside(self, values: "Tensor") -> "Tensor":
        """True where a number is not a value of this variable (NaN, or out of bounds); elementwise."""
        return values != values

    @property
    def allowed(self) -> str:
        """The values this variable can take, in words, for messages."""
        return "a number"

    @property
    def caption(self) -> str:
        """What a drawing of the graph says under the name: unit, levels or shape."""
        return ""

    def say(self, value: float) -> str:
        """One value in words: with its unit, or the level's name."""
        return f"{value:.4g}"


class Unobserved(Variable):
    """A cause of others that no table has: it says that they have something in common which is not known. It has no causes.

    No mechanism sees it. `do` warns where what it asks for is therefore not identified.
    """

    @model_validator(mode="after")
    def _is_a_root(self) -> "Unobserved":
        if self.parents:
            raise ValueError("what is unobserved has no parents: make them parents of its effects, and leave it out")
        return self

    @property
    def caption(self) -> str:
        return "unobserved"


class _Bounded(Variable):
    bounds: tuple[float | None, float | None] = (None, None)

    @field_validator("bounds")
    @classmethod
    def _upright(cls, bounds: tuple[float | None, float | None]) -> tuple[float | None, float | None]:
        low, high = bounds
        for bound in bounds:
            if bound is not None and not isfinite(bound):
                raise ValueError(f"{bound} is no bound; None leaves that side open")
        if low is not None and high is not None and not low < high:
            raise ValueError(f"the lower bound {low:g} is not below the upper bound {high:g}")
        return bounds

    def outside(self, values: "Tensor") -> "Tensor":
        low, high = self.bounds
        wrong = (values != values) | (abs(values) == float("inf"))
        if low is not None:
            wrong = wrong | (values < low)
        if high is not None:
            wrong = wrong | (values > high)
        return wrong

    @property
    def allowed(self) -> str:
        low, high = self.bounds
        return f"a number in {'(-inf' if low is None else f'[{low:g}'}, {'inf)' if high is None else f'{high:g}]'}"


class Continuous(_Bounded):
    """A real number in `unit`, within `bounds` (either may be None), possibly `measured` on an image.

    A measured variable causes the image like any other parent; `measured` says how its value is read off the image,
    which is no edge. Its unit must be one that the quantity knows.
    """

    unit: str = ""
    measured: MeasuredBy | None = None

    @model_validator(mode="after")
    def _unit_is_known(self) -> "Continuous":
        if self.measured is not None and self.unit not in self.measured.units:
            raise unknown(f"unit of {self.measured!r}", self.unit, self.measured.units)
        return self

    @property
    def allowed(self) -> str:
        return super().allowed + (f" {self.unit}" if self.unit else "")

    @property
    def caption(self) -> str:
        return self.unit

    def say(self, value: float) -> str:
        return f"{value:.4g} {self.unit}".strip()


class Categorical(Variable):
    """One of `levels`. Values are indices into them; users may write the level itself."""

    levels: tuple[str, ...]

    @field_validator("levels")
    @classmethod
    def _distinct(cls, levels: tuple[str, ...]) -> tuple[str, ...]:
        if len(levels) < 2:
            raise ValueError(f"at least two levels are needed, got {levels!r}")
        levels = tuple(normalize("NFC", level) for level in levels)
        for level in levels:
            if not level or level != level.strip():
                raise ValueError(f"the level {level!r} is empty, or begins or ends with a blank")
            if levels.count(level) > 1:
                raise ValueError(f"duplicate level {level!r}")
        return levels

    @property
    def discrete(self) -> bool:
        return True

    def encode(self, name: str, value: Any) -> Any:
        if isinstance(value, str):
            level = normalize("NFC", value)
            check_known(f"level of {name}", [level], self.levels)
            return self.levels.index(level)
        if isinstance(value, list | tuple):
            return [self.encode(name, one) for one in value]
        return value

    def outside(self, values: "Tensor") -> "Tensor":
        return (values % 1 != 0) | (values < 0) | (values >= len(self.levels))

    @property
    def allowed(self) -> str:
        return f"one of {', '.join(map(repr, self.levels))}, or its index"

    @property
    def caption(self) -> str:
        text = " | ".join(self.levels)
        return text if len(text) <= 24 else f"{len(self.levels)} levels"

    def say(self, value: float) -> str:
        return self.levels[int(value)]


class Image(_Bounded):
    """An image of `shape` (channels, height, width), values in `bounds`; `spacing` is a pixel's (row, column) in mm."""

    shape: tuple[PositiveInt, PositiveInt, PositiveInt]
    spacing: tuple[Millimetres, Millimetres] | None = None
    bounds: tuple[float | None, float | None] = (0.0, 1.0)

    @field_validator("shape", mode="before")
    @classmethod
    def _three_numbers(cls, shape: Any) -> Any:
        if isinstance(shape, list | tuple) and len(shape) != 3:
            raise ValueError(f"expected (channels, height, width), got {shape!r}")
        return shape

    @property
    def value_shape(self) -> tuple[int, ...]:
        return self.shape

    @property
    def caption(self) -> str:
        return " × ".join(map(str, self.shape))
