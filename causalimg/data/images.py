"""Images and masks from files: read for each row, and brought to the grid and the grey levels of an image variable.

Resizing is exact area averaging: pixel i of n takes each source pixel in proportion to what of it lies within
[i/n, (i+1)/n) of the side. It is the mean of what the new pixel covers, so nothing is aliased, and the sum over the image,
thus the area of a mask before it is thresholded, stays what it was.
"""

import zipfile
import zlib
from collections.abc import Callable, Sequence
from functools import cached_property, lru_cache
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import PIL.Image
import torch
from numpy.typing import NDArray
from pydantic import Field, model_validator
from torch import Tensor

from causalimg.data.problems import Problems
from causalimg.errors import check_given, located
from causalimg.graph import Image
from causalimg.graph.spec import Spec

Pixels = NDArray[Any]
Normalise = Callable[[Pixels], Pixels]

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601

ARRAYS = {"images": "images", "masks": "labels"}
"""The names of the arrays in an NPZ file."""

GREY = ("1", "L", "I;16", "I;16B", "F")
UNREADABLE = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    zipfile.BadZipFile,
    zlib.error,
    PIL.Image.DecompressionBombError,
)


def read_pictures(
    kind: str,
    path: Path,
    names: Sequence[str] | None,
    lines: Sequence[int],
    convert: Callable[[Pixels], Tensor],
    problems: Problems,
) -> list[Tensor]:
    """What `convert` makes of the `kind` (images or masks) of each row, from the NPZ file or the folder at `path`.

    A folder is asked for the files `names`. What can't be read or converted is noted, and left out.
    """
    try:
        npz = path.is_file() and path.suffix.lower() == ".npz"
        pixels = _stack(path, ARRAYS[kind], len(lines)) if npz else _Folder(path, names, palette=kind == "masks")
    except UNREADABLE as error:
        problems.add(kind, "source", str(error))
        return []
    read = []
    for row, line in enumerate(lines):
        try:
            read.append(convert(pixels[row]))
        except (OSError, ValueError) as error:
            problems.add(kind, type(error).__name__, str(error), line)
    return read


def _stack(path: Path, array: str, rows: int) -> Pixels:
    with np.load(path) as archive, located(path.name):
        check_given("array", [array], archive)
        items: Pixels = archive[array]
    if len(items) != rows:
        raise ValueError(f"{path.name} has {len(items)} {array}, but the table has {rows} rows")
    return items


class _Folder:
    """The pixels in the files `names` in the folder at `path`; those of a picture with a `palette` are its indices."""

    def __init__(self, path: Path, names: Sequence[str] | None, palette: bool) -> None:
        if not path.is_dir():
            raise ValueError(f"no such folder or NPZ file: {path}")
        if names is None:
            raise ValueError("no column 'file' names the file of each row; columns={image: ...} says another one")
        self.path = path
        self.names = names
        self.stored = (*GREY, "P") if palette else GREY

    def __getitem__(self, row: int) -> Pixels:
        """Raises FileNotFoundError, with the nearest file, and OSError for what can't be read."""
        name = self.names[row]
        file = self.path / name
        if not file.is_file():
            near = self._by_stem.get(PurePath(name).stem.casefold())
            raise FileNotFoundError(f"no file {name!r} in {self.path}." + (f" Did you mean {near!r}?" if near else ""))
        try:
            return _only_array(file) if file.suffix.lower() == ".npz" else self._picture(file)
        except UNREADABLE as error:
            raise OSError(f"can't read {name!r}: {error}") from None

    def _picture(self, file: Path) -> Pixels:
        """Grey, or colour as (height, width, 3)."""
        with PIL.Image.open(file) as picture:
            if picture.mode == "I" and picture.format == "PNG":  # 16 bits, which older Pillows widen to 32
                return np.asarray(picture).astype(np.uint16)
            if picture.mode in self.stored:
                return np.asarray(picture)
            return np.asarray(picture.convert("L" if picture.mode == "LA" else "RGB"))

    @cached_property
    def _by_stem(self) -> dict[str, str]:
        """Files here and one folder down by bare name: extension, case and folder are what is usually mistaken."""
        files = [file for pattern in ("*/*", "*") for file in self.path.glob(pattern) if file.is_file()]
        return {file.stem.casefold(): str(file.relative_to(self.path)) for file in files}


def _only_array(file: Path) -> Pixels:
    with np.load(file) as archive:
        if len(archive.files) != 1:
            raise ValueError(f"expected one array, got {', '.join(archive.files) or 'none'}")
        pixels: Pixels = archive[archive.files[0]]
    return pixels


def open_picture(file: Path) -> Pixels:
    """The pixels of one PNG, JPEG or NPZ file. Raises FileNotFoundError, with the nearest file, and OSError."""
    return _Folder(file.parent, [file.name], palette=False)[0]


class Percentile(Spec):
    """Grey levels that mean the same in every image: its percentile `low` becomes 0 and `high` becomes 1.

    What lies beyond is clipped. For scanners whose grey levels have no unit (magnetic resonance). Any function from an
    image's pixels to pixels in [0, 1] can stand in its place. Raises ValueError for an image without contrast.
    """

    low: float = Field(1, ge=0, le=100)
    high: float = Field(99, ge=0, le=100)

    def __init__(self, low: float = 1, high: float = 99, **data: Any) -> None:
        super().__init__(**{"low": low, "high": high, **data})

    @model_validator(mode="after")
    def _upright(self) -> "Percentile":
        if not self.low < self.high:
            raise ValueError(f"low={self.low:g} is not below high={self.high:g}")
        return self

    def __call__(self, pixels: Pixels) -> Pixels:
        low, high = np.percentile(pixels.astype(np.float64), (self.low, self.high))
        if not low < high:
            raise ValueError(f"no contrast: its percentiles {self.low:g} and {self.high:g} are {low:g} and {high:g}")
        stretched: Pixels = np.clip((pixels - low) / (high - low), 0, 1)
        return stretched


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
