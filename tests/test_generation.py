"""Answers in bulk: every row has exactly one, bitwise that of `do`, whoever is killed and however often it is asked."""

import csv
import os
import signal
import subprocess
import sys
import time
from functools import partial
from importlib.util import find_spec

import numpy as np
import pandas
import PIL.Image
import pytest
import torch
from strategies import as_if_fitted
from test_command_line import run

import causalimg as ci
from causalimg.generation import bulk as module
from causalimg.generation import job
from causalimg.support import supports_of

pytestmark = pytest.mark.filterwarnings("ignore:.*hardly occurred together", "ignore:.*hardly follows")

GRAPH = ci.Graph.of(
    age=ci.Continuous(unit="year", bounds=(0, 110)),
    finding=ci.Categorical(levels=("none", "pneumonia", "edema")),
    x=ci.Image(parents=["age", "finding"], shape=(1, 16, 16)),
)
N = 25


@pytest.fixture(scope="module")
def table():
    draw = torch.Generator().manual_seed(0)
    values = {"age": 20 + 60 * torch.rand(N, generator=draw), "finding": (torch.arange(N) % 7).clamp(max=2)}
    values |= {"x": torch.rand(N, 1, 16, 16, generator=draw)}
    return ci.Table(GRAPH, values, extra={"file": [f"{i}.png" for i in range(N)], "patient": ["p"] * N})


@pytest.fixture(scope="module")
def model(table):
    made = as_if_fitted(ci.compile(GRAPH, x=ci.FlowMatching(widths=(4, 4), steps=2)))
    made.supports = supports_of(GRAPH, table.values)
    return made


@pytest.fixture(autouse=True)
def few(monkeypatch):
    monkeypatch.setattr(module, "PART", 4)


def lines(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def pixels(path):
    return np.asarray(PIL.Image.open(path))


def contents(out):
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}


def test_each_row_has_one_answer_which_is_that_of_do(model, table, tmp_path):
    said = lines(ci.generate(model, table, tmp_path / "out", age=ci.shift(10)))
    assert [int(line["row"]) for line in said] == list(range(N))
    assert [line["factual file"] for line in said] == table.extra["file"]
    assert {line["seed"] for line in said} == {"0"}
    assert torch.allclose(torch.tensor([float(line["asked age"]) for line in said]), table["age"] + 10)
    for row in (0, 3, 4, 24):
        model.do(table.rows([row]), age=ci.shift(10)).save(tmp_path / "one")
        assert np.array_equal(pixels(tmp_path / "out" / said[row]["file"]), pixels(tmp_path / "one" / "0000.png"))
    assert len({line["file"] for line in said}) == N


def test_values_may_be_one_for_each_row(model, table, tmp_path):
    ages = torch.linspace(30, 70, N)
    said = lines(ci.generate(model, dict(table.values), tmp_path / "out", kind="npz", age=ages, finding="edema"))
    assert torch.allclose(torch.tensor([float(line["age"]) for line in said]), ages)
    assert {line["finding"] for line in said} == {"edema"}
    with pytest.raises(ValueError, match="age: 3 values, expected one for each of 25 rows"):
        ci.generate(model, table, tmp_path / "other", age=[1.0, 2.0, 3.0])


def test_what_is_there_is_not_made_again(model, table, tmp_path, monkeypatch):
    out = tmp_path / "out"
    ci.generate(model, table, out, age=50.0)
    before = contents(out)
    for part in ("000001", "000005"):
        for path in (out / "parts" / part).iterdir():
            path.unlink()
        (out / "parts" / part).rmdir()
    (out / "parts" / f"{job.STRAY}left").mkdir()
    made = []
    real = job.save_answers
    monkeypatch.setattr(job, "save_answers", lambda *args: (made.append(1), real(*args)))
    ci.generate(model, table, out, age=50.0)
    assert (len(made), contents(out)) == (2, before)


def test_other_answers_are_left_alone(model, table, tmp_path):
    out = tmp_path / "out"
    ci.generate(model, table, out, age=50.0)
    before = contents(out)
    for how in ({"age": 51.0}, {"age": 50.0, "seed": 1}, {"age": 50.0, "kind": "npz"}):
        with pytest.raises(FileExistsError, match="holds answers to something else"):
            ci.generate(model, table, out, **how)
    with pytest.raises(FileExistsError, match="something else"):
        ci.generate(model, table.rows(range(20)), out, age=50.0)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "a.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="holds something else"):
        ci.generate(model, table, tmp_path / "mine", age=50.0)
    assert contents(out) == before


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"agee": 50.0}, "Did you mean 'age'"),
        ({"age": 500.0}, "age"),
        ({"age": 50.0, "engine": "rai"}, "Did you mean 'ray'"),
        ({"age": 50.0, "kind": "pgn"}, "Did you mean 'png'"),
        ({"age": 50.0, "workers": 0}, "workers"),
        ({}, ""),
    ],
)
def test_mistakes_are_said_at_once(model, table, tmp_path, how, message):
    if how:
        with pytest.raises(ValueError, match=message):
            ci.generate(model, table, tmp_path / "out", **how)
    else:
        with pytest.raises(ValueError, match="no rows"):
            ci.generate(model, table.rows(range(0)), tmp_path / "out", age=50.0)


def test_levels_are_evened_out(table):
    rows, levels = ci.balance(GRAPH, table, "finding")
    after = torch.cat([table["finding"], levels]).bincount()
    assert len(set(after.tolist())) == 1
    assert (table["finding"][rows] != levels).all()
    for level in range(3):
        drawn = rows[levels == level].bincount(minlength=N)
        others = drawn[table["finding"] != level]
        assert others.max() - others.min() <= 1
    assert not torch.equal(ci.balance(GRAPH, table, "finding", seed=1).rows, rows)
    with pytest.raises(ValueError, match="age has numbers"):
        ci.balance(GRAPH, table, "age")
    with pytest.raises(ValueError, match="Did you mean 'finding'"):
        ci.balance(GRAPH, table, "findin")
    with pytest.raises(ValueError, match="nothing to even out"):
        ci.balance(GRAPH, table.where(finding="none"), "finding")
    with pytest.raises(ValueError, match="equally frequent"):
        ci.balance(GRAPH, table.rows([0, 1, 2]), "finding")


def by_name(table):
    return {**table.values, "finding": [GRAPH["finding"].levels[i] for i in table["finding"]]}


FORMS = {
    "levels by name": by_name,
    "arrays": lambda table: {name: value.numpy() for name, value in table.values.items()},
    "a frame in another order of its index": lambda table: pandas.DataFrame(
        by_name(table) | {"x": list(table["x"].numpy())}, index=range(N)[::-1]
    ),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=list(FORMS))
def test_rows_may_be_whatever_do_takes(model, table, tmp_path, form):
    expected = lines(ci.generate(model, dict(table.values), tmp_path / "table", even="finding"))
    assert lines(ci.generate(model, form(table), tmp_path / "form", even="finding")) == expected
    assert pixels_of(tmp_path / "form") == pixels_of(tmp_path / "table")


def pixels_of(out):
    return {path: content for path, content in contents(out).items() if path.endswith(".png")}


def test_one_value_may_come_in_any_form(model, table, tmp_path):
    for i, value in enumerate((50.0, torch.tensor(50.0), np.array([50.0]), [50.0], "50%")):
        said = lines(ci.generate(model, table, tmp_path / str(i), age=value))
        wanted = 0.5 * table["age"] if value == "50%" else torch.full((N,), 50.0)
        assert torch.allclose(torch.tensor([float(line["age"]) for line in said]), wanted)


def test_rows_have_the_numbers_that_they_have_in_the_table(model, table, tmp_path):
    said = lines(ci.generate(model, table, tmp_path / "out", even="finding"))
    for line in said:
        assert line["factual finding"] == GRAPH["finding"].levels[table["finding"][int(line["row"])]]
        assert line["factual file"] == f"{line['row']}.png"


OTHERS = {
    "one value among many": lambda m, t: (m, t, {"age": [40.0] * 12 + [41.0] + [40.0] * 12}),
    "an extra column": lambda m, t: (m, ci.Table(GRAPH, t.values, extra={**t.extra, "patient": ["q"] * N}), {}),
    "settings of a mechanism": lambda m, t: (of_more_steps(m), t, {}),
}


def of_more_steps(model):
    made = as_if_fitted(ci.compile(GRAPH, x=ci.FlowMatching(widths=(4, 4), steps=3)))
    made.load_state_dict(model.state_dict())
    made.supports = model.supports
    return made


@pytest.mark.parametrize("other", OTHERS.values(), ids=list(OTHERS))
def test_what_differs_in_little_is_something_else(model, table, tmp_path, other):
    ci.generate(model, table, tmp_path / "out", age=[40.0] * N)
    model, table, asked = other(model, table)
    with pytest.raises(FileExistsError, match="holds answers to something else"):
        ci.generate(model, table, tmp_path / "out", **({"age": [40.0] * N} | asked))


@pytest.mark.parametrize(
    ("asked", "error", "message"),
    [
        ({"age": lambda factual: factual + 1}, TypeError, "age: expected a value, scale.*got function"),
        ({"even": "finding", "finding": "none"}, ValueError, "finding is set already"),
        ({"age": 50.0, "workers": 2}, ValueError, "workers=2 is for engine='ray'"),
        ({"age": [float("nan")] * N}, ValueError, "age, row 0"),
        ({"support": "refuse"}, ValueError, "unknown variable 'support'"),
        ({"age": 500.0}, ValueError, "age, row 0: 500"),
    ],
)
def test_what_is_refused_leaves_nothing(model, table, tmp_path, asked, error, message):
    with pytest.raises(error, match=message):
        ci.generate(model, table, tmp_path / "out", **asked)
    assert not (tmp_path / "out").exists()


def test_what_was_killed_before_it_began_is_no_hindrance(model, table, tmp_path):
    (tmp_path / "out" / "parts").mkdir(parents=True)
    (tmp_path / "out" / f"{job.STRAY}left").touch()
    assert len(lines(ci.generate(model, table, tmp_path / "out", age=50.0))) == N
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["answers.csv", "generation.json", "parts"]


def test_a_column_of_the_answers_own_is_refused(model, table, tmp_path):
    with pytest.raises(ValueError, match="a column 'row' of its own"):
        ci.generate(model, ci.Table(GRAPH, table.values, extra={"row": ["1"] * N}), tmp_path / "out", age=50.0)


def test_an_error_says_from_which_row_its_rows_are_counted(model, table, tmp_path):
    old = {**table.values, "age": torch.tensor([50.0] * 9 + [105.0] + [50.0] * (N - 10))}
    with pytest.raises(ValueError, match=r"rows counted from 8: .*age, row 1: 115"):
        ci.generate(model, old, tmp_path / "out", age=ci.shift(10))


def test_another_part_is_made_by_who_is_faster(model, table, tmp_path, monkeypatch):
    real = job.save_answers

    def slow(answers, fresh, kind):
        real(answers, fresh.with_name(said.pop(0)), kind)  # somebody else, meanwhile
        real(answers, fresh, kind)

    said = [f"{number:06d}" for number in range(7)]
    monkeypatch.setattr(job, "save_answers", slow)
    assert len(lines(ci.generate(model, table, tmp_path / "out", age=50.0))) == N
    assert len(list((tmp_path / "out" / "parts").iterdir())) == 7


@pytest.mark.skipif(find_spec("ray") is None, reason="needs ray: pip install 'causalimg[scale]'")
def test_ray_gives_the_same_though_a_worker_is_killed(model, table, tmp_path):
    ci.generate(model, table, tmp_path / "here", age=50.0)
    model.save(tmp_path / "model")
    torch.save(dict(table.values), tmp_path / "rows.pt")
    script = tmp_path / "work.py"
    script.write_text(
        "import sys, torch, warnings\n"
        "import causalimg as ci\n"
        "from causalimg.generation import bulk as module\n"
        "warnings.simplefilter('ignore')\n"
        "module.PART = 4\n"
        "if __name__ == '__main__':\n"
        "    folder = sys.argv[1]\n"
        "    model, rows = ci.CausalModel.load(folder + '/model'), torch.load(folder + '/rows.pt')\n"
        "    ci.generate(model, rows, folder + '/ray', engine='ray', workers=2, age=50.0)\n"
    )
    work = subprocess.Popen([sys.executable, script, tmp_path])
    killed, begun = 0, time.monotonic()
    while work.poll() is None and time.monotonic() - begun < 240:
        if not killed and (found := ray_workers()):
            os.kill(found[0], signal.SIGKILL)
            killed += 1
        time.sleep(0.02)
    assert (work.returncode, killed) == (0, 1)
    here, there = lines(tmp_path / "here" / "answers.csv"), lines(tmp_path / "ray" / "answers.csv")
    assert [line["row"] for line in there] == [line["row"] for line in here]
    for one, other in zip(here, there, strict=True):
        assert np.array_equal(pixels(tmp_path / "here" / one["file"]), pixels(tmp_path / "ray" / other["file"]))
    assert not list((tmp_path / "ray" / "parts").glob(f"{job.STRAY}*"))


def ray_workers():
    said = subprocess.run(["ps", "-eo", "pid=,args="], capture_output=True, text=True, check=True).stdout
    return [int(line.split()[0]) for line in said.splitlines() if "ray::" in line and "Maker" in line]


def test_a_table_is_evened_out_by_answers(model, table, tmp_path):
    said = lines(ci.generate(model, table, tmp_path / "out", even="finding"))
    answered = torch.tensor([GRAPH["finding"].levels.index(line["finding"]) for line in said])
    assert len(set(torch.cat([table["finding"], answered]).bincount().tolist())) == 1
    assert all(line["finding"] != line["factual finding"] for line in said)
    with pytest.raises(ValueError, match="nothing is set"):
        ci.generate(model, table, tmp_path / "other")


@pytest.fixture
def say(model, table, tmp_path, monkeypatch, capsys):
    """The command line, in a folder with the model, a CSV file of pictures, and a table on disk."""
    monkeypatch.chdir(tmp_path)
    model.save("model")
    for i, one in enumerate((255 * table["x"][:, 0]).byte().numpy()):
        PIL.Image.fromarray(one).save(f"{i}.png")
    rows = [f"{i}.png,{table['age'][i]:.1f},{GRAPH['finding'].levels[table['finding'][i]]},p{i}" for i in range(N)]
    (tmp_path / "rows.csv").write_text("\n".join(["file,age,finding,patient", *rows]))
    return partial(run, monkeypatch, capsys)


def test_by_command(say, tmp_path):
    words = ["generate", "model", "rows.csv", "--do", "age=shift(10)", "--out", "files"]
    for _ in range(2):
        code, said = say(*words)
        assert (code, said.out) == (0, f"{tmp_path}/files/answers.csv names all answers and what they measure\n")
    found = lines(tmp_path / "files" / "answers.csv")
    assert [line["factual file"] for line in found] == [f"{i}.png" for i in range(N)]
    assert {line["patient"] for line in found} == {f"p{i}" for i in range(N)}
    ci.read_table(GRAPH, "rows.csv", store="stored")
    assert say("generate", "model", "stored", "--do", "age=shift(10)", "--out", "disk")[0] == 0
    for one, other in zip(found, lines(tmp_path / "disk" / "answers.csv"), strict=True):
        assert np.array_equal(pixels(tmp_path / "files" / one["file"]), pixels(tmp_path / "disk" / other["file"]))
    assert say("generate", "model", "rows.csv", "--balance", "finding", "--out", "even")[0] == 0
    assert {line["finding"] for line in lines(tmp_path / "even" / "answers.csv")} == {"none", "pneumonia"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--do", "agee=3"], "Did you mean 'age'"),
        (["--balance", "findin"], "Did you mean 'finding'"),
        (["--balance", "age"], "age has numbers"),
        ([], "nothing is set"),
        (["--do", "age=40,50"], "several values are questions about one image"),
        (["--do", "finding=none", "--given", "age=50"], "two values of age: in the table, and by --given"),
    ],
)
def test_mistakes_by_command(say, words, message, tmp_path):
    code, said = say("generate", "model", "rows.csv", *words, "--out", "out")
    assert (code, message in said.err) == (1, True)
    assert not (tmp_path / "out").exists()


def test_files_that_changed_are_other_rows(say, tmp_path):
    words = ["generate", "model", "rows.csv", "--do", "age=50", "--out", "out"]
    assert say(*words)[0] == 0
    code, said = say(*words, "--fit", "crop")
    assert (code, "holds answers to something else" in said.err) == (1, True)
    PIL.Image.fromarray(np.zeros((16, 16), np.uint8)).save("3.png")
    code, said = say(*words)
    assert (code, "holds answers to something else" in said.err) == (1, True)


def test_what_counts_for_files_is_refused_for_a_table_on_disk(say):
    ci.read_table(GRAPH, "rows.csv", store="stored")
    for option, value in (("--given", "age=50"), ("--images", "there"), ("--fit", "crop"), ("--spacing", "0.3")):
        code, said = say("generate", "model", "stored", "--do", "finding=none", option, value)
        assert (code, f"{option}: stored is a table on disk" in said.err) == (1, True)
