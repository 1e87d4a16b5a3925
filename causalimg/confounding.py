"""How far an answer would move, if something unobserved caused both what is set and its effect.

A mechanism is learnt as if its noise had nothing to do with its parents. An unobserved common cause of a parent p and its effect
v breaks that: their noises e_p and e_v, standard normal, then have a correlation ρ, of which the data say nothing. Part of what
was learnt of v given p is ρ and not p. With w the noise of the learnt mechanism f, and p set to p'::

    e_v = ρ e_p + sqrt(1 - ρ²) w        what was observed
    v'  = f(p', w - ρ / sqrt(1 - ρ²) (e_p' - e_p)),      e_p' the noise that would have brought about p'

since e_v, and not w, stays as it was. The noises are taken to be jointly normal, and all parents of p must be parents of v,
too. With several such parents, Σ_p ρ_p (e_p' - e_p) / sqrt(1 - Σ_p ρ_p²) is taken off.

Turned round: the ρ at which v' is what was seen says how strong an unobserved cause would have to be to explain the effect away
(a tipping point, as in *Making Sense of Sensitivity*, Cinelli & Hazlett, JRSS B 2020; the E-value of numbers).
"""

from collections.abc import Iterable, Mapping
from typing import cast

import torch
from torch import Tensor

from causalimg.errors import check_known, warn
from causalimg.fit import check_fitted
from causalimg.mechanisms.mechanism import Monotone
from causalimg.scm import SCM, Factual, Rows
from causalimg.values import World, by_name, widen

Correlations = Mapping[tuple[str, str], float | Tensor]
"""By (parent, effect): the correlation of their noises that something unobserved brings about; one, or one for each question."""


@torch.no_grad()
def adjusted(factual: Rows, action: World, correlations: Correlations) -> Factual:
    """`factual`, with the noise of each effect as it has to be where noises are correlated so, for predictions under `action`.

    Raises ValueError for a pair of which nothing can be said so (see `_why_not`), and for correlations that can't be;
    TypeError for what are no numbers by pairs.
    """
    by_name("confounding", correlations, "correlations by (parent, effect)")
    effects = effects_of(correlations)
    for pair in correlations:
        check_known("variable", pair, factual.scm.graph)
        if reason := _why_not(factual.scm, action, *pair):
            raise ValueError(f"confounding of {' and '.join(pair)}: {reason}")
    noise = {effect: _shifted(factual, action, effect, correlations) for effect in effects}
    return factual.with_noise(noise) if noise else factual


def effects_of(pairs: Iterable[tuple[str, str]]) -> list[str]:
    """The effects of pairs (parent, effect). Raises ValueError for what is no pair."""
    for pair in pairs:
        if not isinstance(pair, tuple) or len(pair) != 2:
            raise ValueError(f"confounding: expected pairs of a parent and its effect, got {pair!r}")
    return list(dict.fromkeys(effect for _, effect in pairs))


def _why_not(scm: SCM, action: World, parent: str, effect: str) -> str:
    """Why the closed form does not hold of an edge; empty where it does."""
    graph, follows = scm.graph, scm.graph.descendants(*action) - action.keys()
    if parent not in graph.parents(effect):
        return f"{parent} is no parent of {effect}: {', '.join(graph.parents(effect)) or 'it has none'}"
    for name in (parent, effect):
        if not isinstance(scm.mechanisms[name], Monotone):
            return f"{type(scm.mechanisms[name]).__name__}, of {name}, is not Monotone"
    if others := set(graph.parents(parent)) - set(graph.parents(effect)):
        return f"{', '.join(sorted(others))}, behind {parent}, would have to be a parent of {effect}, too"
    if parent in action and (moving := follows & set(graph.parents(parent))):
        return f"{', '.join(sorted(moving))}, behind {parent}, follows from what is set: set it as well"
    check_fitted(scm.mechanisms, (parent, effect))
    return ""


def _shifted(factual: Rows, action: World, effect: str, correlations: Correlations) -> Tensor:
    noise = _noise(factual, effect)
    told = {parent: rho for (parent, other), rho in correlations.items() if other == effect}
    shares = {p: factual.numbers(f"confounding of {p} and {effect}", rho).to(noise) for p, rho in told.items()}
    left = 1 - torch.stack([rho.square() for rho in torch.broadcast_tensors(*shares.values())]).sum(0)
    if not (left > 0).all():
        raise ValueError(f"confounding of {effect}: the squares of its correlations, {shares}, add up to 1 or more")
    taken = sum(rho / left.sqrt() * _moved(factual, action, parent) for parent, rho in shares.items())
    return (noise - taken).to(noise.dtype)


def _moved(factual: Factual, action: World, name: str) -> Tensor:
    """By how much the noise of a variable would have to differ to bring about what it is set to, (rows,); 0 where nothing is."""
    noise = _noise(factual, name)
    if name not in action:
        return torch.zeros_like(noise)
    target, value = action[name], factual.values[name]
    parents = {parent: action.get(parent, factual.values[parent]) for parent in factual.scm.graph.parents(name)}
    moved = _needed(factual, name, target, parents) - noise
    stays = [target == value, *(parents[parent] == factual.values[parent] for parent in parents)]
    return torch.where(torch.stack(torch.broadcast_tensors(*stays)).all(0), 0.0, moved)  # whatever is lost in rounding


def tipping(factual: Factual, action: World) -> dict[str, Tensor]:
    """By direct effect of what is set: the correlation of noises that would explain the effect away, (rows,), within (-1, 1).

    Of effects with one parent that is set, and none that follows, where `adjusted` can say what a correlation does; positive
    where it is that of a common cause that moves both the same way. NaN where nothing is asked.
    """
    graph, found = factual.scm.graph, {}
    follows = graph.descendants(*action) - action.keys()
    for effect in (name for name in graph if name in follows and not follows & set(graph.parents(name))):
        causes = [name for name in graph.parents(effect) if name in action]
        if len(causes) == 1 and not _why_not(factual.scm, action, causes[0], effect):
            found[effect] = _tips(factual, action, causes[0], effect)
    return found


@torch.no_grad()
def _tips(factual: Factual, action: World, cause: str, effect: str) -> Tensor:
    moved, (value, before) = _moved(factual, action, cause), factual.seen(effect)
    parents = {name: action.get(name, column) for name, column in before.items()}
    undone = _needed(factual, effect, value, parents)
    steep = torch.where(moved == 0, torch.nan, (_noise(factual, effect) - undone) / moved)
    return (steep / (1 + steep.square()).sqrt()).float()


def _noise(factual: Factual, name: str) -> Tensor:
    return cast(Tensor, factual.noise(name))  # one number, as of all that are Monotone


def _needed(factual: Factual, name: str, value: Tensor, parents: World) -> Tensor:
    """The noise that would bring about `value` under `parents`: no draw has a say in it."""
    n = max(map(len, (value, *parents.values())))
    wide = {parent: widen(column, n) for parent, column in parents.items()}
    return cast(Tensor, factual.scm.mechanisms[name].abduct(widen(value, n), wide, value.new_zeros(n)))


def warn_of_confounded(scm: SCM, names: Iterable[str], told: Iterable[tuple[str, str]] = ()) -> None:
    """Warn of effects of setting `names` that the model has learnt wrong, but for those of whose confounding it was `told`."""
    known = effects_of(told)
    for effect, causes in scm.graph.confounded(*names).items():
        if effect not in known:
            of_number = isinstance(scm.mechanisms[effect], Monotone)
            more = (
                ": `confounding=` says by how much it could be off, `tipping` what would undo it" if of_number else ""
            )
            warn(
                f"what {', '.join(names)} brings about in {effect} is not what the model has learnt of it: {', '.join(causes)}, "
                f"unobserved, is behind {effect} and what it follows from{more}"
            )
