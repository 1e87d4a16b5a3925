"""Before and after: two evaluations by one judge, side by side."""

from causalimg.evaluation.bootstrap import Estimate, brief
from causalimg.evaluation.effect import Effectiveness, label, markdown


def compare(before: Effectiveness, after: Effectiveness) -> str:
    """A Markdown table of the error `before` and `after` fine-tuning, and of the judge's own.

    Raises ValueError where both were not judged by the same reader, with the same targets.
    """
    rows = []
    for name, old in before.effects.items():
        new = after[name]
        if before.judge != after.judge or not old.target.equal(new.target):
            raise ValueError(f"{name}: only what the same judge read, of the same items and targets, compares")
        ratios = [_ratio(new.error, old.error), _ratio(new.error, new.floor)]
        rows.append([label(old), str(old.error), str(new.error), str(new.floor), *ratios])
    heads = ["do", "error % before", "error % after", "judge's floor %", "after / before", "after / floor"]
    return f"{markdown(heads, rows)}\n\n{after.caption()}\n"


def _ratio(part: Estimate, whole: Estimate) -> str:
    return brief(part.value / whole.value) if whole.value else "–"
