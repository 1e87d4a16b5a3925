"""Tables that don't fit into memory: made part by part, in parallel, kept in a folder, and read from there row by row."""

import pickle
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, get_worker_info

from causalimg.data.preprocessing import Preprocessing
from causalimg.data.problems import TableError, joined
from causalimg.data.store import Store, as_json, lines_of, stored_columns
from causalimg.data.table import Table
from causalimg.errors import check_kind, check_known, located, warn, whole, wrong_kind
from causalimg.graph import Graph
from causalimg.stored import Stored
from causalimg.training.counting import Counting
from causalimg.values import columns

Part = Callable[[], Table]
"""Makes some of the rows of a table, the same ones whenever it is called."""


def store_table(
    folder: str | Path, parts: Sequence[Part], *, about: str | Mapping[str, Any], workers: int = 0
) -> Table:
    """The table of the rows of all `parts`, in their order, in `folder`: images and masks stay on disk.

    Each part is made when its turn comes, in one of `workers` processes (0: in this one), so that no more than a few are held in
    memory. `about`, a text or plain JSON data, says what the parts are of: called again with the same, and as many parts, it goes
    on where it was cut short, and makes nothing where it was not. Nobody looks into the parts: who changes them says so in
    `about`, and another folder.

    Raises FileExistsError for a folder that holds something else, and BlockingIOError for one that another process writes into;
    TypeError for parts that make no tables; ValueError for values that are NaN or out of bounds, for parts of different graphs or
    columns, and for no parts; and what a part raises: what was whole before it stays.
    """
    workers = whole("workers", workers, 0)
    check_kind("about", about, str, Mapping)
    _check_parts(parts)
    store = Store(folder, {"number of parts": len(parts), **({"about": about} if isinstance(about, str) else about)})
    if not store.finished:
        with store.writing():
            _fill(store, parts, workers)
    return load_table(folder)


def _check_parts(parts: Any) -> None:
    """Raise TypeError for what are no functions, ValueError for none."""
    listed = isinstance(parts, Sequence) and not isinstance(parts, str)
    for part in parts if listed else [parts]:
        if not (listed and callable(part)):
            raise wrong_kind("parts", "a list of functions that make Tables", part)
    if not parts:
        raise ValueError("no parts: a table has a row at least")


def _fill(store: Store, parts: Sequence[Part], workers: int) -> None:
    todo = parts[len(store.parts) :]
    made = DataLoader(_Parts(todo), batch_size=None, num_workers=workers, prefetch_factor=2 if workers else None)
    failed: list[TableError] = []
    with Counting(f"storing {store.folder}", len(todo), "parts") as counting:
        for packed, told in made:
            table = pickle.loads(packed) if workers else packed
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
    store.finish()


class _Parts(Dataset[Any]):
    """Each of `parts`, made, or the error that it raised; and of what it warned: another process could do neither here."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self.parts = parts

    def __len__(self) -> int:
        return len(self.parts)

    def __getitem__(self, number: int) -> tuple[Table | Exception | bytes, list[str]]:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always", UserWarning)
            try:
                made: Table | Exception = self.parts[number]()
            except Exception as error:
                made = error
        return made if get_worker_info() is None else _packed(made), [str(one.message) for one in told]


def _packed(made: Table | Exception) -> bytes:
    """`made` for another process, or an error that says why it can't go there: what pickle refuses later hangs for ever."""
    try:
        packed = pickle.dumps(made)
        if isinstance(made, Exception):
            pickle.loads(packed)  # which asks for other arguments than some errors have
    except Exception as error:
        why = made if isinstance(made, Exception) else f"it can't be sent to another process, say workers=0: {error}"
        return pickle.dumps(RuntimeError(f"the part made a {type(made).__name__}: {why}"))
    return packed


def _write(store: Store, table: Table) -> None:
    """Add the rows of `table`, checked. Raises TypeError for what is none; ValueError for one without rows, and for another
    graph or other columns than those before have."""
    check_kind(f"what the part after row {store.rows} makes", table, Table)
    if not len(table):
        raise ValueError("it has no rows")
    values, _ = columns(table.graph, table)
    named = {f"values.{name}": value for name, value in values.items()}
    named |= {f"masks.{name}": mask for name, mask in table.masks.items()}
    texts = {
        "graph": as_json("graph", table.graph.to_data()),
        "extra": {name: list(column) for name, column in table.extra.items()},
        "lines": list(table.lines),
        "filled": dict(table.filled),
        "preprocessing": table.preprocessing.to_data(),
    }
    _check_alike(texts, store.parts[0]["texts"] if store.parts else texts)
    store.write(named, texts)


def _check_alike(texts: Mapping[str, Any], before: Mapping[str, Any]) -> None:
    """Raise ValueError where a part is of another graph than those before, or has other extra columns."""
    if texts["graph"] != before["graph"]:
        raise ValueError("its graph is another one than that of those before")
    if texts["extra"].keys() != before["extra"].keys():
        raise ValueError(f"it has extra columns {list(texts['extra'])}, those before have {list(before['extra'])}")


def load_table(folder: str | Path) -> Table:
    """The table that `store_table`, or `read_table` with a `store`, wrote into `folder`; images and masks stay on disk.

    Raises FileNotFoundError where there is none; ValueError where it was not finished, where files have other sizes than they
    had, and for another version's. A file that was changed in place and has its size still is not noticed, and `digest` says what
    it was: to look would be to read all.
    """
    folder = Path(folder)
    lines = lines_of(folder)
    if not lines:
        raise FileNotFoundError(f"{folder} holds no table")
    if "finished" not in lines[-1] or len(lines) < 3:
        raise ValueError(f"{folder} was not finished: what wrote it goes on when it is called again")
    with located(str(folder)):
        return _loaded(folder, lines[1:-1], lines[-1]["finished"])


def _loaded(folder: Path, parts: list[dict[str, Any]], sizes: Mapping[str, int]) -> Table:
    last, found = parts[-1]["texts"], stored_columns(folder, parts, sizes)
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
