"""A step that torch compiles, or runs as it is where that can't be done."""

from typing import Any

import torch
from torch import Tensor, nn

from causalimg.training.progress import say
from causalimg.values import Nest


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
