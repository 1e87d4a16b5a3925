"""Sums of what each step reports, kept on the device: to copy a number to the host is to wait for the device."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor

from causalimg.training.history import Row

if TYPE_CHECKING:
    from lightning_fabric import Fabric


class Tally:
    """Means over the steps taken since the last `read`; `skipped` counts the others, since the start."""

    def __init__(self, device: torch.device) -> None:
        self._names: tuple[str, ...] = ()
        self._sums = torch.zeros(0, device=device)
        self._taken, self._skipped, self._streak = torch.zeros(3, device=device)

    def add(self, values: Mapping[str, Tensor], skip: Tensor) -> None:
        """Count one step with its 0-d `values`, or as skipped where `skip` (0-d) is 1. Raises ValueError for new names."""
        if not self._names:
            self._names = tuple(values)
            self._sums = self._sums.new_zeros(len(values))
        if tuple(values) != self._names:
            raise ValueError(f"a step must report the same metrics every time; {self._names}, then {tuple(values)}")
        numbers = torch.stack([value.detach().float() for value in values.values()])
        self._sums = self._sums + torch.where(skip > 0, 0.0, numbers)
        self._taken = self._taken + (1 - skip)
        self._skipped = self._skipped + skip
        self._streak = (self._streak + 1) * skip

    def read(self, fabric: "Fabric") -> tuple[Row, int]:
        """The means over all processes (none if every step was skipped) and `skipped`; and how many were skipped last."""
        counts = torch.stack([self._taken, self._skipped, self._streak])
        reduced = cast(Tensor, fabric.all_reduce(torch.cat([counts, self._sums])))
        taken, skipped, streak, *sums = reduced.tolist()
        self._sums, self._taken = torch.zeros_like(self._sums), torch.zeros_like(self._taken)
        means = {name: total / taken for name, total in zip(self._names, sums, strict=True)} if taken else {}
        return {**means, "skipped": int(skipped)}, int(streak)
