"""Which readers a thing holds: who guided may not judge, however it was let in.

A term or a sampler of the user's may hold a reader as an attribute, in a list, in the closure of a function, bound by
`functools.partial`, or as a global variable of the code that it runs. All of these are what Python's garbage collector follows;
but for global variables, of which it knows all that a module has, and not the few that a function names.
"""

import gc
from types import CodeType, FunctionType, ModuleType

from torch import Tensor

from causalimg.readers.reader import Reader

DEPTH = 10
"""So many things within things are looked into: a closure is three of them (function, tuple of cells, cell)."""

LIBRARIES = ("causalimg", "torch", "pydantic")
"""Whose code holds no reader of a user's."""


def held_readers(*things: object) -> list[Reader]:
    """The readers among `things`, and those that they hold, each once, nearest first.

    What code fetches while it runs, from a file or by a name that it makes up, is not found.
    """
    seen: dict[int, object] = {}
    level = list(things)
    for _ in range(DEPTH):
        fresh = {id(one): one for one in level if id(one) not in seen}
        seen |= fresh
        level = [part for one in fresh.values() for part in _parts(one)]
    return [one for one in seen.values() if isinstance(one, Reader)]


def _parts(thing: object) -> list[object]:
    """What `thing` refers to."""
    if isinstance(thing, ModuleType | Tensor | str) or _of_library(thing):
        return []
    if not isinstance(thing, FunctionType):
        return gc.get_referents(thing)
    everywhere = thing.__globals__
    named = [everywhere[name] for name in _names(thing.__code__) if name in everywhere]
    return [*(part for part in gc.get_referents(thing) if part is not everywhere), *named]


def _names(code: CodeType) -> list[str]:
    """The global names in `code`, and in the functions within it."""
    inner = [name for part in code.co_consts if isinstance(part, CodeType) for name in _names(part)]
    return [*code.co_names, *inner]


def _of_library(thing: object) -> bool:
    """Whether `thing` is code of one of `LIBRARIES`."""
    return isinstance(thing, FunctionType | type) and str(thing.__module__).split(".")[0] in LIBRARIES
