"""A table: the values of a graph's variables by row, with what is known of the rows besides."""

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import accumulate, pairwise
from numbers import Real
from reprlib import repr as brief
from typing import cast

import torch
from torch import Tensor

from causalimg.data.description import Description, described
from causalimg.data.groups import digests, note_shared, note_spellings, texts
from causalimg.data.preprocessing import AS_THEY_ARE, Preprocessing
from causalimg.data.problems import Problems
from causalimg.data.spelling import folded, plain
from causalimg.errors import check_kind, check_known, unknown
from causalimg.graph import Categorical, Graph, as_graph
from causalimg.stored import Stored


@dataclass(frozen=True, eq=False, repr=False)
class Table:
    """Rows of data for `graph`; a frozen value, and wherever names to tensors are asked for, it serves as that mapping.

    `values`: variables by name, first dimension the rows: continuous float32 (rows,), categorical int64 level indices
    (rows,), images float32 (rows, channels, height, width). `masks`: structures by name, bool (rows, height, width).
    `extra`: columns that are no variables (patient, split, file), as text. `filled`: the variables that the file lacked, each
    with what measured it: ``"masks"``, or the kind of reader. `lines`: where in the CSV file each row starts; empty for rows
    from elsewhere. `preprocessing`: how its images were read.
    Raises ValueError where a value is no variable, or columns differ in length; TypeError for values that are no tensors.
    """

    graph: Graph
    values: Mapping[str, Tensor]
    masks: Mapping[str, Tensor] = field(default_factory=dict)
    extra: Mapping[str, Sequence[str]] = field(default_factory=dict)
    filled: Mapping[str, str] = field(default_factory=dict)
    lines: Sequence[int] = ()
    preprocessing: Preprocessing = AS_THEY_ARE

    def __post_init__(self) -> None:
        object.__setattr__(self, "graph", as_graph(self.graph))
        for part, tensors in (("values", self.values), ("masks", self.masks)):
            check_kind(part, tensors, Mapping)
            for name, column in tensors.items():
                check_kind(name, column, Tensor, Stored)
        check_known("variable", self.values, self.graph)
        lengths = {name: len(column) for part in (self.values, self.masks, self.extra) for name, column in part.items()}
        lengths |= {"lines": len(self.lines)} if self.lines else {}
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
        """The rows at `index`: a position, a slice, a list or tensor of positions, or a bool tensor of shape (rows,).

        Raises ValueError for what are no rows of it.
        """
        chosen = self._positions(index)
        at = chosen.tolist()
        return replace(
            self,
            values={name: _at(column, chosen) for name, column in self.values.items()},
            masks={name: _at(column, chosen) for name, column in self.masks.items()},
            extra={name: [column[i] for i in at] for name, column in self.extra.items()},
            lines=[self.lines[i] for i in at] if self.lines else (),
        )

    def _positions(self, index: int | slice | Sequence[int] | Tensor) -> Tensor:
        n = len(self)
        with suppress(IndexError, TypeError, ValueError, RuntimeError):
            chosen = torch.arange(n)[index]
            if chosen.ndim < 2:  # to torch, None and True are a new axis
                return chosen.reshape(-1)
        shape = f" of shape {tuple(index.shape)}" if isinstance(index, Tensor) else ""
        raise ValueError(f"rows: expected positions below {n}, a slice, or {n} bools, got {brief(index)}{shape}")

    def describe(self) -> Description:
        """What is in it: ranges, levels with counts, what is missing or was filled in, correlations. It prints as text."""
        return described(self.graph, self.values, len(self), self.filled)

    def where(self, **wanted: object) -> "Table":
        """The rows with these levels and extra columns: ``table.where(split="train", sex="female")``.

        Spaces about a value don't count, nor how Unicode composes a letter.
        Raises ValueError, with the nearest name, for a column or a value that the table does not have.
        """
        keep = torch.ones(len(self), dtype=torch.bool)
        for column, value in wanted.items():
            labels = [plain(str(label)) for label in self._labels(column)]
            check_known(f"value of {column}", [plain(str(value))], labels)
            keep &= torch.tensor([label == plain(str(value)) for label in labels], dtype=torch.bool)
        return self.rows(keep)

    def split(self, by: str, fractions: Sequence[float] = (0.8, 0.1, 0.1), seed: int = 0) -> tuple["Table", ...]:
        """The table in parts that share no value of the column `by`: ``train, val, test = table.split(by="patient")``.

        `fractions` are of the distinct values (patients, not images), drawn with `seed`. Raises ValueError where they don't
        sum to 1, or a part would be empty; TableError, with the rows, where parts could share a patient or an image: a value
        is empty, two are one but for case and spaces, or one image is that of two.
        """
        check_kind("fractions", fractions, Sequence)
        if not (all(isinstance(share, Real) and share > 0 for share in fractions) and abs(sum(fractions) - 1) <= 1e-6):
            raise ValueError(f"fractions must be positive and sum to 1, got {tuple(fractions)}")
        labels = self._labels(by)
        problems = self._problems(f"rows can't be split by {by!r}")
        note_spellings(by, labels, self._numbers, problems)
        note_shared(by, labels, self._digests(), self._numbers, problems)
        problems.check()
        groups = sorted(set(labels))
        random.Random(seed).shuffle(groups)
        cuts = [round(share * len(groups)) for share in accumulate(fractions, initial=0.0)]
        parts = [set(groups[start:stop]) for start, stop in pairwise(cuts)]
        if not all(parts):
            raise ValueError(f"{len(groups)} values of {by!r} are too few to be split in {tuple(fractions)}")
        return tuple(self.rows(torch.tensor([label in part for label in labels])) for part in parts)

    def check_apart(self, column: str = "split", by: str = "patient") -> None:
        """Raise TableError, with the rows, where two values of `column` (train, test) share one of `by` or an image.

        For parts that the table came with; those of `split` share none.
        """
        problems = self._problems(f"the rows of {column!r} are not apart")
        groups = {by: [folded(label) for label in texts(self._labels(by))], **self._digests()}
        note_spellings(column, self._labels(column), self._numbers, problems)
        note_spellings(by, self._labels(by), self._numbers, problems)
        note_shared(column, self._labels(column), groups, self._numbers, problems)
        problems.check()

    @property
    def _numbers(self) -> Sequence[int]:
        return self.lines or range(len(self))

    def _problems(self, what: str) -> Problems:
        return Problems(what, counted="line" if self.lines else "row")

    def _digests(self) -> dict[str, list[str]]:
        return {name: digests(self.values[name]) for name in self.graph.images if name in self.values}

    def _labels(self, column: str) -> Sequence[str]:
        """A column as text."""
        names = {plain(name): name for name in self.extra}
        if plain(column) in names:
            return self.extra[names[plain(column)]]
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


def _at(column: Tensor, rows: Tensor) -> Tensor:
    """These rows: of what is on disk, on disk."""
    return cast(Tensor, column.at(rows)) if isinstance(column, Stored) else column[rows]
