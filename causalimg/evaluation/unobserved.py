"""What no data could have said: how strong something unobserved would have to be to explain an effect away.

By effect of what is set, the median over the items of |ρ|, the correlation of noises at which nothing would follow (see
`causalimg.confounding`): near 0 a weak common cause would do, near 1 none.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from causalimg.evaluation.questions import Answering, Items
from causalimg.evaluation.statistics import Estimate, median, pool
from causalimg.model import CausalModel

Tipping = Mapping[str, Mapping[str, Estimate]]
"""By variable that was set, then by effect: the median |ρ| that would explain it away."""


def tippings(models: Sequence[Answering], items: Items) -> dict[str, dict[str, Estimate]]:
    """Of models that can say it; of what has no effect among numbers, nothing."""
    known = [model for model in models if isinstance(model, CausalModel)]
    if len(known) < len(models):
        return {}
    found = {name: _told(known, items, {name: target}) for name, target in items.targets.items()}
    return {name: _medians(each, items.weights) for name, each in found.items() if each[0]}


def _told(models: Sequence[CausalModel], items: Items, action: dict[str, Any]) -> list[dict[str, Tensor]]:
    return [model.tipping(items.values, **action) for model in models]


def _medians(each: Sequence[Mapping[str, Tensor]], weights: Tensor) -> dict[str, Estimate]:
    return {effect: pool([median(one[effect].abs().cpu()) for one in each], weights) for effect in each[0]}
