"""Where an image changed: near the structures that should, or elsewhere."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

from causalimg.graph import Image

REACH = 4 / 64
"""How far from a structure a change still belongs to it, as a share of the image's shorter side."""


def dilate(mask: Tensor) -> Tensor:
    """`mask`, bool (batch, height, width), and all that is within `REACH` of it, diagonally too."""
    reach = round(REACH * min(mask.shape[-2:]))
    return max_pool2d(mask.float()[:, None], 2 * reach + 1, stride=1, padding=reach)[:, 0] > 0


def neighbourhood(
    structures: Sequence[str], before: Mapping[str, Tensor], after: Mapping[str, Tensor]
) -> Tensor | None:
    """Where `structures` are `before` or `after`, and near it: bool (batch, height, width). None if one is not outlined."""
    if not structures or not set(structures) <= before.keys() & after.keys():
        return None
    masks = [outlines[name] for outlines in (before, after) for name in structures]
    return dilate(torch.stack(masks).any(0))


def grey_levels(variable: Image, images: Tensor) -> float:
    """How many grey levels of 255 a change by 1 is: from the variable's bounds or, where it has none, from `images`."""
    low, high = variable.bounds
    black = images.min().item() if low is None else low
    white = images.max().item() if high is None else high
    return 255 / (white - black)
