"""Phantom hearts as NIfTI volumes of three slices, the heart in the middle one: scans/, outlines/, hearts.csv.

    python examples/phantom_volumes.py --out out/phantom_volumes
    causalimg evaluate examples/phantom_volumes.yaml --method segmentor-per-question --set steps=400

The files say how large their voxels are, so that areas are measured in mm2.
"""

import argparse
from pathlib import Path

import nibabel as nib
import numpy as np
from torch import Tensor

import causalimg as ci

AFFINE = np.diag([1.875, 1.875, 8, 1])
"""A voxel has 1.875 x 1.875 x 8 mm."""


def write(picture: Tensor, path: Path, kind: type[np.generic], grain: int = 0) -> None:
    """A picture as the middle slice of a volume; the two beside it are `grain`."""
    dice = np.random.default_rng(0)
    volume = dice.integers(0, grain + 1, (*picture.T.shape, 3)).astype(kind)
    volume[..., 1] = np.flip(picture.numpy()).T
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(volume, AFFINE), path)


def main(out: Path, n: int, size: int) -> None:
    """Draw the hearts, and write their volumes and the table."""
    hearts, lines = ci.phantoms.Heart(size=size).sample(n), ["file,patient,age,sex"]
    ages, sexes = hearts.values["age"].tolist(), [("female", "male")[i] for i in hearts.values["sex"]]
    for i, (age, sex) in enumerate(zip(ages, sexes, strict=True)):
        write(1000 * hearts.values["x"][i, 0], out / "scans" / f"{i}.nii.gz", np.int16, grain=200)
        write(hearts.masks["lv"][i] + 2 * hearts.masks["myo"][i], out / "outlines" / f"{i}.nii.gz", np.uint8)
        lines.append(f"{i}.nii.gz,p{i},{age:.0f},{sex}")
    (out / "hearts.csv").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("out/phantom_volumes"))
    parser.add_argument("--n", type=int, default=160)
    parser.add_argument("--size", type=int, default=64)
    asked = parser.parse_args()
    main(asked.out, asked.n, asked.size)
