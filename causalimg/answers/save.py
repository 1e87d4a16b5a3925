"""A folder of answers: images, ``answers.csv``, and ``answers.json``, by which the folder is known to be ours.

What somebody else wrote, or changed, is not written over. What an earlier answer left is.
"""

import csv
import json
from collections.abc import Callable, ItemsView, Iterator, Mapping, Sequence
from pathlib import Path
from secrets import token_hex
from tempfile import TemporaryDirectory
from typing import Any, Protocol, cast

import numpy as np
from torch import Tensor

from causalimg.answers.formats import FORMATS, Answer, Format
from causalimg.answers.place import Like, places
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
    def measured(self) -> World: ...
    @property
    def support(self) -> Tensor | None: ...


def save_answers(
    cf: Answered,
    folder: str | Path,
    kind: Format,
    *,
    like: Like | None,
    slices: Slices | Sequence[Slices] | None,
    fit: Fit | None,
    fields: Sequence[str],
) -> None:
    """Write the images of `cf`, and its numbers: see `Counterfactual.save`."""
    check_known("kind of file", [kind], [*FORMATS, NPZ])
    columns, series = _columns(cf), token_hex(8)
    asked = [", ".join(parts) for parts in _asked(cf)]
    images: dict[str, list[Answer]] = {}
    for name in cf.graph.images:
        variable, values = cast(Image, cf.graph[name]), _rows(cf, name, cf[name]).cpu().numpy()
        where = places(variable, len(values), like, slices, fit, fields)
        rows = enumerate(zip(values, where, asked, strict=True))
        images[name] = [Answer(value, variable, place, i, said, series) for i, (value, place, said) in rows]

    def make(into: Path) -> None:
        named = {}
        for name, answers in images.items():
            only = len(images) == 1
            if kind == NPZ:
                _write_npz(into / f"{name}.npz", np.stack([one.values for one in answers]))
            else:
                named["file" if only else f"{name} file"] = _write_each(into, "" if only else f"_{name}", kind, answers)
        _write_csv(into / TABLE, {**named, **columns})

    _replace(Path(folder), make)


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
    return said if cf.support is None else {**said, "support": cf.support.reshape(-1).tolist()}


def _asked(cf: Answered) -> Iterator[list[str]]:
    """Of each row, what was set, in words."""
    rows = len(_rows(cf, cf.graph.images[0], cf[cf.graph.images[0]])) if cf.graph.images else 0
    scalars = {name: _rows(cf, name, value) for name, value in cf.action.items() if not cf.graph[name].value_shape}
    for row in range(rows):
        yield [f"{name} = {cf.graph[name].say(values[row].item())}" for name, values in scalars.items()]


def _write_each(into: Path, stem: str, kind: Format, answers: Sequence[Answer]) -> list[str]:
    """A file for each of `answers`; their names."""
    ending, write = FORMATS[kind]
    names = [f"{i:04d}{stem}{ending}" for i in range(len(answers))]
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
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=STRAY, dir=folder) as fresh:
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
