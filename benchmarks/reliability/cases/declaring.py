"""Graphs that are declared wrong: as a class, as data, as YAML or JSON text, and in a file."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import networkx as nx

import causalimg as ci
from benchmarks.reliability.case import Case, Right, answers, either, refuses
from causalimg.graph import Graph

NAN, INF = float("nan"), float("inf")
PIXELS = {"kind": "Image", "shape": [1, 8, 8]}
Area, Categorical, Continuous, Image = ci.Area, ci.Categorical, ci.Continuous, ci.Image


def declared(**variables: Any) -> Graph:
    """A graph of these variables."""
    return Graph.of("Heart", **variables)


def of_class(**body: Any) -> Graph:
    """A graph that is written as a class."""
    return type("Heart", (Graph,), body)()


def unobserved_child() -> Graph:
    """One with a cause that is declared unobserved, and has a parent."""
    return declared(a=Continuous(), u=ci.Unobserved(parents=["a"]))


def two_names() -> Graph:
    """One object under two names, which is a parent."""
    one = Continuous()
    return of_class(age=one, years=one, area=Continuous(parents=[one]))


DECLARED: dict[str, tuple[Callable[[], Any], Right]] = {
    "a parent with a typo": (
        lambda: declared(age=Continuous(), area=Continuous(parents=["aeg"])),
        refuses("Heart.area", "aeg", "Did you mean 'age'"),
    ),
    "a parent of another graph": (
        lambda: declared(area=Continuous(parents=[Continuous(unit="year")])),
        refuses("area"),
    ),
    "a number for a parent": (lambda: Continuous(parents=["age", 3]), refuses("parents", "3")),
    "a text for the parents": (lambda: Continuous(parents="age"), refuses("parents", "age")),
    "a parent named twice": (
        lambda: declared(age=Continuous(), area=Continuous(parents=["age", "age"])),
        refuses("area", "duplicate parent 'age'"),
    ),
    "a cycle of two": (
        lambda: declared(a=Continuous(parents=["b"]), b=Continuous(parents=["a"])),
        refuses("cycle", "a -> b"),
    ),
    "a cycle of three": (
        lambda: declared(**{n: Continuous(parents=[p]) for n, p in (("a", "c"), ("b", "a"), ("c", "b"))}),
        refuses("cycle"),
    ),
    "its own cause": (lambda: declared(a=Continuous(parents=["a"])), refuses("cycle: a -> a")),
    "an empty graph": (lambda: len(declared()), either(lambda n: n == 0, "no variable")),
    "a level twice": (lambda: Categorical(levels=("a", "b", "a")), refuses("levels", "duplicate level 'a'")),
    "one level": (lambda: Categorical(levels=("a",)), refuses("levels", "two levels")),
    "no levels": (lambda: Categorical(), refuses("levels", "required")),
    "levels as one text": (lambda: Categorical(levels="ab"), refuses("levels", "ab")),
    "numbers for levels": (lambda: Categorical(levels=(0, 1)), refuses("levels", "string")),
    "an empty level": (lambda: Categorical(levels=("", "a")), refuses("levels")),
    "two levels that differ by a blank": (lambda: Categorical(levels=("a", "a ")), refuses("levels", "a")),
    "bounds upside down": (lambda: Continuous(bounds=(3, 1)), refuses("bounds", "3", "1")),
    "bounds without width": (lambda: Continuous(bounds=(1, 1)), refuses("bounds")),
    "a bound that is NaN": (lambda: Continuous(bounds=(NAN, None)), refuses("bounds", "nan")),
    "an infinite bound": (lambda: Continuous(bounds=(0, INF)), refuses("bounds", "inf", "None")),
    "one bound": (lambda: Continuous(bounds=(0,)), refuses("bounds")),
    "three bounds": (lambda: Continuous(bounds=(0, 1, 2)), refuses("bounds")),
    "a bound as text": (lambda: Continuous(bounds=("low", None)), refuses("bounds", "low")),
    "a bound beyond float32": (lambda: Continuous(bounds=(0, 1e300)), either(lambda v: v.bounds[1] > 1e38, "bounds")),
    "a setting with a typo": (lambda: Continuous(unti="year"), refuses("unti", "Did you mean 'unit'")),
    "a unit that is a number": (lambda: Continuous(unit=3), refuses("unit", "3")),
    "a shape without channels": (lambda: Image(shape=(8, 8)), refuses("shape", "(8, 8)")),
    "no shape": (lambda: Image(), refuses("shape", "required")),
    "an empty shape": (lambda: Image(shape=(1, 8, 0)), refuses("shape", "0")),
    "a negative shape": (lambda: Image(shape=(1, -8, 8)), refuses("shape", "-8")),
    "a shape of fractions": (lambda: Image(shape=(1, 8.5, 8)), refuses("shape", "8.5")),
    "spacing zero": (lambda: Image(shape=(1, 8, 8), spacing=(1, 0)), refuses("spacing", "0")),
    "spacing infinite": (lambda: Image(shape=(1, 8, 8), spacing=(1, INF)), refuses("spacing", "inf")),
    "one spacing": (lambda: Image(shape=(1, 8, 8), spacing=1.5), refuses("spacing", "1.5")),
    "an image with bounds upside down": (lambda: Image(shape=(1, 8, 8), bounds=(1, 0)), refuses("bounds")),
    "an area in mm": (lambda: Continuous(unit="mm", measured=Area("lv")), refuses("mm2", "Area('lv')")),
    "an area without a unit": (lambda: Continuous(measured=Area("lv")), refuses("unit", "mm2")),
    "a structure for a quantity": (lambda: Continuous(unit="px", measured="lv"), refuses("measured", "lv")),
    "the class of a quantity": (lambda: Continuous(unit="px", measured=Area), refuses("measured")),
    "a quantity without a structure": (lambda: Area(), refuses("structure")),
    "a quantity of a number": (lambda: Area(3), refuses("structure", "3")),
    "a ratio of one": (lambda: ci.Ratio(Area("lv")), refuses("Ratio", "required")),
    "a share of the image upside down": (lambda: ci.Within(Area("lv"), start=0.8, stop=0.2), refuses("0.8", "0.2")),
    "a share of the image beyond it": (lambda: ci.Within(Area("lv"), stop=1.5), refuses("stop", "1.5")),
    "a centroid of no axis": (lambda: ci.Centroid("lv", axis="depth"), refuses("axis", "depth")),
    "nothing to measure on": (lambda: declared(lv=Continuous(unit="px", measured=Area("lv"))), refuses("lv", "image")),
    "two images to measure on": (
        lambda: declared(
            lv=Continuous(unit="px", measured=Area("lv")),
            a=Image(parents=["lv"], shape=(1, 8, 8)),
            b=Image(parents=["lv"], shape=(1, 8, 8)),
        ),
        refuses("Heart.lv", "a, b"),
    ),
    "an image with a typo to measure on": (
        lambda: declared(lv=Continuous(unit="px", measured=Area("lv", image="cin")), cine=Image(shape=(1, 8, 8))),
        refuses("lv", "Did you mean 'cine'"),
    ),
    "mm² without spacing": (
        lambda: declared(lv=Continuous(unit="mm2", measured=Area("lv")), x=Image(parents=["lv"], shape=(1, 8, 8))),
        refuses("Heart.lv", "spacing"),
    ),
    "a quantity for a variable": (lambda: declared(lv=Area("lv")), refuses("Heart.lv", "variable")),
    "a class for a variable": (lambda: declared(age=Continuous), refuses("Heart.age", "variable")),
    "a number in the class body": (lambda: of_class(age=3), refuses("Heart.age", "3")),
    "one object under two names": (two_names, refuses("area", "age", "years")),
    "a positional argument": (lambda: Continuous("year"), refuses("positional")),
    "a variable that is changed": (lambda: setattr(Continuous(), "unit", "year"), refuses("frozen")),
    "an unobserved cause with a parent": (unobserved_child, refuses("unobserved", "parents")),
}


def file_of(text: str | bytes) -> Graph:
    """The graph in a file with this text."""
    path = Path("heart.yaml")
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return Graph.from_yaml(path)


HEART = """title: Heart
variables:
  age: {kind: Continuous, unit: year, bounds: [0, 110]}
  sex: {kind: Categorical, levels: [female, male]}
  lv: {kind: Continuous, parents: [age, sex], unit: mm2, measured: {kind: Area, structure: lv}}
  x: {kind: Image, parents: [lv], shape: [1, 8, 8], spacing: [1.4, 1.4]}
"""

LAUGHS = zip("abcdefghi", "bcdefghij", strict=True)
BOMB = "a: &a [x, x]\n" + "".join(f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in LAUGHS)
"""A few lines of YAML that name a billion things."""

SLIPS: dict[str, tuple[tuple[str, str], Right]] = {
    "title with a typo": (("title", "tilte"), refuses("tilte", "Did you mean 'title'")),
    "variables with a typo": (("variables:", "varables:"), refuses("varables", "Did you mean 'variables'")),
    "an unknown kind": (("kind: Categorical", "kind: Categorial"), refuses("sex", "Did you mean 'Categorical'")),
    "no kind": (("kind: Continuous, unit: year", "unit: year"), refuses("age", "kind")),
    "an unknown quantity": (("kind: Area", "kind: Aera"), refuses("lv", "Did you mean 'Area'")),
    "an unknown setting": (("unit: year", "units: year"), refuses("age", "Did you mean 'unit'")),
    "an unknown setting of a quantity": (("structure: lv", "strcture: lv"), refuses("lv", "Did you mean 'structure'")),
    "a wrong unit": (("unit: mm2", "unit: mm"), refuses("lv", "Did you mean 'mm2'")),
    "an unknown parent": (("parents: [age, sex]", "parents: [ages, sex]"), refuses("lv", "Did you mean 'age'")),
    "a cycle": (("year, bounds", "year, parents: [lv], bounds"), refuses("cycle")),
    "levels that YAML reads as booleans": (("[female, male]", "[no, yes]"), refuses("sex", "levels", "string")),
    "a name that YAML reads as a boolean": (("  sex:", "  on:"), refuses("True")),
    "a name that YAML reads as a number": (("  sex:", "  12:"), refuses("12")),
    "a name that YAML reads as nothing": (("  sex:", "  ~:"), refuses("None")),
    "a name with a blank": (("  sex:", "  the sex:"), refuses("the sex")),
    "a bound that is no number": (("[0, 110]", "[0, .nan]"), refuses("age", "bounds", "nan")),
    "one bound": (("[0, 110]", "[0]"), refuses("age", "bounds")),
    "a shape without channels": (("[1, 8, 8]", "[8, 8]"), refuses("x", "shape")),
    "a bracket that is not closed": (("[1, 8, 8]", "[1, 8"), refuses("yaml")),
    "a variable twice": (("  sex:", "  age:"), refuses("age", "twice")),
    "a setting twice": (("unit: year,", "unit: year, unit: month,"), refuses("unit", "twice")),
    "variables twice": (("title: Heart", "variables: {}"), refuses("variables", "twice")),
    "a list of variables": ((HEART, "title: Heart\nvariables: [age, sex]"), refuses("variables")),
    "a text for a variable": ((HEART, "title: Heart\nvariables: {age: Continuous}"), refuses("age", "kind")),
    "a kind that is a list": ((HEART, "variables: {age: {kind: [Continuous]}}"), refuses("age", "kind")),
    "a kind that is a mapping": ((HEART, "variables: {age: {kind: {a: b}}}"), refuses("age", "kind")),
    "parents that are a mapping": (("parents: [age, sex]", "parents: {age: sex}"), refuses("lv", "parents")),
    "a parent that is a list": (("parents: [age, sex]", "parents: [[age], sex]"), refuses("lv", "parents")),
    "no text at all": ((HEART, ""), refuses("variables")),
    "two documents": ((HEART, f"{HEART}---\n{HEART}"), refuses("yaml")),
    "a Python object": ((HEART, "!!python/object/apply:os.system ['touch run']"), refuses("yaml")),
    "a billion laughs": ((HEART, BOMB), refuses()),
    "a billion laughs for the title": ((HEART, f"{BOMB}title: *j\nvariables: {{}}\n"), refuses()),
    "a thousand levels of nesting": ((HEART, "[" * 1000), refuses("yaml")),
    "a hundred thousand levels of nesting": ((HEART, "[" * 100_000), refuses()),
    "deep nesting in a variable": ((HEART, "variables: {age: " + "{a: " * 3000 + "1" + "}" * 3001), refuses()),
    "what contains itself": ((HEART, "&a\ntitle: Heart\nvariables: *a"), refuses()),
    "a level that contains itself": (("[female, male]", "&a [female, *a]"), refuses()),
    "a number of a hundred thousand digits": (("[0, 110]", f"[0, {'9' * 100_000}]"), refuses()),
}

FILES: dict[str, tuple[str | bytes, Right]] = {
    "a file that is no UTF-8": (b"title: \xff\xfe\x00", refuses("heart.yaml")),
    "a file with a NUL": (HEART.encode() + b"\x00", refuses("heart.yaml")),
    "a file with a slip": (HEART.replace("[1, 8, 8]", "[1, 8"), refuses("heart.yaml")),
    "a file with an unknown parent": (HEART.replace("[age, sex]", "[aeg, sex]"), refuses("heart.yaml", "aeg")),
    "an empty file": ("", refuses("heart.yaml")),
    "a file with a mark of the byte order": ("\ufeff" + HEART, answers(lambda graph: len(graph) == 4)),
}


def network(**attributes: Any) -> nx.DiGraph:
    """Two nodes that carry these attributes."""
    found: nx.DiGraph = nx.DiGraph(title="Heart")
    found.add_node("a", kind="Continuous", **attributes)
    found.add_node("b", kind="Continuous")
    found.add_edge("a", "b")
    return found


DATA: dict[str, tuple[Callable[[], Any], Right]] = {
    "a text where data is meant": (lambda: Graph.from_data("Heart"), refuses("variables")),
    "None where data is meant": (lambda: Graph.from_data(None), refuses("variables")),
    "a list where data is meant": (lambda: Graph.from_data([1]), refuses("variables")),
    "variables that are None": (lambda: Graph.from_data({"variables": None}), refuses("variables")),
    "a part that is unknown": (lambda: Graph.from_data({"variables": {}, "edges": []}), refuses("edges")),
    "a number for a name": (lambda: Graph.from_data({"variables": {3: {"kind": "Continuous"}}}), refuses("3")),
    "JSON that is none": (lambda: Graph.from_json("{"), refuses("json")),
    "JSON with NaN": (
        lambda: Graph.from_json('{"variables": {"a": {"kind": "Continuous", "bounds": [NaN, 1]}}}'),
        refuses("a", "nan"),
    ),
    "JSON with a variable twice": (
        lambda: Graph.from_json(
            '{"variables": {"a": {"kind": "Continuous"}, "a": {"kind": "Image", "shape": [1, 8, 8]}}}'
        ),
        refuses("a", "twice"),
    ),
    "JSON of deep nesting": (lambda: Graph.from_json('{"a":' * 100_000), refuses()),
    "a path where JSON is meant": (lambda: Graph.from_json("heart.json"), refuses("json")),
    "a path where YAML is meant": (lambda: Graph.from_yaml("heart.yaml"), refuses("heart.yaml")),
    "a file that is not there": (lambda: Graph.from_yaml(Path("none.yaml")), refuses("none.yaml")),
    "a folder for a file": (lambda: Graph.from_yaml(Path()), refuses("directory")),
    "edges without a direction": (lambda: Graph.from_networkx(nx.Graph([("a", "b")])), refuses("directed")),
    "a node without a variable": (lambda: Graph.from_networkx(nx.DiGraph([("a", "b")])), refuses("a", "kind")),
    "a node with an unknown setting": (lambda: Graph.from_networkx(network(unti="mm")), refuses("a", "unit")),
    "a node that is a number": (lambda: Graph.from_networkx(nx.DiGraph([(1, 2)])), refuses("1")),
    "a multigraph": (lambda: Graph.from_networkx(nx.MultiDiGraph(network())), either(lambda g: len(g) == 2, "graph")),
    "no graph where one is asked for": (lambda: ci.compile("Heart"), refuses("Graph", "Heart")),
    "a question for a variable with a typo": (lambda: Graph.from_yaml(HEART)["lvv"], refuses("Did you mean 'lv'")),
    "the parents of no variable": (lambda: Graph.from_yaml(HEART).parents("agee"), refuses("Did you mean 'age'")),
    "the descendants of no variable": (lambda: Graph.from_yaml(HEART).descendants("sexx"), refuses("sex")),
    "the way to YAML and back": (
        lambda: Graph.from_yaml(Graph.from_yaml(HEART).to_yaml()),
        answers(lambda graph: graph == Graph.from_yaml(HEART)),
    ),
    "the way to JSON and back": (
        lambda: Graph.from_json(Graph.from_yaml(HEART).to_json()),
        answers(lambda graph: graph == Graph.from_yaml(HEART)),
    ),
    "a name in two spellings of Unicode": (
        lambda: declared(**{"größe": Continuous(), "gro\u0308ße": Continuous()}),
        refuses("größe"),
    ),
    "a parent in the other spelling of Unicode": (
        lambda: declared(**{"größe": Continuous(), "b": Continuous(parents=["gro\u0308ße"])}),
        either(lambda graph: graph.parents("b") == ("größe",), "größe"),
    ),
}

RESERVED = ("on", "No", "none", "n", "do", "seed", "lambda", "_age", "1st", "a b", "to_yaml", "parents", "self", "")


def yaml_with(right: str, wrong: str) -> Graph:
    """The graph above, with a slip."""
    return Graph.from_yaml(HEART.replace(right, wrong, 1))


CASES = [
    *(
        Case("declaring a graph", name, run, right)
        for name, (run, right) in DECLARED.items()
        if "unobserved" not in name
    ),
    Case(
        "declaring a graph",
        "an unobserved cause with a parent",
        unobserved_child,
        refuses("unobserved", "parents"),
        "Unobserved",
    ),
    *(
        Case(
            "declaring a graph", f"a variable called {name!r}", partial(declared, **{name: Continuous()}), refuses(name)
        )
        for name in RESERVED
    ),
    *(Case("graphs from YAML", name, partial(yaml_with, *slip), right) for name, (slip, right) in SLIPS.items()),
    *(Case("graphs from YAML", name, partial(file_of, text), right) for name, (text, right) in FILES.items()),
    *(Case("graphs from data", name, run, right) for name, (run, right) in DATA.items()),
]
