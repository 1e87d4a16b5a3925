"""What a study was trained on and how, kept beside its models: a folder is gone on with only by the same study.

``study.json`` holds the plan with its sampler of interventions, the graph, and a digest of every column and mask of the rows to
train on and to choose weights by. (The rows to judge on are not in it: every judgement is made anew.)

A sampler of ours is known by its name and settings. One of yours is known by its qualified name only, and its code may have
changed under that name. So what was trained with it is never gone on with: such a study needs a new folder.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from reprlib import repr as brief
from typing import Any

from causalimg.graph.spec import Spec
from causalimg.guidance import Sampler
from causalimg.storage import SPEC
from causalimg.study.plan import Plan, Rows, Study
from causalimg.values import digests

RECORD = "study.json"
OTHER = {
    "plan": "with another plan",
    "graph": "of another graph",
    "train": "of other rows to train on",
    "val": "of other rows to choose weights by",
}
CHOOSE = "Choose another folder, or remove it."


def check_folder(folder: Path, study: Study, plan: Plan) -> None:
    """Let `folder` hold this study: write its record, or compare with the one that is there.

    Raises ValueError where the folder holds another study (with what differs), a study with a sampler that is not one of
    causalimg's, or models without a record.
    """
    path, record = folder / RECORD, record_of(study, plan)
    if not path.exists():
        if any(folder.glob(f"*/{SPEC}")):
            raise ValueError(f"{folder} holds models, but no {RECORD} that says what they were trained on. {CHOOSE}")
        path.write_text(json.dumps(record, indent=2) + "\n")
        return
    _compare(folder, json.loads(path.read_text()), record)
    if code := record["plan"]["sampler"].get("code"):
        raise ValueError(
            f"{folder} holds a study whose interventions are drawn by {code}: whether its code is still the same can't be "
            f"known, so that nothing is gone on with. {CHOOSE}"
        )


def record_of(study: Study, plan: Plan) -> dict[str, Any]:
    """All that what is trained depends on, as plain JSON data."""
    settings = plan.model_dump(mode="json", exclude={"sampler"})
    settings["sampler"] = _sampler(plan.sampler)
    settings |= {name: recipe.model_dump(mode="json") for name, recipe in plan.recipes.items()}
    graph = {name: variable.to_data() for name, variable in study.graph.variables.items()}
    return {"plan": settings, "graph": graph, "train": _digests(study.train), "val": _digests(study.val)}


def _sampler(sampler: Sampler) -> dict[str, Any]:
    """A sampler of causalimg by its kind and settings; other ``code`` by its qualified name."""
    kind = type(sampler)
    if isinstance(sampler, Spec) and kind.__module__.startswith("causalimg."):
        return {"kind": kind.__qualname__, **sampler.model_dump(mode="json")}
    named = sampler if hasattr(sampler, "__qualname__") else kind
    return {"code": f"{named.__module__}.{named.__qualname__}"}


def _digests(rows: Rows) -> dict[str, str]:
    return digests({**rows.values, **{f"mask of {structure}": mask for structure, mask in rows.masks.items()}})


def _compare(folder: Path, there: Mapping[str, Any], here: Mapping[str, Any]) -> None:
    """Raise ValueError that names what differs between two records."""
    here = json.loads(json.dumps(here))  # a tuple in a setting is a list in the file
    differences = []
    for part, other in OTHER.items():
        old, new = _flat(there.get(part, {})), _flat(here[part])
        names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
        if part in ("plan", "graph"):
            names = [f"{name}: {brief(old.get(name))} there, {brief(new.get(name))} here" for name in names]
        if names:
            differences.append(f"{other} ({', '.join(names)})")
    if differences:
        raise ValueError(f"{folder} holds a study {' and '.join(differences)}. {CHOOSE}")


def _flat(data: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Nested mappings as one, by dotted path."""
    flat: dict[str, Any] = {}
    for name, value in data.items():
        inner = _flat(value, f"{above}{name}.") if isinstance(value, Mapping) else {f"{above}{name}": value}
        flat.update(inner)
    return flat
