"""What abduction leaves open: an item's draws are its own, many of them have a spread, and models that differ have one too."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

import causalimg as ci
from causalimg.counterfactual import Counterfactual
from causalimg.draws import Draws
from causalimg.graph import measure

# a fit of some dozen steps teaches the image little, which is not what is tested here
pytestmark = pytest.mark.filterwarnings("ignore:the image hardly follows:UserWarning")


class Patch(ci.Graph):
    """A bright square whose area in pixels, and whose mark, depend on the age."""

    age = ci.Continuous(unit="year", bounds=(0, 110))
    sex = ci.Categorical(levels=("female", "male"))
    mark = ci.Categorical(levels=("a", "b", "c"), parents=[age])
    area = ci.Continuous(parents=[age, sex], unit="px", bounds=(0, None), measured=ci.Area("patch"))
    x = ci.Image(parents=[mark, area], shape=(1, 8, 8))


class Brightest(ci.readers.Reader):
    """Outlines what is bright."""

    def can_read(self, graph):
        return tuple(name for name, quantity in graph.measured.items() if set(quantity.structures) <= {"patch"})

    def masks(self, images):
        return {"patch": images[:, 0] > 0.5}

    def read(self, images, graph, names, *, soft=False):
        masks = {"patch": torch.sigmoid(20 * (images[:, 0] - 0.5)) if soft else (images[:, 0] > 0.5).float()}
        return {n: measure(graph, n, masks, images) for n in names}


def patches(n=64, seed=0):
    draw = torch.Generator().manual_seed(seed)
    age, sex = 20 + 60 * torch.rand(n, generator=draw), torch.randint(0, 2, (n,), generator=draw)
    mark, side = torch.randint(0, 3, (n,), generator=draw), torch.randint(2, 7, (n,), generator=draw)
    inside = torch.arange(8) < side[:, None]
    x = 0.8 * (inside[:, None, :, None] & inside[:, None, None, :]).float() + 0.05 * mark.view(-1, 1, 1, 1)
    x = (x + 0.02 * torch.randn(n, 1, 8, 8, generator=draw)).clamp(0, 1)
    return {"age": age, "sex": sex, "mark": mark, "area": side.square().float(), "x": x}


TINY = {"widths": (4, 8), "embedding": 4}
IMAGES = {
    "HVAE": lambda: ci.HVAE(**TINY, latents=(2, 2)),
    "flow": lambda: ci.FlowMatching(**TINY, steps=2),
    "edited": lambda: ci.Edited(
        base=ci.HVAE(**TINY, latents=(2, 2)), edit=ci.Deform(widths=(4, 8), basis=4, embedding=4)
    ),
}
SHORT = {name: ci.Recipe(steps=20, batch=32, warmup=2) for name in ("age", "sex", "mark", "area", "x")}
ASKED = {"age": ci.shift(10.0)}
WORLD = patches()


def fitted(kind, seed=0):
    model = ci.compile(Patch, Brightest(), x=IMAGES[kind](), seed=seed)
    model.fit(WORLD, seed=seed, **SHORT)
    with torch.no_grad():  # a few steps leave latents with next to no say
        for parameter in model.mechanisms["x"].parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(seed)))
    return model


@pytest.fixture(scope="module", params=IMAGES)
def model(request):
    return fitted(request.param)


@pytest.fixture(scope="module")
def ensemble():
    return ci.Ensemble([fitted("flow", seed) for seed in range(2)])


def rows(which, world=WORLD):
    return {name: value[which] for name, value in world.items()}


def check_same(one, other):
    for name, value in one.items():
        torch.testing.assert_close(other[name], value, rtol=0, atol=1e-4, msg=name)


# -- an item's answer is its own ---------------------------------------------------------------------------------------


def test_an_answer_is_the_same_alone_in_any_batch_and_in_any_order(model):
    order = torch.randperm(12)
    together, shuffled = model.do(rows(slice(12)), **ASKED), model.do(rows(order), **ASKED)
    for place, row in enumerate(order.tolist()):
        check_same(rows(row, together), rows(place, shuffled))
    check_same(rows(5, together), model.do(rows(5), **ASKED))


def test_an_answer_is_the_same_from_any_thread_beside_any_draws(model):
    def ask(row):
        torch.randn(100)  # as training beside it would
        return model.do(rows(row), **ASKED)

    expected = [ask(row) for row in range(8)]
    with ThreadPoolExecutor(4) as pool:
        for row, found in enumerate(pool.map(ask, [*range(8)] * 4)):
            check_same(expected[row % 8], found)


def test_asking_and_sampling_leave_the_random_state_alone_and_do_not_depend_on_it(model):
    found = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        found.append((model.do(rows(slice(4)), **ASKED), model.sample(5, seed=3)))
        after = torch.rand(1)
        torch.manual_seed(seed)
        assert torch.equal(after, torch.rand(1))
    for one, other in zip(*found, strict=True):
        for name, value in one.items():
            assert torch.equal(value, other[name]), name


def test_another_seed_another_variable_and_another_item_have_other_draws(model):
    mechanism = model.mechanisms["mark"]
    one = Draws.of(rows(slice(3)), seed=1)
    drawn = one.prior(mechanism, "mark")
    assert len(drawn.unique()) == drawn.numel()
    for other in (one._replace(seed=2).prior(mechanism, "mark"), one.prior(mechanism, "sex")):
        assert not torch.isin(drawn, other).any()
    assert torch.equal(one._replace(items=one.items[2:]).prior(mechanism, "mark"), drawn[2:])


# -- particles ---------------------------------------------------------------------------------------------------------


def test_the_first_of_many_draws_are_those_of_few(model):
    one, few, many = (model.do(rows(slice(3)), **ASKED, particles=n) for n in (1, 2, 5))
    check_same(dict(one), {name: value[:, 0] for name, value in many.draws.items()})
    check_same(few.draws, {name: value[:, :2] for name, value in many.draws.items()})


def test_what_is_open_spreads_and_what_is_not_does_not(model):
    seen = rows(slice(6))
    answer = model.do(seen, age=ci.shift(10.0), sex="male", particles=8)
    for name in ("age", "sex", "area"):  # set, and an effect whose mechanism is invertible
        assert (answer.spread[name] == 0).all()
    assert torch.equal(answer["area"], model.do(seen, age=ci.shift(10.0), sex="male")["area"])
    answer = model.do(seen, area=60.0, particles=8)
    assert answer.spread["x"].shape == seen["x"].shape
    assert (answer.spread["x"].flatten(1).amax(1) > 1e-4).all()
    torch.testing.assert_close(answer["x"], answer.draws["x"].mean(1), rtol=0, atol=1e-5)
    for name in ("age", "mark"):  # no effects
        assert torch.equal(answer[name], seen[name])
        assert (answer.spread[name] == 0).all()


def test_levels_spread_where_the_draws_disagree():
    model, seen = fitted("flow"), rows(slice(30))
    with torch.no_grad():
        for parameter in model.mechanisms["mark"].parameters():
            parameter.mul_(0)
    assert (model.do(seen, age=80.0, particles=8).spread["mark"] == 0).all()  # nothing that the mark follows changed
    model = fitted("flow")
    with torch.no_grad():
        model.mechanisms["mark"].network.last.weight.normal_(std=3.0, generator=torch.Generator().manual_seed(0))
    answer = model.do(seen, age=80.0, particles=8)
    drawn = answer.draws["mark"]
    assert torch.equal(answer["mark"], drawn.mode(dim=1).values)
    assert torch.equal(answer.spread["mark"], (drawn != answer["mark"][:, None]).float().mean(1))
    assert (answer.spread["mark"] > 0).any()


@pytest.mark.parametrize("nothing", [{}, {"age": WORLD["age"][:4]}], ids=["nothing", "as seen"])
def test_nothing_asked_has_no_spread(model, nothing):
    answer = model.do(rows(slice(4)), **nothing, particles=4)
    for name, spread in answer.spread.items():
        assert (spread <= 1e-4).all(), name
        torch.testing.assert_close(answer[name], WORLD[name][:4], rtol=0, atol=1e-4)


def test_draws_of_an_item_do_not_depend_on_its_mates_or_on_other_questions(model):
    together = model.do(rows(slice(4)), area=WORLD["area"][:4].flip(0), particles=3)
    alone = model.do(rows(2), area=WORLD["area"][1], particles=3)
    check_same({name: value[2] for name, value in together.draws.items()}, alone.draws)
    questions = model.do(model.abduct(rows(2), particles=3), area=WORLD["area"][:4])
    assert questions["x"].shape == (4, 1, 8, 8)
    check_same({name: value[1] for name, value in questions.draws.items()}, alone.draws)


def test_an_image_is_encoded_once_for_all_draws_and_questions(model, monkeypatch):
    abducted, mechanism = [], model.mechanisms["x"]
    plain = mechanism.abduct
    monkeypatch.setattr(mechanism, "abduct", lambda x, *others: abducted.append(len(x)) or plain(x, *others))
    factual = model.abduct(rows(2), particles=6)
    model.do(factual, area=20.0)
    model.do(factual, area=torch.tensor([30.0, 40.0]))
    assert abducted == [1]


@pytest.mark.parametrize("n", [1, 3])
def test_regions_and_weights_are_of_items_not_of_draws(n):
    model, seen = fitted("flow"), rows(slice(n))
    asked = {"area": WORLD["area"][:n] + 20}
    masks, weights = torch.zeros(n, 8, 8), torch.linspace(0.5, 2, n)
    masks[0, :4] = 1
    answer = model.do(seen, **asked, particles=3, region=masks, weights={"area": weights})
    for row in range(n):
        one = model.do(
            rows(row), area=asked["area"][row], particles=3, region=masks[row], weights={"area": weights[row].item()}
        )
        check_same({"x": answer.draws["x"][row]}, one.draws)
    with pytest.raises(ValueError, match=rf"expected a mask of shape \(8, 8\) or \({n}, 8, 8\)"):
        model.do(seen, **asked, particles=3, region=torch.zeros(n + 1, 8, 8))


def test_given_noise_counts_with_many_draws_too(model):
    factual = model.abduct(rows(slice(3)), particles=2)
    other = factual.with_noise({"area": torch.zeros(6)})
    answer = model.do(other, age=50.0)
    assert not torch.allclose(answer["area"], model.do(factual, age=50.0)["area"])
    zeros = model.mechanisms["area"].predict(torch.zeros(3), {"age": torch.full((3,), 50.0), "sex": WORLD["sex"][:3]})
    torch.testing.assert_close(answer["area"], zeros)


def test_no_items_have_no_draws(model):
    for asked in ({}, ASKED, {"area": 20.0}):
        answer = model.do(rows(slice(0)), **asked, particles=3)
        assert answer.draws["x"].shape == (0, 3, 1, 8, 8)
        assert answer.interval("area")[0].shape == (0,)


def test_what_was_abducted_with_other_particles_is_refused(model, ensemble):
    factual = model.abduct(rows(slice(2)), particles=2)
    assert model.do(factual, age=50.0, particles=2).draws["x"].shape[1] == 2
    with pytest.raises(ValueError, match=r"particles=8, but what was abducted has 2: abduct\(x, particles=8\)"):
        model.do(factual, age=50.0, particles=8)
    with pytest.raises(ValueError, match="abducted by 1 models: this ensemble has 2"):
        ensemble.do(ensemble.abduct(rows(0))[:1], age=50.0)


def test_the_order_in_which_columns_are_given_does_not_matter(model):
    seen = rows(slice(3))
    check_same(dict(model.do(seen, area=30.0)), dict(model.do(dict(reversed(seen.items())), area=30.0)))


def test_what_is_measured_lies_in_its_interval(model):
    answer = model.do(rows(slice(5)), area=ci.scale(1.5), particles=9)
    low, high = answer.interval("area", 0.8)
    read = torch.stack([model.measure(draw)["area"] for draw in answer.draws["x"].unbind(1)], dim=1)
    torch.testing.assert_close(low, read.double().quantile(0.1, dim=1).float())
    torch.testing.assert_close(high, read.double().quantile(0.9, dim=1).float())
    torch.testing.assert_close(answer.measured["area"], read.mean(1))
    low, high = model.do(rows(0), area=30.0, particles=3).interval("area")
    assert low.shape == high.shape == ()


def test_bad_questions_about_spread_are_refused(model):
    with pytest.raises(ValueError, match="particles: expected at least 1, got 0"):
        model.do(rows(slice(2)), age=50.0, particles=0)
    one, many = (model.do(rows(slice(2)), age=50.0, particles=n) for n in (1, 2))
    for level in (0, 1, 90, float("nan"), "wide"):
        with pytest.raises(ValueError, match="between 0 and 1"):
            many.interval("area", level)
    with pytest.raises(ValueError, match="one draw has no interval"):
        one.interval("area")
    with pytest.raises(ValueError, match="mark is no number"):
        many.interval("mark")
    with pytest.raises(ValueError, match="Did you mean 'area'"):
        many.interval("aera")
    assert (one.spread["x"] == 0).all()


@pytest.mark.parametrize("given", [2.5, None, "many", [2], torch.tensor(2.0)])
def test_numbers_that_are_not_whole_are_refused_by_name(model, given):
    seen = rows(slice(2))
    for ask in (lambda **n: model.do(seen, **n), lambda **n: model.sample(**({"n": 2} | n))):
        with pytest.raises(TypeError, match="seed: expected a whole number"):
            ask(seed=given)
    with pytest.raises(TypeError, match="particles: expected a whole number"):
        model.do(seen, particles=given)
    with pytest.raises(TypeError, match="n: expected a whole number"):
        model.sample(given)


@pytest.mark.parametrize(
    ("n", "seed", "said"), [(-1, 0, "n: .*-1"), (10**12, 0, "n: .*1000000000000"), (1, 2**80, "seed")]
)
def test_numbers_that_are_too_few_or_too_many_are_refused(model, n, seed, said):
    with pytest.raises(ValueError, match=said):
        model.sample(n, seed=seed)


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        (2.0, "weights: expected numbers by name, got float 2.0"),
        ({"area": "strong"}, "weights of area: expected a finite number, or 2 of them, got 'strong'"),
        ({"area": 1j}, "weights of area: expected a finite number"),
        ({"area": torch.ones(3)}, r"weights of area: .* or 2 of them, got \(3,\)"),
    ],
)
def test_weights_that_are_none_are_refused(ensemble, weights, said):
    with pytest.raises((ValueError, TypeError), match=said):
        ensemble.models[0].do(rows(slice(2)), area=20.0, weights=weights)


def test_one_item_may_be_asked_nothing_at_all(model):
    assert model.do(rows(0), area=[])["x"].shape == (0, 1, 8, 8)


def test_effects_and_guides_have_draws_too(model):
    found = model.effects(rows(slice(2)), age=50.0, particles=3)
    assert all(way.draws["x"].shape == (2, 3, 1, 8, 8) for way in found)
    check_same(found.total.draws, model.do(rows(slice(2)), age=50.0, particles=3).draws)


# -- ensembles ---------------------------------------------------------------------------------------------------------


def test_an_ensemble_answers_with_all_draws_of_its_models(ensemble):
    seen = rows(slice(3))
    answer, (one, other) = ensemble.do(seen, **ASKED, particles=2), ensemble.models
    apart = [model.do(seen, **ASKED, particles=2).draws for model in (one, other)]
    check_same(answer.draws, {name: torch.cat([draws[name] for draws in apart], dim=1) for name in ensemble.graph})
    assert (answer.spread["area"] > 0).all()  # the models differ, each by itself is sure
    assert (answer.spread["sex"] == 0).all()
    check_same(dict(answer), dict(ensemble.do(ensemble.abduct(seen, particles=2), **ASKED)))
    assert ensemble.do(rows(0), **ASKED)["x"].shape == (1, 8, 8)


def test_nothing_asked_of_an_ensemble_changes_nothing(ensemble):
    answer = ensemble.do(rows(slice(3)))
    check_same(rows(slice(3)), answer)
    assert all((spread <= 1e-4).all() for spread in answer.spread.values())


def test_an_ensemble_is_judged_like_a_model_and_remembers_who_guided(ensemble):
    assert ensemble.guided_by == []
    guided = ci.Ensemble([ci.Guided(model, Brightest()) for model in ensemble.models])
    assert len(guided.guided_by) == 1
    assert guided.do(rows(slice(2)), area=20.0, particles=2).draws["x"].shape == (2, 4, 1, 8, 8)
    with pytest.raises(ValueError, match="guided"):
        ci.effectiveness(guided, WORLD, Brightest(), n=4)
    assert "area" in str(ci.effectiveness(ensemble, WORLD, Brightest(), n=4))
    with pytest.raises(TypeError, match="Guided can't be saved"):
        guided.save("nowhere")


def test_an_ensemble_is_saved_as_one_folder(ensemble, tmp_path):
    ensemble.save(tmp_path / "whole")
    again = ci.Ensemble.load(tmp_path / "whole", Brightest())
    check_same(dict(ensemble.do(rows(slice(2)), **ASKED)), dict(again.do(rows(slice(2)), **ASKED)))
    ensemble.models[0].save(tmp_path / "one")
    with pytest.raises(ValueError, match="holds no ensemble"):
        ci.Ensemble.load(tmp_path / "one", Brightest())


def test_an_ensemble_of_none_or_of_strangers_is_refused(ensemble):
    with pytest.raises(ValueError, match="no models"):
        ci.Ensemble([])
    other = ci.compile(ci.Graph.of(x=ci.Image(shape=(1, 8, 8))), x=ci.HVAE(**TINY, latents=(0, 2)))
    with pytest.raises(ValueError, match="one and the same graph"):
        ci.Ensemble([ensemble.models[0], other])
    for given in (None, "models", other, [None], ["model"]):
        with pytest.raises(TypeError, match="models: expected"):
            ci.Ensemble(given)
    with pytest.raises(ValueError, match="abducted by 1 models: this ensemble has 2"):
        ensemble.do(ensemble.models[0].abduct(rows(0)), age=50.0)


class Blinded(Brightest):
    """Reads NaN, with a gradient."""

    def read(self, images, graph, names, *, soft=False):
        return {name: torch.nan * images.mean((1, 2, 3)) for name in names}


def test_a_guide_that_is_none_or_reads_nan_is_refused(ensemble):
    model = ensemble.models[0]
    with pytest.raises(TypeError, match="reader: expected Reader, got NoneType"):
        ci.Guided(model, None)
    with pytest.raises(ValueError, match=r"Blinded\(\) can't guide: its readings of area are not finite"):
        ci.Guided(model, Blinded()).do(rows(slice(2)), area=20.0)
    for given, said in ({"reader": None}, "reader"), ({"rows": None}, "rows"):
        with pytest.raises(TypeError, match=f"{said}: expected"):
            ci.Conformal(model, **{"rows": WORLD, "reader": Brightest()} | given)


def test_digests_tell_items_apart_by_all_that_is_known():
    draws = Draws.of(rows(slice(20)))
    assert len(set(draws.items)) == 20
    changed = Draws.of(rows(slice(20)) | {"sex": 1 - WORLD["sex"][:20]})
    assert not set(draws.items) & set(changed.items)


# -- on a figure -------------------------------------------------------------------------------------------------------


def words(figure):
    return [text.get_text() for text in figure.texts]


@pytest.mark.parametrize(("read", "unsure"), [((20.0, 40.0, 60.0), True), ((29.0, 30.0, 31.0), False)])
def test_a_figure_says_the_spread_and_where_it_is_more_than_was_asked(read, unsure):
    factual, area = rows(slice(1)), torch.tensor([30.0])
    factual["area"] = area - 10
    world = {name: value.repeat(3, *(1 for _ in value.shape[1:])) for name, value in factual.items()} | {
        "area": area.repeat(3)
    }
    world["x"] = world["x"] + torch.tensor([-0.1, 0.0, 0.1]).view(3, 1, 1, 1)
    readings = lambda images: {"area": torch.tensor(read)}  # noqa: E731
    answer = Counterfactual(Patch(), factual, {"area": area}, world, readings, lambda images, name: {}, draws=3)
    said = words(answer.plot())
    assert "spread" in said
    low, high = (end.item() for end in answer.interval("area"))
    caption = next(text for text in said if text.startswith("do(area"))
    assert f"measured {sum(read) / 3:.4g} px [{low:.4g}, {high:.4g}]" in caption.replace("\n", " ")
    assert ("not sure" in caption) is unsure
    assert low < sum(read) / 3 < high


def test_a_figure_of_one_draw_shows_no_spread(model):
    said = words(model.do(rows(slice(2)), area=20.0).plot())
    assert "difference" in said
    assert "spread" not in said
    assert not any("[" in text for text in said)
