"""The outline of a plaque on the wall of a vessel, for any area.

In coordinates u, outwards from the lumen's edge, and v, along the vessel from the middle of the plaque, it is a star stretched by
q along the vessel and by 1 / q across, which leaves its area as it is: as does the shear from x and y to u and v, since the
lumen's edge depends on y alone. Its inner side is flat and stays at the lumen's edge: a plaque grows outwards, and never covers
the lumen. A plaque of 12 mm2 or less stays within 4 mm of v = 0.
"""

import torch
from torch import Tensor

from causalimg.data.phantoms.drawing import Star

STRETCH = 1.6  # q
FLAT = torch.tensor([[0.0, 0.0], [0.09, 0.0]])  # of a star's harmonics, that which flattens its inner side
REACH = 1.06  # of a star of radius 1 with these harmonics, inwards, at most


def plaque(out: Tensor, along: Tensor, area: Tensor, noise: Tensor) -> Tensor:
    """The implicit outline of a plaque at u = `out` and v = `along`, maps in mm.

    `area` (batch,) in mm2, `noise` (batch, 5) standard normal.
    """
    place, *shape = noise.clamp(-2, 2).unbind(1)
    harmonics = FLAT + 0.025 * torch.stack(shape, dim=1).view(-1, 2, 2)
    middle = REACH * (area / torch.pi).sqrt().view(-1, 1, 1) / STRETCH
    return Star((out - middle) * STRETCH, (along - 0.2 * place.view(-1, 1, 1)) / STRETCH, harmonics).outline(area)
