"""Tables that don't fit into memory: made part by part, in parallel, kept in a folder, and read from there row by row."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from causalimg.data.preprocessing import Preprocessing
from causalimg.data.problems import TableError, joined
from causalimg.data.store import Store, lines_of, stored_columns
from causalimg.data.table import Table
from causalimg.errors import check_known, located, warn
from causalimg.graph import Graph
from causalimg.stored import Stored
from causalimg.training.counting import Counting
from causalimg.values import columns

Part = Callable[[], Table]
"""Makes some of the rows of a table, the same ones whenever it is called."""


def store_table(
    folder: str | Path, parts: Sequence[Part], *, workers: int = 0, about: Mapping[str, Any] | None = None
) -> Table:
    """The table of the rows of all `parts`, in their order, in `folder`: images and masks stay on disk.

    Each part is made when its turn comes, in one of `workers` processes (0: in this one), so that no more than a few are held in
    memory. Called again with the same arguments it goes on where it was cut short, and makes nothing where it was not. `about`,
    plain JSON data, says what the parts are of: a folder of something else is refused.

    Raises FileExistsError for a folder that holds something else; ValueError for values that are NaN or out of bounds, for parts
    of different graphs or columns, and for no parts; and what a part raises: what was whole before it stays.
    """
    if not parts:
        raise ValueError("no parts: a table has a row at least")
    store = Store(folder, {"parts": len(parts), **(about or {})})
    if not store.finished:
        _fill(store, parts, workers)
    return load_table(folder)


def _fill(store: Store, parts: Sequence[Part], workers: int) -> None:
    todo = parts[len(store.parts) :]
    made = DataLoader(_Parts(todo), batch_size=None, num_workers=workers, prefetch_factor=2 if workers else None)
    failed: list[TableError] = []
    with Counting(f"storing {store.folder}", len(todo), "parts") as counting:
        for table, told in made:
            for message in told:
                warn(message)
            if isinstance(table, TableError):
                failed.append(table)
            elif isinstance(table, Exception):
                raise table
            elif not failed:
                with located(f"the part after row {store.rows}"):
                    _write(store, table)
            counting.advance()
    if failed:
        raise joined(failed[0].path, [problem for error in failed for problem in error.problems])
    store.finish({})


class _Parts(Dataset[Any]):
    """Each of `parts`, made, or the error that it raised; and of what it warned: another process could do neither here."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self.parts = parts

    def __len__(self) -> int:
        return len(self.parts)

    def __getitem__(self, number: int) -> tuple[Table | Exception, list[str]]:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always", UserWarning)
            try:
                made: Table | Exception = self.parts[number]()
            except Exception as error:
                made = error
        return made, [str(one.message) for one in told]


def _write(store: Store, table: Table) -> None:
    """Add the rows of `table`, checked. Raises ValueError for none, and for other columns than those before have."""
    if not len(table):
        raise ValueError("it has no rows")
    values, _ = columns(table.graph, table)
    named = {f"values.{name}": value for name, value in values.items()}
    named |= {f"masks.{name}": mask for name, mask in table.masks.items()}
    if store.parts and store.parts[0]["digests"].keys() != named.keys():
        raise ValueError(f"it has {', '.join(named)}, those before have {', '.join(store.parts[0]['digests'])}")
    texts = {
        "graph": table.graph.to_data(),
        "extra": {name: list(column) for name, column in table.extra.items()},
        "lines": list(table.lines),
        "filled": dict(table.filled),
        "preprocessing": table.preprocessing.to_data(),
    }
    store.write(named, texts)


def load_table(folder: str | Path) -> Table:
    """The table that `store_table`, or `read_table` with a `store`, wrote into `folder`; images and masks stay on disk.

    Raises FileNotFoundError where there is none, ValueError where it was not finished, or files were changed since.
    """
    folder = Path(folder)
    lines = lines_of(folder)
    if not lines:
        raise FileNotFoundError(f"{folder} holds no table")
    if "finished" not in lines[-1]:
        raise ValueError(f"{folder} was not finished: what wrote it goes on when it is called again")
    with located(str(folder)):
        return _loaded(folder, lines[1:-1])


def _loaded(folder: Path, parts: list[dict[str, Any]]) -> Table:
    last, found = parts[-1]["texts"], stored_columns(folder, parts)
    graph = Graph.from_data(last["graph"])
    named = {name: column for name, column in found.items() if name.startswith("values.")}
    values = {name.removeprefix("values."): _held(column) for name, column in named.items()}
    check_known("variable", values, graph)
    for name, column in values.items():
        if column.dtype != (torch.int64 if graph[name].discrete else torch.float32):
            raise ValueError(f"{name} is stored as {column.dtype}, which no table writes")
    masks = {name.removeprefix("masks."): cast(Tensor, column) for name, column in found.items() if name not in named}
    texts = [part["texts"] for part in parts]
    extra = {name: [cell for part in texts for cell in part["extra"][name]] for name in texts[0]["extra"]}
    lines = [line for part in texts for line in part["lines"]]
    ways = [Preprocessing.from_data(part["preprocessing"]) for part in texts]
    how = ways[-1].over(in_mm=all(way.in_mm for way in ways))
    return Table(graph, values, masks, extra, last["filled"], lines, how)


def _held(column: Stored) -> Tensor:
    """Numbers and levels in memory; images where they are."""
    return cast(Tensor, column) if column.ndim > 1 else column[:]
