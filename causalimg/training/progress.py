"""Where training is: a live bar on a terminal, its last state as one line elsewhere."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column

from causalimg.training.history import Row

HIDDEN = frozenset({"step", "seconds", "samples_per_second", "lr", "grad_norm"})


@contextmanager
def progress(label: str, steps: int, *, show: bool) -> Iterator[Callable[[Sequence[Row]], None]]:
    """A bar that goes one step further each time it is called with the rows so far, and shows the latest."""
    columns = (
        TextColumn("{task.description}", table_column=Column(no_wrap=True)),
        BarColumn(bar_width=10),
        MofNCompleteColumn(table_column=Column(no_wrap=True)),
        TimeRemainingColumn(elapsed_when_finished=True, table_column=Column(no_wrap=True)),
        TextColumn("{task.fields[report]}", table_column=Column(no_wrap=True, ratio=1)),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, expand=True, refresh_per_second=2, disable=not show) as bar:
        task = bar.add_task(label, total=steps, report="")
        yield lambda rows: bar.update(task, advance=1, report=describe(rows[-1]) if rows else "")


def say(text: str) -> None:
    """`text`, unless it is empty, where the progress is shown."""
    if text:
        Console(stderr=True).print(text, highlight=False)


def describe(row: Row) -> str:
    """What is worth watching: ``512/s, loss 1.23, skipped 0, val 1.31``."""
    shown = [f"{name} {value:.4g}" for name, value in row.items() if name not in HIDDEN]
    return ", ".join([f"{row['samples_per_second']:.0f}/s", *shown])
