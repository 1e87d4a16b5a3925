"""Facts that nobody knows, drawn from what the model has learnt of them, given the facts that are known.

With U the numbers and levels that are unknown, and K those that are known, given or read off an image::

    p(U | K)  ∝  Π_{v in U} p(v | pa) · Π_{k in K, a parent in U} p(k | pa)

Levels that have few states together are all weighed by this, and that is exact. Else candidates are drawn by the first product,
causes first, with K as it is, and weighed by the second; draws are picked from them by weight (sampling-importance-resampling,
*Using the SIR Algorithm to Simulate Posterior Distributions*, Rubin, Bayesian Statistics 3, 1988).

The images are not asked: p(x | pa) would take a pass through a large network, or the solution of an equation, for each
candidate. What an image tells of U, beyond what was read off it, is lost. An item's candidates and picks are its own (`draws`).
"""

from collections.abc import Callable, Sequence
from functools import partial
from math import inf, prod

import torch
from torch import Generator, Tensor

from causalimg.draws import Draws
from causalimg.errors import located, warn
from causalimg.fit import check_fitted
from causalimg.graph import Categorical
from causalimg.mechanisms.mechanism import Likelihood, likelihood_of
from causalimg.scm import SCM
from causalimg.values import World, widen

CANDIDATES = 4096
"""So many for an item, from which its draws are picked. Levels that have at most so many states together are listed."""

FEWEST = 30
"""Where fewer candidates count, 1 / Σ weight², what is picked from them is coarse, and a warning says so."""

Generators = Callable[[str], Generator]
"""From what is to be drawn for an item, in words, to a generator of it."""


@torch.no_grad()
def drawn_unknown(scm: SCM, known: World, draws: Draws) -> World:
    """The numbers and levels of `scm` that are not in `known`, (n, ...) by variable: (n * particles,), item by item.

    Raises ValueError for mechanisms that are not fitted, one of a known effect that says no likelihood, and an item of which
    what is known is impossible. Warns of what is measured on an image but not read, and where few candidates count.
    """
    unknown = [name for name in scm.graph if name not in known]
    if not unknown:
        return {}
    posterior = Posterior(scm, unknown)
    picked, counting = [posterior.none()], []
    for row, item in enumerate(draws.items):
        one = {name: value[row : row + 1] for name, value in known.items()}
        with located(f"row {row}"):
            candidates, weights = posterior.candidates(one, partial(draws.generator, item))
        picks = _picks(weights, draws, item)
        picked.append({name: value.cpu()[picks] for name, value in candidates.items()})
        counting.append(1 / weights.square().sum().item())
    _warn_of_measured(scm, unknown)
    if not posterior.listed:
        _warn_of_few(unknown, counting)
    device = next(iter(known.values())).device
    return {name: torch.cat([one[name] for one in picked]).to(device) for name in unknown}


class Posterior:
    """p(unknown | known) of `scm`, where the same numbers and levels are `unknown` of every item.

    `listed`: whether all states are weighed. Raises ValueError where a mechanism is not fitted, or says no likelihood.
    """

    def __init__(self, scm: SCM, unknown: Sequence[str]) -> None:
        self.scm, self.unknown = scm, unknown
        known = [name for name in scm.graph if name not in unknown and not scm.graph[name].value_shape]
        telling = [name for name in known if set(scm.graph.parents(name)) & set(unknown)]
        check_fitted(scm.mechanisms, {*unknown, *telling})
        levels = [len(one.levels) for name in unknown if isinstance(one := scm.graph[name], Categorical)]
        say = all(likelihood_of(scm.mechanisms[name]) for name in unknown)
        self.listed = say and len(levels) == len(unknown) and prod(levels) <= CANDIDATES
        self._states = torch.cartesian_prod(*map(torch.arange, levels)).view(-1, len(levels)) if self.listed else None
        self._weighing = {name: self._likelihood(name) for name in [*telling, *unknown] if self.listed or name in known}

    def _likelihood(self, name: str) -> Likelihood:
        """Raises ValueError where there is none."""
        found = likelihood_of(self.scm.mechanisms[name])
        if found is None:
            causes = [cause for cause in self.scm.graph.parents(name) if cause in self.unknown]
            raise ValueError(
                f"{type(self.scm.mechanisms[name]).__name__}, of {name}, is no Likelihood: it can't say what {name} tells of "
                f"{', '.join(causes)}: give a value"
            )
        return found

    def none(self) -> World:
        """No draws, (0,) by unknown variable."""
        kinds = {name: torch.int64 if self.scm.graph[name].discrete else torch.float32 for name in self.unknown}
        return {name: torch.empty(0, dtype=kind) for name, kind in kinds.items()}

    def candidates(self, known: World, generator: Generators) -> tuple[World, Tensor]:
        """Of one item, of which `known` has one row: what may be unknown, (candidates,) by variable, and the weight of each,
        (candidates,), float64; they add up to 1. Raises ValueError where none is possible."""
        found = self._drawn(known, generator) if self._states is None else self._columns(self._states, known)
        n = len(found[self.unknown[0]])
        losses = [self._loss(name, known | found, n, generator) for name in self._weighing]
        likely = -torch.stack([torch.zeros(n, dtype=torch.float64), *losses]).sum(0)
        likely = torch.where(likely.isnan(), -inf, likely)
        if not (likely > -inf).any():
            effects = ", ".join(name for name in self._weighing if name in known)
            raise ValueError(f"{effects} can't be as given, whatever {', '.join(self.unknown)} may be, says the model")
        return found, likely.softmax(0)

    def _columns(self, states: Tensor, known: World) -> World:
        device = next(iter(known.values())).device
        return dict(zip(self.unknown, states.to(device).unbind(1), strict=True))

    def _drawn(self, known: World, generator: Generators) -> World:
        """By the mechanisms of what is unknown, causes first."""
        world = {name: widen(value, CANDIDATES) for name, value in known.items()}
        for name in self.unknown:
            mechanism = self.scm.mechanisms[name]
            noise = mechanism.noise(CANDIDATES, generator(f"{name} of candidates"))
            world[name] = mechanism.predict(noise, self.scm.parents(world, name))
        return {name: world[name] for name in self.unknown}

    def _loss(self, name: str, world: World, n: int, generator: Generators) -> Tensor:
        """The negative log-likelihood of a variable in each of `n` candidates, (n,)."""
        mechanism = self._weighing[name]
        parents = {parent: widen(value, n) for parent, value in self.scm.parents(world, name).items()}
        prior = mechanism.noise(n, generator(f"{name} for its likelihood"))
        return mechanism.explain(widen(world[name], n), parents, prior).nll.cpu().double()


def _picks(weights: Tensor, draws: Draws, item: bytes) -> Tensor:
    """The numbers of the candidates that are an item's draws, (particles,)."""
    each = [draws.generator(item, "pick of candidates", particle) for particle in range(draws.particles)]
    shares = torch.cat([torch.rand(1, dtype=torch.float64, generator=one) for one in each])
    up_to = weights.cumsum(0)
    return torch.searchsorted(up_to, shares * up_to[-1], right=True).clamp(max=len(weights) - 1)


def _warn_of_measured(scm: SCM, unknown: Sequence[str]) -> None:
    if seen := [name for name in unknown if name in scm.graph.measured]:
        warn(
            f"{', '.join(seen)}: measured on the image, but drawn without a look at it. Compile the model with a reader of "
            "it, or give its value"
        )


def _warn_of_few(unknown: Sequence[str], counting: Sequence[float]) -> None:
    """`counting`: how many candidates count, by item."""
    few = [row for row, count in enumerate(counting) if count < FEWEST]
    if few:
        worst = min(few, key=counting.__getitem__)
        warn(
            f"{', '.join(unknown)}: of {len(few)} of {len(counting)} items next to no candidate goes with what is known (row "
            f"{worst}: {counting[worst]:.1f} of {CANDIDATES} count). Under the model that is most unusual, or leaves little "
            "open: their draws are coarse"
        )
