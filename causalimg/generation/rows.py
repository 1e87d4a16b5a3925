"""Rows to ask about: in memory, in a table on disk, or in files that are read when their turn comes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Protocol, runtime_checkable

import torch

from causalimg.data import Table
from causalimg.given import as_columns
from causalimg.model import CausalModel
from causalimg.values import Columns, World, count_rows, digests

Extra = Mapping[str, Sequence[Any]]
"""Further columns of a table of answers."""


@runtime_checkable
class Source(Protocol):
    """Rows to ask about."""

    def __len__(self) -> int:
        """How many there are."""
        ...

    def about(self) -> Any:
        """Plain JSON data that is another for other rows, or for other contents of their files."""
        ...

    def known(self) -> Columns:
        """What is known of all of them by variable, images aside where these are in files."""
        ...

    def part(self, rows: Sequence[int]) -> tuple[Any, Extra]:
        """What is known of some of them, and further columns for the table of the answers."""
        ...


@dataclass(frozen=True)
class Given:
    """The rows of `values` by variable, in memory or on disk, with `extra` columns."""

    values: World
    extra: Extra

    @classmethod
    def of(cls, model: CausalModel, rows: Any) -> "Given":
        """`rows` in any form that `do` takes. Raises what `do` raises of them."""
        values, _ = as_columns(model.graph, rows, what="rows", alone=True, preprocessing=model.preprocessing)
        extra = rows.extra if isinstance(rows, Table) else {}
        return cls(values, {"factual file" if name == "file" else name: cells for name, cells in extra.items()})

    def __len__(self) -> int:
        return count_rows(self.values)

    def about(self) -> Any:
        return {**digests(self.values), "extra": sha256(repr(self.extra).encode()).hexdigest()[:16]}

    def known(self) -> Columns:
        return self.values

    def part(self, rows: Sequence[int]) -> tuple[Any, Extra]:
        index = torch.as_tensor(rows)
        extra = {name: [cells[row] for row in rows] for name, cells in self.extra.items()}
        return {name: column[index] for name, column in self.values.items()}, extra
