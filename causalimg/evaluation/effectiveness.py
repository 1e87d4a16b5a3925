"""Effectiveness: can what was asked for be read off the counterfactual image?

*Measuring axiomatic soundness of counterfactual image models* (Monteiro et al., ICLR 2023, arXiv:2303.01274). Under
do(v_k = t), with t drawn from the observed values, a judge J reads the counterfactual x'::

    error   |J_k(x') − t| / |t|                          has the intervention worked?
    floor   |J_k(x) − v_k| / |v_k|                       how well can this judge tell at all?
    drift   |J_j(x') − J_j(x) − (v'_j − v_j)| / |v_j|    has anything moved that nothing asked to move?

The judge must not have guided the model: a guide sees what the model was trained to show it.
"""

from collections.abc import Hashable, Mapping, Sequence

import torch
from torch import Tensor

from causalimg.errors import check_known
from causalimg.evaluation.asking import Answering, Answers, ask, read
from causalimg.evaluation.bootstrap import Estimate, estimate, mean, median, ratio, resample, slope
from causalimg.evaluation.effect import Effect, Effectiveness
from causalimg.graph import Continuous, Variable
from causalimg.readers.fingerprint import fingerprint
from causalimg.readers.panel import Panel
from causalimg.readers.reader import Reader


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
    mark = fingerprint(judge)
    if mark in model.guided_by and not allow_guide:
        raise ValueError(
            f"the judge ({mark}) guided this model, and who guided may not judge. Fit another one, with another seed and "
            "another architecture; or say allow_guide=True, and the table says so too."
        )
    panel = Panel(model.graph, [judge]).eval()
    names = list(panel.by_variable if targets is None else targets)
    check_known("target", names, panel.by_variable)
    if missing := [name for name in model.graph if name not in values]:
        raise ValueError(f"effectiveness needs the factual value of every variable; missing: {', '.join(missing)}")
    total = len(values[model.graph.images[0]])
    of_item = range(total) if groups is None else groups.tolist() if isinstance(groups, Tensor) else list(groups)
    if len(of_item) != total:
        raise ValueError(f"expected a group for each of {total} items, got {len(of_item)}")
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randperm(total, generator=generator)[:n]
    group_of = [of_item[row] for row in rows]
    trial = _Trial(model, panel, {name: values[name][rows].cpu() for name in model.graph}, resample(group_of, seed))
    effects = {name: trial.effect(name, torch.randperm(len(rows), generator=generator)) for name in names}
    return Effectiveness(effects, mark, mark in model.guided_by, n=len(rows), groups=len(set(group_of)))


class _Trial:
    """Items whose factual values and readings are known, and the weights of their resamples."""

    def __init__(self, model: Answering, panel: Panel, values: Mapping[str, Tensor], weights: Tensor) -> None:
        self.model, self.panel, self.values, self.weights = model, panel, values, weights
        self.read = read(panel, values)

    def effect(self, name: str, donors: Tensor) -> Effect:
        """The effect of giving every item the value that `name` has in its donor."""
        variable, was, before = self.model.graph[name], self.values[name], self.read[name]
        target = was[donors]
        answers = ask(self.model, self.panel, self.values, name, target)
        after = answers.read[name]
        error, floor = _error(variable, after, target, scale=target), _error(variable, before, was, scale=was)
        numbers = {}
        if isinstance(variable, Continuous):
            numbers["median_error"] = estimate(median(error), self.weights)
            numbers["mae"] = estimate(mean((after - target).abs()), self.weights)
            numbers["slope"] = estimate(slope(target, after), self.weights)
            numbers["floor_mae"] = estimate(mean((before - was).abs()), self.weights)
        return Effect(
            name=name,
            unit=variable.unit if isinstance(variable, Continuous) else "",
            target=target,
            measured=after,
            error=estimate(mean(error), self.weights),
            floor=estimate(mean(floor), self.weights),
            drift={other: self._drift(other, answers) for other in self.read if other != name},
            outside=estimate(ratio(answers.outside, answers.change), self.weights),
            change=estimate(mean(answers.change), self.weights),
            **numbers,
        )

    def _drift(self, name: str, answers: Answers) -> Estimate:
        """How far the reading of `name` moved beyond what its value did."""
        variable, was, became = self.model.graph[name], self.values[name], answers.became[name]
        moved = became if variable.discrete else self.read[name] + (became - was)
        expected = torch.where(became == was, self.read[name], moved)
        return estimate(mean(_error(variable, answers.read[name], expected, scale=was)), self.weights)


def _error(variable: Variable, read: Tensor, wanted: Tensor, scale: Tensor) -> Tensor:
    """How far `read` is from `wanted`, in % of `scale` (NaN where that is 0); of levels, 0 or 100. Shape (n,)."""
    if variable.discrete:
        return 100.0 * (read != wanted)
    return 100 * (read - wanted).abs() / scale.abs().where(scale != 0, torch.nan)
