"""How far an answer would move, if something unobserved caused both what is set and its effect.

A mechanism is learnt as if its noise had nothing to do with its parents. An unobserved common cause of a parent p and its effect
v breaks that: their noises e_p and e_v, standard normal, then have a correlation ρ, of which the data say nothing. Part of what
was learnt of v given p is ρ and not p. With w the noise of the learnt mechanism f, and p set to p'::

    e_v = ρ e_p + sqrt(1 - ρ²) w        what was observed
    v'  = f(p', w - ρ / sqrt(1 - ρ²) (e_p' - e_p)),      e_p' the noise that would have brought about p'

since e_v, and not w, stays as it was. It is exact where p's mechanism sees no more than v's does, and the noises are jointly
normal; with several such parents, Σ_p ρ_p (e_p' - e_p) / sqrt(1 - Σ_p ρ_p²) is taken off.

Turned round: the ρ at which v' is what was seen says how strong an unobserved cause would have to be to explain the effect away
(a tipping point, as in *Making Sense of Sensitivity*, Cinelli & Hazlett, JRSS B 2020; the E-value of numbers).
"""

import warnings
from collections.abc import Iterable, Mapping
from math import sqrt
from typing import cast

import torch
from torch import Tensor

from causalimg.errors import check_known
from causalimg.graph import Graph
from causalimg.mechanisms.mechanism import Monotone
from causalimg.scm import Factual
from causalimg.values import World, widen

Correlations = Mapping[tuple[str, str], float]
"""By (parent, effect): the correlation of their noises that an unobserved cause of both brings about."""


@torch.no_grad()
def confounded(factual: Factual, action: World, correlations: Correlations) -> Factual:
    """`factual`, with the noise of each effect as it has to be where noises are correlated so, for predictions under `action`.

    Raises ValueError for a pair that is no edge between numbers whose mechanisms are `Monotone`, and for impossible correlations.
    """
    if not correlations:
        return factual
    for pair in correlations:
        _check_edge(factual, *pair)
    effects = dict.fromkeys(effect for _, effect in correlations)
    return factual.with_noise({effect: _shifted(factual, action, effect, correlations) for effect in effects})


def _shifted(factual: Factual, action: World, effect: str, correlations: Correlations) -> Tensor:
    shares = {parent: rho for (parent, other), rho in correlations.items() if other == effect}
    left = 1 - sum(rho * rho for rho in shares.values())
    if not left > 0:
        raise ValueError(f"confounding of {effect}: the squares of its correlations, {shares}, add up to 1 or more")
    noise = _noise(factual, effect)
    for parent, rho in shares.items():
        noise = noise - rho / sqrt(left) * _moved(factual, action, parent)
    return noise


def _moved(factual: Factual, action: World, name: str) -> Tensor:
    """By how much the noise of a variable would have to differ to bring about what it is set to; 0 where it isn't set."""
    noise = _noise(factual, name)
    if name not in action:
        return torch.zeros_like(noise)
    n = max(map(len, [*action.values(), noise]))
    known = {parent: widen(action.get(parent, factual.values[parent]), n) for parent in factual.scm.graph.parents(name)}
    return _needed(factual, name, widen(action[name], n), known) - noise


@torch.no_grad()
def tipping(factual: Factual, action: World) -> dict[str, Tensor]:
    """By direct effect of what is set: the correlation of noises that would explain the effect away, (rows,), within (-1, 1).

    Of numbers with one parent that is set, both `Monotone`; positive where it is that of a common cause that moves both the same
    way. NaN where nothing is asked.
    """
    graph, found = factual.scm.graph, {}
    for effect in (name for name in graph if name not in action):
        causes = [name for name in graph.parents(effect) if name in action]
        if len(causes) == 1 and all(isinstance(factual.scm.mechanisms[n], Monotone) for n in (causes[0], effect)):
            found[effect] = _tips(factual, action, causes[0], effect)
    return found


def _tips(factual: Factual, action: World, cause: str, effect: str) -> Tensor:
    moved, (value, before) = _moved(factual, action, cause), factual.seen(effect)
    parents = {name: widen(action.get(name, column), len(moved)) for name, column in before.items()}
    steep = (_noise(factual, effect) - _needed(factual, effect, widen(value, len(moved)), parents)) / moved
    return (steep / (1 + steep.square()).sqrt()).float()


def _noise(factual: Factual, name: str) -> Tensor:
    return cast(Tensor, factual.noise(name))  # one number, as of all that are Monotone


def _needed(factual: Factual, name: str, value: Tensor, parents: World) -> Tensor:
    """The noise that would bring about `value` under `parents`: no draw has a say in it."""
    return cast(Tensor, factual.scm.mechanisms[name].abduct(value, parents, torch.zeros_like(value)))


def _check_edge(factual: Factual, parent: str, effect: str) -> None:
    graph, mechanisms = factual.scm.graph, factual.scm.mechanisms
    check_known("variable", [parent, effect], graph)
    if parent not in graph.parents(effect):
        raise ValueError(
            f"confounding: {parent} is no parent of {effect}: {', '.join(graph.parents(effect)) or 'it has none'}"
        )
    for name in (parent, effect):
        if not isinstance(mechanisms[name], Monotone):
            kind = type(mechanisms[name]).__name__
            raise ValueError(f"confounding of {parent} and {effect}: {kind}, of {name}, is not Monotone")


def warn_of_confounded(graph: Graph, names: Iterable[str]) -> None:
    """Warn of the effects of setting `names` that are not identified, in the line that called the caller."""
    for effect, causes in graph.confounded(*names).items():
        warnings.warn(
            f"what {', '.join(names)} brings about in {effect} is not identified: {', '.join(causes)}, unobserved, is behind "
            f"{effect} and a parent of it. `confounding=` says how far the answer could move, `tipping` what would undo it",
            stacklevel=3,
        )
