"""One question about many images: those in a folder, or in the rows of a CSV file; the answers go to a folder."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from causalimg.answers import save_answers
from causalimg.cli.asking import Asking
from causalimg.counterfactual import Counterfactual
from causalimg.data.csv_file import CsvFile
from causalimg.data.dicom import ENDINGS as DICOM
from causalimg.data.dicom import series_in
from causalimg.data.folder import Folder
from causalimg.data.limits import USUAL
from causalimg.data.nifti import ENDINGS as NIFTI
from causalimg.data.problems import Problems
from causalimg.data.scanner import spacings
from causalimg.data.spelling import plain
from causalimg.errors import check_given, located, warn
from causalimg.graph import Graph
from causalimg.model import CausalModel
from causalimg.support import UNUSUAL, warn_of_unusual
from causalimg.training.counting import Counting

BATCH = 32
"""So many images are held at once."""

FILE, ASKED, FIGURE = "file", "factual file", "figure.png"
"""The column that names the files of a table; that of the answers which names them again; the figure of the first answers."""

TABLE = ".csv"
ENDINGS = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".npz", *NIFTI, *DICOM)


@dataclass(frozen=True)
class Rows:
    """Images, a file each, with what is `known` by variable, `extra` columns, and the sides of their pixels in mm."""

    files: Sequence[Path]
    known: Mapping[str, Tensor] = field(default_factory=dict)
    extra: Mapping[str, Sequence[str]] = field(default_factory=dict)
    spacings: Sequence[float | None] = ()

    @classmethod
    def of(cls, paths: Sequence[Path], table: Path | None, images: Path | None, model: CausalModel) -> "Rows":
        """Those of a CSV file, `table` or the only one of `paths`; or those that `paths` name, or hold.

        Raises ValueError for a table besides other images, and for none of both.
        """
        tables = [*([] if table is None else [table]), *(path for path in paths if path.suffix.lower() == TABLE)]
        others = [path for path in paths if path.suffix.lower() != TABLE]
        if len(tables) + bool(others) != 1:
            raise ValueError(f"expected images, or one table of them, got {len(others)} and {len(tables)}")
        if tables:
            return cls.of_csv(tables[0], images, model.graph, model.preprocessing.spacing)
        if images is not None:
            raise ValueError(f"--images {images}: the folder of a table's files, and here is none")
        return cls.of_files(others)

    @classmethod
    def of_files(cls, paths: Sequence[Path]) -> "Rows":
        """Those that `paths` name, or hold. Raises ValueError for a folder without images."""
        files = [file for path in paths for file in _held(path)]
        return cls(files, extra={ASKED: list(map(str, files))})

    @classmethod
    def of_csv(cls, path: Path, images: Path | None, graph: Graph, spacing: str | None) -> "Rows":
        """Those that the column ``file`` of a CSV file names, in the folder `images` or beside it; columns that are called like
        variables say what is known. `spacing`: the column that has the side of a pixel.

        Raises ValueError for a column that is missing, TableError with all that is wrong in the rows. Warns of a column that
        may be meant for a variable.
        """
        problems = Problems(path)
        csv = CsvFile.read(path, problems, USUAL)
        check_given("column", [FILE], csv.columns)
        variables = [name for name in graph if name in csv.columns and not graph[name].value_shape]
        known = {name: csv.numbers(name, name, graph[name], problems) for name in variables}
        others = {name: cells for name, cells in csv.columns.items() if name not in (*variables, FILE)}
        extra = {ASKED: csv.columns[FILE], **others}
        _warn_of_near(others, [name for name in graph if name not in variables])
        is_there = spacing is not None and plain(spacing) in csv.columns
        sizes = spacings(csv, spacing if is_there else None, problems)
        folder, files = Folder(path.parent if images is None else images, csv.columns[FILE], USUAL), []
        for row, line in enumerate(csv.lines):
            with problems.noted(FILE, line):
                files.append(folder.file(row))
        problems.check()
        return cls(files, known, extra, sizes)

    def __len__(self) -> int:
        return len(self.files)

    def batches(self) -> Iterator["Rows"]:
        """So many at a time as are held at once."""
        for start in range(0, len(self), BATCH):
            yield self.at(range(len(self))[start : start + BATCH])

    def at(self, rows: Sequence[int]) -> "Rows":
        """Those at the positions `rows`."""
        known = {name: column[list(rows)] for name, column in self.known.items()}
        extra = {name: [column[row] for row in rows] for name, column in self.extra.items()}
        return Rows(
            [self.files[row] for row in rows], known, extra, [self.spacings[row] for row in rows if self.spacings]
        )


def _held(path: Path) -> list[Path]:
    """The images in a folder, by name; a file, or a folder of one DICOM series, is one."""
    if not path.is_dir() or series_in(path):
        return [path]
    found = [one for one in sorted(path.iterdir()) if _is_image(one)]
    if not found:
        raise ValueError(f"{path} holds no image: expected files that end in {', '.join(ENDINGS)}")
    return found


def _is_image(path: Path) -> bool:
    if path.name.startswith("."):
        return False
    return bool(series_in(path)) if path.is_dir() else path.name.lower().endswith(ENDINGS)


def _warn_of_near(columns: Mapping[str, Any], variables: Sequence[str]) -> None:
    for name in columns:
        if near := get_close_matches(name, variables, n=1):
            warn(f"the column {name!r} is no variable, and is left alone: was {near[0]!r} meant?")


def ask_many(asking: Asking, rows: Rows, do: dict[str, Any], out: Path, as_json: bool = False) -> str:
    """Ask the same of each of `rows`; images, ``answers.csv`` and a figure of the first go into the folder `out`.

    Returns in words, or as JSON, how many they are and where. Raises ValueError for several values of one variable, and for
    what is known twice.
    """
    check_each(asking, rows, do)
    first: list[Counterfactual] = []
    save_answers(_answers(asking, rows, do, first), out, also=lambda into: first[0].plot(into / FIGURE))
    said = {"answers": len(rows), "table": str(out / "answers.csv"), "picture": str(out / FIGURE)}
    if as_json:
        return json.dumps(said, indent=2)
    return f"{len(rows)} answers: {said['table']} names and measures them; see {said['picture']}"


def check_each(asking: Asking, rows: Rows, do: Mapping[str, Any]) -> None:
    """Raise ValueError for several values of one variable, and for what is known twice."""
    if several := [name for name, value in do.items() if isinstance(value, list)]:
        raise ValueError(f"{several[0]}: several values are questions about one image, and here are {len(rows)}")
    if twice := rows.known.keys() & asking.given.keys():
        raise ValueError(f"two values of {min(twice)}: in the table, and by --given")


def _answers(
    asking: Asking, rows: Rows, do: dict[str, Any], first: list[Counterfactual]
) -> Iterator[tuple[Counterfactual, Mapping[str, Sequence[str]]]]:
    """Batch by batch, with the files that were asked about; the `first` batch is kept. Warns of what is unusual, once."""
    unusual = 0
    with Counting("asking", len(rows), "images") as counting:
        for batch in rows.batches():
            known = seen(asking, batch)
            with located(f"rows counted from {batch.files[0]}") if first else nullcontext():
                cf = asking.do(known, support="allow", **do)
            unusual += 0 if cf.support is None else int((cf.support < UNUSUAL).sum())
            first[:] = first or [cf]
            yield cf, batch.extra
            counting.advance(len(batch))
    warn_of_unusual(unusual, len(rows))


def seen(asking: Asking, rows: Rows) -> dict[str, Any]:
    """What is known of `rows`, whose images are read. Raises ValueError that names the file which can't be."""
    sizes = rows.spacings or [None] * len(rows)
    images = []
    for file, size in zip(rows.files, sizes, strict=True):
        with located(str(file)):
            images.append(asking.read(file, size))
    return {**asking.given, **rows.known, asking.image: torch.stack(images)}
