"""A model that is asked live: what it answers, and what it refuses."""

import json
import threading
from base64 import b64encode
from io import BytesIO

import PIL.Image
import pytest
import torch
from films import HOSTILE, film_model, film_rows

import causalimg as ci
from causalimg.exploring.exploration import Exploration
from causalimg.exploring.pixels import png
from causalimg.exploring.server import application

testclient = pytest.importorskip("starlette.testclient", reason="no starlette: pip install causalimg[serve]")

MODEL = film_model()


@pytest.fixture(scope="module")
def client():
    shown = Exploration(MODEL, film_rows(), ["age", "beam", "lung"], 3, 2, 1)
    with testclient.TestClient(application(shown), base_url="http://127.0.0.1:8000") as client:
        yield client


def picture():
    file = BytesIO()
    PIL.Image.new("L", (16, 16), 77).save(file, format="PNG")
    return b64encode(file.getvalue()).decode()


def test_the_page_has_items_without_answers_and_may_ask_this_server_only(client):
    html = client.get("/").text
    data = json.loads(html.split('id="data">')[1].split("</script")[0])
    assert data["live"]
    assert [item["subject"] for item in data["items"]] == [{"item": 0}, {"item": 1}]
    assert data["items"][0]["asked"]["lung"]["answers"] == [None] * 4
    assert data["given"] == {"age": None, "beam": [HOSTILE, "narrow"]}
    assert "connect-src &#x27;self&#x27;" in html
    assert "access-control-allow-origin" not in client.get("/", headers={"Origin": "http://else.org"}).headers


def test_answers_are_those_of_do(client):
    told = client.post("/do", json={"item": 1, "do": {"lung": 40, "beam": "narrow"}})
    assert told.status_code == 200
    cf = MODEL.do({name: value[1:2] for name, value in film_rows().items()}, lung=40, beam="narrow")
    assert told.json()["image"] == png(cf["x"][0], (0.0, 1.0))
    assert told.json()["readings"]["lung"]["measured"] == f"{cf.measured['lung'].item():.4g} px"


def test_an_image_is_uploaded_and_asked_about(client):
    given = {"age": 50, "beam": "narrow"}
    item = client.post("/item", json={"image": picture(), "given": given}).json()
    image = torch.full((1, 16, 16), 77 / 255)
    assert item["seen"]["image"] == png(image, (0.0, 1.0))
    assert item["seen"]["readings"]["age"]["is"] == "50 year"
    told = client.post("/do", json={"image": picture(), "given": given, "do": {"lung": 90}}).json()
    assert told["image"] == png(MODEL.do({"x": image, **given}, lung=90)["x"], (0.0, 1.0))


@pytest.mark.parametrize(
    ("question", "message"),
    [
        ({"item": 0, "do": {"lng": 3}}, "unknown scalar variable 'lng'. Did you mean 'lung'?"),
        ({"item": 0, "do": {"x": "/etc/passwd"}}, "unknown scalar variable 'x'"),
        ({"item": 0, "do": {"support": "allow"}}, "unknown scalar variable 'support'"),
        ({"item": 0, "do": {"lung": -3}}, "lung"),
        ({"item": 0, "do": {"beam": "narow"}}, "Did you mean 'narrow'?"),
        ({"item": 0, "do": {"lung": [1, 2, 3]}}, "LiveQuestion.do.lung"),
        ({"item": 7}, "item: expected 0 to 1, got 7"),
        ({"item": -1}, "LiveQuestion.item"),
        ({"itm": 0}, "Did you mean 'item'?"),
        ({}, "say which item, or give an image"),
        ({"item": 0, "image": "aaaa"}, "say which item, or give an image"),
        ([], "question: expected an object of JSON, got list"),
        ({"image": "aaaaa"}, "LiveQuestion.image"),
        ({"image": ""}, "x: it is no PNG"),
        ({"image": b64encode(b"GIF89a, no picture").decode()}, "x: it is no PNG"),
        ({"image": picture(), "given": {"age": 50}}, "beam"),
        ({"image": picture(), "given": {"x": "/etc/passwd"}}, "unknown scalar variable 'x'"),
        ({"image": picture()[:60], "given": {"age": 50, "beam": "narrow"}}, "x: "),
    ],
)
def test_a_mistake_is_said_in_the_words_of_the_library(client, question, message):
    told = client.post("/do", json=question)
    assert told.status_code == 400
    assert message in told.json()["error"]


def test_what_is_too_large_is_no_json_or_comes_from_elsewhere_is_refused(client, monkeypatch):
    kind = {"Content-Type": "application/json"}
    assert "no JSON" in client.post("/do", content="{", headers=kind).json()["error"]
    assert "no JSON" in client.post("/do", content="[" * 100_000, headers=kind).json()["error"]
    form = client.post("/do", content='{"item": 0}', headers={"Content-Type": "text/plain"})
    assert (form.status_code, form.json()["error"]) == (400, "expected Content-Type: application/json")
    assert client.get("/", headers={"Host": "rebound.org"}).status_code == 400
    monkeypatch.setattr("causalimg.exploring.server.MOST", 100)
    assert "more than" in client.post("/do", json={"image": "A" * 200}).json()["error"]


def test_an_image_beyond_the_limits_is_refused_before_it_is_decoded(client, monkeypatch):
    monkeypatch.setattr("causalimg.exploring.live.USUAL", ci.Limits(pixels=100))
    told = client.post("/item", json={"image": picture(), "given": {"age": 50, "beam": "narrow"}})
    assert "256 pixels, expected at most 100" in told.json()["error"]


def test_one_question_is_put_at_a_time(client, monkeypatch):
    inside, most, do = [], [], MODEL.do

    def slow(*given, **asked):
        inside.append(1)
        most.append(len(inside))
        threading.Event().wait(0.05)
        answer = do(*given, **asked)
        inside.pop()
        return answer

    monkeypatch.setattr(MODEL, "do", slow)
    ask = lambda: client.post("/do", json={"item": 0, "do": {"lung": 40}})  # noqa: E731
    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(most) == 4
    assert max(most) == 1
