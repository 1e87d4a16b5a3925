"""Dose and response: the same items, asked for more and more.

`effectiveness` asks each item once, so that its slope mixes what one image does with how images differ. Here each item is
asked for every target t_g on a grid, and the calibration slope is taken within the item, then averaged::

    b_i = Σ_g (t_g − t̄)(J(x'_ig) − J̄_i) / Σ_g (t_g − t̄)²        1: it moves as far as was asked, ½: half of the way
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from causalimg.evaluation.judges import Judges
from causalimg.evaluation.page import unit_of
from causalimg.evaluation.questions import Answering, Items, answer, encoded
from causalimg.evaluation.statistics import Estimate, mean, pool, resample

ITEMS = 32
POINTS = 9
ENDS = (0.05, 0.95)  # quantiles of the observed values, between which the targets lie


@dataclass(frozen=True, eq=False)
class DoseResponse:
    """Readings of `name` (models, items, points) under do(name = `target`), `target` of shape (points,).

    `slope`: of a reading on its target, within an item, mean over items.
    """

    name: str
    unit: str
    target: Tensor
    readings: Tensor
    slope: Estimate

    def band(self) -> tuple[Tensor, Tensor, Tensor]:
        """The mean, the 10th and the 90th percentile of the readings at every target, over items and models: (points,)."""
        every = self.readings.flatten(0, 1)
        low, high = every.quantile(torch.tensor([0.1, 0.9]), dim=0)
        return every.mean(0), low, high

    def to_data(self) -> dict[str, Any]:
        """The curve and its slope as plain JSON data."""
        middle, low, high = (one.tolist() for one in self.band())
        curve = {"target": self.target.tolist(), "mean": middle, "p10": low, "p90": high}
        return {"unit": self.unit, **curve, "slope": self.slope.to_data(), "items": self.readings.shape[1]}


def dose_responses(models: Sequence[Answering], judges: Judges, items: Items, seed: int) -> dict[str, DoseResponse]:
    """The curve of every continuous variable that is set, on the first `ITEMS` items."""
    graph = judges.graph
    grids = {name: grid(items.values[name]) for name in items.targets if not graph[name].discrete}
    values = {name: value[:ITEMS] for name, value in items.values.items()}
    readings = [_readings(model, judges, values, grids) for model in models]
    weights = resample(items.group_of[:ITEMS], seed)
    return {
        name: DoseResponse(
            name,
            unit_of(graph, name),
            target,
            torch.stack([one[name] for one in readings]),
            pool([mean(calibration(target, one[name])) for one in readings], weights),
        )
        for name, target in grids.items()
    }


def grid(values: Tensor) -> Tensor:
    """Targets between the tails of the observed `values` (n,), evenly spaced: shape (points,)."""
    low, high = values.quantile(torch.tensor(ENDS, dtype=values.dtype)).tolist()
    return torch.linspace(low, high, POINTS)


def calibration(target: Tensor, readings: Tensor) -> Tensor:
    """The least-squares slope of an item's `readings` (items, points) on `target` (points,): shape (items,)."""
    away = target - target.mean()
    return (away * (readings - readings.mean(1, keepdim=True))).sum(1) / away.square().sum()


@torch.no_grad()
def _readings(
    model: Answering, judges: Judges, values: Mapping[str, Tensor], grids: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """By variable, its readings (items, points). An image is encoded once for all targets."""
    known = encoded(model, values)
    readings = {}
    for name, targets in grids.items():
        worlds = (answer(model, known, **{name: target.expand(len(values[name]))}) for target in targets)
        readings[name] = torch.stack([judges.read(world)[name] for world in worlds], dim=1)
    return readings
