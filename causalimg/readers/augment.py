"""Random changes of training images: another pose, another exposure.

Readers must mind neither: guides get fooled by grey levels (a darker image shifts a segmentor's border) unless they have seen
them vary. An image mechanism sees more of what there is in other poses; its causes must not mind them.
"""

import math

import torch
from pydantic import NonNegativeFloat
from torch import Tensor
from torch.nn.functional import affine_grid, avg_pool2d, grid_sample, pad

from causalimg.graph.spec import Spec


class Pose(Spec):
    """How far a pose changes at most; each change is drawn uniformly for every image, and 0 leaves it out.

    `rotate` is in degrees, `shift` a fraction of the image's size, and `scale` (of height and width) multiplies by up to its
    exponential, either way. With `turn` images are turned by quarters of a circle at random, with `mirror` every other one is
    mirrored, left to right; alone, these two leave every pixel's value as it is. Raises ValueError where images to be turned
    are not square.
    """

    rotate: NonNegativeFloat = 0.0
    scale: NonNegativeFloat = 0.0
    shift: NonNegativeFloat = 0.0
    turn: bool = False
    mirror: bool = False

    def move(self, *maps: Tensor) -> list[Tensor]:
        """All `maps` (n, *, H, W) under the same new pose; what comes into view continues the border."""
        if self.turn and maps[0].shape[-1] != maps[0].shape[-2]:
            raise ValueError(f"turn: only square images can be turned by a quarter, not {tuple(maps[0].shape[-2:])}")
        quarters = torch.randint(0, 4 if self.turn else 1, (len(maps[0]),), device=maps[0].device)
        angle = _draw(maps[0], math.radians(self.rotate)).flatten() + math.pi / 2 * quarters
        height, width = (_draw(maps[0], self.scale).flatten().exp() for _ in range(2))
        down, right = (_draw(maps[0], 2 * self.shift).flatten() for _ in range(2))
        side = 1 - 2 * torch.randint(0, 2 if self.mirror else 1, (len(maps[0]),), device=maps[0].device)
        row = torch.stack([side * width * angle.cos(), -width * angle.sin(), right], dim=1)
        column = torch.stack([side * height * angle.sin(), height * angle.cos(), down], dim=1)
        grid = affine_grid(torch.stack([row, column], dim=1), list(maps[0].shape), align_corners=False)
        return [grid_sample(one, grid, padding_mode="border", align_corners=False) for one in maps]


class Augment(Pose):
    """A pose, and how far the exposure changes at most.

    `brightness` is added, `contrast` and `gamma` multiply by up to their exponential, either way. `blur` is the share of a mean
    over 3×3 pixels, `noise` a standard deviation. Switch off what a variable is about: brightness for grey levels, scale for
    sizes.
    """

    brightness: NonNegativeFloat = 0.12
    contrast: NonNegativeFloat = 0.3
    gamma: NonNegativeFloat = 0.4
    blur: NonNegativeFloat = 1.0
    noise: NonNegativeFloat = 0.06
    rotate: NonNegativeFloat = 15.0
    scale: NonNegativeFloat = 0.2
    shift: NonNegativeFloat = 0.06

    def expose(self, images: Tensor) -> Tensor:
        """`images` (n, C, H, W), within [0, 1], under another exposure."""
        images = images.clamp(1e-4, 1) ** _draw(images, self.gamma).exp()
        mean = images.mean((1, 2, 3), keepdim=True)
        images = mean + (images - mean) * _draw(images, self.contrast).exp() + _draw(images, self.brightness)
        blurred = avg_pool2d(pad(images, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
        images = torch.lerp(images, blurred, _draw(images, self.blur).abs())
        images = images + torch.randn_like(images) * _draw(images, self.noise)
        return images.clamp(0, 1)


def _draw(images: Tensor, most: float) -> Tensor:
    """For every image a number in [-most, most], shape (n, 1, 1, 1)."""
    return most * (2 * torch.rand(len(images), 1, 1, 1, device=images.device) - 1)
