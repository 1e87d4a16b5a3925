"""Weights for which an image follows its causes as far as was asked.

A fitted mechanism may follow a cause less than the data do, or more. With the weight w of a parent (see `Weighted`) the reading
of a guide moves by s(w) of what was asked (see `sensitivity`); the weight that is kept is where s(w) = 1, on a grid, by
interpolation. Of a level it is the least weight that does as well as the best.
"""

import torch
from torch import Tensor

from causalimg.graph import Continuous, Graph
from causalimg.guidance.sensitivity import IGNORED, rows_to_ask, slopes
from causalimg.mechanisms.mechanism import weighted_of
from causalimg.readers import Reader
from causalimg.scm import SCM, Factual, Outline
from causalimg.values import World

GRID = (0.5, 1.0, 1.5, 2.0, 3.0)
"""Weights that are tried: one beyond them is not taken."""

ROWS = 32
"""At so many rows."""

AS_GOOD = 0.03
"""A share of right levels that is this near to the best is as good."""


def calibrate(
    scm: SCM, values: World, readers: list[Reader], outline: Outline | None = None, *, seed: int = 0
) -> World:
    """Set the weights of every `Weighted` mechanism of an image for the parents that `readers` read.

    `values`: best of held-out rows. Returns the weights by image, (parents,).
    """
    weighted = {name: one for name in scm.graph.images if (one := weighted_of(scm.mechanisms[name]))}
    if not weighted:
        return {}
    factual = Factual(scm, rows_to_ask(values, ROWS), outline=outline, seed=seed)
    found: list[dict[str, float | None]] = []
    for weight in GRID:
        for mechanism in weighted.values():
            mechanism.weights.fill_(weight)
        found.append(slopes(factual, readers))
    for image, mechanism in weighted.items():
        chosen = [_best(scm.graph, image, name, [by.get(name) for by in found]) for name in mechanism.parents]
        mechanism.weights.copy_(torch.tensor(chosen))
    return {name: mechanism.weights.clone() for name, mechanism in weighted.items()}


def _best(graph: Graph, image: str, name: str, found: list[float | None]) -> float:
    """Of `GRID`, or between its points; 1 for what nobody reads off the image, and for what it ignores at any weight."""
    known = [slope for slope in found if slope is not None]
    if len(known) < len(found) or graph.image_of(name) != image or max(known) < IGNORED:
        return 1.0
    if not isinstance(graph[name], Continuous):
        return next(w for w, share in zip(GRID, known, strict=True) if share >= max(known) - AS_GOOD)
    return float(crossing(torch.tensor(GRID), torch.tensor([known]), torch.ones(1)))


def crossing(x: Tensor, y: Tensor, level: Tensor) -> Tensor:
    """Where y (rows, points) first comes to `level` (rows,), by linear interpolation in x (points,); else where it is nearest."""
    gap = y - level[:, None]
    crossed = gap[:, :-1] * gap[:, 1:] <= 0
    first = crossed.float().argmax(1, keepdim=True)
    left, right = gap.gather(1, first), gap.gather(1, first + 1)
    share = torch.where(left == right, 0.0, left / (left - right))
    between = torch.lerp(x[first], x[first + 1], share)
    nearest = x[gap.abs().argmin(1, keepdim=True)]
    return torch.where(crossed.any(1, keepdim=True), between, nearest)[:, 0]
