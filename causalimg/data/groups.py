"""Whether rows can be divided by a column without a leak: each value is written in one way, and no image is in two parts."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any

from torch import Tensor

from causalimg.data.problems import Problems
from causalimg.data.spelling import folded


def texts(labels: Iterable[Any]) -> list[str]:
    """Labels as text; "" for None and NaN."""
    return ["" if label is None or label != label else str(label) for label in labels]


def digests(images: Tensor) -> list[str]:
    """Of each of `images`, (rows, ...), a text that is equal for equal ones; "" for one of a single grey, which shows nobody."""
    return ["" if one.min() == one.max() else sha256(one.cpu().numpy().tobytes()).hexdigest() for one in images]


def note_spellings(column: str, labels: Iterable[Any], lines: Iterable[int], problems: Problems) -> None:
    """Note labels in `column` that are empty, and those that are one but for case, spaces and Unicode."""
    rows = list(zip(texts(labels), lines, strict=True))
    for _, line in (row for row in rows if not folded(row[0])):
        problems.add(column, "empty", "the cell is empty", line)
    for names, line in _clashes([folded(label) for label, _ in rows], rows):
        problems.add(column, "spelling", f"{names} differ by case, spaces or Unicode alone: write one of them", line)


def note_shared(
    column: str, labels: Iterable[Any], keys: Mapping[str, Sequence[str]], lines: Iterable[int], problems: Problems
) -> None:
    """Note where one of `keys`, a text for each row by what it is of, goes with several labels in `column`."""
    rows = list(zip(texts(labels), lines, strict=True))
    for name, key in keys.items():
        for names, line in _clashes(key, rows):
            what = f"one {name} has the {column} {names}: leave rows out, or give them one {column}"
            problems.add(name, "shared", what, line)


def _clashes(keys: Iterable[str], rows: Iterable[tuple[str, int]]) -> Iterator[tuple[str, int]]:
    """For each row, label and line, whose key goes with several labels: these in words, and the line. The key "" is none."""
    found: dict[str, list[tuple[str, int]]] = {}
    for key, row in zip(keys, rows, strict=True):
        found.setdefault(key, []).append(row)
    for key, alike in found.items():
        names = sorted({label for label, _ in alike})
        if key and len(names) > 1:
            yield from ((" and ".join(map(repr, names)), line) for _, line in alike)
