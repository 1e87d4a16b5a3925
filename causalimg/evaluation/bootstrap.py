"""Estimates with the interval that another sample of patients would have given.

Images of one patient are not independent, so whole groups are drawn, with replacement (Davison & Hinkley, *Bootstrap
Methods and their Application*, 1997, sec. 3.8). A resample is a row of weights, how often each item was drawn, and a
statistic is a function of weights, so that a thousand resamples are one matrix product.
"""

from collections.abc import Callable, Hashable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

Statistic = Callable[[Tensor], Tensor]
"""From weights (resamples, n) to the statistic of every resample, shape (resamples,)."""

RESAMPLES = 1000


class Estimate(NamedTuple):
    """A statistic of the sample, and the bounds of its 95 % interval. All are NaN where there is none."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        if self.value != self.value:
            return "–"
        return f"{brief(self.value)} [{brief(self.low)}, {brief(self.high)}]"

    def to_data(self) -> list[float] | None:
        """``[value, low, high]``, or None where there is none: JSON knows no NaN."""
        return None if self.value != self.value else list(self)


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
    draws = statistic(weights)
    low, high = draws[1:].nanquantile(torch.tensor([0.025, 0.975])).tolist()
    return Estimate(draws[0].item(), low, high)


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
