"""A whole judgement, against models and judges whose every number is known by construction."""

import json
import re
from html.parser import HTMLParser

import pytest
import torch
from strategies import as_if_fitted
from test_evaluation import Bars, Painter, Ruler, draw, world

import causalimg as ci
from causalimg.evaluation.change import ssim
from causalimg.evaluation.dose_response import calibration
from causalimg.evaluation.judges import in_words
from causalimg.evaluation.page import Cell, Mark, Section, Table, page
from causalimg.evaluation.questions import ask
from causalimg.evaluation.truth import near
from causalimg.graph import Image
from causalimg.readers.reader import Reader, fingerprint

ONLY = {"variables": ["left"]}


class Brush(ci.MaximumLikelihood):
    """x = drawing of its parents + z + ε, where z is one number: the mean that is left, and `bias` more at each abduction.

    Fresh pixels' noise is `grain` everywhere; the negative log-likelihood is `level` nats per dimension.
    """

    handles = (Image,)
    bias: float = 0.0
    grain: float = 0.0
    level: float = -1.0

    def build(self):
        self.abductions = 0

    def noise(self, n, generator=None):
        return ci.ImageNoise((torch.zeros(n, 1, 1, 1),), torch.full((n, *self.variable.value_shape), self.grain))

    def predict(self, u, parents):
        return draw(**parents) + u.latents[0] + u.pixels

    def explain(self, value, parents, prior):
        self.abductions += 1
        left = value - draw(**parents)
        z = left.mean((1, 2, 3), keepdim=True) + self.bias
        return ci.Abduction(ci.ImageNoise((z,), left - z), torch.full((len(value),), self.level * value[0].numel()))


class Plain(ci.MaximumLikelihood):
    """A drawing of its parents, and all that is left: no noise of pixels apart."""

    handles = (Image,)

    def build(self):
        pass

    def noise(self, n, generator=None):
        return torch.zeros(n, *self.variable.value_shape)

    def predict(self, u, parents):
        return draw(**parents) + u

    def explain(self, value, parents, prior):
        return ci.Abduction(value - draw(**parents), torch.zeros(len(value)))


def brush(**settings):
    return as_if_fitted(ci.compile(Bars, x=Brush(**settings)))


# -- what no judge is needed for ---------------------------------------------------------------------------------------


def test_composition_without_the_pixels_noise_adds_up_what_abduction_gets_wrong():
    found = ci.evaluate(brush(bias=0.01), world(20), [Ruler()], **ONLY).composition["x"]
    assert found.noiseless[1].value == pytest.approx(2.55, rel=1e-3)
    assert found.noiseless[10].value == pytest.approx(25.5, rel=1e-3)
    assert found.noisy[10].value == pytest.approx(0, abs=1e-3)


def test_composition_without_noise_loses_what_only_the_noise_holds():
    values = world(20)
    values["x"] = values["x"] + 0.1 * (torch.arange(32) % 2)  # stripes: of mean .05, which z holds; ±.05 is left to ε
    found = ci.evaluate(brush(), values, [Ruler()], **ONLY).composition["x"]
    assert found.noiseless[1].value == pytest.approx(0.05 * 255, rel=1e-3)
    assert found.noiseless[10].value == pytest.approx(0.05 * 255, rel=1e-3)


@pytest.mark.parametrize(("model", "expected"), [(Painter(), 0.0), (Painter(haze=0.1), 25.5)])
def test_reversibility_is_the_distance_there_and_back_again(model, expected):
    assert ci.evaluate(model, world(30), [Ruler()], **ONLY).metrics["reversibility"]["left"].value == pytest.approx(
        expected, abs=1e-3
    )


def test_a_model_that_goes_half_of_the_way_comes_half_of_the_way_back():
    values = world(80)
    report = ci.evaluate(Painter(gain=0.5), values, [Ruler()], **ONLY)
    half = (report["left"].target - values["left"][_rows(80)]).abs() / 2
    assert report.metrics["reversibility"]["left"].value == pytest.approx(
        half.mean().item() * 0.8 * 255 / 32**2, rel=0.02
    )


def _rows(n, seed=0):
    return torch.randperm(n, generator=torch.Generator().manual_seed(seed))


def test_the_null_floor_is_what_fresh_noise_does_to_readings_and_to_no_others():
    report = ci.evaluate([brush(grain=0.02), brush(grain=0.04)], world(30), [Ruler()], **ONLY)
    tone = report.null["tone"]
    assert tone.mae.each == pytest.approx([0.1, 0.2], rel=1e-3)
    assert tone.mae.value == pytest.approx(0.15, rel=1e-3)
    expected = (100 * 0.15 / world(30)["tone"]).mean().item()
    assert tone.percent.value == pytest.approx(expected, rel=1e-3)
    assert report.null["left"].mae.value == 0
    assert report.null["kind"].percent.value == 0


def test_likelihood_is_the_mechanisms_per_dimension():
    report = ci.evaluate([brush(level=-1.0), brush(level=-0.5)], world(70), [Ruler()], **ONLY)
    assert report.nll["x"].each == pytest.approx([-1.0, -0.5])
    assert report.nll["x"].value == pytest.approx(-0.75)


def test_what_a_model_has_no_means_for_is_left_out():
    other = ci.evaluate(Painter(), world(20), [Ruler()], **ONLY)
    assert not other.composition
    assert not other.null
    assert not other.nll
    assert not other.truth
    assert "Likelihood" not in other.table()
    assert "null intervention" not in other.table()
    plain = ci.evaluate(as_if_fitted(ci.compile(Bars, x=Plain())), world(20), [Ruler()], **ONLY)
    assert not plain.null
    assert not plain.composition["x"].noiseless
    assert plain.composition["x"].noisy[10].value == pytest.approx(0, abs=1e-3)


def test_an_image_is_encoded_once_for_all_questions():
    model, values = brush(), world(100)
    targets = {name: values[name].flip(0) for name in ("left", "right", "tone")}
    ask(model, values, targets, {})
    assert model.mechanisms["x"].abductions == 2  # batches


# -- dose and response -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gain", [0.0, 0.5, 1.0])
def test_the_calibration_slope_is_how_far_of_the_way_each_item_goes(gain):
    report = ci.evaluate(Painter(gain=gain), world(60), [Ruler()], variables=["left", "kind"])
    dose = report.dose["left"]
    assert dose.slope.value == pytest.approx(gain, abs=5e-3)
    assert dose.readings.shape == (1, 32, 9)
    observed = world(60)["left"]
    ends = observed.quantile(torch.tensor([0.05, 0.95])).tolist()
    assert dose.target[[0, -1]].tolist() == pytest.approx(ends, rel=1e-4)
    assert "kind" not in report.dose


def test_the_calibration_slope_is_taken_within_the_item():
    target = torch.tensor([1.0, 2.0, 3.0])
    readings = torch.tensor([[10.0, 10.5, 11.0], [-5.0, -4.5, -4.0], [0.0, 0.0, 0.0]])
    assert calibration(target, readings).tolist() == pytest.approx([0.5, 0.5, 0.0])


def test_the_band_holds_eight_readings_in_ten():
    dose = ci.evaluate(Painter(gain=0.0), world(60), [Ruler()], **ONLY).dose["left"]
    middle, low, high = dose.band()
    every = dose.readings[0, :, 0]
    assert middle[0] == pytest.approx(every.mean().item())
    assert (low[0], high[0]) == pytest.approx((every.quantile(0.1).item(), every.quantile(0.9).item()))


# -- the truth of a phantom --------------------------------------------------------------------------------------------

HEART = ci.phantoms.Heart(size=32)
HEARTS = HEART.sample(24)


class BrightHeart(Reader):
    """Reads a heart's cavity as all that is brighter than the middle: far too large."""

    def can_read(self, graph):
        return ("lv_area",)

    def read(self, images, graph, names, *, soft=False):
        height, width = graph["x"].spacing
        return {"lv_area": self.masks(images)["lv"].flatten(1).sum(1) * height * width}

    def masks(self, images):
        return {"lv": images[:, 0] > 0.5}


class Oracle:
    """Answers with the phantom's own counterfactual of `part` of the intervention."""

    graph = HEART.graph
    guided_by = ()

    def __init__(self, part=1.0):
        self.part = part

    def do(self, x, /, **interventions):
        rows = [int((HEARTS.values["age"] == age).nonzero()) for age in x["age"]]
        sample = HEARTS.rows(rows)
        asked = {
            name: sample.values[name] + self.part * (torch.as_tensor(to) - sample.values[name])
            for name, to in interventions.items()
        }
        return {**x, **HEART.counterfactual(sample, asked).values, **interventions}


def test_the_truth_itself_has_no_distance_to_it():
    truth = ci.evaluate(Oracle(), HEARTS, [BrightHeart()], phantom=HEART, allow_weak=True).truth["lv_area"]
    assert (truth.image.value, truth.region.value) == pytest.approx((0, 0), abs=1e-5)
    assert truth.ssim.value == pytest.approx(1)
    assert truth.idle_image.value > 1
    assert truth.idle_region.value > 4
    assert truth.idle_ssim.value < 0.99


def test_doing_nothing_is_as_far_from_the_truth_as_the_factual_image():
    report = ci.evaluate([Oracle(0.0), Oracle(1.0)], HEARTS, [BrightHeart()], phantom=HEART, allow_weak=True)
    truth = report.truth["lv_area"]
    assert truth.image.each == pytest.approx([truth.idle_image.value, 0.0], abs=1e-5)
    assert truth.region.each == pytest.approx([truth.idle_region.value, 0.0], rel=1e-4, abs=1e-5)
    assert truth.ssim.each == pytest.approx([truth.idle_ssim.value, 1.0])
    effect = report["lv_area"]
    assert truth.values["lv_area"].mae.value == pytest.approx(effect.mae.value)  # what was set is its true value
    assert report.examples["lv_area"].truth is not None
    assert "Against the true counterfactual" in report.table()


def test_the_region_is_where_the_truth_changed_by_more_than_four_grey_levels():
    factual, true, answer = torch.zeros(3, 1, 1, 16, 16)
    true[..., 0, :] = 10 / 255
    true[..., 1, :] = 3 / 255
    answer[..., 0, :8] = 10 / 255
    found = near(answer, true, factual, 255)
    assert found["region"].item() == pytest.approx(5)
    assert found["image"].item() == pytest.approx((8 * 10 + 16 * 3) / 256)
    assert near(answer, factual, factual, 255)["region"].isnan().all()


def test_a_phantom_needs_its_sample():
    with pytest.raises(TypeError, match=r"pass phantom\.sample\(n\) as test"):
        ci.evaluate(Oracle(), HEARTS.values, [BrightHeart()], phantom=HEART)


def test_ssim_is_one_for_equal_images_symmetric_and_less_otherwise():
    a, b = torch.rand(2, 4, 3, 20, 24, generator=torch.Generator().manual_seed(0))
    assert ssim(a, a).tolist() == pytest.approx([1.0] * 4)
    torch.testing.assert_close(ssim(a, b), ssim(b, a))
    assert (ssim(a, b) < 0.5).all()
    assert ssim(a, b).shape == (4,)
    torch.testing.assert_close(ssim(255 * a, 255 * b, span=255), ssim(a, b), rtol=1e-3, atol=1e-4)
    assert (ssim(a, a + 0.01 * b) > ssim(a, a + 0.1 * b)).all()


def test_ssim_of_flat_images_is_that_of_their_means():
    a, b = torch.full((1, 1, 16, 16), 0.2), torch.full((1, 1, 16, 16), 0.6)
    assert ssim(a, b).item() == pytest.approx((2 * 0.2 * 0.6 + 1e-4) / (0.2**2 + 0.6**2 + 1e-4), rel=1e-4)
    with pytest.raises(ValueError, match="sides >= 11"):
        ssim(a[..., :8], b[..., :8])


# -- several models, and who judges ------------------------------------------------------------------------------------


def test_every_number_is_the_mean_over_models_with_its_spread():
    models = [Painter(gain=0.5), Painter(gain=1.0, leak=0.1)]
    both = ci.evaluate(models, world(60), [Ruler()], **ONLY)
    own = [ci.evaluate(model, world(60), [Ruler()], **ONLY) for model in models]
    for pick in (
        lambda r: r["left"].error,
        lambda r: r["left"].slope,
        lambda r: r["left"].drift["right"],
        lambda r: r["left"].outside,
        lambda r: r["left"].change,
        lambda r: r.dose["left"].slope,
        lambda r: r.metrics["reversibility"]["left"],
    ):
        assert pick(both).each == pytest.approx([pick(one).value for one in own], rel=1e-4, abs=1e-5)
        assert pick(both).value == pytest.approx(sum(pick(one).value for one in own) / 2, rel=1e-4, abs=1e-5)
    assert both["left"].floor.each == ()
    assert both["left"].measured.shape == (2, 60)
    assert "2 trainings" in both.table()


def test_the_matrix_has_errors_on_its_diagonal_and_drifts_elsewhere():
    report = ci.evaluate(Painter(gain=0.5, leak=0.3), world(60), [Ruler()])
    matrix = report.effectiveness.matrix
    assert {name: set(row) for name, row in matrix.items()} == {
        name: {"left", "right", "tone", "kind"} for name in matrix
    }
    assert matrix["left"]["left"].percent == report["left"].error
    assert matrix["left"]["left"].mae == report["left"].mae
    assert matrix["left"]["right"].percent == report["left"].drift["right"]
    assert matrix["right"]["left"].percent.value == pytest.approx(0, abs=0.01)


def test_judges_of_different_variables_sit_together():
    class Kinds(Ruler):
        def can_read(self, graph):
            return ("kind",)

    class Areas(Ruler):
        def can_read(self, graph):
            return ("left", "right")

    report = ci.evaluate(Painter(leak=0.5), world(40), [Areas(), Kinds()], **ONLY)
    assert set(report["left"].drift) == {"right", "kind"}
    assert report.effectiveness.judge == "Areas, a reader of left, right; Kinds, a reader of kind"
    assert len(set(report.effectiveness.fingerprints)) == 2
    with pytest.raises(ValueError, match="two readers of left"):
        ci.evaluate(Painter(), world(40), [Areas(), Ruler()])


def test_a_guide_may_judge_only_if_that_is_said_and_then_every_page_says_it(tmp_path):
    models = [Painter(), Painter(guided_by=[fingerprint(Ruler())])]
    with pytest.raises(ValueError, match="who guided may not judge"):
        ci.evaluate(models, world(20), [Ruler()])
    report = ci.evaluate(models, world(20), [Ruler()], allow_guide=True, **ONLY)
    assert "**The judge guided this model" in report.table()
    assert '<p class="warning"><strong>The judge guided' in report.write(tmp_path).read_text()
    assert report.to_data()["guided"]
    comparison = ci.Comparison({"none": ci.evaluate(Painter(), world(20), [Ruler()], **ONLY), "mine": report})
    assert "**mine: The judge guided this model" in comparison.table()


def test_a_judge_that_cannot_tell_is_refused_or_every_page_says_it(tmp_path):
    values, blurred = world(20), Ruler(bias=3.0)
    with pytest.raises(
        ValueError, match=r"can't tell left \(its error .* px, that of always saying the mean .* px\), right"
    ):
        ci.evaluate(Painter(), values, [blurred])
    assert not ci.evaluate(Painter(), values, [blurred], variables=["kind"]).effectiveness["kind"].error.value
    report = ci.evaluate(Painter(), values, [blurred], allow_weak=True, **ONLY)
    assert "**The judge reads left, right no better than by always saying the same" in report.table()
    assert '<p class="warning"><strong>The judge reads left' in report.write(tmp_path).read_text()
    assert report.to_data()["weak"] == ["left", "right"]
    assert "**The judge reads left, right no better" in ci.Comparison({"none": report}).table()
    assert "no better" not in ci.evaluate(Painter(), values, [Ruler()], **ONLY).table()


def test_patients_are_spoken_of_only_where_groups_are_given():
    plain, grouped, single = (
        ci.evaluate(Painter(), world(20), [Ruler()], groups=groups, **ONLY)
        for groups in (None, list("abcde") * 4, range(20))
    )
    for report in (plain, ci.Comparison({"none": plain})):
        assert "20 held-out items (every item counts by itself)" in report.table()
        assert "(patients)" not in report.table()
        assert "where patients repeat" in report.table()
    assert "20 held-out items in 5 groups (patients)" in grouped.table()
    assert "5 groups (patients)" in ci.Comparison({"none": grouped}).table()
    assert "where patients repeat" not in single.table()
    assert [report.to_data()["grouped"] for report in (plain, grouped, single)] == [False, True, True]


def test_mistakes_are_named():
    values = world(20)
    with pytest.raises(ValueError, match="no judge"):
        ci.evaluate(Painter(), values, [])
    with pytest.raises(ValueError, match="no model"):
        ci.evaluate([], values, [Ruler()])
    with pytest.raises(ValueError, match="no target: name one or more of left, right"):
        ci.evaluate(Painter(), values, [Ruler()], variables=[])
    with pytest.raises(ValueError, match="n: expected at least 1, got 0"):
        ci.evaluate(Painter(), values, [Ruler()], n=0)
    with pytest.raises(ValueError, match="models are of different graphs"):
        ci.evaluate([Painter(), Oracle()], values, [Ruler()])


# -- the report --------------------------------------------------------------------------------------------------------


class Seen(HTMLParser):
    """The tags of a page, the sources of its pictures, and its text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.sources, self.links, self.text = [], [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.sources += [value for name, value in attrs if name == "src"]
        self.links += [name for name, _ in attrs if name in ("href", "srcset", "onload", "onclick")]

    def handle_data(self, data):
        self.text += data


class Shown(Painter):
    """A painter with a mechanism to show."""

    def __init__(self, gain, level):
        super().__init__(gain=gain)
        self.mechanisms = brush(level=level).mechanisms


@pytest.fixture(scope="module")
def reports():
    values = world(40)
    return {
        method: ci.evaluate(
            Shown(gain, level), values, [Ruler()], variables=["left", "kind"], groups=list(range(20)) * 2
        )
        for method, gain, level in (("none", 0.1, -1.0), ("segmentor", 0.9, -0.9))
    }


@pytest.mark.parametrize("what", ["report", "comparison"])
def test_a_page_opens_without_a_network(reports, tmp_path, what):
    report = reports["none"] if what == "report" else ci.Comparison(reports)
    html = report.write(tmp_path)
    assert html == tmp_path / f"{what}.html"
    seen = Seen(html.read_text())
    assert not {"script", "link", "iframe", "object", "base"} & set(seen.tags)
    assert len(seen.sources) == seen.tags.count("img") == 3  # two questions, one of them with a curve
    assert all(source.startswith("data:image/png;base64,iVBOR") for source in seen.sources)
    assert not seen.links
    assert not re.search(r"https?:|url\(|@import", html.read_text())
    assert {'name="viewport"' in html.read_text(), 'charset="utf-8"' in html.read_text()} == {True}


@pytest.mark.parametrize("what", ["report", "comparison"])
def test_page_table_and_data_hold_the_same_numbers(reports, tmp_path, what):
    report = reports["none"] if what == "report" else ci.Comparison(reports)
    text = Seen(report.write(tmp_path).read_text()).text
    markdown = (tmp_path / f"{what}.md").read_text()
    data = json.loads((tmp_path / f"{what}.json").read_text())
    assert data == json.loads(json.dumps(report.to_data(), allow_nan=False))
    error = reports["none"]["left"].error
    one = data if what == "report" else data["none"]
    assert one["effects"]["left"]["error"]["value"] == error.value
    assert one["matrix"]["left"]["left"]["percent"]["value"] == error.value
    assert one["dose"]["left"]["slope"]["value"] == reports["none"].dose["left"].slope.value
    for said in (str(error), str(reports["none"].dose["left"].slope)):
        assert said in report.table()
        assert said in markdown
        assert all(part in text for part in said.split(" [")[0].split())
    figures = re.findall(r"!\[.*\]\((.*)\)", markdown)
    assert len(figures) == 3
    assert all((tmp_path / figure).stat().st_size > 5000 for figure in figures)


@pytest.mark.parametrize("what", ["report", "comparison"])
def test_a_page_begins_with_its_verdict(reports, tmp_path, what):
    report = reports["none"] if what == "report" else ci.Comparison(reports)
    html = report.write(tmp_path).read_text()
    markdown = (tmp_path / f"{what}.md").read_text()
    assert re.search(r"<h2>(.*?)</h2>", html)[1] == "Verdict"
    assert re.search(r"^## (.*)$", markdown, re.MULTILINE)[1] == "Verdict"
    assert report.table().index(report.verdict[0].text) < report.table().index("|")
    for one in report.verdict:
        assert one.text in markdown
        assert one.text in Seen(html).text
    data = json.loads((tmp_path / f"{what}.json").read_text())
    one = data if what == "report" else data["none"]
    assert one["verdict"] == [finding.to_data() for finding in reports["none"].verdict]


def test_the_verdict_tells_a_model_that_follows_from_one_that_does_not(reports):
    marks = {method: {(one.name, one.column): one.mark for one in report.verdict} for method, report in reports.items()}
    assert marks["none"]["left", "slope"] is Mark.BAD
    assert marks["segmentor"]["left", "slope"] is not marks["none"]["left", "slope"]
    best = next(one for one in ci.Comparison(reports).verdict if (one.name, one.column) == ("left", "error"))
    assert best.text.startswith("left, error: segmentor is best")
    assert ci.Comparison({"only": reports["none"]}).verdict == reports["none"].verdict


def test_a_judge_is_called_by_what_it_is_and_not_by_its_fingerprint(reports, tmp_path):
    judge = ci.Segmentor.unet(structures=("lv",), width=4)
    judge.fit(HEARTS.values["x"], {"lv": HEARTS.masks["lv"]}, recipe=ci.Recipe(steps=1, batch=8), seed=3)
    graph = HEART.graph
    assert in_words(judge, graph) == "a segmentor of lv (trained on 20 images, seed 3)"
    assert in_words(judge.assess(HEARTS.values["x"], {"lv": HEARTS.masks["lv"]}), graph).endswith("seed 3)")
    assert in_words(ci.Segmentor.unet(structures=("lv", "myo"), width=4), graph) == "a segmentor of lv, myo"
    assert in_words(BrightHeart(), graph) == "BrightHeart, a reader of lv_area"
    report = reports["none"]
    assert in_words(Ruler(), report.graph) in report.table()
    assert fingerprint(Ruler()) not in report.write(tmp_path).read_text()
    assert report.to_data()["fingerprints"] == [fingerprint(Ruler())]


def test_tables_are_whole(reports):
    for report in (*reports.values(), ci.Comparison(reports)):
        for table in (table for section in report.sections() for table in section.tables):
            assert {len(row) for row in table.rows} == {len(table.heads)}


def test_what_a_user_named_is_text_and_not_a_tag():
    section = Section("<i>", "a & b", [Table(["<h>"], [[Cell("<th>")], [Cell("<x>")]])], warning="<w>")
    html = page("<script>alert(1)</script>", [section], {})
    assert "<script>" not in html
    assert Seen(html).text.count("<script>alert(1)</script>") == 2  # title and heading
    assert {"<i>", "a & b", "<h>", "<th>", "<x>", "<w>"} <= set(Seen(html).text.split("\n"))


def test_darker_is_worse():
    shades = re.findall(r"rgba\(196, 98, 45, ([\d.]+)\)", page("", [_shaded(1), _shaded(20), _shaded(80)], {}))
    assert shades == sorted(shades)
    assert len(set(shades)) == 3


def _shaded(percent):
    return Section("", tables=[Table(["", ""], [[Cell("a"), Cell("b", heat=min(1.0, percent / 40))]])])


def test_pictures_are_the_first_items_drawn_with_what_was_asked_and_read(reports):
    report, values = reports["segmentor"], world(40)
    examples = report.examples["left"]
    rows = _rows(40)[:8]
    assert examples.factual.images.equal(values["x"][rows])
    was, target, measured = values["left"][rows[0]], report["left"].target[0], report["left"].measured[0, 0]
    assert examples.factual.captions[0] == f"do(left = {target:.4g} px)\nwas {was:.4g} px"
    assert examples.answer.captions[0] == f"read {measured:.4g} px"
    assert examples.answer.outlines["left"][0].sum() == measured
    assert set(examples.answer.outlines) == {"left", "right"}


# -- comparison --------------------------------------------------------------------------------------------------------


def test_a_comparison_has_a_row_for_each_intervention_and_method(reports):
    table = ci.Comparison(reports).sections()[2].tables[0]
    assert [(row[0].text, row[1].text) for row in table.rows] == [
        ("left [px]", "none"),
        ("left [px]", "segmentor"),
        ("kind", "none"),
        ("kind", "segmentor"),
    ]
    row = dict(zip(table.heads, table.rows[1], strict=True))
    effect = reports["segmentor"]["left"]
    assert str(row["error %"]) == str(effect.error)
    assert str(row["slope"]) == str(effect.slope)
    assert str(row["−log p (F)"]) == str(reports["segmentor"].nll["x"])
    assert row["F against first"].text == "+10.00\u00a0%"
    assert "to the truth, grey levels" not in row
    (slopes,) = ci.Comparison(reports).sections()[3].tables[0].rows
    assert [str(cell) for cell in slopes[1:]] == [str(report.dose["left"].slope) for report in reports.values()]


def test_the_cost_in_likelihood_is_relative_to_the_size_of_the_first(reports):
    comparison = ci.Comparison(reports)
    assert comparison.cost("none", "x") == 0
    assert comparison.cost("segmentor", "x") == pytest.approx(10)
    assert comparison.to_data()["segmentor"]["nll change %"]["x"] == pytest.approx(10)
    painters = ci.Comparison({"a": ci.evaluate(Painter(), world(20), [Ruler()], **ONLY)})
    assert painters.cost("a", "x") is None


def test_with_a_phantom_methods_are_compared_by_their_distance_to_the_truth():
    reports = {
        name: ci.evaluate(Oracle(part), HEARTS, [BrightHeart()], phantom=HEART, allow_weak=True)
        for name, part in (("idle", 0.0), ("all", 1.0))
    }
    table = ci.Comparison(reports).sections()[2].tables[0]
    idle = reports["idle"].truth["lv_area"].idle_image.value
    assert [float(row[-1].text) for row in table.rows] == pytest.approx([idle, 0], abs=0.01)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"judges": [Ruler(bias=1.1)]}, "let the same judges read both"),
        ({"n": 19}, "asked about different items"),
        ({"seed": 1}, "asked about different items"),
        ({"test": world(20, seed=1)}, "asked about different items"),
        ({"variables": ["right"]}, "b was asked for right; a for left"),
    ],
)
def test_a_comparison_refuses_what_does_not_compare(change, message):
    arguments = {"test": world(20), "judges": [Ruler()], "variables": ["left"]}
    one, other = ci.evaluate(Painter(), **arguments), ci.evaluate(Painter(), **(arguments | change))
    with pytest.raises(ValueError, match=message):
        ci.Comparison({"a": one, "b": other})


def test_a_comparison_refuses_other_targets_and_nothing():
    values = world(20)
    one, other = (
        ci.evaluate(Painter(), values, [Ruler()], variables=names) for names in (["left", "right"], ["right", "left"])
    )
    with pytest.raises(ValueError, match="were asked for different targets"):
        ci.Comparison({"a": one, "b": other})
    with pytest.raises(ValueError, match="nothing to compare"):
        ci.Comparison({})
