"""Morpho-MNIST to the published protocol: train, judge, and print the table beside the published one.

    OMP_NUM_THREADS=2 python benchmarks/morphomnist/run.py ../shared/data/morphomnist --out out/morphomnist --steps 8000

What `--out` holds is not trained again. Weights are chosen on the last 5 000 training images; test images only make the table.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import torch
from morphometry import Morphometer
from protocol import another, answers, apart, composition, errors, frechet, reversibility
from torch import Tensor

import causalimg as ci

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parents[1] / "examples"), str(HERE.parent)]

from machine import machine  # noqa: E402
from morphomnist import MorphoMNIST, read, split  # noqa: E402

NUMBERS = ["thickness", "intensity"]
DIGITS = {"digit": tuple("0123456789")}
AS_IS = ci.Augment(brightness=0, contrast=0, gamma=0, blur=0, noise=0.01, rotate=0, scale=0, shift=0)
"""Readers see strokes as they are: turned or shifted by parts of a pixel they are blurred, thicker and darker."""

READING = 4
"""Steps that readers train, in tenths of the steps of the image's fit."""

PUBLISHED: dict[str, Any] = {
    "who": "Melistas et al. 2024, hierarchical VAE, judged by their predictors",
    "composition, noise x 0.1": {"1": 0.438, "10": 1.550},
    "effectiveness": {
        "thickness": {"thickness": 0.086, "intensity": 1.99, "digit": 0.985},
        "intensity": {"thickness": 0.224, "intensity": 3.52, "digit": 0.935},
        "digit": {"thickness": 0.117, "intensity": 2.10, "digit": 0.972},
    },
}


def readers(train: dict[str, Tensor], val: dict[str, Tensor], out: Path, role: str, steps: int) -> list[ci.Reader]:
    """A regressor that guides; or a regressor and a classifier of another architecture and seed that judge."""
    encoder, seed, count = {"guide": ("tu-resnet18", 0, 1), "judge": ("tu-resnet34", 1, 2)}[role]
    recipe = ci.Recipe(steps=steps, batch=64, lr=3e-3)
    made: list[ci.Reader] = []
    for kind, new, names in [
        (ci.Regressor, ci.Regressor.cnn(NUMBERS, encoder=encoder, seed=seed), NUMBERS),
        (ci.Classifier, ci.Classifier.cnn(DIGITS, encoder=encoder, seed=seed), DIGITS),
    ][:count]:
        folder = out / f"{role}_{kind.__name__.lower()}_{steps}"
        if not folder.exists():
            labels, held = ({name: rows[name] for name in names} for rows in (train, val))
            new.fit(train["x"], labels, (val["x"], held), recipe=recipe, augment=AS_IS, seed=seed).save(folder)
        made.append(kind.load(folder))
    return made


def trained(
    train: dict[str, Tensor], val: dict[str, Tensor], out: Path, steps: int, tune: int, seed: int
) -> ci.CausalModel:
    """The model: fitted, and fine-tuned for `tune` steps if that is not 0."""
    folder = out / f"model_{seed}_{steps}_{tune}"
    if folder.exists():
        return ci.CausalModel.load(folder)
    if tune:
        model = trained(train, val, out, steps, 0, seed)
        guides = readers(train, val, out, "guide", READING * steps // 10)
        recipe = ci.Recipe(steps=tune, batch=32, lr=2e-3, warmup=tune // 20)
        # a jitter of the view is what intensity measures; a stroke has no outline, and change is what was asked for
        terms = [term(guide) for guide in guides for term in (ci.Target, ci.Hold)]
        some = {name: value[:20000] for name, value in train.items()}
        model.finetune(
            some,
            {name: value[:500] for name, value in val.items()},
            guidance=[*terms, ci.Minimality()],
            view=ci.View(jitter=0),
            recipe=recipe,
            seed=seed,
        )
    else:
        model = ci.compile(MorphoMNIST)
        recipe = ci.Recipe(steps=steps, batch=32, lr=2e-3, warmup=min(100, steps))
        model.fit(
            train, {name: value[:1000] for name, value in val.items()}, seed=seed, x=recipe, log=out / f"fit_{seed}"
        )
    model.save(folder)
    return model


def judged(
    model: ci.CausalModel, test: dict[str, Tensor], judges: list[ci.Reader], features: Any, others: Tensor
) -> dict[str, Any]:
    """Every number of the protocol; `others` are the features of other test images."""
    found: dict[str, Any] = {"effectiveness": {}, "reversibility": {}, "minimality": {}, "realism": {}}
    for name in ("thickness", "intensity", "digit"):
        world = answers(model, test, name, another(test[name], model.graph[name].discrete, seed=0))
        found["effectiveness"][name] = errors(world, model.graph, judges)
        found["reversibility"][name] = reversibility(model, test, name, world)
        found["minimality"][name] = apart(world["x"], test["x"])
        found["realism"][name] = frechet(features(world["x"]), others)
    for tau, said in ((1.0, "noise"), (0.1, "noise x 0.1"), (0.0, "no noise")):
        found[f"composition, {said}"] = composition(model, test, tau)
    return found


def main(data: Path, out: Path, steps: int, tune: int, seeds: list[int], n: int, results: Path | None) -> None:
    """Train, judge, print, and write JSON."""
    out.mkdir(parents=True, exist_ok=True)
    start, busy = time.perf_counter(), time.process_time()
    train, val = split(read(data, "train"))
    every = read(data, "t10k")
    order = torch.randperm(len(every["x"]), generator=torch.Generator().manual_seed(0))
    test, others = ({name: value[rows] for name, value in every.items()} for rows in (order[:n], order[n : 2 * n]))
    models = {
        f"seed {seed}, {'fine-tuned' if some else 'fitted'}": trained(train, val, out, steps, some, seed)
        for seed in seeds
        for some in sorted({0, tune})
    }
    neural = readers(train, val, out, "judge", READING * steps // 10)
    spent = {"minutes": (time.perf_counter() - start) / 60, "CPU minutes": (time.process_time() - busy) / 60}
    judges = [*neural, Morphometer()]

    def features(images: Tensor) -> Tensor:
        with torch.no_grad():
            layers = neural[1].network.layers
            return torch.cat([layers(part)[-1].mean((2, 3)) for part in images.split(500)])

    elsewhere = features(others["x"])
    table: dict[str, Any] = {
        "published": PUBLISHED,
        "judges on factual images": errors(test, MorphoMNIST(), judges),
        "realism of test images against others": frechet(features(test["x"]), elsewhere),
        "realism: features of": "the judging classifier (tu-resnet34), mean over the last map",
        "items": n,
        "steps": {"fit": steps, "finetune": tune},
        "training of what the folder did not hold": spent,
        "machine": machine(),
    }
    table |= {name: judged(model, test, judges, features, elsewhere) for name, model in models.items()}
    text = json.dumps(table, indent=1)
    print(text)
    if results:
        results.parent.mkdir(parents=True, exist_ok=True)
        results.write_text(text + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, default=Path("out/morphomnist"))
    parser.add_argument("--steps", type=int, default=8000, help="of the image's fit")
    parser.add_argument("--tune", type=int, default=0, help="steps of fine-tuning under a regressor")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--n", type=int, default=2000, help="test images that are judged")
    parser.add_argument("--results", type=Path, help="where to write the table as JSON")
    main(**vars(parser.parse_args()))
