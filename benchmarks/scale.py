"""A table of a million images: how fast it is stored and read back, and what memory that takes.

    python benchmarks/scale.py --rows 1000000 --folder ../scale --out benchmarks/results/scale.json
    python benchmarks/scale.py --plot benchmarks/results/scale.json docs/images/scale.png

Phantom hearts of 64 px are made in parts and stored: some are drawn, and have noise of their own in each part, since to draw a
million would take half an hour. Then a mechanism of little cost sees each of them once. The same mechanism is trained on rows in
memory, as many as fit, with the same batches, in turn with rows on disk. Linux only.
"""

import argparse
import json
import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from machine import machine, timed
from memory import status
from torch import Tensor
from torch.distributions import Normal

import causalimg as ci
from causalimg.data.table import Table
from causalimg.mechanisms.context import Hypernetwork

PART, SAMPLES = 2000, 10
BATCH = 64
HEART = ci.phantoms.Heart(size=64)
FEW = {name: ci.Recipe(steps=1) for name in HEART.graph}


class Template(ci.MaximumLikelihood):
    """x = m(pa) + s u, u ~ N(0, 1) for each pixel: a mechanism that costs next to nothing, so that what is timed is rows."""

    handles = (ci.Image,)

    def build(self) -> None:
        self.network = Hypernetwork(self.parents, 16, outputs=math.prod(self.variable.value_shape))
        self.scale = torch.nn.Parameter(torch.ones(()))

    def noise(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        return torch.randn(n, *self.variable.value_shape, generator=generator).to(self.scale)

    def predict(self, u: Tensor, parents: dict[str, Tensor]) -> Tensor:
        return self.mean(parents, max(map(len, (u, *parents.values())))) + self.scale * u

    def mean(self, parents: dict[str, Tensor], n: int) -> Tensor:
        return self.network(parents, n).view(n, *self.variable.value_shape)

    def explain(self, value: Tensor, parents: dict[str, Tensor], prior: Tensor) -> ci.Abduction:
        given = Normal(self.mean(parents, len(value)), self.scale)
        return ci.Abduction((value - given.loc) / given.scale, -given.log_prob(value).flatten(1).sum(1))


Marks = list[tuple[float, float, float]]
"""Seconds, and MB of memory of its own and of mapped files."""


@cache
def hearts(seed: int) -> dict[str, Tensor]:
    """A part's worth of them, without their outlines."""
    return HEART.sample(PART, seed=seed).values


def drawn(part: int) -> Table:
    """So many hearts, with noise that is drawn with the number of the part; of eight bits, as files have them."""
    values, dice = hearts(part % SAMPLES), torch.Generator().manual_seed(part)
    noisy = values["x"] + 0.02 * torch.randn(values["x"].shape, generator=dice)
    return Table(HEART.graph, values | {"x": (255 * noisy).round().clamp(0, 255) / 255})


def together(field: str) -> float:
    """MB of this process, and of those that it started."""
    started = [pid for path in Path("/proc/self/task").glob("*/children") for pid in path.read_text().split()]
    return sum(status(field, pid) for pid in ("self", *started))


@contextmanager
def watched() -> Iterator[Marks]:
    """What memory is taken meanwhile, by this process and those that it starts, once a second."""
    marks: Marks = []
    begun, over = time.monotonic(), threading.Event()

    def watch() -> None:
        while not over.wait(1):
            marks.append((time.monotonic() - begun, together("RssAnon"), together("RssFile")))

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield marks
    finally:
        over.set()
        watching.join()


def fitted(table: Table, steps: int) -> float:
    """Images per second of a mechanism that sees `steps` batches of `table`, as its history says in the end."""
    model = ci.compile(HEART.graph, x=Template())
    recipe = ci.Recipe(steps=steps, batch=BATCH, log_every=max(1, steps // 20), accelerator="cpu")
    rows = model.fit(table, **(FEW | {"x": recipe}))["x"].rows
    return float(np.median([row["samples_per_second"] for row in rows]))


def measured(rows: int, folder: Path) -> dict[str, Any]:
    """All of it."""
    found: dict[str, Any] = {"machine": machine(), "rows": rows}
    parts = [partial(drawn, part) for part in range(rows // PART)]
    with watched() as storing:
        taken = timed(lambda: ci.store_table(folder / "hearts", parts, about="hearts", workers=1))
    table = ci.load_table(folder / "hearts")
    few = table.rows(range(20 * PART))
    held = Table(HEART.graph, {name: few[name][:] for name in few})
    turns = [(fitted(held, 200), fitted(few, 200), fitted(table, 200)) for _ in range(3)]
    del held
    with watched() as training:
        rate = fitted(table, rows // BATCH)
    return found | {
        "storing": {"images/s": rows / taken, "memory": storing},
        "in memory, on disk, all on disk": turns,
        "an epoch": {"images/s": rate, "memory": training},
    }


def plot(found: dict[str, Any], path: Path) -> None:
    """Memory over time."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(9, 3), sharey=True, layout="constrained")
    for axis, name in zip(axes, ("storing", "an epoch"), strict=True):
        seconds, own, mapped = np.array(found[name]["memory"]).T
        axis.plot(seconds / 60, own, label="its own")
        axis.plot(seconds / 60, mapped, label="mapped files, which the system takes back")
        axis.set(title=f"{name}: {found['rows']:,} images", xlabel="minutes", ylabel="memory, MB")
    axes[1].legend()
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    asked = argparse.ArgumentParser()
    asked.add_argument("--rows", type=int, default=1_000_000)
    asked.add_argument("--folder", type=Path, default=Path("scale"))
    asked.add_argument("--out", type=Path, default=Path("benchmarks/results/scale.json"))
    asked.add_argument("--plot", nargs=2, type=Path)
    said = asked.parse_args()
    if said.plot:
        plot(json.loads(said.plot[0].read_text()), said.plot[1])
    else:
        torch.set_num_threads(1)
        said.out.write_text(json.dumps(measured(said.rows, said.folder), indent=1) + "\n")
