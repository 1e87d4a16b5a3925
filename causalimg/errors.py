"""Errors that name the thing, say what was expected, and suggest the nearest name."""

import inspect
import operator
import reprlib
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import Any

from pydantic import ValidationError

PACKAGE = str(Path(__file__).parent)


def unknown(what: str, name: object, known: Iterable[str]) -> ValueError:
    """The error for a name that does not exist: ``unknown variable 'lv_aera'. Did you mean 'lv_area'? Known: ...``."""
    names = sorted({str(k) for k in known})
    close = get_close_matches(str(name).lower(), [n.lower() for n in names], n=1, cutoff=0.6)
    hint = ""
    if close:
        nearest = next(n for n in names if n.lower() == close[0])
        alike = not (str(name) + nearest).isascii()  # letters that look the same are told apart by their numbers
        hint = f" Did you mean {nearest!r}?" + (f" ({str(name)!a} is not {nearest!a}.)" if alike else "")
    return ValueError(f"unknown {what} {name!r}.{hint} Known: {', '.join(names) or '(none)'}.")


def check_known(what: str, names: Iterable[str], known: Iterable[str]) -> None:
    """Raise `unknown` for the first of `names` that is not among `known`."""
    known = list(known)
    for name in names:
        if name not in known:
            raise unknown(what, name, known)


def check_given(what: str, needed: Iterable[str], given: Iterable[str]) -> None:
    """Raise ValueError for the first of `needed` that is not among `given`, with the nearest of what was given."""
    names = sorted(map(str, given))
    for name in needed:
        if name not in names:
            close = get_close_matches(name.lower(), names, n=1, cutoff=0.6)
            hint = f" Was {close[0]!r} meant to be it?" if close else ""
            raise ValueError(f"missing {what} {name!r}.{hint} Given: {', '.join(names) or '(none)'}.")


def wrong_kind(what: str, expected: str, given: object) -> TypeError:
    """The error for an argument of another kind than `expected`: ``recipe: expected Recipe or None, got int 800``."""
    kind = given.__name__ if isinstance(given, type) else type(given).__name__
    shown = f" {reprlib.repr(given)}" if isinstance(given, str | int | float) else ""
    return TypeError(f"{what}: expected {expected}, got {'the class ' if isinstance(given, type) else ''}{kind}{shown}")


def check_kind(what: str, given: object, *kinds: type) -> None:
    """Raise `wrong_kind` where `given` is none of `kinds`."""
    if not isinstance(given, kinds):
        raise wrong_kind(what, _either(kinds), given)


def check_kinds(what: str, given: object, *kinds: type) -> None:
    """Raise `wrong_kind` where `given` is no list or other sequence of `kinds`."""
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise wrong_kind(what, f"a list of {_either(kinds)}", given)
    for one in given:
        check_kind(what, one, *kinds)


def _either(kinds: Iterable[type]) -> str:
    return " or ".join("None" if kind is type(None) else kind.__name__ for kind in kinds)


def whole(what: str, value: Any, least: int, most: int | None = None) -> int:
    """`value`, a whole number from `least` to `most`. Raises TypeError for what is none, ValueError for one beyond."""
    try:
        number = operator.index(value)
    except TypeError:
        raise wrong_kind(what, "a whole number", value) from None
    if number < least or (most is not None and number > most):
        bounds = f"at least {least}" if most is None else f"{least} to {most}"
        raise ValueError(f"{what}: expected {bounds}, got {number}")
    return number


def imported(package: str, install: str) -> Any:
    """The module `package`, which is optional. Raises ImportError that says how to `install` it where it is missing."""
    try:
        return import_module(package)
    except ModuleNotFoundError:
        raise ImportError(f"{package} is needed for this: pip install {install}") from None


def as_seed(seed: Any) -> int:
    """`seed`, a whole number that torch draws from: of 64 bits. Raises as `whole` does."""
    return whole("seed", seed, -(2**63), 2**64 - 1)


class InvalidSpecError(ValueError):
    """What is wrong with a spec: for each mistake the path of its field, and what; printed as ``where.path: what`` lines."""

    def __init__(self, where: str, mistakes: Sequence[tuple[tuple[str, ...], str]]) -> None:
        super().__init__(where, mistakes)
        self.where, self.mistakes = where, mistakes

    def __str__(self) -> str:
        return "\n".join(f"{'.'.join((self.where, *path))}: {what}" for path, what in self.mistakes)


def explain(where: str, error: ValidationError, fields: Iterable[str]) -> InvalidSpecError:
    """pydantic's report in short lines: with the value it met, and the nearest of `fields` for an unknown one."""
    fields = list(fields)
    mistakes: list[tuple[tuple[str, ...], str]] = []
    for problem in error.errors():
        path = tuple(str(part) for part in problem["loc"])
        cause = problem.get("ctx", {}).get("error")
        if isinstance(cause, InvalidSpecError):  # a spec within this one: its own class name gives way to the path
            mistakes += [(path + inner, what) for inner, what in cause.mistakes]
        elif problem["type"] == "extra_forbidden":
            mistakes.append((path[:-1], str(unknown("setting", path[-1], fields))))
        elif problem["type"] == "tuple_type" and isinstance(problem["input"], str):
            mistakes.append((path, f"expected several, such as [{problem['input']!r}], got {problem['input']!r}"))
        elif problem["type"] in ("value_error", "missing"):
            mistakes.append((path, problem["msg"].removeprefix("Value error, ")))
        else:
            mistakes.append((path, f"{problem['msg']}, got {reprlib.repr(problem['input'])}"))
    return InvalidSpecError(where, mistakes)


@contextmanager
def located(where: str) -> Iterator[None]:
    """Say where a ValueError raised inside arose: ``Heart.lv_area.bounds: ...``."""
    try:
        yield
    except InvalidSpecError as error:
        raise InvalidSpecError(where, error.mistakes) from None
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


@contextmanager
def buildable(settings: object) -> Iterator[None]:
    """Say of which `settings` no network can be built, where torch refuses: there is no memory, or no such tensor, for it."""
    try:
        yield
    except RuntimeError as error:
        raise ValueError(f"{settings!r} can't be built: {(str(error) or repr(error)).splitlines()[0]}") from error


def warn(message: str) -> None:
    """Warn in the line of the user's that called into this package, however deep."""
    frame, depth = inspect.currentframe(), 0
    while frame is not None and frame.f_code.co_filename.startswith(PACKAGE):
        frame, depth = frame.f_back, depth + 1
    warnings.warn(message, stacklevel=depth + 1)
