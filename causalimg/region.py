"""Where an image may change: near the structures that belong to what changed.

An image follows its causes everywhere, also where it follows them by chance alone: what goes with a small heart in the data comes
along. What is measured on a structure is therefore changed near that structure, and only there. A cause that is measured nowhere
(sex, the scanner) may change the whole image, and so may one whose structure nobody outlines.
"""

import math
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import torch
from pydantic import BeforeValidator, Field, NonNegativeFloat
from torch import Tensor
from torch.nn.functional import avg_pool2d, max_pool2d

from causalimg.errors import check_known
from causalimg.graph import Graph, Outlined
from causalimg.graph.spec import Spec
from causalimg.values import World, numbers

MOST = 2.0
"""A structure is not expected to grow by more than this, in length."""


def _names(given: object) -> object:
    return (given,) if isinstance(given, str) else given


class Region(Spec):
    """The surroundings of structures.

    `structures`: by default those of what changed. They are widened by `margin`, a share of the image's height, and by as much as
    a structure is asked to grow; the border is blurred over `soft`. With a margin of 1 the region is the whole image.
    """

    structures: Annotated[tuple[str, ...], BeforeValidator(_names)] | None = None
    margin: NonNegativeFloat = 0.08
    soft: float = Field(0.03, ge=0, le=1)

    def mask(
        self, graph: Graph, name: str, image: Tensor, before: World, after: World, outlines: Callable[[], World]
    ) -> Tensor | None:
        """1 where `image`, the variable `name`, (n, channels, height, width), may change, 0 where not: (rows, height, width).

        `before` and `after`: the causes of the image by name, (n or rows,). `outlines()`: by structure, bool, (n, height, width).
        n is the number of rows, or 1. None where all of every image may change. Raises ValueError for a structure that nobody
        outlines.
        """
        if self.margin >= 1:
            return None
        near = {cause: self._near(graph, name, cause, image, outlines) for cause in after}
        if all(structures is None for structures in near.values()):
            return None
        parts = []
        for cause, structures in near.items():
            growth = _growth(graph, cause, before[cause], after[cause])
            parts.append(_changed(before[cause], after[cause]) * self._surroundings(image, structures, growth))
        return torch.stack(parts).amax(0)

    def _near(self, graph: Graph, name: str, cause: str, image: Tensor, outlines: Callable[[], World]) -> Tensor | None:
        """The structures that belong to `cause`, (n, height, width), bool; None where nobody outlines them."""
        if self.structures is not None:
            check_known("structure that a reader outlines", self.structures, outlines())
            return torch.stack([outlines()[structure] for structure in self.structures]).any(0)
        quantity = graph.measured.get(cause)
        if quantity is None or quantity.moves or graph.image_of(cause) != name:
            return None
        if not set(quantity.structures) <= outlines().keys():
            return None
        return quantity.region(Outlined(outlines(), image))

    def _surroundings(self, image: Tensor, structures: Tensor | None, growth: Tensor) -> Tensor:
        """`structures`, widened and blurred, (rows, height, width); 1 everywhere where there are none."""
        if structures is None:
            return torch.ones_like(image[:, 0])
        soft = round(self.soft * image.shape[-2])
        reach = self.margin * image.shape[-2] + (growth - 1) * _radius(structures)
        wide = _widened(structures, reach)[:, None]
        blurred = avg_pool2d(wide, 2 * soft + 1, stride=1, padding=soft, count_include_pad=False)[:, 0]
        return torch.where(structures.flatten(1).any(1)[:, None, None], blurred, 1.0)


def _changed(before: Tensor, after: Tensor) -> Tensor:
    """1 in rows in which a cause changed, 0 in the others: (rows, 1, 1)."""
    return (before != after)[:, None].flatten(1).any(1)[:, None, None].float()


def _growth(graph: Graph, cause: str, before: Tensor, after: Tensor) -> Tensor:
    """By how much the structures of a cause are asked to grow in length, at most `MOST`: (rows,)."""
    quantity = graph.measured.get(cause)
    if quantity is None or not quantity.growth:
        return torch.ones(len(after), device=after.device)
    return torch.nan_to_num((after / before) ** quantity.growth, nan=1.0).clamp(1, MOST)


def _widened(structures: Tensor, reach: Tensor) -> Tensor:
    """`structures`, bool (n, height, width), and all within `reach` pixels, (rows,), diagonally too: (rows, height, width).

    The last pixel counts by the part of it that is within reach, so that a little more reach is a little more.
    """
    wide = structures.float().expand(max(len(structures), len(reach)), -1, -1)
    for step in range(math.ceil(reach.max()) if len(reach) else 0):
        grown = max_pool2d(wide[:, None], 3, stride=1, padding=1)[:, 0]
        wide = torch.lerp(wide, grown, (reach - step).clamp(0, 1)[:, None, None].expand_as(wide))
    return wide


def _radius(structures: Tensor) -> Tensor:
    """Half the longer side of the box around `structures`, (n,), in pixels."""
    sides = [structures.any(axis).sum(1) for axis in (1, 2)]
    return torch.stack(sides).amax(0) / 2


Where = Region | str | None | Any
"""A region: a `Region`, a structure by name, a mask of the user's, bool or within [0, 1]; None for the whole image."""


def as_mask(given: Any, shape: Sequence[int], n: int, device: torch.device) -> Tensor:
    """A user's own mask as (n or 1, height, width) for images of `shape`.

    Raises ValueError for another shape, or values outside [0, 1]; TypeError for what is no mask.
    """
    mask = numbers("region", given, "a Region, a structure by name, or a mask").to(device, torch.float32)
    height, width = shape[-2:]
    if mask.shape not in ((height, width), (1, height, width), (n, height, width)):
        expected = f"({height}, {width}) or ({n}, {height}, {width})"
        raise ValueError(f"region: expected a mask of shape {expected}, got {tuple(mask.shape)}")
    if not bool(((mask >= 0) & (mask <= 1)).all()):
        raise ValueError(f"region: expected values within [0, 1], got {mask.min():g} to {mask.max():g}")
    return mask.reshape(-1, height, width)
