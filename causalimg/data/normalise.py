"""Grey levels that mean the same in every image."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from causalimg.graph.spec import Spec


class Percentile(Spec):
    """Per image: the percentile `low` becomes 0 and `high` becomes 1, what lies beyond is clipped.

    For scanners whose grey levels have no unit (magnetic resonance). Any function from an image's pixels to pixels in
    [0, 1] can stand in its place. Raises ValueError for an image without contrast.
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

    def __call__(self, pixels: NDArray[Any]) -> NDArray[Any]:
        low, high = np.percentile(pixels.astype(np.float64), (self.low, self.high))
        if not low < high:
            raise ValueError(f"no contrast: its percentiles {self.low:g} and {self.high:g} are {low:g} and {high:g}")
        stretched: NDArray[Any] = np.clip((pixels - low) / (high - low), 0, 1)
        return stretched
