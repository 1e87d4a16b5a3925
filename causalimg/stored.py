"""A column that stays on disk: rows of a file that is mapped into memory, read when they are asked for.

The file is an `.npy` of NumPy's. Wherever a column is taken row by row (training, reading, evaluation) a `Stored` one serves like
a tensor; `column[rows]` is a tensor.
"""

from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

CHUNK = 256
"""So many rows are in memory at once on their way to another device."""


class Stored:
    """The rows of the array in the file at `path`, (n, ...). `told`: a digest of the file, where one is known.

    Functions of torch's and NumPy's (`torch.cat`, `np.asarray`) take it as the tensor of all its rows, in memory. Raises
    ValueError for a file that holds no array, or one of objects.
    """

    def __init__(self, path: str | Path, told: str = "") -> None:
        self.path, self._told = Path(path).resolve(), told
        self._state = state_of(self.path)
        mapped = np.load(self.path, mmap_mode="c")  # private: nothing that is written to it reaches the file
        self._all = torch.from_numpy(mapped)
        self._rows: Tensor | None = None

    @property
    def shape(self) -> torch.Size:
        """As a tensor's."""
        return torch.Size((len(self), *self._all.shape[1:]))

    @property
    def ndim(self) -> int:
        """How many dimensions there are."""
        return self._all.ndim

    @property
    def dtype(self) -> torch.dtype:
        """Of its numbers."""
        return self._all.dtype

    @property
    def device(self) -> torch.device:
        """The CPU."""
        return self._all.device

    @property
    def nbytes(self) -> int:
        """What it would take in memory."""
        return len(self) * self._all[0].nbytes if len(self) else 0

    def __len__(self) -> int:
        return len(self._all) if self._rows is None else len(self._rows)

    def __getitem__(self, index: Any) -> Tensor:
        """What a tensor gives for `index`, in memory and its own; no other rows are read than those that come first in it."""
        taken = self._all[index] if self._rows is None else self._taken(self._rows, index)
        mapped = taken.untyped_storage().data_ptr() == self._all.untyped_storage().data_ptr()
        return taken.clone() if mapped else taken

    def _taken(self, at: Tensor, index: Any) -> Tensor:
        """`index` of the rows that are at these positions of the file."""
        rows, *rest = index if isinstance(index, tuple) else (index,)
        if rows is None or rows is ...:
            return self._all[at][index]
        return self._all[at[rows]][(slice(None), *rest)] if isinstance(rows, slice) else self._all[(at[rows], *rest)]

    def at(self, index: Any) -> "Stored":
        """The rows at the positions `index`, on disk as they are: of the same file, whatever lies at its path by now."""
        part = object.__new__(Stored)
        rows = torch.arange(len(self)) if self._rows is None else self._rows
        vars(part).update(vars(self), _rows=rows[index])
        return part

    def to(self, device: Any) -> "Stored | Tensor":
        """Itself on the CPU; on another `device` a tensor."""
        if torch.device(device).type == "cpu":
            return self
        made = torch.empty(self.shape, dtype=self.dtype, device=device)
        for start in range(0, len(self), CHUNK):
            made[start : start + CHUNK] = self[start : start + CHUNK]
        return made

    def digest(self) -> str:
        """Sixteen hex digits of all that it holds: of what was told of the file, where it was told."""
        digest = sha256((self._told or sha256(self._all.numpy().data).hexdigest()).encode())
        digest.update(b"" if self._rows is None else self._rows.numpy().tobytes())
        return digest.hexdigest()[:16]

    @classmethod
    def __torch_function__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return function(*_read(args), **{name: _read(value) for name, value in (kwargs or {}).items()})

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return self[:].numpy().astype(dtype or self._all.numpy().dtype, copy=False)

    def __reduce__(self) -> tuple[Any, ...]:
        return _opened, (self.path, self._told, self._state, self._rows)

    def __repr__(self) -> str:
        return f"Stored({str(self.path)!r}, {tuple(self.shape)})"


def _opened(path: Path, told: str, state: tuple[int, int], rows: Tensor | None) -> Stored:
    """A column that another process had open. Raises ValueError where its file is another one by now."""
    column = Stored(path, told)
    if state_of(path) != state:
        raise ValueError(f"{path} was changed while a table had it open: open the table anew, with load_table")
    return column if rows is None else column.at(rows)


def state_of(path: Path) -> tuple[int, int]:
    """Another one where the file was changed: its size, and when it was written."""
    found = path.stat()
    return found.st_size, found.st_mtime_ns


def _read(given: Any) -> Any:
    """What a function is given, with tensors in the place of columns on disk."""
    if isinstance(given, Stored):
        return given[:]
    return type(given)(map(_read, given)) if isinstance(given, list | tuple) else given
