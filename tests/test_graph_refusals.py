"""Whatever is wrong with a graph is refused when it is declared, in a line that says where, what, and what is nearest."""

import json
import re
import unicodedata
from pathlib import Path

import networkx as nx
import pytest

from causalimg.graph import Area, Categorical, Continuous, Graph, Image, as_graph
from causalimg.graph.text import LONGEST

nan, inf = float("nan"), float("inf")
PIXELS = {"kind": "Image", "shape": [1, 8, 8]}


def heart(**variables):
    return Graph.of("Heart", **variables)


def data(**variables):
    return Graph.from_data({"title": "Heart", "variables": variables})


DECLARATIONS = {
    "unknown parent": (
        lambda: heart(age=Continuous(), area=Continuous(parents=["aeg"])),
        "Heart.area: unknown parent 'aeg'. Did you mean 'age'? Known: age, area.",
    ),
    "a parent that is in no graph": (
        lambda: heart(area=Continuous(parents=[Continuous(unit="year")])),
        "Heart.area: a parent that is not declared in this graph: Continuous(unit='year')",
    ),
    "a parent that is no variable": (
        lambda: Continuous(parents=["age", 3]),
        "Continuous.parents.1: expected a variable or its name, got 3",
    ),
    "duplicate parent": (
        lambda: heart(age=Continuous(), area=Continuous(parents=["age", "age"])),
        "Heart.area: duplicate parent 'age'",
    ),
    "cycle": (
        lambda: heart(a=Continuous(parents=["b"]), b=Continuous(parents=["a"])),
        "Heart: a cycle: a -> b -> a",
    ),
    "its own cause": (lambda: heart(a=Continuous(parents=["a"])), "Heart: a cycle: a -> a"),
    "duplicate level": (lambda: Categorical(levels=("a", "b", "a")), "Categorical.levels: duplicate level 'a'"),
    "one level": (lambda: Categorical(levels=("a",)), "Categorical.levels: at least two levels are needed, got ('a',)"),
    "a level that is no text": (
        lambda: Categorical(levels=("a", 1)),
        "Categorical.levels.1: Input should be a valid string, got 1",
    ),
    "bounds upside down": (
        lambda: Continuous(bounds=(3, 1)),
        "Continuous.bounds: the lower bound 3 is not below the upper bound 1",
    ),
    "bounds without width": (
        lambda: Image(shape=(1, 8, 8), bounds=(1, 1)),
        "Image.bounds: the lower bound 1 is not below the upper bound 1",
    ),
    "a bound that is NaN": (
        lambda: Continuous(bounds=(nan, None)),
        "Continuous.bounds: nan is no bound; None leaves that side open",
    ),
    "an infinite bound": (
        lambda: Continuous(bounds=(0, inf)),
        "Continuous.bounds: inf is no bound; None leaves that side open",
    ),
    "no shape": (lambda: Image(shape=(8, 8)), "Image.shape: expected (channels, height, width), got (8, 8)"),
    "an empty shape": (
        lambda: Image(shape=(1, 8, 0)),
        "Image.shape.2: Input should be greater than 0, got 0",
    ),
    "spacing that is no length": (
        lambda: Image(shape=(1, 8, 8), spacing=(1, inf)),
        "Image.spacing.1: Input should be a finite number, got inf",
    ),
    "no such field": (
        lambda: Continuous(unti="year"),
        "Continuous: unknown setting 'unti'. Did you mean 'unit'? Known: bounds, measured, parents, unit.",
    ),
    "no such unit of an area": (
        lambda: Continuous(unit="mm", measured=Area("lv")),
        "Continuous: unknown unit of Area('lv') 'mm'. Did you mean 'mm2'? Known: fraction, mm2, px.",
    ),
    "a structure where a quantity is meant": (
        lambda: Continuous(unit="px", measured="lv"),
        "Continuous.measured: expected a Quantity, or a mapping with its 'kind', got 'lv'",
    ),
    "no image to measure on": (
        lambda: heart(lv=Continuous(unit="px", measured=Area("lv"))),
        "Heart.lv: on which image is it measured? Say image=...; candidates: (the graph has none).",
    ),
    "two images to measure on": (
        lambda: heart(
            lv=Continuous(unit="px", measured=Area("lv")),
            cine=Image(parents=["lv"], shape=(1, 8, 8)),
            late=Image(parents=["lv"], shape=(1, 8, 8)),
            scout=Image(shape=(1, 8, 8)),
        ),
        "Heart.lv: on which image is it measured? Say image=...; candidates: cine, late.",
    ),
    "no such image": (
        lambda: heart(lv=Continuous(unit="px", measured=Area("lv", image="cin")), cine=Image(shape=(1, 8, 8))),
        "Heart.lv: unknown image 'cin'. Did you mean 'cine'? Known: cine.",
    ),
    "mm2 without spacing": (
        lambda: heart(lv=Continuous(unit="mm2", measured=Area("lv")), x=Image(parents=["lv"], shape=(1, 8, 8))),
        "Heart.lv: to measure it in mm, x needs spacing=(mm, mm)",
    ),
    "what is no variable": (
        lambda: heart(lv=Area("lv")),
        "Heart.lv: expected a variable, got Area('lv')",
    ),
    "unknown parent in data": (
        lambda: data(age={"kind": "Continuous"}, x=PIXELS | {"parents": ["aeg"]}),
        "Heart.x: unknown parent 'aeg'. Did you mean 'age'? Known: age, x.",
    ),
    "bounds upside down in data": (
        lambda: data(age={"kind": "Continuous", "bounds": [3, 1]}),
        "Heart.age.bounds: the lower bound 3 is not below the upper bound 1",
    ),
    "a wrong field of a quantity in data": (
        lambda: data(lv={"kind": "Continuous", "unit": "px", "measured": {"kind": "Area", "structure": 3}}, x=PIXELS),
        "Heart.lv.measured.structure: Input should be a valid string, got 3",
    ),
    "a missing field of a quantity in data": (
        lambda: data(lv={"kind": "Continuous", "unit": "px", "measured": {"kind": "Area"}}, x=PIXELS),
        "Heart.lv.measured.structure: Field required",
    ),
    "no mapping of variables": (
        lambda: Graph.from_data({"title": "Heart", "variables": ["age"]}),
        "expected a mapping of 'title' and 'variables', these by name; got {'title': 'Heart', 'variables': ['age']}",
    ),
    "no variable in data": (
        lambda: data(age="Continuous"),
        "Heart.age: expected a Variable, or a mapping with its 'kind', got 'Continuous'",
    ),
    "edges without a direction": (
        lambda: Graph.from_networkx(nx.Graph([("a", "b")])),
        "a causal graph has directed edges: expected a networkx.DiGraph, got Graph with 2 nodes and 1 edges",
    ),
    "a node without a variable": (
        lambda: Graph.from_networkx(nx.DiGraph([("a", "b")], title="Heart")),
        "Heart.a: expected a Variable, or a mapping with its 'kind', got {}",
    ),
}


@pytest.mark.parametrize(("declare", "message"), DECLARATIONS.values(), ids=DECLARATIONS)
def test_what_is_wrong_is_refused(declare, message):
    with pytest.raises((ValueError, TypeError)) as error:
        declare()
    assert str(error.value) == message


YAML = """
title: Heart
variables:
  age: {kind: Continuous, unit: year, bounds: [0, 110]}
  sex: {kind: Categorical, levels: [female, male]}
  lv:
    kind: Continuous
    parents: [age, sex]
    unit: mm2
    measured: {kind: Area, structure: lv}
  x: {kind: Image, parents: [lv], shape: [1, 8, 8], spacing: [1.4, 1.4]}
"""


def test_the_yaml_of_the_next_test_is_right():
    assert list(Graph.from_yaml(YAML)) == ["age", "sex", "lv", "x"]


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        ("title", "tilte", "unknown part of a graph 'tilte'. Did you mean 'title'?"),
        ("variables:", "varables:", "unknown part of a graph 'varables'. Did you mean 'variables'?"),
        (
            "kind: Categorical",
            "kind: Categorial",
            "Heart.sex: unknown kind of Variable 'Categorial'. Did you mean 'Cat",
        ),
        ("kind: Area", "kind: Aera", "Heart.lv.measured: unknown kind of Quantity 'Aera'. Did you mean 'Area'?"),
        ("unit: year", "units: year", "Heart.age: unknown setting 'units'. Did you mean 'unit'?"),
        ("structure: lv", "strcture: lv", "unknown setting 'strcture'. Did you mean 'structure'?"),
        ("unit: mm2", "unit: mm", "Heart.lv: unknown unit of Area('lv') 'mm'. Did you mean 'mm2'?"),
        ("spacing:", "spacng:", "Heart.x: unknown setting 'spacng'. Did you mean 'spacing'?"),
        ("parents: [age, sex]", "parents: [ages, sex]", "Heart.lv: unknown parent 'ages'. Did you mean 'age'?"),
        ("[female, male]", "[no, yes]", "Heart.sex.levels.0: Input should be a valid string, got False"),
        ("  sex:", "  on:", "Heart: True can't name a variable"),
        ("[0, 110]", "[0, .nan]", "Heart.age.bounds: nan is no bound"),
        ("[0, 110]", "[0]", "Heart.age.bounds.1: Field required"),
        ("[1, 8, 8]", "[8, 8]", "Heart.x.shape: expected (channels, height, width), got [8, 8]"),
        ("[1, 8, 8]", "[1, 8", "no YAML: "),
        (YAML, "heart.yaml", "expected a mapping of 'title' and 'variables', these by name; got 'heart.yaml'"),
    ],
)
def test_a_slip_in_a_yaml_file_is_told_with_its_place(right, wrong, message):
    assert YAML.count(right) == 1
    with pytest.raises(ValueError, match=re.escape(message)):
        Graph.from_yaml(YAML.replace(right, wrong))


@pytest.mark.parametrize(
    "name", ["on", "No", "none", "n", "do", "seed", "lambda", "_age", "1st", "a b", "to_yaml", "parents"]
)
def test_reserved_words_name_no_variable(name):
    with pytest.raises(ValueError, match=f"Heart: '{name}' can't name a variable: it is a reserved word"):
        heart(**{name: Continuous()})


def test_a_class_refuses_the_words_of_graph_and_what_is_no_variable():
    with pytest.raises(ValueError, match="'title' can't name a variable"):

        class Titled(Graph):
            title = Continuous()

    with pytest.raises(TypeError, match=r"Heart\.lv: expected a variable, got Area\('lv'\)"):

        class Heart(Graph):
            lv = Area("lv")


def test_one_object_under_two_names_is_no_clear_parent():
    with pytest.raises(ValueError, match=r"Alias\.area: a parent that is one object named age and years"):

        class Alias(Graph):
            age = years = Continuous()
            area = Continuous(parents=[age])


def test_asking_for_a_variable_that_is_none():
    graph = heart(lv_area=Continuous())
    for ask in (graph.__getitem__, graph.parents, graph.descendants, graph.image_of):
        with pytest.raises(ValueError, match=r"unknown variable 'lv_aera'\. Did you mean 'lv_area'"):
            ask("lv_aera")


def test_what_is_no_graph():
    with pytest.raises(TypeError, match="expected a Graph, as a class or a value, got 'Heart'"):
        as_graph("Heart")


# crafted text

BOMB = "a: &a [x, x]\nb: &b [*a, *a]\nvariables: {age: {kind: Continuous, unit: *b}}"
DEEP = "[" * 100 + "]" * 100
NFD = unicodedata.normalize("NFD", "größe")

TEXTS = {
    "a bomb": (BOMB, "no YAML: *a refers to another place: write it out (line 2)"),
    "what holds itself": ("variables: &v {age: *v}", "no YAML: *v refers to another place: write it out (line 1)"),
    "code": ("variables: !!python/object/apply:os.abort []", "no YAML: could not determine a constructor for the tag"),
    "a variable twice": (f"{YAML}  age: {{kind: Continuous}}", "no YAML: 'age' is there twice (line 4)"),
    "a field twice": (
        "variables: {age: {kind: Continuous, unit: a, unit: b}}",
        "no YAML: 'unit' is there twice (line 1)",
    ),
    "one name in two forms": (
        f"variables: {{größe: {{kind: Continuous}}, {NFD}: {{kind: Continuous}}}}",
        "Graph.größe: another variable has this name, but for how Unicode writes it",
    ),
    "nested": (f"variables: {{age: {DEEP}}}", "nested deeper than 12 levels"),
    "nested without end": (f"variables: {DEEP * 1000}", "no YAML"),
    "nested beyond the parser": ("[" * 10**5, "no YAML that is read: it is nested too deep"),
    "long": ("#" * LONGEST + "\n", f"a text of more than {LONGEST} characters"),
    "no number": (f"variables: {{age: {{kind: Continuous, bounds: [0, {'9' * 5000}]}}}}", "no YAML: Exceeds the limit"),
    "no date": ("variables: {age: {kind: Continuous, unit: 2001-99-99}}", "no YAML: month must be in 1..12"),
    "a field called self": ("variables: {age: {kind: Continuous, self: 1}}", "Graph.age: unknown setting 'self'."),
    "an abstract kind": (
        "variables: {age: {kind: Continuous, measured: {kind: OfStructure, structure: lv}}}",
        "Graph.age.measured: unknown kind of Quantity 'OfStructure'.",
    ),
    "a kind that is none": (
        "variables: {age: {kind: [Continuous]}}",
        "Graph.age: unknown kind of Variable ['Continuous']",
    ),
    "nothing": ("", "expected a mapping of 'title' and 'variables', these by name; got None"),
    "two graphs": ("title: a\n---\ntitle: b", "no YAML: but found another document (line 2)"),
    "NUL": ("title: a\0", "no YAML: unacceptable character #x0000"),
}


@pytest.mark.parametrize(("text", "message"), TEXTS.values(), ids=TEXTS)
def test_crafted_yaml_is_refused_in_a_line_that_names_the_file(tmp_path, text, message):
    path = tmp_path / "heart.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=re.escape(f"{path}: {message}")) as error:
        Graph.from_yaml(path)
    assert len(str(error.value).splitlines()) == 1
    assert len(str(error.value)) < 400


@pytest.mark.parametrize("number", ["5_2", "1:30", "010", "0x1A", "1_0.5"])
def test_what_only_yaml_takes_for_a_number_is_refused(number):
    with pytest.raises(ValueError, match=f"no YAML: {number} is a number in YAML alone: write digits .line 4"):
        Graph.from_yaml(YAML.replace("110", number))


@pytest.mark.parametrize("number", ["110", "110.0", "1.1e+2", "0.5"])
def test_plain_numbers_are_read(number):
    assert Graph.from_yaml(YAML.replace("110", number))["age"].bounds == (0, float(number))


def test_other_text_than_utf_8_names_the_file(tmp_path):
    (tmp_path / "heart.yaml").write_bytes("title: größe".encode("latin-1"))
    with pytest.raises(ValueError, match=r"heart\.yaml: 'utf-8' codec can't decode"):
        Graph.from_yaml(tmp_path / "heart.yaml")


def test_a_path_as_text_is_no_graph_and_what_to_say_is_said():
    with pytest.raises(ValueError, match=re.escape("got 'heart.yaml'. For a file, say Path('...')")):
        Graph.from_yaml("heart.yaml")
    with pytest.raises(FileNotFoundError, match=r"heart\.yaml"):
        Graph.from_yaml(Path("heart.yaml"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "no JSON: Expecting property name"),
        ("[" * 10**5, "no JSON that is read: it is nested too deep"),
        (f'{{"variables": {{"age": {DEEP}}}}}', "nested deeper than 12 levels"),
        ('{"variables": {"a": {"kind": "Continuous"}, "a": {"kind": "Continuous"}}}', "no JSON: 'a' is there twice"),
        ("9" * 5000, "no JSON: Exceeds the limit"),
        (" " * LONGEST + "1", f"a text of more than {LONGEST} characters"),
        (json.dumps({"variables": "x" * 10**5}), "these by name; got {'variables': 'xxxxxxxxxxxx...xxxxxxxxxxxxx'}"),
    ],
    ids=["cut", "nested without end", "nested", "twice", "no number", "long", "no mapping"],
)
def test_crafted_json_is_refused(text, message):
    with pytest.raises(ValueError, match=re.escape(message)) as error:
        Graph.from_json(text)
    assert len(str(error.value)) < 400
