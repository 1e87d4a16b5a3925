"""What cases got, as plain data on disk."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.reliability import world
from benchmarks.reliability.case import RIGHT, Case
from benchmarks.reliability.cases import all_cases
from benchmarks.reliability.runner import verdict

Found = dict[str, Any]
"""What a case got: its area and name, a verdict in a word, and why."""

SECRET = re.compile(r"0x[0-9a-f]+|/[\w./+-]*/(?=[\w.-]+)")
"""What differs from run to run, or says where this was run."""


def chosen(only: str, every: int) -> list[Case]:
    """The cases with `only` in their area or name, one of so many."""
    return [case for case in all_cases() if only in f"{case.area}: {case.name}"][::every]


def try_all(cases: Sequence[Case]) -> list[Found]:
    """What `cases` get; those that are not right are said."""
    world.warm()
    found, start = [], time.monotonic()
    for case in cases:
        word, why = verdict(case)
        found.append({"area": case.area, "case": case.name, "word": word, "why": brief(why)})
        if word != RIGHT:
            print(f"{word:10s} {case.area}: {case.name}: {brief(why)}", flush=True)
    print(f"{len(cases)} cases in {time.monotonic() - start:.0f} s", file=sys.stderr)
    return found


def brief(text: str) -> str:
    """`text` on one line, cut."""
    line = SECRET.sub("", " ".join(text.split()))
    return line if len(line) <= 160 else f"{line[:157]}..."


def write_results(path: Path, found: list[Found], library: Path) -> None:
    """Write what was found about the library in a folder."""
    head = ["git", "-C", str(library), "describe", "--always", "--dirty", "--exclude", "*"]
    commit = subprocess.run(head, capture_output=True, text=True, check=False).stdout.strip()
    cases = ",\n".join(json.dumps(one, ensure_ascii=False) for one in found)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'{{"commit": {json.dumps(commit)}, "cases": [\n{cases}\n]}}\n')
