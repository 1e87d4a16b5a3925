"""A model as a Pyro program: two sites for each variable, causes first.

    <name>.u    u ~ the prior of the mechanism's noise       several tensors are one vector, see `pack`
    <name>      v = f(pa, u)                                 where the site is sampled

Where a site `<name>` has a value, by ``condition`` or as a latent one, its log-probability is what the mechanism's `explain` says
of that value: log p(v | pa), without u. So noise counts nothing (its log-probability is 0), and each variable once. The noise
that `explain` asks for is drawn anew, from the global random state. What it says is exact of numbers and levels; of an image
of an `HVAE` it is the ELBO, with one draw. A variable whose mechanism has no likelihood is a `Delta` at f(pa, u).
"""

import math
from typing import Any, cast

import pyro
import torch
from pyro.distributions import Delta, TorchDistribution, constraints
from torch import Generator, Size, Tensor

from causalimg.errors import check_kind, whole
from causalimg.fit import check_fitted
from causalimg.graph import Categorical, Continuous, Variable
from causalimg.mechanisms.mechanism import Likelihood, Mechanism, Noise, Values, likelihood_of
from causalimg.scm import MOST, SCM, Factual
from causalimg.values import World, leaves, map_tensors

ONE = Size()


class PyroProgram:
    """The program of a fitted model: ``program(n)`` runs it for `n` items, in a plate ``items``; it returns values by name."""

    def __init__(self, scm: SCM) -> None:
        check_fitted(scm.mechanisms, scm.graph)
        self.scm = scm

    def __call__(self, n: int = 1) -> World:
        """The values of `n` items, (n, *value_shape) by name. Raises TypeError, ValueError for what is no number of items."""
        world: World = {}
        with pyro.plate("items", whole("n", n, 1, MOST)):
            for name, mechanism in self.scm.mechanisms.items():
                noise = pyro.sample(f"{name}.u", _Prior(mechanism))
                world[name] = pyro.sample(name, _value(mechanism, noise, self.scm.parents(world, name)))
        return world

    def noise(self, factual: Factual) -> World:
        """What `model.abduct` found, as ``condition`` takes it: by site, the noise of each item, (n, ...).

        Raises TypeError for what it did not find, ValueError for what another model did.
        """
        check_kind("noise", factual, Factual)
        if factual.scm is not self.scm:
            raise ValueError("this Factual was abducted by another model: its noise means nothing here")
        return {f"{name}.u": pack(factual.noise(name)) for name in self.scm.graph}


def pack(noise: Noise) -> Tensor:
    """A noise of several tensors as one vector for each item, (n, length); one tensor as it is."""
    if isinstance(noise, Tensor):
        return noise
    return torch.cat([part.flatten(1) for _, part in leaves(noise)], dim=1)


def unpack(packed: Tensor, mechanism: Mechanism) -> Noise:
    """The way back from `pack`."""
    like = mechanism.noise(1, Generator())
    if isinstance(like, Tensor):
        return packed
    parts = iter(packed.split([part.numel() for _, part in leaves(like)], dim=1))
    return map_tensors(lambda part: next(parts).reshape(-1, *part.shape[1:]), like)


class _Prior(TorchDistribution):
    """The prior of a mechanism's noise, packed. What it has of probability counts with the variable's own."""

    arg_constraints = {}  # noqa: RUF012
    support = constraints.real

    def __init__(self, mechanism: Mechanism, batch: Size = ONE) -> None:
        self.mechanism = mechanism
        super().__init__(batch, pack(mechanism.noise(1, Generator())).shape[1:], validate_args=False)

    def expand(self, batch_shape: Any, _instance: Any = None) -> "_Prior":
        return _Prior(self.mechanism, Size(batch_shape))

    def sample(self, sample_shape: Any = ONE) -> Tensor:
        shape = (*sample_shape, *self.batch_shape)
        return pack(self.mechanism.noise(math.prod(shape))).reshape(*shape, *self.event_shape)

    def log_prob(self, value: Tensor) -> Tensor:
        return torch.zeros(value.shape[: value.ndim - len(self.event_shape)], device=value.device)


def _value(mechanism: Mechanism, noise: Tensor, parents: Values) -> TorchDistribution:
    value = _Value(mechanism, noise, parents)
    return value if likelihood_of(mechanism) else Delta(value.sample(), event_dim=len(value.event_shape))


class _Value(TorchDistribution):
    """A variable under `parents`: what `noise` brings about, and how likely any other value is."""

    arg_constraints = {}  # noqa: RUF012

    def __init__(self, mechanism: Mechanism, noise: Tensor, parents: Values, batch: Size | None = None) -> None:
        self.mechanism, self.noise, self.parents = mechanism, noise, parents
        self.noise_shape = _Prior(mechanism).event_shape
        found = [_batch(value, mechanism.parents[name].value_shape) for name, value in parents.items()]
        shape = torch.broadcast_shapes(_batch(noise, self.noise_shape), *found) if batch is None else batch
        super().__init__(shape, Size(mechanism.variable.value_shape), validate_args=False)

    @property
    def support(self) -> Any:
        return _support(self.mechanism.variable)

    def expand(self, batch_shape: Any, _instance: Any = None) -> "_Value":
        return _Value(self.mechanism, self.noise, self.parents, Size(batch_shape))

    def sample(self, sample_shape: Any = ONE) -> Tensor:
        shape = (*sample_shape, *self.batch_shape)
        noise = unpack(_rows(self.noise, shape, self.noise_shape), self.mechanism)
        return self.mechanism.predict(noise, self._parents(shape)).reshape(*shape, *self.event_shape)

    def log_prob(self, value: Tensor) -> Tensor:
        shape = torch.broadcast_shapes(self.batch_shape, _batch(value, self.event_shape))
        rows, prior = _rows(value, shape, self.event_shape), self.mechanism.noise(shape.numel())
        likelihood = cast(Likelihood, likelihood_of(self.mechanism))  # else it is a Delta
        return -likelihood.explain(rows, self._parents(shape), prior).nll.reshape(shape)

    def _parents(self, shape: tuple[int, ...]) -> World:
        kinds = self.mechanism.parents
        return {name: _rows(value, shape, kinds[name].value_shape) for name, value in self.parents.items()}


def _batch(value: Tensor, event: tuple[int, ...]) -> Size:
    return value.shape[: value.ndim - len(event)]


def _rows(value: Tensor, batch: tuple[int, ...], event: tuple[int, ...]) -> Tensor:
    """`value` (..., *event), for all of `batch`, in rows: (rows, *event)."""
    return value.expand(*batch, *event).reshape(-1, *event)


def _support(variable: Variable) -> Any:
    if isinstance(variable, Categorical):
        return constraints.integer_interval(0, len(variable.levels) - 1)
    low, high = variable.bounds if isinstance(variable, Continuous) else (None, None)
    if low is not None and high is not None:
        return constraints.interval(low, high)
    if low is not None:
        return constraints.greater_than_eq(low)
    return constraints.real if high is None else constraints.less_than(high)
