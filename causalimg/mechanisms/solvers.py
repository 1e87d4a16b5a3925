"""Solvers of ordinary differential equations with a fixed number of steps, so that batch mates don't matter to each other.

Each takes a velocity ``v(x, t)``, a start x (batch, ...) and the times to pass, from first to last, in either direction.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

from torch import Tensor

Velocity = Callable[[Tensor, float], Tensor]
"""v(x, t): shape of x."""

Solver = Callable[[Velocity, Tensor, Sequence[float]], Tensor]
"""(velocity, start, times) -> x at the last of the times."""


def euler(velocity: Velocity, x: Tensor, times: Sequence[float]) -> Tensor:
    """First order, one evaluation a step."""
    for t, after in pairwise(times):
        x = x + (after - t) * velocity(x, t)
    return x


def midpoint(velocity: Velocity, x: Tensor, times: Sequence[float]) -> Tensor:
    """Second order, two evaluations a step."""
    for t, after in pairwise(times):
        half = (after - t) / 2
        x = x + 2 * half * velocity(x + half * velocity(x, t), t + half)
    return x


def adams(velocity: Velocity, x: Tensor, times: Sequence[float]) -> Tensor:
    """Second order, one evaluation a step: Adams and Bashforth's rule for steps of any length, after a step of `midpoint`."""
    before = velocity(x, times[0])
    half = (times[1] - times[0]) / 2
    x = x + 2 * half * velocity(x + half * before, times[0] + half)
    for (t0, t), (_, after) in pairwise(pairwise(times)):
        now = velocity(x, t)
        step, ratio = after - t, (after - t) / (t - t0)
        x, before = x + step * ((1 + ratio / 2) * now - ratio / 2 * before), now
    return x


SOLVERS: dict[str, Solver] = {"euler": euler, "midpoint": midpoint, "adams": adams}
