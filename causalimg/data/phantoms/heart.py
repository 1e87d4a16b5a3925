"""A heart in a short-axis cardiac MRI: the left ventricle's bright blood in its dark ring, the right ventricle beside it.

Layers are painted from back to front: lung, liver, chest wall, the fat around the heart, the right ventricle, and last the
left one. So a smaller left ventricle uncovers what was behind it, and nothing else changes. The scanner then multiplies by
the coil's sensitivity and takes the magnitude of a signal with complex noise (Rician).
"""

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from causalimg.data.phantoms.drawing import Star, cover, distance, grid, paint, per_sample, rotate, smooth
from causalimg.data.phantoms.phantom import Equation, Phantom, Values, within
from causalimg.graph import Area, Categorical, Continuous, Graph, Image

VIEW = 120.0  # mm, the image's width and height
AGE, LV_AREA, WALL_AREA = (20.0, 90.0), (200.0, 2600.0), (500.0, 2200.0)


def _lv_area(u: Tensor, pa: Values) -> Tensor:
    return within(LV_AREA, -0.6 + 0.9 * pa["sex"] - 0.012 * (pa["age"] - 55) + 0.8 * u)


def _wall_area(u: Tensor, pa: Values) -> Tensor:
    return within(WALL_AREA, -0.5 + 0.7 * pa["sex"] + 0.018 * (pa["age"] - 55) + 0.5 * u)


class Heart(Phantom):
    """Short-axis cardiac MRI, 120 mm wide. Structures: the left ventricle's cavity with its papillary muscles, and its wall.

    Age and sex cause the areas of both; sex is also seen in the fat of the chest wall. The two areas scale their outlines
    in place, about the ventricle's centre: outside the wall of the larger ventricle, plus an edge of two pixels, nothing changes.
    """

    structures: ClassVar[tuple[str, ...]] = ("lv", "myo")
    equations: ClassVar[Mapping[str, Equation]] = {
        "age": lambda u, pa: within(AGE, 1.2 * u),
        "sex": lambda u, pa: u.argmax(1),
        "lv_area": _lv_area,
        "wall_area": _wall_area,
    }
    nuisance: ClassVar[Mapping[str, tuple[int, ...]]] = {
        "place": (3,),
        "lv_shape": (2, 2),
        "papillary": (2, 3),
        "rv_shape": (2, 2),
        "rv_size": (),
        "sac_shape": (2, 2),
        "around": (6,),
        "contrast": (2,),
        "tissue": (3, 36, 36),
        "coil": (1, 3, 3),
        "gain": (),
    }
    grains: ClassVar[int] = 2

    def _graph(self) -> Graph:
        pixel = VIEW / self.size
        causes = ["age", "sex"]
        return Graph.of(
            "Heart",
            age=Continuous(unit="year", bounds=AGE),
            sex=Categorical(levels=("female", "male")),
            lv_area=Continuous(parents=causes, unit="mm2", bounds=LV_AREA, measured=Area("lv")),
            wall_area=Continuous(parents=causes, unit="mm2", bounds=WALL_AREA, measured=Area("myo")),
            x=Image(
                parents=["sex", "lv_area", "wall_area"],
                shape=(1, self.size, self.size),
                spacing=(pixel, pixel),
            ),
        )

    def _render(self, parents: Values, noise: Values) -> tuple[Tensor, dict[str, Tensor]]:
        x, y = grid(self.size, VIEW)
        tissue = smooth(noise["tissue"], self.size)
        blood, muscle = per_sample(noise["contrast"])
        blood, muscle = 0.68 + 0.05 * blood, 0.2 + 0.025 * muscle
        scene = _surroundings(x, y, parents["sex"], noise["around"], tissue)

        right, down, turn = per_sample(noise["place"])
        dx, dy = rotate(x - 10 - 2.5 * right, y - 1 - 2.5 * down, 0.2 * turn)  # from the left ventricle's centre
        rv = _right_ventricle(dx, dy, noise)
        sac = Star(dx + 9, dy + 1, 0.03 * noise["sac_shape"]).outline(torch.tensor([3700.0]))
        scene = paint(scene, cover(torch.minimum(rv - 5, sac)), 0.4 + 0.06 * tissue[0])
        scene = paint(scene, cover(rv - 2.5), muscle)
        scene = paint(scene, cover(rv), blood + 0.04 * tissue[1] - 0.2 * (tissue[2] - 1).clamp(0, 1))

        lv = Star(dx, dy, noise["lv_shape"] * torch.tensor([[0.045], [0.015]]))
        inner, outer = lv.outline(parents["lv_area"]), lv.outline(parents["lv_area"] + parents["wall_area"])
        scene = paint(scene, cover(outer), muscle + 0.015 * tissue[0])
        rough = (0.5 + 0.6 * tissue[2]).clamp(0, 1) * (inner.clamp(max=0) / 2.5).exp()  # trabeculae near the wall
        rough = torch.maximum(rough, _papillary(dx, dy, parents["lv_area"], noise["papillary"], tissue))
        scene = paint(scene, cover(inner), paint(blood + 0.03 * tissue[1], rough, muscle + 0.06))
        return _scan(scene, noise), {"lv": inner < 0, "myo": (inner >= 0) & (outer < 0)}


def _surroundings(x: Tensor, y: Tensor, sex: Tensor, noise: Tensor, tissue: tuple[Tensor, ...]) -> Tensor:
    """Lung with its vessels, the liver under the diaphragm, stomach, aorta, and the chest wall at the upper left."""
    wall, tilt, dome, steep, stomach, thick = per_sample(noise)
    female = 1 - sex.view(-1, 1, 1)
    scene = 0.04 + 0.25 * (tissue[2] - 1.2).clamp(min=0) * (tissue[1] + 0.5).clamp(min=0)
    liver = 37 + 3 * dome + (x + 14 + 6 * steep).square() / 240 - y
    scene = paint(scene, cover(liver - 2), 0.5)
    scene = paint(scene, cover(liver), 0.26 + 0.02 * tissue[0] + 0.15 * (tissue[2] - 1.3).clamp(min=0))
    organ = distance((x - 34 - 5 * stomach) / 1.25, y - 56 - 4 * stomach) - 15 - 2 * steep
    scene = paint(scene, cover(organ - 2), 0.5)
    scene = paint(scene, cover(organ), 0.33 + 0.1 * stomach + 0.05 * tissue[1])
    aorta = distance(x - 40 - 3 * tilt, y - 36 - 3 * dome) - 7.5 - wall
    scene = paint(scene, cover(aorta - 1.5), 0.2)
    scene = paint(scene, cover(aorta), 0.62)
    inside = 93 + 4 * wall - distance(x - 32 + 8 * tilt, y - 36 - 4 * tilt)  # mm to the chest wall
    scene = paint(scene, cover(inside), 0.22 + 0.05 * tissue[1])
    scene = paint(scene, cover(inside + 8 - 2 * female), 0.62 + 0.16 * female + 0.04 * tissue[0])
    return paint(scene, cover(inside + 20 + 6 * female + 3 * thick), 0.02)


def _right_ventricle(dx: Tensor, dy: Tensor, noise: Values) -> Tensor:
    shape = torch.tensor([[-0.14, 0.02], [0.06, 0.02]]) + noise["rv_shape"] * torch.tensor([[0.03], [0.02]])
    return Star(dx + 21, dy + 2, shape).outline(2000 * (0.15 * noise["rv_size"]).exp())


def _papillary(dx: Tensor, dy: Tensor, lv_area: Tensor, noise: Tensor, tissue: tuple[Tensor, ...]) -> Tensor:
    """The cover of the two papillary muscles, which keep their place in the cavity when it grows."""
    radius = (lv_area / torch.pi).sqrt().view(-1, 1, 1)
    covers = []
    for muscle, angle in zip(noise.unbind(1), (-0.75, 1.0), strict=True):
        turn, depth, size = per_sample(muscle)
        u, v = rotate(dx / radius, dy / radius, angle + 0.25 * turn)
        edge = distance((u - 0.72 - 0.05 * depth) / 1.4, v) - 0.16 - 0.03 * size
        covers.append(cover(edge + 0.03 * tissue[2]))
    return torch.maximum(*covers)


def _scan(scene: Tensor, noise: Values) -> Tensor:
    (coil,) = smooth(noise["coil"], scene.shape[-1])
    real, imaginary = (0.02 * noise["grain"]).unbind(1)
    scene = scene * (0.18 * coil + 0.1 * noise["gain"].view(-1, 1, 1)).exp()
    return distance(scene + real, imaginary).clamp(0, 1)
