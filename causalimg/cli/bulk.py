"""Answers in bulk about the rows of a CSV file, or of a table on disk."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from causalimg.answers import Format
from causalimg.cli.asking import Asking
from causalimg.cli.many import Rows, seen
from causalimg.data import load_table
from causalimg.generation import generate
from causalimg.generation.bulk import Held, Source
from causalimg.generation.engines import Engine


@dataclass(frozen=True)
class Files:
    """Rows of images in files, read when they are asked about."""

    asking: Asking
    rows: Rows

    def __len__(self) -> int:
        return len(self.rows)

    def about(self) -> Any:
        known = {name: column.tolist() for name, column in self.rows.known.items()}
        given = {name: str(value) for name, value in self.asking.given.items()}
        return [
            [str(file) for file in self.rows.files],
            known,
            given,
            list(self.rows.spacings),
            repr(self.asking.slices),
        ]

    def columns(self) -> Mapping[str, Tensor]:
        return self.rows.known

    def at(self, rows: Sequence[int]) -> "Files":
        return Files(self.asking, self.rows.at(rows))

    def part(self, rows: range) -> tuple[Any, Mapping[str, Sequence[Any]]]:
        some = self.rows.at(rows)
        return seen(self.asking, some), some.extra


def generated(
    asking: Asking,
    table: Path,
    images: Path | None,
    do: dict[str, Any],
    even: str | None,
    out: Path,
    kind: Format,
    seed: int,
    engine: Engine,
    workers: int,
) -> str:
    """Answer about the rows of `table`; returns in words where. See `causalimg.generate`."""
    how: dict[str, Any] = {"even": even, "kind": kind, "seed": seed, "engine": engine, "workers": workers}
    path = generate(asking.model, _source(asking, table, images), out, **how, **do)
    return f"{path} names all answers and what they measure"


def _source(asking: Asking, table: Path, images: Path | None) -> Source:
    graph = asking.model.graph
    if table.is_dir():
        return Held(graph, load_table(table))
    return Files(asking, Rows.of([], table, images, asking.model))
