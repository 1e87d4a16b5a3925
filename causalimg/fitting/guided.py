"""Counterfactual fine-tuning: the readings of the counterfactual image meet their targets, at no cost in likelihood.

*Segmentor-guided Counterfactual Fine-Tuning* (Xia et al., MICCAI 2025, arXiv:2509.24913), with the inequality that it states::

    min  Σ_k w_k d(A_k(x'), target_k) + what should stay    subject to    F(x, pa) ≤ c

x' is the counterfactual of x under an intervention drawn per row; A_k(x') the soft reading of variable k (`guidance` says whose,
and with which target). F is the negative ELBO per dimension of the factual pair, and c its mean under the fitted model on the
training rows, plus a tolerance. Beyond the paper, what should stay in the image is a loss too (`stillness`).
"""

from collections.abc import Mapping, Sequence

import torch
from pydantic import ConfigDict, NonNegativeFloat, PositiveFloat
from torch import Tensor, nn

from causalimg.fitting import stillness
from causalimg.fitting.constraint import Bound
from causalimg.fitting.guidance import Guidance, Guide, Guiding
from causalimg.fitting.imagined import Imagined
from causalimg.fitting.interventions import Permuted, Sampler, imagine
from causalimg.fitting.likelihood import mean_nll
from causalimg.graph.spec import Spec
from causalimg.mechanisms.mechanism import temper
from causalimg.readers import Reader
from causalimg.scm import SCM
from causalimg.training.randomness import seeded
from causalimg.training.recipe import Recipe
from causalimg.values import World

BROKEN = 50.0  # what an excess costs when weights are chosen: far more than guidance could gain by it


class Finetuning(Spec):
    """How fine-tuning goes. `recipe` trains; the likelihood may cost `tolerance` (a fraction of the fitted model's F).

    `interventions` draws what is set in each row (`Permuted`, `Uniform`, or a function of yours). `temperature` scales the
    pixels' noise in what the guide sees. `exposure` is the strength of the random changes under which it sees it (see `jitter`).
    What should stay: `hold` weighs the readings of what doesn't move; `minimality` the mean change anywhere; `locality` that
    outside the outlines of what does move, before and after, widened by `margin` (a share of the image's height); `grey` the
    change of the mean grey within structures; `likely` how much less likely than the factual image the counterfactual is. 0
    leaves any of them out.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    recipe: Recipe = Recipe(steps=400, batch=24, lr=2e-3, warmup=20)
    interventions: Sampler = Permuted()
    temperature: NonNegativeFloat = 1.0
    tolerance: NonNegativeFloat = 0.01
    rho: PositiveFloat = 5.0
    exposure: NonNegativeFloat = 1.0
    hold: NonNegativeFloat = 1.0
    minimality: NonNegativeFloat = 5.0
    locality: NonNegativeFloat = 20.0
    margin: NonNegativeFloat = 0.05
    grey: NonNegativeFloat = 0.0
    likely: NonNegativeFloat = 0.0


class Guided(nn.Module):
    """A batch's guidance, what should stay, and the bound; what `train` minimises.

    Costs one encoder pass and two decoder passes of the image mechanism. The likelihood's excess is taken row by row against
    the fitted model's (`references`): the same mean as F - c, without the spread of F between images.
    """

    def __init__(self, scm: SCM, image: str, guides: Sequence[Guide], data: World, settings: Finetuning) -> None:
        super().__init__()
        self.scm, self.image, self.settings = scm, image, settings
        given = [Guidance(guide) if isinstance(guide, Reader) else guide for guide in guides]
        readers = [guide for guide in given if isinstance(guide, Guidance)]
        self.guiding = [Guiding(guide, scm.graph, image, data, mark) for mark, guide in enumerate(readers)]
        self.own = [guide for guide in given if not isinstance(guide, Guidance)]
        self.registered = nn.ModuleList([*self.guiding, *(guide for guide in self.own if isinstance(guide, nn.Module))])
        guided = dict.fromkeys(name for guiding in self.guiding for name in guiding.names)
        self.others = [name for name in scm.graph if name != image and name not in scm.graph.descendants(image)]
        self.intervened = [name for name in guided if image in scm.graph.descendants(name)]
        self.pixels = data[image][0].numel()
        self.bound = Bound(settings.rho)
        self.columns = data | self.references(data)
        self.slack = settings.tolerance * float(self.columns["_nll"].mean().abs())

    @torch.no_grad()
    def references(self, values: World) -> World:
        """What a row is held to: F under the fitted model, soft readings of its image, and its outlines; as further columns."""
        found: list[World] = []
        for images in values[self.image].split(64):
            held = {k: v for guiding in self.guiding for k, v in guiding.held(images).items()}
            found.append(held | {f"_mask_{name}": mask for name, mask in self.outlines(images).items()})
        columns = {key: torch.cat([part[key] for part in found]) for key in found[0]}
        return columns | {"_nll": mean_nll(self.scm.mechanisms[self.image], self.image, values)}

    @torch.no_grad()
    def outlines(self, images: Tensor) -> World:
        """Every structure that a guide outlines, (batch, height, width), bool; where several do, what any of them says."""
        found: World = {}
        for guiding in self.guiding:
            for name, mask in guiding.reader.masks(images).items():
                found[name] = found[name] | mask if name in found else mask
        return found

    def forward(self, batch: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        values = {name: batch[name] for name in self.scm.graph}
        mechanism = self.scm.mechanisms[self.image]
        u, nll = mechanism.abduct(values[self.image], self.scm.parents(values, self.image))
        excess = (nll / self.pixels - batch["_nll"]).mean() - self.slack
        drawn = self.settings.interventions(values, self.intervened)
        world, moved = imagine(self.scm, values, drawn, self.others)
        image = mechanism.predict(temper(u, self.settings.temperature), self.scm.parents(world, self.image))
        before = {key.removeprefix("_mask_"): mask for key, mask in batch.items() if key.startswith("_mask_")}
        losses = self.losses(
            Imagined(self.scm.graph, self.image, image, values, world, moved, before, self.outlines), batch
        )
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

    def losses(self, imagined: Imagined, batch: Mapping[str, Tensor]) -> World:
        """By name, weighted: guidance by variable, guidance of one's own, and what should stay."""
        settings, found = self.settings, {}
        for guiding in self.guiding:
            for name, miss in guiding(imagined, batch, settings.exposure, settings.hold).items():
                found[name if name not in found else f"{name} ({guiding.mark + 1})"] = miss
        for own in self.own:
            found[getattr(own, "__name__", type(own).__name__)] = own(imagined).mean()
        if settings.minimality:
            found["change"] = settings.minimality * stillness.change(imagined).mean()
        if settings.locality:
            found["outside"] = settings.locality * stillness.outside(imagined, settings.margin).mean()
        if settings.grey:
            found["grey"] = settings.grey * stillness.grey(imagined).mean()
        if settings.likely:
            found["unlikely"] = settings.likely * self.unlikely(imagined, batch["_nll"]).mean()
        return found

    def unlikely(self, imagined: Imagined, reference: Tensor) -> Tensor:
        """How much less likely than the factual image was to the fitted model the counterfactual is, per dimension: (n,)."""
        parents = self.scm.parents(imagined.world, self.image)
        nll = self.scm.mechanisms[self.image].abduct(imagined.image, parents).nll
        return (nll / self.pixels - reference).clamp(min=0)

    @torch.no_grad()
    def validate(self, values: World) -> float:
        """The loss on `values`, with the same interventions at every call."""
        device = next(self.parameters()).device
        with seeded(0, device):
            parts = [
                {k: v[i : i + 64].to(device) for k, v in values.items()} for i in range(0, len(values[self.image]), 64)
            ]
            return float(torch.stack([self(part)[0] for part in parts]).mean())
