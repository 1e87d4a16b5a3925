"""From what was written to what is meant: which names are fit for variables, and which variables the parents are."""

from collections.abc import Container, Mapping, Sequence
from keyword import iskeyword
from typing import Any
from unicodedata import normalize

import networkx as nx

from causalimg.errors import check_known, located
from causalimg.graph.variables import Variable

Written = Sequence[tuple[str, Variable]]
"""Variables by name, as they were written; of two with one name the later counts, but either may be named as a parent."""

YAML_WORDS = {"on", "off", "yes", "no", "true", "false", "null", "none"}
"""YAML 1.1 reads these as booleans or null."""

ARGUMENTS = {
    "self",
    "title",
    "variables",
    "graph",
    "train",
    "val",
    "seed",
    "log",
    "n",
    "do",
    "pose",
    "region",
    "weights",
    "particles",
    "confounding",
    "support",
    "unknown",
    "warm_start",
}
"""Attributes of a graph, and arguments of methods that take variables by name."""


def resolved(title: str, written: Written, taken: Container[str]) -> dict[str, Variable]:
    """The variables by name, with parents by name. Raises ValueError for an unfit name (`taken` are) and unknown parents."""
    raw, written = dict(written), [(_in_nfc(name), variable) for name, variable in written]
    variables = dict(written)
    if alike := [name for name in raw if name != _in_nfc(name) and _in_nfc(name) in raw]:
        raise ValueError(f"{title}.{_in_nfc(alike[0])}: another variable has this name, but for how Unicode writes it")
    for name, variable in variables.items():
        _check_name(title, name, taken)
        if not isinstance(variable, Variable):
            raise TypeError(f"{title}.{name}: expected a variable, got {variable!r}")
    return {name: _with_named_parents(f"{title}.{name}", variable, written) for name, variable in variables.items()}


def _in_nfc(name: Any) -> Any:
    """As Python takes the names of a class."""
    return normalize("NFC", name) if isinstance(name, str) else name


def _check_name(title: str, name: object, taken: Container[str]) -> None:
    plain = isinstance(name, str) and name.isidentifier() and not iskeyword(name) and not name.startswith("_")
    if not plain or str(name).lower() in YAML_WORDS | ARGUMENTS or name in taken:
        raise ValueError(f"{title}: {name!r} can't name a variable: it is a reserved word, or no plain identifier")


def _with_named_parents(where: str, variable: Variable, written: Written) -> Variable:
    with located(where):
        names = tuple(_name_of(parent, written) for parent in variable.parents)
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"duplicate parent {name!r}")
    return variable.model_copy(update={"parents": names}) if names else variable


def _name_of(parent: str | Variable, written: Written) -> str:
    if isinstance(parent, str):
        name: str = _in_nfc(parent)
        check_known("parent", [name], [name for name, _ in written])
        return name
    names = {name for name, variable in written if variable is parent}  # identity: two may be declared alike
    if len(names) != 1:
        what = f"one object named {' and '.join(sorted(names))}" if names else "not declared in this graph"
        raise ValueError(f"a parent that is {what}: {parent!r}")
    return names.pop()


def acyclic(title: str, variables: Mapping[str, Variable]) -> "nx.DiGraph[str]":
    """The edges from causes to effects. Raises ValueError that shows a cycle where there is one."""
    edges: nx.DiGraph[str] = nx.DiGraph()
    edges.add_nodes_from(variables)
    edges.add_edges_from((str(parent), name) for name, variable in variables.items() for parent in variable.parents)
    if not nx.is_directed_acyclic_graph(edges):
        cycle = [edge[0] for edge in nx.find_cycle(edges)]
        raise ValueError(f"{title}: a cycle: {' -> '.join([*cycle, cycle[0]])}")
    return edges
