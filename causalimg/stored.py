"""A column that stays on disk: rows of a file that is mapped into memory, read when they are asked for.

The file is an `.npy` of NumPy's. Wherever a column is taken row by row (training, reading, evaluation) a `Stored` one serves like
a tensor; `column[rows]` is a tensor.
"""

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor


class Stored:
    """The `rows` of the array in the file at `path`, (n, ...), in their order; by default all. `told`: a digest of the file,
    where one is known.

    Raises ValueError for a file that holds no array, or one of objects.
    """

    def __init__(self, path: str | Path, rows: Tensor | None = None, told: str = "") -> None:
        self.path, self._told = Path(path), told
        mapped = np.load(self.path, mmap_mode="c")  # private: nothing that is written to it reaches the file
        self._all = torch.from_numpy(mapped)
        self._rows = rows

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

    def __getitem__(self, index: int | slice | Sequence[int] | Tensor) -> Tensor:
        """The rows at `index` in memory; of one position, the row."""
        if self._rows is not None:
            return self._all[self._rows[index]]
        return self._all[index].clone() if isinstance(index, int | slice) else self._all[index]

    def at(self, index: Tensor) -> "Stored":
        """The rows at the positions `index` (n,), on disk as they are."""
        return Stored(self.path, index if self._rows is None else self._rows[index], self._told)

    def to(self, device: Any) -> "Stored | Tensor":
        """Itself on the CPU; on another `device` a tensor."""
        return self if torch.device(device).type == "cpu" else self[:].to(device)

    def digest(self) -> str:
        """Sixteen hex digits of all that it holds."""
        digest = sha256((self._told or sha256(self._all.numpy().data).hexdigest()).encode())
        digest.update(b"" if self._rows is None else self._rows.numpy().tobytes())
        return digest.hexdigest()[:16]

    def __reduce__(self) -> tuple[Any, ...]:
        return Stored, (self.path, self._rows, self._told)

    def __repr__(self) -> str:
        return f"Stored({str(self.path)!r}, {tuple(self.shape)})"
