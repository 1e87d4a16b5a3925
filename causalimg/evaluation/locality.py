"""How much an image changed, and where: near the structures that should, or elsewhere."""

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

from causalimg.evaluation.asking import Asked, Measure
from causalimg.evaluation.reading import outlines
from causalimg.graph import Graph, Image, Outlined, Quantity
from causalimg.readers.reader_set import ReaderSet

REACH = 4 / 64
"""How far from a structure a change still belongs to it, as a share of the image's shorter side."""


def changes(panel: ReaderSet, units: Mapping[str, float]) -> Measure:
    """Measures ``change``, in grey levels, mean over the pixels, and ``outside``, the part of it that lies away from the
    structures of the variable that was set (NaN where the judges don't outline them). `units`: see `grey_units`."""

    def measure(asked: Asked) -> dict[str, Tensor]:
        before, after = (world[asked.image].cpu() for world in (asked.before, asked.after))
        quantity = panel.graph.measured.get(asked.name)
        seen = [Outlined(outlines(panel, image), image) for image in (before, after)]
        near = neighbourhood(quantity, *seen) if quantity else None
        change = units[asked.image] * (after - before).abs().mean(1)
        outside = torch.full_like(change, torch.nan) if near is None else change * ~near
        return {"change": change.mean((1, 2)), "outside": outside.mean((1, 2))}

    return measure


def dilate(mask: Tensor) -> Tensor:
    """`mask`, bool (batch, height, width), and all that is within `REACH` of it, diagonally too."""
    reach = round(REACH * min(mask.shape[-2:]))
    return max_pool2d(mask.float()[:, None], 2 * reach + 1, stride=1, padding=reach)[:, 0] > 0


def neighbourhood(quantity: Quantity, before: Outlined, after: Outlined) -> Tensor | None:
    """Where `quantity` is measured `before` or `after`, and near it: bool (batch, height, width). None where a structure is
    not outlined."""
    if not quantity.structures or not set(quantity.structures) <= before.masks.keys() & after.masks.keys():
        return None
    return dilate(quantity.region(before) | quantity.region(after))


def distance(one: Tensor, other: Tensor, unit: float) -> Tensor:
    """Mean absolute difference of images (batch, channels, height, width), in grey levels: shape (batch,)."""
    return unit * (one - other).abs().flatten(1).mean(1)


def grey_units(graph: Graph, values: Mapping[str, Tensor]) -> dict[str, float]:
    """`grey_levels` of every image."""
    return {name: grey_levels(cast(Image, graph[name]), values[name]) for name in graph.images}


def grey_levels(variable: Image, images: Tensor) -> float:
    """How many grey levels of 255 a change by 1 is: from the variable's bounds or, where it has none, from `images`."""
    low, high = limits(variable, images)
    return 255 / (high - low)


def limits(variable: Image, images: Tensor) -> tuple[float, float]:
    """Black and white: the variable's bounds or, where it has none, those of `images`."""
    low, high = variable.bounds
    return (images.min().item() if low is None else low, images.max().item() if high is None else high)
