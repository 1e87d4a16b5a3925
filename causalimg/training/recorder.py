"""From sums on the device to the rows of a history: the only place where training waits for the device."""

import math
import time
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor

from causalimg.training.history import Row, as_line
from causalimg.training.tally import Tally

if TYPE_CHECKING:
    from lightning_fabric import Fabric


class Recorder:
    """Counts steps, makes rows of them, and writes each row to `log`."""

    def __init__(self, fabric: "Fabric", label: str, log: Path | None) -> None:
        self.rows: list[Row] = []
        self._fabric, self._label = fabric, label
        self._tally = Tally(fabric.device)
        self._samples = 0
        self._start = self._resumed = time.perf_counter()
        self._log = log if fabric.is_global_zero else None
        if self._log:
            self._log.parent.mkdir(parents=True, exist_ok=True)
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

    def keep(self, row: Row) -> None:
        """Add the row, now complete, and start the clock for the next."""
        self.rows.append(row)
        if self._log:
            with self._log.open("a") as file:
                file.write(as_line(row))
        self._samples, self._resumed = 0, time.perf_counter()
