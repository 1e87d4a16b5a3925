"""The tables of docs/morphomnist.md, beside the published one, from what `run.py` wrote.

python benchmarks/morphomnist/beside.py benchmarks/results/morphomnist.json
"""

import argparse
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

DO = ("thickness", "intensity", "digit")
JUDGES = ("thickness by Morphometer", "thickness by Regressor", "intensity by Morphometer", "intensity by Regressor")
DIGIT = "digit by Classifier"


def effectiveness(said: Mapping[str, Any]) -> Iterator[str]:
    """Errors of the readings, one row for each of ours, the published, and the judges on factual images."""
    columns = [*JUDGES, DIGIT]
    yield "| do | who | " + " | ".join(columns) + " |"
    yield "| --- | --- |" + " --- |" * len(columns)
    yield row("nothing: factual images", "", said["judges on factual images"], columns)
    for name in DO:
        yield row(name, "published", _published(said, name), columns)
        for who in models(said):
            yield row(name, f"ours, {who}", said[who]["effectiveness"][name], columns)


def axioms(said: Mapping[str, Any]) -> Iterator[str]:
    """Composition by treatment of the pixels' noise; reversibility, minimality and realism by what was set."""
    names = models(said)
    yield "| | published | " + " | ".join(f"ours, {who}" for who in names) + " |"
    yield "| --- | --- |" + " --- |" * len(names)
    for key in ("composition, noise", "composition, noise x 0.1", "composition, no noise"):
        cells = [_cycles(said[who][key]) for who in names]
        published = said["published"].get(key)
        yield f"| {key}: 1, 10 cycles | {_cycles(published) if published else ''} | " + " | ".join(cells) + " |"
    cost = "CPU ms per image, abduction and do(digit)"
    yield f"| {cost} | | " + " | ".join(f"{said[who][cost]:.1f}" if cost in said[who] else "" for who in names) + " |"
    for axiom in ("reversibility", "minimality", "realism"):
        for name in DO:
            cells = [f"{said[who][axiom][name]:.3g}" for who in names]
            yield f"| {axiom}, do({name}) | | " + " | ".join(cells) + " |"


def models(said: Mapping[str, Any]) -> list[str]:
    """The models that were judged, by name."""
    return [key for key, value in said.items() if isinstance(value, dict) and "reversibility" in value]


def row(name: str, who: str, found: Mapping[str, float], columns: list[str]) -> str:
    """One row of `effectiveness`; empty where nothing was found."""
    cells = [f"{found[column]:.3g}" if column in found else "" for column in columns]
    return f"| {name} | {who} | " + " | ".join(cells) + " |"


def _published(said: Mapping[str, Any], name: str) -> dict[str, float]:
    given = said["published"]["effectiveness"][name]
    return {f"{key} by {'Classifier' if key == 'digit' else 'Regressor'}": value for key, value in given.items()}


def _cycles(found: Mapping[str, float]) -> str:
    return ", ".join(f"{value:.3g}" for value in found.values())


def main(results: Path) -> None:
    """Print both tables."""
    said = json.loads(results.read_text())
    print("\n".join([*effectiveness(said), "", *axioms(said)]))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path)
    main(**vars(parser.parse_args()))
