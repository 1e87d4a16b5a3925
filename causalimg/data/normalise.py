"""What is done to the grey levels of images when they are read, so that it can be done again to those that come later."""

from collections.abc import Mapping
from difflib import get_close_matches
from functools import partial
from types import FunctionType
from typing import Any

import numpy as np
from pydantic import Field, model_validator

from causalimg.data.arrays import Normalise, Pixels
from causalimg.graph.spec import Spec


class Percentile(Spec):
    """Grey levels that mean the same in every image: its percentile `low` becomes 0 and `high` becomes 1.

    What lies beyond is clipped. For scanners whose grey levels have no unit (magnetic resonance). Any function from an
    image's pixels to pixels in [0, 1] can stand in its place. Raises ValueError for an image without contrast.
    """

    low: float = Field(1, ge=0, le=100)
    high: float = Field(99, ge=0, le=100)

    def __init__(self, low: float = 1, high: float = 99, **data: Any) -> None:
        super().__init__(**{"low": low, "high": high, **data})

    @model_validator(mode="after")
    def _upright(self) -> "Percentile":
        if not self.low < self.high:
            raise ValueError(f"low={self.low:g} is not below high={self.high:g}")
        return self

    def __call__(self, pixels: Pixels) -> Pixels:
        low, high = np.percentile(pixels.astype(np.float64), (self.low, self.high))
        if not low < high:
            raise ValueError(f"no contrast: its percentiles {self.low:g} and {self.high:g} are {low:g} and {high:g}")
        stretched: Pixels = np.clip((pixels - low) / (high - low), 0, 1)
        return stretched


class Window(Spec):
    """Grey levels from `centre` - `width` / 2, which becomes 0, to `centre` + `width` / 2, which becomes 1.

    What is beyond is clipped. For grey levels that have a unit, such as the Hounsfield units of a CT: ``Window(40, 400)`` shows
    soft tissue.
    """

    centre: float = Field(allow_inf_nan=False)
    width: float = Field(gt=0, allow_inf_nan=False)

    def __init__(self, centre: float | None = None, width: float | None = None, **data: Any) -> None:
        given = {"centre": centre, "width": width}
        super().__init__(**{name: value for name, value in given.items() if value is not None}, **data)

    def __call__(self, pixels: Pixels) -> Pixels:
        shown: Pixels = np.clip((pixels.astype(np.float64) - self.centre) / self.width + 0.5, 0, 1)
        return shown


class Unsaved:
    """A function to normalise by that was `code`, of which no file holds more than the name. Raises ValueError when called."""

    def __init__(self, code: str) -> None:
        self.code = code

    def __call__(self, pixels: Pixels) -> Pixels:
        raise ValueError(
            f"the model's images were normalised by {self.code}: import it, and say "
            "model.preprocessing = ci.Preprocessing(normalise=...)"
        )


def normalise_to_data(normalise: Normalise | None) -> Any:
    """`normalise` as plain JSON data: a `Percentile` and a `Window` by their settings, other code by its name."""
    if isinstance(normalise, Percentile | Window):
        return normalise.model_dump(mode="json")
    if normalise is None or isinstance(normalise, Unsaved):
        return normalise and {"code": normalise.code}
    named = normalise if hasattr(normalise, "__qualname__") else type(normalise)
    return {"code": f"{named.__module__}.{named.__qualname__}"}


def normalise_from_data(data: Any) -> Normalise | None:
    """What `normalise_to_data` described; other code than ours is `Unsaved`."""
    if data is None:
        return None
    if "code" in data:
        return Unsaved(str(data["code"]))
    return setting_of(data)


def setting_of(data: Any) -> Percentile | Window:
    """The `Percentile` or `Window` that plain data means, by the names it has. Raises ValueError for what is neither."""
    if isinstance(data, Percentile | Window):
        return data
    if not isinstance(data, Mapping):
        raise ValueError(f"expected low and high, or centre and width, got {data!r}")
    names = [str(name) for name in data]
    near = [name for name in names if get_close_matches(name, Window.model_fields, n=1)]
    return (Window if near else Percentile)(**{str(name): value for name, value in data.items()})


def alike(one: Normalise | None, other: Normalise | None) -> bool:
    """Whether they do the same, as far as can be seen: a function that was made twice by the same lines does."""
    if isinstance(one, Unsaved) or isinstance(other, Unsaved):
        return bool(normalise_to_data(one) == normalise_to_data(other))
    return bool(_says(one) == _says(other))


def _says(normalise: Any) -> Any:
    """What a function does: its code, and what it holds."""
    if isinstance(normalise, partial):
        return _says(normalise.func), repr((normalise.args, normalise.keywords))
    if not isinstance(normalise, FunctionType):
        return normalise
    held = [cell.cell_contents for cell in normalise.__closure__ or ()]
    return normalise.__code__, repr((normalise.__defaults__, normalise.__kwdefaults__, held))
