"""Loggers of a study, by name, since a file can't hold one: csv and tensorboard, those of Lightning Fabric."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from causalimg.errors import check_known, imported
from causalimg.training.tracking import Logger

KINDS = {"csv": ("csv_logs", "CSVLogger"), "tensorboard": ("tensorboard", "TensorBoardLogger")}
"""The module of each in Lightning Fabric, and its class; to import one takes seconds."""

RUNS = "runs"
"""The folder, within that of the study, in which each kind has one."""


def known_loggers(kinds: Sequence[str]) -> Sequence[str]:
    """`kinds`. Raises ValueError, with the nearest name, for one that is none."""
    check_known("logger", kinds, KINDS)
    return kinds


def check_loggers(kinds: Sequence[str]) -> None:
    """Raise as `known_loggers` does, and ImportError where a package is missing."""
    if "tensorboard" in known_loggers(kinds):
        imported("tensorboard", '"causalimg[track]"')


@contextmanager
def loggers(kinds: Sequence[str], out: Path, name: str) -> Iterator[list[Logger]]:
    """Loggers of the training `name`, in ``runs/csv/name/version_0`` and so on within `out`; of a training that goes on, in
    the next version."""
    made = [_class(*KINDS[kind])(out / RUNS / kind, name=name) for kind in kinds]
    try:
        yield made
    finally:
        for logger in made:
            logger.finalize("success")


def _class(module: str, name: str) -> Any:
    return getattr(import_module(f"lightning_fabric.loggers.{module}"), name)
