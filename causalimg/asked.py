"""What interventions say, as values of the variables they set, in declared units.

An intervention is a value, or says one in terms of others: of what was seen (``scale(0.7)``, ``"70%"``, any function), or of the
rows that the image was fitted on (``percentile(90)``). A list has one for each item or, of one item, one for each question.
"""

from collections.abc import Mapping
from itertools import cycle, repeat
from typing import Any

import torch
from torch import Tensor

from causalimg.data.preprocessing import Preprocessing
from causalimg.errors import located
from causalimg.given import as_columns, unpacked
from causalimg.graph import Graph
from causalimg.graph.relative import TrainingPercentile, share
from causalimg.support import Support, check_possible, training_values
from causalimg.values import Columns, World, check_variables


def asked(
    graph: Graph,
    interventions: Columns,
    *,
    items: str,
    n: int,
    factual: World | None = None,
    supports: Mapping[str, Support],
    preprocessing: Preprocessing,
    device: torch.device,
) -> World:
    """The values that `interventions` set, checked, by variable: (1, ...), (n, ...) or, where `factual` is one item, any number.

    Raises ValueError for an unknown variable or level, a value that can't be, other than a value for each of `n` `items`, and
    what is relative to what nobody saw; TypeError for what is no value.
    """
    names = list(interventions.keys())
    if "do" in names:
        named = next(iter(interventions["do"]), "name") if isinstance(interventions["do"], Mapping) else "name"
        raise ValueError(f"do=...: say each by its name, do(x, {named}=...)")
    check_variables(graph, names)
    seen = factual or {}
    given = {
        name: _absolute(graph, name, unpacked(interventions[name]), seen.get(name), training_values(supports, name))
        for name in names
    }
    world, _ = as_columns(graph, given, preprocessing=preprocessing, device=device)
    action = {name: value.clone() for name, value in world.items()}
    check_possible(graph, action, "do")
    for name, value in action.items():
        if len(value) not in (1, n) and (n != 1 or factual is None):
            raise ValueError(f"do({name}=...): {len(value)} values for {n} {items}")
    return action


def _absolute(graph: Graph, name: str, value: Any, factual: Tensor | None, trained: Tensor | None) -> Any:
    """`value` in terms of nothing else; of a list, where that is needed, each for itself."""
    if not isinstance(value, list | tuple):
        return _value(graph, name, value, factual, trained)
    if not any(is_relative(graph, name, one) for one in value):
        return value
    if len(value) == 1:
        return _value(graph, name, value[0], factual, trained)
    rows = repeat(None) if factual is None else cycle(factual.split(1))
    found = (_value(graph, name, one, row, trained) for one, row in zip(value, rows, strict=False))
    return [float(one) if isinstance(one, Tensor) else one for one in found]


def is_relative(graph: Graph, name: str, value: Any) -> bool:
    """A level may be called "70%", and a file."""
    scalar = not graph[name].discrete and not graph[name].value_shape
    return (
        callable(value) or isinstance(value, TrainingPercentile) or (isinstance(value, str) and scalar and "%" in value)
    )


def _value(graph: Graph, name: str, value: Any, factual: Tensor | None, trained: Tensor | None) -> Any:
    if not is_relative(graph, name, value):
        return value
    with located(f"do({name}=...)"):
        if isinstance(value, TrainingPercentile):
            return value.of(_numbers(graph, name, trained))
        change = share(value) if isinstance(value, str) else value
        if factual is None:
            raise ValueError(f"{value!r} is relative to what was seen of it, and nothing was: give a value")
        return change(factual.clone())


def _numbers(graph: Graph, name: str, trained: Tensor | None) -> Tensor:
    if trained is None:
        raise ValueError("no training rows of it are known, only of causes of an image that was fitted: give a value")
    if graph[name].discrete:
        raise ValueError(f"levels have no percentiles: give {graph[name].allowed}")
    return trained
