"""A metric from outside the package is in the report, its pages and its comparisons, with no edit anywhere."""

import json

import pytest
import torch
from test_evaluation import Painter, Ruler, world

import causalimg as ci

ONLY = {"variables": ["left", "kind"]}


class Brightened(ci.Metric):
    """How much brighter the brightest pixel became."""

    label = "brightened"
    unit = "%"
    explanation = "Brightened: the brightest pixel, after minus before."

    def measure(self, question):
        before, after = (world[question.image].flatten(1).amax(1) for world in (question.before, question.after))
        return 100 * (after - before)


class Grown(ci.Metric):
    """What was set, where it grew; of what did not grow there is no number."""

    label = "grown"

    def measure(self, question):
        before, after = (world[question.name].float() for world in (question.before, question.after))
        return torch.where(after > before, after - before, torch.nan)


BRIGHTENED = Brightened()


def judged(haze=0.0, metrics=(BRIGHTENED,), **others):
    return ci.evaluate(Painter(haze=haze), world(100), [Ruler()], **{**ONLY, "metrics": metrics, **others})


def test_a_metric_is_its_mean_by_variable_that_was_set():
    report = judged(haze=0.1, metrics=[ci.Reversibility(), Brightened(), Grown()])
    assert list(report.metrics) == ["reversibility", "brightened", "grown"]
    assert {name: one.value for name, one in report.metrics["brightened"].items()} == pytest.approx(
        {"left": 10, "kind": 10}, rel=1e-4
    )
    moved = report["left"].target - world(100)["left"][torch.randperm(100, generator=torch.Generator().manual_seed(0))]
    grown = report.metrics["grown"]["left"]
    assert grown.value == pytest.approx(moved[moved > 0].mean().item(), rel=1e-4)
    assert grown.low < grown.value < grown.high
    assert judged(metrics=[]).metrics == {}
    assert "## Metrics" not in judged(metrics=[]).table()


def test_of_several_models_a_metric_is_the_mean_and_its_interval_is_over_groups():
    report = ci.evaluate([Painter(), Painter(haze=0.1)], world(40), [Ruler()], **ONLY, metrics=[Brightened()])
    assert report.metrics["brightened"]["left"].each == pytest.approx([0, 10], abs=1e-3)
    by_item, by_group = (judged(metrics=[Grown()], groups=groups) for groups in (None, [0, 1] * 50))
    assert by_item.metrics["grown"]["left"].low != by_group.metrics["grown"]["left"].low


def test_a_metric_is_in_tables_data_and_pages(tmp_path):
    report = judged(haze=0.1)
    estimate = report.metrics["brightened"]["left"]
    assert "| do | brightened [%] |" in report.table()
    assert f"| **left [px]** | {estimate} |" in report.table()
    assert Brightened.explanation in report.table()
    data = json.loads(json.dumps(report.to_data(), allow_nan=False))["metrics"]["brightened"]
    assert data["unit"] == "%"
    assert data["do"]["left"]["value"] == estimate.value
    html = report.write(tmp_path).read_text()
    assert '<th scope="col">brightened [%]</th>' in html
    assert "brightened [%]" in (tmp_path / "report.md").read_text()
    assert json.loads((tmp_path / "report.json").read_text())["metrics"]["brightened"] == data


def test_a_metric_is_in_a_comparison_also_where_only_one_report_has_it(tmp_path):
    reports = {"none": judged(), "mine": judged(haze=0.1), "other": judged(metrics=[Grown()])}
    comparison = ci.Comparison(reports)
    (table,) = next(section.tables for section in comparison.sections() if section.title == "Metrics")
    assert table.heads == ["do", "method", "brightened [%]", "grown"]
    cells = {(row[0].text, row[1].text): [str(cell) for cell in row[2:]] for row in table.rows}
    assert cells["left [px]", "mine"] == [str(reports["mine"].metrics["brightened"]["left"]), "–"]
    assert cells["kind", "other"] == ["–", str(reports["other"].metrics["grown"]["kind"])]
    assert "brightened [%]" in comparison.write(tmp_path).read_text()
    data = json.loads((tmp_path / "comparison.json").read_text())
    assert data["mine"]["metrics"] == reports["mine"].to_data()["metrics"]


def test_a_comparison_refuses_one_label_in_two_units():
    class Shares(Brightened):
        unit = "share"

    with pytest.raises(ValueError, match="brightened: b measured it in 'share', a in '%'"):
        ci.Comparison({"a": judged(), "b": judged(metrics=[Shares()])})


class Twin(Grown):
    """Another metric under the label of one of ours."""

    label = "reversibility"


class Nameless(ci.Metric):
    """A metric without a label."""

    def measure(self, question):
        return torch.zeros(len(question.before["x"]))


@pytest.mark.parametrize(
    ("metrics", "error", "message"),
    [
        ([ci.Reversibility(), Twin()], ValueError, "two metrics of label 'reversibility': Reversibility and Twin"),
        ([Nameless()], ValueError, "metric Nameless has no label"),
        ([Brightened], TypeError, r"expected a list of metrics, such as \[Brightened\(\)\], got .*Brightened"),
        ([Brightened().measure], TypeError, "metrics: expected"),
        (Brightened(), TypeError, "metrics: expected"),
    ],
)
def test_mistakes_are_named_before_anything_is_asked(metrics, error, message):
    model = Painter()
    with pytest.raises(error, match=message):
        ci.evaluate(model, world(20), [Ruler()], **ONLY, metrics=metrics)
    assert model.batches == []


@pytest.mark.parametrize(
    ("result", "error", "message"),
    [
        (
            torch.zeros(20, 1),
            ValueError,
            r"metric 'odd' \(Odd\.measure\): expected one number per item, shape \(20,\), got \(20, 1\)",
        ),
        (torch.tensor(1.0), ValueError, r"shape \(20,\), got \(\)"),
        (0.5, TypeError, r"metric 'odd' \(Odd\.measure\): expected a tensor of one number per item, got 0\.5"),
    ],
)
def test_numbers_that_are_not_one_for_each_item_are_refused(result, error, message):
    class Odd(ci.Metric):
        label = "odd"

        def measure(self, question):
            return result

    with pytest.raises(error, match=message):
        ci.evaluate(Painter(), world(20), [Ruler()], **ONLY, metrics=[Odd()])
