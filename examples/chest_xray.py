"""Counterfactual radiographs from real films of children: what if the left lung were smaller, and the right one as it is?

    python examples/chest_xray.py ../shared/data/cxr_pediatric --out out/chest_xray

The folder holds `cxr_128.npz` (arrays "images" and "labels", 1 = the patient's right lung, 2 = the left) and `metadata.csv`,
one row an image, with the columns patient, finding and split. Any folder of the same form will do.
"""

import argparse
from pathlib import Path

import causalimg as ci

LUNGS = ("right_lung", "left_lung")


class Chest(ci.Graph):
    """A finding causes how large the lungs appear; the two sizes go together."""

    finding = ci.Categorical(levels=("normal", "bacteria", "virus"))
    right_lung = ci.Continuous(parents=[finding], unit="fraction", bounds=(0, 0.5), measured=ci.Area("right_lung"))
    left_lung = ci.Continuous(parents=[finding], unit="fraction", bounds=(0, 0.5), measured=ci.Area("left_lung"))
    x = ci.Image(parents=[finding, right_lung, left_lung], shape=(1, 64, 64))


def read(data: Path, graph: type[ci.Graph] = Chest) -> ci.Table:
    """The films, with their outlines; what the graph measures is measured on these."""
    films = data / "cxr_128.npz"
    return ci.read_table(graph, data / "metadata.csv", films, masks=films, structures=LUNGS)


def main(data: Path, out: Path, steps: int, seed: int, every: int) -> None:
    """Read, fit, fine-tune, judge; figures, tables and the model go into `out`."""
    out.mkdir(parents=True, exist_ok=True)
    table = read(data)
    train, val, test = (table.where(split=split) for split in ("train", "val", "test"))
    test = test.rows(slice(None, None, every))

    guide, judge = (
        ci.Segmentor.unet(LUNGS, encoder=encoder, seed=seed + i).fit(
            train["x"], train.masks, (val["x"], val.masks), recipe=ci.Recipe(steps=steps // 4, lr=4e-3), seed=seed + i
        )
        for i, encoder in enumerate(("tu-resnet18", "mobilenet_v2"))
    )
    print(f"guide\n{guide.report()}\njudge\n{judge.report()}")

    model = ci.compile(Chest, guide, x=ci.Edited(base=ci.HVAE(), edit=ci.Deform())).to(ci.accelerator())
    model.fit(train, val, seed=seed, x=ci.Recipe(steps=steps, lr=1.5e-3, warmup=100))
    judged = {"groups": test.extra["patient"], "allow_weak": True}  # a judge of few steps can't tell: the table says so
    before = ci.evaluate(model, test, [judge], **judged)

    recipe = ci.Recipe(steps=steps // 3, batch=24, lr=1e-3, warmup=20)
    model.finetune(train, val, guidance=[guide], recipe=recipe, seed=seed)
    after = ci.evaluate(model, test, [judge], **judged)

    comparison = ci.Comparison({"fitted": before, "fine-tuned": after})
    print(comparison.table())
    print(f"The page: {comparison.write(out)}")
    some = test.rows(range(0, len(test), max(1, len(test) // 6)))
    for factor in (0.8, 1.2):
        model.do(some, left_lung=ci.scale(factor)).plot(out / f"left_lung_times_{factor:g}.png")
    model.save(out / "model")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with cxr_128.npz and metadata.csv")
    parser.add_argument("--out", type=Path, default=Path("out/chest_xray"))
    parser.add_argument("--steps", type=int, default=1500, help="of the image's fit; the rest follows it")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--every", type=int, default=1, help="of so many test films one is judged: 10 for a first look")
    main(**vars(parser.parse_args()))
