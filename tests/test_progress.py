"""What is said of a training that takes long: lines in a log file, a bar on a terminal."""

import io

import pytest
from rich.console import Console

from causalimg.training import progress as module
from causalimg.training.counting import Counting
from causalimg.training.progress import progress

ROW = {"step": 4, "seconds": 1.0, "samples_per_second": 41.6, "loss": 1.25, "lr": 1e-3}


@pytest.fixture
def shown(monkeypatch):
    """Where it is shown, and a clock to set; no terminal unless that is asked for."""
    file, clock = io.StringIO(), {"now": 0.0}
    made = {"terminal": False}
    console = lambda **_: Console(file=file, force_terminal=made["terminal"], width=100)  # noqa: E731
    monkeypatch.setattr(module, "Console", console)
    monkeypatch.setattr(module.time, "monotonic", lambda: clock["now"])
    return file, clock, made


def test_a_log_file_gets_a_line_every_half_minute_and_one_in_the_end(shown):
    file, clock, _ = shown
    with progress("x", 100, show=True) as advance:
        for step in range(1, 101):
            clock["now"] = float(step)
            advance(step, [ROW] if step > 3 else [])
    lines = file.getvalue().splitlines()
    assert lines[0] == "x: 30 of 100 steps after 0:00:30, 0:01:10 left, 42 rows/s, loss 1.25"
    assert [line.split(" steps")[0] for line in lines] == [
        "x: 30 of 100",
        "x: 60 of 100",
        "x: 90 of 100",
        "x: 100 of 100",
    ]
    assert lines[-1] == "x: 100 of 100 steps after 0:01:40, 42 rows/s, loss 1.25"


def test_what_a_checkpoint_had_done_takes_no_time(shown):
    file, clock, _ = shown
    with progress("x", 100, show=True) as advance:
        for step in range(61, 101):
            clock["now"] = float(step - 60)
            advance(step, [])
    assert file.getvalue().splitlines()[0] == "x: 90 of 100 steps after 0:00:30, 0:00:10 left"


def test_a_terminal_gets_a_bar_and_nobody_gets_anything_unasked(shown):
    file, _, made = shown
    with progress("x", 3, show=False) as advance:
        advance(1, [])
    assert file.getvalue() == ""
    made["terminal"] = True
    with progress("x", 3, show=True) as advance:
        advance(2, [ROW])
    assert "2/3" in file.getvalue()
    assert "━" in file.getvalue()


def test_what_is_counted_is_said_every_half_minute_and_what_is_quick_not_at_all(shown):
    file, clock, _ = shown
    with Counting("reading a.csv", 100, "rows") as counted:
        for second in range(1, 101):
            clock["now"] = float(second)
            counted.advance()
            assert bool(file.getvalue()) == (second >= 30)
    lines = file.getvalue().splitlines()
    assert lines[0] == "reading a.csv: 30 of 100 rows, 1 rows/s, 0:01:10 left"
    assert [line.split(" rows,")[0] for line in lines] == [f"reading a.csv: {n} of 100" for n in (30, 60, 90)]


def test_a_bar_of_what_is_counted_begins_when_it_takes_long_and_goes_in_the_end(shown):
    file, clock, made = shown
    made["terminal"] = True
    with Counting("asking", 9, "images") as counted:
        counted.advance(3)
        assert file.getvalue() == ""
        clock["now"] = 3.0
        counted.advance(3)
        assert "asking: 6 of 9 images, 2 images/s, 0:00:02 left" in file.getvalue()
    assert file.getvalue().endswith("\x1b[2K")  # the line is cleared
