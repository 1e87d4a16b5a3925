"""The causal graph: which variables there are and what causes what. Frozen data, no torch.

Graphs you write are classes, graphs you compute or store are data, and both are the same value underneath::

    class Heart(Graph):
        age     = Continuous(unit="year", bounds=(0, 110))
        lv_area = Continuous(parents=[age], unit="px", measured=Area("lv"))
        x       = Image(parents=[lv_area], shape=(1, 64, 64))

    Heart() == Graph.of(age=..., lv_area=Continuous(parents=["age"], ...), x=...)

A measurement is not an edge: ``lv_area`` causes ``x`` and is read off it.
"""

from collections.abc import Iterator, Mapping
from functools import cached_property
from keyword import iskeyword
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

import networkx as nx

from causalimg.errors import check_known, unknown
from causalimg.graph.draw import draw
from causalimg.graph.formats import Portable
from causalimg.graph.quantities import MM2, Quantity
from causalimg.graph.variables import Continuous, Image, Variable

# YAML 1.1 reads some of these as booleans or null; the others are words of the model's own methods.
RESERVED = frozenset("on off yes no true false null none self graph seed n do device steps".split())


class Graph(Portable):
    """Variables by name, ordered so that causes come before effects, frozen; their parents are names.

    Raises ValueError on anything wrong when it is made: unknown parent, cycle, reserved name, a measurement whose image is
    ambiguous or lacks the spacing that its unit needs.
    """

    _declared: ClassVar[dict[str, Variable]] = {}

    def __init_subclass__(cls) -> None:
        own = {name: value for name, value in vars(cls).items() if isinstance(value, Variable)}
        for name in own:
            if hasattr(Graph, name):
                raise ValueError(f"{cls.__name__}: {name!r} is a word of Graph itself; choose another name")
        inherited: dict[str, Variable] = {}
        for base in reversed(cls.__mro__[1:]):
            inherited |= getattr(base, "_declared", {})
        cls._declared = inherited | own
        cls()

    def __init__(self) -> None:
        self._resolve(type(self).__name__, type(self)._declared)

    @classmethod
    def of(cls, title: str = "Graph", /, **variables: Variable) -> "Graph":
        """A graph from variables by name, with parents by name."""
        graph = Graph.__new__(Graph)
        graph._resolve(title, variables)
        return graph

    def _resolve(self, title: str, declared: Mapping[str, Variable]) -> None:
        self.title = title
        for name in declared:
            if not name.isidentifier() or iskeyword(name) or name.startswith("_") or name.lower() in RESERVED:
                raise ValueError(f"{title}: {name!r} can't name a variable (a reserved word, or no plain identifier)")
        resolved = {name: _with_named_parents(f"{title}.{name}", v, declared) for name, v in declared.items()}
        edges = nx.DiGraph()
        edges.add_nodes_from(resolved)
        edges.add_edges_from((parent, name) for name, v in resolved.items() for parent in v.parents)
        if not nx.is_directed_acyclic_graph(edges):
            cycle = [cause for cause, _ in nx.find_cycle(edges)]
            raise ValueError(f"{title}: a cycle: {' -> '.join([*cycle, cycle[0]])}")
        order = nx.lexicographical_topological_sort(edges, key=list(resolved).index)
        self._edges = nx.freeze(edges)
        self.variables: Mapping[str, Variable] = MappingProxyType({name: resolved[name] for name in order})
        for name, quantity in self.measured.items():
            self._check_measurement(name, quantity)

    def _check_measurement(self, name: str, quantity: Quantity) -> None:
        image = self[self.image_of(name)]
        if self[name].unit == MM2 and image.spacing is None:  # type: ignore[attr-defined]
            raise ValueError(f"{self.title}.{name}: a measurement in mm2 needs {self.image_of(name)} to have spacing=(mm, mm)")

    def __getitem__(self, name: str) -> Variable:
        check_known("variable", [name], self)
        return self.variables[name]

    def __contains__(self, name: object) -> bool:
        return name in self.variables

    def __iter__(self) -> Iterator[str]:
        return iter(self.variables)

    def __len__(self) -> int:
        return len(self.variables)

    def parents(self, name: str) -> tuple[str, ...]:
        """Direct causes, in the order declared."""
        return tuple(str(parent) for parent in self[name].parents)

    def descendants(self, *names: str) -> frozenset[str]:
        """All that any of `names` causes, directly or not; not the names themselves, unless another one causes them."""
        check_known("variable", names, self)
        return frozenset().union(*(nx.descendants(self._edges, name) for name in names))

    @cached_property
    def images(self) -> tuple[str, ...]:
        """The names of the image variables."""
        return tuple(name for name in self if isinstance(self[name], Image))

    @cached_property
    def measured(self) -> Mapping[str, Quantity]:
        """The quantity of every measured variable."""
        return {name: v.measured for name, v in self.variables.items() if isinstance(v, Continuous) and v.measured}

    def image_of(self, name: str) -> str:
        """The image on which the variable `name` is (to be) read. Raises ValueError where that is ambiguous.

        It is what the quantity says, else the only image that the variable causes, else the only image there is.
        """
        check_known("variable", [name], self)
        said = self.measured[name].image if name in self.measured else None
        if said is not None:
            check_known("image", [said], self.images)
            return said
        caused = [image for image in self.images if image in self.descendants(name)]
        for candidates in (caused, self.images):
            if len(candidates) == 1:
                return candidates[0]
        options = ", ".join(caused or self.images) or "(the graph has none)"
        raise ValueError(f"{self.title}.{name}: on which image is it measured? Say image=...; candidates: {options}.")

    def to_data(self) -> dict[str, Any]:
        """The graph as plain JSON data; `from_data` is the way back."""
        return {"title": self.title, "variables": {name: v.to_data() for name, v in self.variables.items()}}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> "Graph":
        """The graph that plain `data` describes. Raises ValueError on unknown kinds, fields and parents."""
        check_known("part of a graph", data, ("title", "variables"))
        variables = {name: Variable.from_data(one) for name, one in data.get("variables", {}).items()}
        return Graph.of(data.get("title", "Graph"), **variables)

    def draw(self, path: str | Path | None = None) -> Any:
        """Draw the graph: causes as arrows, measurements as dashed ones. Returns the matplotlib figure; writes it to `path`."""
        dashed = [(self.image_of(name), name) for name in self.measured]
        return draw(self._edges, dashed, images=self.images, title=self.title, path=path)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Graph) and list(self.variables.items()) == list(other.variables.items())

    def __hash__(self) -> int:
        return hash(tuple(self.variables.items()))

    def __repr__(self) -> str:
        body = [f"    {name} = {variable!r}" for name, variable in self.variables.items()] or ["    pass"]
        return "\n".join([f"class {self.title}(Graph):", *body])


def _with_named_parents(where: str, variable: Variable, declared: Mapping[str, Variable]) -> Variable:
    names = tuple(_name_of(where, parent, declared) for parent in variable.parents)
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{where}: duplicate parent {name!r}")
    return variable.model_copy(update={"parents": names}) if names else variable


def _name_of(where: str, parent: str | Variable, declared: Mapping[str, Variable]) -> str:
    if isinstance(parent, str):
        try:
            check_known("parent", [parent], declared)
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from None
        return parent
    for name, variable in declared.items():
        if variable is parent:  # identity: two variables may be declared alike
            return name
    raise ValueError(f"{where}: a parent that is not declared in this graph: {parent!r}")


def as_graph(graph: "Graph | type[Graph]") -> "Graph":
    """The value of a graph given as a class or as a value."""
    if isinstance(graph, type) and issubclass(graph, Graph):
        return graph()
    if isinstance(graph, Graph):
        return graph
    raise TypeError(f"expected a Graph, as a class or a value, got {graph!r}")
