"""Nothing is asked: does the image stay as it is (composition), and do its readings (the null intervention)?

*Measuring axiomatic soundness of counterfactual image models* (Monteiro et al., ICLR 2023, arXiv:2303.01274). With f the image's
mechanism and τ the temperature of its pixels' noise (see `temper`), composition is a distance in grey levels::

    x_{t+1} = f(τ · u_t, pa),  u_t = abduct(x_t, pa, ·);     |x_T − x_0| after T cycles of doing nothing

With the pixels' noise (τ = 1) it holds by construction, and is a test of the code. Without it (τ = 0) it says how much of the
image the latents hold; what they don't, a counterfactual can only copy.

For the null intervention the pixels' noise is drawn afresh, since with the abducted noise its floor is 0 by construction, which
says nothing about a model whose latents have lost a structure that the noise then puts back::

    x̂ = f((z, ε), pa),   z abducted,  ε ~ its prior;      floor of j:  |J_j(x̂) − J_j(x)|, also in % of |v_j|

A drift below this floor can't be told from the grain of the pixels, and what it does to the judge.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor

from causalimg.evaluation.change import distance, grey_units
from causalimg.evaluation.judges import Judges
from causalimg.evaluation.questions import BATCH, Answering, Items, mechanisms_of
from causalimg.evaluation.statistics import Deviation, Estimate, deviation, mean, pool
from causalimg.mechanisms import Mechanism
from causalimg.mechanisms.mechanism import ImageNoise, noisy_by_pixel, temper
from causalimg.training.randomness import seeded
from causalimg.values import World, in_batches

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


def compositions(models: Sequence[Answering], items: Items) -> dict[str, Composition]:
    """The composition of every image whose mechanism is known, over all `models`."""
    units = grey_units(models[0].graph, items.values)
    by_image = {name: mechanisms_of(models, name) for name in units}
    return {name: composition(known, name, items, units[name]) for name, known in by_image.items() if known}


def composition(mechanisms: Sequence[Mechanism], name: str, items: Items, unit: float) -> Composition:
    """How far the image `name` drifts from itself in cycles of abduction and prediction by each of `mechanisms`."""
    values = {key: value[:BATCH] for key, value in items.values.items()}
    both = [[cycles(mechanism, name, values, tau, unit) for mechanism in mechanisms] for tau in (1.0, 0.0)]
    noisy, noiseless = (
        {t: pool([mean(one[t]) for one in each], items.weights[:, :BATCH]) for t in CYCLES if all(each)}
        for each in both
    )
    return Composition(noisy, noiseless)


@torch.no_grad()
def cycles(mechanism: Mechanism, name: str, values: Mapping[str, Tensor], tau: float, unit: float) -> dict[int, Tensor]:
    """|x_T − x_0| of every item, (n,), by number of cycles. None, if `tau` is of noise that the mechanism doesn't have."""
    device = next(iter(mechanism.parameters()), values[name]).device
    parents = {parent: values[parent].to(device) for parent in mechanism.parents}
    start = x = values[name].to(device)
    distances = {}
    with seeded(0, device):
        for t in range(1, max(CYCLES) + 1):
            u = mechanism.abduct(x, parents, mechanism.noise(len(x)))
            if tau != 1 and not isinstance(u, ImageNoise):
                return {}
            x = mechanism.predict(temper(u, tau), parents)
            if t in CYCLES:
                distances[t] = distance(x, start, unit).cpu()
    return distances


def null_floors(
    models: Sequence[Answering], judges: Judges, items: Items, before: Mapping[str, Tensor]
) -> dict[str, Deviation]:
    """The floor of every variable that `judges` read; only of those on images whose mechanism adds noise pixel by pixel."""
    drawn = {image: _drawn(models, image, items.values) for image in judges.graph.images}
    noisy = {image: each for image, each in drawn.items() if each}
    worlds = [
        items.values | {image: each[k] for image, each in noisy.items()} for k in range(len(models) if noisy else 0)
    ]
    after = [judges.read(world) for world in worlds]
    return {
        name: deviation(
            judges.graph[name], [each[name] for each in after], [was] * len(after), items.values[name], items.weights
        )
        for name, was in before.items()
        if judges.graph.image_of(name) in noisy
    }


def _drawn(models: Sequence[Answering], name: str, values: Mapping[str, Tensor]) -> list[Tensor]:
    """The null counterfactual of the image `name` by each of `models`; none, unless all add noise to its pixels."""
    drawn = [redrawn(mechanism, name, values) for mechanism in mechanisms_of(models, name)]
    known = [image for image in drawn if image is not None]
    return known if len(known) == len(models) else []


@torch.no_grad()
def redrawn(mechanism: Mechanism, name: str, values: Mapping[str, Tensor]) -> Tensor | None:
    """`values[name]` with its pixels' noise drawn afresh: its shape. None where `mechanism` has no such noise."""
    device = next(iter(mechanism.parameters()), values[name]).device
    if not noisy_by_pixel(mechanism):
        return None

    def redraw(part: World) -> Tensor:
        parents = {parent: part[parent] for parent in mechanism.parents}
        prior, fresh = (mechanism.noise(len(part[name])) for _ in range(2))
        abducted = mechanism.abduct(part[name], parents, prior)
        pixels = cast(ImageNoise, fresh).pixels
        return mechanism.predict(cast(ImageNoise, abducted)._replace(pixels=pixels), parents).cpu()

    with seeded(0, device):
        return in_batches(redraw, {key: values[key] for key in (name, *mechanism.parents)}, BATCH, device)
