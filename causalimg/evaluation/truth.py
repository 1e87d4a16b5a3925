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
from typing import Any

from torch import Tensor

from causalimg.data.phantoms import Phantom, Sample
from causalimg.evaluation.asking import Asked, Found, Measure
from causalimg.evaluation.bootstrap import Estimate, mean, pool
from causalimg.evaluation.items import Items
from causalimg.evaluation.locality import distance
from causalimg.evaluation.miss import Miss, miss
from causalimg.evaluation.ssim import ssim
from causalimg.graph import Graph

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
    values: Mapping[str, Miss]

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


def nearness(truths: Truths, unit: float) -> Measure:
    """Measures how near the image is to the true one; `unit` is what a change by 1 is in grey levels."""

    def measure(asked: Asked) -> dict[str, Tensor]:
        if asked.name not in truths:
            return {}
        true = truths[asked.name].values[IMAGE][asked.rows]
        return near(asked.after[IMAGE].cpu(), true, asked.before[IMAGE].cpu(), unit)

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
    graph: Graph, items: Items, truths: Truths, found: Sequence[Mapping[str, Found]], unit: float
) -> dict[str, Truth]:
    """The distance to the truth under every intervention, over all models."""
    return {name: _truth(graph, items, world, [one[name] for one in found], unit) for name, world in truths.items()}


def _truth(graph: Graph, items: Items, world: Sample, found: Sequence[Found], unit: float) -> Truth:
    factual, true, weights = items.values[IMAGE], world.values[IMAGE], items.weights
    idle = near(factual, true, factual, unit)
    known = [name for name in found[0]["read"] if name in world.values]
    return Truth(
        **{key: pool([mean(one["truth"][key]) for one in found], weights) for key in idle},
        **{f"idle_{key}": pool([mean(value)], weights) for key, value in idle.items()},
        values={
            name: miss(
                graph[name],
                [one["read"][name] for one in found],
                [world.values[name]] * len(found),
                world.values[name],
                weights,
            )
            for name in known
        },
    )
