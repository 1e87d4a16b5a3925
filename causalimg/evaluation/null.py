"""The null intervention: how far readings move though nothing was asked.

With the pixels' noise abducted, doing nothing returns the image exactly, and the floor is exactly 0, by construction. That
says nothing about a model whose latents have lost a structure which the noise then puts back. So the noise is drawn afresh::

    x̂ = f((z, ε), pa),   z abducted,  ε ~ its prior;      floor of j:  |J_j(x̂) − J_j(x)|, also in % of |v_j|

A drift below this floor can't be told from the grain of the pixels and the judge's nervousness about it.
"""

from collections.abc import Mapping, Sequence
from typing import TypeGuard

import torch
from torch import Tensor

from causalimg.evaluation.asking import BATCH, Answering, mechanisms_of
from causalimg.evaluation.items import Items
from causalimg.evaluation.miss import Miss, miss
from causalimg.evaluation.reading import read
from causalimg.mechanisms import Mechanism
from causalimg.mechanisms.mechanism import PIXEL_NOISE, Noise
from causalimg.readers.reader_set import ReaderSet
from causalimg.training.randomness import seeded


def null_floors(
    models: Sequence[Answering], panel: ReaderSet, items: Items, before: Mapping[str, Tensor]
) -> dict[str, Miss]:
    """The floor of every variable that `panel` reads; only of those on images whose mechanism adds noise pixel by pixel."""
    drawn = {image: _drawn(models, image, items.values) for image in panel.graph.images}
    noisy = {image: found for image, found in drawn.items() if found}
    worlds = [
        items.values | {image: found[k] for image, found in noisy.items()} for k in range(len(models) if noisy else 0)
    ]
    after = [read(panel, world) for world in worlds]
    return {
        name: miss(
            panel.graph[name], [one[name] for one in after], [was] * len(after), items.values[name], items.weights
        )
        for name, was in before.items()
        if panel.graph.image_of(name) in noisy
    }


def _drawn(models: Sequence[Answering], name: str, values: Mapping[str, Tensor]) -> list[Tensor]:
    """The null counterfactual of the image `name` by each of `models`; none, unless all add noise to its pixels."""
    drawn = [redrawn(mechanism, name, values) for mechanism in mechanisms_of(models, name)]
    known = [image for image in drawn if image is not None]
    return known if len(known) == len(models) else []


def pixelwise(u: Noise) -> TypeGuard[dict[str, Tensor]]:
    """Whether a part of the noise `u` is added pixel by pixel."""
    return not isinstance(u, Tensor) and PIXEL_NOISE in u


@torch.no_grad()
def redrawn(mechanism: Mechanism, name: str, values: Mapping[str, Tensor]) -> Tensor | None:
    """`values[name]` with its pixels' noise drawn afresh: its shape. None where `mechanism` has no such noise."""
    device = next(iter(mechanism.parameters()), values[name]).device
    parts = []
    with seeded(0, device):
        for start in range(0, len(values[name]), BATCH):
            batch = {key: value[start : start + BATCH].to(device) for key, value in values.items()}
            parents = {parent: batch[parent] for parent in mechanism.parents}
            u = mechanism.abduct(batch[name], parents).u
            fresh = mechanism.noise(len(batch[name]))
            if not (pixelwise(u) and pixelwise(fresh)):
                return None
            parts.append(mechanism.predict({**u, PIXEL_NOISE: fresh[PIXEL_NOISE]}, parents).cpu())
    return torch.cat(parts)
