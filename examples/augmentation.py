"""Do counterfactuals help a classifier where one finding is rarer than another? Films of children, three seeds.

    python examples/augmentation.py ../shared/data/cxr_pediatric --steps 3000 --out out/augmentation

A flow learns from the training films. Asked is what films of other findings would have looked like with the rare ones, so that
findings are equally frequent (`generate(..., even="finding")`). A classifier is trained on the films as they are; with rare ones
drawn again, the plain remedy; and with the counterfactuals. All three see as many batches, and are scored on the test films: the
accuracy for each finding, and their mean.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path

import chest_xray
import torch
from torch import Tensor

import causalimg as ci

NAME = "finding"


def answers_to(model: ci.CausalModel, train: ci.Table, out: Path, seed: int) -> Mapping[str, Tensor]:
    """The counterfactual films that even out the findings, and the findings that they are to show."""
    answers = ci.read_table(model.graph, ci.generate(model, train, out, even=NAME, seed=seed))
    return {name: answers[name] for name in (NAME, "x")}


def drawn_again(train: ci.Table, seed: int) -> Mapping[str, Tensor]:
    """Rare films, as often again as makes all findings equally frequent."""
    found, dice = train[NAME], torch.Generator().manual_seed(seed)
    counts = found.bincount()
    some = [
        (rows := (found == level).nonzero()[:, 0])[torch.randint(len(rows), (int(counts.max() - n),), generator=dice)]
        for level, n in enumerate(counts)
    ]
    return {name: train[name][torch.cat(some)] for name in (NAME, "x")}


def scores(
    train: ci.Table, more: Mapping[str, Tensor], val: ci.Table, test: ci.Table, steps: int, seed: int
) -> list[float]:
    """The accuracy of a classifier for each finding, in %."""
    levels = {NAME: train.graph[NAME].levels}
    classifier = ci.Classifier.cnn(levels, seed=seed)
    rows = {name: torch.cat([train[name], more[name]]) if more else train[name] for name in (NAME, "x")}
    recipe = ci.Recipe(steps=steps)
    classifier.fit(rows["x"], {NAME: rows[NAME]}, (val["x"], {NAME: val[NAME]}), recipe=recipe, seed=seed)
    right = classifier.read(test["x"], train.graph, [NAME])[NAME] == test[NAME]
    return [100 * float(right[test[NAME] == level].float().mean()) for level in range(len(levels[NAME]))]


def main() -> None:
    """The table, printed and written."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--steps", type=int, default=3000, help="of the flow")
    parser.add_argument("--reading", type=int, default=600, help="of each classifier")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--out", type=Path, default=Path("out/augmentation"))
    asked = parser.parse_args()
    table = chest_xray.read(asked.data)
    train, val, test = (table.where(split=part) for part in ("train", "val", "test"))
    asked.out.mkdir(parents=True, exist_ok=True)
    found: dict[str, list[list[float]]] = {}
    for seed in asked.seeds:
        model = ci.compile(table.graph, x=ci.FlowMatching(), seed=seed)
        model.fit(train, val, seed=seed, checkpoint=asked.out / f"fit_{seed}", x=ci.Recipe(steps=asked.steps))
        ways = {
            "as they are": {},
            "rare ones again": drawn_again(train, seed),
            "counterfactuals": answers_to(model, train, asked.out / f"answers_{seed}", seed),
        }
        for name, more in ways.items():
            found.setdefault(name, []).append(scores(train, more, val, test, asked.reading, seed))
    levels = table.graph[NAME].levels
    lines = [f"| films | {' | '.join(levels)} | mean |", "| --- " * (len(levels) + 2) + "|"]
    for name, each in found.items():
        numbers = torch.tensor(each)
        numbers = torch.cat([numbers, numbers.mean(1, keepdim=True)], 1)
        cells = [f"{m:.1f} ± {s:.1f}" for m, s in zip(numbers.mean(0), numbers.std(0), strict=True)]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    (asked.out / "augmentation.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
