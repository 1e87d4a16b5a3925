"""Columns on disk, written part by part; what was written stays when writing is cut short, and is gone on with.

    hearts/
      values.x.npy, masks.lv.npy, ...   a column each, in NumPy's format, which is mapped into memory
      parts.jsonl                       what it is about; then a line for each part that is whole; then, that nothing follows

A part counts once its line is there, which is written after its rows are safe on disk.
"""

import io
import json
import os
import re
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from causalimg.stored import Stored

PARTS = "parts.jsonl"

NAME = re.compile(r"(values|masks)\.[^/\\:\0]+")
"""A column of this name is a file in the folder."""

FORMAT = 1
"""The version of the format."""


class Store:
    """Columns that are written into `folder`, part by part. `about`: plain JSON data that says what of; the same goes on.

    Raises FileExistsError for a folder that holds something else.
    """

    def __init__(self, folder: str | Path, about: Mapping[str, Any]) -> None:
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        head = {"format": FORMAT, "about": json.loads(json.dumps(about))}
        found = lines_of(self.folder)
        if not found and (others := [path.name for path in self.folder.iterdir() if path.name != PARTS]):
            raise FileExistsError(f"{self.folder} holds {others[0]}, and is no place for a table: say another folder")
        _cut_torn_line(self.folder / PARTS)
        if not found:
            self._note(head)
            found = [head]
        if found[0] != head:
            raise FileExistsError(f"{self.folder} holds a table of something else: say another folder, or remove it")
        self.finished = bool(found[1:]) and "finished" in found[-1]
        self.parts = found[1:-1] if self.finished else found[1:]

    @property
    def rows(self) -> int:
        """How many rows are safe."""
        return sum(part["rows"] for part in self.parts)

    def write(self, columns: Mapping[str, Tensor], texts: Mapping[str, Any]) -> None:
        """Add a part: `columns` by name, one row at least, and `texts`, plain JSON data."""
        count = len(next(iter(columns.values())))
        digests = {name: self._append(name, column) for name, column in columns.items()}
        part = {"rows": count, "digests": digests, "texts": texts}
        self._note(part)
        self.parts.append(part)

    def finish(self, finished: Mapping[str, Any]) -> None:
        """Say that nothing follows, and what is known in the end, plain JSON data."""
        self._note({"finished": finished})
        self.finished = True

    def _append(self, name: str, column: Tensor) -> str:
        """Write rows after those that are safe, and over what else is there. Returns their digest."""
        pixels = np.ascontiguousarray(column.detach().cpu().numpy())
        path = self.folder / f"{name}.npy"
        head = _header(pixels.dtype, (self.rows + len(pixels), *pixels.shape[1:]))
        with path.open("r+b" if path.exists() else "w+b") as file:
            file.write(head)
            file.seek(len(head) + self.rows * pixels[0].nbytes)
            file.write(pixels.data)
            file.truncate()
            file.flush()
            os.fsync(file.fileno())
        return sha256(pixels.data).hexdigest()

    def _note(self, line: Mapping[str, Any]) -> None:
        with (self.folder / PARTS).open("a", encoding="utf-8") as file:
            file.write(f"{json.dumps(line, allow_nan=False)}\n")
            file.flush()
            os.fsync(file.fileno())


def lines_of(folder: Path) -> list[dict[str, Any]]:
    """The whole lines of what is noted in `folder`; none where there is nothing. Raises ValueError for what is no such file."""
    path = folder / PARTS
    if not path.is_file():
        return []
    text = path.read_text(encoding="utf-8")
    lines = text.split("\n")[:-1]  # one that was cut short has no end
    try:
        return [json.loads(line) for line in lines]
    except ValueError as error:
        raise ValueError(f"{path} is no list of parts: {error}") from None


def _cut_torn_line(path: Path) -> None:
    """Take away what was being written when somebody was killed."""
    if path.exists():
        os.truncate(path, path.read_bytes().rfind(b"\n") + 1)


def _header(dtype: np.dtype[Any], shape: tuple[int, ...]) -> bytes:
    """That of NumPy's format; as long for any number of rows."""
    made = io.BytesIO()
    described = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(made, described)
    return made.getvalue()


def stored_columns(folder: Path, parts: list[dict[str, Any]]) -> dict[str, Stored]:
    """The columns of a finished store by name. Raises ValueError for a file that is missing, or has other rows than its parts."""
    rows, found = sum(part["rows"] for part in parts), {}
    for name in parts[0]["digests"]:
        if not NAME.fullmatch(name):
            raise ValueError(f"{PARTS} names a column {name!r}, which is none")
        told = sha256("".join(part["digests"][name] for part in parts).encode()).hexdigest()
        path = folder / f"{name}.npy"
        try:
            found[name] = Stored(path, told=told)
        except (OSError, ValueError) as error:
            raise ValueError(f"{path} holds no column: {error}") from None
        if len(found[name]) != rows:
            raise ValueError(f"{path} has {len(found[name])} rows, expected {rows}")
    return found
