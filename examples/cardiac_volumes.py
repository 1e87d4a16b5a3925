"""The slices of Sunnybrook Cardiac Data as NIfTI volumes, one for each patient and phase: scans/, outlines/, hearts.csv.

    python examples/cardiac_volumes.py ../shared/data/sunnybrook_lv --out out/cardiac_volumes
    causalimg evaluate examples/cardiac_volumes.yaml

Their pixels' size is not known, so that the 1 mm of the files means nothing, and areas are shares of the image.
"""

import argparse
import csv
from itertools import groupby
from pathlib import Path

import nibabel as nib
import numpy as np

FACTS = ("patient", "sex", "age", "pathology", "phase", "split")


def written(slices: np.ndarray, path: Path) -> None:
    """Slices (n, rows, columns), the base of the heart last, as they are shown: from front to back, from right to left."""
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(np.flip(slices, (1, 2)).transpose(2, 1, 0).copy(), np.diag([1, 1, 8, 1])), path)


def main(data: Path, out: Path) -> None:
    """Stack the slices of each patient and phase, and write the table."""
    arrays, rows = np.load(data / "lv_128.npz"), list(csv.DictReader((data / "metadata.csv").open()))

    def volume(at: int) -> tuple[str, str]:
        return rows[at]["patient"], rows[at]["phase"]

    hearts, images, labels = [], arrays["images"], arrays["labels"]
    upwards = sorted(range(len(rows)), key=lambda at: (*volume(at), -int(rows[at]["slice_index"])))
    for (patient, phase), group in groupby(upwards, volume):
        at, file = list(group), f"{patient}_{phase}.nii.gz"
        written(images[at], out / "scans" / file)
        written(labels[at], out / "outlines" / file)
        hearts.append({"file": file} | {name: rows[at[0]][name] for name in FACTS})
    with (out / "hearts.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, hearts[0])
        table.writeheader()
        table.writerows(hearts)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with lv_128.npz and metadata.csv")
    parser.add_argument("--out", type=Path, default=Path("out/cardiac_volumes"))
    main(**vars(parser.parse_args()))
