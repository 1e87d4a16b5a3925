"""Who should guide? None, a regressor, a segmentor: the same models, budget and seeds, and a judge who was not a guide.

    python examples/compare_guidance.py chest ../shared/data/cxr_pediatric --seeds 0 1 --out out/compare_chest
    python examples/compare_guidance.py heart ../shared/data/sunnybrook_lv --seeds 0 1 --out out/compare_heart
    python examples/compare_guidance.py thirds ../shared/data/cxr_pediatric --methods none segmentor --out out/compare_thirds
    python examples/compare_guidance.py heart ../shared/data/sunnybrook_lv --image flow --steps 3000 --out out/flow_heart
    python examples/compare_guidance.py head ../shared/data/hc18 --image flow --steps 3000 --out out/flow_head
    python examples/compare_guidance.py head128 ../shared/data/hc18 --image flow --steps 1500 --out out/flow_head128

A table, pictures and a page go into the folder. What it holds already is not trained again: seeds can be trained side by side,
each by a process of its own, once the first has trained the readers. A folder that holds a study of other data, or with another
plan, is refused.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cardiac_mri
import chest_xray
import fetal_head
from cardiac_mri import ROTATED

import causalimg as ci
from causalimg.study import Plan, Study, compare_guidance


def third(number: int) -> ci.Quantity:
    """The area of one third of the left lung, from top (0) to bottom (2), of its own height."""
    return ci.Within(ci.Area("left_lung"), of="left_lung", along="height", start=number / 3, stop=(number + 1) / 3)


class Thirds(ci.Graph):
    """The left lung in thirds from top to bottom, each with an area of its own; the right lung as it is."""

    finding = ci.Categorical(levels=("normal", "bacteria", "virus"))
    right_lung = ci.Continuous(parents=[finding], unit="fraction", bounds=(0, 0.5), measured=ci.Area("right_lung"))
    upper = ci.Continuous(parents=[finding], unit="fraction", bounds=(0, 0.2), measured=third(0))
    middle = ci.Continuous(parents=[finding], unit="fraction", bounds=(0, 0.2), measured=third(1))
    lower = ci.Continuous(parents=[finding], unit="fraction", bounds=(0, 0.2), measured=third(2))
    x = ci.Image(parents=[finding, right_lung, upper, middle, lower], shape=(1, 64, 64))


TILTED, MIRRORED, TURNED = (
    {"pose": ci.Pose(rotate=5, shift=0.05)},
    {"pose": ci.Pose(rotate=5, mirror=True)},
    {"pose": ci.Pose(turn=True, mirror=True)},
)


def heads(size: int) -> tuple[Callable[[Path], Study], dict[str, Any], dict[str, Any]]:
    """Heads, `size` x `size`."""
    image = {"image": fetal_head.FLOWS[size]}
    return lambda data: Study.of_table(fetal_head.read(data, size), patient="subject"), {}, MIRRORED | image


STUDIES: dict[str, tuple[Callable[[Path], Study], dict[str, Any], dict[str, Any]]] = {
    "chest": (lambda data: Study.of_table(chest_xray.read(data)), {}, TILTED),
    "heart": (lambda data: Study.of_table(cardiac_mri.read(data)), {"augment": ROTATED}, TURNED),
    "head": heads(64),
    "head128": heads(128),
    "head192": heads(192),  # of files of 128 px: more pixels, and nothing more to see
    "thirds": (lambda data: Study.of_table(chest_xray.read(data, Thirds)), {}, TILTED),
}
"""How it is read, settings of its plan, and those of a flow's, which, with many steps for few images, sees them move."""


def main(asked: argparse.Namespace) -> None:
    """Train, judge, and write."""
    read, settings, of_flow = STUDIES[asked.study]
    settings = settings | ({"readers": ci.Recipe(steps=asked.readers, lr=4e-3)} if asked.readers else {})
    flow = asked.image == "flow"
    plan = Plan.of_flow(asked.steps, **settings, **of_flow) if flow else Plan.of_length(asked.steps, **settings)
    study = read(asked.data).judged_on(asked.every)
    print(compare_guidance(study, asked.out, methods=asked.methods, seeds=asked.seeds, plan=plan).table())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", choices=STUDIES)
    parser.add_argument("data", type=Path, help="folder with the NPZ file and metadata.csv")
    parser.add_argument("--out", type=Path, default=Path("out/compare"))
    parser.add_argument("--image", choices=("deform", "flow"), default="deform", help="the mechanism of the image")
    parser.add_argument("--methods", nargs="+", default=["none", "regressor", "segmentor"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--steps", type=int, default=500, help="of the image's fit; the rest follows it")
    parser.add_argument("--readers", type=int, help="steps of the readers' training, where it shall not follow")
    parser.add_argument(
        "--every", type=int, default=1, help="of so many test images one is judged: 10 for a first look"
    )
    main(parser.parse_args())
