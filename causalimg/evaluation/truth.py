"""The distance to the truth, where there is one: a phantom knows the image that would really have been.

Given the exogenous noise of a patient, a phantom renders the true counterfactual x* (see `Phantom.counterfactual`). An
answer x' is laid beside it; and so is x itself, the answer of a model that does nothing, without which no distance says
anything::

    image     |x' − x*|            over all pixels, in grey levels of 255
    region    |x' − x*|            over those pixels that truly change, |x* − x| > 4 grey levels
    ssim      SSIM(x', x*)         1 is identical
    values    |J_j(x') − v*_j|     of every variable that the judges read and the phantom knows
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from torch import Tensor

from causalimg.data.phantoms import Phantom, Sample
from causalimg.evaluation.change import distance, grey_levels, ssim
from causalimg.evaluation.questions import Items, Measure, Measured, Question
from causalimg.evaluation.statistics import Deviation, Estimate, deviation, mean, pool
from causalimg.graph import Graph, Image

IMAGE = "x"  # as phantoms call theirs
CHANGED = 4.0  # grey levels by which a pixel must truly change to count as changed

Truths = Mapping[str, Sample]
"""By variable that is set, the worlds that would really have been."""


@dataclass(frozen=True, eq=False)
class Truth:
    """Distances to the true counterfactual image, of the answer and (`idle`) of the factual image itself; and by variable
    the error of its reading. `image` and `region` in grey levels."""

    image: Estimate
    region: Estimate
    ssim: Estimate
    idle_image: Estimate
    idle_region: Estimate
    idle_ssim: Estimate
    values: Mapping[str, Deviation]

    def to_data(self) -> dict[str, Any]:
        """Plain JSON data."""
        answer = {"image": self.image.to_data(), "region": self.region.to_data(), "ssim": self.ssim.to_data()}
        idle = {"image": self.idle_image, "region": self.idle_region, "ssim": self.idle_ssim}
        return {
            **answer,
            "doing nothing": {name: one.to_data() for name, one in idle.items()},
            "values": {name: one.to_data() for name, one in self.values.items()},
        }


def true_worlds(phantom: Phantom, sample: Sample, targets: Mapping[str, Tensor]) -> dict[str, Sample]:
    """What `sample` would really have been under each of `targets` that the phantom knows a variable for."""
    return {
        name: phantom.counterfactual(sample, {name: target})
        for name, target in targets.items()
        if name in phantom.equations
    }


def nearness(truths: Truths) -> Measure:
    """Measures how near the image is to the true one, where that is known."""

    def measure(question: Question) -> dict[str, Tensor]:
        if question.name not in truths:
            return {}
        true = truths[question.name].values[IMAGE][question.rows]
        before, after = question.images()
        return near(after, true, before, question.unit)

    return measure


def near(answer: Tensor, true: Tensor, factual: Tensor, unit: float) -> dict[str, Tensor]:
    """``image``, ``region`` (NaN where nothing truly changes) and ``ssim`` of an `answer`, each of shape (batch,)."""
    changed = unit * (true - factual).abs() > CHANGED
    away = unit * (answer - true).abs() * changed
    return {
        "image": distance(answer, true, unit),
        "region": away.flatten(1).sum(1) / changed.flatten(1).sum(1),  # 0 / 0 is NaN
        "ssim": ssim(answer, true, 255 / unit),
    }


def truth_of(
    graph: Graph, items: Items, truths: Truths, measured: Sequence[Mapping[str, Measured]]
) -> dict[str, Truth]:
    """The distance to the truth under every intervention, over all models."""
    return {name: _truth(graph, items, world, [each[name] for each in measured]) for name, world in truths.items()}


def _truth(graph: Graph, items: Items, world: Sample, measured: Sequence[Measured]) -> Truth:
    factual, true, weights = items.values[IMAGE], world.values[IMAGE], items.weights
    idle = near(factual, true, factual, grey_levels(cast(Image, graph[IMAGE]), factual))
    known = [name for name in measured[0]["read"] if name in world.values]
    return Truth(
        **{key: pool([mean(each["truth"][key]) for each in measured], weights) for key in idle},
        **{f"idle_{key}": pool([mean(value)], weights) for key, value in idle.items()},
        values={name: _deviation(graph, name, world, measured, weights) for name in known},
    )


def _deviation(graph: Graph, name: str, world: Sample, measured: Sequence[Measured], weights: Tensor) -> Deviation:
    """How far the readings of `name` are from its true value."""
    true, readings = world.values[name], [each["read"][name] for each in measured]
    return deviation(graph[name], readings, [true] * len(readings), true, weights)
