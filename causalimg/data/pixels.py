"""From the pixels of a file to the value of an image variable, or to masks on its grid.

Resizing is exact area averaging: pixel i of n takes each source pixel in proportion to what of it lies within
[i/n, (i+1)/n) of the side. It is the mean of what the new pixel covers, so nothing is aliased, and the sum over the image,
thus the area of a mask before it is thresholded, stays what it was.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from causalimg.graph import Image

Pixels = NDArray[Any]
Normalise = Callable[[Pixels], Pixels]
LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601


def image_of(pixels: Pixels, variable: Image, normalise: Normalise | None) -> Tensor:
    """The value (channels, height, width) of `variable` from `pixels` (h, w) or (h, w, channels).

    uint8 and uint16 fill the variable's bounds, and so does what `normalise` returns; floats must lie within them already.
    Raises ValueError for other kinds of numbers, values out of bounds, and channels that don't fit.
    """
    values = torch.from_numpy(_scaled(pixels, variable, normalise))
    if variable.outside(values).any():
        low, high = values.min().item(), values.max().item()
        raise ValueError(f"pixels from {low:g} to {high:g}, expected {variable.allowed}")
    return area_average(_channels(values, variable.shape[0]), variable.shape[1:]).float()


def masks_of(labels: Pixels, structures: Sequence[str], size: tuple[int, int]) -> Tensor:
    """Masks (structures, *size), bool, from a label map (h, w) in which structure i has the label i + 1.

    A pixel is in if more than half of it is covered. Of half-covered ones, a slight tilt takes those on the upper left of a
    structure and leaves those on its lower right: to leave them all, at half the resolution, loses 3 % of a heart.
    Raises ValueError for other labels, and for what is no label map.
    """
    if labels.ndim != 2 or labels.dtype.kind not in "bui":
        raise ValueError(
            f"labels of shape {labels.shape} and type {labels.dtype}, expected (height, width) and integers"
        )
    known = ["0 = background", *(f"{i} = {structure}" for i, structure in enumerate(structures, start=1))]
    if strange := set(np.unique(labels).tolist()) - set(range(len(known))):
        raise ValueError(f"labels {', '.join(map(str, sorted(strange)))}, expected {', '.join(known)}")
    maps = torch.stack([torch.from_numpy(labels == i) for i in range(1, len(known))])
    rows, columns = (torch.arange(side, dtype=torch.float64) for side in labels.shape)
    tilt = 1 + 1e-6 * (rows[:, None] + columns)
    return area_average(maps * tilt, size) > 0.5 * area_average(tilt, size)


def area_average(images: Tensor, size: tuple[int, int]) -> Tensor:
    """`images` (..., height, width) resized to `size` by area averaging."""
    rows, columns = (_overlaps(old, new).to(images) for old, new in zip(images.shape[-2:], size, strict=True))
    return rows @ images @ columns.T


@lru_cache(maxsize=16)
def _overlaps(old: int, new: int) -> Tensor:
    """How much of new pixel i is covered by old pixel j, shape (new, old), in doubles: its rows sum to 1."""
    edges = torch.linspace(0, old, new + 1, dtype=torch.float64)
    pixel = torch.arange(old, dtype=torch.float64)
    shared = torch.minimum(edges[1:, None], pixel + 1) - torch.maximum(edges[:-1, None], pixel)
    return shared.clamp(min=0) * (new / old)


def _scaled(pixels: Pixels, variable: Image, normalise: Normalise | None) -> Pixels:
    if normalise is not None:
        unit = normalise(pixels)
    elif pixels.dtype.kind == "u" and pixels.dtype.itemsize <= 2:
        unit = pixels / np.iinfo(pixels.dtype).max
    elif pixels.dtype.kind == "f":
        return pixels.astype(np.float64)
    else:
        raise ValueError(f"pixels are {pixels.dtype}, expected uint8, uint16 or floats; or say normalise=Percentile()")
    low, high = variable.bounds
    if low is None or high is None:
        raise ValueError("grey levels are scaled to the variable's bounds, so that both must be numbers")
    return np.asarray(low + (high - low) * unit, dtype=np.float64)


def _channels(values: Tensor, wanted: int) -> Tensor:
    """(h, w) or (h, w, channels) as (wanted, h, w): grey becomes colour by repetition, colour grey by luma."""
    if values.ndim == 2:
        return values.expand(wanted, *values.shape)
    if values.ndim == 3 and values.shape[-1] == wanted:
        return values.permute(2, 0, 1)
    if values.ndim == 3 and (values.shape[-1], wanted) == (3, 1):
        return (values @ values.new_tensor(LUMA))[None]
    raise ValueError(f"pixels of shape {tuple(values.shape)}, expected (height, width) or (height, width, {wanted})")
