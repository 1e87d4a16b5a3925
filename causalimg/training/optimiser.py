"""One step of learning, and the average of the weights along the way.

A step that would do harm is skipped, without making the host wait for the device to find out.

Decoupled Weight Decay Regularization (Loshchilov & Hutter, 2019), https://arxiv.org/abs/1711.05101
Averaging Weights Leads to Wider Optima and Better Generalization (Izmailov et al., 2018), https://arxiv.org/abs/1803.05407
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.optim import AdamW

from causalimg.training.progress import say
from causalimg.training.recipe import Recipe, learning_rate
from causalimg.values import Nest

if TYPE_CHECKING:
    from lightning_fabric import Fabric


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

    def tensors(self) -> dict[str, Tensor]:
        """The optimiser's moments, by the number of the parameter: see `Resumable`."""
        kept: Mapping[int, Mapping[str, Tensor]] = self._adamw.state_dict()["state"]
        return {f"{number}.{name}": value for number, each in kept.items() for name, value in each.items()}

    def numbers(self) -> dict[str, Any]:
        """None."""
        return {}

    def restore(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        """Go on with these moments."""
        parameters = [p for group in self._adamw.param_groups for p in group["params"]]
        kept: dict[int, dict[str, Tensor]] = {}
        for path, value in tensors.items():
            number, name = path.split(".")
            kept.setdefault(int(number), {})[name] = _laid_out_as(parameters[int(number)], value)
        self._adamw.load_state_dict(self._adamw.state_dict() | {"state": kept})

    def _guard(self) -> tuple[Tensor, Tensor]:
        """Clip, and mark the coming step as skipped if the norm (before clipping) is out of bounds; all on the device."""
        norm = torch.nn.utils.clip_grad_norm_(self._parameters, self._recipe.clip)
        skip = (norm <= self._recipe.skip * self._recipe.clip).logical_not().float()  # a NaN compares as false
        self._adamw.found_inf = skip  # type: ignore[attr-defined]  # what a loss scaler sets, and fused AdamW reads
        return norm, skip


def _laid_out_as(parameter: Tensor, value: Tensor) -> Tensor:
    """`value` in the memory order of `parameter`, if it has its shape: fused AdamW walks through memory as it lies."""
    return torch.empty_like(parameter).copy_(value) if value.shape == parameter.shape else value


class Compiled(nn.Module):
    """`step`, compiled at the first call: minutes, on a CPU. If that fails, it is said, and `step` runs uncompiled."""

    def __init__(self, step: nn.Module) -> None:
        super().__init__()
        self.step = step
        self._run: Any = torch.compile(step.forward)
        self._tried = False

    def forward(self, batch: Nest) -> tuple[Tensor, dict[str, Tensor]]:
        if not self._tried:
            self._tried = True
            try:
                return self._run(batch)  # type: ignore[no-any-return]
            except Exception as error:  # compilers fail in ways without a name; what is wrong uncompiled raises below
                say(f"torch could not compile the step ({type(error).__name__}): it runs uncompiled")
                self._run = self.step.forward
        return self._run(batch)  # type: ignore[no-any-return]


class Average:
    """The exponential moving average of what training moves in `module`: it does better than where training ends.

        mean <- d mean + (1 - d) weights,        d = min(decay, (1 + t) / (10 + t))

    The decay starts low, so that the untrained weights are soon forgotten. Averaged is what requires grad, and the buffers
    of parts in train mode (running statistics). A buffer that isn't finite (a bound at infinity) is a constant, whose
    average would be NaN.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        buffers = (b for part in module.modules() if part.training for b in part.buffers(recurse=False))
        statistics = [b for b in buffers if b.is_floating_point() and bool(b.isfinite().all())]
        self._live = [p.detach() for p in module.parameters() if p.requires_grad] + statistics
        self.mean = [tensor.clone() for tensor in self._live]
        self._decay = decay
        self._updates = 0

    def update(self) -> None:
        """Take in the weights as they are now."""
        decay = min(self._decay, (1 + self._updates) / (10 + self._updates))
        self._updates += 1
        torch._foreach_lerp_(self.mean, self._live, 1 - decay)

    def tensors(self) -> dict[str, Tensor]:
        """The mean, by number: see `Resumable`."""
        return {str(number): value for number, value in enumerate(self.mean)}

    def numbers(self) -> dict[str, Any]:
        """How often it was updated."""
        return {"updates": self._updates}

    def restore(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        """Go on from this mean."""
        for number, value in enumerate(self.mean):
            value.copy_(tensors[str(number)])
        self._updates = numbers["updates"]

    def put(self, weights: list[Tensor]) -> None:
        """Give the module these weights, in the order of `mean`."""
        torch._foreach_copy_(self._live, weights)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """For a while, the module's weights are their mean."""
        live = [tensor.clone() for tensor in self._live]
        self.put(self.mean)
        try:
            yield
        finally:
            self.put(live)
