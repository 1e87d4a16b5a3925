"""Does the image heed its causes? A look before fine-tuning: the slope of the dose-response of every variable that is read.

Each item gets the value one standard deviation down and one up; the slope is what the reader sees move over what was asked to
move, 1 where the image follows, 0 where it ignores its cause (for a level: the share of items that read as what was set).
A mechanism trained by likelihood alone often ignores its causes: z tells it all. Guidance then has to teach it from nothing.
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
Heed = dict[str, float]


@torch.no_grad()
def heed(scm: SCM, values: World, readers: Sequence[Reader]) -> Heed:
    """By variable that `readers` read and that causes the image: the slope, over all of `values`."""
    found: Heed = {}
    for reader in readers:
        for name in reader.can_read(scm.graph):
            image = scm.graph.image_of(name)
            if name not in found and image in scm.graph.descendants(name):
                found[name] = _slope(scm, values, reader, name, image)
    return found


def _slope(scm: SCM, values: World, reader: Reader, name: str, image: str) -> float:
    variable, was = scm.graph[name], values[name]
    factual = Factual(values, scm.explain(values, scm.graph.descendants(name)))
    if not isinstance(variable, Continuous):
        target = was[torch.randperm(len(was), generator=torch.Generator().manual_seed(0)).to(was.device)]
        return (_reading(scm, factual, reader, name, image, target) == target).double().mean().item()
    ends = [infinite if bound is None else bound for bound, infinite in zip(variable.bounds, (-inf, inf), strict=True)]
    low, high = ((was + sign * was.std()).clamp(*ends) for sign in (-1, 1))
    seen = [_reading(scm, factual, reader, name, image, target) for target in (low, high)]
    return ((seen[1] - seen[0]).mean() / (high - low).mean()).item()


def _reading(scm: SCM, factual: Factual, reader: Reader, name: str, image: str, target: Tensor) -> Tensor:
    world = scm.propagate(factual, {name: target})
    return reader.read(world[image], scm.graph, [name])[name]


def advice(slopes: Heed) -> str:
    """What `slopes` mean for fine-tuning, a line for each variable that is ignored; empty where none is."""
    return "\n".join(
        f"the image hardly heeds {name} (slope of its dose-response {slope:.2f}): guidance has to teach it from nothing. "
        "Expect a plateau first; allow more steps, or fit longer before."
        for name, slope in slopes.items()
        if slope < IGNORED
    )
