"""Composition and reversibility: laws of counterfactuals, as distances between images in grey levels.

*Measuring axiomatic soundness of counterfactual image models* (Monteiro et al., ICLR 2023, arXiv:2303.01274). Neither needs a
judge. With f the image's mechanism and τ the temperature of its pixels' noise (see `temper`)::

    composition      x_{t+1} = f(τ · u_t, pa),  u_t = abduct(x_t, pa);     |x_T − x_0| after T cycles of doing nothing
    reversibility    x' = do(k = t) of x,  x'' = do(k = v_k) of x';        |x'' − x| there and back again

With the pixels' noise (τ = 1) composition holds by construction, and is a test of the code. Without it (τ = 0) it says
how much of the image the latents hold; what they don't, a counterfactual can only copy.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from causalimg.evaluation.asking import BATCH, Answering, Asked, Measure, mechanisms_of
from causalimg.evaluation.bootstrap import Estimate, mean, pool
from causalimg.evaluation.items import Items
from causalimg.evaluation.locality import distance
from causalimg.evaluation.null import pixelwise
from causalimg.mechanisms import Mechanism
from causalimg.mechanisms.mechanism import temper
from causalimg.training.randomness import seeded

CYCLES = (1, 10)
"""After how many cycles the distance is taken; the first `BATCH` items go through them."""


class Composition(NamedTuple):
    """Mean |x_T − x_0| in grey levels by number of cycles T: with the pixels' noise, and without it, if there is such noise."""

    noisy: Mapping[int, Estimate]
    noiseless: Mapping[int, Estimate]

    def to_data(self) -> dict[str, Any]:
        """Plain JSON data."""
        return {
            "noisy": {str(cycles): one.to_data() for cycles, one in self.noisy.items()},
            "noiseless": {str(cycles): one.to_data() for cycles, one in self.noiseless.items()},
        }


def compositions(models: Sequence[Answering], items: Items, units: Mapping[str, float]) -> dict[str, Composition]:
    """The composition of every image whose mechanism is known, over all `models`."""
    by_image = {name: mechanisms_of(models, name) for name in units}
    return {name: composition(known, name, items, units[name]) for name, known in by_image.items() if known}


def composition(mechanisms: Sequence[Mechanism], name: str, items: Items, unit: float) -> Composition:
    """How far the image `name` drifts from itself in cycles of abduction and prediction by each of `mechanisms`."""
    values = {key: value[:BATCH] for key, value in items.values.items()}
    both = [[cycles(mechanism, name, values, tau, unit) for mechanism in mechanisms] for tau in (1.0, 0.0)]
    noisy, noiseless = (
        {t: pool([mean(one[t]) for one in found], items.weights[:, :BATCH]) for t in CYCLES if all(found)}
        for found in both
    )
    return Composition(noisy, noiseless)


@torch.no_grad()
def cycles(mechanism: Mechanism, name: str, values: Mapping[str, Tensor], tau: float, unit: float) -> dict[int, Tensor]:
    """|x_T − x_0| of every item, (n,), by number of cycles. None, if `tau` is of noise that the mechanism doesn't have."""
    device = next(iter(mechanism.parameters()), values[name]).device
    parents = {parent: values[parent].to(device) for parent in mechanism.parents}
    start = x = values[name].to(device)
    found = {}
    with seeded(0, device):
        for t in range(1, max(CYCLES) + 1):
            u = mechanism.abduct(x, parents)
            if tau != 1 and not pixelwise(u):
                return {}
            x = mechanism.predict(temper(u, tau), parents)
            if t in CYCLES:
                found[t] = distance(x, start, unit).cpu()
    return found


def reversal(units: Mapping[str, float]) -> Measure:
    """Measures ``reversal``: how far the image is from the factual one after the intervention was taken back."""

    def measure(asked: Asked) -> dict[str, Tensor]:
        changed = {name: asked.after[name] for name in asked.model.graph}
        back = asked.model.do(changed, **{asked.name: asked.before[asked.name]})
        return {"reversal": distance(back[asked.image].cpu(), asked.before[asked.image].cpu(), units[asked.image])}

    return measure
