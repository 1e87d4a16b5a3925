"""Random causal graphs and random worlds, for laws that must hold in all of them."""

import torch
from hypothesis import strategies as st

from causalimg.graph import Area, Categorical, Continuous, Graph, Image

NAMES = ["age", "sex", "lv_area", "scanner", "finding", "pressure", "weight", "dose", "stage", "site"]
UNITS = ["", "year", "mm2", "px", "kg/m²"]
LEVELS = ["female", "male", "yes", "no", "1", "größer", "a: b", "null"]  # words that YAML could misread

numbers = st.integers(-400, 400).map(lambda quarters: quarters / 4)  # exact in float32


def subsets(names):
    picks = st.integers(0, 2 ** len(names) - 1)
    return picks.map(lambda pick: [name for i, name in enumerate(names) if pick >> i & 1])


@st.composite
def bounds(draw):
    low = draw(st.none() | numbers)
    width = draw(st.none() | st.integers(2, 800).map(lambda quarters: quarters / 4))
    return (low, None if width is None else (low or 0.0) + width)


@st.composite
def continuous(draw, parents):
    said = {"unit": draw(st.sampled_from(UNITS))} | ({"bounds": draw(bounds())} if draw(st.booleans()) else {})
    return Continuous(parents=parents, **said)


@st.composite
def categorical(draw, parents):
    return Categorical(
        parents=parents, levels=draw(st.lists(st.sampled_from(LEVELS), min_size=2, max_size=4, unique=True))
    )


@st.composite
def graphs(draw, images=False, max_variables=6, measured=False):
    """A random graph of numbers; with `images`, often one small image at its end; with `measured`, areas read off it."""
    names = NAMES[: draw(st.integers(1, max_variables - images))]
    variables = {}
    for i, name in enumerate(names):
        parents = draw(subsets(names[:i]))
        variables[name] = draw(continuous(parents) if draw(st.booleans()) else categorical(parents))
    if images and draw(st.integers(0, 3)):
        variables["x"] = Image(
            parents=draw(subsets(names)), shape=(draw(st.sampled_from([1, 3])), 8, 8), spacing=(1.5, 2.0)
        )
        if measured:
            variables |= {name: draw(areas(variables[name].parents)) for name in draw(subsets(names))}
    return Graph.of("Random", **{name: variables[name] for name in draw(st.permutations(list(variables)))})


@st.composite
def areas(draw, parents):
    measured = Area(draw(st.sampled_from(["lv", "rv"])), **({"image": "x"} if draw(st.booleans()) else {}))
    return Continuous(parents=parents, unit=draw(st.sampled_from(Area.units)), measured=measured)


def values(graph, n, seed=0):
    """`n` random items that every variable of `graph` allows, as columns; causes and effects are independent."""
    generator = torch.Generator().manual_seed(seed)
    return {name: _column(graph[name], n, generator) for name in graph}


def _column(variable, n, generator):
    if isinstance(variable, Categorical):
        return torch.randint(len(variable.levels), (n,), generator=generator)
    low, high = variable.bounds
    shape = (n, *variable.value_shape)
    if low is not None and high is not None:
        return low + (high - low) * (0.05 + 0.9 * torch.rand(shape, generator=generator))
    free = torch.randn(shape, generator=generator)
    if low is None and high is None:
        return 10 * free
    return low + free.exp() if low is not None else high - free.exp()


def as_if_fitted(model):
    """`model`, whose mechanisms answer as they are: for tests of what does not depend on training."""
    for mechanism in model.mechanisms.values():
        mechanism.fitted.fill_(True)
    return model
