"""Images per second of fit, finetune and do, with the default image mechanism, on hearts of 64x64.

    OMP_NUM_THREADS=2 python benchmarks/speed.py

Prints the median over repetitions and, in brackets, the slowest and the fastest.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable

import torch

import causalimg as ci
from causalimg.fitting.finetune import only_trainable
from causalimg.fitting.guided import Guided
from causalimg.fitting.likelihood import Likelihood

BATCH = 32


def rate(images: int, action: Callable[[], object], repeats: int) -> str:
    """Images per second of `action`, which handles `images` of them."""
    action()
    seen = []
    for _ in range(repeats):
        start = time.perf_counter()
        action()
        seen.append(images / (time.perf_counter() - start))
    return f"{statistics.median(seen):.0f} [{min(seen):.0f}, {max(seen):.0f}]"


def step(module: torch.nn.Module, batch: dict[str, torch.Tensor]) -> Callable[[], None]:
    """One optimiser step of `module`, as the training loop takes it."""
    trained = [p for p in module.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, fused=True, lr=1e-4)

    def once() -> None:
        optimizer.zero_grad()
        module(batch)[0].backward()
        optimizer.step()

    return once


def main(repeats: int) -> None:
    """Print a Markdown table."""
    heart = ci.phantoms.Heart(size=64)
    sample = heart.sample(BATCH)
    guide = ci.Segmentor.unet(heart.structures)
    model = ci.compile(heart.graph, guide)
    world = sample.values
    size = sum(p.numel() for p in model.mechanisms["x"].parameters()) / 1e6
    guided = Guided(model, "x", [guide], world, ci.Finetuning())
    trained = model.mechanisms["x"].prepare_finetuning(guided.intervened)
    one = model.abduct(sample[:1].values)
    sweep = torch.linspace(400, 2000, 16)
    with only_trainable(trained, within=[guided]):
        finetune = rate(BATCH, step(guided.train(), guided.columns), repeats)
    rows = {
        "fit, a step of 32": rate(BATCH, step(Likelihood(model.mechanisms["x"], "x"), world), repeats),
        "finetune, a step of 32": finetune,
        "do, a batch of 32": rate(BATCH, lambda: model.do(world, lv_area=900.0), repeats),
        "do, one image": rate(1, lambda: model.do(sample[:1].values, lv_area=900.0), repeats),
        "do, one image already abducted, 16 targets": rate(16, lambda: model.do(one, lv_area=sweep), repeats),
    }
    print(
        f"HVAE of {size:.2f} M parameters, 64x64, {os.environ.get('OMP_NUM_THREADS', '?')} threads, torch {torch.__version__}\n"
    )
    print("| what | images/s |\n| --- | --- |")
    for what, speed in rows.items():
        print(f"| {what} | {speed} |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=7)
    main(**vars(parser.parse_args()))
