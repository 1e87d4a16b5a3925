"""The page: how many cases of each area got what, before and now, and every case."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.reliability.case import CONFUSING, CRASH, LOST, NOT_THERE, RIGHT, SILENT

Found = dict[str, Any]

SHOWN = (RIGHT, CONFUSING, SILENT, CRASH, LOST)

HEAD = """# Reliability

{total} bad inputs, faults and interruptions, each tried on the library in a process and a folder of its own, within limits of
memory and time. Each is something that a user may do, and says what is right: an answer that is checked, or an error that names
the thing. Made by

    python -m benchmarks.reliability --out docs/reliability.md

at commit `{now}`; *before* is the library at commit `{before}`, which the same program tried
(`git worktree add ../before {before}`, then `--library ../before --results benchmarks/results/reliability_before.json`).
A case is a line of `benchmarks/reliability/cases`; `--only "do: a number"` tries those of one area.

- **right**: the right answer, or an error of the right kind that names the thing, in a few lines
- **confusing**: an error that doesn't name it, or that comes from deep inside another library
- **silent**: a wrong answer, or one where none can be right, without a word
- **crash**: an error of a kind that no user can make anything of; also more than {gigabytes:g} GB more, or {seconds} s
- **lost**: what the user had is gone
- **not there**: the library had no such thing
"""


def write_page(path: Path, before: Path, now: Path) -> None:
    """Write the page from what was found before and now."""
    from benchmarks.reliability.runner import BYTES, SECONDS

    was, became = (json.loads(file.read_text()) for file in (before, now))
    earlier = {(one["area"], one["case"]): one for one in was["cases"]}
    cases = became["cases"]
    head = HEAD.format(
        total=len(cases), now=became["commit"], before=was["commit"], gigabytes=BYTES / 1e9, seconds=SECONDS
    )
    path.write_text("\n".join([head, counts(cases, earlier), *every_case(cases, earlier)]) + "\n")


Earlier = dict[tuple[str, str], Found]


def counts(cases: list[Found], earlier: Earlier) -> str:
    """A table: a line for each area, before | now for each verdict."""
    areas = list(dict.fromkeys(one["area"] for one in cases))
    lines = [_counted(area, [one for one in cases if one["area"] == area], earlier) for area in areas]
    names = [*(f"{word}, before \\| now" for word in SHOWN), NOT_THERE]
    head = [f"| area | cases | {' | '.join(names)} |", f"|---|--:|{'--:|' * len(names)}"]
    return "\n".join([*head, *lines, _counted("**all**", cases, earlier)])


def _counted(area: str, cases: list[Found], earlier: Earlier) -> str:
    now = Counter(one["word"] for one in cases)
    was = Counter(earlier.get((one["area"], one["case"]), {"word": NOT_THERE})["word"] for one in cases)
    cells = [f"{was[word]} \\| {now[word]}" for word in SHOWN]
    return f"| {area} | {len(cases)} | {' | '.join(cells)} | {was[NOT_THERE]} |"


def every_case(cases: list[Found], earlier: Earlier) -> list[str]:
    """A table for each area: a line for each case."""
    parts = []
    for area in dict.fromkeys(one["area"] for one in cases):
        lines = [_line(one, earlier) for one in cases if one["area"] == area]
        parts.append("\n".join([f"\n## {area.capitalize()}\n", "| case | before | now |", "|---|---|---|", *lines]))
    return parts


def _line(one: Found, earlier: Earlier) -> str:
    was = earlier.get((one["area"], one["case"]), {"word": NOT_THERE})["word"]
    now = one["word"] if one["word"] == RIGHT else f"**{one['word']}**: {plain(one['why'])}"
    return f"| {plain(one['case'])} | {was} | {now} |"


def plain(text: str) -> str:
    """`text` as it is, in a cell of a table."""
    for letter in "\\|*_`<[":
        text = text.replace(letter, f"\\{letter}")
    return text
