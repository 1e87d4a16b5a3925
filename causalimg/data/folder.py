"""The files of a folder that the rows of a table name: found however a name is spelt, and only within the folder."""

import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from functools import cached_property
from os.path import splitext
from pathlib import Path, PurePath
from unicodedata import normalize

from causalimg.data.arrays import read_array
from causalimg.data.dicom import is_dicom, read_dicom, series_in
from causalimg.data.limits import Limits
from causalimg.data.nifti import ENDINGS, is_nifti, read_nifti
from causalimg.data.pictures import read_picture
from causalimg.data.spelling import plain
from causalimg.data.volumes import Picture, Volume

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


MASKS = (".png", *ENDINGS, ".dcm")
"""How files of masks end."""


def read_file(file: Path, limits: Limits, labels: bool = False, fields: Sequence[str] = ()) -> Picture | Volume:
    """What is in a file, of any kind that is read, or in a folder of DICOM files. Raises what its reader raises."""
    if file.is_dir() or (not is_nifti(file) and is_dicom(file)):
        return read_dicom(file, limits, fields)
    if fields:
        raise ValueError(f"fields={tuple(fields)} are those of DICOM files, and it is none")
    if is_nifti(file):
        return read_nifti(file, limits, labels)
    if file.suffix.lower() == ".npz":
        return Picture(read_array(file, None, limits))
    return Picture(read_picture(file, limits, labels))


class Folder:
    """What is in the files `names` in the folder at `path`; of `labels` in a palette, the indices.

    A name may be that of a folder of DICOM files. `fields` are read from their headers. Raises ValueError where there is no such
    folder, or nothing says the names.
    """

    def __init__(
        self, path: Path, names: Sequence[str] | None, limits: Limits, labels: bool = False, fields: Sequence[str] = ()
    ) -> None:
        if not path.is_dir():
            raise ValueError(f"no such folder or NPZ file: {path}")
        if names is None:
            raise ValueError("no column 'file' names the file of each row; columns={image: ...} says another one")
        self.path, self.limits, self.labels, self.fields = path, limits, labels, fields
        self.names = [self._mask(name) for name in names] if labels else names

    def _mask(self, name: str) -> str:
        """The mask of the file `name`: called like it, but for the ending. Raises ValueError where two are."""
        stem = splitext(name.removesuffix(".gz") if is_nifti(Path(name)) else name)[0]
        found = [stem + ending for ending in MASKS if (self.path / (stem + ending)).is_file()]
        if len(found) > 1:
            raise ValueError(f"two masks of {name!r}: {found[0]} and {found[1]}")
        return found[0] if found else stem + (".nii.gz" if is_nifti(Path(name)) else ".png")

    def __getitem__(self, row: int) -> Picture | Volume:
        """Raises FileNotFoundError, with the nearest file, and OSError for what can't or must not be read."""
        file = self.file(row)
        try:
            return read_file(file, self.limits, self.labels, self.fields)
        except UNREADABLE as error:
            raise OSError(f"can't read {self.names[row]!r}: {error}") from None

    def file(self, row: int) -> Path:
        """Where the file of a row is, links followed."""
        name = self.names[row]
        if not plain(name):
            raise ValueError("the cell of the file is empty")
        found = next((file for file in self._spelt(name) if file.is_file() or _is_series(file)), None)
        if found is None:
            near = self._by_stem.get(_stem(PurePath(name)))
            raise FileNotFoundError(f"no file {name!r} in {self.path}." + (f" Did you mean {near!r}?" if near else ""))
        found = found.resolve()
        parts = [file.resolve() for file in series_in(found)] if found.is_dir() else [found]
        if not (self.limits.outside or all(file.is_relative_to(self._home) for file in parts)):
            raise ValueError(f"{name!r} is outside of {self.path}: limits=Limits(outside=True) reads it nevertheless")
        return found

    def _spelt(self, name: str) -> Iterator[Path]:
        """Disks differ in how they write é, and a cell may have spaces about it."""
        for one in (name, plain(name), normalize("NFD", plain(name))):
            yield self.path / one

    @cached_property
    def _home(self) -> Path:
        """Where the folder is, links followed."""
        return self.path.resolve()

    @cached_property
    def _by_stem(self) -> dict[str, str]:
        """Files here and one folder down by bare name: extension, case and folder are what is usually mistaken."""
        files = [file for pattern in ("*/*", "*") for file in self.path.glob(pattern) if file.is_file()]
        return {_stem(file): str(file.relative_to(self.path)) for file in files}


def _is_series(file: Path) -> bool:
    return file.is_dir() and bool(series_in(file))


def _stem(path: PurePath) -> str:
    return plain(PurePath(path.name.casefold().removesuffix(".gz")).stem)
