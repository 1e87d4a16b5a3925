"""What else may be asked: particles, weights, regions, confounding, effects, intervals, samples; of ensembles and `Conformal`."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

import causalimg as ci
from benchmarks.reliability import world
from benchmarks.reliability.case import Case, Right, answers, either, refuses, warns
from benchmarks.reliability.cases.asking import ask, same
from benchmarks.reliability.world import Lightness, Threshold, compiled, flow, item, model, numbers, rows

NAN, INF = float("nan"), float("inf")
N = 8
Cases = dict[str, tuple[Any, Right]]


def area(**options: Any) -> Any:
    """An answer of the flow about the area."""
    return ask(of=flow, area=60.0, **options)


def shape_is(*shape: int) -> Callable[[Any], bool]:
    """Whether the image is of this shape, and finite."""
    return lambda answer: answer["x"].shape == shape and bool(answer["x"].isfinite().all())


PARTICLES: Cases = {
    "0": (0, refuses("particles", "0")),
    "-1": (-1, refuses("particles", "-1")),
    "2.5": (2.5, refuses("particles", "2.5")),
    "2.0": (2.0, either(shape_is(N, 1, 16, 16), "particles")),
    "None": (None, refuses("particles")),
    "a text": ("many", refuses("particles")),
    "NaN": (NAN, refuses("particles")),
    "True": (True, either(shape_is(N, 1, 16, 16), "particles")),
    "a tensor": (torch.tensor(2), either(shape_is(N, 1, 16, 16), "particles")),
    "an int of numpy": (np.int64(2), either(shape_is(N, 1, 16, 16), "particles")),
    "a list": ([2], refuses("particles")),
    "3": (3, answers(lambda a: a.draws["x"].shape == (N, 3, 1, 16, 16) and (a.spread["area"] == 0).all())),
}

WEIGHTS: Cases = {
    "a number": (2.0, refuses("weights")),
    "a text": ("area", refuses("weights")),
    "a list": ([1.0, 2.0], refuses("weights")),
    "of a name with a typo": ({"aera": 2.0}, refuses("aera", "Did you mean 'area'")),
    "of what is no parent": ({"age": 2.0}, refuses("age", "area, sex")),
    "NaN": ({"area": NAN}, refuses("area", "finite")),
    "infinite": ({"area": INF}, refuses("area", "finite")),
    "a text for one": ({"area": "strong"}, refuses("area", "strong")),
    "None for one": ({"area": None}, refuses("area")),
    "three for eight items": ({"area": torch.ones(3)}, refuses("area", "8", "(3,)")),
    "of two dimensions": ({"area": torch.ones(N, 1)}, refuses("area", "(8, 1)")),
    "complex": ({"area": 1j}, refuses("area")),
    "True": ({"area": True}, either(shape_is(N, 1, 16, 16), "area")),
    "one for each": ({"area": torch.linspace(0, 2, N)}, answers(shape_is(N, 1, 16, 16))),
    "0": ({"area": 0.0}, answers(shape_is(N, 1, 16, 16))),
    "-1": ({"area": -1.0}, either(shape_is(N, 1, 16, 16), "area")),
    "none": ({}, answers(lambda a: same(a, area()))),
}

REGIONS: Cases = {
    "a text with a typo": ("disk", refuses("disk", "Did you mean 'disc'")),
    "a structure": ("disc", answers(shape_is(N, 1, 16, 16))),
    "None": (None, answers(shape_is(N, 1, 16, 16))),
    "a number": (0.5, refuses("region")),
    "a list of names": (["disc"], either(shape_is(N, 1, 16, 16), "region")),
    "an object": (object(), refuses("region")),
    "a mask of another size": (torch.ones(8, 8), refuses("region", "(16, 16)", "(8, 8)")),
    "three masks for eight items": (torch.ones(3, 16, 16), refuses("region", "(3, 16, 16)")),
    "a mask with a channel for each": (torch.ones(N, 1, 16, 16), refuses("region", "(8, 1, 16, 16)")),
    "a mask of 0 to 255": (255 * torch.ones(16, 16), refuses("region", "[0, 1]", "255")),
    "a mask that is NaN": (torch.full((16, 16), NAN), refuses("region", "[0, 1]")),
    "a mask below 0": (-torch.ones(16, 16), refuses("region", "[0, 1]")),
    "a complex mask": (torch.ones(16, 16) + 0j, refuses("region")),
    "a mask of bool": (torch.ones(16, 16, dtype=torch.bool), answers(shape_is(N, 1, 16, 16))),
    "a mask of numpy": (np.ones((16, 16)), answers(shape_is(N, 1, 16, 16))),
    "an empty mask": (torch.zeros(16, 16), answers(lambda a: torch.allclose(a["x"], rows()["x"], atol=1e-4))),
    "a sparse mask": (torch.ones(16, 16).to_sparse(), either(shape_is(N, 1, 16, 16), "region")),
}

REGION_SETTINGS: Cases = {
    "margin=-1": ({"margin": -1}, refuses("margin", "-1")),
    "margin=NaN": ({"margin": NAN}, refuses("margin", "nan")),
    "soft=-1": ({"soft": -1}, refuses("soft", "-1")),
    "soft=infinity": ({"soft": INF}, refuses("soft", "inf")),
    "margin as text": ({"margin": "wide"}, refuses("margin", "wide")),
    "a setting with a typo": ({"margn": 0.1}, refuses("margn", "Did you mean 'margin'")),
    "structures=3": ({"structures": 3}, refuses("structures")),
}

CONFOUNDING: Cases = {
    "a number": (0.3, refuses("confounding")),
    "a text": ("age", refuses("confounding")),
    "by one name": ({"age": 0.3}, refuses("confounding", "age")),
    "by three names": ({("age", "area", "x"): 0.3}, refuses("confounding")),
    "by a name with a typo": ({("aeg", "area"): 0.3}, refuses("aeg", "Did you mean 'age'")),
    "of what is no parent": ({("dose", "area"): 0.3}, refuses("dose", "no parent")),
    "of an image": ({("area", "x"): 0.3}, refuses("x", "Monotone")),
    "of levels": ({("sex", "area"): 0.3}, refuses("sex", "Monotone")),
    "of 1": ({("age", "area"): 1.0}, refuses("age", "1")),
    "of 2": ({("age", "area"): 2.0}, refuses("age", "1")),
    "of NaN": ({("age", "area"): NAN}, refuses("age", "nan")),
    "of a text": ({("age", "area"): "strong"}, refuses("confounding", "strong")),
    "of None": ({("age", "area"): None}, refuses("confounding")),
    "of three for eight items": ({("age", "area"): torch.zeros(3)}, refuses("confounding", "8")),
    "of 0": ({("age", "area"): 0.0}, answers(lambda a: same(a, ask(age=50.0)))),
    "of one for each": ({("age", "area"): torch.linspace(-0.5, 0.5, N)}, answers(lambda a: a["area"].isfinite().all())),
}

SAMPLES: Cases = {
    "-1": (-1, refuses("n", "-1")),
    "0": (0, answers(lambda s: s["x"].shape == (0, 1, 16, 16) and s["age"].shape == (0,))),
    "1": (1, answers(lambda s: s["x"].shape == (1, 1, 16, 16))),
    "2.5": (2.5, refuses("n", "2.5")),
    "3.0": (3.0, either(lambda s: s["x"].shape[0] == 3, "n")),
    "None": (None, refuses("n")),
    "a text": ("three", refuses("n", "three")),
    "NaN": (NAN, refuses("n")),
    "True": (True, either(lambda s: s["x"].shape[0] == 1, "n")),
    "a list": ([3], refuses("n")),
    "a tensor": (torch.tensor(3), either(lambda s: s["x"].shape[0] == 3, "n")),
    "ten to the twelfth": (10**12, refuses("n")),
}

SAMPLED_DO: Cases = {
    "a name with a typo": ({"aera": 60.0}, refuses("aera", "Did you mean 'area'")),
    "NaN": ({"area": NAN}, refuses("area", "nan")),
    "out of bounds": ({"age": 200.0}, refuses("age", "200")),
    "an area larger than the image": ({"area": 900.0}, refuses("area")),
    "a level with a typo": ({"sex": "mael"}, refuses("sex", "Did you mean 'male'")),
    "two values for three samples": ({"area": [50.0, 60.0]}, refuses("area", "2", "3")),
    "a relative value": ({"area": ci.scale(2.0)}, refuses("area")),
    "a function": ({"area": lambda area: area}, refuses("area")),
    "a list": ([60.0], refuses("do")),
    "a text": ("area", refuses("do")),
    "one value": ({"area": 60.0}, answers(lambda s: (s["area"] == 60).all() and s["x"].shape[0] == 3)),
    "a value for each": ({"area": [50.0, 60.0, 70.0]}, answers(lambda s: s["area"].tolist() == [50, 60, 70])),
    "a level": ({"sex": "male"}, answers(lambda s: (s["sex"] == 1).all())),
    "bool": ({"age": True}, refuses("age")),
    "beyond float32": ({"dose": 1e300}, refuses("dose", "1e+300")),
}


def effects(*, seen: Any = None, **asked: Any) -> Any:
    """Effects of what is asked."""
    return model().effects(rows() if seen is None else seen, **asked)


def drawn(**asked: Any) -> Any:
    """An answer of four draws."""
    return ask(area=60.0, particles=4, **asked)


ANSWERED: dict[str, tuple[Callable[[], Any], Right, str]] = {
    "an answer's variable with a typo": (lambda: ask(area=60.0)["aera"], refuses("aera", "Did you mean 'area'"), ""),
    "an interval of one draw": (lambda: ask(area=60.0).interval("area"), refuses("particles"), "Ensemble"),
    "an interval of four": (lambda: drawn().interval("area"), answers(lambda i: (i[0] <= i[1]).all()), "Ensemble"),
    "an interval of a name with a typo": (lambda: drawn().interval("aera"), refuses("Did you mean 'area'"), "Ensemble"),
    "an interval of levels": (lambda: drawn().interval("sex"), refuses("sex"), "Ensemble"),
    "an interval of an image": (lambda: drawn().interval("x"), refuses("x"), "Ensemble"),
    "an interval at 90": (lambda: drawn().interval("area", 90), refuses("level", "90"), "Ensemble"),
    "an interval at 0": (lambda: drawn().interval("area", 0), refuses("level", "0"), "Ensemble"),
    "an interval at NaN": (lambda: drawn().interval("area", NAN), refuses("level", "nan"), "Ensemble"),
    "an interval at a text": (lambda: drawn().interval("area", "wide"), refuses("level"), "Ensemble"),
    "the spread of a reading with a typo": (lambda: drawn().reading_spread("aera"), refuses("aera"), "Ensemble"),
    "a plot": (lambda: ask(area=60.0).plot("a.png"), answers(), ""),
    "a plot into a folder that is not there": (
        lambda: ask(area=60.0).plot("none/a.png"),
        either(lambda _: Path("none/a.png").exists(), "none"),
        "",
    ),
    "a plot of an unknown format": (lambda: ask(area=60.0).plot("a.jpq"), refuses("jpq"), ""),
    "a plot of an image with a typo": (lambda: ask(area=60.0).plot("a.png", "y"), refuses("y"), ""),
    "a plot of no rows": (
        lambda: ask({k: v[:0] for k, v in rows().items()}, area=60.0).plot("a.png"),
        refuses("(0, 1, 16, 16)"),
        "",
    ),
    "a plot of a graph without images": (
        lambda: numbers().do({k: rows()[k] for k in ("age", "sex", "dose")}, age=50.0).plot("a.png"),
        refuses("image"),
        "",
    ),
    "effects of a name with a typo": (lambda: effects(aera=60.0), refuses("Did you mean 'area'"), "Effects"),
    "effects of nothing": (lambda: effects(), either(lambda e: same(e.total, rows()), "nothing"), "Effects"),
    "effects on what was set": (lambda: effects(area=60.0).of("area"), refuses("area", "set"), "Effects"),
    "effects on a name with a typo": (lambda: effects(area=60.0).of("xx"), refuses("xx"), "Effects"),
    "effects on levels": (lambda: effects(age=50.0).of("sex"), refuses("sex", "levels"), "Effects"),
    "effects of NaN": (lambda: effects(area=NAN), refuses("area", "nan"), "Effects"),
    "effects of a model never fitted": (lambda: compiled().effects(rows(), area=60.0), refuses("x", "fit"), "Effects"),
    "the tipping point of nothing": (
        lambda: model().tipping(rows()),
        answers(lambda t: t == {}),
        "CausalModel.tipping",
    ),
    "the tipping point of a name with a typo": (
        lambda: model().tipping(rows(), aeg=50.0),
        refuses("Did you mean 'age'"),
        "CausalModel.tipping",
    ),
    "the tipping point of NaN": (
        lambda: model().tipping(rows(), age=NAN),
        refuses("age", "nan"),
        "CausalModel.tipping",
    ),
    "what is measured on an image of another size": (
        lambda: model().measure(torch.rand(2, 1, 8, 8)),
        refuses("x", "(1, 16, 16)"),
        "",
    ),
    "what is measured on a mapping with a typo": (lambda: model().measure({"y": rows()["x"]}), refuses("y"), ""),
    "what is measured on NaN": (lambda: model().measure(torch.full((1, 16, 16), NAN)), refuses("x", "nan"), ""),
    "what is measured on None": (lambda: model().measure(None), refuses("x"), ""),
    "what is measured on an array of numpy": (
        lambda: model().measure(rows()["x"].numpy()),
        either(lambda m: m["area"].shape == (N,), "x"),
        "",
    ),
    "an abduction with other particles": (
        lambda: model().do(model().abduct(rows(), particles=2), area=60.0, particles=3),
        refuses("particles=3", "2"),
        "CausalModel.do.particles",
    ),
    "a seed that is a text": (lambda: ask(area=60.0, seed="one"), refuses("seed"), ""),
    "a seed of a fraction": (lambda: ask(area=60.0, seed=0.5), either(shape_is(N, 1, 16, 16), "seed"), ""),
    "a seed below 0": (lambda: ask(area=60.0, seed=-1), either(shape_is(N, 1, 16, 16), "seed"), ""),
    "a seed beyond 64 bits": (lambda: ask(area=60.0, seed=2**80), either(shape_is(N, 1, 16, 16), "seed"), ""),
    "weights of an autoencoder": (
        lambda: ask(area=60.0, weights={"area": 2.0}),
        refuses("weights", "area"),
        "CausalModel.do.weights",
    ),
    "a sample of a model never fitted": (lambda: compiled().sample(3), refuses("fit"), ""),
    "the same sample twice": (
        lambda: [model().sample(4, seed=1) for _ in range(2)],
        answers(lambda two: all(torch.equal(v, two[1][k]) for k, v in two[0].items())),
        "",
    ),
    "a sample, and the global random state": (lambda: state_kept(lambda: model().sample(4)), answers(bool), ""),
    "a sample with a seed that is a text": (lambda: model().sample(4, seed="one"), refuses("seed"), ""),
    "one item and three questions": (lambda: ask(item(), area=[50.0, 60.0, 70.0]), answers(shape_is(3, 1, 16, 16)), ""),
    "one item and no question": (lambda: ask(item(), area=[]), answers(shape_is(0, 1, 16, 16)), ""),
}


def state_kept(run: Callable[[], Any]) -> bool:
    """Whether the global random state is after `run` as it was before."""
    before = torch.get_rng_state()
    run()
    return torch.equal(before, torch.get_rng_state())


def ensemble() -> Any:
    """Of two models."""
    return ci.Ensemble([model(), world.other()])


def conformal(**asked: Any) -> Any:
    """Intervals of a model, scored on 24 rows."""
    return ci.Conformal(model(), **{"rows": rows(24), "reader": Threshold(), "particles": 2, **asked})


MANY: dict[str, tuple[Callable[[], Any], Right, str]] = {
    "an ensemble of none": (lambda: ci.Ensemble([]), refuses("no models"), "Ensemble"),
    "an ensemble of None": (lambda: ci.Ensemble(None), refuses("models"), "Ensemble"),
    "an ensemble of a model": (lambda: ci.Ensemble(model()), refuses("models"), "Ensemble"),
    "an ensemble of texts": (lambda: ci.Ensemble(["model"]), refuses("models", "str"), "Ensemble"),
    "an ensemble of two graphs": (
        lambda: ci.Ensemble([model(), numbers()]),
        refuses("one and the same graph"),
        "Ensemble",
    ),
    "an ensemble, one of which was never fitted": (
        lambda: ci.Ensemble([model(), compiled()]).do(rows(), area=60.0),
        refuses("x", "fit"),
        "Ensemble",
    ),
    "an ensemble's answer": (lambda: ensemble().do(rows(), area=60.0), answers(shape_is(N, 1, 16, 16)), "Ensemble"),
    "an ensemble's answer to a typo": (
        lambda: ensemble().do(rows(), aera=60.0),
        refuses("Did you mean 'area'"),
        "Ensemble",
    ),
    "an ensemble's answer of NaN": (lambda: ensemble().do(rows(), area=NAN), refuses("area", "nan"), "Ensemble"),
    "an ensemble's answer about what a model abducted": (
        lambda: ensemble().do(model().abduct(rows()), area=60.0),
        refuses("abducted"),
        "Ensemble",
    ),
    "an ensemble's answer about what another one abducted": (
        lambda: ensemble().do(ci.Ensemble([model()]).abduct(rows()), area=60.0),
        refuses("abducted by 1", "2"),
        "Ensemble",
    ),
    "an ensemble's answer about what its models abducted in another order": (
        lambda: ensemble().do(tuple(reversed(ensemble().abduct(rows()))), area=60.0),
        refuses("another model"),
        "Ensemble",
    ),
    "an ensemble with 0 particles": (
        lambda: ensemble().do(rows(), area=60.0, particles=0),
        refuses("particles"),
        "Ensemble",
    ),
    "an ensemble of guided models that is saved": (
        lambda: ci.Ensemble([ci.Guided(flow(), Threshold())]).save("e"),
        refuses("Guided"),
        "Ensemble",
    ),
    "intervals by who guided": (lambda: guided_conformal(), refuses("guided"), "Conformal"),
    "intervals by a reader of levels": (
        lambda: conformal(reader=world.classifier()),
        refuses("no number"),
        "Conformal",
    ),
    "intervals by a reader of nothing": (
        lambda: conformal(reader=ci.Segmentor.unet(("liver",), width=4)),
        refuses("reads no variable"),
        "Conformal",
    ),
    "intervals by no reader": (lambda: conformal(reader=None), refuses("reader"), "Conformal"),
    "intervals of no rows": (
        lambda: conformal(rows={k: v[:0] for k, v in rows().items()}),
        refuses("0 readings"),
        "Conformal",
    ),
    "intervals of one row": (
        lambda: conformal(rows=rows(1)).do(rows(), area=60.0).interval("area"),
        either(lambda i: not i[1].isfinite().all() or (i[1] >= i[0]).all(), "row"),
        "Conformal",
    ),
    "intervals of rows without ages": (
        lambda: conformal(rows={k: v for k, v in rows(24).items() if k != "age"}),
        refuses("missing", "age"),
        "Conformal",
    ),
    "intervals of rows that are NaN": (
        lambda: conformal(rows=rows(24) | {"age": [NAN] * 24}),
        refuses("age", "nan"),
        "Conformal",
    ),
    "intervals of None": (lambda: conformal(rows=None), refuses("rows"), "Conformal"),
    "intervals with 0 particles": (lambda: conformal(particles=0), refuses("particles", "0"), "Conformal"),
    "intervals of a model never fitted": (
        lambda: ci.Conformal(compiled(), rows(24), Threshold()),
        refuses("x", "fit"),
        "Conformal",
    ),
    "intervals of a question that was not scored": (
        lambda: conformal().do(rows(), age=50.0, sex=1).interval("area"),
        refuses("scored"),
        "Conformal",
    ),
    "intervals at 90": (
        lambda: conformal().do(rows(), area=60.0).interval("area", 90),
        refuses("level", "90"),
        "Conformal",
    ),
    "intervals of a name with a typo": (
        lambda: conformal().do(rows(), area=60.0).interval("aera"),
        refuses("Did you mean 'area'"),
        "Conformal",
    ),
    "intervals by readings that are NaN": (
        lambda: conformal(reader=Blind()),
        refuses("finite"),
        "Conformal",
    ),
    "a guide of what no mechanism follows": (
        lambda: ci.Guided(model(), Threshold()),
        refuses("guided", "follows"),
        "Guided",
    ),
    "a guide of nothing here": (
        lambda: ci.Guided(flow(), ci.Segmentor.unet(("liver",), width=4)),
        refuses("reads no number"),
        "Guided",
    ),
    "a guide that is None": (lambda: ci.Guided(flow(), None), refuses("reader"), "Guided"),
    "a guide without a gradient": (
        lambda: ci.Guided(flow(), Hard()).do(rows(), area=60.0),
        refuses("no gradient"),
        "Guided",
    ),
    "a guide that reads NaN": (
        lambda: ci.Guided(flow(), Blind()).do(rows(), area=60.0),
        either(lambda a: a["x"].isfinite().all(), "finite"),
        "Guided",
    ),
    "a guide's answer to a typo": (
        lambda: ci.Guided(flow(), Threshold()).do(rows(), aera=60.0),
        refuses("Did you mean 'area'"),
        "Guided",
    ),
    "a guide's answer to nothing": (
        lambda: ci.Guided(flow(), Threshold()).do(rows()),
        answers(lambda a: same(a, rows())),
        "Guided",
    ),
    "a guide as judge": (
        lambda: ci.evaluate(ci.Guided(flow(), Threshold()), rows(), [Threshold()]),
        refuses("judge", "guided"),
        "Guided",
    ),
    "a confounded effect": (lambda: confounded().do(seen_of_confounded(), p=1.0), warns("v", "u"), "Unobserved"),
    "a value for what is unobserved": (
        lambda: confounded().do(seen_of_confounded(), u=1.0),
        refuses("u", "Unobserved"),
        "Unobserved",
    ),
}


class Blind(Lightness):
    """Reads NaN."""

    def read(self, images: torch.Tensor, graph: ci.Graph, names: Any, *, soft: bool = False) -> dict[str, torch.Tensor]:
        """NaN for every image, with a gradient."""
        return {name: images.mean((1, 2, 3)) * NAN for name in names}


class Hard(Threshold):
    """Reads without a gradient."""

    def read(self, images: torch.Tensor, graph: ci.Graph, names: Any, *, soft: bool = False) -> dict[str, torch.Tensor]:
        """Hard readings, whatever is asked for."""
        return {name: value.detach() for name, value in super().read(images, graph, names).items()}


def guided_conformal() -> Any:
    """Intervals by the reader that guides."""
    return ci.Conformal(ci.Guided(flow(), Threshold()), rows(24), Threshold())


def confounded() -> Any:
    """A model of a graph with something unobserved behind cause and effect."""
    p, v = ci.Continuous(parents=["u"]), ci.Continuous(parents=["p", "u"])
    return world.as_if_fitted(ci.compile(ci.Graph.of(u=ci.Unobserved(), p=p, v=v)), seen_of_confounded())


def seen_of_confounded() -> dict[str, torch.Tensor]:
    """Rows of it."""
    return {"p": torch.linspace(-1, 1, N), "v": torch.linspace(-2, 2, N)}


def sampled(n: Any) -> Any:
    """So many samples."""
    return model().sample(n)


def sampled_under(do: Any) -> Any:
    """Three samples under an intervention."""
    return model().sample(3, do=do)


def region_of(**settings: Any) -> Any:
    """A region."""
    return ci.Region(**settings)


CASES = [
    *(
        Case(
            "do: particles",
            f"particles that are {k}",
            partial(ask, area=60.0, particles=v),
            r,
            "CausalModel.do.particles",
        )
        for k, (v, r) in PARTICLES.items()
    ),
    *(
        Case("do: weights", f"weights: {k}", partial(area, weights=v), r, "CausalModel.do.weights")
        for k, (v, r) in WEIGHTS.items()
    ),
    *(
        Case("do: a region", f"a region that is {k}", partial(area, region=v), r, "CausalModel.do.region")
        for k, (v, r) in REGIONS.items()
    ),
    *(Case("do: a region", k, partial(region_of, **v), r, "Region") for k, (v, r) in REGION_SETTINGS.items()),
    *(
        Case(
            "do: confounding",
            f"confounding {k}",
            partial(ask, age=50.0, confounding=v),
            r,
            "CausalModel.do.confounding",
        )
        for k, (v, r) in CONFOUNDING.items()
    ),
    *(Case("sample", f"{k} samples", partial(sampled, v), r) for k, (v, r) in SAMPLES.items()),
    *(Case("sample", f"under do: {k}", partial(sampled_under, v), r) for k, (v, r) in SAMPLED_DO.items()),
    *(Case("answers", k, run, right, needs) for k, (run, right, needs) in ANSWERED.items()),
    *(Case("many models, intervals, guides", k, run, right, needs) for k, (run, right, needs) in MANY.items()),
]
