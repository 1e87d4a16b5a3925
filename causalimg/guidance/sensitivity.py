"""Sensitivity: how far an image follows each of its causes.

Each item gets the value one standard deviation down and one up. The sensitivity is the slope of the reading on what was asked
for: 1 where the image follows, 0 where it ignores its cause. For a level it is the share of items that read as what was set.
A mechanism trained by likelihood alone often ignores its causes, since its latents tell it all.
"""

from collections.abc import Sequence
from math import inf

import torch
from torch import Tensor

from causalimg.graph import Continuous
from causalimg.readers import Reader
from causalimg.scm import SCM, Factual
from causalimg.values import World

IGNORED = 0.2
"""Below this sensitivity a cause counts as ignored."""


@torch.no_grad()
def sensitivity(scm: SCM, values: World, readers: Sequence[Reader], *, seed: int = 0) -> dict[str, float]:
    """By variable that `readers` read and that causes the image: the slope, over all of `values`."""
    factual, found = Factual(scm, values, seed=seed), {}
    for reader in readers:
        for name in reader.can_read(scm.graph):
            if name not in found and scm.graph.image_of(name) in scm.graph.descendants(name):
                found[name] = _slope(factual, reader, name)
    return found


def _slope(factual: Factual, reader: Reader, name: str) -> float:
    variable, was = factual.scm.graph[name], factual.values[name]
    if not isinstance(variable, Continuous):
        target = was[torch.randperm(len(was), generator=torch.Generator().manual_seed(0)).to(was.device)]
        return (_reading(factual, reader, name, target) == target).double().mean().item()
    ends = [infinite if bound is None else bound for bound, infinite in zip(variable.bounds, (-inf, inf), strict=True)]
    low, high = ((was + sign * was.std()).clamp(*ends) for sign in (-1, 1))
    seen = [_reading(factual, reader, name, target) for target in (low, high)]
    return ((seen[1] - seen[0]).mean() / (high - low).mean()).item()


def _reading(factual: Factual, reader: Reader, name: str, target: Tensor) -> Tensor:
    graph = factual.scm.graph
    world = factual.scm.propagate(factual, {name: target})
    return reader.read(world[graph.image_of(name)], graph, [name])[name]


def advice(slopes: dict[str, float]) -> str:
    """What `slopes` mean for fine-tuning, a line for each variable that is ignored; empty where none is."""
    return "\n".join(
        f"the image hardly follows {name} (sensitivity {slope:.2f}, 1 would be as asked): guidance has to teach it from nothing. "
        "Expect a plateau first; allow more steps, or fit longer before."
        for name, slope in slopes.items()
        if slope < IGNORED
    )
