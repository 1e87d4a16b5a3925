"""What must be observed, so that data say what a cause does to an effect: the back-door and the front-door criterion.

A set Z of observed variables is enough to adjust for (the back door) where it holds no effect of the cause c, and c and the
effect e are independent given Z in the graph without the edges out of c::

    P(e | do(c)) = Σ_z P(e | c, z) P(z)

Where there is none, a set M of observed variables may carry all that c does to e (the front door): every way from c to e passes
M, nothing is behind c and M, and given c nothing is behind M and e::

    P(e | do(c)) = Σ_m P(m | c) Σ_c' P(e | m, c') P(c')

*Causality* (Pearl, 2009, 3.3). A search within a set of allowed variables finds one minimal set Z. Any other lacks some z of Z,
and so is found where z is not allowed. For the front door: sets that have nothing behind them are closed under union, so there is
a largest one, and a variable can go if the largest one without it does, too (*Finding and Listing Front-door Adjustment Sets*,
Jeong, Tian & Bareinboim, NeurIPS 2022, arXiv:2210.05816).
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

import networkx as nx

Names = frozenset[str]
Search = Callable[[Names], Names | None]
"""From the variables that are allowed to one minimal set of them that will do; None where there is none."""

SHOWN = 4
"""So many sets are put in words."""


@dataclass(frozen=True)
class Identification:
    """Whether data say what `cause` does to `effect`, and of which observed variables they must be.

    `follows`: whether the effect follows from the cause at all. `backdoor`: the minimal sets to adjust for, smallest first; the
    empty set says that nothing needs to be. `frontdoor`: where there is no such set, the minimal ones that carry all of the
    effect. `missing`: where there is neither, the minimal sets of unobserved causes that would have to be observed.
    """

    cause: str
    effect: str
    follows: bool
    backdoor: tuple[tuple[str, ...], ...] = ()
    frontdoor: tuple[tuple[str, ...], ...] = ()
    missing: tuple[tuple[str, ...], ...] = ()

    @property
    def identified(self) -> bool:
        """Whether it is, by one of the two criteria, or because there is no effect."""
        return not self.follows or bool(self.backdoor or self.frontdoor)

    def __str__(self) -> str:
        if not self.follows:
            return f"{self.cause} has no effect on {self.effect}: no way leads from one to the other"
        of = f"the effect of {self.cause} on {self.effect} is"
        if self.backdoor:
            return f"{of} identified by the back door: adjust for {_either(self.backdoor)}"
        if self.frontdoor:
            return f"{of} identified by the front door: all of it passes {_either(self.frontdoor)}"
        return f"{of} not identified by the back or the front door: observe {_either(self.missing)}, to adjust for it"


def identify(edges: "nx.DiGraph[str]", observed: Collection[str], cause: str, effect: str) -> Identification:
    """Whether the effect of `cause` on `effect` is identified in the graph `edges`, of which only `observed` are known."""
    effects: set[str] = nx.descendants(edges, cause)
    if effect not in effects:
        return Identification(cause, effect, follows=False)
    allowed, known = frozenset(edges) - effects - {cause}, frozenset(observed)
    behind, through = _back_door(edges, cause, effect), _front_door(edges, cause, effect)
    if backdoor := _minimal_sets(behind, allowed & known):
        return Identification(cause, effect, True, backdoor=_sorted(edges, backdoor))
    if frontdoor := _minimal_sets(through, known - {cause, effect}):
        return Identification(cause, effect, True, frontdoor=_sorted(edges, frontdoor))
    lacking = {found - known for found in _minimal_sets(behind, allowed)}
    least = {one for one in lacking if not any(other < one for other in lacking)}
    return Identification(cause, effect, True, missing=_sorted(edges, least))


def _back_door(edges: "nx.DiGraph[str]", cause: str, effect: str) -> Search:
    cut = _without_out(edges, {cause})

    def find(allowed: Names) -> Names | None:
        found = nx.find_minimal_d_separator(cut, {cause}, {effect}, restricted=set(allowed))
        return None if found is None else frozenset(found)

    return find


def _front_door(edges: "nx.DiGraph[str]", cause: str, effect: str) -> Search:
    cut = _without_out(edges, {cause})

    def carries(names: Names) -> bool:
        return not nx.has_path(edges.subgraph(set(edges) - names), cause, effect)

    def largest(allowed: Names) -> Names:
        """Those with nothing behind them and the cause, and, given the cause, nothing behind them and the effect."""
        names = frozenset(name for name in allowed if nx.is_d_separator(cut, cause, name, set()))
        while lost := [v for v in names if not nx.is_d_separator(_without_out(edges, names), v, effect, {cause})]:
            names = names.difference(lost)
        return names

    def find(allowed: Names) -> Names | None:
        names = largest(allowed)
        if not carries(names):
            return None
        for name in sorted(names):
            fewer = largest(names - {name})
            names = fewer if carries(fewer) else names
        return names

    return find


def _minimal_sets(find: Search, allowed: Names) -> set[Names]:
    """All minimal sets within `allowed`."""
    found: set[Names] = set()
    seen, ahead = {allowed}, [allowed]
    while ahead:
        within = ahead.pop()
        if (names := find(within)) is not None:
            found.add(names)
            fresh = {within - {name} for name in names} - seen
            seen |= fresh
            ahead += fresh
    return found


def _without_out(edges: "nx.DiGraph[str]", names: Collection[str]) -> "nx.DiGraph[str]":
    """The graph without the edges out of `names`."""
    cut = edges.copy()
    cut.remove_edges_from(list(edges.out_edges(names)))
    return cut


def _sorted(edges: "nx.DiGraph[str]", sets: Iterable[Names]) -> tuple[tuple[str, ...], ...]:
    order = {name: place for place, name in enumerate(edges)}
    return tuple(
        sorted(
            (tuple(sorted(names, key=order.__getitem__)) for names in sets),
            key=lambda s: (len(s), [order[n] for n in s]),
        )
    )


def _either(sets: Iterable[tuple[str, ...]]) -> str:
    several = [" and ".join(names) or "nothing" for names in sets]
    more = [f"any of {len(several) - SHOWN} other sets"] if len(several) > SHOWN else []
    return ", or ".join(several[:SHOWN] + more)
