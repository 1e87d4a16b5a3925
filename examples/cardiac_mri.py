"""Counterfactual hearts from real cine MRI (Sunnybrook Cardiac Data): what if the left ventricle were smaller?

    python examples/cardiac_mri.py ../shared/data/sunnybrook_lv --out out/cardiac_mri

The folder holds `lv_128.npz` (arrays "images" and "labels", 1 = left-ventricle cavity) and `metadata.csv`, one row an image,
with the columns patient, sex, age, pathology, phase and split. Any folder of the same form will do.
"""

import argparse
from pathlib import Path

import causalimg as ci


class Heart(ci.Graph):
    """Short-axis slices: who the patient is, and when in the beat, causes how large the cavity is."""

    age = ci.Continuous(unit="year", bounds=(0, 120))
    sex = ci.Categorical(levels=("Female", "Male"))
    pathology = ci.Categorical(
        parents=[age, sex],
        levels=("Normal", "Hypertrophy", "Heart failure with infarct", "Heart failure without infarct"),
    )
    phase = ci.Categorical(levels=("ED", "ES"))
    lv_area = ci.Continuous(parents=[sex, pathology, phase], unit="fraction", bounds=(0, 0.5), measured=ci.Area("lv"))
    x = ci.Image(parents=[pathology, lv_area], shape=(1, 64, 64))


ROTATED = ci.Augment(rotate=180)
"""For the segmentors: 35 patients for training, so a heart may lie as it likes."""


def read(data: Path) -> ci.Table:
    """The slices, with their outlines, on which the cavity's area is measured."""
    return ci.read_table(
        Heart,
        data / "metadata.csv",
        data / "lv_128.npz",
        columns={"lv_area": None},  # measured on the masks at this resolution, not taken from the table
        masks=data / "lv_128.npz",
        structures=("lv",),
        normalise=ci.Percentile(1, 99),  # each image was scaled on its own: grey levels don't compare
    )


def main(data: Path, out: Path, steps: int, seed: int, every: int) -> None:
    """Read, fit, fine-tune, judge; figures, tables and the model go into `out`."""
    out.mkdir(parents=True, exist_ok=True)
    table = read(data)
    train, val, test = (table.where(split=split) for split in ("train", "val", "test"))
    test = test.rows(slice(None, None, every))

    guide, judge = (
        ci.Segmentor.unet(("lv",), encoder=encoder, seed=seed + i).fit(
            train["x"],
            train.masks,
            (val["x"], val.masks),
            recipe=ci.Recipe(steps=steps // 3, lr=4e-3),
            augment=ROTATED,
            seed=seed + i,
        )
        for i, encoder in enumerate(("tu-resnet18", "mobilenet_v2"))
    )
    print(f"guide\n{guide.report()}\njudge\n{judge.report()}")

    model = ci.compile(Heart, guide, seed=seed, x=ci.FlowMatching()).to(ci.accelerator())
    pose = ci.Pose(turn=True, mirror=True)  # 35 patients for training: no cause minds how a heart lies
    model.fit(train, val, seed=seed, pose=pose, x=ci.Recipe(steps=steps, batch=32))
    model.save(out / "model")

    # on average the image follows as far as was asked; with the guide at the question, each one does
    answers = {"fitted": model, "guided": ci.Guided(model, guide)}
    for way, one in answers.items():
        judged = ci.effectiveness(one, test, judge, groups=test.extra["patient"], allow_weak=True)  # the table says so
        print(f"{way}\n{judged.table()}")
    some = test.rows(range(0, len(test), max(1, len(test) // 6)))
    for factor in (0.7, 1.3):
        answers["guided"].do(some, lv_area=ci.scale(factor)).plot(out / f"lv_area_times_{factor:g}.png")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with lv_128.npz and metadata.csv")
    parser.add_argument("--out", type=Path, default=Path("out/cardiac_mri"))
    parser.add_argument("--steps", type=int, default=3000, help="of the image's fit; the rest follows it")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--every", type=int, default=1, help="of so many test slices one is judged: 10 for a first look"
    )
    main(**vars(parser.parse_args()))
