"""What training saw: a history has one row for every time it was logged.

Until then, sums are kept on the device: to copy a number to the host is to wait for the device.
"""

import json
import math
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

import torch
from torch import Tensor

from causalimg.errors import check_known

if TYPE_CHECKING:
    from lightning_fabric import Fabric

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


def log_file(path: str | Path | None) -> Path | None:
    """Where a history is logged, if anywhere. Raises ValueError for a folder."""
    if path is not None and Path(path).is_dir():
        raise ValueError(f"log: {path} is a folder: say a file, {Path(path) / 'history.jsonl'}")
    return None if path is None else Path(path)


def log_files(folder: str | Path | None, names: Iterable[str]) -> dict[str, Path | None]:
    """Where the history of each of `names` is logged, if anywhere. Raises ValueError for a file."""
    if folder is not None and Path(folder).is_file():
        raise ValueError(f"log: {folder} is a file: say a folder, in which every variable gets one")
    return {name: None if folder is None else log_file(Path(folder) / f"{name}.jsonl") for name in names}


def as_line(row: Row) -> str:
    """A row as a line of JSON."""
    return json.dumps(row) + "\n"


def set_aside(path: Path) -> None:
    """Give a file that is there another name, the first that is free: ``x.jsonl`` becomes ``x.1.jsonl``."""
    if path.exists():
        names = (path.with_name(f"{path.stem}.{number}{path.suffix}") for number in count(1))
        path.rename(next(name for name in names if not name.exists()))


class Recorder:
    """Counts steps, makes rows of them, and writes each row to `log`. Only here does training wait for the device."""

    def __init__(self, fabric: "Fabric", label: str, log: Path | None) -> None:
        self.rows: list[Row] = []
        self._fabric, self._label = fabric, label
        self._tally = Tally(fabric.device)
        self._samples = 0
        self._start = self._resumed = time.perf_counter()
        self._log = log if fabric.is_global_zero else None
        if self._log:
            self._log.parent.mkdir(parents=True, exist_ok=True)
            set_aside(self._log)
            self._log.write_text("")

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
        """Go on with these rows, in the log too."""
        self.rows[:] = map(json.loads, numbers["rows"])
        self._tally.restore(tensors, numbers["names"])
        self._samples, self._start = numbers["samples"], self._start - numbers["seconds"]
        if self._log:
            self._log.write_text("".join(map(as_line, self.rows)))

    def check_taken(self, steps: int) -> None:
        """Raise RuntimeError where more than half of all `steps` were skipped: what was learnt is not what was asked for."""
        if 2 * (skipped := int(self.rows[-1]["skipped"])) > steps:
            raise RuntimeError(
                f"{self._label}: the gradients of {skipped} of {steps} steps were not finite or far too large"
            )

    def keep(self, row: Row) -> None:
        """Add the row, now complete, and start the clock for the next."""
        self.rows.append(row)
        if self._log:
            with self._log.open("a") as file:
                file.write(as_line(row))
        self._samples, self._resumed = 0, time.perf_counter()


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
