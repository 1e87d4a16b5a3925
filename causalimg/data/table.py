"""A table: the values of a graph's variables by row, with what is known of the rows besides."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate, pairwise

import torch
from torch import Tensor

from causalimg.errors import check_known, unknown
from causalimg.graph import Categorical, Graph, as_graph


@dataclass(frozen=True, eq=False, repr=False)
class Table:
    """Rows of data for `graph`; a frozen value, and wherever names to tensors are asked for, it serves as that mapping.

    `values`: variables by name, first dimension the rows: continuous float32 (rows,), categorical int64 level indices
    (rows,), images float32 (rows, channels, height, width). `masks`: structures by name, bool (rows, height, width).
    `extra`: columns that are no variables (patient, split, file), as text. `filled`: the variables that the file lacked, each
    with what measured it: ``"masks"``, or the kind of reader.
    Raises ValueError where a value is no variable, or columns differ in length.
    """

    graph: Graph
    values: Mapping[str, Tensor]
    masks: Mapping[str, Tensor] = field(default_factory=dict)
    extra: Mapping[str, Sequence[str]] = field(default_factory=dict)
    filled: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "graph", as_graph(self.graph))
        check_known("variable", self.values, self.graph)
        lengths = {name: len(column) for part in (self.values, self.masks, self.extra) for name, column in part.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"columns of different length: {lengths}")

    def __len__(self) -> int:
        """The number of rows."""
        return max((len(column) for part in (self.values, self.extra) for column in part.values()), default=0)

    def keys(self) -> Sequence[str]:
        """The names of the variables."""
        return list(self.values)

    def __iter__(self) -> Iterator[str]:
        return iter(self.values)

    def __getitem__(self, name: str) -> Tensor:
        check_known("variable", [name], self.values)
        return self.values[name]

    def rows(self, index: int | slice | Sequence[int] | Tensor) -> "Table":
        """The rows at `index`: a position, a slice, a list or tensor of positions, or a bool tensor of shape (rows,)."""
        chosen = torch.arange(len(self))[index].reshape(-1)
        at = chosen.tolist()
        return replace(
            self,
            values={name: column[chosen] for name, column in self.values.items()},
            masks={name: column[chosen] for name, column in self.masks.items()},
            extra={name: [column[i] for i in at] for name, column in self.extra.items()},
        )

    def where(self, **wanted: object) -> "Table":
        """The rows with these levels and extra columns: ``table.where(split="train", sex="female")``.

        Raises ValueError, with the nearest name, for a column or a value that the table does not have.
        """
        keep = torch.ones(len(self), dtype=torch.bool)
        for column, value in wanted.items():
            labels = self._labels(column)
            check_known(f"value of {column}", [str(value)], labels)
            keep &= torch.tensor([label == str(value) for label in labels])
        return self.rows(keep)

    def split(self, by: str, fractions: Sequence[float] = (0.8, 0.1, 0.1), seed: int = 0) -> tuple["Table", ...]:
        """The table in parts that share no value of the column `by`: ``train, val, test = table.split(by="patient")``.

        `fractions` are of the distinct values (patients, not images), drawn with `seed`. Raises ValueError where they don't
        sum to 1, or a part would be empty.
        """
        if min(fractions) <= 0 or abs(sum(fractions) - 1) > 1e-6:
            raise ValueError(f"fractions must be positive and sum to 1, got {tuple(fractions)}")
        labels = self._labels(by)
        groups = sorted(set(labels))
        random.Random(seed).shuffle(groups)
        cuts = [round(share * len(groups)) for share in accumulate(fractions, initial=0.0)]
        parts = [set(groups[start:stop]) for start, stop in pairwise(cuts)]
        if not all(parts):
            raise ValueError(f"{len(groups)} values of {by!r} are too few to be split in {tuple(fractions)}")
        return tuple(self.rows(torch.tensor([label in part for label in labels])) for part in parts)

    def _labels(self, column: str) -> Sequence[str]:
        """A column as text."""
        if column in self.extra:
            return self.extra[column]
        levels = {name: v.levels for name, v in self.graph.variables.items() if isinstance(v, Categorical)}
        if column in self.values and column in levels:
            return [levels[column][i] for i in self.values[column].tolist()]
        if column in self.values:
            raise ValueError(f"{column!r} has numbers, not labels: say table.rows(table[{column!r}] > ...)")
        raise unknown("column", column, [*self.extra, *(name for name in levels if name in self.values)])

    def __repr__(self) -> str:
        shown = [f"{name} (from {self.filled[name]})" if name in self.filled else name for name in self.values]
        parts = {"values": shown, "masks": self.masks, "extra": self.extra}
        text = "; ".join(f"{part}: {', '.join(names)}" for part, names in parts.items() if names)
        return f"Table({len(self)} rows of {self.graph.title}; {text})"
