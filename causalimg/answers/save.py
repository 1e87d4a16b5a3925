"""A folder of answers: images, ``answers.csv``, and ``answers.json``, by which the folder is known to be ours.

What somebody else wrote, or changed, is not written over. What an earlier answer left is.
"""

import csv
import json
from collections.abc import Callable, ItemsView, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from secrets import token_hex
from tempfile import TemporaryDirectory
from typing import Any, Protocol, cast

import numpy as np
from torch import Tensor

from causalimg.answers.formats import FORMATS, Answer, Format, Values
from causalimg.answers.place import Like, Place, places
from causalimg.data import Slices
from causalimg.data.frame import Fit
from causalimg.errors import check_known
from causalimg.graph import Graph, Image
from causalimg.storage import STRAY, digest_of_file
from causalimg.values import World, in_words

TABLE, FILES = "answers.csv", "answers.json"
NPZ: Format = "npz"

Columns = Mapping[str, Sequence[Any]]


class Answered(Protocol):
    """What is known of a `Counterfactual`."""

    graph: Graph
    factual: World
    action: World

    def __getitem__(self, name: str, /) -> Tensor: ...
    def items(self) -> ItemsView[str, Tensor]: ...
    @property
    def factual_draws(self) -> World: ...
    @property
    def measured(self) -> World: ...
    @property
    def support(self) -> Tensor | None: ...


def save_answers(
    parts: Iterable[tuple[Answered, Columns]],
    folder: str | Path,
    kind: Format = "png",
    *,
    like: Like | None = None,
    slices: Slices | Sequence[Slices] | None = None,
    fit: Fit | None = None,
    fields: Sequence[str] = (),
    also: Callable[[Path], object] = lambda into: None,
) -> None:
    """Write the images of all `parts`, and their numbers, part by part as they come: see `Counterfactual.save`.

    A part is an answer, with further columns of ``answers.csv``. `like`, where it is several, is one for each row of a part.
    `also` may write further files into the folder that it is given; they are kept as the others are.
    """
    check_known("kind of file", [kind], [*FORMATS, NPZ])

    def make(into: Path) -> None:
        writing = _Writing(into, kind)
        for cf, more in parts:
            rows = len(_rows(cf, *next(iter(cf.items()))))
            writing.add(cf, more, partial(places, rows=rows, like=like, slices=slices, fit=fit, fields=fields))
        writing.finish()
        also(into)

    _replace(Path(folder), make)


class _Writing:
    """Answers on their way into the empty folder `into`."""

    def __init__(self, into: Path, kind: Format) -> None:
        self.into, self.kind, self.series = into, kind, token_hex(8)
        self.table: dict[str, list[Any]] = {}
        self.stacks: dict[str, list[Values]] = {}
        self.rows = 0

    def add(self, cf: Answered, more: Columns, where: Callable[[Image], Sequence[Place]]) -> None:
        """The rows of `cf`, whose images are `where` it says, with `more` columns."""
        columns = {**self._images(cf, where), **_columns(cf)}
        for name in more.keys() & columns.keys():
            raise ValueError(f"{TABLE} has a column {name!r} of its own: call yours otherwise")
        for name, cells in {**columns, **more}.items():
            self.table.setdefault(name, []).extend(cells)
        self.rows = max(map(len, self.table.values()), default=0)

    def _images(self, cf: Answered, where: Callable[[Image], Sequence[Place]]) -> dict[str, list[str]]:
        """The columns that name the files of the images, which are written."""
        named, asked, only = {}, [", ".join(parts) for parts in _asked(cf)], len(cf.graph.images) == 1
        for name in cf.graph.images:
            variable, values = cast(Image, cf.graph[name]), _rows(cf, name, cf[name]).cpu().numpy()
            lie = where(variable)  # whatever the kind: it says what can't be right
            if self.kind == NPZ:
                self.stacks.setdefault(name, []).append(values)
                continue
            rows = enumerate(zip(values, lie, asked, strict=True), start=self.rows)
            answers = [Answer(one, variable, place, i, said, self.series) for i, (one, place, said) in rows]
            named["file" if only else f"{name} file"] = _write_each(
                self.into, "" if only else f"_{name}", self.kind, answers
            )
        return named

    def finish(self) -> None:
        """What has all rows in one file."""
        for name, stack in self.stacks.items():
            _write_npz(self.into / f"{name}.npz", np.concatenate(stack))
        _write_csv(self.into / TABLE, self.table)


def _rows(cf: Answered, name: str, values: Tensor) -> Tensor:
    """`values` of a variable with the dimension of the rows, which an answer about one item lacks."""
    return values.unsqueeze(0) if values.ndim == len(cf.graph[name].value_shape) else values


def _columns(cf: Answered) -> dict[str, list[Any]]:
    """All that is no image: numbers, and levels by name."""
    parts = {"": dict(cf.items()), "factual ": cf.factual, "asked ": cf.action, "measured ": cf.measured}
    said = {
        part + name: in_words(cf.graph[name], _rows(cf, name, value))
        for part, world in parts.items()
        for name, value in world.items()
        if not cf.graph[name].value_shape
    }
    more: dict[str, list[Any]] = {} if cf.support is None else {"support": cf.support.reshape(-1).tolist()}
    drawn = {"drawn": [", ".join(cf.factual_draws)] * len(next(iter(said.values())))} if cf.factual_draws else {}
    return said | more | drawn


def _asked(cf: Answered) -> Iterator[list[str]]:
    """Of each row, what was set, in words."""
    rows = len(_rows(cf, cf.graph.images[0], cf[cf.graph.images[0]])) if cf.graph.images else 0
    scalars = {name: _rows(cf, name, value) for name, value in cf.action.items() if not cf.graph[name].value_shape}
    for row in range(rows):
        yield [f"{name} = {cf.graph[name].say(values[row].item())}" for name, values in scalars.items()]


def _write_each(into: Path, stem: str, kind: Format, answers: Sequence[Answer]) -> list[str]:
    """A file for each of `answers`; their names."""
    ending, write = FORMATS[kind]
    names = [f"{answer.number:04d}{stem}{ending}" for answer in answers]
    for name, answer in zip(names, answers, strict=True):
        write(into / name, answer)
    return names


def _write_npz(path: Path, values: np.ndarray[Any, Any]) -> None:
    """As `read_table` reads it: (rows, height, width[, channels])."""
    last = np.moveaxis(values, 1, -1)
    np.savez_compressed(path, images=last[..., 0] if last.shape[-1] == 1 else last)


def _write_csv(path: Path, columns: Columns) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))


def _replace(folder: Path, make: Callable[[Path], None]) -> None:
    """Let `make` fill an empty folder, then have its files in `folder`, in the place of those of an earlier answer."""
    is_new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    with _gone_after_an_error(folder, is_new), TemporaryDirectory(prefix=STRAY, dir=folder) as fresh:
        make(Path(fresh))
        files = sorted(Path(fresh).iterdir())
        before = _ours(folder)
        for file in files:
            _check_free(folder / file.name, before)
        _check_free(folder / FILES, before)
        digests = {file.name: digest_of_file(file) for file in files}
        for name in before.keys() - digests.keys() - {FILES}:
            if (folder / name).is_file() and digest_of_file(folder / name) == before[name]:
                (folder / name).unlink()
        for file in files:
            file.replace(folder / file.name)
    (folder / FILES).write_text(json.dumps({"causalimg": "answers", "files": digests}, indent=2) + "\n")


@contextmanager
def _gone_after_an_error(folder: Path, is_new: bool) -> Iterator[None]:
    """Remove an empty `folder` that was made for what could not be made."""
    try:
        yield
    except BaseException:
        if is_new:
            folder.rmdir()
        raise


def _ours(folder: Path) -> dict[str, str]:
    """The digests of the files that an earlier answer left, by name."""
    try:
        said = json.loads((folder / FILES).read_text())
        ours = said["causalimg"] == "answers" and {str(name): str(digest) for name, digest in said["files"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
    return {**ours, FILES: ""} if ours else {}


def _check_free(path: Path, ours: Mapping[str, str]) -> None:
    """Raise FileExistsError where there is something else at `path` than an earlier answer left."""
    if path.exists() and (path.name not in ours or (path.name != FILES and digest_of_file(path) != ours[path.name])):
        raise FileExistsError(f"{path} is not as causalimg left it, and is not written over: choose another folder")
