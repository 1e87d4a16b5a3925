"""A coronary artery in a straightened CT reformat: bright lumen from top to bottom, plaques along its wall.

The lumen is where |x - c(y)| < r(y), around a centreline c that sways, with half the width

    r(y) = A / 2H (1 + a w + sum_k b_k cos(pi k (1 + w) / 2)),    w = 2 y / H in [-1, 1].

Taper and waves have mean zero over the height H, so that its area is A whatever their amplitudes. Plaques lie on its edge: no
structure covers another, and every area is exact. A third of the vessel has one calcified plaque, one third a soft one too, on
the other side.

**Plaques.** In coordinates u, outwards from the lumen's edge, and v, along the vessel from the middle of the plaque, a plaque is
a star stretched by q along the vessel and by 1 / q across, which leaves its area as it is: as does the shear from x and y to u
and v, since the lumen's edge depends on y alone. Its inner side is flat and stays at the lumen's edge: a plaque grows outwards,
and never covers the lumen. A plaque of 12 mm2 or less stays within 4 mm of v = 0.

**Surroundings.** The artery runs in fat over the heart's muscle, with the lung on its other side; it has one side branch.
"""

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from causalimg.data.phantoms.drawing import Star, cover, grid, paint, per_sample, smooth, soften
from causalimg.data.phantoms.phantom import Equation, Phantom, Values, within
from causalimg.graph import Area, Categorical, Continuous, Graph, Image, Quantity, Within

VIEW = 24.0  # mm, the image's width and height
AGE, LUMEN, PLAQUE = (35.0, 90.0), (70.0, 150.0), (2.0, 12.0)
CALCIFIED = ("calcified_proximal", "calcified_middle", "calcified_distal")
WALL, WALL_GREY = 0.5, 0.28  # mm, and how bright the wall of a vessel is
LEAST = 0.25  # mm, of wall around a plaque
STRETCH = 1.6  # q
FLAT = torch.tensor([[0.0, 0.0], [0.09, 0.0]])  # of a star's harmonics, that which flattens its inner side
REACH = 1.06  # of a star of radius 1 with these harmonics, inwards, at most
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
        scene = _surroundings(x, y, noise["around"], tissue, smooth(noise["relief"], self.size))
        for outline in (lumen - WALL, *(edge - LEAST for edge in (soft, *calcified))):
            scene = paint(scene, cover(outline), WALL_GREY)
        scene = _with_branch(scene, x, y, noise["branch"], blood)
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
        return _plaque(out, along, parents[name], noise[:, k, 1:])

    calcified = [drawn(sides[:, k], middles[k], name, k) for k, name in enumerate(CALCIFIED)]
    return calcified, drawn(-sides.gather(1, chosen[:, None]), middles[chosen], "soft_area", 3)


def _plaque(out: Tensor, along: Tensor, area: Tensor, noise: Tensor) -> Tensor:
    """The implicit outline of a plaque at u = `out` and v = `along`, maps in mm.

    `area` (batch,) in mm2, `noise` (batch, 5) standard normal.
    """
    place, *shape = noise.clamp(-2, 2).unbind(1)
    harmonics = FLAT + 0.025 * torch.stack(shape, dim=1).view(-1, 2, 2)
    middle = REACH * (area / torch.pi).sqrt().view(-1, 1, 1) / STRETCH
    return Star((out - middle) * STRETCH, (along - 0.2 * place.view(-1, 1, 1)) / STRETCH, harmonics).outline(area)


def _surroundings(
    x: Tensor, y: Tensor, noise: Tensor, tissue: tuple[Tensor, ...], relief: tuple[Tensor, ...]
) -> Tensor:
    """Fat with its strands, the heart's muscle on one side, and lung beyond the pericardium on the other.

    `x`, from the centreline, and `y` in mm; `noise` (batch, 4) standard normal; `tissue` and `relief`: smooth maps.
    """
    side, deep, tilt, far = per_sample(noise)
    x = x * side.sign()
    scene = 0.12 + 0.02 * tissue[0] + 0.1 * soften((tissue[1] - 0.3).abs() - 0.1, 0.05) * soften(-tissue[2], 0.3)
    muscle = 5.6 + 0.6 * deep + 0.05 * tilt * y + 0.7 * relief[0] - x
    scene = paint(scene, cover(muscle), 0.33 + 0.02 * tissue[0] + 0.03 * tissue[1])
    chamber = muscle + 4.5 - 0.5 * far + 0.4 * relief[1]
    scene = paint(scene, cover(chamber), 0.55 + 0.02 * tissue[1])
    lung = x + 8.5 + far - 0.08 * tilt * y + 0.5 * relief[1]
    scene = paint(scene, cover(lung - 0.5), 0.27)
    return paint(scene, cover(lung), 0.02)


def _with_branch(scene: Tensor, x: Tensor, y: Tensor, noise: Tensor, blood: Tensor) -> Tensor:
    """`scene` with a side branch, which leaves the vessel downwards and grows thinner; `noise` (batch, 4) standard normal."""
    side, start, steep, wide = per_sample(noise)
    x, y = x * side.sign(), y - 5 * start.clamp(-1.5, 1.5) + 2
    angle = 0.75 + 0.12 * steep
    along, off = angle.cos() * y + angle.sin() * x, angle.cos() * x - angle.sin() * y
    half = (0.95 + 0.12 * wide) * (1 - 0.04 * along)
    branch = torch.maximum((off + 0.02 * along.square()).abs() - half, -x)
    scene = paint(scene, cover(branch - WALL), WALL_GREY)
    return paint(scene, cover(branch), blood - 0.03)
