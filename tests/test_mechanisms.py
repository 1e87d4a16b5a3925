"""Every mechanism keeps the contract, and `check_mechanism` tells who doesn't."""

import importlib.util
import math
from pathlib import Path

import pytest
import torch

import causalimg as ci
from causalimg.testing import check_mechanism

SPEC = importlib.util.spec_from_file_location(
    "custom_mechanism", Path(__file__).parent.parent / "examples/custom_mechanism.py"
)
example = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(example)

AGE = ci.Continuous(unit="year", bounds=(0, 110))
SITE = ci.Categorical(levels=("north", "south", "west"))
BOUNDS = {
    "unbounded": (None, None),
    "positive": (0, None),
    "negative": (None, 0),
    "fraction": (0, 1),
    "wide": (-1e4, 1e6),
}

BOTH = ["age", "site"]
DEFORM = ci.Deform(widths=(4, 8), basis=4, embedding=4)
TINY = {"widths": (4, 8), "latents": (2, 2), "embedding": 4}
FLOW = {"widths": (4, 8), "embedding": 4, "steps": 2}

MECHANISMS = {
    **{f"spline, {name}": (ci.ConditionalFlow(), ci.Continuous(bounds=b, parents=BOTH)) for name, b in BOUNDS.items()},
    **{
        f"affine, {name}": (ci.ConditionalFlow(bins=0), ci.Continuous(bounds=b, parents=BOTH))
        for name, b in BOUNDS.items()
    },
    "spline, root": (ci.ConditionalFlow(bins=1), ci.Continuous(bounds=(0, None))),
    "Gumbel-max": (ci.GumbelMax(), ci.Categorical(levels=("no", "yes"), parents=BOTH)),
    "Gumbel-max, root": (ci.GumbelMax(width=8), ci.Categorical(levels=tuple("abcde"))),
    "linear-Gaussian": (ci.LinearGaussian(), ci.Continuous(parents=BOTH)),
    "linear-Gaussian, root": (ci.LinearGaussian(), ci.Continuous()),
    "HVAE": (ci.HVAE(**TINY), ci.Image(shape=(1, 8, 8), parents=BOTH)),
    "HVAE, edited": (ci.Edited(base=ci.HVAE(**TINY), edit=DEFORM), ci.Image(shape=(1, 8, 8), parents=BOTH)),
    "HVAE, edited, root": (ci.Edited(base=ci.HVAE(**TINY), edit=DEFORM), ci.Image(shape=(3, 8, 8))),
    "HVAE, mediator": (ci.HVAE(**TINY, mediator=True), ci.Image(shape=(1, 8, 8), parents=BOTH)),
    "HVAE, mediator, root": (ci.HVAE(**TINY, mediator=True), ci.Image(shape=(1, 8, 8))),
    "HVAE, discretised, root": (ci.HVAE(**TINY, likelihood="discretised"), ci.Image(shape=(3, 8, 8))),
    "flow matching": (ci.FlowMatching(**FLOW), ci.Image(shape=(1, 8, 8), parents=BOTH)),
    "flow matching, root": (ci.FlowMatching(**{**FLOW, "steps": 3}), ci.Image(shape=(3, 8, 8))),
    "flow matching, patches": (ci.FlowMatching(**FLOW, patch=4, shift=2.0), ci.Image(shape=(1, 16, 16), parents=BOTH)),
    "flow matching, edited": (
        ci.Edited(base=ci.FlowMatching(**FLOW), edit=DEFORM),
        ci.Image(shape=(1, 8, 8), bounds=(-1, 3), parents=BOTH),
    ),
    "example": (example.LaplaceNoise(), ci.Continuous(parents=BOTH)),
    "example, root": (example.LaplaceNoise(), ci.Continuous()),
}


@pytest.mark.parametrize("kind", [ci.Guidable, ci.Mediated])
def test_who_says_that_it_heeds_options_has_to_say_how(kind):
    class Careless(kind):
        handles = (ci.Image,)
        build = noise = predict = abduct = loss = lambda self, *_: None

    with pytest.raises(TypeError, match="abstract method '?counterfactual"):
        Careless()


@pytest.mark.parametrize("name", MECHANISMS)
def test_keeps_the_contract(name):
    mechanism, variable = MECHANISMS[name]
    check_mechanism(mechanism, ci.Graph.of(age=AGE, site=SITE, v=variable), "v")


class Sound(ci.MaximumLikelihood):
    """v = w (age - 50) / 50 + b + e^s u, to be broken in one place at a time."""

    handles = (ci.Continuous,)

    def build(self):
        self.w, self.b, self.s = (torch.nn.Parameter(torch.tensor(value)) for value in (0.1, 0.2, 0.7))

    def mean(self, parents):
        return self.w * (parents["age"] - 50) / 50 + self.b

    def noise(self, n, generator=None):
        return torch.randn(n, generator=generator)

    def predict(self, u, parents):
        return self.mean(parents) + self.s.exp() * u

    def explain(self, value, parents, prior):
        u = (value - self.mean(parents)) / self.s.exp()
        return ci.Abduction(u, 0.5 * u.square() + self.s + 0.5 * math.log(2 * math.pi))


CHILD = ci.Graph.of(age=AGE, v=ci.Continuous(parents=["age"]))


class OneTooMany(Sound):
    def noise(self, n, generator=None):
        return super().noise(max(n, 1), generator)


class Double(Sound):
    def predict(self, u, parents):
        return super().predict(u, parents).double()


class Named(Sound):
    def explain(self, value, parents, prior):
        u, nll = super().explain(value, parents, prior)
        return ci.Abduction((u,), nll)


class Cooled(Sound):
    def explain(self, value, parents, prior):
        u, nll = super().explain(value, parents, prior)
        return ci.Abduction(0.9 * u, nll)


class Crowded(Sound):
    def predict(self, u, parents):
        return super().predict(u, parents) + self.b * parents["age"].mean()

    def explain(self, value, parents, prior):
        return super().explain(value - self.b * parents["age"].mean(), parents, prior)


class Summed(Sound):
    def explain(self, value, parents, prior):
        u, nll = super().explain(value, parents, prior)
        return ci.Abduction(u, nll.sum())


class Detached(Sound):
    def explain(self, value, parents, prior):
        u, nll = super().explain(value, parents, prior)
        return ci.Abduction(u, nll.detach() + 0 * self.w)


class Deaf(Sound):
    def mean(self, parents):
        return super().mean({"age": parents["age"].detach()})


class WrongPoint(Sound):
    def explain(self, value, parents, prior):
        u, nll = super().explain(value, parents, prior)
        return ci.Abduction(u, nll - 2 * self.s)


class Forgetful(Sound):
    def prepare(self, value, parents):
        self.offset = float(value.mean())

    def mean(self, parents):
        return super().mean(parents) + getattr(self, "offset", 0.0)


class Uphill(Sound):
    def build(self):
        super().build()
        for p in self.parameters():
            p.register_hook(torch.neg)


class Blind(Sound):
    """What was seen is forgotten where an answer is asked for."""

    def counterfactual(self, *asked):
        return super().counterfactual(*asked) + 0.1


class OneByOne(Sound):
    def predict(self, u, parents):
        return super().predict(u, {name: column[: len(u)] for name, column in parents.items()})


class Forked(Sound):
    """The noise of `abduct` is not that of `explain`."""

    def abduct(self, value, parents, prior):
        return -super().abduct(value, parents, prior)


class Fresh(Sound):
    """What explains a value is drawn anew at every call."""

    def build(self):
        super().build()
        self.drawn = 0.0

    def explain(self, value, parents, prior):
        self.drawn = torch.randn(())
        return super().explain(value - self.drawn, parents, prior)

    def predict(self, u, parents):
        return super().predict(u, parents) + self.drawn


class OneDraw(Sound):
    """One value is explained by the first draw alone."""

    def noise(self, n, generator=None):
        return torch.randn(n, 2, generator=generator)

    def predict(self, u, parents):
        return super().predict(u.sum(1), parents)

    def explain(self, value, parents, prior):
        u, nll = super().explain(value, parents, prior)
        return ci.Abduction(torch.stack([prior[: len(u), 0], u - prior[: len(u), 0]], 1), nll)


class InPlace(Sound):
    def explain(self, value, parents, prior):
        return super().explain(value.add_(1), parents, prior)


BROKEN = {
    OneTooMany: r"noise\(n\) has n rows",
    Double: "expected torch.float32, got torch.float64",
    Named: r"the parts, shapes and types of noise",
    Cooled: "to the mechanism's tolerance",
    Crowded: "the same alone as in a batch",
    Summed: r"loss has shape \(\)",
    Detached: "no gradient reaches b",
    Deaf: "no gradient reaches age",
    WrongPoint: "adds up to one",
    Forgetful: "the copy predicts otherwise",
    Uphill: "training lower the mean loss",
    Blind: "counterfactual under the parents that were seen",
    OneByOne: "with the noise of one sample",
    Forked: "noise  of explain is not that of abduct",
    Fresh: "another noise at the second call",
    OneDraw: "of one value is another",
    InPlace: "v, which was given, is changed in place",
}


def test_a_sound_mechanism_passes():
    check_mechanism(Sound(), CHILD, "v")


@pytest.mark.parametrize("kind", BROKEN, ids=lambda kind: kind.__name__)
def test_check_mechanism_says_what_is_broken(kind):
    with pytest.raises(AssertionError, match=BROKEN[kind]):
        check_mechanism(kind(), CHILD, "v")


def test_check_mechanism_finds_values_out_of_bounds():
    with pytest.raises(AssertionError, match=r"not a number in \[0, inf\)"):
        check_mechanism(Sound(), ci.Graph.of(age=AGE, v=ci.Continuous(bounds=(0, None), parents=["age"])), "v")


def test_check_mechanism_leaves_the_random_state_alone():
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    check_mechanism(Sound(), CHILD, "v")
    assert torch.equal(torch.rand(1), expected)


def test_the_example_trains_and_survives_save_and_load(tmp_path):
    graph = ci.Graph.of(age=ci.Continuous(), v=ci.Continuous(parents=["age"]))
    torch.manual_seed(0)
    age = 50 + 10 * torch.randn(1000)
    table = {"age": age, "v": 2 * age + torch.distributions.Laplace(0.0, 3.0).sample((1000,))}
    model = ci.compile(graph, age=ci.LinearGaussian(), v=example.LaplaceNoise())
    model.fit(table, v=ci.Recipe(steps=300, batch=256, lr=5e-3))
    person = {name: column[:5] for name, column in table.items()}
    older = model.do(person, age=ci.shift(5.0))["v"]
    torch.testing.assert_close(older, person["v"] + 10, rtol=0, atol=1.0)
    model.save(tmp_path)
    assert torch.equal(ci.CausalModel.load(tmp_path).do(person, age=ci.shift(5.0))["v"], older)
