"""Quantities: exact on hard outlines, alike on soft ones, and with a gradient that points the right way."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from causalimg.graph import (
    Area,
    Centroid,
    Continuous,
    Graph,
    Height,
    Image,
    MeanIntensity,
    Outlined,
    Quantity,
    Ratio,
    Width,
    Within,
    measure,
    scale,
    shift,
)

SPACING = (1.5, 2.0)
UPPER = Within(Area("lv"), of="lv", stop=1 / 3)
KINDS = {
    "area": Area("lv"),
    "width": Width("lv"),
    "height": Height("lv"),
    "row": Centroid("lv", axis="row"),
    "column": Centroid("lv", axis="column"),
    "intensity": MeanIntensity("lv"),
    "ratio": Ratio(Width("lv"), Height("lv")),
    "to nothing": Ratio(Area("rv"), Area("lv")),
    "upper third": UPPER,
    "image's left half": Within(Width("lv"), along="width", stop=0.5),
    "of a ratio": Within(Ratio(Area("lv"), Area("rv")), of="rv", along="width", start=0.25),
    "quadrant": Within(UPPER, along="width", start=0.5),
}
MOVED = {"row", "column", "intensity", "image's left half", "quadrant"}
every = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture
def seen():
    mask = torch.zeros(2, 4, 5)
    mask[0, :2, :3] = 1.0
    mask[1, 0, 0] = 0.25  # an outline that is not sure
    image = torch.arange(20.0).view(1, 1, 4, 5).repeat(2, 1, 1, 1)
    return Outlined({"lv": mask}, image, SPACING)


def disc(size=64, radius=14.0, sharp=torch.inf, at=(30.3, 34.1)):
    """Outlines of discs, `sharp` in logits per pixel, on a bright ramp."""
    y, x = (centre - at[i] for i, centre in enumerate(torch.meshgrid(*[torch.arange(size) + 0.5] * 2, indexing="ij")))
    logits = {"lv": radius - (x**2 + y**2).sqrt(), "rv": 20 - (x**2 / 2 + y**2).sqrt()}
    image = (0.5 + x / 200 + y / 300).expand(1, 1, size, size)
    hard = math.isinf(sharp)
    masks = {k: (v > 0).float() if hard else (sharp * v).sigmoid() for k, v in logits.items()}
    return Outlined({name: mask[None] for name, mask in masks.items()}, image, SPACING)


def nothing(size=8):
    masks = {name: torch.zeros(1, size, size, requires_grad=True) for name in ("lv", "rv")}
    image = torch.arange(64.0).view(1, 1, size, size).requires_grad_()
    return Outlined(masks, image, SPACING)


@pytest.mark.parametrize(
    ("quantity", "unit", "values"),
    [
        (Area("lv"), "px", [6.0, 0.25]),
        (Area("lv"), "mm2", [18.0, 0.75]),
        (Area("lv"), "fraction", [0.3, 0.0125]),
        (Width("lv"), "px", [3.0, 0.25]),
        (Width("lv"), "mm", [6.0, 0.5]),
        (Width("lv"), "fraction", [0.6, 0.05]),
        (Height("lv"), "px", [2.0, 0.25]),
        (Height("lv"), "mm", [3.0, 0.375]),
        (Height("lv"), "fraction", [0.5, 0.0625]),
        (Centroid("lv", axis="row"), "px", [1.0, 0.75 * 2 + 0.25 * 0.5]),
        (Centroid("lv", axis="column"), "mm", [3.0, 2 * (0.75 * 2.5 + 0.25 * 0.5)]),
        (Centroid("lv", axis="column"), "fraction", [0.3, 0.4]),
        (MeanIntensity("lv"), "grey", [3.5, 0.75 * 9.5]),
        (Ratio(Width("lv"), Height("lv")), "ratio", [2.0, 0.5 / 1.5]),
        (Within(Area("lv"), of="lv", along="width", stop=1 / 3), "px", [2.0, 0.25]),
        (Within(Area("lv"), along="width", start=0.4), "px", [2.0, 0.0]),
        (Within(Height("lv"), start=0.25), "px", [1.0, 0.0]),
    ],
)
def test_a_quantity_in_its_units(seen, quantity, unit, values):
    assert quantity.measure(seen, unit).tolist() == pytest.approx(values)


def test_a_soft_area_passes_the_gradient_to_every_pixel(seen):
    soft = seen.masks["lv"].requires_grad_()
    Area("lv").measure(seen, "mm2").sum().backward()
    assert (soft.grad == 3.0).all()


@every
def test_soft_and_hard_agree_on_sharp_probabilities(kind):
    quantity = KINDS[kind]
    hard, soft = (quantity.measure(disc(sharp=s), quantity.units[0]) for s in (torch.inf, 6.0))
    assert soft.item() == pytest.approx(hard.item(), rel=0.02)


@every
def test_of_nothing_value_and_gradient_are_finite(kind):
    quantity, seen = KINDS[kind], nothing()
    value = quantity.measure(seen, quantity.units[0])
    value.sum().backward()
    assert value.isfinite().all()
    for leaf in (*seen.masks.values(), seen.image):
        assert leaf.grad is None or (leaf.grad.isfinite().all() and leaf.grad.abs().max() < 100)


def test_nothing_is_in_the_middle_and_as_bright_as_the_image():
    assert Centroid("lv", axis="row").measure(nothing(), "fraction").item() == pytest.approx(0.5)
    assert MeanIntensity("lv").measure(nothing(), "grey").item() == pytest.approx(31.5)


@every
def test_no_images_have_no_values(kind):
    seen = disc()
    none = Outlined({name: mask[:0] for name, mask in seen.masks.items()}, seen.image[:0], SPACING)
    assert KINDS[kind].measure(none, KINDS[kind].units[0]).shape == (0,)


@every
def test_a_batch_is_its_images(kind):
    quantity, some = KINDS[kind], [disc(radius=8.0), disc(radius=17.0, sharp=2.0), disc(sharp=1.0)]
    masks = {name: torch.cat([one.masks[name] for one in some]) for name in ("lv", "rv")}
    both = quantity.measure(Outlined(masks, torch.cat([one.image for one in some]), SPACING), quantity.units[0])
    torch.testing.assert_close(both, torch.cat([quantity.measure(one, quantity.units[0]) for one in some]))


@pytest.mark.parametrize(
    ("kind", "pixel", "sign"),
    [
        ("area", (30, 49), 1),
        ("width", (30, 49), 1),
        ("height", (45, 34), 1),
        ("row", (45, 34), 1),
        ("row", (15, 34), -1),
        ("column", (30, 49), 1),
        ("intensity", (44, 44), 1),
        ("intensity", (19, 22), -1),
        ("ratio", (30, 49), 1),
        ("ratio", (45, 34), -1),
        ("upper third", (15, 34), -1),  # a row more at the top moves the end of the third up, over wider rows
        ("upper third", (45, 34), 1),  # a row more at the bottom moves it down
        ("upper third", (24, 45), 1),
        ("image's left half", (30, 19), 1),
        ("image's left half", (30, 49), 0),
    ],
)
def test_growing_the_outline_beyond_its_border_moves_a_quantity_the_right_way(kind, pixel, sign):
    quantity, seen = KINDS[kind], disc(sharp=3.0)
    mask = seen.masks["lv"].requires_grad_()
    quantity.measure(seen, quantity.units[0]).sum().backward()
    assert mask.grad.isfinite().all()
    assert mask.grad[0][pixel].sign() == sign


def test_a_mean_intensity_has_a_gradient_in_the_greys_of_the_structure():
    seen = disc()
    seen = seen._replace(image=seen.image.clone().requires_grad_())
    MeanIntensity("lv").measure(seen, "grey").sum().backward()
    torch.testing.assert_close(seen.image.grad[:, 0], seen.masks["lv"] / seen.masks["lv"].sum(), atol=1e-6, rtol=0)


def blobs(n=12):
    """Random hard outlines of any form, of at least one pixel, with room around them."""
    rows = st.lists(st.lists(st.booleans(), min_size=n, max_size=n), min_size=n, max_size=n)
    return rows.map(lambda bits: torch.tensor(bits).float()).filter(lambda mask: mask.any())


def outlined(mask):
    return Outlined({"lv": mask[None]}, torch.zeros(1, 1, *mask.shape), SPACING)


def roomy(mask, down=0, right=0):
    return outlined(torch.nn.functional.pad(mask, (4 + right, 4 - right, 4 + down, 4 - down)))


def sizes(seen):
    return [kind("lv").measure(seen, "px").item() for kind in (Area, Width, Height)]


@given(blobs(), st.integers(-4, 4), st.integers(-4, 4))
@settings(max_examples=25, deadline=None)
def test_a_shift_moves_the_centroid_by_that_much_and_leaves_what_is_steady(mask, down, right):
    before, after = roomy(mask), roomy(mask, down, right)
    for axis, by in (("row", down), ("column", right)):
        places = [Centroid("lv", axis=axis).measure(one, "px").item() for one in (before, after)]
        assert places[1] - places[0] == pytest.approx(by, abs=1e-3)
    assert sizes(before) == sizes(after)
    assert UPPER.measure(before, "px") == UPPER.measure(after, "px")


@given(blobs())
@settings(max_examples=25, deadline=None)
def test_width_and_height_swap_when_the_image_is_transposed(mask):
    area, width, height = sizes(outlined(mask))
    assert sizes(outlined(mask.mT)) == [area, height, width]
    for along, other in (("height", "width"), ("width", "height")):
        part, flipped = (Within(Area("lv"), of="lv", along=way, stop=0.4) for way in (along, other))
        assert part.measure(outlined(mask), "px") == flipped.measure(outlined(mask.mT), "px")


@given(blobs(), st.integers(1, 9), st.sampled_from(["lv", None]), st.sampled_from(["height", "width"]))
@settings(max_examples=40, deadline=None)
def test_bands_partition_the_whole(mask, parts, of, along):
    soft = outlined(mask * 0.75 + 0.25 * mask.roll(3, 1))  # in quarters, so that sums are exact
    bands = [
        Within(Area("lv"), of=of, along=along, start=i / parts, stop=(i + 1) / parts).measure(soft, "px")
        for i in range(parts)
    ]
    assert sum(bands).item() == pytest.approx(Area("lv").measure(soft, "px").item(), rel=1e-5)


@pytest.mark.parametrize("rows", [4, 5, 6])
def test_a_row_on_a_border_is_shared_by_both_bands(rows):
    mask = torch.zeros(8, 8)
    mask[1 : 1 + rows, 2:5] = 1
    thirds = [Within(Area("lv"), of="lv", start=i / 3, stop=(i + 1) / 3) for i in range(3)]
    areas = [third.measure(outlined(mask), "px").item() for third in thirds]
    assert areas == pytest.approx([rows] * 3)


def test_the_thirds_of_a_soft_disc_are_alike_at_both_ends():
    seen = disc(sharp=2.0)
    thirds = [Within(Area("lv"), of="lv", start=i / 3, stop=(i + 1) / 3).measure(seen, "px").item() for i in range(3)]
    assert thirds[0] == pytest.approx(thirds[2], rel=0.1)
    assert thirds[1] > 1.3 * thirds[0]


@pytest.mark.parametrize("most", [0.97, 0.7])
def test_the_gradient_of_a_part_is_that_of_its_measure(most):
    """Also at the most probable pixel, and where lengthening the structure moves the band."""
    rows = torch.tensor([0.01, 0.02, 0.3, 0.8, 0.95, 0.96, 0.97, 0.95, 0.85, 0.6, 0.1, 0.02], dtype=torch.float64)
    mask = (most / 0.97 * rows)[:, None].expand(12, 5).clone().requires_grad_()
    image = torch.zeros(1, 1, 12, 5)

    def area(mask):
        return UPPER.measure(Outlined({"lv": mask[None]}, image), "px").sum()

    (found,) = torch.autograd.grad(area(mask), mask)
    for row in range(12):  # a whole row at a time: single pixels are not the largest of theirs
        by = torch.zeros_like(mask)
        by[row] = 1e-4
        slope = (area(mask + by) - area(mask - by)) / 2e-4
        assert found[row].sum().item() == pytest.approx(slope.item(), abs=0.02)


def test_a_part_of_a_part_is_found_where_little_of_a_row_is_left():
    row = torch.zeros(8, 8)
    row[3] = 1
    seen = outlined(row)
    halves = [Within(Within(Area("lv"), start=i / 2, stop=(i + 1) / 2), of="lv", stop=1 / 3) for i in range(2)]
    assert sum(half.measure(seen, "px").item() for half in halves) == pytest.approx(8 / 3, rel=1e-4)


def test_within_another_structure_needs_both_and_the_outer_band_is_cut_first():
    assert KINDS["of a ratio"].structures == ("lv", "rv")
    assert UPPER.structures == ("lv",)
    seen = outlined(torch.ones(8, 8))
    half = Within(Area("lv"), of="lv", stop=0.5)
    assert Within(half, along="height", stop=0.5).measure(seen, "px").item() == 16


@every
def test_what_exposure_and_shift_leave_is_said(kind):
    assert KINDS[kind].steady == (kind not in MOVED)


@every
def test_quantities_within_quantities_make_the_round_trip(kind):
    quantity = KINDS[kind]
    graph = Graph.of(
        a=Continuous(unit=quantity.units[-1], measured=quantity),
        x=Image(parents=["a"], shape=(1, 8, 8), spacing=SPACING),
    )
    for again in (Graph.from_json(graph.to_json()), Graph.from_yaml(graph.to_yaml())):
        assert again == graph
        assert type(again.measured["a"]) is type(quantity)
    assert Quantity.from_data(quantity.to_data()) == quantity
    assert eval(repr(quantity)) == quantity


def test_a_variable_is_measured_in_its_unit_on_its_image():
    graph = Graph.of(
        lv=Continuous(unit="mm2", measured=Area("lv", image="mr")),
        mr=Image(parents=["lv"], shape=(1, 4, 4), spacing=SPACING),
        ct=Image(parents=["lv"], shape=(1, 4, 4)),
    )
    mask = torch.eye(4, dtype=torch.bool)[None]
    assert measure(graph, "lv", {"lv": mask}, torch.zeros(1, 1, 4, 4)).tolist() == [12.0]
    with pytest.raises(ValueError, match=r"missing mask 'lv'\. Was 'lvx' meant to be it\? Given: lvx\."):
        measure(graph, "lv", {"lvx": mask}, torch.zeros(1, 1, 4, 4))
    with pytest.raises(ValueError, match=r"missing mask 'lv'\. Given: \(none\)\."):
        measure(graph, "lv", {}, torch.zeros(1, 1, 4, 4))
    with pytest.raises(ValueError, match="unknown measured variable 'mr'."):
        measure(graph, "mr", {"lv": mask}, torch.zeros(1, 1, 4, 4))


@pytest.mark.parametrize(
    ("quantity", "unit"),
    [(Area("lv"), "mm2"), (Width("lv"), "mm"), (Centroid("lv", axis="row"), "mm"), (UPPER, "mm2")],
)
def test_a_quantity_in_mm_without_the_size_of_a_pixel(seen, quantity, unit):
    with pytest.raises(ValueError, match=rf"\) in {unit} needs an image with spacing=\(mm, mm\)"):
        quantity.measure(seen._replace(spacing=None), unit)


def test_a_ratio_needs_no_size_of_a_pixel(seen):
    assert Ratio(Width("lv"), Height("lv")).measure(seen._replace(spacing=None), "ratio")[0].item() == 1.5


@every
def test_a_unit_that_a_quantity_has_not(kind):
    with pytest.raises(ValueError, match="unknown unit of .* 'mm3'.* Known: "):
        KINDS[kind].measure(disc(), "mm3")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: Centroid("lv", axis="rows"), "Centroid.axis: unknown axis 'rows'. Did you mean 'row'?"),
        (lambda: Centroid("lv"), "Centroid.axis: Field required"),
        (lambda: Within(Area("lv"), along="hight"), "Within.along: unknown along 'hight'. Did you mean 'height'?"),
        (lambda: Within(Area("lv"), start=0.5, stop=0.5), "expected start < stop, got start=0.5 and stop=0.5"),
        (lambda: Within(Area("lv"), stop=1.5), "Within.stop: Input should be less than or equal to 1, got 1.5"),
        (lambda: Within("lv"), "Within.quantity: expected a Quantity, or a mapping with its 'kind', got 'lv'"),
        (lambda: Within({"kind": "Aera"}), "unknown kind of Quantity 'Aera'. Did you mean 'Area'?"),
        (
            lambda: Within(Area("lv", image="x")),
            r"say image='x' once, of the whole, and not of Area\('lv', image='x'\)",
        ),
        (
            lambda: Ratio(Area("lv"), Width("lv")),
            r"expected two lengths or two areas, got Area\('lv'\) and Width\('lv'\)",
        ),
        (lambda: Ratio(MeanIntensity("lv"), MeanIntensity("rv")), "expected two lengths or two areas"),
    ],
)
def test_a_mistake_in_a_quantity_is_named(wrong, message):
    with pytest.raises(ValueError, match=message):
        wrong()


def test_interventions_relative_to_the_factual_value():
    factual = torch.tensor([100.0, 50.0])
    assert scale(1.2)(factual).tolist() == pytest.approx([120.0, 60.0])
    assert shift(-10)(factual).tolist() == pytest.approx([90.0, 40.0])


def test_interventions_that_are_no_numbers():
    for wrong in (scale, shift):
        with pytest.raises(ValueError, match="Input should be a finite number, got nan"):
            wrong(float("nan"))
