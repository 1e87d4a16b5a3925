"""A judgement of fine-tuning, written down: tables, plain data, and a dose-response figure for every variable."""

import json
from pathlib import Path

from causalimg.evaluation.compare import compare
from causalimg.evaluation.effect import Effectiveness, label
from causalimg.viz.curves import draw_dose_response


def write_judgement(out: Path, before: Effectiveness, after: Effectiveness) -> str:
    """Write ``judgement.md``, ``judgement.json`` and ``dose_response_*.png`` into the folder `out`; returns the tables.

    Raises ValueError where both were not judged by the same reader, with the same targets.
    """
    text = "\n".join([compare(before, after), "Before:\n", before.table(), "After:\n", after.table()])
    (out / "judgement.md").write_text(text)
    data = {"before": before.to_data(), "after": after.to_data()}
    (out / "judgement.json").write_text(json.dumps(data, indent=2) + "\n")
    for name, effect in after.effects.items():
        measured = {"before": before[name].measured, "after": effect.measured}
        draw_dose_response(effect.target, measured, label=label(effect), path=out / f"dose_response_{name}.png")
    return text
