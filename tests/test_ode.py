"""A second kind of image mechanism is one file: an ODE with a linear velocity, without a likelihood, walks the whole road."""

import pytest
import torch
from test_guidance import Eye
from test_model import Disc, discs

import causalimg as ci
from causalimg.testing import check_mechanism

STEPS = 20


class LinearODE(ci.Mechanism):
    """dx/dt = s x + c(pa), noise at t = 0 and the image at t = 1, by the midpoint rule, fitted by flow matching."""

    handles = (ci.Image,)
    recipe = ci.Recipe(steps=100, batch=32, lr=1e-2)
    tolerance = 1e-3  # the midpoint rule backward is not the exact inverse of the one forward

    def build(self):
        self.context = ci.Context(self.parents)
        self.linear = torch.nn.Linear(self.context.width, self.variable.value_shape[-1] * self.variable.value_shape[-2])
        self.rate = torch.nn.Parameter(torch.zeros(()))

    def velocity(self, x, parents):
        pushed = self.linear(self.context(parents, max(map(len, (x, *parents.values())))))
        return self.rate * x + pushed.reshape(-1, 1, *self.variable.value_shape[-2:])

    def solve(self, x, parents, step):
        for _ in range(STEPS):
            x = x + step * self.velocity(x + step / 2 * self.velocity(x, parents), parents)
        return x

    def noise(self, n, generator=None):
        return torch.randn(n, *self.variable.value_shape, generator=generator)

    def predict(self, u, parents):
        return self.solve(u, parents, 1 / STEPS).clamp(0, 1)

    def abduct(self, value, parents, prior):
        return self.solve(value, parents, -1 / STEPS)

    def loss(self, value, parents):
        u, t = torch.randn_like(value), torch.rand(len(value), 1, 1, 1)
        miss = self.velocity((1 - t) * u + t * value, parents) - (value - u)
        return miss.square().flatten(1).sum(1)


@pytest.mark.parametrize("mechanism", [LinearODE(), ci.Edited(base=LinearODE(), edit=ci.Deform(widths=(8, 8)))])
def test_it_keeps_the_contract(mechanism):
    check_mechanism(mechanism, Disc, "x")


@pytest.fixture(scope="module", params=["alone", "edited"])
def fitted(request):
    made = LinearODE() if request.param == "alone" else ci.Edited(base=LinearODE(), edit=ci.Deform(widths=(8, 8)))
    model = ci.compile(Disc, x=made)
    quick = ci.Recipe(steps=40, batch=64, lr=5e-3, warmup=5)
    history = model.fit(discs(), discs(40, seed=3), age=quick, sex=quick, area=quick)
    return model, history["x"]


def test_it_is_fitted_asked_tuned_and_saved(fitted, tmp_path):
    model, history = fitted
    assert history.rows[-1]["loss"] < history.rows[0]["loss"]
    test, eye = discs(seed=1), Eye()
    assert (model.do(test)["x"] - test["x"]).abs().max() < 1e-2
    assert (model.do(test, area=ci.scale(1.5))["x"] - test["x"]).abs().mean() > 1e-3
    before = model.sensitivity(test, [eye])["area"].slope
    tuned = model.finetune(discs(), discs(40, seed=3), guidance=[eye], recipe=ci.Recipe(steps=60, batch=32, lr=1e-2))
    assert tuned.last("area") < tuned.rows[1]["area"] + 0.05
    assert model.sensitivity(test, [eye])["area"].slope > before
    assert model.sample(3)["x"].shape == (3, 1, 16, 16)
    model.save(tmp_path)
    again = ci.CausalModel.load(tmp_path)
    assert torch.equal(again.do(test, area=60.0)["x"], model.do(test, area=60.0)["x"])


def test_what_it_has_no_likelihood_for_is_left_out_of_the_report(fitted):
    model, _ = fitted
    judge = Eye()
    judge.sharpness.data.fill_(9.0)
    report = ci.evaluate(model, discs(40, seed=1), [judge])
    assert report.nll == {}
    assert "Likelihood" not in report.table()
