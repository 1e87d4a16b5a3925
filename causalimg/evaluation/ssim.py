"""Structural similarity: do two images have the same local mean, contrast and pattern?

*Image quality assessment: from error visibility to structural similarity* (Wang et al., IEEE TIP 2004), with their Gaussian
window of 11 pixels and σ = 1.5. With local means μ, variances σ² and covariance σ_ab under the window::

    SSIM = (2 μ_a μ_b + c_1)(2 σ_ab + c_2) / ((μ_a² + μ_b² + c_1)(σ_a² + σ_b² + c_2)),    c_1 = (.01 L)², c_2 = (.03 L)²
"""

import torch
from torch import Tensor
from torch.nn.functional import conv2d

WINDOW, SIGMA = 11, 1.5  # pixels


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
