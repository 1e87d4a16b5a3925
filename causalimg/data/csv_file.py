"""A CSV file as columns of text, and a column of text as the numbers of a variable."""

import csv
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from causalimg.data.problems import Problems
from causalimg.graph import Variable


@dataclass(frozen=True)
class CsvFile:
    """The cells of a CSV file by column, and the line on which each row starts, as an editor numbers it."""

    columns: dict[str, list[str]]
    lines: list[int]

    @classmethod
    def read(cls, path: Path, problems: Problems) -> "CsvFile":
        """The file at `path`: UTF-8, separated by commas, names in the first line. Raises FileNotFoundError, TableError."""
        try:
            header, rows = _rows(path)
        except (UnicodeDecodeError, csv.Error) as error:
            problems.add("the file", "format", f"no CSV file in UTF-8: {error}")
            header, rows = [], {}
        _check_header(header, problems)
        if not rows:
            problems.add("the file", "rows", "no row below the header")
        problems.check()
        for line, row in rows.items():
            if len(row) != len(header):
                problems.add("the row", "cells", f"{len(row)} cells, expected {len(header)} as in the header", line)
        cells = [row + [""] * (len(header) - len(row)) for row in rows.values()]
        return cls({name: [row[i] for row in cells] for i, name in enumerate(header)}, list(rows))

    def __len__(self) -> int:
        return len(self.lines)

    def numbers(self, column: str, name: str, variable: Variable, problems: Problems) -> Tensor:
        """The values of `variable`, shape (rows,): float32, or int64 level indices; cells that hold no value are noted."""
        numbers, noted = [], []
        for cell, line in zip(self.columns[column], self.lines, strict=True):
            kind, what, number = _number(cell, name, variable)
            if kind:
                problems.add(column, kind, what, line)
            numbers.append(number)
            noted.append(bool(kind))
        values = torch.tensor(numbers, dtype=torch.int64 if variable.discrete else torch.float32)
        for i in (variable.outside(values) & ~torch.tensor(noted, dtype=torch.bool)).nonzero().flatten().tolist():
            what = f"{self.columns[column][i]} is not {variable.allowed}"
            problems.add(column, "bounds", what, self.lines[i])
        return values


def _rows(path: Path) -> tuple[list[str], dict[int, list[str]]]:
    """The header, and the rows by the line on which they start; an empty line is no row."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.reader(file)
        header, rows, start = next(reader, []), {}, reader.line_num + 1
        for row in reader:
            if row:
                rows[start] = row
            start = reader.line_num + 1
    return header, rows


def _check_header(header: list[str], problems: Problems) -> None:
    if len(header) == 1 and (";" in header[0] or "\t" in header[0]):
        problems.add("the header", "commas", f"separate the columns by commas; got {header[0]!r}")
    for name in sorted({name for name in header if header.count(name) > 1}):
        problems.add("the header", "duplicate", f"two columns are called {name!r}")


def _number(cell: str, name: str, variable: Variable) -> tuple[str, str, float]:
    """What kind of mistake the cell is ("": none), the mistake in words, and the cell's number."""
    if not cell.strip():
        return "empty", "the cell is empty", 0
    try:
        number = variable.encode(name, cell)  # a level by its name, whose error has the nearest one
    except ValueError as error:
        return "level", str(error), 0
    try:
        return "", "", float(number)
    except ValueError:
        return "number", f"{cell!r} is not a number", 0
