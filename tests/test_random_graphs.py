"""Random graphs, random worlds, random interventions: what must hold of every answer, and of what is saved.

The laws of `test_laws` hold of noise that was abducted once; these hold of the whole way from values to answers, where noise is
drawn for each item. `make overnight` tries ten thousand graphs: GRAPHS says how many.
"""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strategies import as_if_fitted, graphs, values
from test_laws import close, mechanisms

import causalimg as ci
from causalimg.graph import Graph

GRAPHS = int(os.environ.get("GRAPHS", "300"))
N = 3
many = settings(max_examples=GRAPHS, deadline=None, suppress_health_check=list(HealthCheck))


@st.composite
def questions(draw):
    """A model of a random graph with areas and often an image, a world of it, and what is set."""
    graph = draw(graphs(images=True, max_variables=5, measured=draw(st.booleans())))
    model = as_if_fitted(ci.compile(graph, seed=draw(st.integers(0, 100)), **draw(mechanisms(graph))))
    world, other = possible(graph, values(graph, N, seed=0)), possible(graph, values(graph, N, seed=1))
    for name, mechanism in model.mechanisms.items():
        mechanism.prepare(world[name], model.parents(world, name))
    names = draw(
        st.lists(st.sampled_from([name for name in graph if name not in graph.images]), unique=True, max_size=3)
    )
    return model, world, {name: other[name] for name in names}


def possible(graph, world):
    """`world` with areas that an image of eight by eight pixels can have, in any unit."""
    return {name: value.abs() % 1 if name in graph.measured else value for name, value in world.items()}


def alike(left, right):
    return all(close(left[name], right[name]) for name in right)


def take(world, rows):
    return {name: value[rows] for name, value in world.items()}


def nothing_asked_changes_nothing(model, world, do, folder):
    answer = model.do(world)
    assert all(torch.equal(answer[name], value) for name, value in world.items())


def what_is_set_is_set_and_what_is_no_effect_stays(model, world, do, folder):
    answer, follows = model.do(world, **do), model.graph.descendants(*do)
    for name in model.graph:
        if name in do or name not in follows:
            assert torch.equal(answer[name], do.get(name, world[name])), name
        assert not model.graph[name].outside(answer[name]).any(), name


def company_plays_no_part(model, world, do, folder):
    whole, order = model.do(world, **do), [2, 0, 1]
    assert alike(model.do(take(world, order), **take(do, order)), take(whole, order))
    for row in range(N):
        assert alike(model.do(take(world, row), **take(do, row)), take(whole, row))


def threads_get_what_one_gets(model, world, do, folder):
    whole = model.do(world, **do)
    with ThreadPoolExecutor(2) as pool:
        for answer in pool.map(lambda _: model.do(world, **do), range(2)):
            assert all(torch.equal(answer[name], whole[name]) for name in whole)


def what_is_saved_answers_the_same(model, world, do, folder):
    whole = model.do(world, **do)
    model.save(folder)
    answer = ci.CausalModel.load(folder).do(world, **do)
    assert all(torch.equal(answer[name], whole[name]) for name in whole)


def data_say_all_of_a_graph(model, world, do, folder):
    graph = model.graph
    for again in (
        Graph.from_yaml(graph.to_yaml()),
        Graph.from_json(graph.to_json()),
        Graph.from_networkx(graph.to_networkx()),
    ):
        assert again == graph
        assert list(again) == list(graph)


def the_global_random_state_is_left_alone(model, world, do, folder):
    before = torch.get_rng_state()
    model.do(world, **do)
    model.sample(2, seed=1)
    assert torch.equal(before, torch.get_rng_state())


LAWS = (
    nothing_asked_changes_nothing,
    what_is_set_is_set_and_what_is_no_effect_stays,
    company_plays_no_part,
    threads_get_what_one_gets,
    what_is_saved_answers_the_same,
    data_say_all_of_a_graph,
    the_global_random_state_is_left_alone,
)


@many
@given(question=questions())
def test_all_that_must_hold_in_every_graph(tmp_path_factory, question):
    folder = tmp_path_factory.getbasetemp() / "random"
    for law in LAWS:
        law(*question, folder)


def test_the_laws_can_fail():
    """A mechanism that forgets who it is about breaks the law of company."""

    class Ranked(ci.LinearGaussian):
        def predict(self, u, parents):
            return super().predict(u, parents) + torch.arange(len(u))

    graph = ci.Graph.of(a=ci.Continuous(), b=ci.Continuous(parents=["a"]))
    model, world = as_if_fitted(ci.compile(graph, a=ci.LinearGaussian(), b=Ranked())), values(graph, N)
    with pytest.raises(AssertionError):
        company_plays_no_part(model, world, {"a": world["a"] + 1}, None)
