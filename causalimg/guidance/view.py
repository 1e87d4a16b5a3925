"""The guide's view of a counterfactual: random changes of exposure, noise and position.

A segmentor's border moves with brightness and contrast, so a mechanism can hit its target by darkening the whole image. Under
a random gain, offset, noise and shift such a cheat stops paying, while an outline that has moved is read the same.
"""

import torch
from pydantic import NonNegativeFloat
from torch import Tensor
from torch.nn import functional as F

from causalimg.graph.spec import Spec


class View(Spec):
    """How counterfactual images look in training.

    Their pixels' noise is multiplied by `temperature`, and guides see them under random changes of strength `jitter` (0: as they
    are). Quantities that a jitter would change (`Quantity.steady` is False) are read without it.
    """

    temperature: NonNegativeFloat = 1.0
    jitter: NonNegativeFloat = 1.0


def jitter(images: Tensor, strength: float, low: float, high: float) -> Tensor:
    """`images` (batch, channels, h, w) in [`low`, `high`], each under its own exposure, noise and shift; differentiable.

    At `strength` 1: gain within ±20 %, offset within ±10 % of the range, noise of up to 4 %, shift within ±3 % of the size.
    """
    n, span = len(images), high - low
    gain, offset = 0.2 * strength * _uniform(images), 0.1 * strength * span * _uniform(images)
    noise = 0.04 * strength * span * _uniform(images).abs() * torch.randn_like(images)
    centre = images.mean(dim=(1, 2, 3), keepdim=True)
    exposed = images + gain * (images - centre) + offset + noise
    shift = 0.03 * strength * 2 * (2 * torch.rand(n, 2, 1, device=images.device) - 1)
    identity = torch.eye(2, device=images.device).expand(n, 2, 2)
    grid = F.affine_grid(torch.cat([identity, shift], dim=2), list(images.shape), align_corners=False)
    return F.grid_sample(exposed, grid.to(images.dtype), padding_mode="border", align_corners=False).clamp(low, high)


def _uniform(images: Tensor) -> Tensor:
    return 2 * torch.rand(len(images), 1, 1, 1, device=images.device, dtype=images.dtype) - 1
