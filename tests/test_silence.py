"""No answer without a word where it means nothing: untrained mechanisms refuse, and `do` warns of causes that are ignored."""

import warnings

import pytest
import torch
from strategies import as_if_fitted

import causalimg as ci
from causalimg.evaluation import effectiveness
from causalimg.graph import measure
from causalimg.guidance.sensitivity import BATCH, Sensitivity, rows_to_ask

ROWS = 100


class Plate(ci.Graph):
    """A disc, which a reader measures; a shade and a mark, which none does; and what the disc causes besides."""

    area = ci.Continuous(unit="px", bounds=(0, None), measured=ci.Area("disc"))
    shade = ci.Continuous()
    mark = ci.Categorical(levels=("none", "one", "two"))
    x = ci.Image(parents=[area, shade, mark], shape=(1, 16, 16))
    note = ci.Continuous(parents=[area])


class Above(ci.Reader):
    """Reads the disc exactly."""

    def can_read(self, graph):
        return ("area",)

    def masks(self, images):
        return {"disc": images[:, 0] > 0.5}

    def read(self, images, graph, names, *, soft=False):
        masks = {"disc": torch.sigmoid(20 * (images[:, 0] - 0.5)) if soft else (images[:, 0] > 0.5).float()}
        return {name: measure(graph, name, masks, images) for name in names}


class Marks(ci.Reader):
    """Reads the mark exactly."""

    def can_read(self, graph):
        return ("mark",)

    def read(self, images, graph, names, *, soft=False):
        return {"mark": (images[:, 0, 0, 0] / 0.1).round().long()}


class Painter(ci.Mechanism):
    """Draws the parents that it follows, and adds what is left: there is nothing to train."""

    handles = (ci.Image,)
    follows: tuple[str, ...] = ("area", "shade", "mark")

    def build(self):
        pass

    def noise(self, n, generator=None):
        return torch.zeros(n, *self.variable.value_shape)

    def predict(self, u, parents):
        return u + draw(**{name: value if name in self.follows else 0 * value for name, value in parents.items()})

    def abduct(self, value, parents, prior):
        return value - self.predict(self.noise(len(value)), parents)

    def loss(self, value, parents):
        return value.new_zeros(len(value))


def draw(area, shade, mark):
    """The disc is bright, the last row has the shade, the first pixel the mark."""
    y, x = torch.meshgrid(torch.arange(16) - 7.5, torch.arange(16) - 7.5, indexing="ij")
    image = torch.sigmoid(2 * ((area[:, None, None] / torch.pi).sqrt() - (x**2 + y**2).sqrt()))
    image[:, -1] = 0.1 + 0.01 * shade[:, None]
    image[:, 0, 0] = 0.1 * mark
    return image[:, None]


def plates(n=ROWS, seed=0):
    rng = torch.Generator().manual_seed(seed)
    area, shade = 60 + 12 * torch.randn(n, generator=rng), torch.randn(n, generator=rng)
    mark = torch.randint(3, (n,), generator=rng)
    note = area + torch.randn(n, generator=rng)
    return {"area": area, "shade": shade, "mark": mark, "x": draw(area, shade, mark), "note": note}


WORLD = plates()
SHORT = {name: ci.Recipe(steps=2, batch=32) for name in ("area", "shade", "mark", "note")}
EDIT = ci.Deform(widths=(8, 8), basis=8, embedding=8)


def compiled(*follows, reader=None):
    return ci.compile(Plate, reader or Above(), x=Painter(follows=follows))


@pytest.fixture
def follower():
    model = compiled("area", "shade", "mark")
    model.fit(WORLD, **SHORT)
    return model


@pytest.fixture
def idler():
    model = compiled()
    model.fit(WORLD, **SHORT)
    return model


# -- what is not trained refuses ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "ask",
    [
        lambda model: model.do(WORLD, area=50.0),
        lambda model: model.predict(model.abduct(WORLD), {"area": torch.tensor([50.0])}),
        lambda model: model.sample(3),
        lambda model: model.sensitivity(WORLD),
        lambda model: model.finetune(WORLD, guidance=[Above()]),
        lambda model: effectiveness(model, WORLD, Above()),
    ],
    ids=["do", "predict", "sample", "sensitivity", "finetune", "evaluate"],
)
def test_a_model_that_was_not_fitted_answers_nothing(ask):
    with pytest.raises(
        ValueError, match=r"not trained: call model\.fit\(train, val\) first, or CausalModel\.load\(folder\)"
    ):
        ask(ci.compile(Plate, x=ci.Edited(base=ci.HVAE(widths=(4, 4), latents=(0, 2)), edit=EDIT)))


def test_only_what_the_answer_needs_must_be_fitted():
    model = compiled("area", "shade", "mark")
    model.mechanisms["x"].fitted.fill_(True)
    assert torch.equal(model.do(WORLD)["x"], WORLD["x"])
    assert model.do(WORLD, shade=0.0)["x"].shape == WORLD["x"].shape
    assert model.sensitivity(WORLD)["area"].slope == pytest.approx(1, abs=0.05)  # without the note
    with pytest.raises(ValueError, match="^note is not trained"):
        model.do(WORLD, area=50.0)
    with pytest.raises(ValueError, match="^area, mark, note are not trained"):
        model.sample(2, do={"shade": 0.0})
    with pytest.raises(ValueError, match="^area, shade, mark, x are not trained"):
        compiled("area").sample(2, do={"note": 0.0})
    drawn = {"area": 50.0, "shade": 0.0, "mark": "one", "note": 0.0}
    assert model.sample(2, do=drawn)["x"].shape == (2, 1, 16, 16)


def test_what_lies_between_a_cause_and_the_image_must_be_fitted():
    graph = ci.Graph.of(
        age=ci.Continuous(),
        area=ci.Continuous(parents=["age"], measured=ci.Area("disc"), unit="px"),
        x=ci.Image(parents=["area"], shape=(1, 16, 16)),
    )

    class Ages(Above):
        def can_read(self, graph):
            return ("age",)

    model = ci.compile(graph, x=ci.HVAE(widths=(4, 4), latents=(0, 2)))
    model.mechanisms["x"].fitted.fill_(True)
    world = {"age": torch.arange(8.0), "area": torch.arange(8.0), "x": torch.rand(8, 1, 16, 16)}
    assert set(model.sensitivity(world, [])) == {"area"}
    for ask in (model.sensitivity, lambda *given: model.finetune(given[0], guidance=given[1])):
        with pytest.raises(ValueError, match="^area is not trained"):
            ask(world, [Ages()])


def test_fitting_marks_a_mechanism_and_what_it_wraps_and_a_folder_keeps_that(tmp_path):
    twice = ci.Edited(base=ci.Edited(base=Painter(), edit=EDIT), edit=EDIT)
    model = ci.compile(Plate, x=twice)
    parts = lambda x: [x.fitted.item(), x.base.fitted.item(), x.unwrapped.fitted.item()]  # noqa: E731
    assert parts(model.mechanisms["x"]) == [False] * 3
    model.save(tmp_path)
    assert parts(ci.CausalModel.load(tmp_path).mechanisms["x"]) == [False] * 3
    model.fit(WORLD, **SHORT)
    model.save(tmp_path)
    again = ci.CausalModel.load(tmp_path)
    for one in (model, again):
        assert parts(one.mechanisms["x"]) == [True] * 3
        assert all(mechanism.fitted for mechanism in one.mechanisms.values())


def test_coefficients_that_are_given_need_no_fit():
    graph = ci.Graph.of(a=ci.Continuous(), b=ci.Continuous(parents=["a"]))
    given = {"a": torch.tensor([1.0]), "b": torch.tensor([5.0])}
    known = ci.compile(graph, b=ci.LinearGaussian(weights={"a": 2.0}))
    assert known.do(given, a=3.0)["b"].item() == pytest.approx(9)
    with pytest.raises(ValueError, match="^b is not trained"):
        ci.compile(graph, b=ci.LinearGaussian()).do(given, a=3.0)


# -- what is measured is kept ------------------------------------------------------------------------------------------


def test_fit_keeps_and_says_how_far_the_image_follows_every_cause(capsys, follower, idler):
    assert set(follower.sensitivities) == {"area", "shade", "mark"}
    area, shade, mark = (follower.sensitivities[name] for name in ("area", "shade", "mark"))
    assert area.slope == pytest.approx(1, abs=0.05)
    assert shade.slope is None
    spread = rows_to_ask(WORLD)["shade"].std(correction=0).item()
    assert shade.change == pytest.approx(0.01 * spread * 16 / 256, rel=1e-3)  # one row of 16
    marks = rows_to_ask(WORLD)["mark"]
    assert mark.change == pytest.approx(0.1 * ((marks + 1) % 3 - marks).abs().float().mean().item() / 256, rel=1e-3)
    assert [one.slope for one in idler.sensitivities.values()] == [0, None, None]
    assert all(one.change < 1e-8 for one in idler.sensitivities.values())
    said = capsys.readouterr().err
    assert f"area: sensitivity {area.slope:.2f}" in said
    assert "area: sensitivity 0.00, 1 would be as asked (ignored)" in said
    assert "mark: the image changes by 0.00 grey levels of 255 (ignored)" in said


def test_a_folder_keeps_the_sensitivity(follower, tmp_path):
    follower.save(tmp_path)
    again = ci.CausalModel.load(tmp_path, Above())
    assert again.sensitivities == follower.sensitivities
    assert isinstance(again.sensitivities["area"], Sensitivity)


def test_it_is_measured_on_few_rows_that_are_held_out_if_there_are_any(monkeypatch):
    asked, values = [], plates(200, seed=1)
    model = compiled("area", "shade", "mark")
    abduct = model.mechanisms["x"].abduct
    monkeypatch.setattr(
        model.mechanisms["x"], "abduct", lambda value, pa, prior: asked.append(pa["area"]) or abduct(value, pa, prior)
    )
    model.fit(WORLD, values, **SHORT)
    (rows,) = asked
    assert len(rows) == BATCH
    assert torch.isin(rows, values["area"]).all()
    assert (rows[0], rows[-1]) == (values["area"][0], values["area"][-1])  # from all over the table


def test_finetuning_measures_anew():
    model = ci.compile(Plate, x=ci.Edited(base=Painter(follows=("shade",)), edit=EDIT))
    model.fit(WORLD, **SHORT)
    before, val, guide = model.sensitivities, plates(50, seed=3), Above()
    assert before["area"] == (None, pytest.approx(0, abs=1e-8))  # nobody reads it yet
    model.finetune(WORLD, val, guidance=[guide], recipe=ci.Recipe(steps=30, batch=16, lr=1e-2))
    assert model.sensitivities == model.sensitivity(val, [guide])
    assert model.sensitivities["area"].slope is not None
    assert model.sensitivities["area"].change > 1e-4


def test_a_level_that_the_image_ignores_has_the_sensitivity_of_one_that_is_ignored():
    found = as_if_fitted(compiled()).sensitivity(WORLD, [Marks()])["mark"]
    assert (found.slope, found.ignored) == (0, True)  # though the reading is right by chance in a third of all draws
    assert as_if_fitted(compiled("mark")).sensitivity(WORLD, [Marks()])["mark"].slope == 1


def test_what_can_not_be_moved_or_read_is_no_number(tmp_path):
    class Lost(Above):
        def read(self, images, graph, names, *, soft=False):
            return {name: torch.full((len(images),), torch.nan) for name in names}

    model = compiled("area", "mark", reader=Lost())
    model.fit(WORLD | {"shade": torch.ones(ROWS)}, **SHORT)
    assert set(model.sensitivities) == {"area", "mark"}
    assert model.sensitivities["area"].slope is None
    assert not model.sensitivities["area"].ignored  # it is seen to change
    model.save(tmp_path)
    one = {name: value[:1] for name, value in WORLD.items()}
    assert set(model.sensitivity(one)) == {"mark"}


def test_grey_is_counted_from_the_darkest_to_the_brightest_where_an_image_has_no_bounds():
    graph = ci.Graph.of(shade=ci.Continuous(), x=ci.Image(parents=["shade"], shape=(1, 4, 4), bounds=(None, None)))

    class Flat(Painter):
        def predict(self, u, parents):
            return u + parents["shade"][:, None, None, None]

    model = as_if_fitted(ci.compile(graph, x=Flat()))
    shade = torch.tensor([-1.0, 1.0])
    found = model.sensitivity({"shade": shade, "x": 100 * shade[:, None, None, None].expand(2, 1, 4, 4)})
    assert found["shade"].change == pytest.approx(1 / 200)


# -- what is ignored is said -------------------------------------------------------------------------------------------


def test_do_warns_of_a_cause_that_is_ignored_by_name_and_number(idler, tmp_path):
    idler.save(tmp_path)
    for model in (idler, ci.CausalModel.load(tmp_path, Above())):
        with pytest.warns(
            UserWarning, match=r"hardly follows area \(sensitivity 0\.00.*Fine-tune.*FlowMatching"
        ) as area:
            model.do(WORLD, area=50.0)
        assert [warning.filename for warning in area] == [__file__]  # one, and it points to the question
    with pytest.warns(UserWarning, match=r"hardly follows mark \(the image changes by 0\.00 grey levels of 255\)"):
        idler.do(WORLD, mark="two")


def test_do_says_nothing_of_what_is_followed_or_not_set(follower, idler):
    follower.do(WORLD, area=50.0)
    idler.do(WORLD)
    idler.do(WORLD, note=3.0)
    idler.sensitivities["area"] = Sensitivity(0.2, 0.0)
    idler.do(WORLD, area=50.0)
    idler.sensitivities["area"] = Sensitivity(None, 0.51 / 255)
    idler.do(WORLD, area=50.0)
    for ignored in (Sensitivity(0.19, 1.0), Sensitivity(None, 0.49 / 255)):
        idler.sensitivities["area"] = ignored
        with pytest.warns(UserWarning, match="hardly follows area"):
            idler.do(WORLD, area=50.0)


def test_nothing_but_do_warns(idler):
    factual = idler.abduct(WORLD)
    idler.predict(factual, idler.act(factual, area=50.0))
    idler.sensitivity(WORLD)
    report = ci.evaluate(idler, WORLD, [Above()])  # questions, reversibility, dose and response
    assert abs(report["area"].slope.value) < 0.3


def test_evaluation_asks_a_do_that_is_not_ours(follower):
    class Stubborn(ci.CausalModel):
        def do(self, x, /, **_):
            return super().do(x)

    class Wrapped:
        graph, guided_by = Plate(), ()

        def do(self, x, /, **_):
            return x

    stubborn = as_if_fitted(Stubborn(follower.graph, follower.mechanisms, follower.readers))
    for model in (stubborn, Wrapped()):
        assert effectiveness(model, WORLD, Above())["area"].change.value == 0
    assert effectiveness(follower, WORLD, Above())["area"].change.value > 1


def test_the_warnings_of_one_question_are_one_a_cause(idler):
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        idler.do(WORLD, area=50.0, shade=1.0)
    assert [str(one.message).split(" (")[0] for one in heard] == [
        "the image hardly follows area",
        "the image hardly follows shade",
    ]
