"""Solving dx/dt = v(x, t) in a fixed number of steps, so that batch mates don't matter to each other; one evaluation a step.

Adams and Bashforth's rule of second order for steps of any length, after a first step of Euler's.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

Velocity = Callable[[Tensor, float], Tensor]
"""v(x, t): shape of x."""


class Path(NamedTuple):
    """The points that were passed, each (batch, ...), and the velocities with which they were left."""

    points: list[Tensor]
    velocities: list[Tensor]


def walk(velocity: Velocity, x: Tensor, times: Sequence[float], pushes: Tensor | None = None) -> Path:
    """Solve from x (batch, ...) at the first of `times` to the last, in either direction.

    `pushes`, (batch, steps, ...), are added step by step.
    """
    path = Path([x], [])
    for k, t in enumerate(times[:-1]):
        path.velocities.append(velocity(path.points[-1], t))
        after = path.points[-1] + step(path.velocities, times, k)
        path.points.append(after if pushes is None else after + pushes[:, k])
    return path


def step(velocities: Sequence[Tensor], times: Sequence[float], k: int) -> Tensor:
    """What is added between the k-th and the next of `times`, by the velocities so far."""
    length = times[k + 1] - times[k]
    if k == 0:
        return length * velocities[0]
    half = length / (times[k] - times[k - 1]) / 2
    return length * ((1 + half) * velocities[k] - half * velocities[k - 1])


def missed(path: Path, times: Sequence[float]) -> Tensor:
    """By what each step misses the next point of `path`: the pushes with which `walk` passes all of them, (batch, steps, ...)."""
    steps = enumerate(pairwise(path.points))
    return torch.stack([after - before - step(path.velocities, times, k) for k, (before, after) in steps], dim=1)
