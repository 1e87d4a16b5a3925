"""How long until an image obeys? CPU-seconds of fit, and the share of do(digit) that reads as asked.

    OMP_NUM_THREADS=1 python benchmarks/morphomnist/obedience.py ../shared/data/morphomnist --out out/flow --steps 400 800 1600

A fit of its own for every length, since the rate falls to the end of each. Judged on held-out training images, by a classifier
that guided nobody; weights as fitted, and calibrated by a guide.
"""

import argparse
import time
from pathlib import Path

import torch
from protocol import abducted, another, answers, errors
from run import MECHANISMS, readers

import causalimg as ci

from morphomnist import MorphoMNIST, read, split  # isort: skip  (run.py says where it lies)


def main(data: Path, out: Path, steps: list[int], n: int, seed: int) -> None:
    """A row for every length."""
    train, val = split(read(data, "train"))
    guides, judges = (readers(train, val, out, role) for role in ("guide", "judge"))
    few, asked = ({name: column[rows] for name, column in val.items()} for rows in (slice(500), slice(500, 500 + n)))
    print("| steps | CPU-seconds | do(digit), calibrated | do(digit), weights 1 |\n| --- | --- | --- | --- |")
    for count in steps:
        model, start = ci.compile(MorphoMNIST, *guides, seed=seed, x=MECHANISMS["flow"].mechanism), time.process_time()
        recipe = MECHANISMS["flow"].fit.model_copy(update={"steps": count})
        model.fit(train, few, seed=seed, x=recipe)
        spent, known = time.process_time() - start, abducted(model, asked)
        shares = []
        for weights in (model.mechanisms["x"].weights.clone(), torch.ones(3)):
            model.mechanisms["x"].weights.copy_(weights)
            world = answers(model, known, "digit", another(asked["digit"], True, seed=0))
            shares.append(errors(world, model.graph, judges[1:])["digit by Classifier"])
        print(f"| {count} | {spent:.0f} | {shares[0]:.3f} | {shares[1]:.3f} |", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument(
        "--out", type=Path, default=Path("out/flow"), help="the folder of the readers, as run.py has it"
    )
    parser.add_argument("--steps", type=int, nargs="+", default=[400, 800, 1600])
    parser.add_argument("--n", type=int, default=300, help="images that are asked about")
    parser.add_argument("--seed", type=int, default=0)
    main(**vars(parser.parse_args()))
