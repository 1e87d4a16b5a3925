"""Weights under which answers come nearest to what was asked.

A fitted mechanism may follow a cause less than the data do, or more. Each parent gets the weight (see `Guidable`), of a grid,
with which a guide's readings of answers are nearest to what was asked (see `misses`); of several that are as good, the one
nearest to 1, as fitted.

Not the weight with which the guide's reading moves as far as was asked, on average: readings of a network shrink towards the
mean, so its slope on perfect answers is below 1, and a weight that makes it 1 overshoots.
"""

import torch

from causalimg.draws import Draws
from causalimg.guidance.sensitivity import misses, rows_to_ask
from causalimg.mechanisms.mechanism import guidable_of
from causalimg.readers import Reader
from causalimg.scm import SCM, Factual, Outline
from causalimg.training.progress import say
from causalimg.values import World

GRID = (0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0)
"""Weights that are tried."""

ROWS = 32
"""At so many rows."""

AS_GOOD = 0.03
"""A miss that is by this share of what was asked more than the least one is as good."""


def calibrate(
    scm: SCM, values: World, readers: list[Reader], outline: Outline | None = None, *, seed: int = 0
) -> World:
    """Set the weights of every `Guidable` mechanism of an image for the parents that `readers` read.

    `values`: best of held-out rows. Returns the weights by image, (parents,).
    """
    weighted = {name: one for name in scm.graph.images if (one := guidable_of(scm.mechanisms[name]))}
    if not weighted:
        return {}
    asked = rows_to_ask(values, ROWS)
    factual = Factual(scm, asked, outline=outline, draws=Draws.of(asked, seed))
    found: list[dict[str, float]] = []
    before = {image: mechanism.weights.clone() for image, mechanism in weighted.items()}
    try:
        for weight in GRID:
            for mechanism in weighted.values():
                mechanism.weights.fill_(weight)
            found.append(misses(factual, readers))
    except BaseException:
        for image, mechanism in weighted.items():
            mechanism.weights.copy_(before[image])
        raise
    for image, mechanism in weighted.items():
        read = {name for name in found[0] if scm.graph.image_of(name) == image}
        chosen = [_best([by[name] for by in found]) if name in read else 1.0 for name in mechanism.parents]
        mechanism.weights.copy_(torch.tensor(chosen))
        if largest := [name for name, weight in zip(mechanism.parents, chosen, strict=True) if weight == GRID[-1]]:
            say(
                f"{image}: the weight of {', '.join(largest)} is {GRID[-1]:g}, the largest that was tried: more may be better"
            )
    return {name: mechanism.weights.clone() for name, mechanism in weighted.items()}


def _best(missed: list[float]) -> float:
    """Of `GRID`, by the miss at each."""
    good = [weight for weight, miss in zip(GRID, missed, strict=True) if miss <= min(missed) + AS_GOOD]
    return min(good, key=lambda weight: abs(weight - 1))
