"""YAML and JSON text as plain data: no code runs, nothing grows beyond the text, and nothing that is written is dropped."""

import json
import re
from collections import Counter
from collections.abc import Hashable, Iterable
from pathlib import Path
from typing import Any

import yaml
from yaml.composer import ComposerError
from yaml.constructor import ConstructorError
from yaml.nodes import MappingNode, Node

LONGEST = 2**18
"""Characters of the longest text that is read; a graph of a hundred variables has ten thousand."""

NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
ODD = re.compile(r"[_:]|^[-+]?0[0-9box]")
"""What no number has elsewhere."""


class _Loader(yaml.SafeLoader):
    """Plain values only, without references, which could grow without end, without keys that are there twice.

    Nor are numbers read that look like others: in YAML 1.1, 5_2 is 52, 1:30 is 90, and 010 is 8.
    """

    def compose_node(self, parent: Node | None, index: Any) -> Node | None:
        if self.check_event(yaml.AliasEvent):
            event = self.get_event()  # type: ignore[no-untyped-call]
            raise ComposerError(None, None, f"*{event.anchor} refers to another place: write it out", event.start_mark)
        return super().compose_node(parent, index)

    def construct_scalar(self, node: Any) -> Any:
        if node.tag in NUMBERS and ODD.search(node.value):
            raise ConstructorError(None, None, f"{node.value} is a number in YAML alone: write digits", node.start_mark)
        return super().construct_scalar(node)

    def construct_mapping(self, node: MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        made = super().construct_mapping(node, deep)
        if len(made) < len(node.value):
            twice = _twice(self.construct_object(key, deep=True) for key, _ in node.value)
            raise ConstructorError(None, None, f"{twice!r} is there twice", node.start_mark)
        return made


def read_text(path: Path) -> str:
    """The text in the file at `path`, in UTF-8, of a length that is not refused. Raises OSError, ValueError."""
    with path.open(encoding="utf-8-sig") as file:
        return file.read(LONGEST + 1)


def parse_yaml(text: str) -> Any:
    """What YAML `text` says. Raises ValueError."""
    _check_length(text)
    try:
        return yaml.load(text, _Loader)
    except yaml.MarkedYAMLError as error:
        line = f" (line {error.problem_mark.line + 1})" if error.problem_mark else ""
        raise ValueError(f"no YAML: {error.problem}{line}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise ValueError(f"no YAML: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise ValueError("no YAML that is read: it is nested too deep") from None


def parse_json(text: str, longest: int = LONGEST) -> Any:
    """What JSON `text` says. Raises ValueError."""
    _check_length(text, longest)
    try:
        return json.loads(text, object_pairs_hook=_mapping)
    except ValueError as error:
        raise ValueError(f"no JSON: {error}") from None
    except RecursionError:
        raise ValueError("no JSON that is read: it is nested too deep") from None


def _mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError(f"{_twice(key for key, _ in pairs)!r} is there twice")
    return made


def _twice(keys: Iterable[Hashable]) -> Hashable:
    return Counter(keys).most_common(1)[0][0]


def _check_length(text: str, longest: int = LONGEST) -> None:
    if len(text) > longest:
        raise ValueError(f"a text of more than {longest} characters: make it data by yourself, and use Graph.from_data")
