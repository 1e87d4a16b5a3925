"""Tables on disk, and an answer for each of many rows: what changed is noticed, and a mistake leaves nothing behind."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

import causalimg as ci
from benchmarks.reliability.case import Case, Right, answers, refuses
from benchmarks.reliability.cases.commands import command, picture
from benchmarks.reliability.cases.many import MINE, lines, pictures, put
from benchmarks.reliability.cases.many import rows as written
from benchmarks.reliability.world import Disc, model, rows

Ways = dict[str, tuple[Callable[[], Any], Right]]
Change = Callable[[], Any]


def nothing() -> None:
    """No change."""


def generated(changed: Change = nothing, of: Callable[[], Any] = rows, **how: Any) -> Any:
    """The table of answers about rows; again, with the same words, after a change."""
    ask = partial(ci.generate, model(), of(), "out", **({"area": 70.0} | how))
    ask()
    changed()
    return ask()


def other(**how: Any) -> Any:
    """Other answers in the folder of those about ``area=70``."""
    generated()
    return ci.generate(model(), rows(), "out", **({"area": 70.0} | how))


def after_a_mistake(**wrong: Any) -> Any:
    """The right question after a wrong one, in the same folder."""
    try:
        ci.generate(model(), rows(), "out", **wrong)
    except (ValueError, TypeError):
        return ci.generate(model(), rows(), "out", area=70.0)
    raise AssertionError("it was taken")


def files(*words: str, changed: Change = nothing, text: str = "") -> str:
    """``causalimg generate`` of three pictures, twice, the second time with `words` and after a change."""
    pictures()
    Path("scans/rows.csv").write_text(text or written())
    say = ("generate", "m", "scans/rows.csv", "--do", "area=70", "--out", "out")
    if changed is not nothing:
        command(*say)
        changed()
    return command(*say, *words)


def shown(path: Path | str, n: int = 8) -> bool:
    """Whether there is a line for each of `n` rows."""
    return lines(str(path)) == n


def part(n: int = 4, seed: int = 0, graph: Any = Disc, **changed: Any) -> ci.Table:
    """Some rows of a table."""
    return ci.Table(graph(), {**rows(n, seed), **changed})


def stored(parts: Any = None, folder: str = "discs", about: Any = "discs", **how: Any) -> Any:
    """A table of two parts on disk."""
    return ci.store_table(folder, [part, partial(part, seed=1)] if parts is None else parts, about=about, **how)


def read(changed: Change = nothing, **how: Any) -> Any:
    """A table of three pictures on disk; read again after a change."""
    Path("scans").mkdir()
    for i in range(3):
        picture(name=f"scans/{i:02d}.png")
    Path("scans/rows.csv").write_text(written(area="60"))
    again = partial(ci.read_table, Disc, "scans/rows.csv", **({"store": "discs"} | how))
    again()
    changed()
    return again()


def loaded(changed: Change) -> Any:
    """A table on disk, loaded after a change."""
    stored()
    changed()
    return ci.load_table("discs")


def wider() -> ci.Table:
    """Rows of images of another size."""

    class Wide(ci.Graph):
        """As `Disc`."""

        age = ci.Continuous(unit="year", bounds=(0, 110))
        x = ci.Image(parents=[age], shape=(1, 32, 32))

    return ci.Table(Wide(), {"age": torch.full((2,), 50.0), "x": torch.zeros(2, 1, 32, 32)})


def shorter(path: str) -> Change:
    """A file without its end."""
    return lambda: Path(path).write_bytes(Path(path).read_bytes()[:-8])


GENERATE: Ways = {
    "as it is meant": (generated, answers(shown)),
    "one row": (partial(generated, of=lambda: rows(1)), answers(partial(shown, n=1))),
    "no row": (partial(generated, of=lambda: rows(0)), refuses("no rows")),
    "an array of values": (partial(generated, area=np.linspace(50, 80, 8)), answers(shown)),
    "too few values": (partial(generated, area=[50.0, 60.0]), refuses("area", "2 values", "8 rows")),
    "a value that is NaN": (partial(generated, area=float("nan")), refuses("area", "nan")),
    "more than the image": (partial(generated, area=999.0), refuses("area", "999", "256")),
    "a function": (partial(generated, area=lambda area: area + 1), refuses("area", "scale")),
    "a name with a typo": (partial(generated, aera=70.0), refuses("aera", "Did you mean 'area'")),
    "a level with a typo": (partial(generated, sex="mael"), refuses("mael", "male")),
    "a kind of file with a typo": (partial(generated, kind="pgn"), refuses("pgn", "Did you mean 'png'")),
    "an engine with a typo": (partial(generated, engine="rya"), refuses("rya", "ray")),
    "workers without Ray": (partial(generated, workers=3), refuses("workers", "ray")),
    "no workers": (partial(generated, workers=0), refuses("workers")),
    "a model that isn't fitted": (
        lambda: ci.generate(ci.compile(Disc), rows(), "out", area=70.0),
        refuses("fit"),
    ),
    "levels evened out": (
        partial(generated, of=lambda: rows(7), even="sex"),
        answers(lambda path: lines(str(path)) > 0),
    ),
    "numbers evened out": (partial(generated, even="age"), refuses("age", "levels")),
    "levels that are even": (partial(generated, even="sex"), refuses("sex", "equally frequent")),
    "levels evened out, and set": (partial(generated, even="sex", sex="male"), refuses("sex")),
    "levels of a name with a typo": (partial(generated, even="sxe"), refuses("sxe", "Did you mean 'sex'")),
    "rows in a list": (partial(generated, of=lambda: [{"age": 1.0}]), refuses("rows", "columns")),
    "another value in its folder": (partial(other, area=71.0), refuses("something else")),
    "another seed in its folder": (partial(other, seed=1), refuses("something else")),
    "one other value among many": (partial(other, area=[70.0] * 7 + [71.0]), refuses("something else")),
    "a folder of the user's": (
        lambda: (put("out/mine.txt")(), generated()),
        refuses("out", "something else"),
    ),
    "after a name with a typo": (partial(after_a_mistake, aera=70.0), answers(shown)),
    "after a kind with a typo": (partial(after_a_mistake, area=70.0, kind="pgn"), answers(shown)),
    "after a value that is NaN": (partial(after_a_mistake, area=float("nan")), answers(shown)),
}

COMMANDS: Ways = {
    "as it is meant": (files, answers(lambda text: shown("out/answers.csv", 3))),
    "nothing set": (
        lambda: (pictures(), Path("scans/rows.csv").write_text(written()), command("generate", "m", "scans/rows.csv")),
        refuses("nothing is set"),
    ),
    "several values": (partial(files, "--do", "age=40,50"), refuses("age", "several values")),
    "a picture that changed": (
        partial(files, changed=lambda: picture(32, "scans/01.png")),
        refuses("something else"),
    ),
    "another way of reading": (partial(files, "--fit", "crop", changed=lambda: None), refuses("something else")),
    "a row more": (
        partial(files, changed=lambda: Path("scans/rows.csv").write_text(written() + "00.png,51,male,8\n")),
        refuses("something else"),
    ),
    "an age out of bounds": (partial(files, text=written("200")), refuses("age", "200", "line 4")),
    "known twice": (partial(files, "--given", "age=50"), refuses("two values of age")),
    "a column of levels that isn't there": (
        partial(files, "--balance", "sex", text="file,age,dose\n00.png,50,8\n"),
        refuses("sex"),
    ),
    "an engine with a typo": (partial(files, "--engine", "rya"), refuses("rya", "ray")),
    "a table that isn't there": (
        lambda: (pictures(), command("generate", "m", "rows.csv", "--do", "area=70")),
        refuses("rows.csv"),
    ),
}

STORES: Ways = {
    "as it is meant": (stored, answers(lambda table: len(table) == 8)),
    "in two processes": (partial(stored, workers=2), answers(lambda table: len(table) == 8)),
    "no parts": (partial(stored, []), refuses("parts")),
    "a table for the parts": (lambda: stored(part()), refuses("parts", "functions", "Table")),
    "a part that is a table": (lambda: stored([part()]), refuses("parts", "functions")),
    "a part that makes no table": (partial(stored, [rows]), refuses("Table", "dict")),
    "a part that fails": (partial(stored, [part, lambda: part(age=torch.full((4,), 999.0))]), refuses("age", "999")),
    "parts of other images": (partial(stored, [part, wider]), refuses("graph")),
    "parts about something else": (
        lambda: (stored(), stored(about="squares")),
        refuses("discs", "something else"),
    ),
    "no word of what about": (lambda: ci.store_table("discs", [part]), refuses("about")),  # type: ignore[call-arg]
    "workers below none": (partial(stored, workers=-1), refuses("workers")),
    "a folder of the user's": (lambda: (put("discs/mine.txt")(), stored()), refuses("mine.txt")),
    "what can't go to another process": (
        partial(stored, [lambda: (_ for _ in ()).throw(UnsendableError())], workers=1),
        refuses("UnsendableError", also=(RuntimeError,)),
    ),
    "no folder": (lambda: ci.load_table("discs"), refuses("discs")),
    "a file that is missing": (
        partial(loaded, lambda: Path("discs/values.x.npy").unlink()),
        refuses("values.x.npy"),
    ),
    "a file that was cut": (partial(loaded, shorter("discs/values.x.npy")), refuses("values.x.npy")),
    "a list of parts that is none": (
        partial(loaded, lambda: Path("discs/parts.jsonl").write_text("[]\n")),
        refuses("parts.jsonl"),
    ),
    "cut short": (
        partial(loaded, lambda: _cut("discs/parts.jsonl")),
        refuses("discs", "not finished"),
    ),
}

READ: Ways = {
    "as it is meant": (read, answers(lambda table: len(table) == 3)),
    "a picture that changed": (
        partial(read, lambda: picture(32, "scans/01.png")),
        refuses("discs", "files"),
    ),
    "a cell that changed": (
        partial(read, lambda: Path("scans/rows.csv").write_text(written("51", area="60"))),
        refuses("discs", "csv"),
    ),
    "a function to normalise": (
        partial(read, normalise=lambda pixels: pixels / 255),
        refuses("normalise", "Percentile"),
    ),
    "workers below none": (partial(read, workers=-1), refuses("workers")),
    "a mistake that was mended": (lambda: mended(), answers(lambda table: len(table) == 3)),
}


class UnsendableError(ValueError):
    """An error that no process can send to another."""

    def __init__(self) -> None:
        super().__init__("can not be sent")
        self.how = lambda: None


def mended() -> Any:
    """A table on disk of a CSV file whose mistake was said, and mended."""
    Path("scans").mkdir()
    for i in range(3):
        picture(name=f"scans/{i:02d}.png")
    Path("scans/rows.csv").write_text(written("old", area="60"))
    again = partial(ci.read_table, Disc, "scans/rows.csv", store="discs")
    try:
        again()
    except ci.TableError:
        Path("scans/rows.csv").write_text(written(area="60"))
        return again()
    raise AssertionError("it was taken")


def _cut(path: str) -> None:
    """A file without its last line."""
    Path(path).write_text("".join(Path(path).read_text().splitlines(keepends=True)[:-1]))


def _mine() -> bool:
    paths = [Path("out/mine.txt"), Path("discs/mine.txt")]
    return all(path.read_bytes() == MINE for path in paths if path.exists())


CASES = [
    Case(area, name, run, right, needs=needs, kept=_mine)
    for area, needs, ways in (
        ("answers in bulk", "generate", GENERATE),
        ("answers in bulk, by command", "generate", COMMANDS),
        ("tables on disk", "store_table", STORES),
        ("tables on disk, of files", "store_table", READ),
    )
    for name, (run, right) in ways.items()
]
