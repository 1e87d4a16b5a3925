"""The causal graph: which variables there are and what causes what. Frozen data; this module imports no torch.

Graphs you write are classes, graphs you compute or store are data, and both are the same value underneath::

    class Heart(Graph):
        age     = Continuous(unit="year", bounds=(0, 110))
        lv_area = Continuous(parents=[age], unit="px", measured=Area("lv"))
        x       = Image(parents=[lv_area], shape=(1, 64, 64))

    Heart() == Graph.of(age=..., lv_area=Continuous(parents=["age"], ...), x=...)

A common cause that no table has is declared as `Unobserved`: it is no variable of the graph, but known to it.

A measurement is not an edge: ``lv_area`` causes ``x`` and is read off it. JSON, YAML and networkx carry the same plain data,
both ways.
"""

import json
import reprlib
from collections.abc import Collection, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, cast

import networkx as nx
import yaml

from causalimg.errors import check_given, check_known, located
from causalimg.graph.declaration import Written, acyclic, resolved
from causalimg.graph.identification import Identification, identify
from causalimg.graph.quantities import Outlined, Quantity
from causalimg.graph.spec import check_depth
from causalimg.graph.text import parse_json, parse_yaml, read_text
from causalimg.graph.variables import Continuous, Image, Unobserved, Variable

if TYPE_CHECKING:
    from torch import Tensor


class Graph:
    """Variables by name, ordered so that causes come before effects, frozen; their parents are names.

    A subclass of a graph has its variables too, and may replace some. Raises ValueError on anything wrong when it is made:
    unknown parent, cycle, reserved name, a measurement whose image is ambiguous or lacks the spacing that its unit needs;
    TypeError for what is no variable.
    """

    title: str
    variables: Mapping[str, Variable]
    unobserved: Mapping[str, tuple[str, ...]]
    """By the name of an unobserved cause, its direct effects."""
    _declared: ClassVar[Mapping[str, Variable]] = {}

    def __init_subclass__(cls) -> None:
        cls._declared = {name: value for name, value in vars(cls).items() if not name.startswith("_")}
        cls()

    def __init__(self) -> None:
        bodies = [vars(ancestor).get("_declared", {}) for ancestor in reversed(type(self).__mro__)]
        self._resolve(type(self).__name__, [item for body in bodies for item in body.items()])

    @classmethod
    def of(cls, title: str = "Graph", /, **variables: Variable) -> "Graph":
        """A graph from variables by name, with parents by name."""
        return cls._from_items(title, list(variables.items()))

    @classmethod
    def _from_items(cls, title: str, written: Written) -> "Graph":
        graph = Graph.__new__(Graph)
        graph._resolve(title, written)
        return graph

    def _resolve(self, title: str, written: Written) -> None:
        self.title = title
        variables = resolved(title, written, taken=dir(Graph))
        edges = acyclic(title, variables)
        order = list(nx.lexicographical_topological_sort(edges, key=list(variables).index))
        self._written = {name: variables[name] for name in order}
        unobserved = [name for name, variable in self._written.items() if isinstance(variable, Unobserved)]
        self.unobserved = MappingProxyType({name: tuple(n for n in order if n in edges[name]) for name in unobserved})
        self.variables = MappingProxyType(
            {name: _without(variable, unobserved) for name, variable in self._written.items() if name not in unobserved}
        )
        self._all_edges = edges
        self._edges = edges.subgraph(self.variables)
        for name in self.measured:
            self._check_spacing(name, self.image_of(name))

    def _check_spacing(self, name: str, on: str) -> None:
        variable, image = self[name], self[on]
        metric = isinstance(variable, Continuous) and variable.unit.startswith("mm")
        if metric and isinstance(image, Image) and image.spacing is None:
            raise ValueError(f"{self.title}.{name}: to measure it in mm, {on} needs spacing=(mm, mm)")

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
        return frozenset().union(*(self._descendants[name] for name in names))

    @cached_property
    def _descendants(self) -> dict[str, frozenset[str]]:
        """Of each variable: every question asks for them several times."""
        return {name: frozenset(nx.descendants(self._edges, name)) for name in self}

    def confounded(self, *names: str) -> dict[str, tuple[str, ...]]:
        """The effects of setting `names` that a model of what is observed has wrong, and the unobserved causes to blame.

        A mechanism learns of an effect v what goes with its parents. That is what the parents M that are set, or follow from what
        is, bring about only if v is independent of M given its other parents, in the graph without the edges out of M (rule 2 of
        the do-calculus; *Causality*, Pearl, 2009, 3.4).
        """
        moved = self.descendants(*names).union(names)
        effects = [name for name in self if name in moved and name not in names]
        return {name: blamed for name in effects if (blamed := self._blamed(name, moved))}

    def _blamed(self, name: str, moved: frozenset[str]) -> tuple[str, ...]:
        """Unobserved causes without any one of which `name` would be learnt right; if there is no such one, all of its own."""
        if self._learnt(name, moved):
            return ()
        one = [u for u in self.unobserved if self._learnt(name, moved, [u])]
        return tuple(one) or tuple(u for u, effects in self.unobserved.items() if name in effects)

    def _learnt(self, name: str, moved: frozenset[str], unobserved: Collection[str] = ()) -> bool:
        """Whether a mechanism learns what `moved` parents of `name` bring about in it; were it not for these `unobserved`."""
        parents = set(self.parents(name))
        cut = self._all_edges.copy()
        cut.remove_nodes_from(unobserved)
        cut.remove_edges_from(list(cut.out_edges(parents & moved)))
        return not parents & moved or nx.is_d_separator(cut, parents & moved, {name}, parents - moved)

    def identify(self, cause: str, effect: str) -> Identification:
        """What must be observed, so that data say what `cause` does to `effect` (see `causalimg.graph.identification`).

        What is declared `Unobserved` can't be adjusted for. Raises ValueError for what is no variable, or the same one twice.
        """
        check_known("variable", [cause, effect], self)
        if cause == effect:
            raise ValueError(f"identify: expected two variables, a cause and its effect, got {cause!r} twice")
        return identify(self._all_edges, self.variables, cause, effect)

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
        chosen = self.measured[name].image if name in self.measured else None
        if chosen is not None:
            with located(f"{self.title}.{name}"):
                check_known("image", [chosen], self.images)
            return chosen
        caused = [image for image in self.images if image in self.descendants(name)]
        for candidates in (caused, self.images):
            if len(candidates) == 1:
                return candidates[0]
        options = ", ".join(caused or self.images) or "(the graph has none)"
        raise ValueError(f"{self.title}.{name}: on which image is it measured? Say image=...; candidates: {options}.")

    def to_data(self) -> dict[str, Any]:
        """The graph as plain JSON data; `from_data` is the way back."""
        return {"title": self.title, "variables": {name: v.to_data() for name, v in self._written.items()}}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> "Graph":
        """The graph that plain `data` describes; names are taken in NFC, as Python takes those of a class.

        Raises ValueError on unknown kinds, fields and parents, and where data is nested too deep.
        """
        check_depth(data)
        if isinstance(data, Mapping):
            check_known("part of a graph", data, ("title", "variables"))
        if not isinstance(data, Mapping) or not isinstance(data.get("variables"), Mapping):
            hint = ". For a file, say Path('...')" if isinstance(data, str) else ""
            raise ValueError(
                f"expected a mapping of 'title' and 'variables', these by name; got {reprlib.repr(data)}{hint}"
            )
        title, written = str(data.get("title", "Graph")), []
        for name, variable in data["variables"].items():
            with located(f"{title}.{name}"):
                written.append((name, Variable.from_data(variable)))
        return cls._from_items(title, written)

    def to_json(self) -> str:
        """The graph as JSON text."""
        return json.dumps(self.to_data(), indent=2)

    @classmethod
    def from_json(cls, text: str) -> "Graph":
        """The graph that JSON text describes. Raises ValueError for other text, and one that is long or has a key twice."""
        return cls.from_data(parse_json(text))

    def to_yaml(self) -> str:
        """The graph as YAML text."""
        return yaml.safe_dump(self.to_data(), sort_keys=False, default_flow_style=None, allow_unicode=True)

    @classmethod
    def from_yaml(cls, source: str | Path) -> "Graph":
        """The graph that a YAML file (a `Path`) or YAML text describes.

        Raises ValueError, which names the file, for other text, and one that is long, has a key twice, or refers to itself.
        """
        if not isinstance(source, Path):
            return cls.from_data(parse_yaml(source))
        try:
            return cls.from_data(parse_yaml(read_text(source)))
        except ValueError as error:
            raise ValueError(f"{source}: {error}") from None

    def to_networkx(self) -> "nx.DiGraph[str]":
        """A `networkx.DiGraph`: nodes carry their variable's data (without parents), edges point from cause to effect."""
        data = self.to_data()
        graph: nx.DiGraph[str] = nx.DiGraph(title=data["title"])
        for name, variable in data["variables"].items():
            graph.add_node(name, **{key: value for key, value in variable.items() if key != "parents"})
        for name, variable in data["variables"].items():
            graph.add_edges_from((parent, name) for parent in variable.get("parents", ()))
        return graph

    @classmethod
    def from_networkx(cls, graph: "nx.DiGraph[str]", **variables: Variable) -> "Graph":
        """The graph of a `networkx.DiGraph`: its edges, and for each node the one of `variables` that has its name, without
        parents. The other nodes carry ``kind`` and the kind's fields. Raises ValueError for nodes that are neither."""
        if not graph.is_directed():
            raise ValueError(f"a causal graph has directed edges: expected a networkx.DiGraph, got {graph}")
        check_known("node", variables, graph)
        said = {name: variable.to_data() for name, variable in variables.items()}
        if twice := [name for name, data in said.items() if "parents" in data]:
            raise ValueError(f"{twice[0]}: the edges of the networkx graph say what its parents are: give it none")
        nodes = {name: said.get(name, dict(node)) for name, node in graph.nodes(data=True)}
        for name, variable in nodes.items():
            if parents := list(graph.predecessors(name)):
                variable["parents"] = parents
        return cls.from_data({"title": graph.graph.get("title", "Graph"), "variables": nodes})

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Graph) and list(self._written.items()) == list(other._written.items())

    def __hash__(self) -> int:
        return hash(tuple(self._written.items()))

    def __reduce__(self) -> tuple[Any, ...]:
        return Graph.from_data, (self.to_data(),)

    def __repr__(self) -> str:
        body = [f"    {name} = {variable!r}" for name, variable in self._written.items()] or ["    pass"]
        return "\n".join([f"class {self.title}(Graph):", *body])


def _without(variable: Variable, unobserved: Collection[str]) -> Variable:
    """`variable` with those parents alone that are observed."""
    return variable.model_copy(update={"parents": tuple(name for name in variable.parents if name not in unobserved)})


def as_graph(graph: Graph | type[Graph]) -> Graph:
    """The value of a graph given as a class or as a value."""
    if isinstance(graph, type) and issubclass(graph, Graph):
        return graph()
    if isinstance(graph, Graph):
        return graph
    raise TypeError(f"expected a Graph, as a class or a value, got {graph!r}")


def measure(graph: Graph, name: str, masks: "Mapping[str, Tensor]", image: "Tensor") -> "Tensor":
    """The variable `name` in its unit, shape (batch,), on `masks` of `image`, (batch, channels, height, width).

    `masks`, by structure, are (batch, height, width), in [0, 1] or bool; soft ones give a differentiable answer. Raises
    ValueError where the variable is not measured, or a structure that it needs has no mask.
    """
    check_known("measured variable", [name], graph.measured)
    quantity, variable = graph.measured[name], cast(Continuous, graph[name])
    check_given("mask", quantity.structures, masks)
    outlines = {structure: masks[structure].float() for structure in quantity.structures}
    spacing = cast(Image, graph[graph.image_of(name)]).spacing
    return quantity.measure(Outlined(outlines, image, spacing), variable.unit)
