import unicodedata

import networkx as nx
import pytest
from hypothesis import given, settings
from strategies import graphs

from causalimg.graph import Area, Categorical, Continuous, Graph, Image, Quantity, Variable

WAYS = {
    "data": (Graph.to_data, Graph.from_data),
    "json": (Graph.to_json, Graph.from_json),
    "yaml": (Graph.to_yaml, Graph.from_yaml),
    "networkx": (Graph.to_networkx, Graph.from_networkx),
}


@settings(max_examples=200, deadline=None)
@given(graph=graphs(images=True, measured=True))
def test_a_graph_makes_the_round_trip_in_every_format(graph):
    for way, (there, back) in WAYS.items():
        again = back(there(graph))
        assert again == graph, way
        assert again.title == graph.title


class Diameter(Quantity):
    """A kind of quantity as a user may write it."""

    units = ("mm", "px")
    structure: str

    @property
    def structures(self):
        return (self.structure,)

    def measure(self, seen, unit):
        return 2 * (seen.masks[self.structure].sum((-1, -2)) / 3.14159) ** 0.5 * self.pixel(seen, unit)[0]


class Ordinal(Variable):
    """A kind of variable as a user may write it."""

    top: int


def users_own(**image):
    return Graph.of(
        grade=Ordinal(top=4),
        lv=Continuous(parents=["grade"], unit="mm", measured=Diameter(structure="lv", image="x")),
        x=Image(parents=["lv"], shape=(1, 8, 8), **image),
    )


@pytest.mark.parametrize("way", WAYS)
def test_kinds_by_users_make_the_round_trip_too(way):
    there, back = WAYS[way]
    graph = users_own(spacing=(1, 1))
    again = back(there(graph))
    assert again == graph
    assert type(again["grade"]) is Ordinal
    assert type(again.measured["lv"]) is Diameter


def test_a_users_quantity_in_millimetres_needs_spacing_as_well():
    with pytest.raises(ValueError, match=r"Graph\.lv: to measure it in mm, x needs spacing"):
        users_own()


def test_yaml_reads_like_a_declaration_and_from_a_file(tmp_path):
    graph = Graph.of("Heart", age=Continuous(unit="year", bounds=(0, 110)), sex=Categorical(levels=("no", "größer")))
    text = graph.to_yaml()
    assert text.splitlines() == [
        "title: Heart",
        "variables:",
        "  age:",
        "    kind: Continuous",
        "    bounds: [0.0, 110.0]",
        "    unit: year",
        "  sex:",
        "    kind: Categorical",
        "    levels: ['no', größer]",
    ]
    (tmp_path / "heart.yaml").write_text(text, encoding="utf-8")
    assert Graph.from_yaml(tmp_path / "heart.yaml") == graph


def test_networkx_carries_variables_on_nodes_and_causes_on_edges():
    graph = Graph.of("Heart", age=Continuous(), lv=Continuous(parents=["age"], unit="px", measured=Area("lv")),
                     x=Image(parents=["lv", "age"], shape=(1, 8, 8)))  # fmt: skip
    network = graph.to_networkx()
    assert set(network.edges) == {("age", "lv"), ("lv", "x"), ("age", "x")}  # a measurement is no edge
    assert network.nodes["x"] == {"kind": "Image", "shape": [1, 8, 8]}
    assert network.graph == {"title": "Heart"}


def test_a_graph_computed_with_networkx_becomes_one_of_ours():
    network = nx.gn_graph(6, seed=0).reverse()
    nx.set_node_attributes(network, "Continuous", "kind")
    graph = Graph.from_networkx(nx.relabel_nodes(network, {i: f"v{i}" for i in network}))
    assert all(graph.parents(f"v{b}") == (f"v{a}",) for a, b in network.edges)


OURS = {"Area": Quantity, "Continuous": Variable}


@pytest.mark.parametrize("name", OURS)
def test_a_kind_whose_name_another_module_took_is_refused_and_takes_over_nothing(name):
    base, ours = OURS[name], OURS[name].kinds[name]
    with pytest.raises(
        TypeError, match=rf"two kinds named '{name}': {__name__}\.{name} and {ours.__module__}\.{name}\."
    ):
        type(name, (base,), {"__module__": __name__, "__qualname__": name})
    assert base.kinds[name] is ours


def test_a_kind_may_be_defined_again_in_its_own_module():
    def define(top):
        return type("Graded", (Variable,), {"__module__": "notebook", "__annotations__": {"top": int}, "top": top})

    define(3)
    again = define(4)
    assert Variable.kinds["Graded"] is again


def test_names_from_data_are_those_of_a_class_however_their_letters_are_composed():
    name = unicodedata.normalize("NFD", "größe")
    graph = Graph.from_yaml(f"variables: {{{name}: {{kind: Continuous}}, b: {{kind: Continuous, parents: [{name}]}}}}")
    assert list(graph) == ["größe", "b"]
    assert graph.parents("b") == ("größe",)
    assert (
        Graph.from_yaml(f"variables: {{{name}: {{kind: Continuous}}, b: {{kind: Continuous, parents: [größe]}}}}")
        == graph
    )
