"""Checkpoints of training: it goes on where it stopped, and ends bitwise where it would have.

A folder (see `storage`) holds all that the next step depends on: what training moves, and all buffers; the optimiser's moments;
the averaged weights, and the best of them so far; the history, with what was counted since its last row; the random state; and
the step. `about` says what was being trained, so that nothing else is gone on with.
"""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from causalimg import storage
from causalimg.training.processes import is_first

MINUTES = 5.0
"""A checkpoint is at most so old where rows are logged more often; else as old as the last validation or row."""


class Resumable(Protocol):
    """A part of training that can go on from what it was."""

    def tensors(self) -> dict[str, Tensor]:
        """What it holds, by name."""
        ...

    def numbers(self) -> dict[str, Any]:
        """What else it holds, as plain JSON data."""
        ...

    def restore(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        """Be what had these."""
        ...


class Moved:
    """What training moves in a module: parameters that require grad, and all buffers."""

    def __init__(self, module: nn.Module) -> None:
        moving = {name: value for name, value in module.named_parameters() if value.requires_grad}
        self._held = {**moving, **dict(module.named_buffers())}

    def tensors(self) -> dict[str, Tensor]:
        return dict(self._held)

    def numbers(self) -> dict[str, Any]:
        return {}

    @torch.no_grad()
    def restore(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        for name, value in self._held.items():
            value.copy_(tensors[name])


class Randomness:
    """The global random state, on the CPU and on `device`."""

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def tensors(self) -> dict[str, Tensor]:
        here = {"cpu": torch.get_rng_state()}
        return here | ({"cuda": torch.cuda.get_rng_state(self._device)} if self._device.type == "cuda" else {})

    def numbers(self) -> dict[str, Any]:
        return {}

    def restore(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        torch.set_rng_state(tensors["cpu"])
        if "cuda" in tensors:
            torch.cuda.set_rng_state(tensors["cuda"], self._device)


class Checkpoint:
    """Of a training of `parts` by name, in `folder`; none is written where that is None. `about`: plain JSON data."""

    def __init__(self, folder: Path | None, about: Mapping[str, Any], **parts: Resumable) -> None:
        self._folder, self._about, self._parts = folder, dict(about), parts
        self._written = time.monotonic()

    def resume(self) -> int:
        """The step after which the parts are now: 0 where there is no checkpoint.

        Raises ValueError for a checkpoint of something else, and for one that was changed.
        """
        if self._folder is None or not (self._folder / storage.SPEC).exists():
            return 0
        spec, tensors = storage.read(self._folder)
        self._check(spec["about"])
        for part, one in self._parts.items():
            own = {
                name.removeprefix(f"{part}/"): value for name, value in tensors.items() if name.startswith(f"{part}/")
            }
            one.restore(own, spec["parts"][part])
        return int(spec["step"])

    def due(self) -> bool:
        """Whether the last one is old."""
        return time.monotonic() - self._written > 60 * MINUTES

    def write(self, step: int) -> None:
        """Write what the parts are now, after `step`."""
        if self._folder is None or not is_first():
            return
        tensors = {
            f"{part}/{name}": v.clone() for part, one in self._parts.items() for name, v in one.tensors().items()
        }
        numbers = {part: one.numbers() for part, one in self._parts.items()}
        storage.write(self._folder, {"step": step, "about": self._about, "parts": numbers}, tensors)
        self._written = time.monotonic()

    def _check(self, about: Mapping[str, Any]) -> None:
        differ = [name for name, value in self._about.items() if about.get(name) != value]
        self._about = {**about, **self._about}
        if differ:
            raise ValueError(
                f"{self._folder} is a checkpoint of another training: {', '.join(differ)} differ. Choose another folder, or "
                "remove it."
            )
