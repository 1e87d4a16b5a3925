"""Intervals that hold: on questions like those of the scores, at any level, and wider where the draws disagree more."""

import pytest
import torch

import causalimg as ci
from causalimg.intervals import Scores, score

GRAPH = ci.Graph.of(
    age=ci.Continuous(bounds=(0, 100)),
    area=ci.Continuous(bounds=(0, 200), unit="px", measured=ci.Area("a")),
    mass=ci.Continuous(bounds=(0, 200), unit="px", measured=ci.Area("b")),
    x=ci.Image(parents=["age", "area", "mass"], shape=(2, 1, 1), bounds=(None, None)),
)
BIAS = 1.1


class Crooked(ci.Mechanism):
    """Two pixels, the area and the mass. Asked for another, the area comes a tenth too large, and draws differ with the age."""

    handles = (ci.Image,)

    def build(self):
        self.fitted.fill_(True)

    def noise(self, n, generator=None):
        return torch.randn(n, 2, generator=generator)

    def predict(self, u, parents):
        return torch.stack([parents["area"], parents["mass"]], dim=1)[:, :, None, None]

    def abduct(self, value, parents, prior):
        return prior

    def loss(self, value, parents):
        return value.flatten(1).sum(1)

    def counterfactual(self, u, parents, seen, options=None):
        asked = torch.stack([parents["area"], parents["mass"]], dim=1)
        was = torch.stack([seen.parents["area"], seen.parents["mass"]], dim=1)
        errors = (BIAS - 1) * asked + 0.05 * parents["age"][:, None] * u
        return torch.where(asked != was, asked + errors, was)[:, :, None, None]


class Pixels(ci.readers.Reader):
    """Reads the two pixels, the second with an error that depends on the image."""

    def can_read(self, graph):
        return ("area", "mass")

    def read(self, images, graph, names, *, soft=False):
        wrong = 5 * torch.sin(997 * images[:, 1, 0, 0])
        read = {"area": images[:, 0, 0, 0], "mass": images[:, 1, 0, 0] + wrong}
        return {name: read[name] for name in names}


def rows(n, seed):
    drawn = torch.rand(n, 3, generator=torch.Generator().manual_seed(seed)) * torch.tensor([90.0, 100.0, 100.0]) + 10
    return dict(zip(("age", "area", "mass"), drawn.T, strict=True)) | {"x": drawn[:, 1:, None, None]}


@pytest.fixture(scope="module")
def model():
    return ci.compile(GRAPH, x=Crooked())


@pytest.fixture(scope="module")
def conformal(model):
    model.fit(rows(40, 2), **{name: ci.Recipe(steps=2) for name in ("age", "area", "mass")})
    return ci.Conformal(model, rows(500, 0), Pixels(), particles=4)


def covered(answer, name, level):
    low, high = answer.interval(name, level)
    return ((low <= answer[name]) & (answer[name] <= high)).float().mean().item()


@pytest.mark.parametrize("level", [0.5, 0.9])
def test_intervals_hold_what_was_set_and_what_should_stay(conformal, model, level):
    test = rows(600, 1)
    answer = conformal.do(test, area=test["area"].flip(0))
    for name in ("area", "mass"):
        assert covered(answer, name, level) == pytest.approx(level, abs=0.05)
    drawn = model.do(test, area=test["area"].flip(0), particles=4).read_by(conformal._read)
    assert covered(drawn, "mass", level) < 0.05  # all draws leave it alone: they know nothing of the reader's error
    assert covered(drawn, "area", level) < level - 0.1


def test_they_are_wider_where_draws_disagree_and_of_an_answer_that_moved(conformal):
    test = rows(300, 1)
    answer = conformal.do(test, area=test["area"].flip(0))
    low, high = answer.interval("area")
    width, old = high - low, test["age"] > 55
    assert width[old].mean() > 1.3 * width[~old].mean()
    assert (answer.interval("area", 0.95)[1] > high).all()
    nothing = conformal.do(test)
    assert (nothing.interval("area")[1] - nothing.interval("area")[0]).max() < width.min()


def test_one_item_has_an_interval_of_its_own(conformal):
    test = rows(4, 1)
    together = conformal.do(test, area=50.0).interval("area")
    alone = conformal.do({name: value[2] for name, value in test.items()}, area=50.0).interval("area")
    for one, all_ in zip(alone, together, strict=True):
        assert one.shape == ()
        torch.testing.assert_close(one, all_[2])


def test_a_guide_and_who_reads_nothing_may_not_say_how_far_off_answers_are(model, monkeypatch):
    reader = Pixels()
    monkeypatch.setattr(model, "guided_by", [ci.readers.reader.fingerprint(reader)])
    with pytest.raises(ValueError, match="guided this model"):
        ci.Conformal(model, rows(5, 0), reader)
    monkeypatch.setattr(Pixels, "can_read", lambda self, graph: ())
    with pytest.raises(ValueError, match=r"guided this model|reads no number"):
        ci.Conformal(model, rows(5, 0), reader)


def test_the_rank_of_a_score_counts_the_question_itself():
    scores = Scores({"a": torch.arange(1.0, 10.0)}, {"a": torch.zeros(9)}, {"a": 1.0})
    spread = torch.tensor([1.0, 3.0])
    reach = scores.reach("a", torch.tensor([True, True]), spread, 0.9)
    torch.testing.assert_close(reach, 9 * (spread + 1))  # of nine, the ninth: ceil(10 * .9)
    assert scores.reach("a", torch.tensor([True, False]), spread, 0.95).tolist() == [float("inf")] * 2
    assert scores.reach("a", torch.tensor([False, False]), spread, 0.5).tolist() == [0.0, 0.0]
    with pytest.raises(ValueError, match="Did you mean 'a'"):
        scores.reach("aa", torch.tensor([True]), spread[:1], 0.9)
    assert score(torch.tensor(5.0), torch.tensor(1.0), torch.tensor(2.0), 0.5) == 2.0


def test_a_model_whose_draws_never_differ_has_intervals_too(model):
    exact = ci.Conformal(model, rows(60, 0), Pixels(), particles=1)
    test = rows(200, 1)
    answer = exact.do(test, mass=test["mass"].flip(0))
    assert covered(answer, "area", 0.9) == 1
    low, high = answer.interval("mass")
    torch.testing.assert_close(high - low, (high - low)[:1].expand(200), rtol=1e-3, atol=1e-3)
    assert covered(answer, "mass", 0.9) == pytest.approx(0.9, abs=0.08)
