"""Cards of models, and the models that are shipped with theirs."""

import time

import pytest
import torch
import yaml
from strategies import as_if_fitted
from test_evaluation import Painter, Ruler, world

import causalimg as ci
from causalimg.cards import CARD, About, card
from causalimg.shipped import FOLDER, available

HEART = ci.phantoms.Heart(size=64)


def front(text):
    """The fields that a hub reads."""
    _, fields, body = text.split("---\n", 2)
    return yaml.safe_load(fields), body


def test_a_card_says_what_is_known_and_what_nobody_said():
    graph = ci.Graph.of(a=ci.Continuous(unit="mm"), x=ci.Image(parents=["a"], shape=(1, 8, 8)))
    model = as_if_fitted(ci.compile(graph, x=ci.HVAE(widths=(4, 4), latents=(0, 2))))
    model.guided_by = ["0123456789abcdef"]
    fields, body = front(card(model, about=About(title="Lamps", licence="cc0-1.0", data="Two lamps.")))
    assert (fields["library_name"], fields["license"]) == ("causalimg", "cc0-1.0")
    assert body.strip().startswith("# Lamps\n")
    assert "Two lamps." in body
    assert "0123456789abcdef" in body
    assert body.index("## Verdict\n\nNobody has judged it yet.") < body.index("## What causes what")
    assert body.count("Not said.") == 5  # splits, who made it, sensitivities, support, the judgement
    assert "license" not in front(card(model))[0]


def test_a_card_begins_with_the_verdict_of_its_report():
    model = as_if_fitted(ci.compile(HEART.graph, x=ci.HVAE(widths=(4, 4), latents=(0, 2))))
    report = ci.evaluate(Painter(gain=0.5), world(20), [Ruler()], variables=["left"])
    _, body = front(card(model, report))
    for one in report.verdict:
        assert body.count(f"- **{one.mark}**: {one.text}") == 1
    assert body.index(report.verdict[-1].text) < body.index("## What causes what")
    assert "### How this was judged" in body


def test_shipped_models_are_small_answer_at_once_and_have_a_card():
    assert available()
    assert sum(file.stat().st_size for file in FOLDER.rglob("*") if file.is_file()) < 8e6
    for name in available():
        model = ci.pretrained(name)
        assert model.supports
        fields, body = front((FOLDER / name / CARD).read_text())
        assert fields["license"]
        assert "Not said." not in body
    with pytest.raises(ValueError, match="unknown pretrained model 'haert'. Did you mean 'heart'?"):
        ci.pretrained("haert")


def test_the_shipped_heart_obeys():
    patients = HEART.sample(24, seed=7)
    begin = time.monotonic()
    answer = ci.pretrained("heart").do(patients.values, lv_area=ci.scale(0.7), support="allow")
    assert time.monotonic() - begin < 20
    truth = HEART.counterfactual(patients, {"lv_area": ci.scale(0.7)})
    area = answer.measured["lv_area"]
    assert ((area - answer["lv_area"]).abs() / answer["lv_area"]).median() < 0.08
    gone = (answer["x"] - truth.values["x"]).abs().mean()
    assert gone < (patients.values["x"] - truth.values["x"]).abs().mean()
    assert torch.equal(answer["age"], patients.values["age"])
