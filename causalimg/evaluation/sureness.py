"""How sure answers are, where they are of several draws (`particles`, an `Ensemble`), or `Conformal`.

With s the standard deviation of the readings of an answer's draws, and [l, h] the interval that is to hold 90 % of them::

    spread   s
    unsure   s > |target − v|     draws differ by more than what was asked for
    held     l ≤ target ≤ h       90 % of the questions, where intervals are what they say
    width    (h − l) / 2
    pixels   the standard deviation of a pixel between draws, in grey levels of 255

Readings are the judges', but for an answer by `Conformal`, whose intervals are of its own reader, which did not guide either.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from torch import Tensor

from causalimg.counterfactual import Counterfactual
from causalimg.evaluation.judges import Judges
from causalimg.evaluation.questions import Items, Measure, Measured, Question
from causalimg.evaluation.statistics import Estimate, mean, pool


class Sureness(NamedTuple):
    """Of ``do(name=target)``, means over the items: `unsure` and `held` are shares, `spread` and `width` in its unit."""

    spread: Estimate
    unsure: Estimate
    held: Estimate
    width: Estimate
    pixels: Estimate

    def to_data(self) -> dict[str, Any]:
        """Plain JSON data."""
        return {name: value.to_data() for name, value in self._asdict().items()}


def sureness_of(judges: Judges) -> Measure:
    """What `summary` needs; nothing, where an answer is one draw or what is set is no number."""

    def measure(question: Question) -> dict[str, Tensor]:
        answer, number = question.after, not judges.graph[question.name].discrete
        if number and isinstance(answer, Counterfactual) and answer.has_intervals:
            return _told(question, answer if answer.is_scored else answer.read_by(judges.read))
        return {}

    return measure


def _told(question: Question, answer: Counterfactual) -> dict[str, Tensor]:
    name, image = question.name, question.image
    low, high = (end.cpu() for end in answer.interval(name))
    target, spread = answer[name].cpu(), answer.reading_spread(name).cpu()
    return {
        "spread": spread,
        "unsure": (spread > (target - question.before[name].cpu()).abs()).float(),
        "held": ((low <= target) & (target <= high)).float(),
        "width": (high - low) / 2,
        "pixels": question.unit * answer.spread[image].flatten(1).mean(1).cpu(),
    }


def sureness(items: Items, measured: Sequence[Mapping[str, Measured]]) -> dict[str, Sureness]:
    """By variable that was set, over all models; of those whose answers all say it."""
    kept = {name: [each[name]["sureness"] for each in measured] for name in items.targets}
    return {name: _pooled(each, items.weights) for name, each in kept.items() if all(each)}


def _pooled(each: Sequence[Mapping[str, Tensor]], weights: Tensor) -> Sureness:
    return Sureness(*(pool([mean(one[part]) for one in each], weights) for part in Sureness._fields))
