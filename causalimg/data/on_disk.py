"""Tables that don't fit into memory: made part by part, in parallel, kept in a folder, and read from there row by row."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from causalimg.data.preprocessing import Preprocessing
from causalimg.data.store import Store, lines_of, stored_columns
from causalimg.data.table import Table
from causalimg.errors import check_known, located
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
    done, first = len(store.parts), None
    loader = DataLoader(_Parts(parts[done:]), batch_size=None, num_workers=workers, prefetch_factor=2 if workers else None)
    with Counting(f"storing {store.folder}", len(parts), "parts") as counting:
        counting.advance(done)
        for made in loader:
            if isinstance(made, Exception):
                raise made
            with located(f"the part after row {store.rows}"):
                _write(store, made)
            first = made
            counting.advance()
    last = parts[-1]() if first is None else first
    how = {"graph": last.graph.to_data(), "filled": dict(last.filled), "preprocessing": last.preprocessing.to_data()}
    store.finish(how)


class _Parts(Dataset[Any]):
    """Each of `parts`, made; or the error that it raised, which another process couldn't raise as it is."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self.parts = parts

    def __len__(self) -> int:
        return len(self.parts)

    def __getitem__(self, number: int) -> Table | Exception:
        try:
            return self.parts[number]()
        except Exception as error:
            return error


def _write(store: Store, table: Table) -> None:
    """Add the rows of `table`, checked. Raises ValueError for none, and for other columns than those before have."""
    if not len(table):
        raise ValueError("it has no rows")
    values, _ = columns(table.graph, table)
    named = {f"values.{name}": value for name, value in values.items()}
    named |= {f"masks.{name}": mask for name, mask in table.masks.items()}
    if store.parts and store.parts[0]["digests"].keys() != named.keys():
        raise ValueError(f"it has {', '.join(named)}, those before have {', '.join(store.parts[0]['digests'])}")
    texts = {"extra": {name: list(column) for name, column in table.extra.items()}, "lines": list(table.lines)}
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
        return _loaded(folder, lines[1:-1], lines[-1]["finished"])


def _loaded(folder: Path, parts: list[dict[str, Any]], how: Mapping[str, Any]) -> Table:
    graph, found = Graph.from_data(how["graph"]), stored_columns(folder, parts)
    named = {name: column for name, column in found.items() if name.startswith("values.")}
    values = {name.removeprefix("values."): _held(column) for name, column in named.items()}
    check_known("variable", values, graph)
    masks = {name.removeprefix("masks."): cast(Tensor, column) for name, column in found.items() if name not in named}
    texts = [part["texts"] for part in parts]
    extra = {name: [cell for part in texts for cell in part["extra"][name]] for name in texts[0]["extra"]}
    lines = [line for part in texts for line in part["lines"]]
    return Table(graph, values, masks, extra, how["filled"], lines, Preprocessing.from_data(how["preprocessing"]))


def _held(column: Stored) -> Tensor:
    """Numbers and levels in memory; images where they are."""
    return cast(Tensor, column) if column.ndim > 1 else column[:]
