"""All that is wrong with a table, collected in one pass and reported in one error.

A problem is one distinct mistake with the lines of the CSV file it was made on, as an editor numbers them: four hundred cells
that say ``Female`` are one problem, not four hundred.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

SHOWN = 5
LONGEST = 600
"""Characters of one problem; of a longer one the middle is left out."""


@dataclass(frozen=True)
class Problem:
    """A mistake: `what` is wrong, `where` (a column or an argument), of which `kind`, on which `lines` (none: all of it).

    `counted`: what they are the numbers of, the lines of a file or the rows of a table.
    """

    where: str
    kind: str
    what: str
    lines: tuple[int, ...]
    counted: str = "line"

    def __str__(self) -> str:
        return f"{self.where}: {self.what}{_on_lines(self.lines, self.counted)}"


class TableError(ValueError):
    """Everything wrong with the table at `path`, or called so: `problems` has it all, the message at most five of a kind."""

    def __init__(self, path: Path | str, problems: list[Problem]) -> None:
        super().__init__(path, problems)  # what pickle makes it of again
        self.path, self.problems = path, problems

    def __str__(self) -> str:
        ordered = sorted(self.problems, key=lambda problem: (problem.where, problem.kind))
        lines = []
        for (where, _), alike in groupby(ordered, key=lambda problem: (problem.where, problem.kind)):
            listed = [str(problem) for problem in alike]
            more = len(listed) - SHOWN
            lines += listed[:SHOWN] + ([f"{where}: ... and {more} more like these"] if more > 0 else [])
        count = "a problem" if len(self.problems) == 1 else f"{len(self.problems)} problems"
        return "\n  ".join([f"{self.path}: {count}", *lines])


def joined(path: Path | str, problems: Iterable[Problem]) -> TableError:
    """One error of all `problems`, each once, with all of its lines."""
    found: dict[tuple[str, str, str, str], list[int]] = {}
    for one in problems:
        found.setdefault((one.where, one.kind, one.what, one.counted), []).extend(one.lines)
    return TableError(path, [Problem(*key[:3], tuple(dict.fromkeys(lines)), key[3]) for key, lines in found.items()])


class Problems:
    """Collects what is wrong with the table at `path`, or called so; `counted` is what its lines are."""

    def __init__(self, path: Path | str, counted: str = "line") -> None:
        self.path, self._counted = path, counted
        self._lines: dict[tuple[str, str, str], list[int]] = {}

    def add(self, where: str, kind: str, what: str, line: int | None = None) -> None:
        """Note a mistake; the same one on another line is the same problem."""
        what = what if len(what) <= LONGEST else f"{what[: LONGEST // 2]} ... {what[-LONGEST // 2 :]}"
        lines = self._lines.setdefault((where, kind, what), [])
        if line is not None and line not in lines[-1:]:  # of a volume each slice may be wrong alike
            lines.append(line)

    @contextmanager
    def noted(self, where: str, line: int) -> Iterator[None]:
        """Note an OSError or a ValueError that is raised within, of what is on this line."""
        try:
            yield
        except (OSError, ValueError) as error:
            self.add(where, type(error).__name__, str(error), line)

    def check(self) -> None:
        """Raise TableError if anything was noted."""
        if self._lines:
            found = [Problem(*key, tuple(lines), self._counted) for key, lines in self._lines.items()]
            raise TableError(self.path, found)


def _on_lines(lines: tuple[int, ...], counted: str) -> str:
    if not lines:
        return ""
    more = f" and {len(lines) - SHOWN} more" if len(lines) > SHOWN else ""
    return f" ({counted}{'s' * (len(lines) > 1)} {', '.join(map(str, lines[:SHOWN]))}{more})"
