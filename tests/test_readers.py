"""Readers: what they read is what is there, softly and hard, before and after disk."""

from functools import partial
from typing import Literal

import pytest
import torch
from pydantic import PositiveInt
from torch import nn

from causalimg.graph import Area, Categorical, Continuous, Graph, Image
from causalimg.readers import Augment, Classifier, Network, Pose, Reader, ReaderSet, Regressor, Segmentor, UNet
from causalimg.readers.held import held_readers
from causalimg.readers.reader_set import outlines, widened
from causalimg.readers.scores import hold_out, number_scores, outline_scores
from causalimg.readers.segmentor import TOLERANCE, gap, sharpness
from causalimg.training.recipe import Recipe

STILL = Augment(brightness=0, contrast=0, gamma=0, blur=0, noise=0, rotate=0, scale=0, shift=0)
SMALL = "tu-mobilenetv3_small_050"
BRIEF = Recipe(steps=3, batch=4, warmup=1)

Discs = Graph.of(
    "Discs",
    shade=Categorical(levels=("dark", "light")),
    size=Continuous(unit="px", measured=Area("disc")),
    share=Continuous(unit="fraction", measured=Area("disc")),
    surface=Continuous(unit="mm2", measured=Area("disc")),
    ring_size=Continuous(unit="px", measured=Area("ring")),
    x=Image(parents=["shade", "size", "share", "surface", "ring_size"], shape=(1, 32, 32), spacing=(2.0, 3.0)),
)


def discs(n, seed=0):
    """Bright discs on a dark ground, (n, 1, 32, 32), and where they are, (n, 32, 32) bool."""
    draw = torch.rand(4, n, 1, 1, generator=torch.Generator().manual_seed(seed))
    rows, columns = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")
    masks = (rows - 12 - 8 * draw[0]) ** 2 + (columns - 12 - 8 * draw[1]) ** 2 < (4 + 6 * draw[2]) ** 2
    return (0.2 + 0.02 * draw[3] + 0.5 * masks)[:, None], masks


class Threshold(nn.Module):
    """Logits of what is bright, and of what is dark; with a background in front, if so asked."""

    def __init__(self, background=False):
        super().__init__()
        self.background = background
        self.gain = nn.Parameter(torch.tensor(10.0))

    def forward(self, images):
        logits = self.gain * (images[:, 0] - 0.5)
        maps = [torch.zeros_like(logits)] * self.background + [logits, -logits]
        return torch.stack(maps, dim=1)


class Mean(Network):
    """Numbers that depend on the mean grey level alone."""

    outputs: PositiveInt = 1

    def __init__(self, **settings):
        super().__init__(**settings)
        self.head = nn.Linear(1, self.outputs)
        nn.init.zeros_(self.head.weight)

    def forward(self, images):
        return self.head(10 * images.mean((2, 3)) - 3)


def wrapped(**settings):
    return Segmentor(Threshold(), structures=("disc", "ground"), **settings)


@pytest.fixture(scope="module")
def fitted():
    images, masks = discs(128)
    recipe = Recipe(steps=80, batch=16, lr=1e-2, warmup=5, ema=0.9)
    return Segmentor.unet(("disc",), width=8).fit(images, {"disc": masks}, recipe=recipe)


def test_a_short_fit_outlines_new_discs_and_reports_it(fitted):
    images, masks = discs(64, seed=1)
    read = fitted.masks(images)["disc"]
    dice = 2 * (read & masks).sum() / (read.sum() + masks.sum())
    assert dice > 0.95
    assert fitted.fitted["scores"]["disc"]["dice"] == pytest.approx(dice.item(), abs=0.03)
    assert fitted.fitted["scores"]["disc"]["area_mape"] < 5
    assert {"disc", "dice", "area_mape", "area_bias", "soft_gap"} <= set(fitted.report().split())


def test_soft_areas_agree_with_hard_ones_after_calibration_and_still_guide(fitted):
    score = fitted.fitted["scores"]["disc"]
    assert score["soft_gap"] <= max(score["soft_gap_raw"], 100 * TOLERANCE)
    images = discs(64, seed=1)[0].requires_grad_()
    soft, hard = (fitted.read(images, Discs, ["size"], soft=soft)["size"] for soft in (True, False))
    assert (soft - hard).abs().mean() / hard.mean() < 0.03
    soft.sum().backward()
    assert images.grad.flatten(1).norm(dim=1).min() > 1
    assert not hard.requires_grad


def test_sharpness_is_the_least_that_closes_the_gap():
    logits = (
        torch.randn(20, 2, 16, 16, generator=torch.Generator().manual_seed(0))
        * torch.tensor([3.0, 1000.0])[:, None, None]
    )
    found = sharpness(logits)
    assert found[1] == 1
    assert 1 < found[0] <= 8
    assert gap(logits, found)[0] <= TOLERANCE or found[0] == 8
    assert gap(logits, 0.9 * found)[0] > TOLERANCE


def test_calibration_leaves_hard_outlines_alone():
    images, masks = discs(20)
    segmentor = wrapped()
    before = segmentor.masks(images)
    segmentor.assess(images, {"disc": masks, "ground": ~masks})
    assert segmentor.sharpness.min() > 1
    assert all(torch.equal(before[name], after) for name, after in segmentor.masks(images).items())
    assert all(torch.equal(before[name], soft > 0.5) for name, soft in segmentor.probabilities(images).items())


def test_a_background_means_a_softmax():
    images = torch.rand(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    segmentor = Segmentor(Threshold(background=True), structures=("disc", "ground"), background=True)
    expected = Threshold(background=True)(images).softmax(1)
    for k, soft in enumerate(segmentor.probabilities(images).values()):
        torch.testing.assert_close(soft, expected[:, k + 1])


def test_areas_come_in_the_units_of_the_graph():
    images, masks = discs(5)
    pixels = masks.sum((1, 2)).float()
    read = wrapped().read(images, Discs, ["surface", "size", "share"])
    torch.testing.assert_close(read, {"surface": 6 * pixels, "size": pixels, "share": pixels / 1024})


def test_it_reads_what_is_measured_on_its_structures():
    assert wrapped().can_read(Discs) == ("size", "share", "surface")


def test_reading_many_is_reading_each():
    images = torch.rand(300, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    many = wrapped().read(images, Discs, ["size"])["size"]
    assert torch.equal(many, torch.cat([wrapped().read(one, Discs, ["size"])["size"] for one in images.split(1)]))


def test_masks_may_be_a_label_map():
    labels = torch.tensor([[[0, 1], [2, 2]]])
    by_name = {"disc": labels == 1, "ground": labels == 2}
    assert torch.equal(wrapped().targets(labels), wrapped().targets(by_name))


@pytest.mark.parametrize("size", [(16, 16), (17, 40), (5, 3)])
def test_a_unet_takes_images_of_any_size(size):
    network = UNet(outputs=2, channels=3, encoder=SMALL, width=4).eval()
    assert network(torch.rand(2, 3, *size)).shape == (2, 2, *size)


def test_the_same_seed_gives_the_same_reader():
    images, masks = discs(12)

    def weights(seed, fit_seed):
        segmentor = Segmentor.unet(("disc",), encoder=SMALL, width=4, seed=seed)
        segmentor.fit(images, {"disc": masks}, recipe=BRIEF, seed=fit_seed)
        return torch.cat([p.detach().flatten() for p in segmentor.parameters()])

    state = torch.get_rng_state()
    first = weights(0, 0)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first, weights(0, 0))
    assert not torch.equal(first, weights(1, 0))
    assert not torch.equal(first, weights(0, 1))


def test_a_saved_segmentor_reads_the_same(fitted, tmp_path):
    images = discs(4, seed=2)[0]
    fitted.save(tmp_path / "reader")
    loaded = Segmentor.load(tmp_path / "reader")
    assert {file.suffix for file in (tmp_path / "reader").iterdir()} == {".json", ".safetensors"}
    assert torch.equal(loaded.probabilities(images)["disc"], fitted.probabilities(images)["disc"])
    assert loaded.fitted == fitted.fitted


def test_your_own_network_is_saved_if_it_is_a_network(tmp_path):
    classifier = Classifier(Mean(outputs=2), levels={"shade": ("dark", "light")})
    nn.init.normal_(classifier.network.head.weight)
    classifier.save(tmp_path)
    images = discs(4)[0]
    read = (reader.read(images, Discs, ["shade"], soft=True) for reader in (classifier, Reader.load(tmp_path)))
    assert torch.equal(*(each["shade"] for each in read))
    with pytest.raises(ValueError, match="expected a Segmentor, got a Classifier"):
        Segmentor.load(tmp_path)


def test_a_module_that_is_only_code_is_not_saved(tmp_path):
    with pytest.raises(ValueError, match=r"around Threshold can't be saved.*pass it again"):
        wrapped().save(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_regressor_finds_a_number_in_its_own_unit():
    images, masks = discs(200)
    area = 6.0 * masks.sum((1, 2))
    recipe = Recipe(steps=60, lr=0.1, batch=64, warmup=1, ema=0.9)
    regressor = Regressor(Mean(), variables=("surface",)).fit(images, {"surface": area}, recipe=recipe, augment=STILL)
    assert regressor.fitted["scores"]["surface"]["r2"] > 0.9
    bright = regressor.read(torch.ones(1, 1, 32, 32), Discs, ["surface"])["surface"]
    assert bright > 1.5 * area.max()  # nothing squashes it
    guide = images[:2].requires_grad_()
    regressor.read(guide, Discs, ["surface"], soft=True)["surface"].sum().backward()
    assert guide.grad.abs().min() > 0


def test_a_classifier_finds_levels():
    images, _ = discs(100)
    light = images.mean((1, 2, 3)) > images.mean()
    names = ["light" if each else "dark" for each in light]
    recipe = Recipe(steps=60, lr=0.3, batch=64, warmup=1, ema=0.9)
    classifier = Classifier(Mean(outputs=2), levels={"shade": ("dark", "light")})
    classifier.fit(images, {"shade": names}, recipe=recipe, augment=STILL)
    scores = classifier.fitted["scores"]["shade"]
    assert scores["accuracy"] > 0.85 > scores["majority"]
    soft, hard = (classifier.read(images, Discs, ["shade"], soft=soft)["shade"] for soft in (True, False))
    torch.testing.assert_close(soft.exp().sum(1), torch.ones(100))
    assert torch.equal(soft.argmax(1), hard)
    assert (hard == light).float().mean() > 0.85


@pytest.mark.parametrize(
    "reader", [Regressor.cnn(("surface",), encoder=SMALL), Classifier.cnn({"shade": ("dark", "light")}, encoder=SMALL)]
)
def test_an_encoder_with_a_head_trains_and_survives_disk(reader, tmp_path):
    images = discs(12)[0]
    labels = {"surface": torch.arange(12.0), "shade": torch.arange(12) % 2}
    name = reader.can_read(Discs)[0]
    reader.fit(images, {name: labels[name]}, recipe=BRIEF).save(tmp_path)
    assert torch.equal(Reader.load(tmp_path).outputs(images), reader.outputs(images))


def test_a_score_that_does_not_exist_is_none_and_costs_no_training(tmp_path):
    images, zeros = discs(8)[0], torch.zeros(8)
    held = (images, {"surface": zeros})
    regressor = Regressor(Mean(), variables=("surface",)).fit(
        images, {"surface": torch.arange(8.0)}, held, recipe=BRIEF
    )
    scores = regressor.fitted["scores"]["surface"]
    assert scores["mae"] > 0
    assert (scores["mape"], scores["r2"]) == (None, None)
    assert regressor.report().split()[-2:] == ["–", "–"]
    regressor.save(tmp_path)
    assert Reader.load(tmp_path).fitted == regressor.fitted
    nothing = {"disc": torch.zeros(8, 32, 32), "ground": torch.ones(8, 32, 32)}
    assert "–" in wrapped().assess(images, nothing).report()


def test_a_relative_error_is_over_what_is_not_zero():
    assert number_scores(torch.tensor([1.0, 11.0, 18.0]), torch.tensor([0.0, 10.0, 20.0]))["mape"] == pytest.approx(10)
    read, true = torch.ones(2, 4, 4, dtype=torch.bool), torch.ones(2, 4, 4, dtype=torch.bool)
    read[0, 2:], true[1] = False, False
    assert outline_scores(read, true)["area_mape"] == pytest.approx(50)
    assert outline_scores(read, torch.zeros_like(true)) == {
        "dice": 0.0,
        "area_mape": None,
        "area_median": None,
        "area_bias": None,
    }


def test_what_cannot_be_scored_is_said_before_anything_is_trained():
    images, masks = discs(8)
    segmentor = wrapped()
    gain = segmentor.network.gain.item()
    labels = {"disc": masks, "ground": ~masks}
    smaller = {name: mask[:, :8, :8] for name, mask in labels.items()}
    for held in ((images, smaller), (images[:0], {name: mask[:0] for name, mask in labels.items()})):
        with pytest.raises((ValueError, RuntimeError)):
            segmentor.fit(images, labels, held, recipe=BRIEF)
    assert segmentor.network.gain.item() == gain
    with pytest.raises(ValueError, match="surface: row 2 is nan, not a number"):
        Regressor(Mean(), variables=("surface",)).fit(images, {"surface": torch.tensor([1, 2, torch.nan] + [3.0] * 5)})


def test_a_recipe_overrides_what_it_says_and_the_reader_keeps_the_rest(monkeypatch):
    trained = {}
    monkeypatch.setattr("causalimg.readers.neural.train", lambda step, data, recipe, **rest: trained.update(it=recipe))
    images = discs(8)[0]
    Regressor(Mean(), variables=("surface",)).fit(images, {"surface": torch.arange(8.0)}, recipe=Recipe(steps=3))
    assert trained["it"] == Regressor.recipe.model_copy(update={"steps": 3})
    assert trained["it"].lr != Recipe().lr


def test_what_a_thing_holds_is_found_wherever_it_is():
    reader = wrapped()

    class Holder:
        def __init__(self):
            self.inner = {"deep": [(reader,)]}

        def method(self):
            return None

    def closure():
        return reader

    def default(it=reader):
        return it

    for thing in (
        reader,
        [reader],
        Holder(),
        Holder().method,
        closure,
        default,
        partial(print, it=reader),
        lambda: reader,
    ):
        assert held_readers(thing) == [reader]
    assert held_readers(by_a_global) == [GLOBAL]
    assert held_readers(lambda values: sorted(values, key=lambda name: GLOBAL.read(values, None, [name]))) == [GLOBAL]
    assert held_readers(len, by_no_global, torch.nn.Linear(2, 2), STILL, Reader, None) == []
    assert set(held_readers(Both(reader, GLOBAL))[1:]) == {reader, GLOBAL}  # a reader of readers holds them too


GLOBAL = wrapped()


def by_a_global():
    return GLOBAL.structures


def by_no_global():
    return discs(1)


class Both(Segmentor):
    """A reader around two others."""

    def __init__(self, *readers):
        super().__init__(Threshold(), structures=("disc", "ground"))
        self.readers = readers


def test_groups_are_held_out_whole():
    groups = [f"patient {i // 7}" for i in range(70)]
    kept, held = hold_out(70, groups, seed=3)
    assert sorted([*kept.tolist(), *held.tolist()]) == list(range(70))
    assert not {groups[i] for i in kept} & {groups[i] for i in held}
    assert 0.15 <= len(held) / 70 <= 0.25


def test_what_is_given_for_validation_is_what_is_held_out():
    images, masks = discs(10)
    segmentor = wrapped()
    segmentor.fit(
        images, {"disc": masks, "ground": ~masks}, (images[:3], {"disc": masks[:3], "ground": ~masks[:3]}), recipe=BRIEF
    )
    assert segmentor.fitted["held_out"] == 3


def test_quarter_turns_and_mirrors_leave_every_pixel_as_it_is():
    images = torch.rand(40, 1, 6, 6)
    moved = Pose(turn=True, mirror=True).move(images)[0]
    ways = [torch.rot90(side, k, (2, 3)) for side in (images, images.flip(3)) for k in range(4)]
    found = torch.stack([(moved - way).abs().flatten(1).amax(1) < 1e-5 for way in ways], dim=1)
    assert found.any(1).all()
    assert found.any(0).all()  # each of the eight happens


def test_no_augmentation_changes_nothing():
    images, masks = discs(3)
    moved, outlines = STILL.move(images, masks[:, None].float())
    torch.testing.assert_close(moved, images)
    torch.testing.assert_close(outlines, masks[:, None].float())
    torch.testing.assert_close(STILL.expose(images), images)


def test_outlines_move_with_the_image():
    torch.manual_seed(0)
    images, masks = discs(20)
    moved, outlines = Augment().move(images, masks[:, None].float())
    assert (moved - images).abs().mean() > 0.02
    where = outlines > 0.5
    assert moved[where].mean() - moved[~where].mean() > 0.45


def test_exposure_stays_within_the_bounds_and_keeps_the_picture():
    torch.manual_seed(0)
    images, masks = discs(20)
    exposed = Augment().expose(images)
    assert exposed.min() >= 0
    assert exposed.max() <= 1
    assert exposed[masks[:, None]].mean() - exposed[~masks[:, None]].mean() > 0.3


class Half(Reader):
    """Says that what is bright on the given `side` is a disc, and that `reads` is its size."""

    side: Literal["top", "bottom"] = "top"
    reads: str = "size"

    def can_read(self, graph):
        return (self.reads,)

    def read(self, images, graph, names, *, soft=False):
        return {name: self.masks(images)["disc"].sum((1, 2)).float() for name in names}

    def masks(self, images):
        mask = images[:, 0] > 0.5
        other = slice(16, None) if self.side == "top" else slice(0, 16)
        mask[:, other] = False
        return {"disc": mask}


def test_a_structure_that_two_readers_outline_is_what_any_of_them_says():
    images = torch.ones(3, 1, 32, 32)
    top, bottom = Half(side="top", reads="size"), Half(side="bottom", reads="share")
    for given in ([top, bottom], [bottom, top]):
        assert outlines(given, images)["disc"].all()
        assert ReaderSet(Discs, given).outlines(images, "x")["disc"].all()


def test_a_reader_that_says_nothing_takes_nothing_away():
    images = torch.zeros(3, 1, 32, 32)
    images[:, :, :16] = 1
    top, bottom = Half(side="top", reads="size"), Half(side="bottom", reads="share")
    for given in ([top], [top, bottom], [bottom, top]):
        assert torch.equal(ReaderSet(Discs, given).outlines(images, "x")["disc"], images[:, 0] > 0.5)


def test_a_widened_mask_reaches_so_many_pixels_diagonally_too():
    mask = torch.zeros(1, 9, 9, dtype=torch.bool)
    mask[0, 4, 4] = True
    expected = mask.clone()
    expected[0, 2:7, 2:7] = True
    assert torch.equal(widened(mask, 2), expected)
    assert torch.equal(widened(mask, 0), mask)


def test_reading_batch_by_batch_is_reading_all_at_once_and_none_is_none():
    images, _ = discs(7)
    readers = ReaderSet(Discs, [wrapped()])
    world, names = {"x": images}, ["size", "surface"]
    at_once = readers.read(world, names)
    in_parts = readers.read_all(world, names, batch=3)
    assert all(torch.equal(at_once[name], in_parts[name]) for name in names)
    assert {name: value.shape for name, value in readers.read_all({"x": images[:0]}, names).items()} == {
        "size": (0,),
        "surface": (0,),
    }


def test_the_readers_of_a_graph_refuse_who_reads_nothing_and_who_reads_the_same():
    with pytest.raises(ValueError, match="two readers of size: Half.* and Segmentor"):
        ReaderSet(Discs, [Half(), wrapped()])
    with pytest.raises(ValueError, match="Classifier.* reads no variable of Discs"):
        ReaderSet(Discs, [Classifier(Mean(outputs=2), levels={"colour": ("red", "blue")})])
    with pytest.raises(ValueError, match="unknown variable, or one that no reader reads, 'sise'.*'size'"):
        ReaderSet(Discs, [wrapped()]).read({"x": discs(1)[0]}, ["sise"])


def fit(reader, labels, **settings):
    return reader.fit(discs(4)[0], labels, recipe=BRIEF, **settings)


def shades(*levels):
    return Classifier(Mean(outputs=2), levels={"shade": ("dark", "light")}).targets({"shade": levels})


MASKS = {"disc": discs(4)[1], "ground": ~discs(4)[1]}
OTHER = Graph.of(shade=Categorical(levels=("light", "dark")), x=Image(shape=(1, 8, 8)))


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        (
            lambda: wrapped().read(discs(1)[0], Discs, ["sise"]),
            "unknown variable that this segmentor reads 'sise'.*'size'",
        ),
        (lambda: fit(wrapped(), {"dsic": MASKS["disc"]}), "unknown structure 'dsic'.*'disc'"),
        (lambda: fit(wrapped(), {"disc": MASKS["disc"]}), "missing mask 'ground'. Given: disc"),
        (lambda: fit(wrapped(), MASKS | {"disc": 255 * MASKS["disc"]}), "mask of disc: .* from 0 to 1, got 0, 255"),
        (lambda: fit(wrapped(), torch.full((4, 32, 32), 3)), "label map: .* from 0 to 2, got 3"),
        (lambda: fit(wrapped(), MASKS["disc"][:, None]), r"label map: expected shape \(n, height, width\)"),
        (lambda: fit(wrapped(), {k: v[:3] for k, v in MASKS.items()}), "4 images, but labels for 3"),
        (lambda: fit(wrapped(), MASKS, groups=["a"]), "expected one for each of 4 images, got 1"),
        (lambda: fit(wrapped(), MASKS, groups=["a"] * 4), "needs at least 2 groups, got 1"),
        (lambda: wrapped().assess(2 * discs(4)[0], MASKS), r"expected values within \[0, 1\]; row 0"),
        (
            lambda: Segmentor(Mean(), structures=("disc",)).masks(discs(1)[0]),
            r"of disc needs .* \(n, 1, height, width\)",
        ),
        (lambda: Segmentor(Mean(), structures=()), "structures"),
        (lambda: Segmentor(Mean(), structures=("disc", "disc")), "duplicate structure among disc, disc"),
        (lambda: Segmentor.unet(("disc",), widht=8), "unknown setting 'widht'.*'width'"),
        (lambda: Segmentor(Mean(), structure=("disc",)), "unknown setting 'structure'.*'structures'"),
        (lambda: Segmentor.unet(("disc",), encoder="resnet81"), "unknown encoder 'resnet81'. Did you mean 'resnet18'"),
        (
            lambda: Segmentor.unet(("disc",), encoder=SMALL).masks(torch.rand(1, 3, 8, 8)),
            r"takes images of shape \(n, 1,",
        ),
        (
            lambda: fit(Regressor(Mean(), variables=("size",)), {"sise": torch.ones(4)}),
            "unknown variable 'sise'.*'size'",
        ),
        (
            lambda: fit(Regressor(Mean(outputs=2), variables=("size", "share")), {"size": torch.ones(4)}),
            "missing column of labels 'share'. Given: size",
        ),
        (
            lambda: Classifier(Mean(outputs=2), levels={"shade": ("dark", "light")}).targets({}),
            r"missing column of labels 'shade'. Given: \(none\)",
        ),
        (lambda: Regressor(Mean(), variables=("size",)).read(discs(1)[0], Discs, ["share"]), "'share'.*Known: size"),
        (lambda: shades("dark", "lihgt"), "unknown level of shade 'lihgt'.*'light'"),
        (lambda: shades(0, 2), "shade: row 1 is 2, not one of 'dark', 'light'"),
        (
            lambda: Classifier(Mean(), levels={"shade": ("dark", "light")}).can_read(OTHER),
            "shade: the classifier knows",
        ),
        (lambda: Augment(contrst=1), "unknown setting 'contrst'.*'contrast'"),
    ],
)
def test_a_mistake_is_named(mistake, message):
    with pytest.raises(ValueError, match=message):
        mistake()


def sized(labels):
    return Regressor(Mean(), variables=("size",)).targets(labels)


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        (lambda: fit(wrapped(), None), "masks: expected masks by structure, or one label map, got None"),
        (lambda: fit(wrapped(), {k: v[:, :8, :8] for k, v in MASKS.items()}), r"masks: .* \(32, 32\), got \(8, 8\)"),
        (
            lambda: fit(wrapped(), MASKS | {"disc": MASKS["disc"][:3]}),
            r"ground: labels of shape .* disc have \(3, 32, 32\)",
        ),
        (lambda: fit(wrapped(), MASKS | {"disc": MASKS["disc"] + 0j}), "mask of disc: .*complex64"),
        (lambda: wrapped().fit(discs(4)[0], MASKS, recipe=100), "recipe: expected Recipe or None, got int 100"),
        (lambda: fit(wrapped(), MASKS, augment="none"), "augment: expected Augment or None, got str 'none'"),
        (lambda: fit(wrapped(), MASKS, val=discs(4)[0]), "val: expected a pair, images and labels, got Tensor"),
        (lambda: fit(wrapped(), MASKS, groups=[["a"]] * 4), "groups: expected a name or number .* got list"),
        (lambda: fit(wrapped(), MASKS, seed="one"), "seed: expected a whole number, got str 'one'"),
        (lambda: wrapped().assess(None, MASKS), "images: expected numbers, got None"),
        (lambda: wrapped().fit(discs(2)[0], {k: v[:2] for k, v in MASKS.items()}), "images: expected 2 or more"),
        (lambda: sized(None), "labels: expected numbers by name, of size, got NoneType"),
        (lambda: sized({"size": torch.ones(4, 1)}), r"size: expected shape \(n,\), got \(4, 1\)"),
        (lambda: sized({"size": ["a"] * 4}), "size: expected numbers, got 'a'"),
        (lambda: shades("dark", None), "shade: expected one of 'dark', 'light', or its index, got None"),
        (lambda: Segmentor.unet(()), "Segmentor.structures"),
        (lambda: Regressor.cnn(()), "Regressor.variables"),
        (lambda: Classifier.cnn({}), "Classifier.levels"),
        (lambda: Classifier(Mean(), levels={"shade": ("dark",)}), r"shade.levels: at least two"),
        (lambda: Regressor(Mean(outputs=2), variables=("size", "size")), "duplicate variable among size, size"),
        (lambda: Segmentor(None, structures=("disc",)), "network: expected a mapping"),
        (lambda: Segmentor.unet(("disc",), width=10**15), "width=1000000000000000.* can't be built"),
        (lambda: ReaderSet(Discs, [Mean()]), "readers: expected Reader, got Mean"),
    ],
)
def test_what_is_of_another_kind_is_named(mistake, message):
    with pytest.raises((TypeError, ValueError), match=message):
        mistake()


def test_labels_and_images_may_be_lists_and_arrays():
    images, masks = discs(4)
    areas, regressor = masks.sum((1, 2)).float(), Regressor(Mean(), variables=("size",))
    reports = [regressor.assess(images.numpy(), {"size": given}).report() for given in (areas, areas.tolist())]
    assert reports[0] == reports[1]
    assert wrapped().assess(images, {name: mask.numpy() for name, mask in MASKS.items()}).fitted["held_out"] == 4
