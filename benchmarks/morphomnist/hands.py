"""Every digit in the hand of those who wrote another: the figure of docs/morphomnist.md.

python benchmarks/morphomnist/hands.py ../shared/data/morphomnist out/flow/flow_0_13000 --out docs/images/morphomnist_hands.png
"""

import argparse
import sys
from pathlib import Path

import torch
from matplotlib.figure import Figure

import causalimg as ci

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))

from morphomnist import read

WRITERS = range(20, 28)
"""Rows of the test set."""


def main(data: Path, folder: Path, out: Path) -> None:
    """Ask, and draw."""
    model, test = ci.CausalModel.load(folder), read(data, "t10k")
    hands = []
    for row in WRITERS:
        answer = model.do({name: column[row] for name, column in test.items()}, digit=torch.arange(10))
        hands.append(torch.cat([test["x"][row], *answer["x"]], dim=2)[0])
    figure = Figure(figsize=(8.8, 6.6))
    axes = figure.add_axes((0, 0, 1, 0.95))
    axes.imshow(torch.cat(hands), cmap="gray", vmin=0, vmax=1)
    axes.axvline(test["x"].shape[-1] - 0.5, color="orange", linewidth=2)
    axes.axis("off")
    for column, title in enumerate(["factual", *(f"do(digit={digit})" for digit in range(10))]):
        figure.text((column + 0.5) / 11, 0.965, title, ha="center", fontsize=8)
    figure.savefig(out, dpi=110)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("folder", type=Path, help="of a fitted model, as run.py leaves it")
    parser.add_argument("--out", type=Path, default=Path("hands.png"))
    main(**vars(parser.parse_args()))
