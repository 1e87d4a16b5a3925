"""A work that is done part by part, by anyone: each part is there whole or not at all, and once.

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
from pathlib import Path
from secrets import token_hex
from typing import Any

from causalimg.answers import Format
from causalimg.answers.save import TABLE, save_answers
from causalimg.counterfactual import Counterfactual
from causalimg.errors import located
from causalimg.generation.rows import Extra, Source
from causalimg.generation.setting import Setting, in_writing, of_rows
from causalimg.model import CausalModel
from causalimg.storage import STRAY
from causalimg.support import UNUSUAL, to_tensors, warn_of_unusual
from causalimg.values import digests

JOB, PARTS = "generation.json", "parts"


@dataclass(frozen=True)
class Job:
    """What a `model` is asked about the `rows` of a `source`, `size` at a time; answers go to `out`.

    `setting` and `rows` have an entry for each answer; `how` is further arguments of `CausalModel.do`.
    """

    model: CausalModel
    source: Source
    rows: Sequence[int]
    setting: Setting
    how: Mapping[str, Any]
    out: Path
    kind: Format
    size: int

    def begin(self) -> None:
        """Write down what is asked, once it is known that it can be answered.

        Raises FileExistsError for a folder of something else; ValueError for no rows, and for columns that the table of answers
        has already; and what `CausalModel.do` raises.
        """
        path, said = self.out / JOB, json.dumps(self._about(), indent=2) + "\n"
        if path.exists():
            if path.read_text(encoding="utf-8") != said:
                raise FileExistsError(f"{self.out} holds answers to something else: say another folder, or remove it")
            return
        if self.out.exists() and any(not one.name.startswith((PARTS, STRAY)) for one in self.out.iterdir()):
            raise FileExistsError(f"{self.out} holds something else: say another folder")
        if not self.rows:
            raise ValueError("no rows to ask about")
        self._answers([0])
        (self.out / PARTS).mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f"{STRAY}{token_hex(8)}")
        fresh.write_text(said, encoding="utf-8")
        fresh.replace(path)

    def _about(self) -> Mapping[str, Any]:
        model = self.model
        built = [model.graph.to_data(), {name: one.to_data() for name, one in model.mechanisms.items()}]
        read = [[reader.describe() for reader in model.readers.readers], model.preprocessing.to_data()]
        return {
            "causalimg": "generation",
            "asked": in_writing(self.setting),
            "how": {name: repr(value) for name, value in self.how.items()},
            "rows": [len(self.rows), self.size, self.source.about()],
            "kind": self.kind,
            "model": [*built, *read, digests(model.state_dict() | to_tensors(model.supports))],
        }

    def todo(self) -> list[int]:
        """The numbers of the parts that aren't there."""
        return [number for number in range(self._parts) if not self._folder(number).exists()]

    def make(self, number: int) -> None:
        """Make a part, unless it is there."""
        folder = self._folder(number)
        if folder.exists():
            return
        fresh = folder.with_name(f"{STRAY}{token_hex(8)}")
        positions = self.positions(number)
        with located(f"rows counted from {self.rows[positions[0]]}"):
            answers = self._answers(positions)
        try:
            save_answers([answers], fresh, self.kind)
            fresh.rename(folder)
        except OSError:
            if not folder.exists():
                raise
            shutil.rmtree(fresh, ignore_errors=True)  # somebody else was faster

    def positions(self, number: int) -> range:
        """Those of the answers of a part."""
        return range(len(self.rows))[number * self.size : (number + 1) * self.size]

    def _answers(self, positions: Sequence[int]) -> tuple[Counterfactual, Extra]:
        """The answers at these positions, and further columns of theirs."""
        rows = [self.rows[position] for position in positions]
        known, extra = self.source.part(rows)
        own = {"row": rows, "seed": [self.how["seed"]] * len(rows)}
        if twice := own.keys() & extra.keys():
            raise ValueError(f"{TABLE} has a column {min(twice)!r} of its own: call yours otherwise")
        return self.model.do(known, support="allow", **self.how, **of_rows(self.setting, positions)), {**own, **extra}

    def finish(self) -> Path:
        """Write the table of all answers, and remove what was left by who was killed. Warns of how many are unusual."""
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
        for stray in [*(self.out / PARTS).glob(f"{STRAY}*"), *self.out.glob(f"{STRAY}*")]:
            shutil.rmtree(stray) if stray.is_dir() else stray.unlink()
        warn_of_unusual(unusual, len(self.rows))
        return path

    def _lines(self) -> Iterator[dict[str, str]]:
        files = ["file", *(f"{image} file" for image in self.model.graph.images)]
        for number in range(self._parts):
            folder = self._folder(number)
            with (folder / TABLE).open(newline="", encoding="utf-8") as file:
                for line in csv.DictReader(file):
                    yield line | {name: f"{PARTS}/{folder.name}/{line[name]}" for name in files if name in line}

    @property
    def _parts(self) -> int:
        return -(-len(self.rows) // self.size)

    def _folder(self, number: int) -> Path:
        return self.out / PARTS / f"{number:06d}"
