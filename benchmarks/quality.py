"""Time to quality: CPU-seconds until the held-out negative ELBO is what the published way has after its 3 000 steps.

    OMP_NUM_THREADS=1 python benchmarks/quality.py ../shared/data/morphomnist --out benchmarks/results/quality.json

Both train on Morpho-MNIST at 32 px by the same loop, with batches of 32, the same likelihood and floor of its scale, and the same
rows held out of the training images, each at its own rate of learning (ours 2e-3, the published 1e-3). Time is the
processor's, without the time to validate. `--ways` trains one of them in a process of its own; what the file holds of another
stays.
"""

import argparse
import json
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

from cases import WAYS
from machine import machine

import causalimg as ci
from causalimg.fit import FitStep, row_losses
from causalimg.training.loop import train

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))

from morphomnist import MorphoMNIST, read, split

HELD_OUT = 1000


def curve(way: str, data: Path, steps: int, seed: int) -> list[dict[str, float]]:
    """Steps, CPU-seconds and held-out negative ELBO per dimension, about ten times."""
    rows, held = split(read(data, "train"))
    held = {name: value[:HELD_OUT] for name, value in held.items()}
    mechanism = ci.compile(MorphoMNIST, x=WAYS[way]()).mechanisms["x"].unwrapped
    mechanism.prepare(rows["x"], {name: rows[name] for name in mechanism.parents})
    recipe = ci.Recipe(steps=steps, batch=32, lr=mechanism.recipe.lr, warmup=100)
    found: list[dict[str, float]] = []
    away = 0.0

    def validate() -> float:
        nonlocal away
        begin = time.process_time()
        nll = float(row_losses(mechanism, "x", held).mean())
        found.append({"CPU s": begin - start - away, "nll": nll})
        print(f"{way}: {found[-1]}", flush=True)
        away += time.process_time() - begin
        return nll

    columns = {name: rows[name] for name in ("x", *mechanism.parents)}
    start = time.process_time()
    train(FitStep(mechanism, "x"), columns, recipe, label=way, seed=seed, validate=validate)
    return found


def reached(found: list[dict[str, float]], target: float) -> float | None:
    """The CPU-seconds at which a curve is at `target`, between the points it has (at its first, if it is there by then); None
    if it never is."""
    if found[0]["nll"] <= target:
        return found[0]["CPU s"]
    for before, after in pairwise(found):
        if after["nll"] <= target < before["nll"]:
            share = (before["nll"] - target) / (before["nll"] - after["nll"])
            return before["CPU s"] + share * (after["CPU s"] - before["CPU s"])
    return None


def main(data: Path, out: Path, ways: list[str], steps: int, seed: int) -> None:
    """Train, compare, and write JSON."""
    said: dict[str, Any] = json.loads(out.read_text()) if out.exists() else {"curves": {}}
    for way in ways:
        said["curves"][way] = curve(way, data, steps, seed)
        said.setdefault("measured", {})[way] = {"steps": steps, "seed": seed, **machine()}
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(said, indent=1) + "\n")
    if "published" in said["curves"]:
        *_, last = said["curves"]["published"]
        said["to reach"] = last
        said["CPU s, as a share"] = {
            way: (at := reached(found, last["nll"])) and at / last["CPU s"] for way, found in said["curves"].items()
        }
        out.write_text(json.dumps(said, indent=1) + "\n")
        print(said["CPU s, as a share"])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/quality.json"))
    parser.add_argument("--ways", nargs="+", default=["published", "ours"], choices=WAYS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=3000)
    main(**vars(parser.parse_args()))
