"""What a law is held against: a mechanism, and data that it was prepared with."""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Self

import torch
from torch import Tensor

from causalimg.graph import Categorical, Continuous, Graph, Image, Variable
from causalimg.mechanisms.mechanism import Abduction, Mechanism, Noise


@dataclass(frozen=True)
class Case:
    """A bound mechanism, and random values of its variable and their parents."""

    mechanism: Mechanism
    graph: Graph
    name: str
    value: Tensor
    parents: dict[str, Tensor]

    @classmethod
    def draw(cls, mechanism: Mechanism, graph: Graph, name: str, n: int, device: str) -> Self:
        """`n` rows of parents, and of values that depend on them."""
        bound = mechanism.bind(graph, name).to(device)
        drives = torch.randn(len(bound.parents) + 1, n, device=device)
        parents = {name: _values(v, drive) for (name, v), drive in zip(bound.parents.items(), drives[1:], strict=True)}
        value = _values(bound.variable, drives.sum(dim=0) / len(drives) ** 0.5)
        bound.prepare(value, parents)
        return cls(bound, graph, name, value, parents)

    @property
    def variable(self) -> Variable:
        """The variable whose mechanism it is."""
        return self.mechanism.variable

    @property
    def scale(self) -> float:
        """The standard deviation of all values."""
        return float(self.value.double().std())

    def rows(self, rows: slice) -> dict[str, Tensor]:
        """The parents of some rows."""
        return {parent: column[rows] for parent, column in self.parents.items()}

    def abduct(self, seed: int = 0) -> Abduction:
        """The same at every call with the same `seed`."""
        torch.manual_seed(seed)
        return self.mechanism.abduct(self.value, self.parents)

    def nll_is_drawn(self) -> bool:
        """Whether the nll depends on what `abduct` draws."""
        return not torch.equal(self.abduct(seed=0).nll, self.abduct(seed=1).nll)


def _values(variable: Variable, drive: Tensor) -> Tensor:
    """Values that rise with `drive`, about standard normal, (n,); the first two are on the bounds, where there are any."""
    if isinstance(variable, Categorical):
        return (drive.sigmoid() * len(variable.levels)).long()
    if not isinstance(variable, Continuous | Image):
        raise TypeError(f"no way is known to draw values of a {type(variable).__name__}")
    low, high = variable.bounds
    span = 12.0 if low is None or high is None else high - low
    start = low if low is not None else high - span if high is not None else -4.0
    pattern = 0.5 * torch.randn(variable.value_shape, device=drive.device)
    values = start + span / 2 + span / 6 * (drive.reshape(-1, *(1 for _ in variable.value_shape)) + pattern)
    for row, bound in enumerate(variable.bounds):
        if bound is not None:
            values[row : row + 1] = bound
    return values.clamp(-inf if low is None else low, inf if high is None else high)


def parts(u: Noise) -> dict[str, Tensor]:
    """Noise by name; a single tensor's name is ''."""
    return {"": u} if isinstance(u, Tensor) else u


def map_noise(change: Callable[[Tensor], Tensor], u: Noise) -> Noise:
    """`u` with every tensor changed."""
    return change(u) if isinstance(u, Tensor) else {name: change(part) for name, part in u.items()}
