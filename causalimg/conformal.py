"""Answers with intervals that hold: ``Conformal(model, val, judge).do(x, lv_area=900.0).interval("lv_area")``.

Draws alone are too sure of themselves: they know what abduction leaves open and where models differ, and neither what all models
have wrong nor what the reader misses. So the same questions are put about rows that were kept for it, where it is known what the
answers should read, and intervals are made as wide as it takes there (see `intervals`).
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from causalimg.counterfactual import Counterfactual
from causalimg.ensemble import Ensemble
from causalimg.graph import Continuous
from causalimg.guided import Guided
from causalimg.intervals import Scores, score
from causalimg.model import CausalModel
from causalimg.readers.reader import Reader, fingerprint
from causalimg.values import Columns, World


class Conformal:
    """`model`, whose intervals of what `reader` reads hold, as far as questions are like those about `rows`.

    `rows`: held-out ones, a hundred or more. Each variable that `reader` reads is set in turn to what another row has; it is to
    read so, and the others are to read what the model says. `particles` draws of every answer, then and later. Raises ValueError
    for a reader that guided the model (its readings of answers say nothing), or that reads no number.
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
        if fingerprint(reader) in model.guided_by:
            raise ValueError(
                f"{reader.describe()} guided this model: its readings of answers say nothing; give another one"
            )
        graph = model.graph
        self.model, self.reader, self.particles = model, reader, particles
        self.names = [name for name in reader.can_read(graph) if isinstance(graph[name], Continuous)]
        if not self.names:
            raise ValueError(f"{reader.describe()} reads no number of this graph")
        self.scores = self._scored(self._asked(rows, seed))

    def do(self, x: Any, /, *, seed: int = 0, **asked: Any) -> Counterfactual:
        """See the model's `do`; what is measured is what the reader reads, and `interval` holds."""
        return self._answer(self.model.abduct(x, seed=seed, particles=self.particles), asked).with_scores(self.scores)

    def _answer(self, factual: Any, asked: Mapping[str, Any]) -> Counterfactual:
        return self.model.do(factual, **asked).read_by(self._read)

    def _read(self, images: Mapping[str, Tensor]) -> World:
        graph = self.model.graph
        return {name: self.reader.read(images[graph.image_of(name)], graph, [name])[name] for name in self.names}

    def _asked(self, rows: Columns, seed: int) -> list[Counterfactual]:
        """The answers to the questions that are scored."""
        factual = self.model.abduct(rows, seed=seed, particles=self.particles)
        seen, generator = self._answer(factual, {}).factual, torch.Generator().manual_seed(seed)
        order = {name: torch.randperm(len(seen[name]), generator=generator) for name in self.names}
        return [self._answer(factual, {name: seen[name][order[name]]}) for name in self.names]

    def _scored(self, answers: list[Counterfactual]) -> Scores:
        moved, held, floor = {}, {}, {}
        for name in self.names:
            floor[name] = torch.cat([one.reading_spread(name) for one in answers]).mean().item() or 1.0
            found = torch.cat(
                [score(one.measured[name], one.reading_spread(name), one[name], floor[name]) for one in answers]
            )
            went = torch.cat([one[name] != one.factual[name] for one in answers])
            moved[name], held[name] = found[went], found[~went]
        return Scores(moved, held, floor)
