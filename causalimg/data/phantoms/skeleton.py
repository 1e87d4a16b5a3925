"""The bones in a frontal radiograph, as the attenuation that each adds to the shadow.

Ribs repeat down the body, so they are bands of one phase: that of a rib falls from the spine to the side at the back, and
on from the side towards the breastbone at the front, where it ends in cartilage, which casts no shadow.
"""

import torch
from torch import Tensor

from causalimg.data.phantoms.drawing import cover, distance, per_sample, soften


def skeleton(x: Tensor, y: Tensor, noise: Tensor) -> Tensor:
    """Attenuation of ribs, spine, collar bones and the heads of the upper arms; `noise` (batch, 4) standard normal."""
    start, pitch, droop, collar = per_sample(noise)
    side, level = x.abs(), y + 5 * start
    arm = soften(distance(side - 154, y + 108) - 24, 2)
    ribs = _ribs(side, y, level + 130, 23 + 0.7 * pitch, 34 + 3 * droop)
    return ribs + _spine(side, level) + _collar_bone(side, y - 3 * collar) + 0.35 * arm


def _ribs(side: Tensor, y: Tensor, level: Tensor, pitch: Tensor, droop: Tensor) -> Tensor:
    half = 137 * (1 - ((y - 60) / 190).clamp(-1, 1).abs() ** 3).clamp(min=0.02) ** 0.45  # width of the rib cage
    out = side / half
    back = _bands(level + 6 * out - droop * out**3, pitch) * soften(14 - side, 2)
    front = _bands(level + 6 - droop - 60 * (1 - out), pitch) * soften(60 - side, 6)
    along_the_ray = 1 + 1.5 * out.clamp(max=1) ** 8  # at the side the rays run along the rib
    return cover(torch.maximum(side - half, y - 125)) * along_the_ray * (0.16 * back + 0.08 * front)


def _bands(level: Tensor, pitch: Tensor) -> Tensor:
    return soften((level / pitch % 1 - 0.5).abs() * pitch - 4, 0.8)


def _spine(side: Tensor, level: Tensor) -> Tensor:
    vertebrae = torch.cos(2 * torch.pi * level / 24)
    return soften(side - 17, 2) * (0.42 + 0.1 * vertebrae)


def _collar_bone(side: Tensor, y: Tensor) -> Tensor:
    axis = (y + 102 + 0.22 * side - 6 * torch.sin(side / 22)).abs()
    ends = torch.maximum(16 - side, side - 134)
    bone, marrow = torch.maximum(axis - 5.5, ends), torch.maximum(axis - 3, ends + 3)
    return 0.4 * soften(bone, 1.2) - 0.15 * soften(marrow, 1.2)
