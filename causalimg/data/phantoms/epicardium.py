"""What lies around a coronary artery: the fat in which it runs over the heart's muscle, the lung, a side branch."""

import torch
from torch import Tensor

from causalimg.data.phantoms.drawing import cover, paint, per_sample, soften

WALL, WALL_GREY = 0.5, 0.28  # mm, and how bright the wall of a vessel is


def surroundings(x: Tensor, y: Tensor, noise: Tensor, tissue: tuple[Tensor, ...], relief: tuple[Tensor, ...]) -> Tensor:
    """Fat with its strands, the heart's muscle on one side, and lung beyond the pericardium on the other.

    `x`, from the centreline, and `y` in mm; `noise` (batch, 4) standard normal; `tissue` and `relief`: smooth maps.
    """
    side, deep, tilt, far = per_sample(noise)
    x = x * side.sign()
    scene = 0.12 + 0.02 * tissue[0] + 0.1 * soften((tissue[1] - 0.3).abs() - 0.1, 0.05) * soften(-tissue[2], 0.3)
    muscle = 5.6 + 0.6 * deep + 0.05 * tilt * y + 0.7 * relief[0] - x
    scene = paint(scene, cover(muscle), 0.33 + 0.02 * tissue[0] + 0.03 * tissue[1])
    chamber = muscle + 4.5 - 0.5 * far + 0.4 * relief[1]
    scene = paint(scene, cover(chamber), 0.55 + 0.02 * tissue[1])
    lung = x + 8.5 + far - 0.08 * tilt * y + 0.5 * relief[1]
    scene = paint(scene, cover(lung - 0.5), 0.27)
    return paint(scene, cover(lung), 0.02)


def with_branch(scene: Tensor, x: Tensor, y: Tensor, noise: Tensor, blood: Tensor) -> Tensor:
    """`scene` with a side branch, which leaves the vessel downwards and grows thinner; `noise` (batch, 4) standard normal."""
    side, start, steep, wide = per_sample(noise)
    x, y = x * side.sign(), y - 5 * start.clamp(-1.5, 1.5) + 2
    angle = 0.75 + 0.12 * steep
    along, off = angle.cos() * y + angle.sin() * x, angle.cos() * x - angle.sin() * y
    half = (0.95 + 0.12 * wide) * (1 - 0.04 * along)
    branch = torch.maximum((off + 0.02 * along.square()).abs() - half, -x)
    scene = paint(scene, cover(branch - WALL), WALL_GREY)
    return paint(scene, cover(branch), blood - 0.03)
