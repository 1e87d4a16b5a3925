"""One step of learning, which skips what would do harm and never makes the host wait to find out.

The rate rises linearly over `warmup` steps, then falls along a cosine to a twentieth, so that short runs end well untuned.

Decoupled Weight Decay Regularization (Loshchilov & Hutter, 2019), https://arxiv.org/abs/1711.05101
"""

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.optim import AdamW

from causalimg.training.compiled import Compiled
from causalimg.training.recipe import Recipe
from causalimg.values import Nest

if TYPE_CHECKING:
    from lightning_fabric import Fabric

FLOOR = 0.05


def learning_rate(recipe: Recipe, step: int) -> float:
    """The rate at `step`, counted from 1."""
    rise = min(1.0, step / max(1, recipe.warmup))
    fall = max(0.0, (step - recipe.warmup) / max(1, recipe.steps - recipe.warmup))
    return recipe.lr * rise * (FLOOR + (1 - FLOOR) * (1 + math.cos(math.pi * fall)) / 2)


def frozen(module: nn.Module) -> bool:
    """Whether `module` has parameters, and none of them is to be trained."""
    parameters = list(module.parameters())
    return bool(parameters) and not any(p.requires_grad for p in parameters)


def train_mode(module: nn.Module) -> None:
    """Train mode for what is trained; a frozen part must not drop out units or update running statistics."""
    module.train()
    for part in module.modules():
        if frozen(part):
            part.eval()


class Learner:
    """Moves what requires grad in `step`, by AdamW on clipped gradients."""

    def __init__(self, fabric: "Fabric", step: nn.Module, recipe: Recipe) -> None:
        self._fabric = fabric
        self._recipe = recipe
        self._parameters = [p for p in step.parameters() if p.requires_grad]
        groups: list[dict[str, Any]] = [
            {"params": [p for p in self._parameters if p.ndim > 1]},
            {"params": [p for p in self._parameters if p.ndim <= 1], "weight_decay": 0.0},  # biases and gains
        ]
        self._adamw = AdamW(groups, lr=recipe.lr, weight_decay=recipe.weight_decay, fused=True)
        self._step, self._optimizer = fabric.setup(Compiled(step) if recipe.compile else step, self._adamw)

    def learn(self, step: int, batch: Nest) -> tuple[dict[str, Tensor], Tensor]:
        """Take the `step`-th step, counted from 1: loss, metrics and gradient norm; and 1.0 if it was skipped, else 0.0."""
        for group in self._adamw.param_groups:
            group["lr"] = learning_rate(self._recipe, step)
        # Fabric's own mixed precision would round the batch to bfloat16 too: an area of 1234.5 would become 1232.
        mixed = self._recipe.precision == "bf16-mixed"
        with torch.autocast(self._fabric.device.type, torch.bfloat16, enabled=mixed):
            loss, metrics = self._step(batch)
        self._optimizer.zero_grad()
        self._fabric.backward(loss)
        norm, skip = self._guard()
        self._optimizer.step()
        return {"loss": loss, **metrics, "grad_norm": norm}, skip

    def _guard(self) -> tuple[Tensor, Tensor]:
        """Clip, and mark the coming step as skipped if the norm (before clipping) is out of bounds; all on the device."""
        norm = torch.nn.utils.clip_grad_norm_(self._parameters, self._recipe.clip)
        skip = (norm <= self._recipe.skip * self._recipe.clip).logical_not().float()  # a NaN compares as false
        self._adamw.found_inf = skip  # type: ignore[attr-defined]  # what a loss scaler sets, and fused AdamW reads
        return norm, skip
