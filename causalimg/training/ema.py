"""The average of the weights along the path of training, which does better than where the path ends.

    mean <- d mean + (1 - d) weights,        d = min(decay, (1 + t) / (10 + t))

The decay starts low, so that the untrained weights are soon forgotten.

Averaging Weights Leads to Wider Optima and Better Generalization (Izmailov et al., 2018), https://arxiv.org/abs/1803.05407
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class Average:
    """The exponential moving average of what training moves in `module`.

    That is what requires grad, and the buffers of parts in train mode (running statistics). A buffer that isn't finite
    (a bound at infinity) is a constant, whose average would be NaN.
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
