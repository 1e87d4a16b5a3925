"""Does the error to the truth grow as support falls? On phantom hearts, of which the mechanism sees the middle sizes only.

    OMP_NUM_THREADS=1 python benchmarks/support.py --steps 1500 --out out/support

A flow is fitted to the patients whose cavity is neither among the smallest nor the largest fifth. Test patients of all sizes are
asked for cavities of any size that the phantom has, and a segmentor that was trained on all sizes judges. Into the folder go the
model, a table, and a picture.
"""

import argparse
from pathlib import Path

import torch
from torch import Tensor

import causalimg as ci
from causalimg.data.phantoms import Heart, Sample
from causalimg.viz.canvas import save

BINS = ((0.5, 1.01), (0.1, 0.5), (0.01, 0.1), (0.0, 0.01))
"""Of support, from usual to unusual."""


def middle(sample: Sample, name: str) -> Sample:
    """The rows in which `name` is neither among the smallest nor the largest fifth."""
    value = sample.values[name]
    low, high = value.quantile(torch.tensor([0.2, 0.8]))
    return sample.rows(((low <= value) & (value <= high)).nonzero().flatten())


def changed(answer: Tensor, truth: Tensor, factual: Tensor) -> Tensor:
    """The mean distance of `answer` to the truth over the pixels that truly change by 5 grey levels or more: (n,)."""
    where = ((truth - factual).abs() > 5 / 255).float()
    return 255 * ((answer - truth).abs() * where).flatten(1).sum(1) / where.flatten(1).sum(1)


def asked(phantom: Heart, model: ci.CausalModel, judge: ci.Reader, test: Sample, times: int) -> dict[str, Tensor]:
    """Of every patient, so many times: the support, how far the area is off as the judge reads it on the answer and on the truth,
    in %, and the distance to the truth of the answer and of doing nothing."""
    low, high = phantom.graph["lv_area"].bounds
    draw, found = torch.Generator().manual_seed(0), []
    for _ in range(times):
        target = low + (high - low) * torch.rand(len(test.values["x"]), generator=draw)
        truth, was = phantom.counterfactual(test, {"lv_area": target}).values["x"], test.values["x"]
        answer = model.do(test.values, lv_area=target, support="allow")
        read = [judge.read(image, phantom.graph, ["lv_area"])["lv_area"] for image in (answer["x"], truth)]
        off = [100 * (one / target - 1).abs() for one in read]
        moved = (target - test.values["lv_area"]).abs()
        found.append((answer.support, *off, changed(answer["x"], truth, was), changed(was, truth, was), moved))
    columns = (torch.cat(one) for one in zip(*found, strict=True))
    return dict(zip(("support", "off", "own", "answer", "nothing", "moved"), columns, strict=True))


def name_of(low: float, high: float) -> str:
    """A bin of support, in words."""
    return f"{low:.0%} or more" if high > 1 else f"{low:.0%} to {high:.0%}" if low else f"less than {high:.0%}"


def table(found: dict[str, Tensor]) -> str:
    """A row for each bin of support: of all questions, then of those that move the area by 300 to 700 mm2."""
    heads = "asked | support | questions | moved, mm2 | area off, % | judge's own, % | to the truth, grey levels | doing nothing"
    lines = [f"| {heads} |", "| --- " * 8 + "|"]
    alike = (found["moved"] > 300) & (found["moved"] < 700)
    for which, chosen in (("all", torch.ones_like(alike)), ("300 to 700 mm2", alike)):
        for low, high in BINS:
            rows = chosen & (low <= found["support"]) & (found["support"] < high)
            means = {name: float(column[rows].nanmean()) for name, column in found.items()}
            cells = (f"{means[name]:.1f}" for name in ("off", "own", "answer", "nothing"))
            lines.append(
                f"| {which} | {name_of(low, high)} | {int(rows.sum())} | {means['moved']:.0f} | {' | '.join(cells)} |"
            )
    return "\n".join(lines)


def picture(found: dict[str, Tensor], path: Path) -> None:
    """Every question: how far its area is off by its support, and the mean of each bin."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.2, 3.4), layout="constrained")
    axes = figure.subplots()
    axes.scatter(found["support"], found["off"], s=6, alpha=0.4, linewidths=0)
    for low, high in BINS:
        rows = (low <= found["support"]) & (found["support"] < high)
        ends = [max(low, float(found["support"].min())), min(high, 1)]
        axes.plot(ends, 2 * [float(found["off"][rows].mean())], color="C1", linewidth=2)
    axes.axhline(float(found["own"].mean()), color="0.5", linewidth=0.8)
    axes.annotate("judge's own", (1, float(found["own"].mean())), ha="right", va="bottom", color="0.4", fontsize=8)
    axes.axvline(0.01, color="0.5", linewidth=0.8, linestyle="--")
    axes.annotate("do warns", (0.0095, 0.97), xycoords=("data", "axes fraction"), ha="right", va="top", color="0.4")
    axes.set(xscale="log", yscale="log", xlabel="support", ylabel="area off, %", ylim=(0.1, None))
    save(figure, path)


def main() -> None:
    """The table, printed and written into the folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--times", type=int, default=6, help="so many questions of each patient")
    parser.add_argument("--out", type=Path, default=Path("out/support"))
    given = parser.parse_args()
    phantom = Heart(size=given.size)
    every, test = phantom.sample(1300, seed=0), phantom.sample(96, seed=2)
    train, outlines = middle(every, "lv_area"), {name: every.masks[name] for name in ("lv", "myo")}
    judge = ci.Segmentor.unet(("lv", "myo"), seed=1)  # who knows all sizes
    judge.fit(every.values["x"], outlines, recipe=ci.Recipe(steps=500, lr=4e-3), seed=1)
    model = ci.compile(phantom.graph)
    recipe = ci.FlowMatching.recipe.model_copy(update={"steps": given.steps, "batch": 32})
    model.fit(train.values, x=recipe, checkpoint=given.out / "checkpoint")
    model.save(given.out / "model")
    found = asked(phantom, model, judge, test, given.times)
    (given.out / "support.md").write_text(table(found) + "\n")
    picture(found, given.out / "support.png")
    print(table(found))


if __name__ == "__main__":
    main()
