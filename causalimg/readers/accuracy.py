"""How well readers read: scores on held-out images, as plain numbers for a report.

dice         2 |A and B| / (|A| + |B|), mean over images; 1 where both are empty
area_mape    mean of |area read - true area| / true area, in %; area_median is its median
area_bias    mean of (area read - true area) / true area, in %
"""

import torch
from torch import Tensor

Scores = dict[str, float]


def outline_scores(read: Tensor, true: Tensor) -> Scores:
    """Scores of hard outlines of one structure, both (n, H, W) bool. Relative errors are over images that show it."""
    area, truth = read.sum((1, 2)).double(), true.sum((1, 2)).double()
    both = (read & true).sum((1, 2)).double()
    dice = torch.where(area + truth > 0, 2 * both / (area + truth).clamp(min=1), 1.0)
    error = 100 * ((area - truth) / truth)[truth > 0]
    return _plain(
        dice=dice.mean(), area_mape=error.abs().mean(), area_median=error.abs().quantile(0.5), area_bias=error.mean()
    )


def number_scores(read: Tensor, true: Tensor) -> Scores:
    """Mean absolute error in the numbers' unit, and in % of the truth; share of variance explained. Shapes (n,)."""
    read, true = read.double(), true.double()
    error = (read - true).abs()
    r2 = 1 - (error**2).mean() / true.var(correction=0)
    return _plain(mae=error.mean(), mape=100 * (error / true.abs()).mean(), r2=r2)


def level_scores(read: Tensor, true: Tensor) -> Scores:
    """Share of levels read right, and the share that always saying the most frequent one would get; shapes (n,)."""
    return _plain(accuracy=(read == true).double().mean(), majority=true.bincount().max() / len(true))


def _plain(**scores: Tensor) -> Scores:
    return {name: round(score.item(), 6) for name, score in scores.items()}
