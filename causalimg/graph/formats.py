"""A graph as JSON, YAML or networkx, and back: all three carry the same plain data."""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import networkx as nx
import yaml

if TYPE_CHECKING:
    from causalimg.graph.graph import Graph


class Portable(ABC):
    """What can say itself as plain data (`to_data`, `from_data`) can be written in every format here."""

    @abstractmethod
    def to_data(self) -> dict[str, Any]: ...

    @classmethod
    @abstractmethod
    def from_data(cls, data: Mapping[str, Any]) -> "Graph": ...

    def to_json(self) -> str:
        """The graph as JSON text."""
        return json.dumps(self.to_data(), indent=2)

    @classmethod
    def from_json(cls, text: str) -> "Graph":
        """The graph that JSON text describes."""
        return cls.from_data(json.loads(text))

    def to_yaml(self) -> str:
        """The graph as YAML text."""
        return yaml.safe_dump(self.to_data(), sort_keys=False, default_flow_style=None, allow_unicode=True)

    @classmethod
    def from_yaml(cls, source: str | Path) -> "Graph":
        """The graph that a YAML file (a `Path`) or YAML text describes."""
        try:
            data = yaml.safe_load(source.read_text(encoding="utf-8") if isinstance(source, Path) else source)
        except yaml.YAMLError as error:
            raise ValueError(f"no YAML: {error}") from None
        return cls.from_data(data)

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
    def from_networkx(cls, graph: "nx.DiGraph[str]") -> "Graph":
        """The graph of a `networkx.DiGraph` whose nodes carry ``kind`` and the kind's fields."""
        if not graph.is_directed():
            raise ValueError(f"a causal graph has directed edges: expected a networkx.DiGraph, got {graph}")
        variables = {name: dict(node) for name, node in graph.nodes(data=True)}
        for name, variable in variables.items():
            if parents := list(graph.predecessors(name)):
                variable["parents"] = parents
        return cls.from_data({"title": graph.graph.get("title", "Graph"), "variables": variables})
