"""A coronary artery in a straightened CT reformat: bright lumen from top to bottom, plaques along its wall.

The lumen is where |x - c(y)| < r(y), around a centreline c that sways, with half the width

    r(y) = A / 2H (1 + a w + sum_k b_k cos(pi k (1 + w) / 2)),    w = 2 y / H in [-1, 1].

Taper and waves have mean zero over the height H, so that its area is A whatever their amplitudes. Plaques (`plaque`) lie on its
edge: no structure covers another, and every area is exact. A third of the vessel has one calcified plaque, one third a soft one
too, on the other side.
"""

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from causalimg.data.phantoms.drawing import cover, grid, paint, per_sample, smooth
from causalimg.data.phantoms.epicardium import WALL, WALL_GREY, surroundings, with_branch
from causalimg.data.phantoms.phantom import Equation, Phantom, Values, within
from causalimg.data.phantoms.plaque import plaque
from causalimg.graph import Area, Categorical, Continuous, Graph, Image, Quantity, Within

VIEW = 24.0  # mm, the image's width and height
AGE, LUMEN, PLAQUE = (35.0, 90.0), (70.0, 150.0), (2.0, 12.0)
CALCIFIED = ("calcified_proximal", "calcified_middle", "calcified_distal")
LEAST = 0.25  # mm, of wall around a plaque
THIRDS = {name: Within(Area("calcified"), start=k / 3, stop=(k + 1) / 3) for k, name in enumerate(CALCIFIED)}
PLAQUES: Mapping[str, Quantity] = {**THIRDS, "soft_area": Area("soft")}


def _calcified(u: Tensor, pa: Values) -> Tensor:
    return within(PLAQUE, -1 + 0.03 * (pa["age"] - 60) + 0.5 * pa["sex"] + 0.6 * pa["diabetes"] + 0.7 * u)


def _soft(u: Tensor, pa: Values) -> Tensor:
    return within(PLAQUE, -0.6 + 0.01 * (pa["age"] - 60) + 0.4 * pa["sex"] + 0.8 * pa["diabetes"] + 0.7 * u)


def _lumen(u: Tensor, pa: Values) -> Tensor:
    return within(LUMEN, 0.4 - 0.01 * (pa["age"] - 60) + 0.6 * pa["sex"] - 0.8 * pa["diabetes"] + 0.6 * u)


def _diabetes(u: Tensor, pa: Values) -> Tensor:
    logits = torch.stack([torch.full_like(pa["age"], 0.6), 0.03 * (pa["age"] - 60)], dim=1)
    return (logits + u).argmax(1)


class Vessel(Phantom):
    """Straightened coronary CT, 24 mm wide, proximal at the top. Structures: lumen, calcified and soft plaque.

    Age, sex and diabetes cause the area of the lumen, of soft plaque, and of calcified plaque in each third of the vessel, which
    is a lesion of its own. Outside a plaque as it was and as it becomes, plus an edge of two pixels, nothing changes; with the
    lumen its wall moves, and the plaques on it.
    """

    structures: ClassVar[tuple[str, ...]] = ("lumen", "calcified", "soft")
    equations: ClassVar[Mapping[str, Equation]] = {
        "age": lambda u, pa: within(AGE, 1.2 * u),
        "sex": lambda u, pa: u.argmax(1),
        "diabetes": _diabetes,
        **dict.fromkeys(CALCIFIED, _calcified),
        "soft_area": _soft,
        "lumen_area": _lumen,
    }
    nuisance: ClassVar[Mapping[str, tuple[int, ...]]] = {
        "course": (4,),
        "calibre": (5,),
        "plaques": (4, 6),
        "branch": (4,),
        "around": (4,),
        "contrast": (2,),
        "tissue": (3, 24, 24),
        "relief": (2, 7, 7),
    }

    def _graph(self) -> Graph:
        pixel = VIEW / self.size
        causes = ["age", "sex", "diabetes"]
        areas = {
            name: Continuous(parents=causes, unit="mm2", bounds=PLAQUE, measured=part) for name, part in PLAQUES.items()
        }
        return Graph.of(
            "Vessel",
            age=Continuous(unit="year", bounds=AGE),
            sex=Categorical(levels=("female", "male")),
            diabetes=Categorical(parents=["age"], levels=("absent", "present")),
            **areas,
            lumen_area=Continuous(parents=causes, unit="mm2", bounds=LUMEN, measured=Area("lumen")),
            x=Image(parents=[*areas, "lumen_area"], shape=(1, self.size, self.size), spacing=(pixel, pixel)),
        )

    def _render(self, parents: Values, noise: Values) -> tuple[Tensor, dict[str, Tensor]]:
        x, y = grid(self.size, VIEW)
        tissue = smooth(noise["tissue"], self.size)
        bright, grey = per_sample(noise["contrast"])
        x = x - _course(y, noise["course"])
        half = _half_width(y, parents["lumen_area"], noise["calibre"])
        lumen = x.abs() - half
        calcified, soft = _plaques(x, y, half, parents, noise["plaques"])

        blood = 0.62 + 0.03 * bright - 0.002 * y + 0.012 * tissue[1]
        scene = surroundings(x, y, noise["around"], tissue, smooth(noise["relief"], self.size))
        for outline in (lumen - WALL, *(edge - LEAST for edge in (soft, *calcified))):
            scene = paint(scene, cover(outline), WALL_GREY)
        scene = with_branch(scene, x, y, noise["branch"], blood)
        scene = paint(scene, cover(lumen), blood)
        scene = paint(scene, cover(soft), 0.42 + 0.02 * grey + 0.03 * tissue[0])
        for edge in calcified:
            scene = paint(scene, cover(edge), 0.94 + 0.03 * tissue[2])
        image = (scene + 0.022 * noise["grain"][:, 0]).clamp(0, 1)
        return image, {"lumen": lumen < 0, "calcified": torch.stack(calcified).amin(0) < 0, "soft": soft < 0}


def _course(y: Tensor, noise: Tensor) -> Tensor:
    """x of the centreline."""
    across, tilt, sway, phase = per_sample(noise)
    return 0.5 * across + 0.02 * tilt * y + 0.35 * sway * torch.sin(y / 4 + 2 * phase)


def _half_width(y: Tensor, area: Tensor, noise: Tensor) -> Tensor:
    w = 2 * y / VIEW
    taper, *waves = per_sample(noise.clamp(-2.5, 2.5))
    shape = 1 - (0.12 + 0.04 * taper) * w
    for k, wave in enumerate(waves, start=2):
        shape = shape + 0.03 * wave * torch.cos(torch.pi / 2 * k * (1 + w))
    return area.view(-1, 1, 1) / (2 * VIEW) * shape


def _plaques(x: Tensor, y: Tensor, half: Tensor, parents: Values, noise: Tensor) -> tuple[list[Tensor], Tensor]:
    """Outlines of the calcified plaques, one in each third, and of the soft one, across from one of them."""
    sides, chosen = noise[:, :3, 0].sign(), (3 * torch.special.ndtr(noise[:, 3, 0])).long().clamp(0, 2)
    middles = VIEW / 3 * (torch.arange(3) - 1)

    def drawn(side: Tensor, middle: Tensor, name: str, k: int) -> Tensor:
        out, along = side.view(-1, 1, 1) * x - half, y - middle.view(-1, 1, 1)
        return plaque(out, along, parents[name], noise[:, k, 1:])

    calcified = [drawn(sides[:, k], middles[k], name, k) for k, name in enumerate(CALCIFIED)]
    return calcified, drawn(-sides.gather(1, chosen[:, None]), middles[chosen], "soft_area", 3)
