"""Images and masks from files: read for each row, and brought to the grid and the grey levels of an image variable.

Resizing is exact area averaging: pixel i of n takes each source pixel in proportion to what of it lies within
[i/n, (i+1)/n) of the side. It is the mean of what the new pixel covers, so nothing is aliased, and the sum over the image,
thus the area of a mask before it is thresholded, stays what it was.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache
from os.path import normpath
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from causalimg.data.arrays import Normalise, Pixels, read_array
from causalimg.data.folder import UNREADABLE, Folder
from causalimg.data.limits import Limits
from causalimg.data.problems import Problems
from causalimg.data.spelling import plain
from causalimg.graph import Image

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601

ARRAYS = {"images": "images", "masks": "labels"}
"""The names of the arrays in an NPZ file."""

SHOWN = 8


def read_pictures(
    kind: str,
    path: Path,
    names: Sequence[str] | None,
    lines: Sequence[int],
    convert: Callable[[Pixels], Tensor],
    problems: Problems,
    limits: Limits,
) -> list[Tensor]:
    """What `convert` makes of the `kind` (images or masks) of each row, from the NPZ file or the folder at `path`.

    A folder is asked for the files `names`. What can't be read or converted is noted, and left out; and a file that several
    rows name is noted.
    """
    npz = path.is_file() and path.suffix.lower() == ".npz"
    try:
        pixels = _stack(path, ARRAYS[kind], len(lines), limits) if npz else Folder(path, names, limits, kind == "masks")
    except UNREADABLE as error:
        problems.add(kind, "source", str(error))
        return []
    if isinstance(pixels, Folder):
        _note_repeated(kind, pixels.names, lines, problems)
    read = []
    for row, line in enumerate(lines):
        try:
            read.append(convert(pixels[row]))
        except (OSError, ValueError) as error:
            problems.add(kind, type(error).__name__, str(error), line)
    return read


def _note_repeated(kind: str, names: Sequence[str], lines: Sequence[int], problems: Problems) -> None:
    files = [normpath(plain(name)) for name in names]
    counts = Counter(files)
    for file, line in zip(files, lines, strict=True):
        if counts[file] > 1 and file != normpath(""):
            what = f"{file!r} is the file of {counts[file]} rows, expected one row for each file"
            problems.add(kind, "repeated", what, line)


def _stack(path: Path, array: str, rows: int, limits: Limits) -> Pixels:
    try:
        items = read_array(path, array, limits)
    except UNREADABLE as error:
        raise ValueError(f"{path.name}: {error}") from None
    if len(items) != rows:
        raise ValueError(f"{path.name} has {len(items)} {array}, but the table has {rows} rows")
    return items


def open_picture(file: Path) -> Pixels:
    """The pixels of one PNG, JPEG, TIFF or NPZ file. Raises FileNotFoundError, with the nearest file, and OSError."""
    return Folder(file.parent, [file.name], Limits(outside=True))[0]


def image_of(pixels: Pixels, variable: Image, normalise: Normalise | None) -> Tensor:
    """The value (channels, height, width) of `variable` from `pixels` (h, w) or (h, w, channels).

    uint8 and uint16 fill the variable's bounds, and so does what `normalise` returns; floats must lie within them already.
    Raises ValueError for other kinds of numbers, values out of bounds, and channels that don't fit.
    """
    _check_shape(pixels.shape, variable.shape[0])
    values = torch.from_numpy(_scaled(pixels, variable, normalise))
    _check_shape(tuple(values.shape), variable.shape[0])
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
    if labels.ndim != 2 or not labels.size or labels.dtype.kind not in "bui":
        raise ValueError(
            f"labels of shape {labels.shape} and type {labels.dtype}, expected (height, width) and integers"
        )
    known = ["0 = background", *(f"{i} = {structure}" for i, structure in enumerate(structures, start=1))]
    if strange := set(np.unique(labels).tolist()) - set(range(len(known))):
        some = ", ".join(map(str, sorted(strange)[:SHOWN])) + (", ..." if len(strange) > SHOWN else "")
        raise ValueError(f"labels {some}, expected {', '.join(known)}")
    rows, columns = (torch.arange(side, dtype=torch.float64) for side in labels.shape)
    tilt = 1 + 1e-6 * (rows[:, None] + columns)
    maps = (torch.from_numpy(labels == i) for i in range(1, len(known)))
    return torch.stack([area_average(one * tilt, size) for one in maps]) > 0.5 * area_average(tilt, size)


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
    """In doubles: what `normalise` returns, or what integers are of their greatest, brought to the bounds; floats as they are."""
    if normalise is not None:
        unit = np.array(_normalised(pixels, normalise), dtype=np.float64)
    elif pixels.dtype.kind == "u" and pixels.dtype.itemsize <= 2:
        unit = pixels / np.iinfo(pixels.dtype).max
    elif pixels.dtype.kind == "f":
        return pixels.astype(np.float64)
    else:
        raise ValueError(f"pixels are {pixels.dtype}, expected uint8, uint16 or floats; or say normalise=Percentile()")
    low, high = variable.bounds
    if low is None or high is None:
        raise ValueError("grey levels are scaled to the variable's bounds, so that both must be numbers")
    unit *= high - low
    unit += low
    return unit


def _normalised(pixels: Pixels, normalise: Normalise) -> Pixels:
    if pixels.dtype.kind not in "biuf" or not np.isfinite(pixels).all():
        raise ValueError(f"pixels are {pixels.dtype}, expected numbers, all of them finite")
    return normalise(pixels)


def _check_shape(shape: tuple[int, ...], channels: int) -> None:
    grey = len(shape) == 2
    fits = len(shape) == 3 and (shape[-1] == channels or (shape[-1], channels) == (3, 1))
    if not (grey or fits) or 0 in shape:
        raise ValueError(f"pixels of shape {shape}, expected (height, width) or (height, width, {channels})")


def _channels(values: Tensor, wanted: int) -> Tensor:
    """(h, w) or (h, w, channels) as (wanted, h, w): grey becomes colour by repetition, colour grey by luma."""
    if values.ndim == 2:
        return values.expand(wanted, *values.shape)
    if values.shape[-1] == wanted:
        return values.permute(2, 0, 1)
    return (values @ values.new_tensor(LUMA))[None]
