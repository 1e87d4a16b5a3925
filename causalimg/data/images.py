"""Images and masks from files: found for each row, and brought to the grid and the grey levels of an image variable."""

from collections import Counter
from collections.abc import Callable, Sequence
from os.path import normpath
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from causalimg.data.arrays import Normalise, Pixels, read_array
from causalimg.data.folder import UNREADABLE, Folder
from causalimg.data.frame import WHOLE, Fit, Frame, area_average, missing
from causalimg.data.limits import Limits
from causalimg.data.problems import Problems
from causalimg.data.spelling import plain
from causalimg.data.volumes import Picture, Volume
from causalimg.graph import Image

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601

ARRAYS = {"images": "images", "masks": "labels"}
"""The names of the arrays in an NPZ file."""

SHOWN = 8


class Stack:
    """The `pixels` of an NPZ file, (rows, height, width, ...), row by row."""

    def __init__(self, pixels: Pixels) -> None:
        self.pixels = pixels

    def __getitem__(self, row: int) -> Picture:
        return Picture(self.pixels[row])


def source_of(
    kind: str,
    path: Path,
    names: Sequence[str] | None,
    lines: Sequence[int],
    problems: Problems,
    limits: Limits,
    fields: Sequence[str] = (),
) -> Folder | Stack | None:
    """Where the `kind` (images or masks) of each row is: the NPZ file at `path`, or the files `names` in the folder there.

    Where there is no such thing, that is noted, and so is a file that several rows name.
    """
    try:
        if path.is_file() and path.suffix.lower() == ".npz":
            return Stack(_stack(path, ARRAYS[kind], len(lines), limits))
        folder = Folder(path, names, limits, kind == "masks", fields)
    except UNREADABLE as error:
        problems.add(kind, "source", str(error))
        return None
    _note_repeated(kind, folder.names, lines, problems)
    return folder


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


def open_picture(file: Path) -> Picture | Volume:
    """What is in one file, or one folder of DICOM files. Raises FileNotFoundError, with the nearest file, and OSError."""
    return Folder(file.parent, [file.name], Limits(outside=True))[0]


def image_of(picture: Picture, variable: Image, normalise: Normalise | None, fit: Fit | None = None) -> Tensor:
    """The value (channels, height, width) of `variable` from what it shows of `picture`, as `fit` may have to say.

    Integers without a sign of up to 16 bits fill the variable's bounds, and so does what `normalise` returns; floats must lie
    within them already. What lies beyond the picture is as its least value. Raises ValueError for other kinds of numbers, values
    out of bounds, channels that don't fit, and without `fit`, for sides of other proportions than the variable's.
    """
    _check_shape(picture.shape, variable.shape[0])
    pixels, within_bounds = _numbers(picture, variable, normalise)
    _check_shape(pixels.shape, variable.shape[0])
    values = torch.from_numpy(pixels.astype(np.float64))
    least, greatest = values.aminmax()
    ends = within_bounds(torch.stack([least, greatest]))
    if variable.outside(ends).any():
        low, high = ends.tolist()
        raise ValueError(f"pixels from {low:g} to {high:g}, expected {variable.allowed}")
    frame, size = Frame.of(picture, variable, fit), variable.shape[1:]
    shown = area_average(_channels(values, variable.shape[0]), size, frame)
    return within_bounds(shown + least * missing(picture.shape[:2], size, frame)).float()


def masks_of(labels: Pixels, structures: Sequence[str], size: tuple[int, int], frame: Frame = WHOLE) -> Tensor:
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
    half = 0.5 * (area_average(tilt, size, frame) + missing(labels.shape, size, frame))
    return torch.stack([area_average(one * tilt, size, frame) for one in maps]) > half


def lost(labels: Pixels, structures: int, size: tuple[int, int], frame: Frame) -> list[float]:
    """The share of each structure that `frame` doesn't show; 0 of one that isn't there."""
    shares = []
    for i in range(1, structures + 1):
        map_ = torch.from_numpy((labels == i).astype(np.float64))
        whole = map_.mean().item()
        spans = [stop - start for start, stop in (frame.rows, frame.columns)]
        shown = area_average(map_, size, frame).mean().item() * spans[0] * spans[1]
        shares.append(1 - shown / whole if whole else 0.0)
    return shares


def _numbers(
    picture: Picture, variable: Image, normalise: Normalise | None
) -> tuple[Pixels, Callable[[Tensor], Tensor]]:
    """The numbers of `picture`, and what brings numbers, or means of them, to the variable's bounds; floats are there."""
    pixels = picture.pixels
    if normalise is not None:
        pixels, most = np.asarray(_normalised(pixels, normalise)), 1
    elif pixels.dtype.kind == "u" and pixels.dtype.itemsize <= 2:
        most = picture.most or np.iinfo(pixels.dtype).max
    elif pixels.dtype.kind == "f":
        return pixels, lambda values: values
    else:
        raise ValueError(f"pixels are {pixels.dtype}, expected uint8, uint16 or floats; or say normalise=Percentile()")
    low, high = variable.bounds
    if low is None or high is None:
        raise ValueError("grey levels are scaled to the variable's bounds, so that both must be numbers")
    return pixels, lambda values: values / most * (high - low) + low


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
