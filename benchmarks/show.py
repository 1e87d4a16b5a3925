"""Tables and the plot of docs/performance.md, from what `speed.py` measured.

python benchmarks/show.py benchmarks/results/speed.json --plot docs/images/speed.png
"""

import argparse
import json
import math
from collections.abc import Sequence
from pathlib import Path
from statistics import linear_regression
from typing import Any

from matplotlib.figure import Figure

SAID = {
    "fit": "fit, a step",
    "finetune": "finetune, a step",
    "do": "do",
    "sweep": "do, 16 targets on one image",
    "draws": "do, 16 draws of one answer",
    "sample": "sample",
}
Record = dict[str, Any]


def speeds(records: Sequence[Record], size: int, batch: int, threads: int) -> list[str]:
    """A row for each kind of work: images per second of every way, and how many times the published way's."""
    rows = []
    for work, said in SAID.items():
        here = {r["way"]: r for r in records if chosen(r, work, size, batch, threads)}
        if here:
            each = {way: record["images per s"] for way, record in here.items()}
            cells = [
                f"{fast:.3g}: **{fast / each['published']:.1f}**" for way, fast in each.items() if way != "published"
            ]
            rows.append(f"| {said} | {each['published']:.3g} | {' | '.join(cells)} |")
    return rows


def chosen(record: Record, work: str, size: int, batch: int, threads: int) -> bool:
    """Whether this is the record."""
    return (record["work"], record["size"], record["batch"], record["threads"]) == (work, size, batch, threads)


def slope(xs: Sequence[float], ys: Sequence[float]) -> float:
    """Of log y over log x, least squares: 1 is linear."""
    return linear_regression([math.log(x) for x in xs], [math.log(y) for y in ys]).slope


def growth(records: Sequence[Record], work: str, threads: int) -> dict[str, tuple[list[float], list[float]]]:
    """Seconds of ours over pixels (a batch of 8) and over the batch (32 px)."""
    ours = [r for r in records if r["way"] == "ours" and r["work"] == work and r["threads"] == threads]
    by_size = sorted((r["size"] ** 2, r["seconds"]) for r in ours if r["batch"] == 8)
    by_batch = sorted((r["batch"], r["seconds"]) for r in ours if r["size"] == 32)
    return {"pixels of an image": _columns(by_size), "images in a batch": _columns(by_batch)}


def _columns(pairs: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [x for x, _ in pairs], [y for _, y in pairs]


def plot(records: Sequence[Record], path: Path) -> None:
    """Time over pixels and over the batch, with the slope of each line."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    for work, colour in (("fit", "#1b6ca8"), ("finetune", "#c05c1c"), ("do", "#3a7d44")):
        for axis, (label, (xs, ys)) in zip(axes, growth(records, work, 1).items(), strict=True):
            axis.loglog(xs, ys, "o-", color=colour, label=f"{SAID[work]}: slope {slope(xs, ys):.2f}")
            axis.set_xlabel(label)
    axes[0].set_ylabel("seconds, one thread")
    for axis in axes:
        axis.grid(True, which="both", alpha=0.2)
        axis.legend(frameon=False)
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)


def main(results: Path, image: Path | None) -> None:
    """Print tables; draw the plot."""
    said = json.loads(results.read_text())
    records = said["times"]
    ways = list(dict.fromkeys(r["way"] for r in records))
    print(said["machine"])
    for threads in sorted({r["threads"] for r in records}):
        for size, batch in sorted({(r["size"], r["batch"]) for r in records}):
            if rows := speeds(records, size, batch, threads):
                print(f"\n{size} px, batch {batch}, {threads} thread(s), images per second\n")
                print("\n".join([f"| | {' | '.join(ways)} |\n|" + " --- |" * (len(ways) + 1), *rows]))
    for where, costs in said["fit step"].items():
        print(f"\nA fit step, {where}\n\n| | parameters, M | GFLOP | peak memory, MB |\n| --- | --- | --- | --- |")
        print("\n".join(f"| {way} | " + " | ".join(f"{v:.3g}" for v in costs[way].values()) + " |" for way in ways))
    if image:
        plot(records, image)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path)
    parser.add_argument("--plot", type=Path, dest="image")
    main(**vars(parser.parse_args()))
