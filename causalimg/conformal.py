"""Answers with intervals that hold: ``Conformal(model, val, judge).do(x, lv_area=900.0).interval("lv_area")``.

Draws alone are too sure of themselves: they know what abduction leaves open and where models differ, and neither what all models
have wrong nor what the reader misses. So the same questions are put about rows that were kept for it, and intervals are made as
wide as it takes there for readings to be what they should (see `intervals`).
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from causalimg.completion import Unknown
from causalimg.counterfactual import Counterfactual
from causalimg.data.preprocessing import Preprocessing
from causalimg.ensemble import Ensemble
from causalimg.errors import as_seed, check_kind
from causalimg.given import as_columns, named
from causalimg.graph import Continuous, Graph
from causalimg.guided import Guided
from causalimg.intervals import AllScores, Scores
from causalimg.model import CausalModel
from causalimg.readers.held import held_readers
from causalimg.readers.reader import Reader, fingerprint
from causalimg.readers.reader_set import ReaderSet
from causalimg.values import Columns, World, count_rows, in_batches

BATCH = 32
"""So many rows are asked about at once."""


class Conformal:
    """`model`, whose intervals of what `reader` reads hold, as far as questions are like those about `rows`.

    `rows`: held-out ones, with a value of every variable; a hundred or more. Each variable that `reader` reads is set in turn to
    what another row has. It should then read so, what stays should read as it was, and what follows, of which nobody knows more,
    as the model says. `particles` draws of every answer, then and later. Raises ValueError for a reader that guided the model
    (its readings of answers say nothing), or that reads no number, and for readings that are not finite; TypeError for what is
    no reader, and for what are no rows.
    """

    def __init__(
        self,
        model: CausalModel | Guided | Ensemble,
        rows: Columns,
        reader: Reader,
        *,
        particles: int = 8,
        seed: int = 0,
    ) -> None:
        check_kind("reader", reader, Reader)
        given = named(model.graph, rows, "rows")
        if {fingerprint(one) for one in held_readers(reader)} & set(model.guided_by):
            raise ValueError(f"{reader.describe()} guided this model: its readings of answers say nothing")
        self.model, self.particles, self.readers = model, particles, ReaderSet(model.graph, [reader])
        self.names = [name for name in self.readers.by_variable if isinstance(self.graph[name], Continuous)]
        if not self.names:
            raise ValueError(f"{reader.describe()} reads no number of this graph")
        if missing := [name for name in self.graph if name not in given.keys()]:  # noqa: SIM118
            raise ValueError(f"rows to score need a value of every variable; missing: {', '.join(missing)}")
        self.scores = self._scored(as_columns(self.graph, given, preprocessing=model.preprocessing)[0], seed)

    @property
    def graph(self) -> Graph:
        """What causes what."""
        return self.model.graph

    @property
    def guided_by(self) -> list[str]:
        """The fingerprints of who guided the model."""
        return self.model.guided_by

    @property
    def preprocessing(self) -> Preprocessing:
        """How the images were read that the model was fitted to."""
        return self.model.preprocessing

    def abduct(self, x: Any, /, *, seed: int = 0, unknown: Unknown = "refuse") -> Any:
        """What was seen, as the model abducts it, with as many draws as answers have."""
        return self.model.abduct(x, seed=seed, particles=self.particles, unknown=unknown)

    def do(self, x: Any, /, *, seed: int = 0, **asked: Any) -> Counterfactual:
        """See the model's `do`; what is measured is what the reader reads, and `interval` holds."""
        return self.model.do(x, seed=seed, particles=self.particles, **asked).read_by(
            self._read, self.scores, self._reads
        )

    @torch.no_grad()
    def _read(self, images: Mapping[str, Tensor]) -> World:
        self.readers.to(next(iter(images.values())).device)
        return self.readers.read_all(images, self.names)

    def _reads(self, name: str) -> str:
        return type(self.readers.by_variable[name]).__name__

    def _scored(self, rows: World, seed: int) -> AllScores:
        generator, found = torch.Generator().manual_seed(as_seed(seed)), {}
        for name in self.names:
            order = torch.randperm(count_rows(rows), generator=generator).to(rows[name].device)
            for read, found_so in self._readings(rows, name, rows[name][order]).items():
                found[name, read] = Scores.of(*found_so)
        return found

    def _readings(self, rows: World, name: str, target: Tensor) -> dict[str, tuple[Tensor, ...]]:
        """By what is read under do(name=target): mean and spread of the readings, and what they should be, (rows,) each."""

        def ask(part: tuple[World, Tensor]) -> dict[str, tuple[Tensor, ...]]:
            asked: dict[str, Any] = {name: part[1], "particles": self.particles, "support": "allow"}
            answer = self.model.do(part[0], **asked).read_by(self._read)
            return {n: (answer.measured[n], answer.reading_spread(n), answer[n]) for n in self.names}

        return in_batches(ask, (rows, target), BATCH)
