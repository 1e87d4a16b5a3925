"""How usual what is asked is: against rows whose neighbours are known, and in every place that says it."""

import json
import warnings

import pytest
import torch
from strategies import as_if_fitted
from test_silence import Above, Painter, Plate, draw

import causalimg as ci
from causalimg.graph import as_graph
from causalimg.support import MOST, Support, from_tensors, to_tensors

ROWS, PLATE = 300, as_graph(Plate)
FEW = {name: ci.Recipe(steps=1) for name in ("area", "shade", "mark", "note")}


def plates(n=ROWS, seed=0):
    """Areas from 20 to 80 pixels; shade goes with area, but for a little."""
    rng = torch.Generator().manual_seed(seed)
    area = 20 + 60 * torch.rand(n, generator=rng)
    shade, mark = area / 20 + 0.1 * torch.randn(n, generator=rng), torch.arange(n) % 2
    return {"area": area, "shade": shade, "mark": mark, "x": draw(area, shade, mark), "note": torch.zeros(n)}


def of_plates(n=ROWS):
    return Support.of(PLATE, "x", plates(n))


def causes(area=50.0, shade=2.5, mark=0):
    return {"area": torch.tensor([area]), "shade": torch.tensor([shade]), "mark": torch.tensor([mark])}


@pytest.fixture(scope="module")
def model():
    made = ci.compile(Plate, Above(), x=Painter())
    made.fit(plates(), **FEW)
    return made


def known(n=4):
    return {name: value[:n] for name, value in plates(n, seed=7).items()}


def test_rows_like_those_of_training_are_as_usual_as_they_are():
    support = of_plates(1000).of_causes(plates(1000, seed=1))
    for share in (0.05, 0.2, 0.5):
        assert (support <= share).float().mean().item() == pytest.approx(share, abs=0.05)


def test_what_never_occurred_together_is_unusual_though_each_did():
    support = of_plates()
    assert support.of_causes(causes(50, 2.5)) > 0.1
    assert support.of_causes(causes(30, 3.5)) == 1 / (ROWS + 1)  # shade 3.5 goes with area 70
    assert support.of_causes(causes(500, 25)) == 1 / (ROWS + 1)


def test_a_level_that_never_occurred_is_unusual():
    assert of_plates().of_causes(causes(mark=2)) == 1 / (ROWS + 1)


def test_what_was_the_same_in_all_rows_is_unusual_where_it_differs():
    same = plates() | {"area": torch.full((ROWS,), 50.0), "shade": torch.zeros(ROWS)}
    support = Support.of(PLATE, "x", same)
    assert support.of_causes(causes(50, 0)) == 1
    assert support.of_causes(causes(51, 0)) == 1 / (ROWS + 1)


def test_rows_of_one_patient_are_one_and_numbers_may_be_whole():
    slices = {name: value.repeat_interleave(20, dim=0) for name, value in plates(100).items()}
    support = Support.of(PLATE, "x", slices).of_causes(plates(200, seed=1))
    assert (support < 0.01).float().mean() < 0.05
    assert support.median() > 0.3
    whole = plates(1000) | {"area": plates(1000)["area"].round(), "shade": torch.zeros(1000)}
    assert Support.of(PLATE, "x", whole).of_causes(causes(55.5, 0)) > 0.5


def test_support_falls_with_the_distance():
    areas = torch.linspace(50, 150, 20)
    world = {"area": areas, "shade": areas / 20, "mark": torch.zeros(20).long()}
    support = of_plates().of_causes(world)
    assert (support[5:].diff() <= 0).all()
    assert support[-1] < 0.01 < support[0]


def test_the_nearest_rows_are_those_of_the_table():
    rows, support = plates(), of_plates()
    for row in (0, 17, ROWS - 1):
        asked = {name: rows[name][row : row + 1] for name in ("area", "shade", "mark")}
        assert support.nearest(asked, 3)[0, 0] == row
        assert support.nearest(asked, 3).shape == (1, 3)


def test_of_many_rows_some_are_kept_with_their_numbers():
    rows, support = plates(2 * MOST), of_plates(2 * MOST)
    assert len(support.rows) == MOST
    number = int(support.rows[MOST // 2])
    assert torch.equal(support.row(number)["area"], rows["area"][number])


def test_an_image_of_no_causes_or_of_one_row_has_none():
    class Alone(ci.Graph):
        x = ci.Image(shape=(1, 4, 4))

    assert Support.of(as_graph(Alone), "x", {"x": torch.zeros(3, 1, 4, 4)}) is None
    assert Support.of(PLATE, "x", plates(1)) is None


def test_do_warns_by_name_and_number_and_says_the_nearest_row(model):
    said = r"do\(area=\.\.\.\): 1 of 4 .*item 2: area 2\d\d\.?\d* px.*nearest training row, \d+: area "
    with pytest.warns(UserWarning, match=said):
        model.do(known(), area=known()["area"] + torch.tensor([0.5, 0.0, 150.0, 0.5]))


def test_do_says_nothing_of_what_is_usual_or_allowed(model):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        answer = model.do(known(), area=ci.shift(0.5))
        assert answer.support.min() > 0.01
        model.do(known(), area=200.0, support="allow")


def test_do_refuses_where_it_is_told_to(model):
    with pytest.raises(ValueError, match="hardly occurred together"):
        model.do(known(), area=200.0, support="refuse")
    assert model.do(known(), area=ci.shift(0.5), support="refuse").support.shape == (4,)
    with pytest.raises(ValueError, match=r"unknown support 'refus'. Did you mean 'refuse'\?"):
        model.do(known(), area=ci.shift(0.5), support="refus")


def test_one_item_has_one_number_and_what_leads_to_no_image_has_none(model):
    one = {name: value[0] for name, value in known().items()}
    answer = model.do(one, area=one["area"])
    assert answer.support.shape == ()
    assert answer.nearest(2).shape == (2,)
    unmoved = model.do(one, note=1.0)
    assert unmoved.support is None
    with pytest.raises(ValueError, match="known of 0 images"):
        unmoved.nearest()


def test_draws_and_judges_keep_it(model):
    answer = model.do(known(), area=ci.shift(0.5), particles=3)
    assert torch.equal(answer.support, model.do(known(), area=ci.shift(0.5)).support)
    assert torch.equal(answer.read_by(answer._readings).support, answer.support)


def test_a_saved_model_knows_it(model, tmp_path):
    model.save(tmp_path / "model")
    again = ci.CausalModel.load(tmp_path / "model", Above())
    asked = {"area": 60.0, "support": "allow"}
    assert torch.equal(again.do(known(), **asked).support, model.do(known(), **asked).support)
    assert again.supports["x"].rows.tolist() == list(range(ROWS))


def test_tensors_that_no_support_gave_are_refused():
    whole = to_tensors({"x": of_plates()})
    assert from_tensors(PLATE, whole | {"weight": torch.ones(1)})[1].keys() == {"weight"}
    rows, mark = "supports.x.training rows", "supports.x.mark"
    for wrong in (
        {rows: torch.zeros(3)},
        {rows: whole[rows][:1]},
        {mark: torch.full((ROWS,), 9)},
        {mark: torch.zeros(2)},
    ):
        with pytest.raises(ValueError, match=r"supports|mark"):
            from_tensors(PLATE, whole | wrong)
    for missing, said in ((rows, "training rows"), (mark, "missing cause 'mark'")):
        with pytest.raises(ValueError, match=said):
            from_tensors(PLATE, {name: value for name, value in whole.items() if name != missing})


def test_effects_are_asked_for_as_do_is(model):
    with pytest.raises(ValueError, match="hardly occurred together"):
        model.effects(known(), area=200.0, support="refuse")
    assert model.effects(known(), area=200.0, support="allow").total["area"].tolist() == [200] * 4


def test_columns_that_are_no_variables_are_left_alone_by_evaluation(model):
    rows = plates(20, seed=3) | {"patient": ["p"] * 20}
    assert ci.evaluate(model, rows, [Above()], metrics=[], allow_guide=True)["area"].slope.value > 0.9


def test_ensembles_refuse_as_their_models_do(model):
    both = ci.Ensemble([model, model])
    with pytest.raises(ValueError, match="hardly occurred together"):
        both.do(known(), area=200.0, support="refuse")
    assert both.do(known(), area=ci.shift(0.5)).support.shape == (4,)


@pytest.mark.parametrize("area", [-1.0, 257.0])
def test_no_image_holds_more_than_itself_or_less_than_nothing(area):
    class Free(ci.Graph):
        area = ci.Continuous(unit="px", measured=ci.Area("disc"))
        width = ci.Continuous(unit="fraction", measured=ci.Width("disc"))
        upper = ci.Continuous(unit="px", measured=ci.Within(ci.Area("disc"), start=0, stop=0.5))
        share = ci.Continuous(unit="ratio", measured=ci.Ratio(ci.Area("disc"), to=ci.Area("ring")))
        x = ci.Image(parents=[area, width, upper, share], shape=(1, 16, 16))

    model = as_if_fitted(ci.compile(Free, x=ci.HVAE(widths=(4, 4), latents=(0, 2))))
    seen = {"area": 50.0, "width": 0.4, "upper": 20.0, "share": 1.0, "x": torch.zeros(1, 16, 16)}
    with pytest.raises(ValueError, match=r"do\(area=.* px\): it lies between 0 and 256 px, the whole image"):
        model.do(seen, area=area)
    with pytest.raises(ValueError, match="the whole image"):
        model.sample(2, do={"area": area})
    with pytest.raises(ValueError, match="between 0 and 1 fraction"):
        model.do(seen, width=1.5)
    with pytest.raises(ValueError, match="between 0 and 128 px"):
        model.do(seen, upper=129.0)
    assert model.do(seen, area=256.0, share=7.0)["area"] == 256
    rows = {
        name: torch.as_tensor(value).expand(3, *torch.as_tensor(value).shape).clone() for name, value in seen.items()
    }
    rows["area"][1:] = area
    with pytest.raises(ValueError, match=r"^area, row 1: .* px: it lies between 0 and 256 px, the whole image"):
        model.fit(rows)
    with pytest.raises(ValueError, match=r"^area, row 1: .* px: it lies between 0 and 256 px, the whole image"):
        model.do(rows, share=7.0)  # facts that can't be are no facts


def test_a_figure_marks_it(model):
    answer = model.do(known(), area=known()["area"] + torch.tensor([0.5, 0.0, 150.0, 0.5]), support="allow")
    texts = [text.get_text() for text in answer.plot().texts]
    assert sum("unusual" in text for text in texts) == 1


def test_a_report_says_how_usual_its_questions_are_and_how_wrong_by_that(model):
    """The painter is exact, and so is the reader: by any support there is but the error of whole pixels."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        report = ci.evaluate(model, plates(60, seed=3), [Above()], metrics=[], allow_guide=True)
    found = report.usualness["area"]
    assert found.usual.value + found.rare.value + found.unusual.value == pytest.approx(1)
    assert found.unusual.value > 0.5  # another's area, with one's own shade
    shares = torch.tensor([found.usual.value, found.rare.value, found.unusual.value])
    errors = torch.tensor([found.error_usual.value, found.error_rare.value, found.error_unusual.value]).nan_to_num()
    assert (shares * errors).sum().item() == pytest.approx(report["area"].error.value, rel=1e-4)
    assert "How usual what was asked is" in report.table()
    assert "How usual what was asked is" in ci.Comparison({"one": report}).table()
    assert json.dumps(report.to_data()["usualness"])
