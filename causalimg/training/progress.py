"""Where training is: a live bar on a terminal and in a notebook; elsewhere, as in a log file, a line now and then."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import timedelta

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column

from causalimg.training.history import Row
from causalimg.training.processes import is_first

HIDDEN = frozenset({"step", "seconds", "samples_per_second", "lr", "grad_norm"})

SECONDS = 30.0
"""Where there is no bar, a line is written after so many."""

QUIET: ContextVar[bool] = ContextVar("quiet", default=False)
"""Whether nobody wants to know how far something is."""

Advance = Callable[[int, Sequence[Row]], None]
"""Called after every step with its number, from 1, and the rows so far."""


def console() -> Console:
    """Where it is said how far something is."""
    return Console(stderr=True, quiet=QUIET.get() or not is_first())


@contextmanager
def progress(label: str, steps: int, *, show: bool) -> Iterator[Advance]:
    """Show how far a training of so many `steps` is, and the latest of its rows, whenever what is given is called."""
    where = console()
    if show and not (where.is_terminal or where.is_jupyter):
        yield _Lines(where, label, steps).advance
        return
    columns = (
        TextColumn("{task.description}", table_column=Column(no_wrap=True)),
        BarColumn(bar_width=10),
        MofNCompleteColumn(table_column=Column(no_wrap=True)),
        TimeRemainingColumn(elapsed_when_finished=True, table_column=Column(no_wrap=True)),
        TextColumn("{task.fields[report]}", table_column=Column(no_wrap=True, ratio=1)),
    )
    with Progress(*columns, console=where, expand=True, refresh_per_second=2, disable=not show) as bar:
        task = bar.add_task(label, total=steps, report="")
        yield lambda step, rows: bar.update(task, completed=step, report=describe(rows[-1]) if rows else "")


class _Lines:
    """``x: 1200 of 3000 steps, 0:12:30 left, 42 rows/s, loss 1.23``: a line after `SECONDS`, and one in the end."""

    def __init__(self, console: Console, label: str, steps: int) -> None:
        self._console, self._label, self._steps = console, label, steps
        self._first: int | None = None
        self._began = self._said = time.monotonic()

    def advance(self, step: int, rows: Sequence[Row]) -> None:
        """After `step`."""
        now = time.monotonic()
        self._first = step if self._first is None else self._first  # a checkpoint may have brought it so far
        if step < self._steps and now - self._said < SECONDS:
            return
        self._said = now
        spent, taken = now - self._began, step - self._first + 1
        parts = [f"{self._label}: {step} of {self._steps} steps after {clock(spent)}"]
        parts += [f"{clock(spent / taken * (self._steps - step))} left"] if step < self._steps else []
        parts += [describe(rows[-1])] if rows else []
        self._console.print(", ".join(parts), highlight=False, soft_wrap=True)


def clock(seconds: float) -> str:
    """``0:12:30``."""
    return str(timedelta(seconds=round(seconds)))


def say(text: str) -> None:
    """`text`, unless it is empty, where the progress is shown."""
    if text:
        console().print(text, highlight=False)


def describe(row: Row) -> str:
    """What is worth watching: ``512 rows/s, loss 1.23, skipped 0, val 1.31``."""
    shown = [f"{name} {value:.4g}" for name, value in row.items() if name not in HIDDEN]
    return ", ".join([f"{row['samples_per_second']:.0f} rows/s", *shown])
