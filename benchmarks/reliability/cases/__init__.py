"""The cases, a file for what belongs together."""

from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from benchmarks.reliability.case import Case


def all_cases() -> list[Case]:
    """Every case of every file here, in order."""
    names = sorted(module.name for module in iter_modules([str(Path(__file__).parent)]))
    return [case for name in names for case in import_module(f"{__name__}.{name}").CASES]
