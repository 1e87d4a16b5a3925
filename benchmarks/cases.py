"""What is timed: the same work done by our mechanism and the published way, on hearts of any size.

    fit        a step of fitting: loss, gradient, optimiser
    finetune   a step of fine-tuning under the default segmentor
    do         counterfactuals of a batch, one target each
    sweep      16 targets for the first image of the batch
    draws      16 draws of the answer to one target for the first image of the batch
    sample     a batch from the prior

Ours as it ships (`ours`), and with the published widths, blocks and latents (`ours, published sizes`).
"""

from collections.abc import Callable
from typing import Any

import torch
from published import PublishedHVAE, counterfactual, finetuning_loss
from torch import Tensor, nn

import causalimg as ci
from causalimg.fit import FitStep
from causalimg.guidance.finetune import expand, moved_parents
from causalimg.guidance.step import GuidedStep
from causalimg.training.optimiser import train_mode

TARGETS = 16
SIZES: dict[str, Any] = {"widths": PublishedHVAE.widths, "latents": (16,) * 5, "blocks": PublishedHVAE.blocks}
WAYS: dict[str, Callable[[], ci.Mechanism]] = {
    "published": PublishedHVAE,
    "ours, published sizes": lambda: ci.Edited(base=ci.HVAE(**SIZES), edit=ci.Deform()),
    "ours": lambda: ci.Edited(base=ci.HVAE(), edit=ci.Deform()),
    "ours, flow": ci.FlowMatching,
}
WORK = ("fit", "do", "sweep", "draws", "sample", "finetune")
"""In this order: what was fine-tuned answers by more passes of its network."""

Action = Callable[[], object]


class Case:
    """One way on `batch` hearts of `size`: an action for each kind of work."""

    def __init__(self, way: str, size: int, batch: int, device: str = "cpu") -> None:
        heart = ci.phantoms.Heart(size=size)
        self.guide = ci.Segmentor.unet(heart.structures).to(device)
        self.model = ci.compile(heart.graph, self.guide, x=WAYS[way]())
        self.world = {name: value.to(device) for name, value in heart.sample(batch).values.items()}
        for name, mechanism in self.model.mechanisms.items():
            mechanism.prepare(self.world[name].cpu(), {k: self.world[k].cpu() for k in mechanism.parents})
            mechanism.fitted.fill_(True)  # as fast as a trained one
        self.model.to(device)
        self.mechanism, self.published = self.model.mechanisms["x"], way == "published"
        self.parents = {name: self.world[name] for name in self.mechanism.parents}
        self.changed = self.parents | {"lv_area": self.parents["lv_area"].flip(0)}

    def action(self, work: str) -> Action:
        """What is timed. It may be called again and again."""
        made: Action = getattr(self, f"_{work}")()
        return made

    def _fit(self) -> Action:
        return _step(FitStep(self.mechanism.unwrapped, "x"), self.world)

    def _finetune(self) -> Action:
        if self.published:
            return _step(_Published(self), self.world)
        terms, options = expand(self.model.graph, [self.guide]), {"sampler": ci.Permuted(), "view": ci.View()}
        trained = self.mechanism.prepare_finetuning(moved_parents(self.model.graph, "x", terms))
        step = GuidedStep(self.model, "x", terms, self.world, **options, bound=None)
        step.requires_grad_(False)
        trained.requires_grad_(True)
        return _step(step, step.data)

    def _do(self) -> Action:
        if self.published:
            return _quiet(lambda: counterfactual(self.mechanism, self.world["x"], self.parents, self.changed))
        return lambda: self.model.do(self.world, lv_area=self.changed["lv_area"])

    def _sweep(self) -> Action:
        targets = torch.linspace(400, 2000, TARGETS, device=self.world["x"].device)
        if self.published:
            return self._published_rows(targets)
        return lambda: self.model.do(self._one(), lv_area=targets)

    def _draws(self) -> Action:
        if self.published:
            return self._published_rows(torch.full((TARGETS,), 1000.0, device=self.world["x"].device))
        return lambda: self.model.do(self._one(), lv_area=1000.0, particles=TARGETS)

    def _one(self) -> dict[str, Tensor]:
        return {name: value[:1] for name, value in self.world.items()}

    def _published_rows(self, targets: Tensor) -> Action:
        """A row for each target, of the first image: the published way encodes, and draws, in each."""
        image, before = self.world["x"][:1].expand(TARGETS, -1, -1, -1), _rows(self.parents)
        return _quiet(lambda: counterfactual(self.mechanism, image, before, before | {"lv_area": targets}))

    def _sample(self) -> Action:
        n = len(self.world["x"])
        return _quiet(lambda: self.mechanism.predict(self.mechanism.noise(n), self.parents))


class _Published(nn.Module):
    """The loss of the published fine-tuning, for a segmentor."""

    def __init__(self, case: Case) -> None:
        super().__init__()
        self.mechanism, self.changed, self.graph = case.mechanism, case.changed, case.model.graph
        self.guide = case.guide.requires_grad_(False)
        self.names = self.guide.can_read(self.graph)

    def forward(self, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        parents = {name: batch[name] for name in self.mechanism.parents}
        return finetuning_loss(self.mechanism, batch["x"], parents, self.changed, self._miss), {}

    def _miss(self, image: Tensor) -> Tensor:
        read = self.guide.read(image, self.graph, self.names, soft=True)
        misses = [(read[name] / self.changed[name] - 1).square().mean() for name in self.names if name in self.changed]
        return torch.stack(misses).sum()


def _step(module: nn.Module, batch: Any) -> Action:
    """An optimiser's step on the loss of `module`, as the training loop takes it."""
    train_mode(module)
    trained = [p for p in module.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-5, fused=True)

    def step() -> None:
        loss = module(batch)[0]
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 10.0)
        optimizer.step()

    return step


def _quiet(action: Action) -> Action:
    return torch.no_grad()(action)


def _rows(parents: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value[:1].expand(TARGETS) for name, value in parents.items()}
