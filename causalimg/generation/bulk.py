"""Answers about all rows of a table, part by part, here or by Ray on many machines.

    answers/
      generation.json   what is asked of which model about which rows: what else is asked goes elsewhere
      parts/000000/     the answers about the first rows, as `Counterfactual.save` leaves them; there once they are whole
      answers.csv       a line for each row, in their order; written in the end

A part is made in a folder of its own, and gets its name in one step. Who is killed leaves no answer, and who comes late finds
one.
"""

import csv
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from secrets import token_hex
from typing import Any, Protocol

import torch

from causalimg.answers import Format
from causalimg.answers.save import TABLE, save_answers
from causalimg.data import Table
from causalimg.errors import as_seed, check_known, warn, whole
from causalimg.generation.balance import balance
from causalimg.generation.engines import ENGINES, Engine
from causalimg.given import named
from causalimg.graph import Graph
from causalimg.model import CausalModel
from causalimg.storage import STRAY
from causalimg.support import UNUSUAL
from causalimg.training.counting import Counting
from causalimg.values import Columns, digests

JOB, PARTS = "generation.json", "parts"

PART = 256
"""So many rows are asked about at once."""


class Source(Protocol):
    """Rows to ask about."""

    def __len__(self) -> int:
        """How many there are."""
        ...

    def about(self) -> Any:
        """Plain JSON data that is another for other rows."""
        ...

    def columns(self) -> Columns:
        """What is known of them by variable, images aside."""
        ...

    def at(self, rows: Sequence[int]) -> "Source":
        """Those at the positions `rows`."""
        ...

    def part(self, rows: range) -> tuple[Any, Mapping[str, Sequence[Any]]]:
        """What is known of some of them, and further columns for the table of the answers."""
        ...


@dataclass(frozen=True)
class Held:
    """The rows of columns by variable, or of a `Table`."""

    graph: Graph
    given: Any

    def __len__(self) -> int:
        return len(self.given) if isinstance(self.given, Table) else max(map(len, self._by_name().values()))

    def about(self) -> Any:
        if isinstance(self.given, Table):
            return digests(self.given.values)
        return digests({name: torch.as_tensor(column) for name, column in self._by_name().items()})

    def columns(self) -> Columns:
        return named(self.graph, self.given)

    def at(self, rows: Sequence[int]) -> "Held":
        if isinstance(self.given, Table):
            return Held(self.graph, self.given.rows(list(rows)))
        return Held(self.graph, {name: column[list(rows)] for name, column in self._by_name().items()})

    def part(self, rows: range) -> tuple[Any, Mapping[str, Sequence[Any]]]:
        some = slice(rows.start, rows.stop)
        if isinstance(self.given, Table):
            table = self.given.rows(some)
            return table, {"factual file" if name == "file" else name: cells for name, cells in table.extra.items()}
        return {name: column[some] for name, column in self._by_name().items()}, {}

    def _by_name(self) -> dict[str, Any]:
        columns = self.columns()
        return {name: columns[name] for name in columns.keys()}  # noqa: SIM118


def generate(
    model: CausalModel,
    rows: Any,
    out: str | Path,
    *,
    kind: Format = "png",
    seed: int = 0,
    even: str | None = None,
    engine: Engine = "here",
    workers: int = 1,
    **interventions: Any,
) -> Path:
    """Answer ``do(**interventions)`` about each of `rows`; images and ``answers.csv`` go into the folder `out`.

    Returns where the table is.

    `rows`: a `Table`, in memory or on disk, or columns by variable. An intervention is a value for all, one for each row, or
    relative, as in `CausalModel.do`. ``answers.csv`` has a line for each row, with its number, what was and is, what was asked
    and measured, the support, the seed, the extra columns of the table, and the file of the image.

    `even`: a variable whose levels the answers even out: rows are drawn, with `seed`, and get another level, so that with these
    answers each level is as frequent as any (see `balance`).

    There is exactly one answer for each row: the same call goes on where it was cut short, and makes none again. Each is bitwise
    the one that `do` gives, whichever `engine` answers: "here" in this process, "ray" by so many `workers` of Ray Data (the extra
    ``scale``), which share the folder `out`.

    Raises what `do` does, before any worker is started; FileExistsError for a folder of other answers; ImportError without Ray.
    """
    check_known("engine", [engine], ENGINES)
    source: Source = rows if hasattr(rows, "part") else Held(model.graph, rows)
    if even is not None:
        chosen, levels = balance(model.graph, source.columns(), even, seed)
        source, interventions = source.at(chosen.tolist()), {even: levels, **interventions}
    if not interventions:
        raise ValueError("nothing is set: say what, such as lv_area=900, or even='sex'")
    job = Job(model, source, Path(out).resolve(), kind, as_seed(seed), interventions, PART)  # workers may be elsewhere
    job.begin()
    todo = job.todo()
    with Counting(f"generating {out}", len(todo), f"parts of {PART} rows") as counting:
        for some, makes in ((todo[:1], ENGINES["here"]), (todo[1:], ENGINES[engine])):
            for _ in makes(job.make, some, whole("workers", workers, 1)) if some else ():
                counting.advance()
    return job.finish()


@dataclass(frozen=True)
class Job:
    """What is asked of a `model` about the rows of a `source`, `size` at a time; answers go to `out`."""

    model: CausalModel
    source: Source
    out: Path
    kind: Format
    seed: int
    asked: Mapping[str, Any]
    size: int

    @property
    def parts(self) -> list[range]:
        """The rows of each part."""
        n = len(self.source)
        return [range(start, min(start + self.size, n)) for start in range(0, n, self.size)]

    def begin(self) -> None:
        """Write down what is asked, or compare. Raises FileExistsError for a folder of something else, ValueError for no rows."""
        if not self.parts:
            raise ValueError("no rows to ask about")
        path, said = self.out / JOB, json.dumps(self._about(), indent=2) + "\n"
        if path.exists() and path.read_text(encoding="utf-8") != said:
            raise FileExistsError(f"{self.out} holds answers to something else: say another folder, or remove it")
        if not path.exists():
            if self.out.exists() and any(self.out.iterdir()):
                raise FileExistsError(f"{self.out} holds something else: say another folder")
            (self.out / PARTS).mkdir(parents=True, exist_ok=True)
            path.write_text(said, encoding="utf-8")

    def _about(self) -> Mapping[str, Any]:
        learnt = digests(dict(self.model.state_dict()))
        return {
            "causalimg": "generation",
            "model": sha256(json.dumps(learnt, sort_keys=True).encode()).hexdigest(),
            "rows": [len(self.source), self.size, self.source.about()],
            "asked": {name: _said(value) for name, value in self.asked.items()},
            "kind": self.kind,
            "seed": self.seed,
        }

    def todo(self) -> list[int]:
        """The parts that aren't there; what was left by who was killed is removed."""
        for stray in (self.out / PARTS).glob(f"{STRAY}*"):
            shutil.rmtree(stray, ignore_errors=True)
        return [number for number in range(len(self.parts)) if not self._folder(number).exists()]

    def make(self, number: int) -> None:
        """Make a part, unless it is there."""
        folder, rows = self._folder(number), self.parts[number]
        if folder.exists():
            return
        known, extra = self.source.part(rows)
        cf = self.model.do(known, seed=self.seed, support="allow", **self._asked_of(rows))
        fresh = folder.with_name(f"{STRAY}{token_hex(8)}")
        save_answers([(cf, {"row": list(rows), "seed": [self.seed] * len(rows), **extra})], fresh, self.kind)
        try:
            fresh.rename(folder)
        except OSError:
            if not folder.exists():
                raise
            shutil.rmtree(fresh)  # somebody else was faster

    def _asked_of(self, rows: range) -> Mapping[str, Any]:
        """What is asked of these rows: what has a value for each of all rows has one for each of these."""
        n = len(self.source)
        each = {name for name, value in self.asked.items() if hasattr(value, "__len__") and not isinstance(value, str)}
        if wrong := [name for name in each if len(self.asked[name]) != n]:
            raise ValueError(f"{wrong[0]}: {len(self.asked[wrong[0]])} values, expected one for each of {n} rows")
        return {name: value[rows.start : rows.stop] if name in each else value for name, value in self.asked.items()}

    def finish(self) -> Path:
        """Write the table of all answers. Warns of how many are unusual."""
        path, unusual = self.out / TABLE, 0
        fresh = path.with_name(f"{STRAY}{token_hex(8)}")
        with fresh.open("w", newline="", encoding="utf-8") as file:
            writer = None
            for line in self._lines():
                if writer is None:
                    writer = csv.DictWriter(file, list(line))
                    writer.writeheader()
                writer.writerow(line)
                unusual += float(line.get("support", 1)) < UNUSUAL
        fresh.replace(path)
        if unusual:
            warn(f"{unusual} of {len(self.source)} answers are of causes that hardly occurred together in training")
        return path

    def _lines(self) -> Iterator[dict[str, str]]:
        files = ["file", *(f"{image} file" for image in self.model.graph.images)]
        for number in range(len(self.parts)):
            folder = self._folder(number)
            with (folder / TABLE).open(newline="", encoding="utf-8") as file:
                for line in csv.DictReader(file):
                    yield line | {name: f"{PARTS}/{folder.name}/{line[name]}" for name in files if name in line}

    def _folder(self, number: int) -> Path:
        return self.out / PARTS / f"{number:06d}"


def _said(value: Any) -> Any:
    """What is asked, as plain JSON data: of many numbers a digest."""
    if isinstance(value, torch.Tensor):
        return digests({"value": value})["value"]
    return value if isinstance(value, int | float | str) else repr(value)
