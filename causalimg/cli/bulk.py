"""Answers in bulk about the rows of a CSV file, or of a table on disk."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from causalimg.cli.asking import Asking
from causalimg.cli.many import Rows, check_each, seen
from causalimg.data import load_table
from causalimg.generation import generate
from causalimg.stored import state_of
from causalimg.values import Columns


@dataclass(frozen=True)
class Files:
    """Rows of images in files, read when they are asked about."""

    asking: Asking
    rows: Rows

    def __len__(self) -> int:
        return len(self.rows)

    def about(self) -> Any:
        marks = [(str(file), *state_of(file)) for file in self.rows.files]
        known = {name: column.tolist() for name, column in self.rows.known.items()}
        read = [self.asking.given, self.asking.fit, self.asking.slices, self.asking.spacing, self.rows.spacings]
        return sha256(repr([marks, known, self.rows.extra, read]).encode()).hexdigest()

    def known(self) -> Columns:
        return {**self.asking.given, **self.rows.known}

    def part(self, rows: Sequence[int]) -> tuple[Any, Mapping[str, Sequence[Any]]]:
        some = self.rows.at(rows)
        return seen(self.asking, some), some.extra


def generated(asking: Asking, table: Path, images: Path | None, do: dict[str, Any], out: Path, **how: Any) -> str:
    """Answer about the rows of `table`; returns in words where. `how`: see `causalimg.generate`.

    Raises ValueError for what counts for files, where `table` is the folder of one on disk.
    """
    if table.is_dir():
        said = {"--given": asking.given, "--images": images, "--fit": asking.fit, "--slices": asking.slices}
        for option, value in (said | {"--spacing": asking.spacing}).items():
            if value:
                raise ValueError(f"{option}: {table} is a table on disk, which says that already")
        rows: Any = load_table(table)
    else:
        rows = Files(asking, Rows.of([], table, images, asking.model))
        check_each(asking, rows.rows, do)
    path = generate(asking.model, rows, out, unknown=asking.unknown, particles=asking.particles, **how, **do)
    return f"{path} names all answers and what they measure"
