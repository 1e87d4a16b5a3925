"""The program that measures reliability: its verdicts, its limits, and that what it says holds of a sample."""

import json
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.reliability import case, page, runner  # noqa: E402

EVERY = 25
"""One case of so many is tried here."""


def fail(kind, text):
    raise kind(text)


def forever():
    while True:
        pass


def verdict(run, right, **more):
    return runner.verdict(case.Case("made up", "made up", run, right, **more)).word


@pytest.mark.parametrize(
    ("run", "right", "word"),
    [
        (lambda: 3, case.answers(lambda answer: answer == 3), case.RIGHT),
        (lambda: 4, case.answers(lambda answer: answer == 3), case.SILENT),
        (lambda: 3, case.refuses("area"), case.SILENT),
        (partial(fail, ValueError, "area: 3 is none"), case.refuses("area"), case.RIGHT),
        (partial(fail, ValueError, "bad value"), case.refuses("area"), case.CONFUSING),
        (partial(fail, ValueError, "area " * 1000), case.refuses("area"), case.CONFUSING),
        (partial(fail, ValueError, "area: 3 is none"), case.answers(), case.CONFUSING),
        (partial(fail, ValueError, "area: 3 is none"), case.either(bool, "area"), case.RIGHT),
        (partial(fail, KeyError, "area"), case.refuses("area"), case.CRASH),
        (partial(fail, RuntimeError, "area"), case.refuses("area"), case.CRASH),
        (partial(fail, RuntimeError, "area"), case.refuses("area", also=(RuntimeError,)), case.RIGHT),
        (partial(fail, KeyboardInterrupt, "area"), case.refuses("area"), case.CRASH),
        (lambda: 3, case.warns("area"), case.SILENT),
        (lambda: bytearray(2 * runner.BYTES), case.refuses(), case.CRASH),
        (lambda: os.kill(os.getpid(), signal.SIGKILL), case.refuses(), case.CRASH),
        (lambda: sys.exit(0), case.refuses(), case.CRASH),
    ],
)
def test_a_verdict(run, right, word):
    assert verdict(run, right) == word


def test_what_comes_from_deep_inside_another_library_is_confusing():
    import numpy

    assert (
        verdict(lambda: numpy.concatenate([]), case.refuses("array")) == case.RIGHT
    )  # raised in C: no frame is numpy's
    assert verdict(lambda: numpy.broadcast_shapes((2,), (3,)), case.refuses("shape")) == case.CONFUSING


def test_a_warning_that_names_it_will_do():
    import warnings

    assert verdict(lambda: warnings.warn("the area is unusual", stacklevel=1), case.warns("area")) == case.RIGHT


def test_what_is_gone_is_lost():
    def over():
        Path("mine").unlink()

    right = case.answers()
    assert verdict(lambda: Path("mine").write_text(""), right, kept=lambda: Path("mine").exists()) == case.RIGHT
    assert verdict(lambda: Path("mine").touch() or over(), right, kept=lambda: Path("mine").exists()) == case.LOST


def test_what_the_library_does_not_have_is_not_there():
    assert verdict(lambda: 3, case.answers(), needs="Oracle") == case.NOT_THERE
    assert verdict(lambda: 3, case.answers(), needs="CausalModel.do.oracle") == case.NOT_THERE
    assert verdict(lambda: 3, case.answers(), needs="CausalModel.do.particles") == case.RIGHT


def test_a_case_without_an_end_is_stopped(monkeypatch):
    monkeypatch.setattr(runner, "SECONDS", 0.2)
    assert verdict(forever, case.answers()) == case.CRASH


def test_a_case_leaves_nothing_behind():
    here = Path.cwd()
    assert verdict(lambda: Path("left").write_text("x"), case.answers()) == case.RIGHT
    assert not (here / "left").exists()


def python(*words):
    done = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    return done.stdout


def said(path):
    return {(one["area"], one["case"]): one["word"] for one in json.loads(path.read_text())["cases"]}


def test_what_is_said_to_be_right_is_right_in_a_sample_of_the_cases(tmp_path):
    results, out = tmp_path / "now.json", tmp_path / "page.md"
    python("-m", "benchmarks.reliability", "--every", str(EVERY), "--results", str(results), "--out", str(out))
    now, before = said(results), said(ROOT / "benchmarks/results/reliability.json")
    assert len(now) >= 50
    assert {
        name: word for name, word in now.items() if word != case.RIGHT and before.get(name) in (case.RIGHT, None)
    } == {}
    text = out.read_text()
    assert f"{len(now)} bad inputs" in text
    assert all(page.plain(name) in text for _, name in now)


def test_there_are_many_cases_and_each_has_a_name_of_its_own():
    found = python(
        "-c",
        "from benchmarks.reliability.cases import all_cases as a; print(*((c.area, c.name) for c in a()), sep='\\n')",
    )
    names = found.splitlines()
    assert len(names) >= 600
    assert [name for name in set(names) if names.count(name) > 1] == []
