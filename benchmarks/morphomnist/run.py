"""Morpho-MNIST to the published protocol: train, judge, and print the table beside the published one.

    OMP_NUM_THREADS=2 python benchmarks/morphomnist/run.py ../shared/data/morphomnist --out out/flow --steps 4500
    OMP_NUM_THREADS=2 python benchmarks/morphomnist/run.py ../shared/data/morphomnist --out out/hvae --mechanism hvae --steps 8000

What `--out` holds is not trained again. Weights are chosen on the last 5 000 training images; test images only make the table.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import torch
from morphometry import Morphometer
from protocol import abducted, another, answers, apart, composition, errors, frechet, reversibility
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

CYCLED = 50
"""So many test images go through cycles of doing nothing."""

READING = 2000
"""Steps that readers train."""

OBEYING: dict[str, Any] = {
    "widths": (24, 48, 96, 128, 128),
    "latents": (0, 0, 0, 16, 32),
    "scale_floor": 0.2,
    "mediator": True,
}
"""An HVAE with latents at 2x2 and 1x1 only, a prior that sees the parents, and pixels with a noise of a fifth of the range."""


class Way(NamedTuple):
    """A mechanism of the image, and how it is fitted and fine-tuned but for the steps."""

    mechanism: ci.Mechanism
    fit: ci.Recipe
    tuning: ci.Recipe
    bound: ci.Bound | None = None


MECHANISMS = {
    "flow": Way(ci.FlowMatching(), ci.FlowMatching.recipe, ci.Recipe()),
    "hvae": Way(
        ci.Edited(base=ci.HVAE(), edit=ci.Deform()), ci.Recipe(batch=32, lr=2e-3, warmup=100), ci.Recipe(lr=2e-3)
    ),
    "mediator": Way(
        ci.HVAE(**(OBEYING | {"scale_floor": 0.1})),
        ci.Recipe(batch=128, lr=2e-3, warmup=100),
        ci.Recipe(lr=5e-4),
        ci.Bound(tolerance=0.05),
    ),
}

PUBLISHED: dict[str, Any] = {
    "who": "Melistas et al. 2024, hierarchical VAE, judged by their predictors",
    "composition, noise x 0.1": {"1": 0.438, "10": 1.550},
    "effectiveness": {
        "thickness": {"thickness": 0.086, "intensity": 1.99, "digit": 0.985},
        "intensity": {"thickness": 0.224, "intensity": 3.52, "digit": 0.935},
        "digit": {"thickness": 0.117, "intensity": 2.10, "digit": 0.972},
    },
}


def readers(train: dict[str, Tensor], val: dict[str, Tensor], out: Path, role: str) -> list[ci.Reader]:
    """A regressor and a classifier: those that guide, or those that judge, of another architecture and seed."""
    encoder, seed = {"guide": ("tu-resnet18", 0), "judge": ("tu-resnet34", 1)}[role]
    recipe = ci.Recipe(steps=READING, batch=64, lr=3e-3)
    made: list[ci.Reader] = []
    for kind, new, names in [
        (ci.Regressor, ci.Regressor.cnn(NUMBERS, encoder=encoder, seed=seed), NUMBERS),
        (ci.Classifier, ci.Classifier.cnn(DIGITS, encoder=encoder, seed=seed), DIGITS),
    ]:
        folder = out / f"{role}_{kind.__name__.lower()}"
        if not folder.exists():
            labels, held = ({name: rows[name] for name in names} for rows in (train, val))
            new.fit(train["x"], labels, (val["x"], held), recipe=recipe, augment=AS_IS, seed=seed).save(folder)
        made.append(kind.load(folder))
    return made


def fitted(
    train: dict[str, Tensor], val: dict[str, Tensor], out: Path, mechanism: str, steps: int, seed: int
) -> ci.CausalModel:
    """The model, fitted; a flow's weights are calibrated on the guides."""
    folder = out / f"{mechanism}_{seed}_{steps}"
    if not folder.exists():
        way = MECHANISMS[mechanism]
        model = ci.compile(MorphoMNIST, *readers(train, val, out, "guide"), seed=seed, x=way.mechanism).to(
            ci.accelerator()
        )
        some = {name: value[:1000] for name, value in val.items()}
        recipe = way.fit.model_copy(update={"steps": steps})
        model.fit(train, some, seed=seed, x=recipe, log=out / f"{folder.name}_fit")
        model.save(folder)
    return ci.CausalModel.load(folder).to(ci.accelerator())


def tuned(
    train: dict[str, Tensor], val: dict[str, Tensor], out: Path, mechanism: str, steps: int, tune: int, seed: int
) -> ci.CausalModel:
    """The fitted model, fine-tuned for `tune` steps under the guides."""
    folder = out / f"{mechanism}_{seed}_{steps}_{tune}"
    if not folder.exists():
        model = fitted(train, val, out, mechanism, steps, seed)
        how = MECHANISMS[mechanism]
        recipe = how.tuning.model_copy(update={"steps": tune, "batch": 32, "warmup": tune // 20})
        # a jitter of the view is what intensity measures; a stroke has no outline, and change is what was asked for
        terms = [term(guide) for guide in readers(train, val, out, "guide") for term in (ci.Target, ci.Hold)]
        some, few = ({name: value[:n] for name, value in rows.items()} for rows, n in ((train, 20000), (val, 500)))
        guidance = [*terms, ci.Minimality()]
        view = ci.View(jitter=0)
        model.finetune(some, few, guidance=guidance, view=view, recipe=recipe, bound=how.bound, seed=seed)
        model.save(folder)
    return ci.CausalModel.load(folder).to(ci.accelerator())


def ways(
    train: dict[str, Tensor],
    val: dict[str, Tensor],
    out: Path,
    mechanism: str,
    steps: int,
    tune: int,
    solving: list[int],
    seed: int,
) -> dict[str, ci.CausalModel]:
    """Who answers, by name: of a flow, also with all weights 1, without fresh noise in abduction, and solved in other steps."""
    found = {"fitted": fitted(train, val, out, mechanism, steps, seed)}
    if mechanism == "flow":
        ones = torch.ones(3, device=ci.accelerator())
        changes: dict[str, dict[str, Any]] = {"weights 1": {"weights": ones}, "no fresh noise": {"begin": 1.0}}
        for way, changed in (changes | {f"{count} steps": {"steps": count} for count in solving}).items():
            found[way] = fitted(train, val, out, mechanism, steps, seed)
            for setting, value in changed.items():
                setattr(found[way].mechanisms["x"], setting, value)
    return found | ({"fine-tuned": tuned(train, val, out, mechanism, steps, tune, seed)} if tune else {})


def judged(
    model: ci.CausalModel, test: dict[str, Tensor], judges: list[ci.Reader], features: Any, others: Tensor
) -> dict[str, Any]:
    """Every number of the protocol; `others` are the features of other test images."""
    found: dict[str, Any] = {"effectiveness": {}, "reversibility": {}, "minimality": {}, "realism": {}}
    known, start = abducted(model, test), time.process_time()
    for name in ("digit", "thickness", "intensity"):
        world = answers(model, known, name, another(test[name], model.graph[name].discrete, seed=0))
        found.setdefault(
            "CPU ms per image, abduction and do(digit)", 1e3 * (time.process_time() - start) / len(test["x"])
        )
        found["effectiveness"][name] = errors(world, model.graph, judges)
        found["reversibility"][name] = reversibility(model, test, name, world)
        found["minimality"][name] = apart(world["x"], test["x"])
        found["realism"][name] = frechet(features(world["x"]), others)
    few = {name: value[:CYCLED] for name, value in test.items()}
    for tau, said in ((1.0, "noise"), (0.1, "noise x 0.1"), (0.0, "no noise")):
        found[f"composition, {said}"] = composition(model, few, tau)
    return found


def main(
    data: Path,
    out: Path,
    mechanism: str,
    steps: int,
    tune: int,
    solving: list[int],
    seeds: list[int],
    n: int,
    results: Path | None,
) -> None:
    """Train, judge, print, and write JSON."""
    out.mkdir(parents=True, exist_ok=True)
    start, busy = time.perf_counter(), time.process_time()
    train, val = split(read(data, "train"))
    every = read(data, "t10k")
    order = torch.randperm(len(every["x"]), generator=torch.Generator().manual_seed(0))
    test, others = ({name: value[rows] for name, value in every.items()} for rows in (order[:n], order[n : 2 * n]))
    models = {
        f"seed {seed}, {way}": model
        for seed in seeds
        for way, model in ways(train, val, out, mechanism, steps, tune, solving, seed).items()
    }
    neural = readers(train, val, out, "judge")
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
        "machine": machine(ci.accelerator().type),
    }
    table |= {"mechanism": mechanism}
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
    parser.add_argument("--mechanism", choices=MECHANISMS, default="flow")
    parser.add_argument("--steps", type=int, default=4500, help="of the image's fit")
    parser.add_argument("--tune", type=int, default=0, help="steps of fine-tuning under the guides")
    parser.add_argument("--solving", type=int, nargs="*", default=[], help="other numbers of steps to solve a flow in")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--n", type=int, default=1000, help="test images that are judged")
    parser.add_argument("--results", type=Path, help="where to write the table as JSON")
    main(**vars(parser.parse_args()))
