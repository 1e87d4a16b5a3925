"""The verdict on methods side by side: which is best, which worst, by what, and whether they can be told apart.

For each variable that was set and each column, the methods stand in order of how far they are from what would be best. Two are
told apart where their ranges don't overlap: the 95 % intervals and, of several trainings, all of them. The methods answered the
same questions, so that this is strict: some that it can't tell apart a test of pairs could.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from causalimg.evaluation.effectiveness import GUIDED, Effect, Effectiveness
from causalimg.evaluation.page import Finding, Mark
from causalimg.evaluation.statistics import NONE, Deviation, Estimate
from causalimg.evaluation.verdict import (
    INSIDE,
    SLOPE,
    UNCHANGED,
    distrusted,
    drift_limit,
    mark_of,
    miss_limit,
    of_all,
    percent,
    reach,
    share,
)

APART = (
    "Methods are told apart where neither their intervals nor their trainings overlap. Good: the best one is good by itself, and "
    "is told from the next. Not good: even the best one is not."
)


class Column(NamedTuple):
    """What methods are ranked by. `away`: how far an effect is from what is best; up to `limit` it is good; `say` it."""

    title: str
    away: Callable[[Effect], Estimate]
    limit: Callable[[Effect], float]
    say: Callable[[Effect], str]


class Place(NamedTuple):
    """A `method`, its effect, and how far that is `away` from what is best."""

    method: str
    effect: Effect
    away: Estimate


def ranking(judged: Mapping[str, Effectiveness], null: Mapping[str, Deviation]) -> list[Finding]:
    """The findings on the methods in `judged`: on all of it first, then on each variable that was set."""
    first = next(iter(judged.values()))
    guided = ", ".join(method for method, one in judged.items() if one.guided)
    found = [Finding(Mark.OPEN, f"{guided}: {GUIDED}", column="judge")] if guided else []
    ranked = _ranked(judged, first, null)
    return [*found, *of_all(first), *(map(distrusted, ranked) if guided else ranked)]


def _ranked(
    judged: Mapping[str, Effectiveness], first: Effectiveness, null: Mapping[str, Deviation]
) -> Iterator[Finding]:
    for name in first.effects:
        for column in _columns(name, first, null):
            places = [Place(method, one[name], column.away(one[name])) for method, one in judged.items()]
            known = sorted((place for place in places if not place.away.missing), key=lambda place: place.away.value)
            if len(known) > 1:
                yield _finding(name, column, known, first.groups)


def _columns(name: str, judged: Effectiveness, null: Mapping[str, Deviation]) -> list[Column]:
    """What can be told of ``do(name=...)``: nothing that the judge would have to read who can't."""

    def moved(effect: Effect) -> str:
        drifts = {
            other: one.value for other, one in effect.drift.items() if other not in judged.weak and not one.missing
        }
        return max(drifts, key=drifts.__getitem__, default="")

    reading = [
        Column("error", lambda effect: effect.error, miss_limit, lambda effect: percent(effect.error.value)),
        Column("calibration slope", _off, lambda effect: SLOPE[1] - 1, lambda effect: f"{effect.slope.value:.2f}"),
    ]
    return [
        *([] if name in judged.weak else reading),
        Column(
            "drift of what moves most",
            lambda effect: effect.drift.get(moved(effect), NONE),
            lambda effect: drift_limit(null, moved(effect)),
            lambda effect: f"{moved(effect)} by {percent(effect.drift[moved(effect)].value)}",
        ),
        Column(
            "share outside",
            lambda effect: NONE if effect.change.value < UNCHANGED else effect.outside,
            lambda effect: 1 - INSIDE,
            lambda effect: share(effect.outside.value),
        ),
    ]


def _off(effect: Effect) -> Estimate:
    """How far a slope is from 1."""
    slope = effect.slope
    ends = abs(slope.low - 1), abs(slope.high - 1)
    least = 0.0 if slope.low <= 1 <= slope.high else min(ends)
    return Estimate(abs(slope.value - 1), least, max(ends), tuple(abs(one - 1) for one in slope.each))


def _finding(name: str, column: Column, places: list[Place], groups: int) -> Finding:
    """What the methods in their `places`, best first, come to."""
    best, following, worst = places[0], places[1], places[-1]
    apart = groups > 1 and reach(best.away)[1] < reach(following.away)[0]
    alone = mark_of(best.away, 0.0, column.limit(best.effect), groups)
    mark = Mark.OPEN if alone is Mark.GOOD and not apart else alone
    order = [f"{best.method} is best ({column.say(best.effect)})"]
    order += [f"then {following.method} ({column.say(following.effect)})"] if len(places) > 2 else []
    order += [f"{worst.method} worst ({column.say(worst.effect)})"]
    told = "The lead is beyond the intervals" if apart else f"{best.method} and {following.method} can't be told apart"
    return Finding(mark, f"{name}, {column.title}: {', '.join(order)}. {told}{ALONE[alone]}.", name, column.title)


ALONE = {
    Mark.GOOD: "; the best is good by itself",
    Mark.BAD: "; even the best is not good",
    Mark.OPEN: "; whether the best is good by itself, nobody can tell",
}
