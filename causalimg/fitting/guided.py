"""Counterfactual fine-tuning: the readings of the counterfactual image meet their targets, at no cost in likelihood.

*Segmentor-guided Counterfactual Fine-Tuning* (Xia et al., MICCAI 2025, arXiv:2509.24913), with the inequality that it states::

    min  Σ_k d(A_k(x'), target_k)    subject to    F(x, pa) ≤ c

x' is the counterfactual of x under an intervention on one guided variable, drawn per sample; A_k(x') its soft reading. F is the
negative ELBO per dimension of the factual pair, and c its mean under the fitted model on the training rows, plus a tolerance.
Every guided variable has a target, intervened on or not:

    intervened on, or an effect of it    its counterfactual value
    everything else                      the reader's own soft answer on the factual image: what should stay, stays

Hard targets for what should stay would amplify whatever the reader gets wrong (Xia et al., 2024, arXiv:2403.09422).
d is the squared error in units of the variable's standard deviation, or the cross-entropy of a categorical variable.
"""

from collections.abc import Mapping
from itertools import pairwise
from typing import cast

import torch
from pydantic import NonNegativeFloat, PositiveFloat
from torch import Tensor, nn
from torch.nn import functional as F

from causalimg.fitting.constraint import Bound
from causalimg.fitting.jitter import jitter
from causalimg.fitting.likelihood import mean_nll
from causalimg.graph import Image
from causalimg.graph.spec import Spec
from causalimg.readers import Panel
from causalimg.scm import SCM, Factual
from causalimg.training.recipe import Recipe
from causalimg.training.seeds import seeded
from causalimg.values import World

Parts = list[tuple[str, slice]]
"""Which variable is set in which rows of a batch."""

BROKEN = 50.0  # what an excess costs when weights are chosen: far more than guidance could gain by it


class Finetuning(Spec):
    """How fine-tuning goes. `recipe` trains; the likelihood may cost `tolerance` (a fraction of the fitted model's F).

    `exposure` is the strength of the random changes under which the guide sees the counterfactual (see `jitter`; 0 for
    none). `locality` weighs the mean change outside the guided structures' outlines, before and after, widened by `margin`
    (a fraction of the image's height): 0 leaves it out.
    """

    recipe: Recipe = Recipe(steps=600, batch=24, lr=2e-3, warmup=20)
    tolerance: NonNegativeFloat = 0.01
    rho: PositiveFloat = 5.0
    exposure: NonNegativeFloat = 1.0
    locality: NonNegativeFloat = 5.0
    margin: NonNegativeFloat = 0.05


class Guided(nn.Module):
    """A batch's guidance, locality and bound; what `train` minimises.

    Costs one encoder pass and two decoder passes of the image mechanism. The likelihood's excess is taken row by row against
    the fitted model's (`references`): the same mean as F - c, without the spread of F between images.
    """

    def __init__(self, scm: SCM, image: str, guides: Panel, data: World, settings: Finetuning) -> None:
        super().__init__()
        self.scm, self.guides, self.image, self.settings = scm, guides, image, settings
        self.guided = list(guides.by_variable)
        self.intervened = [name for name in self.guided if image in scm.graph.descendants(name)]
        self.pixels = data[image][0].numel()
        self.bound = Bound(settings.rho)
        spread = [1.0 if scm.graph[n].discrete else float(data[n].std()) for n in self.guided]
        self.spread = dict(zip(self.guided, spread, strict=True))
        self.columns = data | self.references(data)
        self.slack = settings.tolerance * float(self.columns["_nll"].mean().abs())

    @torch.no_grad()
    def references(self, values: World) -> World:
        """What a row is held to: F under the fitted model, soft readings of its image, and its outlines; as further columns."""
        rows = values[self.image].split(64)
        read = [self.guides.read({self.image: part}, self.guided, soft=True) for part in rows]
        masks = [self.guides.outlines(part) for part in rows]
        return (
            {"_nll": mean_nll(self.scm.mechanisms[self.image], self.image, values)}
            | {f"_held_{name}": torch.cat([part[name] for part in read]) for name in self.guided}
            | {f"_mask_{name}": torch.cat([part[name] for part in masks]) for name in masks[0]}
        )

    def forward(self, batch: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        values = {name: batch[name] for name in self.scm.graph}
        mechanism = self.scm.mechanisms[self.image]
        u, nll = mechanism.abduct(values[self.image], self.scm.parents(values, self.image))
        excess = (nll / self.pixels - batch["_nll"]).mean() - self.slack
        worlds, parts = self.intervene(values)
        image = mechanism.predict(u, self.scm.parents(worlds, self.image))
        losses = self.misses(image, worlds, parts, batch)
        if self.settings.locality:
            losses["outside"] = self.settings.locality * self.change_outside(image, parts, batch)
        if (
            not self.training
        ):  # validation: no multiplier follows, and weights that break the bound are not to be chosen
            return sum(losses.values(), BROKEN * excess.clamp(min=0)), {}
        loss = sum(losses.values(), self.bound(excess))
        told = {
            "F": nll.mean() / self.pixels,
            "excess": excess,
            "λ": self.bound.multiplier,
            "violated": (excess > 0).float(),
        }
        return loss, {key: value.detach() for key, value in (told | losses).items()}

    @torch.no_grad()
    def intervene(self, values: World) -> tuple[World, Parts]:
        """Counterfactual values of all but the image, and which rows had which variable set: one per row, to a value that
        was observed in another row of the batch."""
        graph, n = self.scm.graph, len(values[self.image])
        names = [name for name in graph if name != self.image and name not in graph.descendants(self.image)]
        moved = [name for name in names if name in graph.descendants(*self.intervened)]
        factual = Factual(values, self.scm.explain(values, moved))
        edges = [round(i * n / len(self.intervened)) for i in range(len(self.intervened) + 1)]
        parts = [(name, slice(a, b)) for name, (a, b) in zip(self.intervened, pairwise(edges), strict=True)]
        shuffled = torch.randperm(n, device=values[self.image].device)
        worlds = [
            self.scm.propagate(factual.rows(rows), {name: values[name][shuffled[rows]]}, names) for name, rows in parts
        ]
        return {name: torch.cat([world[name] for world in worlds]) for name in names}, parts

    def misses(self, image: Tensor, worlds: World, parts: Parts, batch: Mapping[str, Tensor]) -> World:
        """Mean distance of each guided variable's reading to its target."""
        low, high = cast(tuple[float, float], cast(Image, self.scm.graph[self.image]).bounds)
        seen = jitter(image, self.settings.exposure, low, high) if self.settings.exposure else image
        readings = self.guides.read({self.image: seen}, self.guided, soft=True)
        found = {}
        for name in self.guided:
            distances = []
            for intervened, rows in parts:
                moved = name == intervened or name in self.scm.graph.descendants(intervened)
                target = worlds[name][rows] if moved else batch[f"_held_{name}"][rows]
                distances.append(self.distance(name, readings[name][rows], target))
            found[name] = torch.cat(distances).mean()
        return found

    def distance(self, name: str, reading: Tensor, target: Tensor) -> Tensor:
        """d, per row: cross-entropy against a level or soft target, or the squared error in standard deviations."""
        if self.scm.graph[name].discrete:
            return F.cross_entropy(reading, target.exp() if target.ndim > 1 else target, reduction="none")
        return ((reading - target) / self.spread[name]).square()

    def change_outside(self, image: Tensor, parts: Parts, batch: Mapping[str, Tensor]) -> Tensor:
        """Mean |x' - x| outside the widened outlines, before and after, of what measures the intervened variable."""
        after = self.guides.outlines(image)
        reach = 2 * round(self.settings.margin * image.shape[-2]) + 1
        changed = []
        for name, rows in parts:
            quantity = self.scm.graph.measured.get(name)
            structures = [s for s in (quantity.structures if quantity else ()) if s in after]
            if structures:
                inside = torch.stack([after[s][rows] | batch[f"_mask_{s}"][rows] for s in structures]).any(0)
                near = F.max_pool2d(inside[:, None].to(image), reach, stride=1, padding=reach // 2)
                changed.append(((image[rows] - batch[self.image][rows]).abs() * (1 - near)).flatten(1).mean(1))
        return torch.cat(changed).mean() if changed else image.new_zeros(())

    @torch.no_grad()
    def validate(self, values: World) -> float:
        """The loss on `values`, with the same interventions at every call."""
        device = next(self.parameters()).device
        with seeded(0, device):
            parts = [
                {k: v[i : i + 64].to(device) for k, v in values.items()} for i in range(0, len(values[self.image]), 64)
            ]
            return float(torch.stack([self(part)[0] for part in parts]).mean())
