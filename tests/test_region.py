"""Where an image may change: what is set, what a structure is, and what a user says."""

import pytest
import torch
from test_model import Disc, Threshold, discs, item

import causalimg as ci
from causalimg.region import as_mask

GRAPH = ci.compile(Disc).graph


def square(side=4, n=1, size=32):
    mask = torch.zeros(n, size, size, dtype=torch.bool)
    start = (size - side) // 2
    mask[:, start : start + side, start : start + side] = True
    return mask


def region(before, after, mask=None, **settings):
    mask = square() if mask is None else mask
    image = torch.zeros(len(mask), 1, *mask.shape[-2:])
    return ci.Region(**settings).mask(GRAPH, "x", image, before, after, lambda: {"disc": mask})


def parents(*areas, sex=0):
    return {"sex": torch.full((len(areas),), sex), "area": torch.tensor(areas)}


def test_it_is_near_the_structure_of_what_changed():
    mask = region(parents(16.0), parents(12.0), margin=2 / 32, soft=0)
    assert torch.equal(mask > 0, square(8))
    assert mask.unique().tolist() == [0, 1]


def test_it_grows_with_what_is_asked_for_and_never_shrinks():
    """An area of four times as much is a structure twice as wide: it grows by half its side, 4 pixels each way."""
    wide, narrow, same = region(parents(64.0, 64.0, 64.0), parents(256.0, 16.0, 65.0), square(8), margin=0, soft=0)
    assert wide.sum() == 16**2
    assert narrow.sum() == 64
    assert 64 < same.sum() < 66  # a little more is a little more


def test_a_cause_that_is_measured_nowhere_may_change_all_and_one_that_stays_nothing():
    both = region(parents(16.0, 16.0, 16.0), {"sex": torch.tensor([0, 1, 0]), "area": torch.tensor([12.0, 16.0, 16.0])})
    assert 0 < both[0].mean() < 0.5
    assert both[1].min() == 1
    assert both[2].max() == 0


def test_where_the_structure_is_not_seen_all_may_change():
    assert region(parents(16.0), parents(12.0), torch.zeros(1, 32, 32, dtype=torch.bool)).min() == 1
    image = torch.zeros(1, 1, 32, 32)
    assert ci.Region().mask(GRAPH, "x", image, parents(16.0), parents(12.0), dict) is None
    assert region(parents(16.0), parents(12.0), margin=1) is None


def test_its_border_is_soft():
    mask = region(parents(16.0), parents(12.0), margin=4 / 32, soft=2 / 32)[0]
    assert ((mask > 0) & (mask < 1)).any()
    assert mask[16, 16] == 1
    assert (mask[16, 16:].diff() <= 1e-6).all()


@pytest.fixture(scope="module")
def model():
    model = ci.compile(Disc, Threshold(), x=ci.FlowMatching(widths=(8, 16), embedding=16, steps=2))
    quick = ci.Recipe(steps=30, batch=64, lr=5e-3, warmup=5, ema=0.9)
    model.fit(discs(), discs(40, seed=3), age=quick, sex=quick, area=quick, x=quick)
    return model


def change(model, **how):
    world = discs(6, seed=5)
    return (model.do(world, area=ci.scale(1.3), weights={"area": 3.0}, **how)["x"] - world["x"]).abs()[:, 0]


def test_an_answer_changes_the_image_where_it_may_and_nowhere_else(model):
    corner = torch.zeros(16, 16)
    corner[:4, :4] = 1
    for given in (corner, corner.bool(), corner.expand(6, -1, -1), corner.numpy(), corner.to_sparse()):
        away = change(model, region=given)
        assert away[:, corner == 0].max() < 1e-5
        assert away[:, corner == 1].max() > 1e-4
    for everywhere in (ci.Region(margin=1), None, 1 + 0 * corner):
        assert change(model, region=everywhere)[:, :2, :2].max() > 1e-4


@pytest.mark.parametrize("soft", [-0.1, float("nan"), float("inf")])
def test_a_border_that_is_no_share_of_the_image_is_refused(soft):
    with pytest.raises(ValueError, match=r"Region.soft: .*got"):
        ci.Region(soft=soft)


def test_a_structure_by_name_and_the_default_are_near_it(model):
    default, named = change(model), change(model, region="disc")
    assert torch.equal(default, named)
    far = ci.Region(margin=0.05, soft=0.0)
    assert (change(model, region=far)[:, 0] < 1e-5).all()


def test_what_moves_elsewhere_has_no_region_of_its_own():
    graph = ci.Graph.of(
        row=ci.Continuous(unit="px", measured=ci.Centroid("disc", axis="row")),
        x=ci.Image(parents=["row"], shape=(1, 32, 32)),
    )
    rows = {"row": torch.tensor([16.0])}, {"row": torch.tensor([25.0])}
    assert ci.Region().mask(graph, "x", torch.zeros(1, 1, 32, 32), *rows, lambda: {"disc": square()}) is None


def test_no_item_is_no_error(model):
    none = {name: column[:0] for name, column in discs(4).items()}
    assert model.do(none, area=60.0)["x"].shape == (0, 1, 16, 16)


def test_an_image_is_outlined_by_those_who_read_it():
    pair = ci.Graph.of(
        a=ci.Continuous(unit="px", measured=ci.Area("disc", image="one")),
        b=ci.Continuous(unit="px", measured=ci.Area("disc", image="two")),
        one=ci.Image(parents=["a"], shape=(1, 16, 16)),
        two=ci.Image(parents=["b"], shape=(3, 16, 16)),
    )
    reading = [OfOne(reads=name) for name in "ab"]
    found = ci.readers.ReaderSet(pair, reading).outlines(torch.zeros(2, 1, 16, 16), "one")
    assert found["disc"].all()
    assert [reader.asked for reader in reading] == [1, 0]


class OfOne(ci.Reader):
    """Reads one variable, outlines all, and counts how often it is asked to."""

    reads: str
    asked = 0

    def can_read(self, graph):
        return (self.reads,)

    def read(self, images, graph, names, *, soft=False):
        return {name: images.mean((1, 2, 3)) for name in names}

    def masks(self, images):
        self.asked += 1
        return {"disc": torch.ones_like(images[:, 0], dtype=torch.bool)}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("dsic", "Did you mean 'disc'"),
        (torch.ones(8, 8), r"expected a mask of shape \(16, 16\)"),
        (torch.full((16, 16), 2.0), "within"),
        (object(), "expected a Region, a structure by name, or a mask"),
        (torch.ones(16, 16) + 0j, "expected a Region, a structure by name, or a mask"),
    ],
)
def test_a_region_that_will_not_do_is_refused(model, given, said):
    with pytest.raises((ValueError, TypeError), match=said):
        model.do(item(discs()), area=60.0, region=given)


def test_a_mask_of_a_user_is_one_for_all_or_one_for_each():
    assert as_mask(torch.ones(4, 6, dtype=torch.bool), (1, 4, 6), 3, torch.device("cpu")).shape == (1, 4, 6)
    assert as_mask([[0.5] * 6] * 4, (1, 4, 6), 1, torch.device("cpu")).unique().tolist() == [0.5]
