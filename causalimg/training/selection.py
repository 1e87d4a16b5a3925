"""Which weights stay when training is over: those that were judged best, exactly as they were judged."""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import nn

from causalimg.training.ema import Average
from causalimg.training.learner import train_mode
from causalimg.training.seeds import seeded

if TYPE_CHECKING:
    from lightning_fabric import Fabric


class Selection:
    """Judges the averaged weights of `step` by `validate`, lower is better, and remembers the best.

    Without `validate` there is nothing to judge, and the last average is best.
    """

    def __init__(
        self, fabric: "Fabric", step: nn.Module, average: Average, validate: Callable[[], float] | None
    ) -> None:
        self._fabric, self._step, self._average, self._validate = fabric, step, average, validate
        self._best, self._kept = math.inf, average.mean

    def judge(self, seed: int) -> dict[str, float]:
        """The row entry ``val``, none without `validate`; the random draws of `seed` are the same every time."""
        if self._validate is None:
            return {}
        self._step.eval()
        with self._average.in_place(), torch.no_grad(), seeded(seed, self._fabric.device):
            value = float(self._fabric.broadcast(self._validate()))  # one judgement for all processes
        train_mode(self._step)
        if value < self._best:
            self._best, self._kept = value, [tensor.clone() for tensor in self._average.mean]
        return {"val": value}

    def settle(self, label: str) -> None:
        """Give `step` the best weights. Raises RuntimeError if no judgement was finite."""
        if self._validate is not None and not math.isfinite(self._best):
            raise RuntimeError(f"{label}: no validation gave a finite value")
        self._average.put(self._kept)
