"""Drawing with formulas: an outline is a function that is negative inside, and everything else follows from it.

An implicit function F(x, y) of the pixels' centres says what is inside (F < 0: the mask) and, divided by its own slope, how
many pixels away the border is: F / |grad F|. A ramp of one pixel across the border is the fraction of a pixel that is covered,
so edges are smooth at any resolution, and exactly one and zero beyond the ramp.

Maps have shape (batch, height, width); lengths are in mm, x to the right, y down, the origin in the centre of the image.
"""

import math

import torch
from torch import Tensor
from torch.nn.functional import interpolate


def grid(size: int, extent: float) -> tuple[Tensor, Tensor]:
    """x, shape (1, 1, size), and y, shape (1, size, 1), of the pixels' centres in an image `extent` mm wide."""
    centres = (torch.arange(size) + 0.5) * (extent / size) - extent / 2
    return centres.view(1, 1, -1), centres.view(1, -1, 1)


def per_sample(values: Tensor) -> tuple[Tensor, ...]:
    """The columns of (batch, k) values, each of shape (batch, 1, 1) so that it meets a map."""
    return values[:, :, None, None].unbind(1)


def cover(outline: Tensor) -> Tensor:
    """The fraction of every pixel that lies inside `outline`: a ramp of one pixel across the border."""
    down, right = torch.gradient(outline, dim=(1, 2))
    return (0.5 - outline / distance(down, right).clamp(min=1e-6)).clamp(0, 1)


def soften(outline: Tensor, width: float) -> Tensor:
    """Like `cover` for what has no sharp border: a sigmoid of `width`, in the outline's own unit."""
    return (-outline / width).sigmoid()


def distance(dx: Tensor, dy: Tensor) -> Tensor:
    """The length of (dx, dy)."""
    return (dx.square() + dy.square()).sqrt()


def rotate(x: Tensor, y: Tensor, angle: Tensor) -> tuple[Tensor, Tensor]:
    """The coordinates of the same point in axes turned by `angle`, from x towards y."""
    return angle.cos() * x + angle.sin() * y, angle.cos() * y - angle.sin() * x


def paint(scene: Tensor, where: Tensor, colour: Tensor | float) -> Tensor:
    """`scene` with `colour` laid over it to the degree `where` in [0, 1]."""
    return scene + where * (colour - scene)


def smooth(noise: Tensor, size: int) -> tuple[Tensor, ...]:
    """Coarse noise (batch, k, rows, columns) as k smooth maps of `size`; the same maps whatever the size."""
    return interpolate(noise, size=(size, size), mode="bicubic", align_corners=False).unbind(1)


class Star:
    """Outlines r(t) = s (1 + sum_k a_k cos kt + b_k sin kt) around a centre, for any area.

    The area is half the integral of r^2, s^2 pi (1 + sum_k (a_k^2 + b_k^2) / 2), so that s follows from it in closed form.
    `dx`, `dy` are maps of the offset from the centre in mm; `harmonics`, shape (batch, K, 2), holds a_k and b_k from k = 2 on
    (k = 1 would only move the outline).
    """

    def __init__(self, dx: Tensor, dy: Tensor, harmonics: Tensor) -> None:
        self.radius = distance(dx, dy)
        angle = torch.atan2(dy, dx)
        self.profile = torch.ones_like(angle)
        for k, wave in enumerate(harmonics.unbind(1), start=2):
            a, b = per_sample(wave)
            self.profile = self.profile + a * (k * angle).cos() + b * (k * angle).sin()
        self.unit_area = math.pi * (1 + harmonics.square().sum((1, 2)) / 2)

    def outline(self, area: Tensor) -> Tensor:
        """The outline that encloses `area`, shape (batch,), in mm2."""
        return self.radius - (area / self.unit_area).sqrt().view(-1, 1, 1) * self.profile
