"""The outline of a lung in a frontal radiograph, for any area.

In coordinates u, from the medial border outwards, and v, from the apex downwards, a lung is where

    0 < u,    u^p + (1 - v + c (1 - u)^5)^p < 1,    v < 1 - e (1 - u^2) (1 + u):

a superellipse whose medial corner is rounded off by c, above the dome e of the diaphragm. Its area is

    G(p) - c / 6 - 11 e / 12,    G(p) = Gamma(1 + 1/p)^2 / Gamma(1 + 2/p),

times width and height, and shearing it along the medial border changes nothing. So a lung of any area has its apex and its
medial border in place; with width ~ area^0.3, the lateral border moves a little, and the lower one most.
"""

import torch
from torch import Tensor

from causalimg.data.phantoms.drawing import per_sample

TYPICAL = 17000.0  # mm2, the area at which a lung has its typical width


def lung(x: Tensor, y: Tensor, area: Tensor, noise: Tensor, width: float) -> Tensor:
    """The implicit outline of a lung whose lateral side is towards positive `x`; -1 deep inside.

    `area` (batch,) in mm2, `noise` (batch, 5) standard normal, `width` in mm of a lung of `TYPICAL` area.
    """
    power, rounding, dome, broad, apex = per_sample(noise)
    power, rounding, dome = 2.5 + 0.15 * power, 0.14 + 0.02 * rounding, 0.13 + 0.015 * dome
    area = area.view(-1, 1, 1)
    wide = width * (area / TYPICAL) ** 0.3 * (0.03 * broad).exp()
    high = area / (wide * _unit_area(power, rounding, dome))
    u, v = (x - 21 - 2 * broad - 0.02 * y) / wide, (y + 122 - 4 * apex) / high
    top = 1 - v + rounding * (1 - u).clamp(0, 1) ** 5
    upper = (u.clamp(min=0) ** power + top.clamp(min=0) ** power) ** (1 / power) - 1
    lower = v - 1 + dome * (1 - u.square()) * (1 + u)
    return torch.maximum(torch.maximum(upper, lower), -u)


def _unit_area(power: Tensor, rounding: Tensor, dome: Tensor) -> Tensor:
    superellipse = (2 * torch.lgamma(1 + 1 / power) - torch.lgamma(1 + 2 / power)).exp()
    return superellipse - rounding / 6 - 11 * dome / 12
