"""The command line: a user's mistake is said in a line or two, never as a traceback."""

import contextlib
import io
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image

import causalimg as ci
from benchmarks.reliability.case import Case, Right, answers, either, refuses
from benchmarks.reliability.cases.declaring import HEART
from benchmarks.reliability.cases.tables import huge_png
from benchmarks.reliability.world import model, rows

try:
    from causalimg.cli import main
except ImportError:
    main = None


class RefusedError(ValueError):
    """What the command line said before it ended with a code other than 0."""


class TracebackError(RuntimeError):
    """The command line ended with a traceback."""


def command(*words: str) -> str:
    """What ``causalimg`` with these words prints. Raises `RefusedError` or `TracebackError`."""
    out, err = io.StringIO(), io.StringIO()
    sys.argv = ["causalimg", *words]
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as end:
            if end.code not in (0, None):
                raise RefusedError(err.getvalue() or out.getvalue()) from None
        except BaseException as error:
            raise TracebackError(f"{type(error).__name__}: {error}") from None
    return out.getvalue()


def picture(size: int = 16, name: str = "heart.png") -> None:
    """A picture of a disc."""
    pixels = (255 * rows()["x"][0, 0]).byte().numpy()
    PIL.Image.fromarray(pixels).resize((size, size)).save(name)


def ask(*words: str, prepare: Callable[[], Any] = lambda: None) -> str:
    """``causalimg do`` of a model of discs with these words."""
    model().save("m")
    picture()
    prepare()
    return command("do", *words)


KNOWN = ("--given", "age=50", "--given", "sex=male", "--given", "dose=8")
READER = ("m", "heart.png")


def without_reader() -> None:
    """The model without its reader, which is code."""
    made = ci.compile(model().graph, **{name: type(m)(**dict(m.spec)) for name, m in model().mechanisms.items()})
    made.load_state_dict({k: v for k, v in model().state_dict().items() if not k.startswith("readers.")})
    made.save("m")


def of_areas(*words: str, prepare: Callable[[], Any] = lambda: None) -> str:
    """The same of the model without its reader, and the area given."""

    def both() -> None:
        without_reader()
        prepare()

    return ask(*READER, *words, *KNOWN, "--given", "area=60", prepare=both)


ASKED: dict[str, tuple[Callable[[], Any], Right]] = {
    "do, as it is meant": (partial(of_areas, "area=70"), answers(lambda text: "area: 60 px -> 70 px" in text)),
    "do, and a level": (partial(of_areas, "sex=female"), answers(lambda text: "male -> female" in text)),
    "do without words": (partial(command, "do"), refuses("missing argument")),
    "do of a folder that is not there": (partial(command, "do", "none", "heart.png", "area=60"), refuses("none")),
    "do of a folder without a model": (
        lambda: (Path("m").mkdir(), picture(), command("do", "m", "heart.png", "area=60")),
        refuses("m", "spec.json"),
    ),
    "do of a file": (
        lambda: (Path("m").write_text("x"), picture(), command("do", "m", "heart.png", "a=1")),
        refuses("m"),
    ),
    "do of a picture that is not there": (partial(ask, "m", "hart.png", "area=60"), refuses("hart.png")),
    "do of a folder without pictures": (partial(ask, "m", "m", "area=60"), refuses("m holds no image")),
    "do of a text for a picture": (
        partial(ask, "m", "heart.png", "area=60", prepare=lambda: Path("heart.png").write_text("x")),
        refuses("heart.png"),
    ),
    "do of a huge picture": (
        partial(ask, "m", "heart.png", "area=60", prepare=lambda: huge_png(Path("heart.png"))),
        refuses("heart.png", "pixels"),
    ),
    "do of an NPZ of the wrong shape": (
        partial(ask, "m", "heart.npz", "area=60", prepare=lambda: np.savez("heart.npz", np.zeros((2, 3, 4, 5)))),
        refuses("(2, 3, 4, 5)"),
    ),
    "do of nothing": (partial(ask, *READER), refuses("nothing is set")),
    "do of no name=value": (partial(of_areas, "area"), refuses("name=value", "area")),
    "do of no value": (partial(of_areas, "area="), refuses("name=value", "area=")),
    "do of a name with a typo": (partial(of_areas, "aera=60"), refuses("aera", "Did you mean 'area'")),
    "do of a level with a typo": (partial(of_areas, "sex=mael"), refuses("mael", "Did you mean 'male'")),
    "do of a text for a number": (partial(of_areas, "area=large"), refuses("area", "large")),
    "do of NaN": (partial(of_areas, "area=nan"), refuses("area", "nan")),
    "do out of bounds": (partial(of_areas, "age=200"), refuses("age", "200")),
    "do beyond float32": (partial(of_areas, "dose=1e300"), refuses("dose", "1e+300")),
    "do of a name twice": (partial(of_areas, "area=60", "area=70"), refuses("two values of area")),
    "do of the image": (partial(of_areas, "x=0"), refuses("x", "(1, 16, 16)")),
    "do, and a name with a typo given": (
        partial(of_areas, "area=60", "--given", "aeg=50"),
        refuses("aeg", "Did you mean 'age'"),
    ),
    "do, and no age given": (
        lambda: (model().save("m"), picture(), without_reader(), command("do", *READER, "area=60")),
        refuses("missing", "age"),
    ),
    "do, and an option with a typo": (partial(of_areas, "area=60", "--givn", "age=50"), refuses("--givn")),
    "do, drawn into a folder that is not there": (
        partial(of_areas, "area=70", "--out", "none/a.png"),
        either(lambda said: Path("none/a.png").exists(), "none"),
    ),
    "do, drawn in an unknown format": (partial(of_areas, "area=70", "--out", "a.jpq"), refuses("jpq")),
    "do of a model whose spec is no JSON": (
        partial(of_areas, "area=70", prepare=lambda: Path("m/spec.json").write_text("{")),
        refuses("spec.json"),
    ),
    "do of a model that was never fitted": (
        partial(of_areas, "area=70", prepare=lambda: ci.compile(model().graph).save("m")),
        refuses("fit"),
    ),
    "do of a model of numbers": (
        partial(of_areas, "age=50", prepare=lambda: ci.compile(ci.Graph.of(age=ci.Continuous())).save("m")),
        refuses("image"),
    ),
    "an unknown command": (partial(command, "ask"), refuses("ask")),
}


def compare(*words: str, prepare: Callable[[], Any] = lambda: None) -> str:
    """``causalimg compare`` with these words."""
    prepare()
    return command("compare", *words)


def a_table() -> None:
    """A graph, a CSV of one heart without masks, and the study of both."""
    Path("heart.yaml").write_text(HEART.replace("mm2", "px"))
    image = "{kind: FlowMatching, widths: [8, 8]}"  # of eight pixels
    Path("study.yaml").write_text(f"{{csv: heart.csv, graph: heart.yaml, plan: {{image: {image}}}}}")
    Path("heart.csv").write_text("file,age,sex,lv\na.png,50,male,9\n")
    picture(8, "a.png")


COMPARED: dict[str, tuple[Callable[[], Any], Right]] = {
    "compare without words": (partial(compare), refuses("missing argument")),
    "compare of a phantom with a typo": (partial(compare, "hart"), refuses("hart", "Did you mean 'heart'")),
    "compare of a phantom of 7 pixels": (partial(compare, "heart", "--size", "7"), refuses("size", "7")),
    "compare of a size that is a text": (partial(compare, "heart", "--size", "big"), refuses("--size")),
    "compare by a method with a typo": (
        partial(compare, "heart", "--size", "32", "--steps", "1", "--methods", "segmenter"),
        refuses("segmenter", "Did you mean 'segmentor'"),
    ),
    "compare by no method": (
        partial(compare, "heart", "--size", "32", "--steps", "1", "--methods", ""),
        refuses("method"),
    ),
    "compare of a seed that is a text": (
        partial(compare, "heart", "--size", "32", "--steps", "1", "--seeds", "one"),
        refuses("seeds", "one"),
    ),
    "compare in 0 steps": (partial(compare, "heart", "--size", "32", "--steps", "0"), refuses("--steps")),
    "compare in -5 steps": (partial(compare, "heart", "--size", "32", "--steps", "-5"), refuses("--steps")),
    "compare of a graph that is not there": (
        partial(compare, "study.yaml", "--set", "graph=g.yaml", prepare=a_table),
        refuses("g.yaml"),
    ),
    "compare of a CSV that is not there": (
        partial(compare, "study.yaml", "--set", "csv=none.csv", prepare=a_table),
        refuses("none.csv"),
    ),
    "compare of a graph that is no YAML": (
        partial(compare, "study.yaml", prepare=lambda: (a_table(), Path("heart.yaml").write_text("["))),
        refuses("yaml"),
    ),
    "compare of a table without masks": (
        partial(compare, "study.yaml", prepare=a_table),
        refuses("masks"),
    ),
    "compare of a table with masks that are not there": (
        partial(compare, "study.yaml", "--set", "masks=none", "--set", "structures=[lv]", prepare=a_table),
        refuses("none"),
    ),
    "compare into a file": (
        partial(
            compare, "heart", "--size", "32", "--steps", "1", "--out", "o", prepare=lambda: Path("o").write_text("x")
        ),
        refuses("o"),
    ),
    "demo of a seed that is a text": (partial(command, "demo", "--seed", "one"), refuses("--seed")),
    "demo in 0 steps": (partial(command, "demo", "--steps", "0"), refuses("--steps")),
    "demo into a file": (
        lambda: (Path("o").write_text("x"), command("demo", "--steps", "1", "--out", "o")),
        refuses("o"),
    ),
}

CASES = [Case("the command line", name, run, right) for name, (run, right) in (ASKED | COMPARED).items()]
