"""What users say by habit: relative values, sweeps, frames, figures; and slips, each answered by what to write instead."""

import copy
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from strategies import as_if_fitted

import causalimg as ci
from causalimg.evaluation.judges import judges_of
from causalimg.readers.reader import fingerprint
from causalimg.support import supports_of

GRAPH = ci.Graph.of(
    age=ci.Continuous(bounds=(0, None), unit="year"),
    sex=ci.Categorical(levels=("female", "male")),
    finding=ci.Categorical(levels=("none", "70%", "all")),
    area=ci.Continuous(unit="px", parents=["age"], measured=ci.Area("lv")),
    shade=ci.Continuous(),
    x=ci.Image(parents=["sex", "area", "shade"], shape=(1, 8, 8)),
)
N = 5
ROWS = {
    "age": torch.tensor([40.0, 50.0, 61.5, 70.0, 30.0]),
    "sex": torch.tensor([1, 0, 1, 0, 0]),
    "finding": torch.tensor([0, 0, 2, 0, 0]),
    "area": torch.tensor([10.0, 20.0, 30.0, 40.0, 60.0]),
    "shade": torch.linspace(-1, 1, N),
    "x": torch.rand(N, 1, 8, 8, generator=torch.Generator().manual_seed(0)),
}
ONE = {name: value[1:2] for name, value in ROWS.items()}
TABLE = ci.Table(GRAPH, ROWS, extra={"patient": list("abcde")}, filled={"area": "masks"})
HVAE = ci.HVAE(widths=(4,), latents=(2,), embedding=4)


class Totals(ci.Reader):
    """The area of what is bright."""

    bias: float = 1.0

    def can_read(self, graph):
        return ("area",)

    def read(self, images, graph, names, *, soft=False):
        return {"area": self.bias * images.sum((1, 2, 3))}


def made():
    model = as_if_fitted(ci.compile(GRAPH, Totals(), x=HVAE))
    model.supports = supports_of(GRAPH, ROWS)
    return model


@pytest.fixture(scope="module")
def model():
    return made()


def same(one, other):
    assert one.keys() == other.keys()
    for name in one:
        assert torch.equal(one[name], other[name])


def test_a_share_is_that_of_the_factual_value(model):
    same(model.do(ROWS, area="70%"), model.do(ROWS, area=ci.scale(0.7)))
    same(model.do(ROWS, area=" 101 % "), model.do(ROWS, area=ci.scale(1.01)))
    assert model.do(ROWS, area="50%")["area"].tolist() == [5, 10, 15, 20, 30]


def test_a_level_may_look_like_a_share(model):
    assert model.do(ROWS, finding="70%")["finding"].tolist() == [1] * N


def test_a_percentile_is_that_of_the_training_rows(model):
    assert model.do(ROWS, area=ci.percentile(50))["area"].tolist() == [30] * N
    assert model.do(ONE, area=ci.percentile(100))["area"].tolist() == [60]
    expected = np.percentile(ROWS["area"].numpy(), 90)
    assert model.sample(2, do={"area": ci.percentile(90)})["area"].tolist() == pytest.approx([expected] * 2)


def test_percentiles_are_there_after_loading(model, tmp_path):
    model.save(tmp_path)
    again = ci.CausalModel.load(tmp_path)
    assert again.do(ONE, area=ci.percentile(75))["area"].item() == 40


def test_a_list_of_relative_values_asks_one_item_several_questions(model):
    asked = model.do(ONE, area=["50%", 12.0, ci.percentile(100), ci.shift(1), lambda value: value * 3])
    assert asked["area"].tolist() == [10, 12, 60, 21, 60]
    each = model.do(ROWS, area=["100%", ci.scale(2), "10%", 7.0, ci.shift(-1)])
    assert each["area"].tolist() == [10, 40, 3, 7, 59]
    same(model.do(ROWS, area=["70%"]), model.do(ROWS, area="70%"))
    with pytest.raises(ValueError, match="2 values for 5 items"):
        model.do(ROWS, area=["70%", "80%"])


def test_a_grid_has_every_combination_the_last_fastest(model):
    asked = ci.grid(area=torch.tensor([10.0, 20.0]), shade=["50%", 0.0, np.float32(2)], sex=("male",))
    assert {name: len(values) for name, values in asked.items()} == {"area": 6, "shade": 6, "sex": 6}
    answer = model.do(ONE, **asked)
    assert answer["area"].tolist() == [10, 10, 10, 20, 20, 20]
    assert answer["shade"].tolist() == [-0.25, 0, 2] * 2
    assert answer["sex"].tolist() == [1] * 6


def test_a_frame_has_a_row_for_each_item(model):
    answer = model.do(ROWS, area="50%", sex="male")
    frame = answer.to_frame()
    assert frame.index.tolist() == list(range(N))
    assert list(frame["factual"]) == ["age", "sex", "finding", "area", "shade"]
    assert list(frame["asked"]) == ["area", "sex"]
    assert frame["counterfactual", "area"].tolist() == [5, 10, 15, 20, 30]
    assert frame["factual", "sex"].tolist() == ["male", "female", "male", "female", "female"]
    assert frame["counterfactual", "sex"].tolist() == ["male"] * N
    assert frame["measured", "area"].tolist() == answer.measured["area"].tolist()
    assert frame["support"].tolist() == answer.support.tolist()
    assert len(model.do({name: value[0] for name, value in ROWS.items()}, area=5.0).to_frame()) == 1


def test_a_frame_of_draws_has_a_row_for_each_draw(model):
    answer = model.do(ROWS, area="50%", particles=3)
    frame = answer.to_frame()
    assert frame.index.names == ["item", "draw"]
    assert frame.loc[(2, 1)]["factual", "age"] == 61.5
    assert frame["measured", "area"].unstack().to_numpy() == pytest.approx(answer._read["area"].numpy())


def test_without_pandas_it_is_said_how_to_get_it(model, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="pip install pandas"):
        model.do(ONE, area=3.0).to_frame()
    with pytest.raises(ImportError, match="pip install pandas"):
        TABLE.describe().to_frame()


def words(figure):
    return [text.get_text() for text in figure.texts]


def test_any_items_are_drawn_into_a_folder_that_is_made(model, tmp_path):
    answer = model.do(ROWS, area="50%")
    figure = answer.plot(tmp_path / "new" / "figures" / "cf.png", items=[3, 0])
    assert (tmp_path / "new" / "figures" / "cf.png").stat().st_size
    captions = [said for said in words(figure) if said.startswith("do(")]
    assert ["was 40" in " ".join(captions[0].split()), "was 10" in " ".join(captions[1].split())] == [True, True]
    assert len([said for said in words(answer.plot(rows=2)) if said.startswith("do(")]) == 2
    many = model.do(ONE, area=torch.linspace(1, 60, 12))
    assert len([said for said in words(many.plot()) if said.startswith("do(")]) == 8
    assert len([said for said in words(many.plot(rows=12)) if said.startswith("do(")]) == 12


def test_it_is_said_who_read_and_whether_it_guided():
    model = made()
    said = " ".join(words(model.do(ONE, area=3.0).plot())).replace("\n", " ")
    assert "by Totals" in said
    assert "a guide" not in said
    model.guided_by = [fingerprint(Totals())]
    assert "by Totals (a guide)" in " ".join(words(model.do(ONE, area=3.0).plot())).replace("\n", " ")


def test_answers_stand_side_by_side_across_a_variable(model):
    figure = model.do(ONE, **ci.grid(shade=[0.0, 1.0], area=[20.0, 10.0, 30.0])).plot(across="area")
    heads = [said for said in words(figure) if said.startswith(("factual", "area ="))]
    assert heads == ["factual", "area = 10 px", "area = 20 px", "area = 30 px"]
    captions = [" ".join(said.split()) for said in words(figure) if said.startswith("do(")]
    assert [("do(shade = 0)" in said, said.count("was 20 px")) for said in captions[::2]] == [(True, 1)] * 3
    assert len(captions) == 6


def test_a_table_is_described(tmp_path):
    values = {name: value.clone() for name, value in ROWS.items() if name != "shade"}
    values["age"][2] = float("nan")
    told = ci.Table(GRAPH, values, filled={"area": "masks"}).describe()
    assert told.levels["finding"] == {"none": 4, "70%": 0, "all": 1}
    assert told.numbers["area"]["median"] == 30
    assert told.numbers["area"]["most"] == 60
    assert told.numbers["age"]["least"] == 30
    assert (told.missing, told.unknown) == (("shade",), {"age": 1})
    both = torch.stack([values["age"], values["area"]])[:, [0, 1, 3, 4]].double()
    assert told.correlations["age", "area"] == pytest.approx(torch.corrcoef(both)[0, 1].item(), abs=1e-6)
    assert not [pair for pair in told.correlations if "finding" in pair]
    lines = str(told).splitlines()
    assert lines[0] == "5 rows"
    assert next(line for line in lines if line.startswith("area")).split() == (
        ["area", "10", "12", "30", "56", "60", "32", "19.24", "px", "(from", "masks)"]
    )
    assert "sex: female 3, male 2" in lines
    assert told.to_frame().loc["area", "mean"] == 32
    assert len(told.plot(tmp_path / "made" / "columns.png").axes) == 4
    assert (tmp_path / "made" / "columns.png").exists()


def test_an_empty_table_is_described():
    assert str(TABLE.rows(slice(0, 0)).describe()).startswith("0 rows")
    assert str(ci.Table(GRAPH, {}).describe()).startswith("0 rows\nmissing: age, sex")


def test_a_history_counts_its_rows():
    assert len(ci.History(({"step": 1, "loss": 1.0}, {"step": 2, "loss": 1.0}))) == 2


def test_masks_may_be_arrays():
    pixels = np.random.default_rng(0).random((6, 1, 16, 16)).astype(np.float32)
    masks = {"lv": pixels[:, 0] > 0.5}
    segmentor = ci.Segmentor.unet(structures=("lv",), width=4)
    read = segmentor.targets(masks)
    assert torch.equal(read, segmentor.targets({"lv": torch.from_numpy(masks["lv"])}))
    assert torch.equal(segmentor._pair(pixels, masks)[0], torch.from_numpy(pixels))


@pytest.mark.filterwarnings("ignore:the image hardly follows:UserWarning", "ignore:the guide .* reads:UserWarning")
def test_one_guide_and_one_judge_need_no_list():
    both = [made(), made()]
    for model, guidance in zip(both, (Totals(), [Totals()]), strict=True):
        model.finetune(ROWS, guidance=guidance, recipe=ci.Recipe(steps=1, batch=2))
    same(both[0].state_dict(), both[1].state_dict())
    judged = [judges_of(both, judge, False) for judge in (Totals(bias=2.0), [Totals(bias=2.0)])]
    assert judged[0].name == judged[1].name
    assert judged[0].targets("area") == judged[1].targets(["area"]) == ["area"]
    assert both[0].sensitivity(ROWS, Totals()) == both[0].sensitivity(ROWS, [Totals()])


NET = torch.nn.Conv2d(1, 1, 3, padding=1)
SLIPS = {
    "fit(steps=20)": (lambda m, f: m.fit(ROWS, steps=20), r"is said by variable: x=ci\.Recipe\(steps=20\)"),
    "fit(recipe=...)": (lambda m, f: m.fit(ROWS, recipe=ci.Recipe()), r"by variable: x=ci\.Recipe\(steps=\.\.\.\)"),
    "fit(epochs=3)": (lambda m, f: m.fit(ROWS, epochs=3), r"by variable: x=ci\.Recipe\(steps=\.\.\.\)"),
    "fit(csv)": (lambda m, f: m.fit("hearts.csv"), "got str 'hearts.csv': read_table reads a file"),
    "fit(list of rows)": (lambda m, f: m.fit([{"age": 1.0}]), r"list of rows: pandas\.DataFrame\(rows\)"),
    "fit(log=file)": (lambda m, f: m.fit(ROWS, log=f / "file", warm_start=True), "log: .* is a file: say a folder"),
    "finetune(log=folder)": (
        lambda m, f: m.finetune(ROWS, guidance=Totals(), log=f),
        "is a folder: say a file, .*jsonl",
    ),
    "compile(network)": (
        lambda m, f: ci.compile(GRAPH, NET, x=HVAE),
        r"got Conv2d: say what its outputs mean, Segmentor\(network",
    ),
    "finetune(network)": (lambda m, f: m.finetune(ROWS, guidance=[NET]), "guidance: .* say what its outputs mean"),
    "evaluate(network)": (lambda m, f: ci.evaluate(m, ROWS, NET), "judges: .* say what its outputs mean"),
    "CausalModel.load(reader)": (
        lambda m, f: ci.CausalModel.load(f / "segmentor"),
        "no model: Segmentor.load reads it",
    ),
    "Segmentor.load(model)": (lambda m, f: ci.Segmentor.load(f / "model"), "no Segmentor: CausalModel.load reads it"),
    "sample(do=scale)": (lambda m, f: m.sample(2, do={"area": ci.scale(2)}), "seen of it, and nothing was: give a"),
    "sample(do=share)": (lambda m, f: m.sample(2, do={"area": "70%"}), "'70%' is relative to what was seen"),
    "do(do=...)": (lambda m, f: m.do(ROWS, do={"area": 3.0}), r"say each by its name, do\(x, area=\.\.\.\)"),
    "do(a change)": (lambda m, f: m.do(ROWS, area="+10%"), "say what the value becomes, '110%'"),
    "do(no share)": (lambda m, f: m.do(ROWS, area="lots%"), r"do\(area=\.\.\.\): expected a share .* such as '70%'"),
    "percentile of levels": (lambda m, f: m.do(ROWS, sex=ci.percentile(9)), "levels have no percentiles: give one of"),
    "percentile of no cause": (lambda m, f: m.do(ROWS, age=ci.percentile(9)), "no training rows of it .* give a value"),
    "percentile(900)": (lambda m, f: ci.percentile(900), "less than or equal to 100, got 900"),
    "grid(number)": (lambda m, f: ci.grid(area=3.0), r"area: expected several values, such as \[600, 900\]"),
    "grid(text)": (lambda m, f: ci.grid(area="70%"), r"area: expected several values"),
    "a table as image": (lambda m, f: m.do({"x": TABLE}, area=3.0), "x: expected an image, .* got Table"),
    "a row of a table": (lambda m, f: m.do([TABLE], area=3.0), "got a list of rows"),
    "groups by name": (lambda m, f: ci.evaluate(m, ROWS, Totals(), groups="patient"), r"table\.extra\['patient'\]"),
    "split(0.8)": (lambda m, f: TABLE.split("patient", 0.8), "fractions: expected Sequence, got float 0.8"),
    "structures='lv'": (lambda m, f: ci.Segmentor.unet(structures="lv"), r"structures: .* such as \['lv'\], got 'lv'"),
    "parents='age'": (lambda m, f: ci.Continuous(parents="age"), r"parents: expected several, such as \['age'\]"),
    "images of bytes": (
        lambda m, f: ci.Segmentor.unet(structures=("lv",)).assess(torch.full((1, 1, 8, 8), 255), torch.ones(1, 8, 8)),
        r"within \[0, 1\]; row 0 has others .bytes / 255 do",
    ),
    "plot(items=1)": (lambda m, f: m.do(ROWS, area=3.0).plot(items=1), r"a list of positions, such as \[0, 4\]"),
    "plot(items=[9])": (lambda m, f: m.do(ROWS, area=3.0).plot(items=[9]), "items: expected 0 to 4, got 9"),
    "plot(across=typo)": (lambda m, f: m.do(ONE, area=[3.0]).plot(across="aera"), "Did you mean 'area'"),
    "plot(across) of items": (lambda m, f: m.do(ROWS, area="70%").plot(across="area"), "about one item"),
    "plot(across) twice": (lambda m, f: m.do(ONE, area=[3.0, 3.0]).plot(across="area"), "see grid"),
    "an unknown column": (lambda m, f: m.do(pd.DataFrame({"patient": [1]}), area=3.0), "unknown variable 'patient'"),
}


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    model.save(folder / "model")
    ci.Segmentor.unet(structures=("lv",), width=4).save(folder / "segmentor")
    (folder / "file").touch()
    return folder


@pytest.mark.parametrize("slip", SLIPS)
def test_a_slip_is_answered_by_what_to_write(slip, model, folder):
    make, message = SLIPS[slip]
    before = copy.deepcopy(model.state_dict())
    with pytest.raises((TypeError, ValueError), match=message) as error:
        make(model, folder)
    assert "\n" not in str(error.value)
    assert (folder / "model").is_dir()
    same(model.state_dict(), before)
