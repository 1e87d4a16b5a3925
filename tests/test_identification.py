"""Back door and front door, against their definitions: all subsets, all paths."""

import itertools
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

import causalimg as ci

NAMES, HIDDEN = "abcdef", "uw"


@st.composite
def hidden_graphs(draw):
    """By name, the parents: of up to six observed variables, and of up to two that are not and have none."""
    names = NAMES[: draw(st.integers(2, len(NAMES)))]
    hidden = HIDDEN[: draw(st.integers(0, len(HIDDEN)))]
    pairs = st.sets(st.sampled_from([(p, v) for v in names for p in (*hidden, *names) if p in hidden or p < v]))
    edges = draw(pairs)
    return {u: [] for u in hidden} | {v: [p for p in (*hidden, *names) if (p, v) in edges] for v in names}


def graph_of(parents):
    kind = {
        name: ci.Unobserved() if name in HIDDEN else ci.Continuous(parents=causes) for name, causes in parents.items()
    }
    return ci.Graph.of(**kind)


def descendants(parents, name):
    children = {v for v, causes in parents.items() if name in causes}
    return children.union(*(descendants(parents, child) for child in children))


def paths(parents, start, end, passed=()):
    """All paths from `start` to `end` along edges in either direction, as tuples of names."""
    if start == end:
        yield (*passed, end)
        return
    beside = {*parents[start], *(v for v, causes in parents.items() if start in causes)} - {*passed}
    for name in sorted(beside):
        yield from paths(parents, name, end, (*passed, start))


def blocked(parents, path, known):
    """Whether `known` blocks a path: by a link of it, or for want of a collider."""
    for before, here, after in zip(path, path[1:], path[2:], strict=False):
        collider = before in parents[here] and after in parents[here]
        if collider != bool(known & ({here} | (descendants(parents, here) if collider else set()))):
            return True
    return False


def independent(parents, some, other, known):
    return all(blocked(parents, path, known) for name in some for path in paths(parents, name, other))


def without_out(parents, names):
    return {v: [p for p in causes if p not in names] for v, causes in parents.items()}


def is_back_door(parents, cause, effect, names):
    cut = without_out(parents, {cause})
    return not names & descendants(parents, cause) and independent(cut, {cause}, effect, names)


def is_front_door(parents, cause, effect, names):
    directed = [p for p in paths(parents, cause, effect) if all(a in parents[b] for a, b in itertools.pairwise(p))]
    return (
        all(names & set(path) for path in directed)
        and all(independent(without_out(parents, {cause}), {cause}, name, set()) for name in names)
        and independent(without_out(parents, names), names, effect, {cause})
    )


def minimal(sets):
    return {one for one in sets if not any(other < one for other in sets)}


def subsets(names):
    return [frozenset(some) for size in range(len(names) + 1) for some in itertools.combinations(names, size)]


def as_sets(found):
    return {frozenset(names) for names in found}


@given(hidden_graphs(), st.data())
def test_they_are_all_minimal_sets_of_all_subsets(parents, data):
    seen = [name for name in parents if name not in HIDDEN]
    cause, effect = data.draw(st.permutations(seen))[:2]
    found = graph_of(parents).identify(cause, effect)
    others = [name for name in seen if name not in (cause, effect)]
    back = minimal([names for names in subsets(others) if is_back_door(parents, cause, effect, names)])
    front = minimal([names for names in subsets(others) if is_front_door(parents, cause, effect, names)])
    assert found.follows == (effect in descendants(parents, cause))
    assert as_sets(found.backdoor) == (back if found.follows else set())
    assert as_sets(found.frontdoor) == (front if found.follows and not back else set())
    assert found.identified == (not found.follows or bool(back or front))
    if found.identified:
        assert found.missing == ()
        return
    all_others = [name for name in parents if name not in (cause, effect)]
    lacking = {names & set(HIDDEN) for names in subsets(all_others) if is_back_door(parents, cause, effect, names)}
    assert as_sets(found.missing) == minimal(lacking) != set()


class Smoke(ci.Graph):
    """Pearl's front door."""

    gene = ci.Unobserved()
    smoke = ci.Continuous(parents=[gene])
    tar = ci.Continuous(parents=[smoke])
    cancer = ci.Continuous(parents=[tar, gene])


class Heart(ci.Graph):
    """Two observed causes behind the area and its image, and a frailty behind age's effect."""

    frailty = ci.Unobserved()
    age = ci.Continuous(parents=[frailty])
    sex = ci.Continuous()
    lv_area = ci.Continuous(parents=[age, sex], unit="mm2", measured=ci.Area("lv"))
    x = ci.Image(parents=[age, sex, lv_area], shape=(1, 8, 8), spacing=(1.0, 1.0))
    pressure = ci.Continuous(parents=[frailty, age])


@pytest.mark.parametrize(
    ("graph", "cause", "effect", "said"),
    [
        (Heart, "lv_area", "x", "the effect of lv_area on x is identified by the back door: adjust for age and sex"),
        (Heart, "sex", "x", "the effect of sex on x is identified by the back door: adjust for nothing"),
        (Heart, "x", "age", "x has no effect on age: no way leads from one to the other"),
        (Smoke, "smoke", "cancer", "the effect of smoke on cancer is identified by the front door: all of it passes tar"),
        (Heart, "age", "pressure", "the effect of age on pressure is not identified by the back or the front door: "
         "observe frailty, to adjust for it"),
    ],
)  # fmt: skip
def test_it_says_so_in_words(graph, cause, effect, said):
    assert str(graph().identify(cause, effect)) == said


def test_all_minimal_front_doors_are_found_and_no_larger_ones():
    found = graph_of({"u": [], "a": ["u"], "b": ["a"], "c": ["b"], "d": ["c", "u"]}).identify("a", "d")
    assert found.frontdoor == (("b",), ("c",))


def test_what_is_missing_is_as_little_as_will_do():
    found = graph_of({"u": [], "w": [], "a": ["u", "w"], "c": ["w"], "b": ["a", "c", "u"]}).identify("a", "b")
    assert found.missing == (("u",),)  # w and u would do, and so would c, which is observed, and u


def chains(count, length):
    """Ways behind cause and effect, in each of which any one variable blocks it."""
    names = {(c, i): f"v{c}_{i}" for c in range(count) for i in range(length)}
    variables = {name: ci.Continuous(parents=[names[c, i - 1]] if i else []) for (c, i), name in names.items()}
    variables["t"] = ci.Continuous(parents=[names[c, 0] for c in range(count)])
    variables["y"] = ci.Continuous(parents=["t", *(names[c, length - 1] for c in range(count))])
    return ci.Graph.of(**variables)


def test_many_sets_take_no_time_and_few_words():
    start = time.perf_counter()
    found = chains(3, 5).identify("t", "y")
    assert len(found.backdoor) == 5**3
    assert found.backdoor[0] == ("v0_0", "v1_0", "v2_0")
    assert str(found).endswith("any of 121 other sets")
    assert time.perf_counter() - start < 2


def test_what_is_no_pair_of_variables_is_refused():
    with pytest.raises(ValueError, match="unknown variable 'lv_aera'. Did you mean 'lv_area'"):
        Heart().identify("lv_aera", "x")
    with pytest.raises(ValueError, match="unknown variable 'frailty'"):
        Heart().identify("frailty", "x")
    with pytest.raises(ValueError, match="expected two variables"):
        Heart().identify("x", "x")
