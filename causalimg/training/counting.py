"""How far something is that is no training, such as reading a table: nothing at first, then a bar or, in a log file, lines."""

import time
from types import TracebackType
from typing import Self

from rich.progress import BarColumn, Progress, TextColumn

from causalimg.training.progress import SECONDS, clock, console

PATIENCE = 2.0
"""A bar begins after so many seconds: what is done by then needs none."""


class Counting:
    """Says how many of a `total` of a `unit` ("rows") are done, how fast, and the time left.

    with Counting("reading hearts.csv", 800, "rows") as counting:
        for row in rows:
            ...
            counting.advance()
    """

    def __init__(self, label: str, total: int, unit: str) -> None:
        self._label, self._total, self._unit, self._done = label, total, unit, 0
        self._console = console()
        self._began = self._said = time.monotonic()
        self._bar = Progress(BarColumn(10), TextColumn("{task.description}"), console=self._console, transient=True)
        self._task = self._bar.add_task(label, total=total)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._bar.live.is_started:
            self._bar.stop()

    def advance(self, more: int = 1) -> None:
        """So many more are done."""
        self._done += more
        now = time.monotonic()
        if self._console.is_terminal or self._console.is_jupyter:
            if now - self._began > PATIENCE:
                self._bar.update(self._task, completed=self._done, description=self._line(now))
                self._bar.start()
        elif now - self._said >= SECONDS:
            self._said = now
            self._console.print(self._line(now), highlight=False, soft_wrap=True)

    def _line(self, now: float) -> str:
        """``reading hearts.csv: 1200 of 3000 rows, 42 rows/s, 0:00:43 left``."""
        rate = self._done / max(now - self._began, 1e-9)
        left = clock((self._total - self._done) / rate) if rate else "?"
        return f"{self._label}: {self._done} of {self._total} {self._unit}, {rate:.3g} {self._unit}/s, {left} left"
