"""What follows from an intervention: the variables of a graph, evaluated causes first.

In the world under an intervention every variable has one of three values::

    what is set                            the value that it is set to
    what is known, and no effect of it     its known value, bit by bit
    all else                               predicted from its parents in that same world

Nothing is known when samples are drawn; everything is when a counterfactual is asked for. How a variable is predicted is the
caller's: by a mechanism from abducted or from new noise, or by the equation of a phantom.
"""

from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor

from causalimg.errors import check_given, check_known
from causalimg.graph import Graph
from causalimg.values import World

Predict = Callable[[str, World], Tensor]
"""From a variable's name and its parents' values, by name, to its value."""


def propagate(
    graph: Graph,
    known: Mapping[str, Tensor],
    action: Mapping[str, Tensor],
    predict: Predict,
    *,
    names: Iterable[str] | None = None,
) -> World:
    """The world under `action`, which sets the same variables in every row.

    `names` are the variables that are wanted, by default all of the graph; the parents of what is predicted must be among
    them. Raises ValueError for a variable that does not exist or is not among `names`, and for a parent that is missing.
    """
    wanted = _causes_first(graph, names)
    check_known("variable to intervene on", action, wanted)
    effects = graph.descendants(*action)
    world: World = {}
    for name in wanted:
        if name in action:
            world[name] = action[name]
        elif name in known and name not in effects:
            world[name] = known[name]
        else:
            world[name] = predict(name, _parents(graph, name, world))
    return world


def propagate_rows(
    graph: Graph,
    known: Mapping[str, Tensor],
    action: Mapping[str, Tensor],
    rows: Mapping[str, Tensor],
    predict: Predict,
    names: Iterable[str] | None = None,
) -> tuple[World, World]:
    """The world where each row has an intervention of its own, and by variable the rows (n,), bool, that were set or follow.

    A variable of `action`, (n, ...), is set in its `rows`, (n,) bool. All of `names` must be known, since they keep their
    value in the other rows. What follows in no row that is asked for is not predicted. Raises ValueError as `propagate` does.
    """
    wanted = _causes_first(graph, names)
    check_known("variable to intervene on", rows, wanted)
    check_given("value of the variable", wanted, known)
    check_given("value to set", rows, action)
    effects = graph.descendants(*rows)
    world: World = {}
    moved: World = {}
    for name in wanted:
        value = known[name]
        follows = torch.zeros(len(value), dtype=torch.bool, device=value.device)
        if name in effects:
            for parent in _parents(graph, name, moved).values():
                follows = follows | parent
            value = _where(follows, predict(name, _parents(graph, name, world)), value)
        if name in rows:
            here = rows[name].to(value.device)
            value = _where(here, action[name].to(value), value)
            follows = follows | here
        world[name], moved[name] = value, follows
    return world, moved


def _causes_first(graph: Graph, names: Iterable[str] | None) -> list[str]:
    if names is None:
        return list(graph)
    wanted = list(names)
    check_known("variable", wanted, graph)
    return [name for name in graph if name in wanted]


def _parents(graph: Graph, name: str, world: World) -> World:
    parents = graph.parents(name)
    check_given(f"value of {name}'s parent", parents, world)
    return {parent: world[parent] for parent in parents}


def _where(rows: Tensor, there: Tensor, elsewhere: Tensor) -> Tensor:
    """`there` in `rows` (n,), and `elsewhere` in the others; both (n, ...)."""
    return torch.where(rows.view(-1, *[1] * (elsewhere.ndim - 1)), there, elsewhere)
