"""Questions by command: about one image, many, or many values; in words that are parsed, never run."""

import csv
import json
from functools import partial
from pathlib import Path

import nibabel
import numpy as np
import PIL.Image
import pytest
import torch
from strategies import as_if_fitted
from test_command_line import run

import causalimg as ci
from causalimg.cli import many
from causalimg.cli.asking import Asking
from causalimg.cli.words import apart, settings, slices_of
from causalimg.support import supports_of

HVAE = ci.HVAE(widths=(4, 4), latents=(0, 2))
LEVELS = ("low", "a,b", "f(1)", "70%")
GRAPH = ci.Graph.of(
    age=ci.Continuous(unit="year", bounds=(0, 110)),
    sex=ci.Categorical(levels=("female", "male")),
    x=ci.Image(parents=["age", "sex"], shape=(1, 16, 16)),
)
WORDS = ci.Graph.of(a=ci.Continuous(), grade=ci.Categorical(levels=LEVELS), stage=ci.Categorical(levels=("1", "2")))
LEVELS_OF_SEX = ("female", "male")
GIVEN = ("--given", "age=40", "--given", "sex=male")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with a model, five images in a folder, and a table of them."""
    folder = tmp_path_factory.mktemp("asked")
    model = as_if_fitted(ci.compile(GRAPH, x=HVAE))
    model.supports = supports_of(GRAPH, {"age": torch.arange(101.0), "sex": torch.arange(101) % 2})
    model.save(folder / "model")
    (folder / "scans").mkdir()
    draw = np.random.default_rng(0)
    for i in range(5):
        PIL.Image.fromarray(draw.integers(0, 255, (16, 16)).astype(np.uint8)).save(folder / f"scans/{i}.png")
    rows = [f"{i}.png,p{i},{40 + i},{('female', 'male')[i % 2]}" for i in range(5)]
    (folder / "scans/rows.csv").write_text("\n".join(["file,patient,age,sex", *rows]))
    return folder


@pytest.fixture
def say(made, monkeypatch, capsys):
    monkeypatch.chdir(made)
    return partial(run, monkeypatch, capsys)


def table(folder):
    with (Path(folder) / "answers.csv").open() as file:
        return list(csv.DictReader(file))


def test_facts_that_nobody_knows_are_drawn_if_so_said(say, made, tmp_path):
    words = ["do", "model", "scans/0.png", "age=70", "--given", "age=40", "--out", str(tmp_path / "a.png")]
    assert "missing: sex" in say(*words)[1].err
    drawn = json.loads(say(*words, "--unknown", "draw", "--particles", "3", "--json")[1].out)["variables"]
    model = ci.CausalModel.load(made / "model")
    cf = model.do({"age": 40.0, "x": str(made / "scans/0.png")}, age=70.0, unknown="draw", particles=3, support="allow")
    assert drawn["sex"]["was"] == LEVELS_OF_SEX[int(cf.factual["sex"])]


@pytest.mark.filterwarnings("always:the column:UserWarning")
def test_quiet_says_results_and_mistakes_alone(say, made, tmp_path):
    (tmp_path / "rows.csv").write_text("file,agee\n0.png,50\n")
    words = ["do", "model", tmp_path / "rows.csv", "--images", "scans", *GIVEN, "--out", tmp_path / "all"]
    assert "300 is not a number in" in say("--quiet", *words, "age=300")[1].err
    assert "was 'age' meant?" in say(*words, "age=60")[1].err
    code, said = say("--quiet", *words, "age=60")
    assert (code, said.err) == (0, "")
    assert said.out.startswith("1 answers")


@pytest.mark.parametrize("images", [["scans"], [f"scans/{i}.png" for i in range(5)]], ids=["folder", "files"])
def test_many_images_are_asked_batch_by_batch_each_as_if_alone(say, images, monkeypatch, tmp_path):
    monkeypatch.setattr(many, "BATCH", 2)
    code, said = say("do", "model", *images, "age=60", *GIVEN, "--out", tmp_path / "all")
    assert (code, said.out) == (
        0,
        f"5 answers: {tmp_path}/all/answers.csv names and measures them; see {tmp_path}/all/figure.png\n",
    )
    rows = table(tmp_path / "all")
    assert [row["file"] for row in rows] == [f"000{i}.png" for i in range(5)]
    assert [row["factual file"] for row in rows] == [f"scans/{i}.png" for i in range(5)]
    assert {(row["factual age"], row["asked age"], row["sex"]) for row in rows} == {("40.0", "60.0", "male")}
    assert (tmp_path / "all/figure.png").exists()
    model = ci.CausalModel.load("model")
    for i in (0, 3, 4):
        model.do({"age": 40.0, "sex": "male", "x": model.read_image(f"scans/{i}.png")}, age=60.0).save(tmp_path / "one")
        assert (tmp_path / f"all/000{i}.png").read_bytes() == (tmp_path / "one/0000.png").read_bytes()


@pytest.mark.parametrize("words", [["scans/rows.csv"], ["--table", "scans/rows.csv"]], ids=["argument", "option"])
def test_a_table_says_what_is_known_of_each_image(say, words, tmp_path):
    code, said = say("do", "model", *words, "age=shift(-10)", "--out", tmp_path / "all", "--json")
    answer = json.loads(said.out)
    assert (code, answer["answers"]) == (0, 5)
    rows = table(tmp_path / "all")
    assert [(float(row["factual age"]), float(row["age"])) for row in rows] == [(40.0 + i, 30.0 + i) for i in range(5)]
    assert [row["sex"] for row in rows] == ["female", "male", "female", "male", "female"]
    assert [row["patient"] for row in rows] == [f"p{i}" for i in range(5)]
    assert [row["factual file"] for row in rows] == [f"{i}.png" for i in range(5)]


def test_files_of_a_table_are_where_it_is_said(say, tmp_path):
    (tmp_path / "rows.csv").write_text("file,age,sex\n3.png,40,male")
    words = ("do", "model", tmp_path / "rows.csv", "age=60", "--out", tmp_path / "all")
    code, said = say(*words)
    assert (code, "no file '3.png'" in said.err, "(line 2)" in said.err) == (1, True, True)
    assert say(*words, "--images", "scans")[0] == 0
    assert len(table(tmp_path / "all")) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fil,age,sex\n0.png,40,male", "missing column 'file'. Was 'fil' meant to be it?"),
        ("file,age,sex\n0.png,forty,male", "age: 'forty' is not a number (line 2)"),
        ("file,age,sex\n0.png,40,mal", "unknown level of sex 'mal'. Did you mean 'male'?"),
        ("file,age,sex,support\n0.png,40,male,1", "answers.csv has a column 'support' of its own"),
    ],
)
def test_a_mistake_in_a_table_of_images_is_said_in_words(say, tmp_path, text, message):
    (tmp_path / "rows.csv").write_text(text)
    code, said = say("do", "model", tmp_path / "rows.csv", "sex=male", "--images", "scans", "--out", tmp_path / "all")
    assert (code, message in said.err) == (1, True), said.err
    assert not (tmp_path / "all").exists()


def test_a_column_that_may_be_meant_for_a_variable_is_named(say, tmp_path, monkeypatch):
    monkeypatch.setattr("warnings.filters", [])
    (tmp_path / "rows.csv").write_text("file,aeg,sex\n0.png,40,male")
    said = say("do", "model", tmp_path / "rows.csv", "sex=male", "--images", "scans")[1]
    lines = said.err.splitlines()
    assert lines[0].endswith("warning: the column 'aeg' is no variable, and is left alone: was 'age' meant?")
    assert lines[1].startswith("causalimg do: missing: age")


def test_what_is_unusual_is_said_once(say, tmp_path, monkeypatch):
    monkeypatch.setattr("warnings.filters", [])
    monkeypatch.setattr(many, "BATCH", 2)
    code, said = say("do", "model", "scans", "age=109", *GIVEN, "--out", tmp_path / "all")
    assert (code, said.err.count("\n")) == (0, 1)
    assert "warning: 5 of 5 answers are of causes that hardly occurred together in training" in said.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["scans"], "nothing is set: say what, such as lv_area=900"),
        (["scans/0.png", "age"], "'age' is no file; what is set is said as name=value, such as age=900"),
        (["scans/9.png", "age=60"], "no file '9.png' in scans"),
        (["age=60"], "expected images, or one table of them"),
        (["scans/0.png", "scans/rows.csv", "age=60"], "expected images, or one table of them"),
        (["scans/0.png", "age=60", "--images", "scans"], "--images scans: the folder of a table's files"),
        (["model", "age=60"], "model holds no image: expected files that end in .png"),
        (["scans", "age=60,70"], "age: several values are questions about one image, and here are 5"),
        (["scans/rows.csv", "age=60", "--given", "sex=male"], "two values of sex: in the table, and by --given"),
        (["scans/0.png", "aeg=60"], "unknown variable 'aeg'. Did you mean 'age'?"),
        (["scans/0.png", "region=60"], "unknown variable 'region'"),
        (["scans/0.png", "age=scal(0.8)"], "age=scal(0.8): unknown change 'scal'. Did you mean 'scale'?"),
        (["scans/0.png", "age=60", "--slices", "a=1"], "--slices: unknown setting 'a'"),
        (["scans/0.png", "age=60", "--slices", "12"], "--slices: expected name=value, got '12'"),
    ],
)
def test_a_mistake_in_a_question_about_many_is_said_in_a_line(say, words, message):
    code, said = say("do", "model", *words)
    assert said.err.startswith(f"causalimg do: {message}")
    assert (code, said.err.count("\n")) == (1, 1)


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("a=900", 900.0),
        ("a=-1e3", -1000.0),
        ("a=70%", "70%"),
        ("a=scale(0.8)", ci.scale(0.8)),
        ("a=shift(-10)", ci.shift(-10)),
        ("a=percentile( 90 )", ci.percentile(90)),
        ("a=600, 900,scale(2)", [600.0, 900.0, ci.scale(2)]),
        ("a=big", "big"),
        ("a=scale(1", "scale(1"),
        ("grade=a,b", "a,b"),
        ("grade=f(1)", "f(1)"),
        ("grade=low,70%", ["low", "70%"]),
        ("stage=1", "1"),
        ("stage=0", 0.0),
    ],
)
def test_words_are_values_changes_and_levels(word, value):
    (said,) = settings([word], WORDS).values()
    assert said == value
    assert type(said) is type(value)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("a=scale(big)", r"a=scale\(big\): expected a number in scale\(\.\.\.\), got 'big'"),
        ("a=scale(1,2)", r"expected a number in scale\(\.\.\.\), got '1,2'"),
        ("a=exec(1)", "unknown change 'exec'.* Known: percentile, scale, shift"),
        ("a=percentile(101)", "percentile\\(101\\)\\.percent: .*less than or equal to 100"),
        ("a=", "expected name=value"),
    ],
)
def test_what_is_no_change_is_refused(word, message):
    with pytest.raises(ValueError, match=message):
        settings([word], WORDS)


def test_a_file_may_have_an_equals_sign(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "id=3.png").touch()
    assert apart(["id=3.png", "id=4.png"]) == ([Path("id=3.png")], ["id=4.png"])
    assert slices_of("axis=coronal,at=3") == ci.Slices(axis="coronal", at=3)


def test_several_values_are_as_many_questions_about_one_image(say, tmp_path):
    words = ("do", "model", "scans/0.png", "age=60,150%,shift(1)", *GIVEN, "--out", tmp_path / "a.png")
    code, said = say(*words, "--json")
    answers = json.loads(said.out)["answers"]
    assert (code, [one["variables"]["age"]["became"] for one in answers]) == (0, [60.0, 60.0, 41.0])
    assert [one["variables"]["age"]["was"] for one in answers] == [40.0] * 3
    lines = say(*words)[1].out.splitlines()
    assert [line for line in lines if "age" in line] == [
        "age: 40 year -> 60 year",
        "age: 40 year -> 60 year",
        "age: 40 year -> 41 year",
    ]


def test_a_sweep_leaves_somebody_elses_table(say, tmp_path):
    words = ("sweep", "model", "scans/0.png", "age", *GIVEN, "--steps", 2, "--out", tmp_path / "s.png")
    assert say(*words)[0] == say(*words)[0] == 0  # its own it writes anew
    (tmp_path / "s.csv").write_text("file,age\na.png,3\n")
    code, said = say(*words)
    assert (code, "s.csv is no table of this sweep" in said.err) == (1, True)
    assert (tmp_path / "s.csv").read_text() == "file,age\na.png,3\n"


def test_answers_about_many_leave_somebody_elses_figure_and_take_their_own(say, tmp_path):
    words = ("do", "model", "scans", "age=60", *GIVEN, "--out", tmp_path)
    (tmp_path / "figure.png").write_bytes(b"mine")
    code, said = say(*words)
    assert (code, "figure.png is not as causalimg left it" in said.err) == (1, True)
    assert (tmp_path / "figure.png").read_bytes() == b"mine"
    (tmp_path / "figure.png").unlink()
    assert say(*words)[0] == say(*words)[0] == 0
    assert (tmp_path / "figure.png").stat().st_size > 5000


def test_a_file_that_is_no_such_image_is_named_among_many(say, tmp_path):
    PIL.Image.fromarray(np.zeros((16, 16), np.uint8)).save(tmp_path / "a.png")
    np.savez(tmp_path / "b.npz", images=np.full((1, 16, 16), 7.0))
    code, said = say("do", "model", tmp_path, "age=60", *GIVEN, "--out", tmp_path / "all")
    assert (code, "b.npz: " in said.err) == (1, True)


def test_a_sweep_goes_over_what_training_saw(say, tmp_path):
    words = ("model", "scans/0.png", "age", *GIVEN, "--out", tmp_path / "s.png")
    code, said = say("sweep", *words, "--steps", 3)
    assert (code, said.out) == (0, f"3 answers: {tmp_path}/s.csv; see {tmp_path}/s.png\n")
    with (tmp_path / "s.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["asked age"]) for row in rows] == [5.0, 50.0, 95.0]
    assert {row["factual age"] for row in rows} == {"40.0"}
    assert (tmp_path / "s.png").exists()


def test_a_sweep_over_two_is_a_grid(say, tmp_path):
    words = ("model", "scans/0.png", "age", "sex", *GIVEN, "--out", tmp_path / "s", "--from", 10, "--to", 20)
    assert say("sweep", *words, "--steps", 2)[0] == 0
    with (tmp_path / "s.csv").open() as file:
        asked = [(float(row["asked age"]), row["asked sex"]) for row in csv.DictReader(file)]
    assert asked == [(10, "female"), (10, "male"), (20, "female"), (20, "male")]
    assert say("sweep", *words[:2], "sex", "age=10,20,30", *words[4:8], "--out", tmp_path / "t")[0] == 0
    assert len((tmp_path / "t.csv").read_text().splitlines()) == 7


@pytest.mark.parametrize(
    ("over", "message"),
    [
        (["aeg"], "unknown variable 'aeg'. Did you mean 'age'?"),
        (["x"], "x is the image"),
        (["age", "age"], "age and age: expected two variables"),
        (["age", "sex", "x"], "expected one or two variables to sweep over, got 3"),
    ],
)
def test_what_can_not_be_swept_is_said(say, over, message):
    code, said = say("sweep", "model", "scans/0.png", *over, *GIVEN)
    assert (code, said.err.startswith(f"causalimg sweep: {message}")) == (1, True), said.err


def test_a_sweep_is_of_one_image(say):
    code, said = say("sweep", "model", "scans", "age", *GIVEN)
    assert (code, said.err) == (1, "causalimg sweep: scans is a folder: expected one image\n")


def test_ends_of_a_sweep_are_asked_for_where_nobody_knows_them(say, tmp_path):
    model = ci.CausalModel.load("model")
    model.supports = {}
    model.save(tmp_path / "model")
    code, said = say("sweep", tmp_path / "model", "scans/0.png", "age", "--from", "3", *GIVEN)
    assert (code, "no training rows of age are kept" in said.err, "say --from and --to" in said.err) == (1, True, True)


# how images are read is the model's


HEARTS = ci.Graph.of(x=ci.Image(shape=(1, 12, 16), spacing=(2.0, 2.0)))
PLAIN = ci.Graph.of(x=ci.Image(shape=(1, 12, 16)))


def volumes(folder):
    """Two volumes of four slices, the third of which has the largest outline; and a table of them."""
    draw = np.random.default_rng(0)
    for part in ("scans", "outlines"):
        (folder / part).mkdir()
    for i in range(2):
        labels = np.zeros((16, 16, 4), np.uint8)
        labels[4:8, 4:8, 1], labels[3:9, 3:9, 2] = 1, 1
        voxels = draw.integers(-200, 500, labels.shape).astype(np.int16)
        for part, values in (("scans", voxels), ("outlines", labels)):
            nibabel.save(nibabel.Nifti1Image(values, np.diag([2.0, 2.0, 8.0, 1.0])), folder / f"{part}/{i}.nii.gz")
    (folder / "rows.csv").write_text("file\n0.nii.gz\n1.nii.gz")
    how = {"masks": folder / "outlines", "structures": ("lv",), "slices": ci.Slices(largest="lv"), "fit": "pad"}
    return partial(ci.read_table, csv=folder / "rows.csv", images=folder / "scans", normalise=ci.Window(0, 400), **how)


def fitted(read):
    model = ci.compile(read.graph, x=HVAE)
    model.fit(read, x=ci.Recipe(steps=1, batch=2))
    return model


@pytest.mark.parametrize("graph", [HEARTS, PLAIN], ids=["spacing", "none"])
def test_a_model_reads_new_files_as_those_that_it_was_fitted_to(tmp_path, graph):
    read = volumes(tmp_path)(graph)
    fitted(read).save(tmp_path / "model")
    model = ci.CausalModel.load(tmp_path / "model")
    assert model.preprocessing == read.preprocessing
    assert model.preprocessing.in_mm == (graph is HEARTS)
    file = tmp_path / "scans/1.nii.gz"
    with pytest.raises(
        ValueError, match=r"largest='lv'.* needs masks, and 1\.nii\.gz has none: .*--slices at=.*of its 4"
    ):
        model.read_image(file)
    assert torch.equal(model.read_image(file, slices=ci.Slices(at=2)), read["x"][1])
    model.preprocessing = model.preprocessing.over(slices=ci.Slices(at=2))
    assert torch.equal(model.abduct(file).values["x"][0], read["x"][1])  # a path anywhere is read so, too
    if graph is PLAIN:
        assert not torch.equal(model.read_image(file, fit="stretch"), read["x"][1])


def test_a_file_that_does_not_say_how_large_its_pixels_are_is_no_silent_zoom(tmp_path):
    model = fitted(volumes(tmp_path)(HEARTS))
    PIL.Image.fromarray(np.arange(384, dtype=np.uint16).reshape(24, 16)).save(tmp_path / "a.png")
    with pytest.raises(ValueError, match="how large the pixels of a.png are isn't known.*spacing="):
        model.read_image(tmp_path / "a.png")
    near, far = (model.read_image(tmp_path / "a.png", spacing=mm) for mm in (1.0, 4.0))
    assert not torch.equal(near, far)


def test_a_slice_is_one_along_the_axis_that_the_model_was_fitted_on(tmp_path, monkeypatch, capsys):
    read = volumes(tmp_path)(PLAIN, slices=ci.Slices(axis="coronal", every=3))
    fitted(read).save(tmp_path / "model")
    asking = Asking.of(tmp_path / "model", slices="at=3")
    assert torch.equal(asking.read(tmp_path / "scans/0.nii.gz"), read["x"][1])
    assert Asking.of(tmp_path / "model", slices="axis=axial,at=3").slices == ci.Slices(axis="axial", at=3)
    with pytest.raises(ValueError, match="axis='coronal', at=...\\) \\(or --slices at=...\\) says which"):
        Asking.of(tmp_path / "model").read(tmp_path / "scans/0.nii.gz")


def test_a_tables_sizes_of_pixels_are_found_however_the_column_was_spelled(tmp_path):
    PIL.Image.fromarray(np.zeros((16, 16), np.uint8)).save(tmp_path / "0.png")
    (tmp_path / "rows.csv").write_text("file,Größe\n0.png,1.5\n")
    rows = many.Rows.of_csv(tmp_path / "rows.csv", None, GRAPH, " Gro\u0308ße")
    assert rows.spacings == [1.5]


def test_options_override_how_files_are_read(tmp_path, monkeypatch, capsys):
    fitted(volumes(tmp_path)(PLAIN)).save(tmp_path / "model")
    monkeypatch.chdir(tmp_path)
    words = ("do", "model", "scans/0.nii.gz", "x=0")
    assert "axis='axial', at=...) (or --slices at=...)" in run(monkeypatch, capsys, *words)[1].err
    code, said = run(monkeypatch, capsys, *words, "--slices", "at=7")
    assert (code, said.err) == (1, "causalimg do: x: it has 4 axial slices, none of the number 7\n")
    assert "expected shape (1, 12, 16)" in run(monkeypatch, capsys, *words, "--slices", "at=2")[1].err  # it was read
    code, said = run(monkeypatch, capsys, *words, "--slices", "at=2", "--fit", "pda")
    assert code == 2


def test_a_spacing_that_a_column_says_is_that_of_a_table_of_new_images(tmp_path, monkeypatch, capsys):
    graph = ci.Graph.of(a=ci.Continuous(), x=ci.Image(parents=["a"], shape=(1, 8, 8), spacing=(2.0, 2.0)))
    for i in range(2):
        PIL.Image.fromarray((np.arange(256) % (200 + i)).astype(np.uint8).reshape(16, 16)).save(tmp_path / f"{i}.png")
    rows = tmp_path / "rows.csv"
    rows.write_text("file,a,mm\n0.png,1,1\n1.png,2,0.5")
    read = ci.read_table(graph, rows, spacing="mm")
    model = as_if_fitted(ci.compile(graph, x=HVAE))
    model.preprocessing = read.preprocessing
    assert (model.preprocessing.spacing, model.preprocessing.in_mm) == ("mm", True)
    model.save(tmp_path / "model")
    found = many.Rows.of_csv(rows, None, graph, "mm")
    asking = many.Asking.of(tmp_path / "model")
    assert torch.equal(many.seen(asking, found)["x"], read["x"])
    rows.write_text("file,a\n0.png,1")
    code, said = run(monkeypatch, capsys, "do", tmp_path / "model", rows, "a=2", "--out", tmp_path / "all")
    assert (code, "isn't known" in said.err) == (1, True)


def test_a_row_that_cannot_be_is_counted_from_the_first_of_its_batch(say, monkeypatch, tmp_path):
    monkeypatch.setattr(many, "BATCH", 2)

    def refuse(asking, seen, **_):
        if len(seen["x"]) < 2:
            raise ValueError("age, row 0: it can't be")
        return asking.model.do(seen, age=60.0)

    monkeypatch.setattr(many.Asking, "do", refuse)
    code, said = say("do", "model", "scans", "age=60", *GIVEN, "--out", tmp_path / "all")
    assert (code, "rows counted from scans/4.png: age, row 0: it can't be" in said.err) == (1, True)
