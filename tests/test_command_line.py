"""The command line: the whole road from files alone, and a user's mistake in words, never as a traceback."""

import json
from functools import partial
from importlib.metadata import version

import numpy as np
import PIL.Image
import pytest
import yaml
from strategies import as_if_fitted

import causalimg as ci
from causalimg.cli import app, road
from causalimg.study import StudyFile

STUDY = road.Study.of_phantom
SMALL = [
    "--set",
    "steps=2",
    "--set",
    "plan.image={kind: FlowMatching, widths: [4, 4]}",
    "--set",
    "plan.readers.steps=2",
]


def write_table(folder):
    """A table of hearts, whose patients are called subjects, with outlines, into `folder`; and a first study of it."""
    sample = ci.phantoms.Heart(size=32).sample(24)
    (folder / "scans").mkdir()
    (folder / "outlines").mkdir()
    labels = (sample.masks["lv"].int() + 2 * sample.masks["myo"].int()).byte().numpy()
    for i, pixels in enumerate((255 * sample.values["x"][:, 0]).byte().numpy()):
        PIL.Image.fromarray(pixels).save(folder / "scans" / f"{i}.png")
        PIL.Image.fromarray(labels[i]).save(folder / "outlines" / f"{i}.png")
    sexes = [("female", "male")[sex] for sex in sample.values["sex"]]
    rows = [f"{i}.png,s{i // 3},{sample.values['age'][i]:.1f},{sexes[i]},text {i}" for i in range(24)]
    (folder / "hearts.csv").write_text("\n".join(["file,subject,age,sex,note", *rows]))


def run(monkeypatch, capsys, *words):
    """The exit code, and what was said."""
    monkeypatch.setattr("sys.argv", ["causalimg", *map(str, words)])
    with pytest.raises(SystemExit) as stop:
        app.main()
    return stop.value.code or 0, capsys.readouterr()


@pytest.fixture
def say(monkeypatch, capsys, tmp_path):
    """The command line, in a folder with a table and its first study.yaml."""
    write_table(tmp_path)
    monkeypatch.chdir(tmp_path)
    here = partial(run, monkeypatch, capsys)
    code, said = here("init", "hearts.csv", "--images", "scans", "--masks", "outlines", "--structures", "lv,myo")
    assert (code, said.err) == (0, "")
    text = (tmp_path / "study.yaml").read_text().replace("[1, 64, 64]", "[1, 32, 32]")
    text += "normalise: {low: 1, high: 99}\n"
    (tmp_path / "study.yaml").write_text(text)
    return here


def test_a_first_study_is_guessed_and_its_guesses_are_marked(say, tmp_path):
    text = (tmp_path / "study.yaml").read_text()
    said = yaml.safe_load(text)
    variables = said["graph"]["variables"]
    assert said["patient"] == "subject"
    assert variables["age"] == {"kind": "Continuous", "bounds": [0, None]}
    assert variables["sex"] == {"kind": "Categorical", "levels": ["female", "male"]}
    assert variables["lv_area"]["measured"] == {"kind": "Area", "structure": "lv"}
    assert variables["x"]["parents"] == ["age", "sex", "lv_area", "myo_area"]
    assert "# note: neither numbers nor a few levels" in text
    assert text.count("# guess:") == 1 + len(variables)
    assert len(text.splitlines()) <= 19
    code, answer = say("init", "hearts.csv")
    assert (code, answer.err) == (
        1,
        "causalimg init: study.yaml is there already: choose another --out, or remove it\n",
    )


def test_a_guess_reads_columns_of_other_names_colours_and_measured_columns(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    PIL.Image.new("RGB", (8, 8)).save("a.png")
    (tmp_path / "t.csv").write_text("scan,grade,lv_area\n" + "\n".join(f"a.png,{i % 3},{i}.5" for i in range(9)))
    run(monkeypatch, capsys, "init", "t.csv", "--masks", "m.npz", "--structures", "lv")
    said = yaml.safe_load((tmp_path / "study.yaml").read_text())
    assert said["columns"] == {"x": "scan", "lv_area": None}
    assert said["patient"] is None
    assert said["graph"]["variables"]["grade"]["levels"] == ["0", "1", "2"]
    assert said["graph"]["variables"]["x"]["shape"] == [3, 64, 64]


def test_check_says_what_there_is_and_trains_nothing(say, tmp_path):
    code, said = say("check", "study.yaml", "--set", "steps=30")
    assert code == 0
    for text in (
        "class Hearts(Graph)",
        "train 18, val 3, test 3 rows",
        "patients to judge on: 1",
        "fit 30",
        "into out",
    ):
        assert text in said.out
    assert not (tmp_path / "out").exists()
    assert "each row counts by itself" in say("check", "study.yaml", "--set", "patient=null")[1].out


@pytest.mark.filterwarnings("ignore:the image hardly follows:UserWarning", "ignore:the guide .* reads:UserWarning")
def test_the_whole_road_by_commands_alone(say, tmp_path):
    assert say("fit", "study.yaml", *SMALL)[1].out == "The fitted model: out/none_0\n"
    spec = (tmp_path / "out/none_0/spec.json").stat().st_mtime_ns
    assert say("finetune", "study.yaml", *SMALL)[1].out == "The fine-tuned model: out/segmentor_0\n"
    assert (tmp_path / "out/none_0/spec.json").stat().st_mtime_ns == spec  # nothing is trained twice
    code, said = say("evaluate", "study.yaml", "--method", "segmentor", *SMALL)
    assert code == 0
    assert "lv_area" in said.out
    assert (tmp_path / "out/report_segmentor/report.html").exists()
    code, said = say("compare", "study.yaml", "--methods", "none,segmentor", *SMALL)
    assert "| do | method |" in said.out
    assert (tmp_path / "out/comparison.html").exists()
    code, said = say("explore", "study.yaml", "--items", 2, "--targets", 2, "--over", "lv_area", *SMALL)
    assert (code, said.out) == (0, "The page: out/explore_none.html\n")
    assert "lv_area" in (tmp_path / "out/explore_none.html").read_text()
    known = [f"--given={text}" for text in ("age=50", "sex=male", "lv_area=0.08", "myo_area=0.1")]
    code, said = say("do", "out/none_0", "scans/0.png", "lv_area=0.1", *known, "--json")
    answer = json.loads(said.out)
    assert answer["variables"]["sex"] == {"was": "male", "became": "male"}
    assert answer["variables"]["lv_area"]["became"] == pytest.approx(0.1)
    assert 0 < answer["support"] <= 1
    assert (tmp_path / answer["picture"]).exists()
    assert ci.CausalModel.load("out/segmentor_0").preprocessing.normalise == ci.Percentile(1, 99)
    again = StudyFile.from_yaml(tmp_path / "out/study.yaml")
    assert again.plan["image"]["widths"] == [4, 4]
    assert len(again.table()) == 24
    code, said = say("fit", "study.yaml")
    assert code == 1
    assert "out holds a study with another plan (fit.steps: 2 there, 3000 here" in said.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--set", "plan.fit.lrr=1"], "study.yaml: unknown setting 'lrr'. Did you mean 'lr'?"),
        (["--set", "plan.fitt.lr=1"], "study.yaml: unknown setting of plan 'fitt'. Did you mean 'fit'?"),
        (["--set", "stepz=1"], "study.yaml: unknown setting 'stepz'. Did you mean 'steps'?"),
        (["--set", "steps"], "study.yaml: --set: expected name=value, such as plan.fit.lr=0.001, got 'steps'"),
        (["--set", "graph.title.a=1"], "study.yaml: --set graph.title.a=1: title has no settings"),
        (["--set", "steps=0"], "study.yaml.steps: Input should be greater than 0, got 0"),
        (["--set", "csv=none.csv"], "none.csv: No such file or directory"),
        (["--set", "graph=none.yaml"], "none.yaml: No such file or directory"),
        (["--set", "graph.variables.age.kind=Continous"], "study.yaml: Hearts.age: unknown kind"),
        (["--set", "patient=subjct"], "unknown column of patients 'subjct'. Did you mean 'subject'?"),
        (["--set", "plan.image.kind=Flow"], "study.yaml: unknown kind of Mechanism 'Flow'"),
        (
            ["--set", "plan.scalars.lv_aera.kind=GumbelMax"],
            "study.yaml: unknown scalar 'lv_aera'. Did you mean 'lv_area'?",
        ),
        (["--set", "plan.scalars.lv_area.kind=HVAE"], "lv_area: HVAE produces Image, not Continuous"),
        (["--set", "plan.scalars.lv_area.kind=Gumbl"], "study.yaml.scalars.lv_area: unknown kind of Mechanism 'Gumbl'"),
        (
            ["--set", "plan.scalars.lv_area={kind: ConditionalFlow, bin: 3}"],
            "study.yaml.scalars.lv_area: unknown setting 'bin'. Did you mean 'bins'?",
        ),
        (
            ["--set", "graph={title: Bare, variables: {age: {kind: Continuous}}}"],
            "study.yaml: a study is about one image, and",
        ),
        (["--set", "graph.variables.x.shape=[1,30,30]"], "study.yaml: x: "),
        (["--set", "methods=[segmntor]"], "unknown method 'segmntor'. Did you mean 'segmentor'?"),
        (["--seeds", "x"], "--seeds: expected whole numbers with commas, such as 0,1, got 'x'"),
        (["--seeds", "1,1"], "seeds: expected one or more, each once, got 1, 1"),
        (["--size", "64"], "--size, --flow: of phantoms."),
        (["--out", "hearts.csv"], "hearts.csv: File exists"),
    ],
)
def test_a_mistake_about_a_study_is_said_in_words(words, message, say):
    code, said = say("compare", "study.yaml", *words)
    assert said.err.startswith(f"causalimg compare: {message}")
    assert (code, said.err.count("\n")) == (1, 1)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["hart"], "unknown phantom (or give a study.yaml: causalimg init) 'hart'. Did you mean 'heart'?"),
        (["none.yaml"], "none.yaml: No such file or directory"),
        (["heart", "--size", "0"], "Heart: expected a size from 32 to 192 pixels, got 0"),
        (["heart", "--set", "steps=3"], "--set steps=3: of a study.yaml, and heart is a phantom"),
        (["heart", "--methods", "segmntor"], "unknown method 'segmntor'. Did you mean 'segmentor'?"),
        (["list.yaml"], "list.yaml: expected names and values, csv: ..., graph: ..., got "),
    ],
)
def test_a_mistake_about_a_phantom_is_said_in_words(words, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "list.yaml").write_text("[1, 2]")
    code, said = run(monkeypatch, capsys, "compare", *words)
    assert said.err.startswith(f"causalimg compare: {message}")
    assert code == 1


@pytest.mark.filterwarnings("ignore:the image hardly follows:UserWarning", "ignore:the guide .* reads:UserWarning")
def test_a_phantom_is_compared_on(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(road.Study, "of_phantom", lambda phantom: STUDY(phantom, patients=12, held_out=6))
    words = ["heart", "--size", 32, "--steps", 2, "--methods", "none,segmentor", "--out", tmp_path / "out"]
    code, said = run(monkeypatch, capsys, "compare", *words)
    assert code == 0
    assert "| do | method |" in said.out
    assert (tmp_path / "out" / "comparison.html").exists()


def test_options_that_are_no_such_number_are_refused_and_the_version_is_said(monkeypatch, capsys):
    assert run(monkeypatch, capsys, "compare", "heart", "--steps", 0)[0] == 2
    assert run(monkeypatch, capsys, "demo", "--steps", 0)[0] == 2
    assert run(monkeypatch, capsys, "--version")[1].out == f"{version('causalimg')}\n"


def test_the_schema_knows_all_settings(monkeypatch, capsys):
    schema = json.loads(run(monkeypatch, capsys, "schema")[1].out)
    assert set(schema["properties"]) == set(StudyFile.model_fields)
    assert {"csv", "graph"} == set(schema["required"])


def test_ctrl_c_is_no_traceback(monkeypatch, capsys, say):
    def stopped(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(road.Road, "fit", stopped)
    assert say("fit", "study.yaml")[0] == 130


def test_warnings_are_said_in_words(say, monkeypatch):
    def warned(*_, **__):
        ci.errors.warn("mind the step")
        return "out/none_0"

    monkeypatch.setattr(road.Road, "fit", warned)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("warnings.filters", [])
        code, said = say("fit", "study.yaml")
    assert (code, said.err) == (0, "causalimg fit: warning: mind the step\n")


def test_a_mistake_in_a_question_is_said_in_words(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    as_if_fitted(ci.compile(ci.Graph.of(a=ci.Continuous()))).save("numbers")
    graph = ci.Graph.of(a=ci.Continuous(), x=ci.Image(parents=["a"], shape=(1, 16, 16)))
    as_if_fitted(ci.compile(graph, x=ci.HVAE(widths=(4, 4), latents=(0, 2)))).save("model")
    np.savez("x.npz", x=np.zeros((16, 16)))
    for words, message in (
        (["none", "x.npz", "a=1"], "none holds no spec.json"),
        (["numbers", "x.npz", "a=1"], "numbers: expected a model of one image, not of none"),
        (["model", "model", "a=1"], "model holds no image: expected files that end in .png"),
        (["model", "x.npz", "a=1", "a=2"], "two values of a: 1 and 2"),
        (["model", "x.npz", "a=big", "--given", "a=2"], "a: expected a number"),
        (["model", "x.npz", "a=1", "--given", "x=1"], "--given x=...: it is the image, which a file holds"),
    ):
        code, said = run(monkeypatch, capsys, "do", *words)
        assert code == 1
        assert said.err.startswith(f"causalimg do: {message}")


def test_what_was_said_is_left_beside_what_is_made_before_it_is_made(say, tmp_path, monkeypatch):
    def stopped(trainer, methods, seeds):
        assert (tmp_path / "out/study.yaml").exists()
        raise ValueError(f"{trainer.out.name} {methods}")

    monkeypatch.setattr(road, "compared", stopped)
    code, said = say("compare", "study.yaml", "--methods", "none")
    assert (code, said.err) == (1, "causalimg compare: out ('none',)\n")
