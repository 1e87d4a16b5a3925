"""Soft areas that agree with hard ones: the sharpness of a segmentor's probabilities.

The soft area is the sum of probabilities over all pixels; however small each is in the background, the background is large, and a
border is uncertain. A sharpness s >= 1 for each structure narrows both,

    p = sigmoid(s * logit),

and leaves the hard outline, p > 1/2, where it was. It is the least s at which soft and hard areas differ by at most 1 % on
average: a sharper p is nearer to the hard one, but a step has no gradient to guide by.
"""

import torch
from torch import Tensor

TOLERANCE = 0.01
SHARPEST = 8.0


def gap(logits: Tensor, sharpness: Tensor) -> Tensor:
    """Mean of |soft area - hard area| over the mean hard area, shape (K,), for logits (n, K, H, W) and sharpness (K,)."""
    hard = (logits > 0).float().sum((2, 3))
    soft = (logits * sharpness[:, None, None]).sigmoid().sum((2, 3))
    return (soft - hard).abs().mean(0) / hard.mean(0).clamp(min=1)


def sharpness(logits: Tensor) -> Tensor:
    """The least sharpness, shape (K,), that closes the `gap` to `TOLERANCE`, and at most `SHARPEST`: by bisection."""
    low = torch.ones(logits.shape[1], device=logits.device)
    high = torch.full_like(low, SHARPEST)
    for _ in range(12):
        middle = (low + high) / 2
        enough = gap(logits, middle) <= TOLERANCE
        low, high = torch.where(enough, low, middle), torch.where(enough, middle, high)
    return torch.where(gap(logits, torch.ones_like(high)) <= TOLERANCE, torch.ones_like(high), high)
