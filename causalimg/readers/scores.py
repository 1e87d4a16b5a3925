"""How well readers read images that they were not trained on: which are held out, and scores as plain numbers for a report.

dice         2 |A and B| / (|A| + |B|), mean over images; 1 where both are empty
area_mape    mean of |area read - true area| / true area, in %; area_median is its median
area_bias    mean of (area read - true area) / true area, in %

A relative error is over what is not 0. Where there is no such score (nothing but zeros, or a truth that is always the same, of
which nothing can be explained) it is None, for JSON knows no other way to say so.
"""

import math
from collections.abc import Hashable, Iterable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from causalimg.errors import wrong_kind

SHARE = 0.15
"""So much of the images is held out."""

Scores = dict[str, float | None]


def hold_out(n: int, groups: Iterable[Hashable] | None, seed: int) -> tuple[Tensor, Tensor]:
    """The rows for training and those held out, a `SHARE` of `n` or just above: whole `groups`, where a group is given
    for every row (images of one patient are alike).

    Raises ValueError if there are not `n` groups, or not two different ones; TypeError for a group that is no name or number.
    """
    named = list(range(n)) if groups is None else [g.item() if isinstance(g, Tensor) else g for g in groups]
    if len(named) != n:
        raise ValueError(f"groups: expected one for each of {n} images, got {len(named)}")
    rows: dict[Hashable, list[int]] = {}
    for row, group in enumerate(named):
        if not isinstance(group, Hashable):
            raise wrong_kind("groups", "a name or number for each image", group)
        rows.setdefault(group, []).append(row)
    if len(rows) < 2:
        raise ValueError(
            f"holding images out needs at least 2 {'images' if groups is None else 'groups'}, got {len(rows)}"
        )
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed)).tolist()
    shuffled = [list(rows.values())[i] for i in order]
    held = shuffled.pop()
    while len(shuffled) > 1 and len(held) < math.ceil(SHARE * n):
        held = held + shuffled.pop()
    return torch.tensor(sorted(set(range(n)) - set(held))), torch.tensor(sorted(held))


def outline_scores(read: Tensor, true: Tensor) -> Scores:
    """Scores of hard outlines of one structure, both (n, H, W) bool; none of its area where no image shows it."""
    area, truth = read.sum((1, 2)).double(), true.sum((1, 2)).double()
    both = (read & true).sum((1, 2)).double()
    dice = torch.where(area + truth > 0, 2 * both / (area + truth).clamp(min=1), 1.0)
    error = 100 * ((area - truth) / truth)[truth > 0]
    median = error.abs().quantile(0.5) if len(error) else error.mean()  # nothing has no quantile
    return _plain(dice=dice.mean(), area_mape=error.abs().mean(), area_median=median, area_bias=error.mean())


def number_scores(read: Tensor, true: Tensor) -> Scores:
    """Mean absolute error in the numbers' unit, and in % of the truth; share of variance explained. Shapes (n,)."""
    read, true = read.double(), true.double()
    error = (read - true).abs()
    relative = 100 * (error / true.abs())[true != 0]
    r2 = 1 - (error**2).mean() / true.var(correction=0)
    return _plain(mae=error.mean(), mape=relative.mean(), r2=r2)


def level_scores(read: Tensor, true: Tensor) -> Scores:
    """Share of levels read right, and the share that always saying the most frequent one would get; shapes (n,)."""
    return _plain(accuracy=(read == true).double().mean(), majority=true.bincount().max() / len(true))


class Worth(NamedTuple):
    """The error of readings, and that of always saying the `same`: mean absolute errors, or shares of wrong levels."""

    own: float
    same: float

    @property
    def weak(self) -> bool:
        """Whether readings are no nearer to the truth than what is always the same; so are readings that are all NaN."""
        return not self.own < self.same


def worth(read: Tensor, true: Tensor, discrete: bool) -> Worth | None:
    """What readings (n,) are worth: their error beside that of the mean of `true` (n,) or, of levels, the most frequent.

    None where `true` is always the same, so that nothing can be said. Readings that are NaN are left out.
    """
    if (true == true[:1]).all():
        return None
    if discrete:
        return Worth(*((one != true).double().mean().item() for one in (read, true.mode().values)))
    read, true = read.double(), true.double()
    return Worth(*((one - true).abs().nanmean().item() for one in (read, true.mean())))


def known(scores: Mapping[str, float | None]) -> Scores:
    """`scores`, with None for those that are not finite."""
    return {name: value if value is not None and math.isfinite(value) else None for name, value in scores.items()}


def _plain(**scores: Tensor) -> Scores:
    return known({name: round(score.item(), 6) for name, score in scores.items()})
