"""Columns on disk, written part by part; what was written stays when writing is cut short, and is gone on with.

    hearts/
      values.x.npy, masks.lv.npy, ...   a column each, in NumPy's format, which is mapped into memory
      parts.jsonl                       what it is about; then a line for each part that is whole; then, that nothing follows
      lock                              held by who writes

A part counts once its line is there, which is written after its rows are safe on disk.
"""

import io
import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from causalimg.stored import Stored

if sys.platform != "win32":
    import fcntl

PARTS, LOCK = "parts.jsonl", "lock"

NAME = re.compile(r"(values|masks)\.[^/\\:\0]+")
"""A column of this name is a file in the folder."""

FORMAT = 2
"""The version of the format."""


class Store:
    """Columns that are written into `folder`, part by part. `about`: plain JSON data that says what of; the same goes on.

    Raises FileExistsError for a folder that holds something else; TypeError for what is no such data.
    """

    def __init__(self, folder: str | Path, about: Mapping[str, Any]) -> None:
        self.folder = Path(folder)
        self._head = {"format": FORMAT, "about": as_json("about", about)}
        self._look()

    def _look(self) -> None:
        """Take note of what is there."""
        found = lines_of(self.folder)
        self.finished = bool(found[1:]) and "finished" in found[-1]
        self.parts = found[1:-1] if self.finished else found[1:]
        if self.parts and found[0] != self._head:
            here, there = self._head["about"], found[0]["about"]
            differ = ", ".join(name for name in {**here, **there} if here.get(name) != there.get(name))
            raise FileExistsError(
                f"{self.folder} holds a table of something else, by its {differ}: say another folder, or remove it"
            )

    @contextmanager
    def writing(self) -> Iterator[None]:
        """While it is written into: by nobody else, see `alone`. Raises FileExistsError as above."""
        self.folder.mkdir(parents=True, exist_ok=True)
        others = [path.name for path in self.folder.iterdir() if path.name != LOCK]
        if others and PARTS not in others:
            raise FileExistsError(f"{self.folder} holds {others[0]}, and is no place for a table: say another folder")
        with alone(self.folder):
            self._look()  # again: another may have written
            self._begin()
            yield

    def _begin(self) -> None:
        """Take away what was being written when somebody was killed; while no part is whole, say anew what it is about."""
        path = self.folder / PARTS
        if path.exists():
            os.truncate(path, path.read_bytes().rfind(b"\n") + 1 if self.parts else 0)
        if not self.parts:
            self._note(self._head)

    @property
    def rows(self) -> int:
        """How many rows are safe."""
        return sum(part["rows"] for part in self.parts)

    def write(self, columns: Mapping[str, Tensor], texts: Mapping[str, Any]) -> None:
        """Add a part: `columns` by name, one row at least, and `texts`, plain JSON data.

        Raises ValueError where its columns are others, or of another kind, than those before.
        """
        count, kinds = len(next(iter(columns.values()))), {name: kind_of(column) for name, column in columns.items()}
        if self.parts and kinds != (before := self.parts[0]["kinds"]):
            raise ValueError(f"it has {_in_words(kinds)}, those before have {_in_words(before)}")
        digests = {name: self._append(name, column) for name, column in columns.items()}
        part = {"rows": count, "kinds": kinds, "digests": digests, "texts": texts}
        self._note(part)
        self.parts.append(part)

    def finish(self) -> None:
        """Say that nothing follows, if another didn't."""
        if self.finished:
            return
        sizes = {name: (self.folder / f"{name}.npy").stat().st_size for name in self.parts[0]["kinds"]}
        self._note({"finished": sizes})
        self.finished = True

    def _append(self, name: str, column: Tensor) -> str:
        """Write rows after those that are safe, and over what else is there. Returns their digest."""
        pixels = np.ascontiguousarray(column[:].detach().cpu().numpy())
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


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """While no other process writes into `folder`. Who is killed frees it.

    Raises BlockingIOError where another does. On Windows, and on a disk without locks, nobody looks out for others.
    """
    with (folder / LOCK).open("a") as file:
        if sys.platform != "win32":
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # which those that it forks don't hold
            except OSError as error:
                if isinstance(error, BlockingIOError | PermissionError):  # others are of disks without locks
                    raise BlockingIOError(f"another process writes into {folder}: wait for it") from None
        yield


def clear(folder: str | Path) -> None:
    """Forget the parts in `folder`: what is written next begins anew. Raises BlockingIOError as `alone` does."""
    with alone(Path(folder)):
        os.truncate(Path(folder) / PARTS, 0)


def as_json(what: str, data: Any) -> Any:
    """`data` as a file would give it back. Raises TypeError, which calls it `what`, where it is no plain JSON data."""
    try:
        return json.loads(json.dumps(data, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise TypeError(f"{what}: expected plain JSON data: {error}") from None


def kind_of(column: Tensor | Stored) -> str:
    """What the rows of a column are: ``float32 (1, 64, 64)``."""
    return f"{str(column.dtype).removeprefix('torch.')} {tuple(column.shape[1:])}"


def _in_words(kinds: Mapping[str, str]) -> str:
    return ", ".join(f"{name}: {kind}" for name, kind in kinds.items())


def lines_of(folder: Path) -> list[dict[str, Any]]:
    """The whole lines of what is noted in `folder`; none where there is nothing. Raises ValueError for what is no such file."""
    path = folder / PARTS
    if not path.is_file():
        return []
    text = path.read_text(encoding="utf-8")
    try:
        lines = [dict(json.loads(line)) for line in text.split("\n")[:-1]]  # one that was cut short has no end
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path} is no list of parts: {error}") from None
    if lines and lines[0].get("format") != FORMAT:
        raise ValueError(f"{path} is of format {lines[0].get('format')!r}, this version of causalimg reads {FORMAT}")
    return lines


def _header(dtype: np.dtype[Any], shape: tuple[int, ...]) -> bytes:
    """That of NumPy's format; as long for any number of rows."""
    made = io.BytesIO()
    described = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(made, described)
    return made.getvalue()


def stored_columns(folder: Path, parts: list[dict[str, Any]], sizes: Mapping[str, int]) -> dict[str, Stored]:
    """The columns of a finished store by name; `sizes`: of their files.

    Raises ValueError for a file that is missing, or whose size, kind or number of rows was another one.
    """
    rows, found = sum(part["rows"] for part in parts), {}
    for name, kind in parts[0]["kinds"].items():
        if not NAME.fullmatch(name):
            raise ValueError(f"{PARTS} names a column {name!r}, which is none")
        told = sha256("".join(part["digests"][name] for part in parts).encode()).hexdigest()
        path = folder / f"{name}.npy"
        try:
            found[name] = Stored(path, told)
        except (OSError, ValueError) as error:
            raise ValueError(f"{path} holds no column: {error}") from None
        now = f"{len(found[name])} rows of {kind_of(found[name])} in {path.stat().st_size} bytes"
        if now != (expected := f"{rows} rows of {kind} in {sizes.get(name)} bytes"):
            raise ValueError(f"{path} was changed: it has {now}, expected {expected}")
    return found
