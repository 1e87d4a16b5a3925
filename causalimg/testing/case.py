"""What a law is held against: a mechanism, and data that it was prepared with."""

from dataclasses import dataclass
from math import inf
from typing import Self, cast

import torch
from torch import Tensor
from torch.testing import assert_close

from causalimg.graph import Categorical, Continuous, Graph, Image, Variable
from causalimg.mechanisms.mechanism import Abduction, Likelihood, Mechanism, Noise, likelihood_of
from causalimg.values import map_tensors


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

    @property
    def likelihood(self) -> Likelihood | None:
        """The likelihood of the mechanism, if it has one."""
        return likelihood_of(self.mechanism)

    def check_same(self, one: Tensor, other: Tensor) -> None:
        """Raise AssertionError where two values differ by more than the mechanism's own tolerance."""
        tolerance = self.mechanism.unwrapped.tolerance
        assert_close(one, other, rtol=tolerance, atol=tolerance * self.scale)

    def rows(self, rows: slice, shift: int = 0) -> dict[str, Tensor]:
        """The parents of some rows; with `shift`, those of later ones."""
        return {parent: column.roll(shift)[rows] for parent, column in self.parents.items()}

    def prior(self, seed: int = 0) -> Noise:
        """A draw for each row, the same at every call with the same `seed`."""
        return self.mechanism.noise(len(self.value), torch.Generator().manual_seed(seed))

    def abduct(self, seed: int = 0) -> Noise:
        """The same at every call with the same `seed`."""
        return self.mechanism.abduct(self.value, self.parents, self.prior(seed))

    def loss(self, seed: int = 0) -> Tensor:
        """The same at every call with the same `seed`."""
        torch.manual_seed(seed)
        return self.mechanism.loss(self.value, self.parents)

    def explain(self, seed: int = 0, rows: slice = slice(None)) -> Abduction:
        """The same at every call with the same `seed`. Only of a likelihood."""
        prior = map_tensors(lambda part: part[rows], self.prior(seed))
        return cast(Likelihood, self.likelihood).explain(self.value[rows], self.rows(rows), prior)

    def nll(self, rows: slice = slice(None)) -> Tensor | None:
        """Of a likelihood, the nll of some rows."""
        return None if self.likelihood is None else self.explain(rows=rows).nll

    def nll_is_drawn(self) -> bool:
        """Whether the nll depends on what `explain` draws."""
        return not torch.equal(self.explain(seed=0).nll, self.explain(seed=1).nll)


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
