"""Arrays of NPZ files. What a header claims is checked before anything of the array is unpacked, and no object is made of it."""

from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import IO, Any
from zipfile import ZipFile

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from causalimg.data.limits import Limits
from causalimg.errors import check_given

Pixels = NDArray[Any]
Normalise = Callable[[Pixels], Pixels]
"""From the pixels of an image, as the file has them, to pixels in [0, 1]."""

HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
SHOWN = 20


def read_array(path: Path, array: str | None, limits: Limits) -> Pixels:
    """The array in the NPZ file at `path`: an image, (height, width, ...); or those of this name, (rows, height, width, ...).

    Raises ValueError for another array, what is beyond `limits`, and objects; and the errors of zipfile and zlib.
    """
    with ZipFile(path) as archive:
        names = [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]
        member = f"{_only(names) if array is None else _named(array, names)}.npy"
        with archive.open(member) as file:
            _check_header(file, 0 if array is None else 1, limits)
        with archive.open(member) as file:
            pixels: Pixels = npy.read_array(file, allow_pickle=False)
            return pixels


def _only(names: list[str]) -> str:
    if len(names) != 1:
        raise ValueError(f"expected one array, got {', '.join(names[:SHOWN]) or 'none'}")
    return names[0]


def _named(array: str, names: list[str]) -> str:
    if array not in names:
        check_given("array", [array], names[:SHOWN])
    return array


def _check_header(file: IO[bytes], before: int, limits: Limits) -> None:
    """`before`: how many axes come before an image's height."""
    version = npy.read_magic(file)
    if version not in HEADERS:
        raise ValueError(f"an array of version {version}, expected one of numbers")
    shape, _, dtype = HEADERS[version](file)
    if dtype.hasobject:
        raise ValueError("an array of Python objects, which are not read: save numbers")
    if len(shape) < 2 + before:
        raise ValueError(f"an array of shape {shape}, expected {'(rows, ' if before else '('}height, width, ...)")
    limits.check_size(shape[before], shape[before + 1])
    limits.check("bytes", prod(shape) * np.dtype(dtype).itemsize)
