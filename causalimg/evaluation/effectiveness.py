"""Effectiveness: can what was asked for be read off the counterfactual image?

*Measuring axiomatic soundness of counterfactual image models* (Monteiro et al., ICLR 2023, arXiv:2303.01274). Under
do(v_k = t), with t drawn from the observed values, a judge J reads the counterfactual x'::

    error   |J_k(x') − t| / |t|                          has the intervention worked?
    floor   |J_k(x) − v_k| / |v_k|                       how well can this judge tell at all?
    drift   |J_j(x') − J_j(x) − (v'_j − v_j)| / |v_j|    has anything moved that nothing asked to move?

The judge must not have guided the model: a guide sees what the model was trained to show it.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence

import torch
from torch import Tensor

from causalimg.evaluation.asking import Answering, Found, Measure, ask
from causalimg.evaluation.bootstrap import Estimate, Statistic, mean, median, pool, ratio, slope
from causalimg.evaluation.effect import Effect, Effectiveness
from causalimg.evaluation.items import Items, choose
from causalimg.evaluation.jury import Jury, seat
from causalimg.evaluation.locality import changes, grey_units
from causalimg.evaluation.miss import Miss, miss, relative
from causalimg.evaluation.reading import read
from causalimg.evaluation.tables import unit_of
from causalimg.graph import Graph
from causalimg.readers.reader import Reader
from causalimg.readers.reader_set import ReaderSet


def effectiveness(
    model: Answering,
    values: Mapping[str, Tensor],
    judge: Reader,
    targets: Sequence[str] | None = None,
    *,
    n: int | None = None,
    groups: Sequence[Hashable] | Tensor | None = None,
    seed: int = 0,
    allow_guide: bool = False,
) -> Effectiveness:
    """Set each of `targets` (default: all that `judge` reads) in turn, and let `judge` read the counterfactuals.

    `values` hold every variable of held-out items; of `n` of them, drawn with `seed` (default: all), each gets the value of
    another. `groups` says which items belong together (the patient of each): the intervals are over groups.

    Raises ValueError for a judge that guided the model (unless `allow_guide`, which the table then says), for targets that
    it doesn't read, for missing variables, and for groups that are not one for each item.
    """
    jury = seat([model], [judge], allow_guide)
    items = choose(model.graph, values, jury.reads(targets), n, groups, seed)
    found = ask(model, items.values, items.targets, judged(jury.panel, items.values))
    return summary(jury, items, read(jury.panel, items.values), [found])


def judged(panel: ReaderSet, values: Mapping[str, Tensor]) -> dict[str, Measure]:
    """The measures that `summary` needs: what was read, what the values became, and how much the image changed."""
    return {
        "read": lambda asked: read(panel, asked.after),
        "became": lambda asked: {name: asked.after[name].cpu() for name in panel.by_variable},
        "change": changes(panel, grey_units(panel.graph, values)),
    }


def summary(
    jury: Jury, items: Items, before: Mapping[str, Tensor], found: Sequence[Mapping[str, Found]]
) -> Effectiveness:
    """What `found`, of each model, amounts to; `before` is what was read off the factual images."""
    graph = jury.panel.graph
    floors = {
        name: miss(graph[name], [value], [items.values[name]], items.values[name], items.weights)
        for name, value in before.items()
    }
    trial = _Trial(graph, items, before, floors)
    effects = {name: trial.effect(name, [one[name] for one in found]) for name in items.targets}
    return Effectiveness(effects, jury.name, jury.guided, len(items.rows), items.groups, floors, len(found))


class _Trial:
    """Items whose factual values and readings are known."""

    def __init__(self, graph: Graph, items: Items, before: Mapping[str, Tensor], floors: Mapping[str, Miss]) -> None:
        self.graph, self.items, self.before, self.floors = graph, items, before, floors

    def effect(self, name: str, found: Sequence[Found]) -> Effect:
        """The effect of setting `name`, over all models."""
        variable, target = self.graph[name], self.items.targets[name]
        after = [one["read"][name] for one in found]
        error = miss(variable, after, [target] * len(found), target, self.items.weights)
        drifts = {other: self._drift(other, found) for other in self.before if other != name}
        numbers = {}
        if not variable.discrete:
            numbers["median_error"] = self._pool(lambda read: median(relative(variable, read, target, target)), after)
            numbers["slope"] = self._pool(lambda read: slope(target, read), after)
        return Effect(
            name=name,
            unit=unit_of(self.graph, name),
            target=target,
            measured=torch.stack(after),
            error=error.percent,
            mae=error.mae,
            floor=self.floors[name].percent,
            floor_mae=self.floors[name].mae,
            drift={other: drift.percent for other, drift in drifts.items()},
            drift_mae={other: drift.mae for other, drift in drifts.items() if not drift.mae.missing},
            change=self._pool(mean, [one["change"]["change"] for one in found]),
            outside=pool(
                [ratio(one["change"]["outside"], one["change"]["change"]) for one in found], self.items.weights
            ),
            **numbers,
        )

    def _pool(self, statistic: Callable[[Tensor], Statistic], numbers: Sequence[Tensor]) -> Estimate:
        return pool([statistic(one) for one in numbers], self.items.weights)

    def _drift(self, name: str, found: Sequence[Found]) -> Miss:
        """How far the reading of `name` moved beyond what its value did."""
        after = [one["read"][name] for one in found]
        expected = [self._expected(name, one["became"][name]) for one in found]
        return miss(self.graph[name], after, expected, self.items.values[name], self.items.weights)

    def _expected(self, name: str, became: Tensor) -> Tensor:
        """The reading of `name`, had it moved as its value did; exactly the factual one where that did not move."""
        was, before = self.items.values[name], self.before[name]
        moved = became if self.graph[name].discrete else before + (became - was)
        return torch.where(became == was, before, moved)
