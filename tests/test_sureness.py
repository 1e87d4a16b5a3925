"""How sure answers are, and what nobody observed, as reports say it: against models whose spread is known by construction."""

import json

import pytest
import torch
from strategies import as_if_fitted
from test_confounding import Bright, Hidden
from test_evaluation import Bars, Painter, Ruler, draw, world

import causalimg as ci
from causalimg.readers.reader import Reader

ITEMS = 40


class Shaky(ci.Mechanism):
    """Where a parent changed, a drawing whose left part is `sd` pixels larger or smaller: abduction leaves open by how much."""

    handles = (ci.Image,)
    sd: float = 10.0

    def build(self):
        pass

    def noise(self, n, generator=None):
        return torch.randn(n, generator=generator)

    def predict(self, u, parents):
        return draw(**(parents | {"left": parents["left"] + self.sd * u}))

    def abduct(self, value, parents, prior):
        return prior

    def loss(self, value, parents):
        return value.flatten(1).sum(1)


def shaky(sd=10.0):
    return as_if_fitted(ci.compile(Bars, x=Shaky(sd=sd)))


@pytest.fixture(scope="module")
def report():
    return ci.evaluate(shaky(), world(ITEMS), [Ruler()], metrics=[], variables=["left"], particles=16)


def test_it_is_what_the_draws_are(report):
    sure = report.sureness["left"]
    assert sure.spread.value == pytest.approx(10, rel=0.1)
    assert sure.width.value == pytest.approx(1.645 * 10, rel=0.2)
    assert sure.held.value > 0.95
    assert sure.pixels.value > 0
    assert sure.pixels.value == pytest.approx(255 * 0.8 * 10 / 32**2, rel=0.5)


def test_not_sure_is_where_draws_differ_by_more_than_was_asked(report):
    values, target = world(ITEMS), report["left"].target
    rows = torch.randperm(ITEMS, generator=torch.Generator().manual_seed(0))
    asked = (target - values["left"][rows]).abs()
    unsure = report.sureness["left"].unsure.value
    assert (asked < 4).float().mean() < unsure < (asked < 25).float().mean()
    wide = ci.evaluate(shaky(60.0), values, [Ruler()], metrics=[], variables=["left"], particles=16)
    assert wide.sureness["left"].unsure.value > unsure


def test_the_report_shows_it_and_its_pictures_do(report):
    said = report.table()
    assert "How sure" in said
    assert "not sure" in said
    data = json.loads(json.dumps(report.to_data()))["sureness"]["left"]
    assert data["spread"]["value"] == report.sureness["left"].spread.value
    assert report.examples["left"].answer.spread is not None
    assert "spread" in [text.get_text() for text in report.examples["left"].draw().texts]


def test_methods_are_laid_side_by_side(report):
    plain = ci.evaluate(shaky(), world(ITEMS), [Ruler()], metrics=[], variables=["left"])
    said = ci.Comparison({"one draw": plain, "many": report}).table()
    rows = said[said.index("How sure") :].split("\n")
    assert [row for row in rows if "**many**" in row]
    assert not [row for row in rows if "**one draw**" in row and "left" in row]


def test_one_draw_says_nothing_of_it():
    report = ci.evaluate(shaky(), world(ITEMS), [Ruler()], metrics=[], variables=["left", "kind"])
    assert report.sureness == {}
    assert "How sure" not in report.table()
    assert report.examples["left"].answer.spread is None


def test_of_levels_there_is_none():
    report = ci.evaluate(shaky(), world(ITEMS), [Ruler()], metrics=[], variables=["kind", "left"], particles=2)
    assert list(report.sureness) == ["left"]


def test_an_ensemble_has_draws_by_itself_and_conformal_intervals_are_its_own():
    models = ci.Ensemble([shaky(), shaky(20.0)])
    assert (
        ci.evaluate(models, world(ITEMS), [Ruler()], metrics=[], variables=["left"]).sureness["left"].spread.value > 3
    )
    conformal = ci.Conformal(shaky(), world(100, seed=1), Ruler(), particles=2)
    sure = ci.evaluate(conformal, world(100), [Ruler()], metrics=[], variables=["left"]).sureness["left"]
    alone = ci.evaluate(shaky(), world(100), [Ruler()], metrics=[], variables=["left"], particles=2).sureness["left"]
    assert alone.held.value < 0.6
    assert 0.82 < sure.held.value < 0.98


def test_draws_are_refused_of_a_model_that_has_one_answer():
    with pytest.raises(ValueError, match="of a Painter answers have as many draws"):
        ci.evaluate(Painter(), world(9), [Ruler()], metrics=[], variables=["left"], particles=4)


# -- what nobody observed ----------------------------------------------------------------------------------------------


class Glow(Reader):
    """Reads a dose and an area off the brightness: roughly, which is not what is tested."""

    def can_read(self, graph):
        return ("dose", "area")

    def read(self, images, graph, names, *, soft=False):
        return {name: images.flatten(1).mean(1) for name in names}


def told(graph, **mechanisms):
    model = as_if_fitted(ci.compile(graph, x=Bright(), **mechanisms))
    return model, model.sample(30, seed=1)


def test_how_strong_a_common_cause_would_have_to_be_is_on_the_report():
    graph = Hidden()
    model, seen = told(
        graph, dose=ci.LinearGaussian(scale=2.0), area=ci.LinearGaussian(weights={"dose": 1.4}, scale=2.4)
    )
    report = ci.evaluate(model, seen, [Glow()], metrics=[], allow_weak=True)
    steep = 1.4 * 2.0 / 2.4
    assert report.tipping["dose"]["area"].value == pytest.approx(steep / (1 + steep**2) ** 0.5, rel=1e-3)
    assert list(report.tipping) == ["dose"]
    said = report.table()
    assert "What nobody observed" in said
    assert "frailty, unobserved, is behind both" in said
    assert json.loads(json.dumps(report.to_data()))["tipping"]["dose"]["area"]["value"] > 0


def test_where_there_is_nothing_to_say_nothing_is_said():
    said = ci.evaluate(shaky(), world(9), [Ruler()], metrics=[], variables=["left"])
    assert said.tipping == {}
    assert "What nobody observed" not in said.table()
