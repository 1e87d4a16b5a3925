"""The page of `explore`: what is in it, and what is refused. How it behaves: test_browser.py."""

import json
import re
from base64 import b64decode
from io import BytesIO

import numpy
import PIL.Image
import pytest
import torch
from films import HOSTILE, FilmPage, film_model, film_rows
from strategies import as_if_fitted, values

import causalimg as ci
from causalimg.exploring.exploration import Exploration
from causalimg.exploring.page import embedded
from causalimg.exploring.pixels import change_colors, outline, png

MODEL = film_model()


def data_of(path):
    """The data in a page, as a browser reads them: up to the first end of a script."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script', path.read_text(), re.DOTALL)
    return json.loads(found[1])


def pixels(text):
    return numpy.asarray(PIL.Image.open(BytesIO(b64decode(text))))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "new" / "page.html"
    assert ci.explore(MODEL, film_rows(), path, targets=3) == path
    return data_of(path)


def test_a_page_has_each_item_asked_about_each_scalar_cause(data):
    assert data["over"] == ["beam", "lung"]
    assert len(data["items"]) == 3
    for item in data["items"]:
        assert item["asked"]["beam"]["texts"] == [HOSTILE, "narrow"]
        assert len(item["asked"]["lung"]["answers"]) == len(item["asked"]["lung"]["texts"])


def test_numbers_run_between_percentiles_of_the_rows_with_what_was_seen_among_them(data):
    asked = data["items"][1]["asked"]["lung"]  # 55, which is the middle one of the targets
    assert asked["values"] == pytest.approx([23.5, 55.0, 86.5])
    assert asked["texts"][asked["seen"]] == "55 px"
    assert [answer is None for answer in asked["answers"]] == [False, True, False]
    first = data["items"][0]["asked"]["lung"]
    assert first["values"] == pytest.approx([20.0, 23.5, 55.0, 86.5])
    assert first["seen"] == 0


def test_answers_are_those_of_do(data):
    rows = {name: value[:1] for name, value in film_rows().items()}
    asked = data["items"][0]["asked"]["lung"]
    for value, answer in zip(asked["values"][1:], asked["answers"][1:], strict=True):
        cf = MODEL.do(rows, lung=value)
        assert numpy.abs(pixels(answer["image"]) - 255.0 * cf["x"][0, 0].numpy()).max() <= 0.5 + 1e-3
        assert answer["readings"]["lung"]["measured"] == f"{cf.measured['lung'].item():.4g} px"
        assert answer["readings"]["lung"]["is"] == f"{value:.4g} px"
        assert answer["readings"]["age"] == {"is": "30 year"}


def test_what_was_seen_is_the_image_itself(data):
    seen = data["items"][2]["seen"]
    assert (pixels(seen["image"]) == (255 * film_rows()["x"][2, 0]).round().byte().numpy()).all()
    assert seen["support"] is None


def test_causes_further_up_bring_along_what_follows(tmp_path):
    found = data_of(ci.explore(MODEL, film_rows(), tmp_path / "page.html", over=["age"], targets=2, items=1))
    assert found["variables"]["age"]["follows"] == ["lung", "x"]
    asked = found["items"][0]["asked"]["age"]
    lungs = {answer["readings"]["lung"]["is"] for answer in asked["answers"] if answer}
    assert len(lungs | {found["items"][0]["seen"]["readings"]["lung"]["is"]}) > 1


def test_targets_and_support_are_of_the_rows_that_were_fitted_on_where_they_are_known(tmp_path):
    model = film_model()
    trained = values(FilmPage(), 200)
    trained["lung"] = torch.linspace(100, 200, 200)
    model.supports = {"x": ci.model.Support.of(FilmPage(), "x", trained)}
    found = data_of(ci.explore(model, film_rows(), tmp_path / "page.html", over=["lung"], targets=2))
    asked = found["items"][0]["asked"]["lung"]
    assert asked["values"] == pytest.approx([20.0, 105.0, 195.0], rel=1e-3)
    answer = asked["answers"][1]
    assert answer["support"].endswith("%")
    assert not answer["unusual"]
    told = Exploration(model, film_rows(), ["lung"], 2, 1, 1)
    known = told.known({name: value[:1] for name, value in film_rows().items()})
    assert told.ask(known, {"lung": 1.0})[0]["unusual"]


def test_several_draws_say_their_spread_and_where_it_exceeds_what_is_asked(tmp_path):
    ensemble = ci.Ensemble([film_model(), film_model(seed=1)])
    found = data_of(ci.explore(ensemble, film_rows(), tmp_path / "page.html", over=["lung"], targets=2, particles=2))
    rows = {name: value[:1] for name, value in film_rows().items()}
    asked = found["items"][0]["asked"]["lung"]
    reading, value = asked["answers"][2]["readings"]["lung"], asked["values"][2]
    spread = ensemble.do(ensemble.abduct(rows, particles=2), lung=value).reading_spread("lung").item()
    assert reading["spread"].startswith(f"spread {spread:.4g} px; 90 % in ")
    assert reading["unsure"] == (spread > value - 20)
    assert "spread" not in found["items"][0]["seen"]["readings"]["lung"]


@pytest.mark.parametrize("spread", [0.0, 1e6])
def test_unsure_is_a_spread_beyond_the_change_that_was_asked_for(spread, monkeypatch):
    monkeypatch.setattr(ci.counterfactual.Counterfactual, "reading_spread", lambda *_: torch.full((1,), spread))
    told = Exploration(MODEL, film_rows(), ["lung"], 2, 1, 2)
    known = told.known({name: value[:1] for name, value in film_rows().items()})
    assert told.ask(known, {"lung": 60.0})[0]["readings"]["lung"]["unsure"] == (spread > 0)


def test_a_cause_that_the_image_ignores_is_said_in_a_warning_and_on_the_page(tmp_path):
    model = film_model()
    model.sensitivities = {"lung": ci.model.Sensitivity(slope=0.0, change=0.0)}
    with pytest.warns(UserWarning, match="the image hardly follows lung") as caught:
        path = ci.explore(model, film_rows(), tmp_path / "page.html", targets=2)
    assert len(caught) == 1
    notes = data_of(path)["notes"]
    assert [len(notes[name]) for name in ("beam", "lung")] == [0, 1]


def test_a_guided_model_is_explored_and_its_guide_vouches_for_what_it_reads(tmp_path):
    segmentor = ci.Segmentor.unet(structures=("lung",), width=4)
    flow = ci.FlowMatching(widths=(4, 4), steps=2)
    model = as_if_fitted(ci.compile(FilmPage, segmentor, x=flow))
    model.sensitivities = {"lung": ci.model.Sensitivity(slope=0.0, change=0.0)}
    rows = {name: value[:1] for name, value in film_rows().items()}
    guided = ci.Guided(model, segmentor)
    path = ci.explore(guided, film_rows(), tmp_path / "page.html", over=["lung"], targets=2, items=1)
    asked = data_of(path)["items"][0]["asked"]["lung"]
    cf = guided.do(rows, lung=asked["values"][-1], support="allow")
    assert asked["answers"][-1]["image"] == png(cf["x"][0], (0.0, 1.0))


def test_what_names_say_is_no_html(tmp_path):
    path = ci.explore(MODEL, film_rows(), tmp_path / "page.html", over=["beam"], title="<b>&")
    html = path.read_text()
    assert HOSTILE not in html
    assert "<title>&lt;b&gt;&amp;</title>" in html
    assert data_of(path)["items"][0]["asked"]["beam"]["texts"][0] == HOSTILE
    assert embedded({"a": "</script><!--&"}) == '{"a":"\\u003c/script\\u003e\\u003c!--\\u0026"}'


def test_a_page_names_no_other_place(tmp_path):
    html = ci.explore(MODEL, film_rows(), tmp_path / "page.html", over=["beam"]).read_text()
    assert set(re.findall(r"https?://[^\"' ]+", html)) <= {"http://www.w3.org/2000/svg"}
    assert "default-src &#x27;none&#x27;" in html


def test_a_page_of_eight_items_and_nine_targets_at_64_px_has_less_than_3_mb(tmp_path):
    graph = ci.Graph.of(
        "Wide",
        sex=ci.Categorical(levels=("a", "b")),
        lung=ci.Continuous(),
        heart=ci.Continuous(),
        x=ci.Image(parents=["sex", "lung", "heart"], shape=(1, 64, 64)),
    )
    model = as_if_fitted(ci.compile(graph, x=ci.HVAE(widths=(4, 4), latents=(0, 2), embedding=4)))
    path = ci.explore(model, values(graph, 8), tmp_path / "page.html")  # of noise, which no PNG makes smaller
    assert path.stat().st_size < 3e6
    assert (
        sum(answer is not None for item in data_of(path)["items"] for answer in item["asked"]["heart"]["answers"]) == 72
    )


def test_colour_images_keep_their_colours():
    image = torch.tensor([1.0, 0.5, 0.0])[:, None, None].expand(3, 2, 4)
    assert pixels(png(image, (0.0, 1.0))).tolist() == [[[255, 128, 0]] * 4] * 2


def test_pixels_are_between_black_and_white():
    assert pixels(png(torch.tensor([[[-3.0, -1.0, 0.0, 1.0]]]), (-1.0, 1.0))).tolist() == [[0, 0, 128, 255]]


def test_an_outline_goes_between_pixels_and_closes_at_the_border():
    mask = torch.zeros(4, 4, dtype=torch.bool)
    assert outline(mask) == ""
    mask[0, 0] = True  # its centre lies at (1, 1) of half pixels
    path = outline(mask)
    assert path.count("M") == path.count("z") == 1
    x, y, *steps = (int(number) for number in re.findall(r"-?\d+", path))
    assert {(x + sum(steps[:i:2]), y + sum(steps[1 : i + 1 : 2])) for i in range(0, len(steps), 2)} == {
        (0, 1), (1, 0), (2, 1), (1, 2)
    }  # fmt: skip


def test_colours_of_change_are_symmetric_and_white_in_the_middle():
    colors = change_colors()
    assert len(colors) == 201
    assert colors[100] == "#f7f6f6"
    assert colors[0] < colors[-1]  # blue is darker, red brighter


@pytest.mark.parametrize(
    ("asked", "error", "message"),
    [
        ({"over": ["lng"]}, ValueError, "unknown scalar cause of x 'lng'. Did you mean 'lung'"),
        ({"over": ["x"]}, ValueError, "unknown scalar cause of x 'x'"),
        ({"over": "lung"}, TypeError, "over: expected a list of variables, got str"),
        ({"targets": 1}, ValueError, "targets: expected at least 2, got 1"),
        ({"items": 0}, ValueError, "items: expected at least 1, got 0"),
        ({"particles": 0}, ValueError, "particles: expected at least 1, got 0"),
    ],
)
def test_a_mistake_is_said_and_nothing_is_written(asked, error, message, tmp_path):
    with pytest.raises(error, match=re.escape(message)):
        ci.explore(MODEL, film_rows(), tmp_path / "page.html", **asked)
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_model_no_rows_and_a_number_that_is_everywhere_the_same(tmp_path):
    with pytest.raises(TypeError, match="model: expected CausalModel or Guided or Ensemble, got str"):
        ci.explore("heart", film_rows(), tmp_path / "page.html")
    with pytest.raises(ValueError, match="rows: rows: expected at least 1, got 0"):
        ci.explore(MODEL, {name: value[:0] for name, value in film_rows().items()}, tmp_path / "page.html")
    with pytest.raises(ValueError, match="lung is 20 px in all rows that are known"):
        ci.explore(MODEL, film_rows(1), tmp_path / "page.html")
