"""The verdict: what the numbers of a report come to, in plain sentences, each good, not good, or can't tell.

A number is held against a limit. It is good, or not good, where its whole range is on one side of the limit: its 95 % interval
and, of several trainings, all of them. Where the limit lies within the range nobody can tell, nor of one patient, of whom there
is no interval. What a judge that guided the model finds good isn't called so here.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from causalimg.evaluation.dose_response import DoseResponse
from causalimg.evaluation.effectiveness import GUIDED, Effect, Effectiveness
from causalimg.evaluation.page import Finding, Mark
from causalimg.evaluation.statistics import NONE, Deviation, Estimate
from causalimg.evaluation.truth import Truth

MISS = 1.3
"""An error up to so many times the judge's own is good: as good as that judge can tell."""
SMALL_MISS = 1.0
"""An error up to so much, in %, is good whoever judges."""
TINY = 0.05
"""Of an error below this, in %, nothing is said to be a multiple."""
SLOPE = (0.9, 1.1)
"""A calibration slope within these is good."""
HALF, NOTHING = 0.5, 0.1
"""Below these slopes an image follows less than half of what is asked, and ignores it."""
DRIFT = 5.0
"""So far, in %, what nobody asked about may move; or as far as it does under the null intervention, where that is more."""
INSIDE = 0.75
"""So much of the change, or more, is to lie in or near what the variable is measured on."""
UNCHANGED = 0.1
"""An image that changes by less, in grey levels of 255, is one of whose change a share says nothing."""
FEW = 10
"""Fewer groups than this make percentile intervals too narrow."""
LIMITS = (
    f"Good is: an error up to {MISS:g} times the judge's own (or {SMALL_MISS:g} %), a calibration slope from {SLOPE[0]:g} to "
    f"{SLOPE[1]:g}, a drift up to {DRIFT:g} % (or what grain alone does), {100 * INSIDE:g} % or more of the change inside, "
    "nearer to a known truth than doing nothing. Can't tell: the limit lies within the interval, or between the trainings."
)


def within(judged: Effectiveness, doses: Mapping[str, DoseResponse]) -> Effectiveness:
    """What was `judged`, with the slopes within an item instead of those over all: of these, few items make one by chance."""
    effects = {
        name: replace(effect, slope=doses[name].slope) if name in doses else effect
        for name, effect in judged.effects.items()
    }
    return replace(judged, effects=effects)


def verdict(judged: Effectiveness, null: Mapping[str, Deviation], truth: Mapping[str, Truth]) -> list[Finding]:
    """The findings: of the whole judgement first, then of each variable that was set."""
    found = [Finding(Mark.OPEN, GUIDED, column="judge")] if judged.guided else []
    found += of_all(judged)
    for name, effect in judged.effects.items():
        found += _Reading(judged, effect).findings(null, truth.get(name))
    return list(map(distrusted, found)) if judged.guided else found


def mark_of(estimate: Estimate, low: float, high: float, groups: int) -> Mark:
    """Good where all of the `reach` of `estimate` is from `low` to `high`, not good where none is; of one group, can't tell."""
    least, most = reach(estimate)
    if groups < 2:
        return Mark.OPEN
    if low <= least and most <= high:
        return Mark.GOOD
    return Mark.BAD if most < low or least > high else Mark.OPEN


def reach(estimate: Estimate) -> tuple[float, float]:
    """From where to where an estimate may be: its interval, and all of its trainings."""
    return min(estimate.low, *estimate.each, estimate.value), max(estimate.high, *estimate.each, estimate.value)


def miss_limit(effect: Effect) -> float:
    """The largest error that is good, in %."""
    return max(MISS * effect.floor.value, SMALL_MISS)


def drift_limit(null: Mapping[str, Deviation], name: str) -> float:
    """The farthest that `name` may move unasked, in %."""
    grain = null[name].percent if name in null else NONE
    return DRIFT if grain.missing else max(DRIFT, grain.value)


def percent(value: float) -> str:
    """As a reader takes it in: ``12 %``, and with a digit more below ten."""
    return f"{value:.0f} %" if value >= 9.95 else f"{value:.1f} %"


def share(value: float) -> str:
    """A share as ``85 %``."""
    return f"{100 * value:.0f} %"


def of_all(judged: Effectiveness) -> Iterator[Finding]:
    """What is to be known of the judge and the items, whatever was asked."""
    for name in judged.weak:
        text = f"it reads {name} no better than by always saying the same, and its numbers of {name} mean nothing."
        yield Finding(Mark.OPEN, f"The judge is weak: {text}", column="judge")
    if judged.groups < FEW:
        text = (
            f"Only {_counted(judged)}: the intervals are wide, and should be wider; too few to tell small differences."
        )
        yield Finding(Mark.OPEN, text, column="sample")


def _counted(judged: Effectiveness) -> str:
    whom = "patient" if judged.grouped else "item"
    return f"{judged.groups} {whom}{'s' * (judged.groups != 1)}"


def distrusted(finding: Finding) -> Finding:
    """What a judge that guided finds good, nobody can tell."""
    if finding.mark is not Mark.GOOD:
        return finding
    return finding._replace(mark=Mark.OPEN, text=f"{finding.text} (So says a judge that guided.)")


class _Reading:
    """What the numbers of one `effect` come to, of those `judged`."""

    def __init__(self, judged: Effectiveness, effect: Effect) -> None:
        self.judged, self.effect, self.name = judged, effect, effect.name

    def findings(self, null: Mapping[str, Deviation], truth: Truth | None) -> Iterator[Finding]:
        if self.name not in self.judged.weak:
            yield self.error()
            if not self.effect.slope.missing:
                yield self.slope()
        yield from self.drifts(null)
        if not self.effect.outside.missing:
            yield self.locality()
        if truth is not None and not truth.region.missing:
            yield self.truth(truth)

    def error(self) -> Finding:
        error, own = self.effect.error, self.effect.floor
        if error.missing or own.missing:
            text = f"Asked for {self.name}: there is no error in %, for what was asked for, or seen before, is 0."
            return Finding(Mark.OPEN, text, self.name, "error")
        mark = self._mark(error, 0.0, miss_limit(self.effect))
        text = f"Asked for {self.name}, {self._missed()}{self._beside(mark)}"
        return self._found("error", mark, text, error, percent)

    def _missed(self) -> str:
        much, middle = percent(self.effect.error.value), self.effect.median_error
        if middle.missing:  # levels
            return f"{much} of the answers show another level"
        return f"the answers miss by {much} (median {percent(middle.value)})"

    def _beside(self, mark: Mark) -> str:
        error, own = self.effect.error.value, self.effect.floor.value
        if mark is Mark.GOOD:
            well = "as good as this judge can tell" if error <= MISS * own else "more, but too little to matter"
            return f"; the judge's own error is {percent(own)}: {well}"
        beyond = f"{error / own:.1f} times" if own >= TINY else "far beyond"
        asked = ": the image does not reach what was asked" if mark is Mark.BAD else ""
        return f", {beyond} the judge's own error of {percent(own)}{asked}"

    def slope(self) -> Finding:
        slope = self.effect.slope
        text = f"{self.name}: {_followed(slope.value)} (calibration slope {slope.value:.2f}; 1 is as asked)"
        return self._found("slope", self._mark(slope, *SLOPE), text, slope, "{:.2f}".format)

    def drifts(self, null: Mapping[str, Deviation]) -> list[Finding]:
        """One for each other variable that moves or may; or one for all, where none does."""
        told = {other: one for other, one in self.effect.drift.items() if other not in self.judged.weak}
        drifts = {other: one for other, one in told.items() if not one.missing}
        marks = {other: self._mark(one, 0.0, drift_limit(null, other)) for other, one in drifts.items()}
        moved = [self._moved(other, drifts[other], mark) for other, mark in marks.items() if mark is not Mark.GOOD]
        if moved or not drifts:
            return moved
        most = max(drifts, key=lambda other: drifts[other].value)
        text = f"Asking for {self.name} leaves the others alone: {most} moves most, by {percent(drifts[most].value)}"
        return [self._found("drift", Mark.GOOD, text, drifts[most], percent)]

    def _moved(self, other: str, drift: Estimate, mark: Mark) -> Finding:
        much = percent(drift.value)
        number = other in self.effect.drift_mae
        moves = f"moves {other} by {much}" if number else f"changes {other} in {much} of the answers"
        text = f"Asking for {self.name} also {moves}, which nobody asked for"
        return self._found("drift", mark, text, drift, percent)

    def locality(self) -> Finding:
        change, inside = self.effect.change.value, _rest(self.effect.outside)
        if change < UNCHANGED:
            text = f"Asking for {self.name} hardly changes the image, by {change:.2g} grey levels of 255: where, says nothing."
            return Finding(Mark.OPEN, text, self.name, "locality")
        mark = self._mark(inside, INSIDE, 1.0)
        part = f"{share(inside.value)} of the change for {self.name} is inside or near what it is measured on"
        text = {Mark.GOOD: f"What isn't asked about stays: {part}", Mark.BAD: f"Much else changes: {part}"}.get(
            mark, part
        )
        return self._found("locality", mark, text, inside, share)

    def truth(self, truth: Truth) -> Finding:
        """By the values alone: both distances are of the same items, so that their intervals overlap where one is always less."""
        mine, idle = truth.region.value, truth.idle_region.value
        near = "nearer to the truth than" if mine < idle else "no nearer to the truth than"
        distances = f"{mine:.1f} grey levels for {idle:.1f}"
        text = f"Where {self.name} truly changes the image, the answers are {near} doing nothing: {distances}."
        mark = Mark.OPEN if self.judged.groups < 2 else Mark.GOOD if mine < idle else Mark.BAD
        return Finding(mark, text, self.name, "truth")

    def _mark(self, estimate: Estimate, low: float, high: float) -> Mark:
        return mark_of(estimate, low, high, self.judged.groups)

    def _found(self, column: str, mark: Mark, text: str, estimate: Estimate, say: Callable[[float], str]) -> Finding:
        return Finding(mark, f"{text}{self._range(estimate, say) if mark is Mark.OPEN else ''}.", self.name, column)

    def _range(self, estimate: Estimate, say: Callable[[float], str]) -> str:
        """Why nobody can tell."""
        few, models = _counted(self.judged), self.judged.models
        if self.judged.groups < 2:
            return f". Of {few} nobody can tell"
        few += f" and {models} trainings" if models > 1 else ""
        least, most = reach(estimate)
        told = f": {few} are too few to tell" if self.judged.groups < FEW else ", good or not"
        return f". It may be {say(least)} to {say(most)}{told}"


def _rest(share: Estimate) -> Estimate:
    """One less `share`."""
    return Estimate(1 - share.value, 1 - share.high, 1 - share.low, tuple(1 - one for one in share.each))


def _followed(slope: float) -> str:
    """How far the image goes the way that was asked."""
    if slope > SLOPE[1]:
        return "the image goes farther than asked"
    if slope >= SLOPE[0]:
        return "the image follows what is asked"
    if slope >= HALF:
        return "the image goes only a part of the way"
    return (
        "the image follows less than half of what is asked" if slope >= NOTHING else "the image ignores what is asked"
    )
