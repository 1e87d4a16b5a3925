"""How much an image changed, and where; all in grey levels of 255, so that images of any range compare.

Distance is the mean absolute difference. SSIM asks whether two images have the same local mean, contrast and pattern: *Image
quality assessment: from error visibility to structural similarity* (Wang et al., IEEE TIP 2004), with their Gaussian window of
11 pixels and σ = 1.5. With local means μ, variances σ² and covariance σ_ab under the window::

    SSIM = (2 μ_a μ_b + c_1)(2 σ_ab + c_2) / ((μ_a² + μ_b² + c_1)(σ_a² + σ_b² + c_2)),    c_1 = (.01 L)², c_2 = (.03 L)²
"""

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor
from torch.nn.functional import conv2d

from causalimg.graph import Graph, Image, Outlined, Quantity
from causalimg.readers.reader_set import widened
from causalimg.values import limits

REACH = 4 / 64
"""How far from a structure a change still belongs to it, as a share of the image's shorter side."""
WINDOW, SIGMA = 11, 1.5  # pixels


def grey_levels(variable: Image, images: Tensor) -> float:
    """How many grey levels of 255 a change by 1 is: from the variable's bounds or, where it has none, from `images`."""
    low, high = limits(variable, images)
    return 255 / (high - low)


def grey_units(graph: Graph, values: Mapping[str, Tensor]) -> dict[str, float]:
    """`grey_levels` of every image."""
    return {name: grey_levels(cast(Image, graph[name]), values[name]) for name in graph.images}


def distance(one: Tensor, other: Tensor, unit: float) -> Tensor:
    """Mean absolute difference of images (batch, channels, height, width), in grey levels: shape (batch,)."""
    return unit * (one - other).abs().flatten(1).mean(1)


def ssim(a: Tensor, b: Tensor, span: float = 1.0) -> Tensor:
    """SSIM of images (batch, channels, height, width), mean over pixels and channels: shape (batch,), 1 for equal ones.

    `span` is L, from black to white. Raises ValueError where the shapes differ or a side is shorter than the window.
    """
    if a.shape != b.shape or a.ndim != 4 or min(a.shape[-2:]) < WINDOW:
        raise ValueError(
            f"expected two (batch, channels, height, width) of sides >= {WINDOW}, got {a.shape}, {b.shape}"
        )
    mean_a, mean_b = _blur(a), _blur(b)
    var_a, var_b, covariance = _blur(a * a) - mean_a**2, _blur(b * b) - mean_b**2, _blur(a * b) - mean_a * mean_b
    c1, c2 = (0.01 * span) ** 2, (0.03 * span) ** 2
    same = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
    return (same / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))).flatten(1).mean(1)


def _blur(images: Tensor) -> Tensor:
    """Every pixel's mean under the window, only where the window fits."""
    bell = torch.exp(-0.5 * ((torch.arange(WINDOW, device=images.device) - WINDOW // 2) / SIGMA) ** 2)
    window = torch.outer(bell, bell) / bell.sum() ** 2
    channels = images.shape[1]
    return conv2d(images, window.to(images.dtype).expand(channels, 1, -1, -1), groups=channels)


def dilate(mask: Tensor) -> Tensor:
    """`mask`, bool (batch, height, width), and all that is within `REACH` of it, diagonally too."""
    return widened(mask, round(REACH * min(mask.shape[-2:])))


def neighbourhood(quantity: Quantity, before: Outlined, after: Outlined) -> Tensor | None:
    """Where `quantity` is measured `before` or `after`, and near it: bool (batch, height, width). None where a structure is
    not outlined."""
    if not quantity.structures or not set(quantity.structures) <= before.masks.keys() & after.masks.keys():
        return None
    return dilate(quantity.region(before) | quantity.region(after))


def change_of(before: Tensor, after: Tensor, near: Tensor | None, unit: float) -> dict[str, Tensor]:
    """``change`` of images (batch, channels, height, width), mean over pixels, and ``outside``, the part of it that is not
    `near`, bool (batch, height, width): shape (batch,), in grey levels. Without `near`, ``outside`` is NaN."""
    change = unit * (after - before).abs().mean(1)
    outside = torch.full_like(change, torch.nan) if near is None else change * ~near
    return {"change": change.mean((1, 2)), "outside": outside.mean((1, 2))}
