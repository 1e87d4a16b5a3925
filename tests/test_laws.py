"""The laws of `do` on noise that was abducted once, in random graphs, at random worlds, under random interventions.

Mechanisms are as they come: the laws hold by construction, not by training. Where a variable's mechanism is invertible
they are exact, to 1e-5 of the value's scale. What holds of the whole way is in `test_random_graphs`.
"""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import as_if_fitted, graphs, values

import causalimg as ci
from causalimg.scm import Factual
from causalimg.values import map_tensors

N = 3
TINY = ci.HVAE(widths=(4,), latents=(2,), embedding=4)
laws = settings(max_examples=200)


@st.composite
def mechanisms(draw, graph):
    """Mechanisms of all that is no level: where a number has no bounds, lines, too."""
    flat = ci.ConditionalFlow(bins=draw(st.sampled_from([0, 4])))
    linear = [n for n, v in graph.variables.items() if getattr(v, "bounds", None) == (None, None)]
    numbers = [name for name in graph if not graph[name].discrete and name not in graph.images]
    lines = {name for name in numbers if name in linear and draw(st.booleans())}
    return dict.fromkeys(graph.images, TINY) | {n: ci.LinearGaussian() if n in lines else flat for n in numbers}


@st.composite
def questions(draw, images=True):
    """A model of a random graph, a world of it, and values to set for some of its numbers."""
    graph = draw(graphs(images=images, max_variables=5))
    model = as_if_fitted(ci.compile(graph, seed=draw(st.integers(0, 100)), **draw(mechanisms(graph))))
    world, other = values(graph, N, seed=0), values(graph, N, seed=1)
    for name, mechanism in model.mechanisms.items():
        mechanism.prepare(world[name], model.parents(world, name))
    numbers = [name for name in graph if name not in graph.images]
    names = draw(st.lists(st.sampled_from(numbers), unique=True, max_size=3))
    return model, world, {name: other[name] for name in names}


def close(left, right):
    """Equal to 1e-5 of the scale; levels exactly."""
    if not left.is_floating_point():
        return torch.equal(left, right)
    return ((left - right).abs() <= 1e-5 * right.abs().clamp(min=1.0)).all()


def doing_nothing_changes_nothing_even_if_every_mechanism_is_asked_again(model, world, do):
    cf = model.do(world)
    assert all(torch.equal(cf[name], world[name]) for name in model.graph)
    factual = model.abduct(world)
    for name, mechanism in model.mechanisms.items():
        assert close(mechanism.predict(factual.noise(name), model.parents(world, name)), world[name]), name


def to_set_what_is_the_case_changes_nothing(model, world, do):
    cf = model.do(world, **{name: world[name] for name in do})
    assert all(close(cf[name], world[name]) for name in model.graph)


def a_batch_is_answered_like_its_items(model, world, do):
    factual = model.abduct(world)
    together = model.do(factual, **do)
    for row in range(N):
        rows = slice(row, row + 1)
        alone = model.do(only(factual, rows), **{name: value[rows] for name, value in do.items()})
        assert all(close(alone[name], together[name][rows]) for name in model.graph)


def only(factual, rows):
    """Some items of what was abducted."""

    values, noise = (map_tensors(lambda part: part[rows], nest) for nest in (factual.values, noise_of(factual)))
    return Factual(factual.scm, values, noise)


def noise_of(factual):
    return {name: factual.noise(name) for name in factual.scm.graph}


def disjoint_interventions_commute(model, world, do):
    factual = model.abduct(world)
    at_once = model.do(factual, **do)
    assert all(torch.equal(model.do(factual, **dict(reversed(do.items())))[n], at_once[n]) for n in model.graph)
    if any(name in model.graph.descendants(*do) for name in do):
        return  # to set a cause later would move an effect that was set before
    for order in (list(do), list(reversed(do))):
        step = factual
        for name in order:
            step = Factual(model, dict(model.do(step, **{name: do[name]})), noise_of(factual))
        assert all(close(step.values[name], at_once[name]) for name in model.graph)


LAWS = (
    doing_nothing_changes_nothing_even_if_every_mechanism_is_asked_again,
    to_set_what_is_the_case_changes_nothing,
    a_batch_is_answered_like_its_items,
    disjoint_interventions_commute,
)


@laws
@given(questions())
def test_the_laws_hold(question):
    for law in LAWS:
        law(*question)


@laws
@given(questions(images=False))
def test_undone_is_as_before(question):
    model, world, do = question
    factual = model.abduct(world)
    there = Factual(model, dict(model.do(factual, **do)), noise_of(factual))
    back = model.do(there, **{name: world[name] for name in do})
    assert all(close(back[name], world[name]) for name in model.graph)


def test_the_laws_can_fail():
    """A mechanism that forgets its noise breaks the first law: the tests above are not vacuous."""

    class NoMemory(ci.LinearGaussian):
        def explain(self, value, parents, prior):
            u, nll = super().explain(value, parents, prior)
            return ci.Abduction(torch.zeros_like(u), nll)

    graph = ci.Graph.of(a=ci.Continuous(), b=ci.Continuous(parents=["a"]))
    model = as_if_fitted(ci.compile(graph, a=ci.LinearGaussian(), b=NoMemory()))
    world = values(graph, N)
    cf = model.do(world, a=world["a"])
    assert not close(cf["b"], world["b"])
    assert close(cf["a"], world["a"])
    with pytest.raises(AssertionError, match="predict"):
        ci.testing.check_mechanism(NoMemory(), graph, "b")
