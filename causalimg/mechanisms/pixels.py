"""Pixel likelihoods of an image mechanism: a location and a scale per pixel, and noise that is the standardised residual.

Both invert exactly: ``x = loc + scale * eps`` with ``eps = (x - loc) / scale``. The plain Gaussian is a density, in
nats per unit of the image; the discretised one is the probability of a grey level, as in *PixelCNN++* (Salimans et al.,
2017, arXiv:1701.05517), with a normal in place of the logistic.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

NegativeLogLikelihood = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(value, loc, scale), each (batch, channels, height, width) with values in [0, 1] -> nats, (batch,)."""


def gaussian(value: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
    """Negative log-density of a normal, summed over pixels, in nats: shape (batch,)."""
    per_pixel = 0.5 * ((value - loc) / scale).square() + scale.log() + 0.5 * math.log(2 * math.pi)
    return per_pixel.flatten(1).sum(1)


def discretised(value: Tensor, loc: Tensor, scale: Tensor, levels: int = 256) -> Tensor:
    """Negative log-probability of the grey level, one of `levels`, summed over pixels, in nats: shape (batch,)."""
    half = 0.5 / (levels - 1)
    upper = torch.special.ndtr((value + half - loc) / scale)
    lower = torch.special.ndtr((value - half - loc) / scale)
    # the outermost levels hold the tails, so that probabilities add up to one
    inside = torch.where(value > 1 - half, 1 - lower, torch.where(value < half, upper, upper - lower))
    # far from loc the difference of two cdfs is 0 in floating point: there the density times the width stands in for it
    density = -0.5 * ((value - loc) / scale).square() - scale.log() - 0.5 * math.log(2 * math.pi) + math.log(2 * half)
    per_pixel = torch.where(inside > 1e-6, inside.clamp(min=1e-6).log(), density)
    return -per_pixel.flatten(1).sum(1)


LIKELIHOODS: dict[str, NegativeLogLikelihood] = {"gaussian": gaussian, "discretised": discretised}
