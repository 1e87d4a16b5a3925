"""Figures: what is on them is what was handed in, on one scale, in the right place."""

import sys

import numpy as np
import pytest
import torch

from causalimg.viz.canvas import SMALL, Canvas, fold
from causalimg.viz.curves import Curve, draw_dose_response, draw_history
from causalimg.viz.pictures import Pictures, border, draw_grid


def discs(n=3, radius=5.0, size=32):
    """Images (n, 1, size, size) of a disc each, and their masks."""
    y, x = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    mask = ((y - size / 2) ** 2 + (x - size / 2) ** 2 < radius**2).expand(n, size, size)
    return 0.2 + 0.6 * mask.float()[:, None], mask


def draw_counterfactuals(factual, counterfactual, outlines=None, captions=(), **how):
    """A figure of one answer."""
    pairs = outlines or {}
    was = Pictures(factual, {name: pair[0] for name, pair in pairs.items()})
    answer = Pictures(counterfactual, {name: pair[1] for name, pair in pairs.items()}, captions)
    return draw_grid(was, {"counterfactual": answer}, **how)


def pictures(figure):
    """The axes that hold a picture, but not the colour bar."""
    return [axes for axes in figure.axes if axes.images and axes.images[0].get_array().shape[0] > 1]


def texts(figure):
    return [text.get_text() for text in figure.texts]


@pytest.fixture
def pair():
    return discs(radius=5), discs(radius=8)


def test_a_row_holds_factual_counterfactual_and_their_difference_in_grey_levels(pair):
    (before, _), (after, _) = pair
    shown = [axes.images[0] for axes in pictures(draw_counterfactuals(before, after))]
    assert len(shown) == 9
    by_column = shown[0:3], shown[3:6], shown[6:9]
    np.testing.assert_allclose(by_column[0][0].get_array(), before[0, 0])
    np.testing.assert_allclose(by_column[1][0].get_array(), after[0, 0])
    np.testing.assert_allclose(by_column[2][0].get_array(), 255 * (after - before)[0, 0], atol=1e-4)


def test_greys_and_changes_have_one_scale_whatever_the_contrast_of_an_image(pair):
    (before, _), (after, _) = pair
    faint = draw_counterfactuals(0.01 * before, 0.01 * after)
    strong = draw_counterfactuals(before, after)
    limits = [[axes.images[0].get_clim() for axes in pictures(figure)] for figure in (faint, strong)]
    assert limits[0] == limits[1]
    low, high = limits[0][-1]
    assert low == -high
    assert limits[0][0] == (0, 1)


def test_bounds_say_what_is_black_and_white(pair):
    (before, _), (after, _) = pair
    figure = draw_counterfactuals(2 * before - 1, 2 * after - 1, bounds=(-1.0, 1.0))
    plain = draw_counterfactuals(before, after)
    for ours, theirs in zip(pictures(figure), pictures(plain), strict=True):
        np.testing.assert_allclose(ours.images[0].get_array(), theirs.images[0].get_array(), atol=1e-4)


def test_the_factual_outline_is_on_every_picture_and_the_counterfactual_one_on_its_own(pair):
    (before, small), (after, large) = pair
    axes = pictures(draw_counterfactuals(before, after, {"lv": (small, large)}))
    widths = [[np.ptp(drawn.get_paths()[0].vertices[:, 0]) for drawn in one.collections] for one in axes[::3]]
    assert [len(one) for one in widths] == [1, 2, 2]
    assert widths[0][0] == widths[1][0] == pytest.approx(10, abs=1)
    assert widths[1][1] == widths[2][1] == pytest.approx(16, abs=1)


def test_a_structure_keeps_its_colour_and_the_legend_names_it(pair):
    (before, small), (after, large) = pair
    figure = draw_counterfactuals(before, after, {"lv": (small, large), "rv": (large, small)})
    colours = [[tuple(drawn.get_edgecolor()[0]) for drawn in one.collections] for one in pictures(figure)]
    assert colours[0][0] == colours[3][0] == colours[3][2]
    assert colours[0][0] != colours[0][1]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["lv", "rv", "factual", "counterfactual"]


def test_where_two_structures_share_a_border_that_of_the_first_is_seen():
    cavity, wall = torch.zeros(2, 1, 8, 8)
    cavity[0, 3:5, 3:5] = wall[0, 1:7, 1:7] = 1
    wall -= cavity
    masks = {"cavity": (cavity, cavity), "wall": (wall, wall)}
    for axes in pictures(draw_counterfactuals(cavity[:, None], cavity[:, None], masks)):
        sizes = [len(drawn.get_paths()) for drawn in axes.collections]
        assert sizes[:2] == [2, 1]  # the wall's, outer and inner border, lies below the cavity's


def test_a_structure_that_is_nowhere_is_not_outlined_and_no_warning(pair):
    (before, small), (after, _) = pair
    axes = pictures(draw_counterfactuals(before, after, {"lv": (small, torch.zeros_like(small))}))
    assert [len(one.collections) for one in axes[::3]] == [1, 1, 1]


def test_a_structure_that_the_edge_of_an_image_cuts_is_closed_along_it():
    mask = torch.zeros(8, 8)
    mask[2:5, :3] = 1
    (line,) = border(mask)
    assert (line[0] == line[-1]).all()
    assert (line.min(0).tolist(), line.max(0).tolist()) == ([-0.5, 1.5], [2.5, 4.5])


def test_pictures_keep_their_aspect():
    wide = torch.rand(1, 1, 20, 50)
    figure = draw_counterfactuals(wide, wide)
    width, height = figure.get_size_inches()
    for axes in pictures(figure):
        box = axes.get_position()
        assert box.width * width / (box.height * height) == pytest.approx(2.5)


def test_nothing_lies_outside_the_paper_or_on_a_picture(pair):
    (before, small), (after, large) = pair
    captions = ["do(lv_area = 900 mm2): 1423 -> 900, measured 911"] * 3
    figure = draw_counterfactuals(before, after, {"lv": (small, large)}, captions, title="A heart")
    figure.draw_without_rendering()
    paper = figure.bbox
    boxes = [axes.get_window_extent() for axes in pictures(figure)]
    for text in filter(lambda text: text.get_text(), figure.texts):
        box = text.get_window_extent()
        assert (paper.min <= box.min).all()
        assert (box.max <= paper.max).all()
        assert not any(box.overlaps(other) for other in boxes), text.get_text()


def test_captions_stand_above_their_row_and_long_ones_fold(pair):
    (before, _), (after, _) = pair
    captions = ["do(lv_area = 900 mm2)\nmeasured 911", "short", "long " * 40]
    said = texts(draw_counterfactuals(before, after, captions=captions))
    assert captions[0] in said
    assert "short" in said
    assert any(text.startswith("long long") and "\n" in text for text in said)


def test_letters_are_no_wider_than_folding_assumes():
    canvas = Canvas(10, 1)
    text = "do(left_lung_area = 0.1234 fraction): 1423 -> 900, measured 911"
    canvas.write(0, 0.5, text)
    canvas.figure.draw_without_rendering()
    width = canvas.figure.texts[0].get_window_extent().width / canvas.figure.dpi
    assert all(len(line) / len(text) * width <= 3.0 for line in fold(text, 3.0))
    assert len(fold(text, 3.0)) > 1
    assert canvas.figure.texts[0].get_fontsize() == SMALL


def test_a_grid_has_every_answer_beside_its_difference(pair):
    (before, small), (after, large) = pair
    answers = {
        "do(-)": Pictures(after, {"lv": large}, ["less"] * 3),
        "do(+)": Pictures(before, {"lv": small}, ["more"] * 3),
    }
    figure = draw_grid(Pictures(before, {"lv": small}, ["a", "b", "c"]), answers)
    assert len(pictures(figure)) == 15
    assert {"factual", "do(-)", "do(+)", "a", "b", "c", "less", "more"} <= set(texts(figure))
    assert texts(figure).count("difference") == 2
    assert not pictures(figure)[-1].images[0].get_array().any()


def test_eight_rows_at_most():
    many = torch.rand(20, 1, 8, 8)
    figure = draw_counterfactuals(many, many, captions=[f"item {i}" for i in range(20)])
    assert len(pictures(figure)) == 3 * 8
    assert "item 7" in texts(figure)
    assert "item 8" not in texts(figure)


def test_a_change_of_hue_shows():
    red, green = torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 8)
    red[:, 0] = green[:, 1] = 1.0
    axes = pictures(draw_counterfactuals(red, green))
    assert axes[0].images[0].get_array().shape == (8, 8, 3)
    assert (abs(axes[2].images[0].get_array()) == 255).all()


@pytest.mark.parametrize("suffix", ["png", "pdf"])
def test_the_figure_is_written_where_the_path_says(pair, tmp_path, suffix):
    (before, small), (after, large) = pair
    path = tmp_path / f"cf.{suffix}"
    draw_counterfactuals(before, after, {"lv": (small, large)}, title="A heart", path=path)
    assert path.stat().st_size > 3000


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"counterfactual": torch.rand(2, 1, 32, 32)}, r"counterfactual: expected images of shape \(3, 1, 32, 32\)"),
        ({"factual": torch.rand(3, 32, 32)}, r"factual: expected images of shape \(n, 1 or 3, height, width\)"),
        ({"factual": torch.rand(0, 1, 32, 32)}, r"factual: expected images of shape \(n, 1 or 3, height, width\)"),
        ({"captions": ["one"]}, "counterfactual: expected 3 captions, got 1"),
        ({"outlines": {"lv": (torch.ones(3, 8, 8),) * 2}}, r"factual: expected 'lv' outlines of shape \(3, 32, 32\)"),
    ],
)
def test_what_does_not_fit_is_refused(pair, changes, message):
    arguments = {"factual": pair[0][0], "counterfactual": pair[1][0]} | changes
    with pytest.raises(ValueError, match=message):
        draw_counterfactuals(**arguments)


def test_history_has_every_metric_where_it_was_measured():
    often = [{"step": s, "loss": 1 / (s + 1), "nll": 0.5, "lr": 1e-3, "seconds": 0.1 * s} for s in range(6)]
    rows = [row | ({"val": 2.0} if row["step"] % 2 else {}) for row in often]
    figure = draw_history(rows, title="fit x")
    curves = {axes.get_title(loc="left"): axes.lines[0].get_xydata().tolist() for axes in figure.axes}
    assert curves.keys() == {"loss", "nll", "lr", "val"}
    assert curves["val"] == [[1, 2], [3, 2], [5, 2]]
    with pytest.raises(ValueError, match="no metric"):
        draw_history([{"step": 1}])


def test_dose_response_shows_every_reading_and_the_line_of_agreement(tmp_path):
    target = torch.linspace(100, 900, 30)
    measured = {"before": torch.full((30,), 500.0), "after": 0.9 * target}
    (axes,) = draw_dose_response(target, measured, label="lv_area [px]", path=tmp_path / "dose.png").axes
    assert [points.get_offsets()[:, 1].tolist() for points in axes.collections] == [
        v.tolist() for v in measured.values()
    ]
    line = axes.lines[0].get_xydata()
    assert (line[:, 0] == line[:, 1]).all()
    assert "lv_area [px]" in axes.get_xlabel()


def test_a_curve_is_a_line_in_a_band():
    target, middle = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([2.0, 2.5, 3.0])
    curve = Curve(target, middle, middle - 1, middle + 2)
    (axes,) = draw_dose_response(torch.empty(0), {}, {"after": curve}, label="area").axes
    assert axes.lines[1].get_xydata().tolist() == [[1, 2], [2, 2.5], [3, 3]]
    outline = axes.collections[0].get_paths()[0].vertices
    assert {1.0, 1.5, 2.0, 4.0, 4.5, 5.0} == set(outline[:, 1].tolist())
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["after"]


def test_drawing_needs_no_pyplot(pair, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)  # an import of it would raise
    (before, small), (after, large) = pair
    assert draw_counterfactuals(before, after, {"lv": (small, large)}).axes
    assert draw_history([{"step": 0, "loss": 1.0}]).axes
