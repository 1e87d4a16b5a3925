"""Interventions for training: which variables are set in which row, and to what; then what follows from it.

Drawn per row, never one for a whole batch. Where several are set at once, all of them count. Effects propagate through the graph
by the other mechanisms, which are not trained here: to set one variable and leave its effects as they were is no intervention.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from pydantic import Field, FiniteFloat, PositiveInt, field_validator

from causalimg.errors import check_known
from causalimg.graph.spec import Spec
from causalimg.values import World


class Drawn(NamedTuple):
    """By variable: the value for every row, (n,), and the rows in which it is set, (n,), bool."""

    values: World
    rows: World


Sampler = Callable[[World, Sequence[str]], Drawn]
"""From the factual values of a batch, and the names of what may be set, to what is set. Any function of this form will do."""


class Permuted(Spec):
    """Values that were observed in other rows of the batch; `at_once` variables are set in every row."""

    at_once: PositiveInt = 1

    def __call__(self, values: World, names: Sequence[str]) -> Drawn:
        shuffled = {name: values[name][torch.randperm(len(values[name]), device=values[name].device)] for name in names}
        return Drawn(shuffled, _shared_out(values, names, self.at_once))


class Uniform(Spec):
    """Values drawn uniformly from `ranges`, (low, high) by variable, in its unit: for answers beyond what was observed.

    Raises ValueError for no range, and for one that is not finite or not from a lower to a higher number.
    """

    ranges: dict[str, tuple[FiniteFloat, FiniteFloat]] = Field(min_length=1)
    at_once: PositiveInt = 1

    @field_validator("ranges")
    @classmethod
    def _from_low_to_high(cls, ranges: dict[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
        for name, (low, high) in ranges.items():
            if low > high:
                raise ValueError(f"{name}: {low:g} is above {high:g}: expected (low, high)")
        return ranges

    def __call__(self, values: World, names: Sequence[str]) -> Drawn:
        check_known("guided variable", self.ranges, names)
        drawn = {name: low + (high - low) * torch.rand_like(values[name]) for name, (low, high) in self.ranges.items()}
        return Drawn(drawn, _shared_out(values, list(self.ranges), self.at_once))


def _shared_out(values: World, names: Sequence[str], at_once: int) -> World:
    """In every row `at_once` of `names` are set, and each of them in as many rows as another."""
    first = values[names[0]]
    turn = torch.randperm(len(names), device=first.device)
    rank = (torch.arange(len(first), device=first.device)[:, None] + turn) % len(names)
    return {name: rank[:, i] < at_once for i, name in enumerate(names)}
