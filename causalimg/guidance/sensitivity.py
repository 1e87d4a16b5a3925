"""Sensitivity: how far an image follows each of its causes.

Each item gets the value one standard deviation down and one up. The sensitivity is the slope of the reading on what was asked
for: 1 where the image follows, 0 where it ignores its cause. For a level it is the share of items that read as what was set.
A mechanism trained by likelihood alone often ignores its causes, since its latents tell it all.
"""

from collections.abc import Sequence
from math import inf

import torch
from torch import Tensor

from causalimg.graph import Continuous, Variable
from causalimg.readers import Reader
from causalimg.scm import SCM, Factual, Outline
from causalimg.values import World, in_batches

IGNORED = 0.2
"""Below this sensitivity a cause counts as ignored."""

BATCH = 64
"""So many items are asked at once."""


@torch.no_grad()
def sensitivity(
    scm: SCM, values: World, readers: Sequence[Reader], outline: Outline | None = None, *, seed: int = 0
) -> dict[str, float]:
    """By variable that `readers` read and that causes the image: the slope, over all of `values`, batch by batch.

    `outline` finds the structures near which an answer may change (see `Factual`).
    """
    reader_of: dict[str, Reader] = {}
    for reader in readers:
        causes = [n for n in reader.can_read(scm.graph) if scm.graph.image_of(n) in scm.graph.descendants(n)]
        reader_of = dict.fromkeys(causes, reader) | reader_of
    targets = {name: _targets(scm.graph[name], values[name]) for name in reader_of}

    def readings(part: tuple[World, World]) -> World:
        factual = Factual(scm, part[0], outline=outline, seed=seed)
        return {
            name: torch.stack([_reading(factual, reader, name, one) for one in part[1][name].unbind(1)], dim=1)
            for name, reader in reader_of.items()
        }

    read = in_batches(readings, (values, targets), BATCH) if reader_of else {}
    return {name: _slope(scm.graph[name], targets[name], read[name]) for name in reader_of}


def _targets(variable: Variable, was: Tensor) -> Tensor:
    """What each item is set to: one standard deviation down and one up (n, 2); of levels, another item's (n, 1)."""
    if not isinstance(variable, Continuous):
        return was[torch.randperm(len(was), generator=torch.Generator().manual_seed(0)).to(was.device)][:, None]
    ends = [infinite if bound is None else bound for bound, infinite in zip(variable.bounds, (-inf, inf), strict=True)]
    return torch.stack([(was + sign * was.std()).clamp(*ends) for sign in (-1, 1)], dim=1)


def _slope(variable: Variable, targets: Tensor, readings: Tensor) -> float:
    if not isinstance(variable, Continuous):
        return (readings == targets).double().mean().item()
    return ((readings[:, 1] - readings[:, 0]).mean() / (targets[:, 1] - targets[:, 0]).mean()).item()


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
