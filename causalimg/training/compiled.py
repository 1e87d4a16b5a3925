"""A step that torch compiles, or runs as it is where that can't be done."""

from typing import Any

import torch
from torch import Tensor, nn

from causalimg.training.progress import say


class Compiled(nn.Module):
    """`step`, compiled at the first call: minutes, on a CPU. A failure is told once, and then `step` runs uncompiled."""

    def __init__(self, step: nn.Module) -> None:
        super().__init__()
        self.step = step
        self._run: Any = torch.compile(step.forward)

    def forward(self, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        try:
            found: tuple[Tensor, dict[str, Tensor]] = self._run(batch)
        except Exception as error:  # compilers fail in more ways than one can name; what fails uncompiled raises below
            if self._run == self.step.forward:
                raise
            say(f"torch could not compile the step ({type(error).__name__}): it runs uncompiled")
            self._run = self.step.forward
            found = self._run(batch)
        return found
