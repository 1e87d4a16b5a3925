"""Questions about many images, and sweeps: what is the user's is not written over, and a mistake names its file or row."""

import csv
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.reliability.case import Case, Right, answers, refuses
from benchmarks.reliability.cases.commands import KNOWN, command, picture
from benchmarks.reliability.world import model

Ways = dict[str, tuple[Callable[[], Any], Right]]

MANY = 40
"""More than are held at once."""

MINE = b"what is mine"


def pictures(n: int = 3) -> None:
    """A model of discs, and a folder of so many pictures."""
    model().save("m")
    Path("scans").mkdir()
    for i in range(n):
        picture(name=f"scans/{i:02d}.png")


def about(*words: str, n: int = 3, prepare: Callable[[], Any] = lambda: None) -> str:
    """``causalimg do`` of a folder of `n` pictures."""
    pictures(n)
    prepare()
    return command("do", "m", "scans", *words, *KNOWN)


def of_table(text: str, *words: str, n: int = 3) -> str:
    """``causalimg do`` of the rows of a CSV file in these words."""
    pictures(n)
    Path("scans/rows.csv").write_text(text)
    return command("do", "m", "scans/rows.csv", *words)


def rows(age: str = "50", n: int = 3, area: str = "") -> str:
    """The rows of `n` pictures; the age, and the area if it is known, in the last row."""
    lines = ["file,age,sex,dose", *(f"{i:02d}.png,50,male,8" for i in range(n - 1)), f"{n - 1:02d}.png,{age},male,8"]
    if area:
        lines = [f"{line},{cell}" for line, cell in zip(lines, ["area", *["60"] * (n - 1), area], strict=True)]
    return "\n".join(lines) + "\n"


def sweep(*words: str, prepare: Callable[[], Any] = lambda: None) -> str:
    """``causalimg sweep`` of one of them."""
    pictures()
    prepare()
    return command("sweep", "m", "scans/00.png", *words, *KNOWN)


def lines(path: str) -> int:
    """How many rows a CSV file has."""
    with Path(path).open() as file:
        return len(list(csv.DictReader(file)))


def put(path: str) -> Callable[[], Any]:
    """Something of the user's there."""

    def make() -> None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_bytes(MINE)

    return make


FOLDERS: Ways = {
    "as it is meant": (partial(about, "area=70"), answers(lambda text: lines("counterfactuals/answers.csv") == 3)),
    "more than are held at once": (
        partial(about, "area=70", n=MANY),
        answers(lambda text: lines("counterfactuals/answers.csv") == MANY),
    ),
    "several values": (partial(about, "area=70,80"), refuses("area", "several values")),
    "one that is no picture": (
        partial(about, "area=70", prepare=lambda: Path("scans/01.png").write_text("x")),
        refuses("01.png"),
    ),
    "one of another shape": (
        partial(about, "area=70", prepare=lambda: np.savez("scans/03.npz", images=np.zeros((2, 3, 4)))),
        refuses("scans/03.npz"),
    ),
    "one that is not finite": (
        partial(about, "area=70", prepare=lambda: np.savez("scans/03.npz", np.full((1, 16, 16), np.nan))),
        refuses("scans/03.npz"),
    ),
    "a name with a typo": (partial(about, "aera=70"), refuses("aera", "Did you mean 'area'")),
    "--images without a table": (partial(about, "area=70", "--images", "scans"), refuses("--images")),
    "pictures and a table": (
        partial(about, "area=70", "--table", "rows.csv", prepare=lambda: Path("rows.csv").write_text(rows())),
        refuses("one table"),
    ),
    "what is unknown, and a typo": (partial(about, "area=70", "--unknown", "drow"), refuses("drow", "draw")),
}

TABLES: Ways = {
    "as it is meant": (
        partial(of_table, rows(), "area=70"),
        answers(lambda text: lines("counterfactuals/answers.csv") == 3),
    ),
    "a file that is not there": (partial(of_table, rows(n=4), "area=70"), refuses("03.png", "line 5")),
    "no column of files": (
        partial(of_table, "files,age\n00.png,50\n", "area=70"),
        refuses("file", "Was 'files' meant"),
    ),
    "a text for an age": (partial(of_table, rows("old"), "area=70"), refuses("age", "old", "line 4")),
    "an age out of bounds": (partial(of_table, rows("200"), "area=70"), refuses("age", "200", "line 4")),
    "an area above the image's, in the last row": (
        partial(of_table, rows(n=MANY, area="999"), "area=70", n=MANY),
        refuses("area", "999", "256"),
    ),
    "what is known twice": (partial(of_table, rows(), "area=70", "--given", "age=50"), refuses("two values of age")),
    "a level with a typo": (
        partial(of_table, rows().replace("male", "mael"), "area=70"),
        refuses("mael", "Did you mean 'male'"),
    ),
    "two tables": (
        lambda: (pictures(), command("do", "m", "a.csv", "b.csv", "area=70")),
        refuses("one table"),
    ),
    "no rows": (partial(of_table, "file,age,sex,dose\n", "area=70"), refuses("rows.csv", "row")),
}

SWEEPS: Ways = {
    "as it is meant": (partial(sweep, "area=60,70,80"), answers(lambda text: lines("sweep.csv") == 3)),
    "of two": (partial(sweep, "area=60,70", "sex"), answers(lambda text: lines("sweep.csv") == 4)),
    "of a name with a typo": (partial(sweep, "aera"), refuses("aera", "Did you mean 'area'")),
    "of the image": (partial(sweep, "x"), refuses("x")),
    "of nothing": (partial(sweep), refuses("name")),
    "of one step": (partial(sweep, "area", "--steps", "1"), refuses("steps")),
    "of three": (partial(sweep, "area", "sex", "age"), refuses("two")),
    "from above to below": (
        partial(sweep, "area", "--from", "80", "--to", "60", "--steps", "2"),
        answers(lambda text: lines("sweep.csv") == 2),
    ),
    "to more than the image": (partial(sweep, "area", "--from", "50", "--to", "999"), refuses("366", "256")),
    "between nothing": (partial(sweep, "area"), refuses("area", "--from")),
}

LOST: dict[str, tuple[str, Callable[..., Any]]] = {
    "a sweep beside a table of the user's": ("s.csv", partial(sweep, "area=60,70", "--out", "s.png")),
    "a sweep, and its usual table is the user's": ("sweep.csv", partial(sweep, "area=60,70")),
    "many answers beside a figure of the user's": ("counterfactuals/figure.png", partial(about, "area=70")),
    "many answers beside a table of the user's": ("counterfactuals/answers.csv", partial(about, "area=70")),
    "many answers beside a picture of the user's": ("counterfactuals/0000.png", partial(about, "area=70")),
}
"""What is at a path, and what must not write over it, but name it."""


def _kept(path: str) -> Callable[[], bool]:
    return lambda: Path(path).read_bytes() == MINE


CASES = [
    *(
        Case(area, name, run, right, needs="Slices")
        for area, ways in {"many images": FOLDERS, "many rows": TABLES, "sweeps": SWEEPS}.items()
        for name, (run, right) in ways.items()
    ),
    *(
        Case(
            "what is the user's",
            name,
            partial(run, prepare=put(path)),
            refuses(Path(path).name),
            needs="Slices",
            kept=_kept(path),
        )
        for name, (path, run) in LOST.items()
    ),
]
