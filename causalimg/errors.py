"""Errors that name the thing, say what was expected, and suggest the nearest name."""

from collections.abc import Iterable
from difflib import get_close_matches

from pydantic import ValidationError


def unknown(what: str, name: object, known: Iterable[str]) -> ValueError:
    """The error for a name that does not exist: ``unknown variable 'lv_aera'. Did you mean 'lv_area'? Known: ...``."""
    names = sorted({str(k) for k in known})
    close = get_close_matches(str(name).lower(), [n.lower() for n in names], n=1, cutoff=0.6)
    hint = ""
    if close:
        hint = f" Did you mean {next(n for n in names if n.lower() == close[0])!r}?"
    return ValueError(f"unknown {what} {name!r}.{hint} Known: {', '.join(names) or '(none)'}.")


def check_known(what: str, names: Iterable[str], known: Iterable[str]) -> None:
    """Raise `unknown` for the first of `names` that is not among `known`."""
    known = list(known)
    for name in names:
        if name not in known:
            raise unknown(what, name, known)


def explain(where: str, error: ValidationError, fields: Iterable[str]) -> ValueError:
    """pydantic's report as short ``where: what`` lines, with the nearest field for an unknown one."""
    fields = list(fields)
    lines = []
    for problem in error.errors():
        place = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden" and len(problem["loc"]) == 1:
            lines.append(f"{where}: {unknown('setting', place, fields)}")
        else:
            message = problem["msg"].removeprefix("Value error, ")
            lines.append(f"{where}{'.' if place else ''}{place}: {message}")
    return ValueError("\n".join(lines))
