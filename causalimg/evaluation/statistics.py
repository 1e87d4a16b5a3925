"""Statistics of a sample, each with the interval that another sample of patients would have given.

Images of one patient are not independent, so whole groups are drawn, with replacement (Davison & Hinkley, *Bootstrap
Methods and their Application*, 1997, sec. 3.8). A resample is a row of weights, how often each item was drawn, and a
statistic is a function of weights, so that a thousand resamples are one matrix product.

Of several models (seeds) a statistic is the mean over them. Its interval says what other patients would have given; the
standard deviation between the models, what another training would have. Both are reported.
"""

from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from causalimg.graph import Variable

Statistic = Callable[[Tensor], Tensor]
"""From weights (resamples, n) to the statistic of every resample, shape (resamples,)."""

RESAMPLES = 1000


class Estimate(NamedTuple):
    """A statistic of the sample, and the bounds of its 95 % interval. All are NaN where there is none.

    Of several models it is the mean, and `each` holds their own; of one model `each` is empty.
    """

    value: float
    low: float
    high: float
    each: tuple[float, ...] = ()

    @property
    def spread(self) -> float:
        """The standard deviation between the models; NaN where there is but one."""
        return torch.tensor(self.each).std().item() if self.each else float("nan")

    @property
    def missing(self) -> bool:
        """Whether there is no such number."""
        return self.value != self.value

    def __str__(self) -> str:
        return "–" if self.missing else " ".join([brief(self.value), *self.ranges()])

    def ranges(self) -> tuple[str, ...]:
        """How sure the value is: of several models ``± 0.4``, ``(8.1 to 9.0)``; of all ``[7.9, 9.3]``."""
        interval = f"[{brief(self.low)}, {brief(self.high)}]"
        if not self.each:
            return (interval,)
        return f"± {brief(self.spread)}", f"({brief(min(self.each))} to {brief(max(self.each))})", interval

    def to_data(self) -> dict[str, Any] | None:
        """Plain JSON data; None where there is no value: JSON knows no NaN."""
        if self.missing:
            return None
        data = {"value": self.value, "low": self.low, "high": self.high}
        if not self.each:
            return data
        return data | {"sd": self.spread, "min": min(self.each), "max": max(self.each), "each": list(self.each)}


NONE = Estimate(float("nan"), float("nan"), float("nan"))


def brief(value: float) -> str:
    """Three digits of `value`, and never an exponent where it is large."""
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def resample(groups: Sequence[Hashable], seed: int) -> Tensor:
    """Weights (1 + 1000, n) of items with these `groups` (n,): the first row is the sample as it is."""
    index = {group: i for i, group in enumerate(dict.fromkeys(groups))}
    of_item = torch.tensor([index[group] for group in groups])
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randint(len(index), (RESAMPLES, len(index)), generator=generator)
    times = torch.zeros(RESAMPLES, len(index)).scatter_add_(1, drawn, torch.ones(drawn.shape))
    return torch.cat([torch.ones(1, len(groups)), times[:, of_item]])


def estimate(statistic: Statistic, weights: Tensor) -> Estimate:
    """`statistic` of the sample, and its 95 % percentile interval over the resamples."""
    return pool([statistic], weights)


def pool(statistics: Sequence[Statistic], weights: Tensor) -> Estimate:
    """The mean of one statistic per model, and its interval: the same items are drawn for all models."""
    draws = torch.stack([statistic(weights) for statistic in statistics])
    means = draws.mean(0)
    low, high = means[1:].nanquantile(torch.tensor([0.025, 0.975])).tolist()
    return Estimate(means[0].item(), low, high, tuple(draws[:, 0].tolist()) if len(draws) > 1 else ())


def mean(values: Tensor) -> Statistic:
    """The mean of `values` (n,), those that are NaN left out."""
    known = (~values.isnan()).float()
    return lambda weights: (weights @ values.nan_to_num()) / (weights @ known)


def ratio(part: Tensor, whole: Tensor) -> Statistic:
    """The sum of `part` (n,) over the sum of `whole` (n,); 0 where there is nothing of either."""
    return lambda weights: (weights @ part) / (weights @ whole).clamp(min=torch.finfo(torch.float32).tiny)


def median(values: Tensor) -> Statistic:
    """The (lower) median of `values` (n,), those that are NaN left out."""
    ordered, order = values.sort()  # NaN comes last
    known = (~ordered.isnan()).float()

    def statistic(weights: Tensor) -> Tensor:
        reached = (weights[:, order] * known).cumsum(1)
        return ordered[torch.searchsorted(reached, reached[:, -1:] / 2)[:, 0]]

    return statistic


def slope(x: Tensor, y: Tensor) -> Statistic:
    """The slope of the least-squares line of `y` (n,) on `x` (n,); NaN where `x` does not vary."""
    x, y = (x - x.mean()) / x.std(correction=0), (y - y.mean()) / x.std(correction=0)

    def statistic(weights: Tensor) -> Tensor:
        n = weights.sum(1)
        mean_x, mean_y = weights @ x / n, weights @ y / n
        return (weights @ (x * y) / n - mean_x * mean_y) / (weights @ (x * x) / n - mean_x**2)

    return statistic


class Deviation(NamedTuple):
    """How far readings are from what was wanted: the mean relative error in % (MAPE), and `mae`, in the variable's unit.

    Of a categorical variable `percent` is the share of wrong levels, and there is no `mae`.
    """

    percent: Estimate
    mae: Estimate = NONE

    def to_data(self) -> dict[str, Any]:
        """Plain JSON data."""
        return {"percent": self.percent.to_data(), "mae": self.mae.to_data()}


def deviation(
    variable: Variable, readings: Sequence[Tensor], wanted: Sequence[Tensor], scale: Tensor, weights: Tensor
) -> Deviation:
    """How far `readings` are from what was `wanted`, a pair (n,) for every model; relative to `scale` (n,)."""
    pairs = list(zip(readings, wanted, strict=True))
    percent = pool([mean(relative(variable, read, want, scale)) for read, want in pairs], weights)
    if variable.discrete:
        return Deviation(percent)
    return Deviation(percent, pool([mean((read - want).abs()) for read, want in pairs], weights))


def relative(variable: Variable, read: Tensor, wanted: Tensor, scale: Tensor) -> Tensor:
    """How far `read` is from `wanted`, in % of `scale` (NaN where that is 0); of levels, 0 or 100. Shape (n,)."""
    if variable.discrete:
        return 100.0 * (read != wanted)
    return 100 * (read - wanted).abs() / scale.abs().where(scale != 0, torch.nan)
