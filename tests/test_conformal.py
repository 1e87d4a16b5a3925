"""Intervals that hold: on questions like those of the scores, at any level, and wider where the draws disagree more."""

import pytest
import torch

import causalimg as ci
from causalimg.intervals import Scores, reach_of

GRAPH = ci.Graph.of(
    age=ci.Continuous(bounds=(0, 100)),
    area=ci.Continuous(bounds=(0, 400), unit="grey", measured=ci.MeanIntensity("a")),
    mass=ci.Continuous(bounds=(0, 400), unit="grey", measured=ci.MeanIntensity("b"), parents=["area"]),
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
    drawn[:, 2] += drawn[:, 1]
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
@pytest.mark.parametrize("name", ["area", "mass"])
def test_intervals_hold_what_was_set_what_stays_and_what_follows(conformal, name, level):
    test = rows(800, 1)
    answer = conformal.do(test, **{name: test[name].flip(0)})
    for read in ("area", "mass"):
        if (name, read) == ("mass", "area"):
            assert covered(answer, read, level) == 1  # read without an error
        else:
            assert covered(answer, read, level) == pytest.approx(level, abs=0.06)


def test_draws_alone_know_nothing_of_what_all_of_them_have_wrong(conformal, model):
    test = rows(300, 1)
    drawn = model.do(test, area=test["area"].flip(0), particles=4).read_by(conformal._read)
    assert covered(drawn, "area", 0.9) < 0.8


def test_they_are_wider_where_draws_disagree(conformal):
    test = rows(300, 1)
    answer = conformal.do(test, area=test["area"].flip(0))
    low, high = answer.interval("area")
    width, old = high - low, test["age"] > 55
    assert width[old].mean() > 1.3 * width[~old].mean()
    assert (answer.interval("area", 0.95)[1] > high).all()


@pytest.mark.filterwarnings("ignore:the image hardly follows age:UserWarning")
def test_a_question_of_another_kind_has_no_interval(conformal):
    test = rows(5, 1)
    with pytest.raises(ValueError, match=r"no interval of area under do\(age\): scored were area under do\(area\)"):
        conformal.do(test, age=50.0).interval("area")
    with pytest.raises(ValueError, match="nothing was asked"):
        conformal.do(test).interval("area")
    with pytest.raises(ValueError, match="unknown variable that the reader reads 'age'"):
        conformal.do(test, area=50.0).interval("age")
    both = conformal.do(test, area=50.0, mass=150.0).interval("mass")
    one = conformal.do(test, mass=150.0).interval("mass")
    assert (both[1] - both[0] >= one[1] - one[0] - 1e-3).all()


def test_one_item_has_an_interval_of_its_own(conformal):
    test = rows(4, 1)
    together = conformal.do(test, area=50.0).interval("area")
    alone = conformal.do({name: value[2] for name, value in test.items()}, area=50.0).interval("area")
    for one, all_ in zip(alone, together, strict=True):
        assert one.shape == ()
        torch.testing.assert_close(one, all_[2])


def test_a_guide_and_who_reads_nothing_may_not_say_how_far_off_answers_are(model, monkeypatch):
    reader = Pixels()
    with monkeypatch.context() as patch:
        patch.setattr(model, "guided_by", [ci.readers.reader.fingerprint(reader)])
        with pytest.raises(ValueError, match="guided this model"):
            ci.Conformal(model, rows(5, 0), reader)
    with pytest.raises(ValueError, match="missing: age, mass"):
        ci.Conformal(model, {name: value for name, value in rows(5, 0).items() if name in ("area", "x")}, reader)
    blind = lambda self, images, graph, names, soft=False: dict.fromkeys(names, images[:, 0, 0, 0] / 0)  # noqa: E731
    monkeypatch.setattr(Pixels, "read", blind)
    with pytest.raises(ValueError, match="5 readings to score, 5 of them not finite"):
        ci.Conformal(model, rows(5, 0), reader)
    monkeypatch.setattr("causalimg.conformal.Continuous", ci.Categorical)
    with pytest.raises(ValueError, match="reads no number"):
        ci.Conformal(model, rows(5, 0), reader)


def test_it_is_judged_like_a_model(conformal):
    assert conformal.guided_by == []
    with pytest.raises(ValueError, match="nothing was asked"):
        conformal.do(conformal.abduct(rows(3, 1))).interval("area")
    assert "area" in str(ci.effectiveness(conformal, rows(20, 1), Pixels()))


def test_the_rank_of_a_score_counts_the_question_itself():
    zeros, nine = torch.zeros(9), torch.arange(1.0, 10.0)
    scores = Scores.of(nine, zeros, zeros)
    spread = torch.tensor([1.0, 3.0])
    torch.testing.assert_close(scores.reach(spread, 0.9), 9 * (spread + 1))  # of nine, the ninth: ceil(10 * .9)
    with pytest.raises(ValueError, match=r"level 0.95 needs at least 19 scored rows, not 9"):
        scores.reach(spread, 0.95)
    spread_out = Scores.of(nine, 2 * torch.ones(9), zeros)
    torch.testing.assert_close(spread_out.reach(spread, 0.9), 9 / 4 * (spread + 2))
    two = reach_of({("a", "a"): scores, ("b", "a"): spread_out}, {"a": nine, "b": nine}, "a", spread, 0.9)
    torch.testing.assert_close(two, torch.maximum(9 * (spread + 1), 9 / 4 * (spread + 2)))


def test_a_model_whose_draws_never_differ_has_intervals_too(model):
    exact = ci.Conformal(model, rows(60, 0), Pixels(), particles=1)
    test = rows(200, 1)
    answer = exact.do(test, mass=test["mass"].flip(0))
    low, high = answer.interval("mass")
    torch.testing.assert_close(high - low, (high - low)[:1].expand(200), rtol=1e-3, atol=1e-3)
    assert covered(answer, "mass", 0.9) == pytest.approx(0.9, abs=0.08)
