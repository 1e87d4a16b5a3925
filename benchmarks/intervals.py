"""Do the intervals of answers hold the truth? On a phantom, which knows it.

    OMP_NUM_THREADS=1 python benchmarks/intervals.py heart --steps 800 --out out/intervals_heart

Ensembles of flows, each calibrated on validation patients by a judge that guided nobody, are asked about test patients: every
variable is set to what another patient has, and to values that no patient has. Into the folder go the models, a table, and a
picture.
"""

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor

import causalimg as ci
from causalimg.data.phantoms import Chest, Heart, Phantom, Sample, Vessel
from causalimg.study.trainer import Trainer
from causalimg.viz import draw_grid
from causalimg.viz.pictures import Pictures

PHANTOMS: Mapping[str, type[Phantom]] = {"heart": Heart, "chest": Chest, "vessel": Vessel}


def ranks(values: Tensor) -> Tensor:
    """Of each row's pixels, centred: (n, pixels)."""
    order = values.flatten(1).argsort(1).argsort(1).float()
    return order - order.mean(1, keepdim=True)


def rank_correlation(one: Tensor, other: Tensor) -> float:
    """Spearman's, over the pixels of each row; the mean over rows."""
    a, b = ranks(one), ranks(other)
    return float(((a * b).sum(1) / (a.norm(dim=1) * b.norm(dim=1))).nanmean())


def beyond(name: str, phantom: Phantom, train: Tensor, rows: int) -> Tensor:
    """Values that no patient of `train` has: half way from the smallest and the largest to the variable's bounds."""
    low, high = phantom.graph[name].bounds
    ends = torch.stack([(train.min() + low) / 2, (train.max() + high) / 2])
    return ends[torch.arange(rows) % 2]


def rows_of(
    phantom: Phantom, models: list[ci.CausalModel], judge: ci.Reader, study: ci.Study
) -> Iterator[dict[str, object]]:
    """One for each variable that is set, each that is read, and inside and outside of the data."""
    conformal = ci.Conformal(ci.Ensemble(models), study.val.values, judge, particles=2)
    test: Sample = study.test
    draw = torch.Generator().manual_seed(1)
    for name in conformal.names:
        inside = test.values[name][torch.randperm(len(test.values[name]), generator=draw)]
        outside = beyond(name, phantom, study.train.values[name], len(inside))
        for where, target in (("inside", inside), ("outside", outside)):
            answer = conformal.do(test.values, **{name: target})
            true = phantom.counterfactual(test, {name: target}).values
            drawn = answer.draws["x"]
            error = (answer["x"] - true["x"]).abs()
            for read in conformal.names:
                yield {
                    "do": name, "read": read, "where": where, "true": true[read], "interval": answer.interval(read),
                    "mean": answer.measured[read], "spread": answer.reading_spread(read),
                    "correlation": rank_correlation(answer.spread["x"], error),
                    "grey": 255 * float(error.mean()), "one": 255 * float((drawn[:, 0] - true["x"]).abs().mean()),
                }  # fmt: skip


def summary(row: Mapping[str, object]) -> dict[str, float]:
    """Coverage, half the width, the error of the reading, and what a pixel's spread says of its error."""
    low, high = row["interval"]
    true = row["true"]
    return {
        "held": float(((low <= true) & (true <= high)).float().mean()),
        "half width": float((high - low).mean() / 2),
        "error": float((row["mean"] - true).abs().mean()),
        "spread": float(row["spread"].mean()),
        "rank correlation": row["correlation"],
        "grey": row["grey"],
        "grey of one draw": row["one"],
    }


def table(found: Mapping[tuple[str, str, str], list[dict[str, float]]]) -> str:
    """Means over the ensembles; of the coverage also the standard deviation."""
    columns = list(next(iter(found.values()))[0])
    lines = [f"| do | read | where | {' | '.join(columns)} |", "| --- " * (3 + len(columns)) + "|"]
    for key, each in found.items():
        values = {name: torch.tensor([one[name] for one in each]) for name in columns}
        cells = [
            f"{v.mean():.3g}" + (f" ± {v.std():.2g}" if name == "held" and len(v) > 1 else "")
            for name, v in values.items()
        ]
        lines.append(f"| {' | '.join((*key, *cells))} |")
    return "\n".join(lines)


def picture(phantom: Phantom, models: list[ci.CausalModel], test: Sample, path: Path) -> None:
    """The first items with the first measured variable made smaller by 40 %: the answer, its spread, and the truth."""
    name, first = next(iter(phantom.graph.measured)), test.rows(slice(6))
    some = first.values
    target = (0.6 * some[name]).clamp(min=phantom.graph[name].bounds[0])
    answer = ci.Ensemble(models).do(some, **{name: target}, particles=2)
    truth = phantom.counterfactual(first, {name: target}).values["x"]
    columns = {"answer": Pictures(answer["x"], spread=answer.spread["x"]), "truth": Pictures(truth)}
    draw_grid(Pictures(some["x"]), columns, title=f"{name}, 40 % less", path=path)


def main() -> None:
    """The table, printed and written into the folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("phantom", choices=PHANTOMS)
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--steps", type=int, default=800)
    parser.add_argument("--members", type=int, default=3, help="models of an ensemble")
    parser.add_argument("--ensembles", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("out/intervals"))
    asked = parser.parse_args()
    phantom = PHANTOMS[asked.phantom](size=asked.size)
    study = ci.Study.of_phantom(phantom)
    asked.out.mkdir(parents=True, exist_ok=True)
    trainer = Trainer(study, asked.out, ci.Plan.of_flow(asked.steps))
    judge = trainer.segmentor("judge", guides=False)
    found: dict[tuple[str, str, str], list[dict[str, float]]] = {}
    for ensemble in range(asked.ensembles):
        seeds = range(ensemble * asked.members, (ensemble + 1) * asked.members)
        models = [trainer.model("none", seed) for seed in seeds]
        for row in rows_of(phantom, models, judge, study):
            found.setdefault((row["do"], row["read"], row["where"]), []).append(summary(row))
    text = table(found)
    (asked.out / "intervals.md").write_text(text + "\n")
    picture(phantom, models, study.test, asked.out / "intervals.png")
    print(text)


if __name__ == "__main__":
    main()
