"""What makes a hierarchical VAE obey its causes? One thing varied at a time, on Morpho-MNIST.

    OMP_NUM_THREADS=2 python benchmarks/morphomnist/ablation.py ../shared/data/morphomnist --out out/ablation
    python benchmarks/morphomnist/ablation.py ../shared/data/morphomnist --out out/ablation --only "no mediator" --steps 1000

Into the folder go, per variant, the model, its row of the table and a picture of direct, indirect and total effects. What it
holds already is not trained again, so that variants can be trained side by side; the table is of all that it holds. Judged on
held-out training images: test images are not touched.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from morphometry import Morphometer
from protocol import abducted, another, answers, apart, errors
from run import OBEYING, readers
from torch import Tensor, nn
from torch.nn import functional as F

import causalimg as ci
from causalimg.mechanisms import blocks

from morphomnist import MorphoMNIST, read, split  # isort: skip  (run.py says where it lies)

VARIANTS: dict[str, dict[str, Any]] = {
    "as it obeys": {},
    "no mediator": {"mediator": False},
    "noise of pixels .1": {"scale_floor": 0.1},
    "noise of pixels .02": {"scale_floor": 0.02},
    "latents at 16x16 to 1x1": {"latents": (4, 4, 8, 16, 32)},
    "latents at 4x4 to 1x1": {"latents": (0, 0, 8, 16, 32)},
    "latents at 1x1 alone": {"latents": (0, 0, 0, 0, 32)},
    "latents at 2x2 alone": {"latents": (0, 0, 0, 16, 0)},
    "discretised likelihood": {"likelihood": "discretised"},
    "parents by concatenation": {},
    "a tenth of the steps": {},
    "the defaults": {"widths": (24, 48, 96, 128), "latents": (0, 4, 8, 16), "scale_floor": 0.02, "mediator": False},
}
"""What differs from the first."""

JUDGED = 500
"""So many held-out images are asked about."""


class Concatenated(nn.Module):
    """A residual block that sees the embedding as channels beside its features, where `blocks.Modulated` scales and shifts."""

    def __init__(self, width: int, embedding: int, kernel: int = 3) -> None:
        super().__init__()
        self.first = nn.Conv2d(width + embedding, width, kernel, padding=kernel // 2)
        self.second = nn.Conv2d(width, width, kernel, padding=kernel // 2)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)

    def forward(self, features: Tensor, embedding: Tensor | None) -> Tensor:
        hidden = features
        if embedding is not None:
            hidden = torch.cat([features, embedding[:, :, None, None].expand(-1, -1, *features.shape[2:])], 1)
        return features + self.second(F.silu(self.first(F.silu(hidden))))


def trained(name: str, train: dict[str, Tensor], val: dict[str, Tensor], steps: int, batch: int) -> ci.CausalModel:
    """A model of the variant `name`, fitted."""
    block = Concatenated if name == "parents by concatenation" else blocks.Modulated
    steps = steps // 10 if name == "a tenth of the steps" else steps
    with mock.patch.object(blocks, "Modulated", block):
        model = ci.compile(MorphoMNIST, x=ci.HVAE(**(OBEYING | VARIANTS[name]))).to(ci.accelerator())
    some = {key: value[JUDGED : 2 * JUDGED] for key, value in val.items()}
    model.fit(train, some, x=ci.HVAE.recipe.model_copy(update={"steps": steps, "batch": batch}))
    return model


def judged(model: ci.CausalModel, asked: dict[str, Tensor], judges: list[ci.Reader]) -> dict[str, Any]:
    """What judges read under each intervention, and how far the image moves, in grey levels of 255."""
    known, found = abducted(model, asked), {}
    for name in ("digit", "thickness", "intensity"):
        world = answers(model, known, name, another(asked[name], model.graph[name].discrete, seed=0))
        found[name] = errors(world, model.graph, judges) | {"change": apart(world["x"], asked["x"])}
    return found


def row(name: str, data: Path, out: Path, steps: int, batch: int) -> None:
    """Train and judge one variant; its row goes into the folder."""
    train, val = split(read(data, "train"))
    judges = [*readers(train, val, out, "judge"), Morphometer()]
    start, busy = time.perf_counter(), time.process_time()
    model = trained(name, train, val, steps, batch)
    spent = {"minutes": (time.perf_counter() - start) / 60, "CPU minutes": (time.process_time() - busy) / 60}
    asked = {key: value[:JUDGED] for key, value in val.items()}
    found = {
        "settings": OBEYING | VARIANTS[name],
        "steps": steps,
        "batch": batch,
        **spent,
        **judged(model, asked, judges),
    }
    folder = out / name.replace(" ", "_")
    if name != "parents by concatenation":  # its block is no block of the library, which could not load it
        model.save(folder)
    few = {key: value[:8] for key, value in asked.items()}
    model.cpu().effects(few, digit=(few["digit"] + 3) % 10).plot(out / f"{folder.name}.png")
    (out / f"{folder.name}.json").write_text(json.dumps({name: found}, indent=1) + "\n")


def table(out: Path) -> str:
    """Of all rows in the folder, in Markdown."""
    found = {k: v for path in sorted(out.glob("*.json")) for k, v in json.loads(path.read_text()).items()}
    lines = [
        "| | do(digit): digit | thickness | change | do(thickness): thickness | digit "
        "| do(intensity): intensity | digit | minutes |",
        "| --- " * 9 + "|",
    ]
    for name in filter(found.get, VARIANTS):
        digit, thickness, intensity = (found[name][key] for key in ("digit", "thickness", "intensity"))
        cells = [
            digit["digit by Classifier"], digit["thickness by Morphometer"], digit["change"],
            thickness["thickness by Morphometer"], thickness["digit by Classifier"],
            intensity["intensity by Morphometer"], intensity["digit by Classifier"], found[name]["minutes"],
        ]  # fmt: skip
        lines.append(f"| {name} | {' | '.join(f'{cell:.3g}' for cell in cells)} |")
    return "\n".join(lines)


def main(data: Path, out: Path, only: list[str], steps: int, batch: int) -> None:
    """Train what is missing, and print the table."""
    out.mkdir(parents=True, exist_ok=True)
    for name in only:
        if not (out / f"{name.replace(' ', '_')}.json").exists():
            row(name, data, out, steps, batch)
    print(table(out))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, default=Path("out/ablation"))
    parser.add_argument("--only", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--steps", type=int, default=10000)
    parser.add_argument("--batch", type=int, default=128)
    main(**vars(parser.parse_args()))
