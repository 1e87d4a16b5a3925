"""How far readings are from what was wanted, in % and in the variable's unit."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from causalimg.evaluation.bootstrap import NONE, Estimate, mean, pool
from causalimg.graph import Variable


class Miss(NamedTuple):
    """The mean relative error in % (MAPE), and `mae`, the mean error in the variable's unit.

    Of a categorical variable `percent` is the share of wrong levels, and there is no `mae`.
    """

    percent: Estimate
    mae: Estimate = NONE

    def to_data(self) -> dict[str, Any]:
        """Plain JSON data."""
        return {"percent": self.percent.to_data(), "mae": self.mae.to_data()}


def miss(
    variable: Variable, readings: Sequence[Tensor], wanted: Sequence[Tensor], scale: Tensor, weights: Tensor
) -> Miss:
    """How far `readings` are from what was `wanted`, a pair (n,) for every model; relative to `scale` (n,)."""
    pairs = list(zip(readings, wanted, strict=True))
    percent = pool([mean(relative(variable, read, want, scale)) for read, want in pairs], weights)
    if variable.discrete:
        return Miss(percent)
    return Miss(percent, pool([mean((read - want).abs()) for read, want in pairs], weights))


def relative(variable: Variable, read: Tensor, wanted: Tensor, scale: Tensor) -> Tensor:
    """How far `read` is from `wanted`, in % of `scale` (NaN where that is 0); of levels, 0 or 100. Shape (n,)."""
    if variable.discrete:
        return 100.0 * (read != wanted)
    return 100 * (read - wanted).abs() / scale.abs().where(scale != 0, torch.nan)
