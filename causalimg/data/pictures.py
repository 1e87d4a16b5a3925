"""The pixels of each row of a sheet: from a folder of files, or from one array of an NPZ file."""

import zipfile
import zlib
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path, PurePath

import numpy as np
import PIL.Image
from torch import Tensor

from causalimg.data.pixels import Pixels
from causalimg.data.problems import Problems
from causalimg.errors import check_known

ARRAYS = {"images": "images", "masks": "labels"}
"""What is asked for, and what its array in an NPZ file is called."""

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
    with np.load(path) as archive:
        check_known(f"array of {path.name}", [array], archive)
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
