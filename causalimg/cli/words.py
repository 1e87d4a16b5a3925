"""What is set, and what is known, in words: ``lv_area=900``, ``lv_area=scale(0.8)``, ``lv_area=600,900``, ``sex=male``."""

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from causalimg.data import Slices
from causalimg.errors import check_known, located
from causalimg.graph import Categorical, Graph, percentile, scale, shift

CHANGES: dict[str, Callable[[float], Any]] = {"percentile": percentile, "scale": scale, "shift": shift}

CALL = re.compile(r"(\w+)\((.*)\)")
COMMA = re.compile(r",(?![^()]*\))")
"""One that is not within brackets."""


def pairs(texts: Iterable[str]) -> dict[str, str]:
    """``["lv_area=900", "sex=male"]`` as a mapping. Raises ValueError for what is not name=value, and for one name twice."""
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name and equals and value):
            raise ValueError(f"expected name=value, got {text!r}")
        if name in found:
            raise ValueError(f"two values of {name}: {found[name]} and {value}")
        found[name] = value
    return found


def settings(texts: Iterable[str], graph: Graph) -> dict[str, Any]:
    """What each of ``["lv_area=scale(0.8)", "sex=male"]`` says of the variables of `graph`; several values as a list.

    Raises ValueError as `pairs` does, for an unknown variable, and for a change that is none.
    """
    return {name: values(name, text, graph) for name, text in pairs(texts).items()}


def values(name: str, text: str, graph: Graph) -> Any:
    """The value, or the list of several, that `text` says of a variable; a level may have commas and brackets."""
    variable = graph[name]
    levels = variable.levels if isinstance(variable, Categorical) else ()
    if text in levels:
        return text
    with located(f"{name}={text}"):
        found = [one if one in levels else _value(one.strip()) for one in COMMA.split(text)]
    return found if len(found) > 1 else found[0]


def _value(text: str) -> Any:
    """A number, a change, or `text` as it is: a level, or a share such as 70%."""
    if call := CALL.fullmatch(text):
        check_known("change", [call[1]], CHANGES)
        by = _number(call[2])
        if isinstance(by, str):
            raise ValueError(f"expected a number in {call[1]}(...), got {by!r}")
        return CHANGES[call[1]](by)
    return _number(text)


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def slices_of(text: str, axis: str = "axial") -> Slices:
    """``"at=12"`` or ``"axis=coronal,at=3"`` as `Slices`, along `axis` unless it says which.

    Raises ValueError for what is none.
    """
    with located("--slices"):
        return Slices(**{"axis": axis, **pairs(text.split(","))})


def apart(words: Iterable[str]) -> tuple[list[Path], list[str]]:
    """The files among `words`, and what is set: what has an =, and is no file.

    Raises ValueError for a bare word that is neither.
    """
    words = list(words)
    others = [word for word in words if not Path(word).exists()]
    for word in others:
        if word.isidentifier():
            raise ValueError(f"{word!r} is no file; what is set is said as name=value, such as {word}=900")
    said = [word for word in others if "=" in word]
    return [Path(word) for word in words if word not in said], said
