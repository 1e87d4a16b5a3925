"""How likely answers are, beside the images they were made from."""

import torch
from strategies import as_if_fitted
from test_evaluation import Painter, Ruler, world
from torch.testing import assert_close

import causalimg as ci
from causalimg.evaluation.questions import Question
from causalimg.fit import row_nlls


def question(model, before, after):
    return Question(model, "left", slice(None), before, after, unit=255.0)


def test_realism_is_what_an_answer_loses_in_likelihood_under_its_own_causes():
    before = world(6)
    model = as_if_fitted(ci.compile(Painter.graph, x=ci.HVAE(widths=(4, 4), latents=(0, 2))))
    for weight in model.mechanisms["x"].parameters():  # an untrained one doesn't see its causes yet
        torch.nn.init.normal_(weight, std=0.3)
    assert_close(ci.Realism().measure(question(model, before, dict(before))), torch.zeros(6))
    after = {**before, "left": before["left"].flip(0), "x": torch.rand(6, 1, 32, 32)}
    nll = {name: row_nlls(model.mechanisms["x"], "x", each) for name, each in (("before", before), ("after", after))}
    lost = ci.Realism().measure(question(model, before, after))
    assert_close(lost, nll["after"] - nll["before"])
    assert (lost - ci.Realism().measure(question(model, before, {**after, "left": before["left"]}))).abs().max() > 1e-4


def test_a_model_without_a_likelihood_has_no_realism():
    assert ci.Realism().measure(question(Painter(), world(3), world(3))).isnan().all()
    report = ci.evaluate(Painter(), world(20), [Ruler()], variables=["left"], metrics=[ci.Realism()])
    assert "realism" in report.table()
