"""Counterfactual digits: what if this seven had been written with a thicker pen, or had been a three?

    python examples/morphomnist.py ../shared/data/morphomnist --out out/morphomnist

The folder holds Morpho-MNIST with thickness and intensity as in *Deep Structural Causal Models* (Pawlowski et al., 2020): images
and labels as in MNIST (`train-images-idx3-ubyte.gz`, ...), and `train-morpho.csv`, `t10k-morpho.csv` with the columns index,
thickness, intensity.
"""

import argparse
import gzip
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

import causalimg as ci

PAD = 2  # 28 -> 32, as published code does
HELD_OUT = 5000
"""So many of the training images choose weights; the test images choose nothing."""


class MorphoMNIST(ci.Graph):
    """A thicker pen writes brighter; the digit is independent of both."""

    digit = ci.Categorical(levels=tuple("0123456789"))
    thickness = ci.Continuous(unit="px", bounds=(0, None))
    intensity = ci.Continuous(parents=[thickness], unit="grey level", bounds=(0, 255))
    x = ci.Image(parents=[thickness, intensity, digit], shape=(1, 32, 32))


def read(data: Path, part: str) -> dict[str, Tensor]:
    """Every variable of a `part`, ``"train"`` or ``"t10k"``, by name."""
    images = _idx(data / f"{part}-images-idx3-ubyte.gz", 16).reshape(-1, 1, 28, 28)
    morpho = np.loadtxt(data / f"{part}-morpho.csv", delimiter=",", skiprows=1, dtype=np.float32)
    return {
        "digit": _idx(data / f"{part}-labels-idx1-ubyte.gz", 8).long(),
        "thickness": torch.from_numpy(morpho[:, 1]),
        "intensity": torch.from_numpy(morpho[:, 2]),
        "x": torch.nn.functional.pad(images / 255, [PAD] * 4),
    }


def split(values: dict[str, Tensor], held_out: int = HELD_OUT) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Training and validation rows; the last `held_out` are for validation."""
    return {k: v[:-held_out] for k, v in values.items()}, {k: v[-held_out:] for k, v in values.items()}


def _idx(path: Path, header: int) -> Tensor:
    """The bytes of an idx file after its header."""
    return torch.from_numpy(np.frombuffer(gzip.open(path).read(), np.uint8, offset=header).copy())


def main(data: Path, out: Path, steps: int, seed: int) -> None:
    """Fit, and draw counterfactuals of test images."""
    train, val = split(read(data, "train"))
    some = {name: column[:500] for name, column in val.items()}
    model = ci.compile(
        MorphoMNIST, x=ci.FlowMatching()
    )  # an autoencoder holds the stroke in its latents: it can't redraw it
    recipe = ci.FlowMatching.recipe.model_copy(update={"steps": steps})
    model.fit(train, some, seed=seed, x=recipe)
    model.save(out / "model")

    shown = {name: column[:6] for name, column in read(data, "t10k").items()}
    model.do(shown, thickness=ci.scale(1.8)).plot(out / "thicker.png")
    model.do(shown, intensity=110.0).plot(out / "darker.png")
    model.do(shown, digit="3").plot(out / "three.png")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with the files of Morpho-MNIST")
    parser.add_argument("--out", type=Path, default=Path("out/morphomnist"))
    parser.add_argument("--steps", type=int, default=3000, help="of the image's fit")
    parser.add_argument("--seed", type=int, default=0)
    main(**vars(parser.parse_args()))
