"""What training saw: one row for every time it was logged."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from causalimg.errors import check_known

Row = dict[str, float]


@dataclass(frozen=True)
class History:
    """Rows in the order of their `step`: means since the row before, over the steps that were not skipped.

    `step`, `loss`, the metrics of the step, `grad_norm` (before clipping), `skipped` (since the start), `lr`, `seconds`
    (since the start), `samples_per_second` (while training, not validating), and `val` where there was a validation.
    A row whose every step was skipped has no `loss`, `grad_norm` and metrics.
    """

    rows: tuple[Row, ...] = ()

    def curve(self, metric: str) -> tuple[list[int], list[float]]:
        """The steps that have `metric`, and its values there. Raises ValueError for a metric that no row has."""
        check_known("metric", [metric], {name for row in self.rows for name in row})
        found = [row for row in self.rows if metric in row]
        return [int(row["step"]) for row in found], [row[metric] for row in found]

    def last(self, metric: str) -> float:
        """The latest value of `metric`. Raises ValueError for a metric that no row has."""
        return self.curve(metric)[1][-1]

    def write_jsonl(self, path: str | Path) -> None:
        """One row a line, as JSON."""
        Path(path).write_text("".join(as_line(row) for row in self.rows))

    @classmethod
    def read_jsonl(cls, path: str | Path) -> Self:
        """The history in a file that `write_jsonl`, or the log of training, left."""
        return cls(tuple(json.loads(line) for line in Path(path).read_text().splitlines()))


def as_line(row: Row) -> str:
    """A row as a line of JSON."""
    return json.dumps(row) + "\n"
