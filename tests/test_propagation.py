"""What an intervention sets and what follows from it, over random graphs with toy equations."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import graphs, subsets, values

from causalimg.graph import Continuous, Graph
from causalimg.propagation import propagate, propagate_rows

ROWS = 5


def numbers(graph, seed):
    """Random values of every variable, as numbers, and NaN or negative zero in some rows: kept means bit by bit."""
    known = {name: value.double() for name, value in values(graph, ROWS, seed).items()}
    for value in known.values():
        value[0], value[1] = float("nan"), -0.0
    return known


def toy(known):
    """v := its known value + the sum of its parents + 1, so that whatever is predicted differs from what was known."""

    def predict(name, parents):
        others = [torch.nan_to_num(parent) for parent in parents.values()]
        return torch.nan_to_num(known[name]) + 1e3 + sum(others, torch.zeros(()))

    return predict


def same(one, other):
    return one.dtype == other.dtype and torch.equal(one.view(torch.int64), other.view(torch.int64))


@st.composite
def questions(draw):
    """A graph, its known values, what is set to what, and in which rows."""
    graph = draw(graphs())
    known = numbers(graph, seed=draw(st.integers(0, 99)))
    action = {name: torch.randn(ROWS, dtype=torch.double) for name in draw(subsets(list(graph)))}
    rows = {name: torch.tensor(draw(st.lists(st.booleans(), min_size=ROWS, max_size=ROWS))) for name in action}
    return graph, known, action, rows


@given(questions())
def test_what_is_set_has_its_value_and_what_does_not_follow_keeps_its_own(question):
    graph, known, action, _ = question
    world = propagate(graph, known, action, toy(known))
    assert list(world) == list(graph)
    effects = graph.descendants(*action)
    for name, value in world.items():
        if name in action:
            assert same(value, action[name])
        elif name not in effects:
            assert same(value, known[name])
        else:
            assert torch.equal(value, toy(known)(name, {parent: world[parent] for parent in graph.parents(name)}))


@given(questions())
def test_nothing_set_is_what_was_known(question):
    graph, known, _, _ = question
    world = propagate(graph, known, {}, toy(known))
    by_row, moved = propagate_rows(graph, known, {}, {}, toy(known))
    for name in graph:
        assert same(world[name], known[name])
        assert same(by_row[name], known[name])
        assert not moved[name].any()


@given(questions())
def test_nothing_known_predicts_all_that_is_not_set(question):
    graph, known, action, _ = question
    predicted = []

    def predict(name, parents):
        predicted.append(name)
        return toy(known)(name, parents)

    world = propagate(graph, {}, action, predict)
    assert predicted == [name for name in graph if name not in action]
    assert list(world) == list(graph)


@given(questions())
def test_a_row_of_many_is_that_item_alone(question):
    graph, known, action, rows = question
    world, moved = propagate_rows(graph, known, action, rows, toy(known))
    for row in range(ROWS):
        alone = {name: value[row : row + 1] for name, value in known.items()}
        done = {name: value[row : row + 1] for name, value in action.items() if rows[name][row]}
        expected = propagate(graph, alone, done, toy(alone))
        follows = graph.descendants(*done) | set(done)
        for name in graph:
            assert same(world[name][row : row + 1], expected[name])
            assert moved[name][row].item() == (name in follows)


def chain():
    return Graph.of(a=Continuous(), b=Continuous(parents=["a"]), c=Continuous(parents=["b"]))


def test_only_the_variables_asked_for_are_predicted():
    known = {name: torch.zeros(2) for name in "abc"}
    world = propagate(chain(), known, {"a": torch.ones(2)}, lambda name, pa: pa["a"] + 1, names=["b", "a"])
    assert {name: value.tolist() for name, value in world.items()} == {"a": [1, 1], "b": [2, 2]}


def test_an_image_is_set_in_its_rows_alone():
    images = torch.zeros(2, 1, 3, 3)
    rows = {"a": torch.tensor([False, True])}
    world, _ = propagate_rows(Graph.of(a=Continuous()), {"a": images}, {"a": images + 1}, rows, lambda name, pa: images)
    assert world["a"].flatten(1).mean(1).tolist() == [0, 1]


@pytest.mark.parametrize(
    ("action", "names", "message"),
    [
        ({"d": 1}, None, "unknown variable to intervene on 'd'"),
        ({"c": 1}, ["a", "b"], "unknown variable to intervene on 'c'"),
        ({}, ["a", "d"], "unknown variable 'd'"),
        ({"a": 1}, ["a", "c"], "missing value of c's parent 'b'"),
    ],
)
def test_what_is_not_there_is_named(action, names, message):
    known = {name: torch.zeros(2) for name in "abc"}
    done = {name: torch.ones(2) for name in action}
    rows = {name: torch.tensor([True, False]) for name in action}
    with pytest.raises(ValueError, match=message):
        propagate(chain(), known, done, lambda name, pa: known[name], names=names)
    with pytest.raises(ValueError, match=message):
        propagate_rows(chain(), known, done, rows, lambda name, pa: known[name], names)


def test_rows_need_every_value_that_they_may_keep():
    with pytest.raises(ValueError, match="missing value of the variable 'c'. Given: a, b"):
        propagate_rows(chain(), {"a": torch.zeros(2), "b": torch.zeros(2)}, {}, {}, lambda name, pa: pa["a"])
