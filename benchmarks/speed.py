"""How fast, beside the published way, in one run: what holds on any machine is the ratio.

    python benchmarks/speed.py --out benchmarks/results/speed.json

Every way takes its turn in every round; what is reported is the median over rounds. Peak memory is that of a process of its own
(Linux). Growth is measured over sizes at a batch of 8, and over batches at 32 px. Nothing else should run meanwhile.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch
from cases import TARGETS, WAYS, WORK, Action, Case
from machine import machine
from torch.utils.flop_counter import FlopCounterMode

RATIOS = [(32, 1), (32, 32), (64, 1), (64, 32)]
"""What is measured with every number of threads: size and batch."""

GROWTH = [(32, 8), (64, 8), (128, 8), (192, 8), (32, 256)]
"""What is measured with the first one only."""

LARGE = 8 * 128 * 128
"""From so many pixels in a batch on there are fewer rounds."""


def times(ways: list[str], size: int, batch: int, threads: int, rounds: int, device: str) -> list[dict[str, Any]]:
    """Seconds of every way and work: one record each."""
    torch.set_num_threads(threads)
    cases = {way: Case(way, size, batch, device) for way in ways}
    found = []
    for work in WORK:
        if (work in ("sweep", "draws") and batch != 1) or (work == "finetune" and batch == 1):  # one row has no spread
            continue
        actions = {way: case.action(work) for way, case in cases.items()}
        for action in actions.values():
            action()  # what is set up once, and caches
        seconds: dict[str, list[float]] = {way: [] for way in actions}
        for _ in range(rounds):
            for way, action in actions.items():
                seconds[way].append(_seconds(action, device))
        images = TARGETS if work in ("sweep", "draws") else batch
        for way, taken in seconds.items():
            median = statistics.median(taken)
            found.append(
                {
                    **{"way": way, "work": work, "size": size, "batch": batch, "threads": threads, "images": images},
                    **{"seconds": median, "least": min(taken), "most": max(taken), "images per s": images / median},
                }
            )
            print(f"{size:4d} px, batch {batch:3d}, {threads} threads, {work:8s} {way:22s} {median:.4f} s", flush=True)
    return found


def _seconds(action: Action, device: str) -> float:
    start = time.perf_counter()
    action()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def work_of_a_fit_step(ways: list[str], size: int, batch: int) -> dict[str, dict[str, float]]:
    """By way, on the CPU: parameters in millions, operations (10^9), and peak memory over what was there before, in MB."""
    found = {}
    for way in ways:
        case = Case(way, size, batch)
        with FlopCounterMode(display=False) as counter:
            case.action("fit")()
        here = Path(__file__)
        said = subprocess.run(
            [sys.executable, str(here.with_name("memory.py")), way, str(size), str(batch)],
            capture_output=True,
            text=True,
            check=True,
        )
        parameters = sum(p.numel() for p in case.mechanism.parameters())
        found[way] = {
            "parameters": parameters / 1e6,
            "GFLOP": counter.get_total_flops() / 1e9,
            "peak MB": float(said.stdout),
        }
        print(f"{way:22s} {found[way]}", flush=True)
    return found


def main(out: Path, ways: list[str], threads: list[int], rounds: int, device: str, small: bool, growth: bool) -> None:
    """Measure, print, and write JSON."""
    records = []
    for count in threads:
        for size, batch in GROWTH[:1] if small else RATIOS + GROWTH * (growth and count == threads[0]):
            few = max(1, rounds // 2) if size * size * batch >= LARGE else rounds
            records += times(ways, size, batch, count, few, device)
    costs = {f"{size} px, batch 32": work_of_a_fit_step(ways, size, 32) for size in ((32,) if small else (32, 64))}
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps({"machine": machine(device), "times": records, "fit step": costs}, indent=1) + "\n")
    print(out)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/speed.json"))
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--no-growth", dest="growth", action="store_false", help="sizes 32 and 64 only")
    parser.add_argument("--small", action="store_true", help="32 px, a batch of 8: to see whether it runs")
    main(**vars(parser.parse_args()))
