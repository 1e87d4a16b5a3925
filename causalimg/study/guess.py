"""A first ``study.yaml`` for a CSV file, to be checked by whoever knows what causes what.

What a table says of itself is guessed: which columns are numbers, levels, patients, files. Which causes which it can't say: here
every column causes every structure, and all of them the image.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from causalimg.data.csv_file import CsvFile
from causalimg.data.images import open_picture
from causalimg.data.limits import USUAL
from causalimg.data.problems import Problems
from causalimg.data.volumes import Picture

LEVELS = 8
"""A column of text with at most so many different cells is guessed to be levels, and so are numbers with half as many."""

PATIENTS = ("patient", "patient_id", "subject", "subject_id", "pid", "case")
FILES = ("file", "filename", "image", "path", "scan")
PARTS = ("split", "fold", "set")
SIDE = 64
"""Pixels of an image's side, to begin with: see docs/choosing.md for more."""


def guessed(csv: Path, images: Path | None, masks: Path | None, structures: Sequence[str]) -> str:
    """The text of a ``study.yaml`` for these files, whose guesses are marked. Raises TableError for what is no table, and
    FileNotFoundError."""
    problems = Problems(csv)
    table = CsvFile.read(csv, problems, USUAL)
    problems.check()
    columns = table.columns
    file = next((name for name in columns if name.lower() in FILES), None)
    patient = next((name for name in columns if name.lower() in PATIENTS), None)
    facts = {name: _fact(cells) for name, cells in columns.items() if name not in (file, patient, *PARTS)}
    ignored = [name for name, fact in facts.items() if fact is None]
    causes = {name: fact for name, fact in facts.items() if fact is not None and name not in _areas(structures)}
    said: dict[str, Any] = {"csv": str(csv)}
    said |= {} if images is None else {"images": str(images)}
    said |= {} if masks is None else {"masks": str(masks), "structures": list(structures)}
    renamed: dict[str, Any] = {} if file in (None, "file") else {"x": file}
    renamed |= dict.fromkeys(name for name in _areas(structures) if name in columns)
    said |= {"columns": renamed} if renamed else {}
    lines = ["# Guessed from the table. Check what is marked; above all, who causes what.", _yaml(said)]
    lines.append(f"patient: {patient or 'null'}  # guess: whose image a row is; null: each row counts by itself")
    lines += [f"# {name}: neither numbers nor a few levels, not used" for name in ignored]
    return (
        "\n".join(
            [
                *lines,
                *_graph(csv.stem.title(), causes, structures, _channels(images or csv.parent, columns.get(file or ""))),
            ]
        )
        + "\n"
    )


def _areas(structures: Sequence[str]) -> list[str]:
    return [f"{structure}_area" for structure in structures]


def _fact(cells: Sequence[str]) -> dict[str, Any] | None:
    """The variable that a column may be, as plain data; None where it is neither numbers nor a few levels."""
    different = sorted(set(cells))
    try:
        numbers = [float(cell) for cell in cells]
    except ValueError:
        numbers = []
    if numbers and len(different) > LEVELS // 2:
        return {"kind": "Continuous"} | ({"bounds": [0, None]} if min(numbers) >= 0 else {})
    if 1 < len(different) <= LEVELS and "" not in different:
        return {"kind": "Categorical", "levels": different}
    return None


def _channels(images: Path, names: Sequence[str] | None) -> int:
    """Of the first image: 1, or 3 of colours; 1 where it can't be read, which `check` says."""
    try:
        seen = open_picture(images / names[0]) if names else None
    except (OSError, ValueError):
        return 1
    return 3 if isinstance(seen, Picture) and len(seen.shape) == 3 else 1


def _graph(title: str, causes: Mapping[str, dict[str, Any]], structures: Sequence[str], channels: int) -> list[str]:
    """The lines of the graph."""
    written = {name: (fact, _why(fact)) for name, fact in causes.items()}
    for area, structure in zip(_areas(structures), structures, strict=True):
        fact = {"kind": "Continuous", "parents": list(causes), "unit": "fraction", "bounds": [0, 1]}
        measured = {"measured": {"kind": "Area", "structure": structure}}
        written[area] = (
            {**fact, **measured},
            "as measured on the masks",
        )
    image = {"kind": "Image", "parents": list(written), "shape": [channels, SIDE, SIDE]}
    written["x"] = (image, "say spacing: [mm, mm] for areas in mm2")
    lines = [f"    {name}: {_flow(fact)}  # guess: {why}" for name, (fact, why) in written.items()]
    return ["graph:", f"  title: {title}", "  variables:", *lines]


def _why(fact: Mapping[str, Any]) -> str:
    return f"{len(fact['levels'])} levels" if "levels" in fact else "numbers; say its unit"


def _yaml(said: Any) -> str:
    return str(yaml.safe_dump(said, sort_keys=False, default_flow_style=None, allow_unicode=True, width=120)).rstrip()


def _flow(said: Any) -> str:
    return str(yaml.safe_dump(said, sort_keys=False, default_flow_style=True, allow_unicode=True, width=10**6)).strip()
