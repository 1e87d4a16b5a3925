"""What training saw: a history has one row for every time it was logged.

Until then, sums are kept on the device: to copy a number to the host is to wait for the device.
"""

import json
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self, cast

import torch
from torch import Tensor

from causalimg.errors import check_known

if TYPE_CHECKING:
    from lightning_fabric import Fabric
    from numpy import uint8
    from numpy.typing import NDArray

Row = dict[str, float]


@dataclass(frozen=True)
class History:
    """Rows in the order of their `step`: means since the row before, over the steps that were not skipped.

    `step`, `loss`, the metrics of the step, `grad_norm` (before clipping), `skipped` (since the start), `lr`, `seconds`
    (since the start), `samples_per_second` (while training, not validating), and `val` where there was a validation.
    A row whose every step was skipped has no `loss`, `grad_norm` and metrics.
    """

    rows: tuple[Row, ...] = ()

    def __len__(self) -> int:
        """The number of rows."""
        return len(self.rows)

    def curve(self, metric: str) -> tuple[list[int], list[float]]:
        """The steps that have `metric`, and its values there. Raises ValueError for a metric that no row has."""
        check_known("metric", [metric], {name for row in self.rows for name in row})
        rows = [row for row in self.rows if metric in row]
        return [int(row["step"]) for row in rows], [row[metric] for row in rows]

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


Draw = Callable[[], "NDArray[uint8]"]
"""Draws a picture: red, green and blue, (height, width, 3)."""


class Destination(Protocol):
    """Where the rows and pictures of a training go."""

    def begin(self, rows: Sequence[Row]) -> None:
        """A training begins, or goes on after `rows`."""
        ...

    def keep(self, row: Row) -> None:
        """There is another row."""
        ...

    def show(self, draw: Draw, step: int) -> None:
        """There is a picture after `step`, drawn when `draw` is called."""
        ...


class Recorder:
    """Counts steps, makes rows of them, and hands each row to `logs`. Only here does training wait for the device."""

    def __init__(self, fabric: "Fabric", label: str, logs: Sequence[Destination]) -> None:
        self.rows: list[Row] = []
        self._fabric, self._label = fabric, label
        self._tally = Tally(fabric.device)
        self._samples = 0
        self._start = self._resumed = time.perf_counter()
        self.logs = logs if fabric.is_global_zero else ()

    def begin(self) -> None:
        """Training begins, or goes on after the rows that there are."""
        for log in self.logs:
            log.begin(self.rows)

    def count(self, values: dict[str, Tensor], skip: Tensor, samples: int) -> None:
        """One step on `samples` rows; `values` and `skip` as in `Tally.add`."""
        self._tally.add(values, skip)
        self._samples += samples * self._fabric.world_size

    def row(self, step: int, patience: int) -> Row:
        """The row of the steps since the row before.

        Raises RuntimeError if the last `patience` steps were all skipped, or the loss is not finite.
        """
        means, streak = self._tally.read(self._fabric)
        where = f"{self._label}, step {step}"
        if streak >= patience:
            raise RuntimeError(f"{where}: the gradients of the last {streak} steps were not finite or far too large")
        if not math.isfinite(means.get("loss", 0.0)):
            raise RuntimeError(f"{where}: the loss is {means['loss']}")
        now = time.perf_counter()
        speed = self._samples / (now - self._resumed)
        return {"step": step, **means, "seconds": now - self._start, "samples_per_second": speed}

    def tensors(self) -> dict[str, Tensor]:
        """What was counted since the last row: see `Resumable`."""
        return self._tally.tensors()

    def numbers(self) -> dict[str, Any]:
        """The rows, and what else was counted."""
        counted = {"names": self._tally.names, "samples": self._samples, "seconds": time.perf_counter() - self._start}
        return {"rows": [as_line(row) for row in self.rows], **counted}  # a text may hold what is no JSON: NaN

    def restore(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        """Go on with these rows."""
        self.rows[:] = map(json.loads, numbers["rows"])
        self._tally.restore(tensors, numbers["names"])
        self._samples, self._start = numbers["samples"], self._start - numbers["seconds"]

    def check_taken(self, steps: int) -> None:
        """Raise RuntimeError where more than half of all `steps` were skipped: what was learnt is not what was asked for."""
        if 2 * (skipped := int(self.rows[-1]["skipped"])) > steps:
            raise RuntimeError(
                f"{self._label}: the gradients of {skipped} of {steps} steps were not finite or far too large"
            )

    def keep(self, row: Row) -> None:
        """Add the row, now complete, and start the clock for the next."""
        self.rows.append(row)
        for log in self.logs:
            log.keep(row)
        self._samples, self._resumed = 0, time.perf_counter()

    def show(self, draw: Draw, step: int) -> None:
        """Hand on the picture after `step`, which is drawn once, where somebody takes it."""
        drawn = cache(draw)
        for log in self.logs:
            log.show(drawn, step)


class Tally:
    """Means over the steps taken since the last `read`; `skipped` counts the others, since the start."""

    def __init__(self, device: torch.device) -> None:
        self.names: tuple[str, ...] = ()
        self._sums = torch.zeros(0, device=device)
        self._taken, self._skipped, self._streak = torch.zeros(3, device=device)

    def tensors(self) -> dict[str, Tensor]:
        """What is counted, by name."""
        return {"sums": self._sums, "counts": torch.stack([self._taken, self._skipped, self._streak])}

    def restore(self, tensors: Mapping[str, Tensor], names: Iterable[str]) -> None:
        """Go on counting from this, of the metrics `names`."""
        self.names, self._sums = tuple(names), tensors["sums"].to(self._sums.device)
        self._taken, self._skipped, self._streak = tensors["counts"].to(self._sums.device)

    def add(self, values: Mapping[str, Tensor], skip: Tensor) -> None:
        """Count one step with its 0-d `values`, or as skipped where `skip` (0-d) is 1. Raises ValueError for new names."""
        if not self.names:
            self.names = tuple(values)
            self._sums = self._sums.new_zeros(len(values))
        if tuple(values) != self.names:
            raise ValueError(f"a step must report the same metrics every time; {self.names}, then {tuple(values)}")
        numbers = torch.stack([value.detach().float() for value in values.values()])
        self._sums = self._sums + torch.where(skip > 0, 0.0, numbers)
        self._taken = self._taken + (1 - skip)
        self._skipped = self._skipped + skip
        self._streak = (self._streak + 1) * skip

    def read(self, fabric: "Fabric") -> tuple[Row, int]:
        """The means over all processes (none if every step was skipped) and `skipped`; and how many were skipped last."""
        counts = torch.stack([self._taken, self._skipped, self._streak])
        reduced = cast(Tensor, fabric.all_reduce(torch.cat([counts, self._sums])))
        taken, skipped, streak, *sums = reduced.tolist()
        self._sums, self._taken = torch.zeros_like(self._sums), torch.zeros_like(self._taken)
        means = {name: total / taken for name, total in zip(self.names, sums, strict=True)} if taken else {}
        return {**means, "skipped": int(skipped)}, int(streak)
