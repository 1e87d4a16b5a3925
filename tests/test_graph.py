import copy
import pickle

import pytest
from hypothesis import given, settings
from strategies import graphs, values

from causalimg.graph import Area, Categorical, Continuous, Graph, Image, as_graph


class Heart(Graph):
    """Short-axis cardiac MRI."""

    age = Continuous(unit="year", bounds=(0, 110))
    sex = Categorical(levels=("female", "male"))
    lv_area = Continuous(parents=[age, sex], unit="mm2", measured=Area("lv"))
    x = Image(parents=[sex, lv_area], shape=(1, 128, 128), spacing=(1.4, 1.4))


def test_a_class_and_data_make_the_same_graph():
    data = Graph.of(
        age=Continuous(unit="year", bounds=(0, 110)),
        sex=Categorical(levels=("female", "male")),
        lv_area=Continuous(parents=["age", "sex"], unit="mm2", measured=Area("lv")),
        x=Image(parents=["sex", "lv_area"], shape=(1, 128, 128), spacing=(1.4, 1.4)),
    )
    assert Heart() == data
    assert hash(Heart()) == hash(data)
    assert as_graph(Heart) == as_graph(data) == data


def test_graphs_that_differ_in_a_bound_are_different():
    assert Graph.of(a=Continuous(bounds=(0, 1))) != Graph.of(a=Continuous(bounds=(0, 2)))


def test_causes_come_first_and_otherwise_the_declared_order_holds():
    graph = Graph.of(
        x=Image(parents=["area"], shape=(1, 4, 4)), area=Continuous(parents=["age"]), sex=Continuous(), age=Continuous()
    )
    assert list(graph) == ["sex", "age", "area", "x"]


def test_parents_and_descendants():
    heart = Heart()
    assert heart.parents("x") == ("sex", "lv_area")
    assert heart.descendants("age") == {"lv_area", "x"}
    assert heart.descendants("x") == frozenset()
    assert heart.descendants("age", "lv_area") == {"lv_area", "x"}
    assert heart.descendants() == frozenset()


def test_a_variable_knows_its_measurement_and_its_image():
    assert Heart().measured == {"lv_area": Area("lv")}
    assert Heart().images == ("x",)
    assert Heart().image_of("lv_area") == "x"


def test_of_two_images_the_one_that_the_variable_causes_is_measured_unless_it_says_otherwise():
    said = {"cine": Image(parents=["lv"], shape=(1, 8, 8)), "scout": Image(shape=(1, 8, 8))}
    assert Graph.of(lv=Continuous(unit="px", measured=Area("lv")), **said).image_of("lv") == "cine"
    assert Graph.of(lv=Continuous(unit="px", measured=Area("lv", image="scout")), **said).image_of("lv") == "scout"


def test_a_graph_inherits_adds_and_replaces_variables():
    class Sicker(Heart):
        disease = Categorical(levels=("none", "dilated"), parents=[Heart.age])
        x = Image(parents=[Heart.lv_area, disease], shape=(3, 64, 64), spacing=(2.8, 2.8))

    assert list(Sicker()) == ["age", "sex", "lv_area", "disease", "x"]
    assert Sicker().parents("x") == ("lv_area", "disease")
    assert Heart().parents("x") == ("sex", "lv_area")


def test_what_is_replaced_stays_the_parent_of_what_was_inherited():
    class InMonths(Heart):
        age = Continuous(unit="month", bounds=(0, 1320))

    assert InMonths()["age"].unit == "month"
    assert InMonths().parents("lv_area") == ("age", "sex")


def test_a_graph_can_be_copied_and_pickled():
    assert copy.deepcopy(Heart()) == pickle.loads(pickle.dumps(Heart())) == Heart()


def test_variables_are_frozen():
    with pytest.raises(TypeError):
        Heart().variables["age"] = Continuous()
    with pytest.raises(ValueError, match=r"^Continuous.unit: Instance is frozen, got '\w+'$"):
        Heart().variables["age"].unit = "month"


def test_repr_reads_like_the_declaration():
    assert repr(Heart()).splitlines() == [
        "class Heart(Graph):",
        "    age = Continuous(bounds=(0.0, 110.0), unit='year')",
        "    sex = Categorical(levels=('female', 'male'))",
        "    lv_area = Continuous(parents=[age, sex], unit='mm2', measured=Area('lv'))",
        "    x = Image(parents=[sex, lv_area], shape=(1, 128, 128), spacing=(1.4, 1.4))",
    ]


@settings(max_examples=200, deadline=None)
@given(graphs(images=True, measured=True))
def test_repr_is_a_declaration_of_the_same_graph(graph):
    names = {}
    exec(f"from causalimg.graph import *\n{graph!r}", names)
    assert names["Random"]() == graph


@settings(max_examples=200, deadline=None)
@given(graphs(images=True))
def test_order_and_descendants_follow_the_parents(graph):
    order = list(graph)
    for name in graph:
        assert all(order.index(parent) < order.index(name) for parent in graph.parents(name))
        children = {child for child in graph if name in graph.parents(child)}
        assert graph.descendants(name) == children | graph.descendants(*children)


@settings(max_examples=200, deadline=None)
@given(graphs(images=True))
def test_random_values_are_allowed_and_of_the_right_form(graph):
    for name, column in values(graph, 5).items():
        assert column.shape == (5, *graph[name].value_shape)
        assert column.is_floating_point() is not graph[name].discrete
        assert not graph[name].outside(column).any()


@pytest.mark.parametrize(
    ("variable", "inside", "outside"),
    [
        (Continuous(), [-1e9, 0.0], [float("nan"), float("inf")]),
        (Continuous(bounds=(0, None)), [0.0, 1e9], [-0.1, float("inf")]),
        (Continuous(bounds=(None, 2)), [-1e9, 2.0], [2.1, float("nan")]),
        (Categorical(levels=("a", "b")), [0, 1], [2, -1]),
        (Categorical(levels=("a", "b")), [0.0, 1.0], [0.5, float("nan")]),
        (Categorical(levels=("a", "b")), [False, True], []),
    ],
)
def test_what_a_variable_can_be(variable, inside, outside):
    torch = pytest.importorskip("torch")
    assert variable.outside(torch.tensor(inside)).tolist() == [False] * len(inside)
    assert variable.outside(torch.tensor(outside)).tolist() == [True] * len(outside)


def test_levels_are_written_by_name_and_kept_as_indices():
    sex = Heart()["sex"]
    assert sex.encode("sex", ["male", "female", 1]) == [1, 0, 1]
    with pytest.raises(ValueError, match=r"unknown level of sex 'mael'\. Did you mean 'male'"):
        sex.encode("sex", "mael")
    assert sex.allowed == "one of 'female', 'male', or its index"
    assert Heart()["age"].allowed == "a number in [0, 110] year"


def test_values_in_words():
    assert Heart()["age"].say(61.0) == "61 year"
    assert Continuous().say(0.123456) == "0.1235"
    assert Heart()["sex"].say(1) == "male"
