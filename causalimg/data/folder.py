"""The files of a folder that the rows of a table name: found however a name is spelt, and only within the folder."""

import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path, PurePath
from unicodedata import normalize

from causalimg.data.arrays import Pixels, read_array
from causalimg.data.limits import Limits
from causalimg.data.pictures import read_picture
from causalimg.data.spelling import plain

UNREADABLE = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    RuntimeError,  # of zipfile: encrypted, or packed in a way that is not known
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    Warning,  # of Pillow, where warnings are errors
)
"""What the readers of files raise for one that is broken."""


class Folder:
    """The pixels in the files `names` in the folder at `path`; those of `labels` in a palette are its indices.

    Raises ValueError where there is no such folder, or nothing says the names.
    """

    def __init__(self, path: Path, names: Sequence[str] | None, limits: Limits, labels: bool = False) -> None:
        if not path.is_dir():
            raise ValueError(f"no such folder or NPZ file: {path}")
        if names is None:
            raise ValueError("no column 'file' names the file of each row; columns={image: ...} says another one")
        self.path, self.names, self.limits, self.labels = path, names, limits, labels

    def __getitem__(self, row: int) -> Pixels:
        """Raises FileNotFoundError, with the nearest file, and OSError for what can't or must not be read."""
        file = self.file(row)
        try:
            if file.suffix.lower() == ".npz":
                return read_array(file, None, self.limits)
            return read_picture(file, self.limits, self.labels)
        except UNREADABLE as error:
            raise OSError(f"can't read {self.names[row]!r}: {error}") from None

    def file(self, row: int) -> Path:
        """Where the file of a row is, links followed."""
        name = self.names[row]
        if not plain(name):
            raise ValueError("the cell of the file is empty")
        found = next((file for file in self._spelt(name) if file.is_file()), None)
        if found is None:
            near = self._by_stem.get(_stem(PurePath(name)))
            raise FileNotFoundError(f"no file {name!r} in {self.path}." + (f" Did you mean {near!r}?" if near else ""))
        found = found.resolve()
        if not (self.limits.outside or found.is_relative_to(self.path.resolve())):
            raise ValueError(f"{name!r} is outside of {self.path}: limits=Limits(outside=True) reads it nevertheless")
        return found

    def _spelt(self, name: str) -> Iterator[Path]:
        """Disks differ in how they write é, and a cell may have spaces about it."""
        for one in (name, plain(name), normalize("NFD", plain(name))):
            yield self.path / one

    @cached_property
    def _by_stem(self) -> dict[str, str]:
        """Files here and one folder down by bare name: extension, case and folder are what is usually mistaken."""
        files = [file for pattern in ("*/*", "*") for file in self.path.glob(pattern) if file.is_file()]
        return {_stem(file): str(file.relative_to(self.path)) for file in files}


def _stem(path: PurePath) -> str:
    return plain(path.stem).casefold()
