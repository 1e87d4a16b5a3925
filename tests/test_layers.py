"""Imports run downward only, without cycles: the house of docs/design.md, held."""

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import networkx as nx
import pytest

ROOT = Path(__file__).parent.parent
LAYERS = (
    "__main__",
    "cli",
    "demo",
    "study",
    "exploring",
    "cards",
    "generation",
    "evaluation",
    "conformal",
    "ensemble",
    "guided",
    "shipped",
    "model",
    "bridges",
    "saved",
    "effects",
    "counterfactual",
    "answers",
    "guidance",
    "unknown",
    "confounding",
    "fit",
    "intervals",
    "scm",
    "draws",
    "region",
    "asked",
    "completion",
    "given",
    "support",
    "data",
    "viz",
    "testing",
    "mechanisms",
    "readers",
    "training",
    "configured",
    "storage",
    "propagation",
    "values",
    "stored",
    "graph",
    "errors",
)
HEAVY = {
    "contourpy",
    "lightning_fabric",
    "matplotlib",
    "onnxruntime",
    "onnxscript",
    "pandas",
    "segmentation_models_pytorch",
    "timm",
    "torchvision",
    "typer",
}

Sources = Mapping[str, str]
"""The text of every module, by its dotted name; a package's ``__init__`` under the package's."""


def sources() -> Sources:
    files = {path.relative_to(ROOT).with_suffix(""): path.read_text() for path in ROOT.glob("causalimg/**/*.py")}
    return {".".join(path.parts).removesuffix(".__init__"): text for path, text in files.items()}


def tree(source: str) -> ast.Module:
    """The module without what only a type checker sees."""
    module = ast.parse(source)
    for node in ast.walk(module):
        if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            node.body = []
    return module


def imported(node: ast.AST, modules: Sources) -> Iterator[str]:
    """The modules that `node` imports, wherever the statement stands. (Relative imports: ruff refuses them.)"""
    for statement in ast.walk(node):
        if isinstance(statement, ast.Import):
            yield from (alias.name for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom) and statement.module:
            parts = [f"{statement.module}.{alias.name}" for alias in statement.names]
            yield from (part if part in modules else statement.module for part in parts)


def edges(modules: Sources, parse: Callable[[str], ast.Module] = tree) -> set[tuple[str, str]]:
    found = {(name, target) for name, text in modules.items() for target in imported(parse(text), modules)}
    return {(name, target) for name, target in found if target.split(".")[0] == "causalimg"}


def height(module: str) -> int:
    """How high a module stands: ``causalimg`` itself, which shows what the others make, above all layers."""
    _, *parts = module.split(".")
    if not parts:
        return len(LAYERS)
    assert parts[0] in LAYERS, f"{module} has no place in LAYERS and docs/design.md"
    return len(LAYERS) - 1 - LAYERS.index(parts[0])


def upward(modules: Sources) -> list[str]:
    return [f"{name} imports {target}" for name, target in sorted(edges(modules)) if height(target) > height(name)]


def cycles(modules: Sources) -> list[list[str]]:
    """Those of all imports, also of the ones that only a type checker sees."""
    return [sorted(cycle) for cycle in nx.simple_cycles(nx.DiGraph(edges(modules, ast.parse)))]


def late(modules: Sources) -> Iterator[tuple[str, str]]:
    """The imports that stand inside functions, as (module, top-level package imported)."""
    for name, text in modules.items():
        functions = [node for node in ast.walk(tree(text)) if isinstance(node, ast.FunctionDef)]
        yield from ((name, target.split(".")[0]) for node in functions for target in imported(node, modules))


def test_imports_run_downward_only() -> None:
    assert upward(sources()) == []


def test_there_is_no_import_cycle() -> None:
    assert cycles(sources()) == []


def test_only_heavy_packages_are_imported_inside_functions() -> None:
    assert [f"{name}: {package}" for name, package in late(sources()) if package not in HEAVY] == []


@pytest.mark.parametrize("layer", ["graph", "errors"])
def test_graphs_are_data_and_need_no_torch(layer: str) -> None:
    modules = {name: text for name, text in sources().items() if name.split(".")[1:2] == [layer]}
    packages = {target.split(".")[0] for text in modules.values() for target in imported(tree(text), modules)}
    assert modules
    assert not packages & {"torch", "pyro", "lightning_fabric", "safetensors"}


def test_the_design_page_lists_the_layers_and_they_exist() -> None:
    page = (ROOT / "docs/design.md").read_text()
    house = re.search(r"^    causalimg/\n((?:      .*\n)+)", page, re.MULTILINE)
    assert house is not None
    listed = re.findall(r"^      (\S+)", house[1], re.MULTILINE)
    assert tuple(entry.removesuffix("/").removesuffix(".py") for entry in listed) == LAYERS
    assert [entry for entry in listed if not (ROOT / "causalimg" / entry).exists()] == []


@pytest.mark.parametrize(
    "text",
    [
        "import causalimg.model",
        "from causalimg import model",
        "from causalimg.model import CausalModel",
        "def f():\n    from causalimg.model import CausalModel",
        "if TYPE_CHECKING:\n    pass\nelse:\n    import causalimg.model",
        "import causalimg",
    ],
)
def test_an_upward_import_is_caught(text: str) -> None:
    modules = {"causalimg": "", "causalimg.model": "", "causalimg.graph.variables": text}
    assert len(upward(modules)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "from causalimg.errors import unknown",
        "if TYPE_CHECKING:\n    from causalimg.model import CausalModel",
        "import os",
    ],
)
def test_a_downward_or_type_only_import_is_not(text: str) -> None:
    assert upward({"causalimg.errors": "", "causalimg.model": "", "causalimg.graph": text}) == []


def test_a_cycle_within_a_layer_is_caught() -> None:
    modules = {"causalimg.graph.a": "from causalimg.graph import b", "causalimg.graph.b": "import causalimg.graph.a"}
    assert cycles(modules) == [["causalimg.graph.a", "causalimg.graph.b"]]


def test_a_cycle_that_only_a_type_checker_sees_is_caught() -> None:
    modules = {
        "causalimg.graph.a": "from causalimg.graph import b",
        "causalimg.graph.b": "if TYPE_CHECKING:\n    import causalimg.graph.a",
    }
    assert cycles(modules) == [["causalimg.graph.a", "causalimg.graph.b"]]


def test_a_late_import_is_seen() -> None:
    assert list(late({"causalimg.scm": "import os\ndef f():\n    import torch.nn"})) == [("causalimg.scm", "torch")]


def test_a_module_outside_the_layers_is_caught() -> None:
    with pytest.raises(AssertionError, match=r"causalimg\.utils has no place"):
        upward({"causalimg.graph": "from causalimg.utils import helper", "causalimg.utils": ""})
