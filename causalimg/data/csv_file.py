"""A CSV file as columns of text, and a column of text as the numbers of a variable."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from causalimg.data.limits import Limits
from causalimg.data.problems import Problems
from causalimg.data.spelling import plain
from causalimg.graph import Variable

LARGEST = torch.finfo(torch.float32).max


@dataclass(frozen=True)
class CsvFile:
    """The cells of a CSV file by column, and the line on which each row starts, as an editor numbers it."""

    columns: dict[str, list[str]]
    lines: list[int]

    @classmethod
    def read(cls, path: Path, problems: Problems, limits: Limits) -> "CsvFile":
        """The file at `path`: UTF-8, separated by commas, names in the first line. Raises FileNotFoundError, TableError.

        Names of columns are taken without the spaces about them, and in NFC.
        """
        header, rows = _read(path, problems, limits)
        problems.check()
        if rows:
            _check_header(header, problems)
        else:
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


def _read(path: Path, problems: Problems, limits: Limits) -> tuple[list[str], dict[int, list[str]]]:
    """The header, and the rows by the line on which they start; what is no CSV file is noted."""
    try:
        if path.is_dir():
            raise ValueError("it is a folder")
        limits.check("csv", path.stat().st_size)
        rows = dict(_rows(path))
    except (ValueError, csv.Error) as error:
        problems.add("the file", "format", f"no CSV file in UTF-8: {error}")
        return [], {}
    return [plain(name) for name in rows.pop(1, [])], rows


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The line on which a row starts, and its cells; an empty line is no row. Raises ValueError, csv.Error."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader, start = csv.reader(file, strict=True), 1
        try:
            for row in reader:
                if any("\0" in cell for cell in row):
                    raise ValueError("a character NUL")
                if row:
                    yield start, row
                start = reader.line_num + 1
        except (csv.Error, ValueError) as error:
            raise csv.Error(f"{error}, in what starts on line {start}") from None


def _check_header(header: list[str], problems: Problems) -> None:
    if len(header) == 1 and (";" in header[0] or "\t" in header[0]):
        problems.add("the header", "commas", f"separate the columns by commas; got {header[0]!r}")
    if not any(header):
        problems.add("the header", "empty", "the first line names no columns")
    for name in sorted({name for name in header if header.count(name) > 1}):
        problems.add("the header", "duplicate", f"two columns are called {name!r}")


def _number(cell: str, name: str, variable: Variable) -> tuple[str, str, float]:
    """What kind of mistake the cell is ("": none), the mistake in words, and the cell's number."""
    if not plain(cell):
        return "empty", "the cell is empty", 0
    try:
        number = variable.encode(name, plain(cell))  # a level by its name, whose error has the nearest one
    except ValueError as error:
        return "level", str(error), 0
    try:
        number = _float(number)
    except ValueError:
        return "number", f"{cell!r} is not a number", 0
    if not abs(number) <= LARGEST:
        return "number", f"{cell} is no finite number of 32 bits", 0
    return "", "", number


def _float(cell: str | float) -> float:
    """The number that `cell` writes as tables do. Python also reads 52 from ``5_2``, and digits of any script."""
    if isinstance(cell, str) and ("_" in cell or not cell.isascii()):
        raise ValueError(cell)
    return float(cell)
