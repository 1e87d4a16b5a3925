"""Where a training is logged, step by step: files, and loggers such as Lightning's.

    log="logs"                                         a file of JSON lines; pictures in a folder beside it
    log=TensorBoardLogger("runs")                      rows as ``x/loss``; settings once; pictures
    log=["logs", TensorBoardLogger("runs")]            both

A logger is known by its methods, not by its class, so that none of their packages is imported here. It can't harm a training:
what it draws from torch's random state is put back, and what it fails at is left out from there on, with one warning.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import count
from os import PathLike
from pathlib import Path
from typing import Any, Protocol, TypeAlias, runtime_checkable

import PIL.Image
import torch

from causalimg.errors import warn, wrong_kind
from causalimg.training.history import Destination, Draw, Row, as_line


@runtime_checkable
class Logger(Protocol):
    """What a logger of Lightning's can: those of Fabric, and of PyTorch Lightning."""

    def log_metrics(self, metrics: dict[str, Any], step: int) -> Any:
        """Take numbers by name."""

    def log_hyperparams(self, params: dict[str, Any]) -> Any:
        """Take settings, nested."""

    def save(self) -> Any:
        """See to it that what was taken is not lost."""


Settings = Callable[[], Mapping[str, Any]]
"""What a training is by, as plain data."""

Place: TypeAlias = str | PathLike[str] | Logger
Log: TypeAlias = Place | Sequence[Place]
"""Where a training is logged: a path, a logger, or a list of these."""

PLAIN = str.maketrans({"λ": "lambda", "(": None, ")": None})
"""Names of columns, without what loggers refuse in one."""


def logs_of(log: Log | None, names: Iterable[str], settings: Settings) -> dict[str, list[Destination]]:
    """Where the training of each of `names` is logged: a path is a folder, in which each gets a file.

    `settings` go to loggers, once. Raises ValueError for a file, TypeError for what is no place.
    """
    places = _places(log, settings, "a folder")
    if files := [place for place in places if isinstance(place, Path) and place.is_file()]:
        raise ValueError(f"log: {files[0]} is a file: say a folder, in which every variable gets one")
    return {
        name: [_file(one / f"{name}.jsonl") if isinstance(one, Path) else Tracked(one, name) for one in places]
        for name in names
    }


def check_log(log: Log | None) -> None:
    """Raise what `log_of` raises."""
    log_of(log, "", dict)


def log_of(log: Log | None, name: str, settings: Settings) -> list[Destination]:
    """Where one training is logged, in loggers under `name`: a path is a file. `settings` as in `logs_of`.

    Raises ValueError for a folder, TypeError for what is no place.
    """
    places = _places(log, settings, "a file")
    return [_file(one) if isinstance(one, Path) else Tracked(one, name) for one in places]


def _places(log: Log | None, settings: Settings, path: str) -> "list[Path | Careful]":
    several = log if isinstance(log, Sequence) and not isinstance(log, str) else [] if log is None else [log]
    return [_place(one, settings, path) for one in several]


def _place(place: Any, settings: Settings, path: str) -> "Path | Careful":
    if isinstance(place, str | PathLike):
        return Path(place)
    if isinstance(place, Logger) and not isinstance(place, type):
        return Careful(place, settings)
    raise wrong_kind(
        "log", f"{path}, a logger of Lightning's such as TensorBoardLogger(...), or a list of these", place
    )


def _file(path: Path) -> "JsonLines":
    if path.is_dir():
        raise ValueError(f"log: {path} is a folder: say a file, {path / 'history.jsonl'}")
    return JsonLines(path)


def set_aside(path: Path) -> None:
    """Give a file or a folder that is there another name, the first that is free: ``x.jsonl`` becomes ``x.1.jsonl``."""
    if path.exists():
        names = (path.with_name(f"{path.stem}.{number}{path.suffix}") for number in count(1))
        path.rename(next(name for name in names if not name.exists()))


class JsonLines:
    """A file at `path` with a row a line, and beside ``x.jsonl`` a folder ``x_pictures``. What is there already is set aside."""

    def __init__(self, path: Path) -> None:
        self._path, self._pictures = path, path.with_name(f"{path.stem}_pictures")
        self._others = True  # pictures that are there are those of another training

    def begin(self, rows: Sequence[Row]) -> None:
        """Before a training, or before it goes on after `rows`: its earlier pictures stay."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        set_aside(self._path)
        self._others = not rows
        self._path.write_text("".join(map(as_line, rows)))

    def keep(self, row: Row) -> None:
        """Add a line."""
        with self._path.open("a") as file:
            file.write(as_line(row))

    def show(self, draw: Draw, step: int) -> None:
        """Write ``000100.png``."""
        if self._others:
            set_aside(self._pictures)
        self._others = False
        self._pictures.mkdir(exist_ok=True)
        PIL.Image.fromarray(draw()).save(self._pictures / f"{step:06d}.png")


class Careful:
    """A `logger` that does no harm, and is told the `settings` once. Trainings of one call share it."""

    def __init__(self, logger: Logger, settings: Settings) -> None:
        self.logger, self._settings = logger, settings
        self._told = self._warned = False
        self._failed: set[str] = set()

    def begin(self) -> None:
        """Tell the settings, if nobody did."""
        if not self._told:
            self._told = True
            self.send("settings", lambda: self.logger.log_hyperparams(_plain(self._settings())))

    def send(self, what: str, send: Callable[[], Any]) -> None:
        """Call `send`, and save; what failed once is left out. Only of the first failure is warned."""
        if what in self._failed:
            return
        devices = [torch.cuda.current_device()] if torch.cuda.is_initialized() else []
        try:
            with torch.random.fork_rng(devices):
                send()
                self.logger.save()
        except NotImplementedError:  # a CSVLogger of Fabric takes no settings
            self._failed.add(what)
        except Exception as error:  # of whatever kind: a full disk, a server that is gone
            self._failed.add(what)
            self._warn(what, error)

    def _warn(self, what: str, error: Exception) -> None:
        if not self._warned:
            self._warned = True
            said = (str(error) or repr(error)).splitlines()[0]
            warn(
                f"{type(self.logger).__name__} failed at {what} ({type(error).__name__}: {said}). Training goes on; what this "
                "logger fails at is left out from here on"
            )


class Tracked:
    """The rows of the training `name` in a logger: ``name/loss``, and so on."""

    def __init__(self, careful: Careful, name: str) -> None:
        self._careful, self._name = careful, name

    def begin(self, rows: Sequence[Row]) -> None:
        """Before a training, or before it goes on: earlier `rows` are not said again."""
        self._careful.begin()

    def keep(self, row: Row) -> None:
        """Log the row at its step."""
        step = int(row["step"])
        metrics = {f"{self._name}/{name.translate(PLAIN)}": value for name, value in row.items() if name != "step"}
        self._careful.send("metrics", lambda: self._careful.logger.log_metrics(metrics, step))

    def show(self, draw: Draw, step: int) -> None:
        """Log the picture at `step`, if the logger takes any."""
        key = f"{self._name}/counterfactuals"
        self._careful.send("pictures", lambda: log_picture(self._careful.logger, key, draw, step))


def log_picture(logger: Any, key: str, draw: Draw, step: int) -> None:
    """Log a picture by the way that `logger` has: its own ``log_image`` (W&B), or that of its experiment (TensorBoard, MLflow).

    One without such a way gets none.
    """
    if hasattr(logger, "log_image"):
        logger.log_image(key=key, images=[draw()], step=step)
        return
    experiment: Any = getattr(logger, "experiment", None)
    if hasattr(experiment, "add_image"):
        experiment.add_image(key, draw(), step, dataformats="HWC")
    elif hasattr(experiment, "log_image"):
        experiment.log_image(logger.run_id, draw(), key=key, step=step)


def _plain(settings: Any) -> Any:
    """Nested `settings` with plain names."""
    if isinstance(settings, Mapping):
        return {str(name).translate(PLAIN): _plain(value) for name, value in settings.items()}
    return settings
