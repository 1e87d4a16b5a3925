"""A chest in a frontal radiograph: two dark lungs behind the ribs, the heart between them.

A radiograph is a shadow, so nothing hides anything: the attenuation a along a ray adds up, and the film shows 1 - exp(-a).
Soft tissue attenuates, bone more; the air of a lung takes attenuation away, less where the heart or an opacity fills it.

**Lungs.** In coordinates u, from the medial border outwards, and v, from the apex downwards, a lung is where

    0 < u,    u^p + (1 - v + c (1 - u)^5)^p < 1,    v < 1 - e (1 - u^2) (1 + u):

a superellipse whose medial corner is rounded off by c, above the dome e of the diaphragm. Its area is

    G(p) - c / 6 - 11 e / 12,    G(p) = Gamma(1 + 1/p)^2 / Gamma(1 + 2/p),

times width and height, and shearing it along the medial border changes nothing. So a lung of any area has its apex and its
medial border in place; with width ~ area^0.3, the lateral border moves a little, and the lower one most.

**Bones.** Ribs repeat down the body, so they are bands of one phase: that of a rib falls from the spine to the side at the
back, and on from the side towards the breastbone at the front, where it ends in cartilage, which casts no shadow.
"""

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from causalimg.data.phantoms.drawing import Star, cover, distance, grid, per_sample, rotate, smooth, soften
from causalimg.data.phantoms.phantom import Equation, Phantom, Values, within
from causalimg.graph import Area, Categorical, Continuous, Graph, Image

VIEW = 320.0  # mm, the image's width and height
TYPICAL = 17000.0  # mm2, the area at which a lung has its typical width
AGE, LUNG_AREA, HEART_AREA = (20.0, 90.0), (9000.0, 21500.0), (5500.0, 13500.0)


def _finding(u: Tensor, pa: Values) -> Tensor:
    logits = torch.stack([torch.full_like(pa["age"], 0.3), 0.03 * (pa["age"] - 55)], dim=1)
    return (logits + u).argmax(1)


def _lung_area(u: Tensor, pa: Values) -> Tensor:
    return within(LUNG_AREA, 0.2 + 0.9 * pa["sex"] - 0.012 * (pa["age"] - 55) - 0.4 * pa["finding"] + 0.4 * u)


def _heart_area(u: Tensor, pa: Values) -> Tensor:
    return within(HEART_AREA, -0.4 + 0.5 * pa["sex"] + 0.02 * (pa["age"] - 55) + 0.5 * u)


class Chest(Phantom):
    """Frontal chest radiograph, 320 mm wide, the patient's left at the right. Structures: the lungs and the heart.

    The lungs include the part behind the heart, and the heart's silhouette what lies below the diaphragm. Age, sex and
    pneumonia cause the areas; pneumonia is also seen as an opacity in one lung. A lung that changes moves its lower and lateral
    borders: outside the larger of the two outlines, plus an edge of two pixels, nothing changes.
    """

    structures: ClassVar[tuple[str, ...]] = ("left_lung", "right_lung", "heart")
    equations: ClassVar[Mapping[str, Equation]] = {
        "age": lambda u, pa: within(AGE, 1.2 * u),
        "sex": lambda u, pa: u.argmax(1),
        "finding": _finding,
        "left_lung": _lung_area,
        "right_lung": _lung_area,
        "heart_area": _heart_area,
    }
    nuisance: ClassVar[Mapping[str, tuple[int, ...]]] = {
        "place": (3,),
        "left_shape": (5,),
        "right_shape": (5,),
        "heart_place": (2,),
        "heart_shape": (2, 2),
        "bones": (4,),
        "vessels": (2, 5, 20),
        "opacity": (4,),
        "stomach": (),
        "tissue": (2, 40, 40),
        "haze": (1, 4, 4),
        "contrast": (2,),
    }

    def _graph(self) -> Graph:
        pixel = VIEW / self.size
        causes = ["age", "sex", "finding"]
        return Graph.of(
            "Chest",
            age=Continuous(unit="year", bounds=AGE),
            sex=Categorical(levels=("female", "male")),
            finding=Categorical(parents=["age"], levels=("normal", "pneumonia")),
            left_lung=Continuous(parents=causes, unit="mm2", bounds=LUNG_AREA, measured=Area("left_lung")),
            right_lung=Continuous(parents=causes, unit="mm2", bounds=LUNG_AREA, measured=Area("right_lung")),
            heart_area=Continuous(parents=["age", "sex"], unit="mm2", bounds=HEART_AREA, measured=Area("heart")),
            x=Image(
                parents=["finding", "left_lung", "right_lung", "heart_area"],
                shape=(1, self.size, self.size),
                spacing=(pixel, pixel),
            ),
        )

    def _render(self, parents: Values, noise: Values) -> tuple[Tensor, dict[str, Tensor]]:
        across, down, turn = per_sample(noise["place"])
        x, y = grid(self.size, VIEW)
        x, y = rotate(x - 5 * across, y - 4 * down, 0.03 * turn)  # from the middle of the chest
        tissue = smooth(noise["tissue"], self.size)
        left = _lung(x, y, parents["left_lung"], noise["left_shape"], width=104)
        right = _lung(-x, y, parents["right_lung"], noise["right_shape"], width=107)
        heart = _heart(x, y, parents["heart_area"], noise)

        inside, air = cover(heart), cover(left) + cover(right)
        deep = 0.57 + 0.31 * (-3 * torch.minimum(left, right)).clamp(0, 1)
        filled = _opacity(x, y, noise["opacity"], tissue[0]) * parents["finding"].view(-1, 1, 1)
        taken = air * (deep * (1 - 0.85 * inside) * (1 - filled) - _vessels(x, y, noise["vessels"]) - 0.03 * tissue[1])
        body, tissue_along_ray = _body(x, y)
        stomach = (1 - air) * _stomach_bubble(x, y, noise["stomach"], tissue[1])
        bones = _skeleton(x, y, noise["bones"])
        shadow = tissue_along_ray - taken + 0.06 * inside - stomach + _mediastinum(x, y) + bones
        image = _expose(body * shadow, noise)
        return image, {"left_lung": left < 0, "right_lung": right < 0, "heart": heart < 0}


def _lung(x: Tensor, y: Tensor, area: Tensor, noise: Tensor, width: float) -> Tensor:
    """The implicit outline of a lung whose lateral side is towards positive `x`; -1 deep inside.

    `area` (batch,) in mm2, `noise` (batch, 5) standard normal, `width` in mm of a lung of `TYPICAL` area.
    """
    power, rounding, dome, broad, apex = per_sample(noise)
    power, rounding, dome = 2.5 + 0.15 * power, 0.14 + 0.02 * rounding, 0.13 + 0.015 * dome
    area = area.view(-1, 1, 1)
    wide = width * (area / TYPICAL) ** 0.3 * (0.03 * broad).exp()
    high = area / (wide * _unit_area(power, rounding, dome))
    u, v = (x - 21 - 2 * broad - 0.02 * y) / wide, (y + 122 - 4 * apex) / high
    top = 1 - v + rounding * (1 - u).clamp(0, 1) ** 5
    upper = (u.clamp(min=0) ** power + top.clamp(min=0) ** power) ** (1 / power) - 1
    lower = v - 1 + dome * (1 - u.square()) * (1 + u)
    return torch.maximum(torch.maximum(upper, lower), -u)


def _unit_area(power: Tensor, rounding: Tensor, dome: Tensor) -> Tensor:
    superellipse = (2 * torch.lgamma(1 + 1 / power) - torch.lgamma(1 + 2 / power)).exp()
    return superellipse - rounding / 6 - 11 * dome / 12


def _heart(x: Tensor, y: Tensor, area: Tensor, noise: Values) -> Tensor:
    across, down = per_sample(noise["heart_place"])
    shape = torch.tensor([[0.06, 0.13], [-0.03, 0.02]]) + noise["heart_shape"] * torch.tensor([[0.025], [0.015]])
    return Star(x - 24 - 3 * across, y - 57 - 4 * down, shape).outline(area)


def _body(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """The cover of the body, and its soft tissue's attenuation."""
    side = x.abs()
    neck = (side - 48 - 2.2 * (y + 160)) / 2.4
    trunk = side - 147 + 6 * soften(-10 - y, 30)
    shoulder = distance(side - 150, y + 84) - 40
    outline = torch.maximum(neck, torch.minimum(trunk, shoulder))
    thickness = 0.6 + 0.4 * (-outline / 45).clamp(0, 1).sqrt()
    return cover(outline), thickness * (1.1 + 0.25 * soften(70 - y, 25))


def _mediastinum(x: Tensor, y: Tensor) -> Tensor:
    """Attenuation of the great vessels and the arch of the aorta, less that of the windpipe."""
    column = soften(x.abs() - 25 - 0.05 * y, 3)
    arch = soften(distance(x - 18, y + 52) - 15, 2)
    windpipe = soften(x.abs() - 7, 1.5) * soften(y + 42, 3)
    return 0.2 * column + 0.35 * arch - 0.35 * windpipe


def _vessels(x: Tensor, y: Tensor, noise: Tensor) -> Tensor:
    """Attenuation of the lungs' vessels, which branch from the hilum: ridges of noise over angle and log distance."""
    dx, dy = x.abs() - 26, y + 20
    away = distance(dx, dy)
    at = torch.stack([torch.atan2(dy, dx) / torch.pi, (away / 20).log1p() - 1], dim=-1)
    trees = grid_sample(noise, at, mode="bicubic", padding_mode="border", align_corners=False)
    ridges = (-(torch.where(x > 0, trees[:, 0], trees[:, 1]) / 0.3).square()).exp()
    root = (-(away / 17).square()).exp()
    return 0.4 * ridges * (1 - root) * (-away / 45).exp() + 0.3 * root


def _opacity(x: Tensor, y: Tensor, noise: Tensor, texture: Tensor) -> Tensor:
    """How much of the lung's air an opacity fills, in [0, 1]: a patchy blob in the left or the right lung."""
    side, out, down, spread = per_sample(noise)
    away = distance(x - side.sign() * (70 + 12 * out), y - 20 - 25 * down)
    blob = (-(away / (38 + 6 * spread)).square()).exp()
    return (blob * (1.1 + 0.25 * texture)).clamp(0, 0.9)


def _skeleton(x: Tensor, y: Tensor, noise: Tensor) -> Tensor:
    """Attenuation of ribs, spine, collar bones and the heads of the upper arms; `noise` (batch, 4) standard normal."""
    start, pitch, droop, collar = per_sample(noise)
    side, level = x.abs(), y + 5 * start
    arm = soften(distance(side - 154, y + 108) - 24, 2)
    ribs = _ribs(side, y, level + 130, 23 + 0.7 * pitch, 34 + 3 * droop)
    return ribs + _spine(side, level) + _collar_bone(side, y - 3 * collar) + 0.35 * arm


def _ribs(side: Tensor, y: Tensor, level: Tensor, pitch: Tensor, droop: Tensor) -> Tensor:
    half = 137 * (1 - ((y - 60) / 190).clamp(-1, 1).abs() ** 3).clamp(min=0.02) ** 0.45  # width of the rib cage
    out = side / half
    back = _bands(level + 6 * out - droop * out**3, pitch) * soften(14 - side, 2)
    front = _bands(level + 6 - droop - 60 * (1 - out), pitch) * soften(60 - side, 6)
    along_the_ray = 1 + 1.5 * out.clamp(max=1) ** 8  # at the side the rays run along the rib
    return cover(torch.maximum(side - half, y - 125)) * along_the_ray * (0.16 * back + 0.08 * front)


def _bands(level: Tensor, pitch: Tensor) -> Tensor:
    return soften((level / pitch % 1 - 0.5).abs() * pitch - 4, 0.8)


def _spine(side: Tensor, level: Tensor) -> Tensor:
    vertebrae = torch.cos(2 * torch.pi * level / 24)
    return soften(side - 17, 2) * (0.42 + 0.1 * vertebrae)


def _collar_bone(side: Tensor, y: Tensor) -> Tensor:
    axis = (y + 102 + 0.22 * side - 6 * torch.sin(side / 22)).abs()
    ends = torch.maximum(16 - side, side - 134)
    bone, marrow = torch.maximum(axis - 5.5, ends), torch.maximum(axis - 3, ends + 3)
    return 0.4 * soften(bone, 1.2) - 0.15 * soften(marrow, 1.2)


def _stomach_bubble(x: Tensor, y: Tensor, noise: Tensor, texture: Tensor) -> Tensor:
    return 0.25 * soften(distance((x - 60) / 1.4, y - 124) - 12 - 3 * noise.view(-1, 1, 1) + 2 * texture, 2.5)


def _expose(shadow: Tensor, noise: Values) -> Tensor:
    (haze,) = smooth(noise["haze"], shadow.shape[-1])
    gain, gamma = per_sample(noise["contrast"])
    shadow = 0.02 + shadow.clamp(min=0) * (0.08 * haze + 0.08 * gain).exp()
    return ((1 - (-shadow).exp()) ** (1 + 0.08 * gamma) + 0.012 * noise["grain"][:, 0]).clamp(0, 1)
