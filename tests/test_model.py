"""What `compile`, `fit`, `do`, `sample`, `save` and `load` promise, on a small world with a disc in it."""

import subprocess
import sys

import pytest
import torch

import causalimg as ci
import causalimg.values as values_module
from causalimg.fit import row_losses
from causalimg.graph import measure

# a fit of some dozen steps teaches the image little, which is not what is tested here
pytestmark = pytest.mark.filterwarnings("ignore:the image hardly follows:UserWarning")


class Disc(ci.Graph):
    """A disc whose area in pixels is a variable."""

    age = ci.Continuous(unit="year", bounds=(0, 110))
    sex = ci.Categorical(levels=("female", "male"))
    area = ci.Continuous(parents=[age, sex], unit="px", bounds=(0, None), measured=ci.Area("disc"))
    x = ci.Image(parents=[sex, area], shape=(1, 16, 16))


class Threshold(ci.readers.Reader):
    """Outlines what is bright: a segmentor with nothing to train."""

    def can_read(self, graph):
        return tuple(name for name, quantity in graph.measured.items() if set(quantity.structures) <= {"disc"})

    def masks(self, images):
        return {"disc": images[:, 0] > 0.5}

    def read(self, images, graph, names, *, soft=False):
        masks = {"disc": torch.sigmoid(20 * (images[:, 0] - 0.5)) if soft else (images[:, 0] > 0.5).float()}
        return {n: measure(graph, n, masks, images) for n in names}


def discs(n=120, seed=0):
    draw = torch.Generator().manual_seed(seed)
    age, sex = 20 + 60 * torch.rand(n, generator=draw), torch.randint(0, 2, (n,), generator=draw)
    area = 30 + 0.6 * age + 15 * sex + 5 * torch.randn(n, generator=draw)
    y, x = torch.meshgrid(torch.arange(16) - 7.5, torch.arange(16) - 7.5, indexing="ij")
    distance = (area[:, None, None] / torch.pi).sqrt() - (x**2 + y**2).sqrt()
    return {"age": age, "sex": sex, "area": area, "x": torch.sigmoid(2 * distance)[:, None]}


QUICK = {name: ci.Recipe(steps=40, batch=64, lr=5e-3, warmup=5) for name in ("age", "sex", "area")}
IMAGE = ci.Recipe(steps=60, batch=32, lr=5e-3, warmup=5)


@pytest.fixture(scope="module")
def world():
    return discs()


@pytest.fixture(scope="module")
def model(world):
    model = ci.compile(Disc, Threshold(), x=ci.HVAE(widths=(8, 16), latents=(0, 4), embedding=16))
    model.fit(world, x=IMAGE, **QUICK)
    return model


def item(world, row=0):
    return {name: value[row] for name, value in world.items()}


def test_doing_nothing_changes_nothing(model, world):
    cf = model.do(world)
    for name, value in world.items():
        assert (cf[name] - value).abs().max() <= 1e-5


def test_the_image_mechanism_itself_gives_the_image_back(model, world):
    factual = model.abduct(world)
    again = model.mechanisms["x"].predict(factual.noise("x"), model.parents(world, "x"))
    assert (again - world["x"]).abs().max() <= 1e-5


def test_what_is_set_has_the_value_and_what_is_no_effect_of_it_is_untouched(model, world):
    cf = model.do(world, area=80.0)
    assert torch.equal(cf["area"], torch.full((120,), 80.0))
    assert torch.equal(cf["age"], world["age"])
    assert torch.equal(cf["sex"], world["sex"])
    assert not torch.equal(cf["x"], world["x"])


def test_effects_propagate(model, world):
    cf = model.do(world, sex="male")
    women = world["sex"] == 0
    assert (cf["area"] - world["area"])[women].mean() > 5
    assert (cf["area"] - world["area"])[~women].abs().max() < 1e-2


def test_a_question_about_one_item_is_answered_without_a_batch(model, world):
    cf = model.do(item(world), area=ci.scale(1.2))
    assert cf["x"].shape == (1, 16, 16)
    assert cf["area"].item() == pytest.approx(1.2 * world["area"][0].item())
    assert cf.measured["area"].ndim == 0
    assert cf.factual["area"].ndim == 0


def test_one_item_many_questions(model, world):
    targets = torch.tensor([40.0, 60.0, 80.0])
    cf = model.do(item(world), area=targets)
    assert cf["x"].shape == (3, 1, 16, 16)
    one_by_one = [model.do(item(world), area=target)["x"] for target in targets]
    assert (cf["x"] - torch.stack(one_by_one)).abs().max() < 1e-5


def test_an_image_is_encoded_once_however_many_questions_are_asked(model, world, monkeypatch):
    encoder = model.mechanisms["x"].encoder
    calls = []
    handle = encoder.register_forward_hook(lambda *_: calls.append(1))
    factual = model.abduct(world)
    for area in (40.0, 60.0, 80.0):
        model.do(factual, area=area)
    handle.remove()
    assert len(calls) == 1


@pytest.mark.parametrize(
    ("intervention", "expected"),
    [
        (60.0, 60.0),
        (ci.shift(10), "+10"),
        (ci.scale(2.0), "*2"),
        (lambda area: area + 1, "+1"),
        (torch.full((120,), 50.0), 50.0),
    ],
)
def test_the_ways_to_say_a_value(model, world, intervention, expected):
    wanted = {"+10": world["area"] + 10, "*2": world["area"] * 2, "+1": world["area"] + 1}.get(expected, expected)
    assert torch.allclose(model.do(world, area=intervention)["area"], torch.as_tensor(wanted, dtype=torch.float32))


def test_a_bare_image_is_completed_by_the_reader_or_the_lack_is_listed(model, world):
    with pytest.raises(ValueError, match=r"missing: age, sex\. Give"):
        model.do(world["x"], area=60.0)
    known = {name: world[name] for name in ("age", "sex", "x")}
    factual = model.abduct(known)
    assert torch.equal(factual.values["area"], (world["x"][:, 0] > 0.5).flatten(1).sum(1).float())


def test_the_same_seed_gives_the_same_answer_and_the_users_generator_is_left_alone(model, world):
    state = torch.get_rng_state()
    first, second, other = (model.do(world, area=60.0, seed=seed)["x"] for seed in (3, 3, 4))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)
    assert torch.equal(state, torch.get_rng_state())


def test_samples_follow_the_intervention(model):
    world = model.sample(64, do={"sex": "male", "area": 70.0})
    assert world["x"].shape == (64, 1, 16, 16)
    assert (world["sex"] == 1).all()
    assert (world["area"] == 70.0).all()
    assert world["age"].std() > 1


def test_measure_reads_images_and_worlds(model, world):
    assert torch.equal(model.measure(world)["area"], model.measure(world["x"])["area"])
    assert model.measure(world["x"][0])["area"].ndim == 0


def test_fit_lowers_the_negative_log_likelihood(model, world):
    untrained = ci.compile(Disc, Threshold(), x=ci.HVAE(widths=(8, 16), latents=(0, 4), embedding=16))
    for name, mechanism in model.mechanisms.items():
        assert row_losses(mechanism, name, world).mean() < row_losses(untrained.mechanisms[name], name, world).mean()


def test_a_model_on_disk_is_json_and_tensors_and_answers_alike_in_a_new_process(model, world, tmp_path):
    plain = ci.CausalModel(model.graph, model.mechanisms, ci.readers.ReaderSet(model.graph, []))
    plain.save(tmp_path / "model")
    assert sorted(path.suffix for path in (tmp_path / "model").iterdir()) == [".json", ".safetensors"]
    answer = plain.do(world, area=60.0, sex="male", seed=5)["x"]
    torch.save(world, tmp_path / "world.pt")
    code = (
        "import sys, torch, causalimg as ci; folder = sys.argv[1]; world = torch.load(folder + '/world.pt');"
        "cf = ci.CausalModel.load(folder + '/model').do(world, area=60.0, sex='male', seed=5);"
        "torch.save(cf['x'], folder + '/answer.pt')"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    assert torch.equal(torch.load(tmp_path / "answer.pt"), answer)


def test_a_reader_that_is_code_is_passed_again_when_the_model_is_loaded(model, world, tmp_path):
    def bright():
        network = torch.nn.Conv2d(1, 1, 1)
        torch.nn.init.constant_(network.weight, 20.0)
        torch.nn.init.constant_(network.bias, -10.0)
        return ci.Segmentor(network, structures=["disc"])

    mine = ci.CausalModel(model.graph, model.mechanisms, ci.readers.ReaderSet(model.graph, [bright()]))
    mine.save(tmp_path)
    with pytest.raises(ValueError, match=r"no file holds Segmentor\(.*pass all readers"):
        ci.CausalModel.load(tmp_path)
    again = ci.CausalModel.load(tmp_path, bright())
    assert torch.equal(again.measure(world)["area"], mine.measure(world)["area"])


def test_two_models_in_one_process_do_not_share_anything(world):
    def fitted(seed):
        graph = ci.Graph.of(age=Disc()["age"], sex=Disc()["sex"])
        model = ci.compile(graph)
        model.fit({n: world[n] for n in graph}, seed=seed, age=QUICK["age"], sex=QUICK["sex"])
        return model.do({n: world[n] for n in graph}, sex="male").factual["age"], model.state_dict()

    torch.manual_seed(0)
    alone = fitted(1)[1]
    torch.manual_seed(0)
    fitted_again = fitted(1)[1]
    assert all(torch.equal(alone[key], fitted_again[key]) for key in alone)


@pytest.mark.parametrize(
    ("do", "message"),
    [
        ({"aera": 1.0}, r"unknown variable 'aera'\. Did you mean 'area'\?"),
        ({"sex": "mael"}, r"unknown level of sex 'mael'\. Did you mean 'male'\?"),
        ({"age": float("nan")}, "nan is not a number in"),
        ({"age": 200.0}, r"200 is not a number in \[0, 110\] year"),
        ({"sex": 2}, "2 is not one of 'female', 'male'"),
        ({"area": ci.scale(-1.0)}, r"is not a number in \[0, inf\) px"),
        ({"area": torch.ones(7)}, "7 values for 120 items"),
        ({"x": torch.zeros(1, 8, 8)}, r"x: expected shape \(1, 16, 16\)"),
    ],
)
def test_an_intervention_that_makes_no_sense_is_an_error_that_says_so(model, world, do, message):
    with pytest.raises(ValueError, match=message):
        model.do(world, **do)


def test_bad_rows_stop_a_fit_with_the_row(world):
    broken = {**world, "age": world["age"].clone()}
    broken["age"][17] = float("nan")
    with pytest.raises(ValueError, match="age, row 17: nan"):
        ci.compile(Disc, x=ci.HVAE(widths=(8, 16), latents=(0, 4))).fit(broken)
    bright = {**world, "x": world["x"].clone()}
    bright["x"][5, 0, 0, 0] = 255.0
    with pytest.raises(ValueError, match="x, row 5: 255 is not"):
        ci.compile(Disc, x=ci.HVAE(widths=(8, 16), latents=(0, 4))).fit(bright)


def test_compile_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match=r"unknown variable 'aera'\. Did you mean 'area'"):
        ci.compile(Disc, aera=ci.ConditionalFlow())
    with pytest.raises(TypeError, match="sex: HVAE produces Image, not Categorical"):
        ci.compile(Disc, sex=ci.HVAE())
    with pytest.raises(ValueError, match="16x16 is not divisible by 32"):
        ci.compile(Disc, x=ci.HVAE(widths=(8,) * 5, latents=(2,) * 5))
    with pytest.raises(ValueError, match="two readers of area"):
        ci.compile(Disc, Threshold(), Threshold())
    with pytest.raises(ValueError, match="Threshold.. reads no variable"):
        ci.compile(ci.Graph.of(x=ci.Image(shape=(1, 16, 16))), Threshold(), x=ci.HVAE(widths=(8, 16), latents=(0, 4)))


def test_only_what_follows_from_the_intervention_is_abducted(model, world, monkeypatch):
    asked = []
    for name, mechanism in model.mechanisms.items():
        abduct = mechanism.abduct
        monkeypatch.setattr(
            mechanism, "abduct", lambda *pair, name=name, abduct=abduct: asked.append(name) or abduct(*pair)
        )
    model.do(world)
    assert asked == []
    model.do(world, area=60.0)
    assert asked == ["x"]


def test_the_noise_of_a_variable_does_not_depend_on_what_was_asked_before(model, world):
    first, second = model.abduct(world, seed=3), model.abduct(world, seed=3)
    model.do(first, sex="male")
    assert torch.equal(model.do(first, area=60.0)["x"], model.do(second, area=60.0)["x"])
    other = model.abduct(world, seed=4)
    assert not torch.equal(other.noise("x").latents[0], first.noise("x").latents[0])


def test_what_another_model_abducted_is_refused(model, world):
    stranger = ci.compile(Disc, x=ci.HVAE(widths=(8, 16), latents=(0, 4), embedding=16))
    with pytest.raises(ValueError, match="abducted by another model"):
        stranger.do(model.abduct(world), area=60.0)


def test_what_a_user_gives_is_checked_once(model, world, monkeypatch):
    checked = []
    column = values_module.column

    def count(name, *rest):
        checked.append(name)
        return column(name, *rest)

    monkeypatch.setattr(values_module, "column", count)
    cf = model.do(world, area=60.0)
    assert sorted(checked) == sorted([*world, "area"])
    assert cf.measured["area"].shape == (120,)
    assert len(checked) == len(world) + 1


def test_the_command_line_is_a_module_too():
    said = subprocess.run([sys.executable, "-m", "causalimg", "--help"], capture_output=True, text=True, check=True)
    assert "demo" in said.stdout


def test_a_seed_draws_the_first_weights_and_the_global_random_state_is_left_alone():
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    first, again, other = (ci.compile(Disc, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(torch.rand(1), expected)
    weights = [model.mechanisms["x"].unet.up[0].weight for model in (first, again, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


@pytest.mark.parametrize(
    ("readers", "asked", "message"),
    [
        ([], {"x": "flow"}, "x: expected Mechanism, got str 'flow'"),
        ([], {"area": ci.ConditionalFlow}, "area: expected Mechanism, got the class ConditionalFlow"),
        ([[Threshold()]], {}, "readers: expected Reader, got list"),
        ([Threshold], {}, "readers: expected Reader, got the class Threshold"),
        ([], {"seed": "one"}, "seed: expected a whole number, got str 'one'"),
        (
            [],
            {"x": ci.HVAE(widths=(10**15, 4), latents=(0, 2))},
            r"x: HVAE\(widths=\(1000000000000000, 4\).* can't be built",
        ),
    ],
)
def test_what_no_model_is_made_of_is_named(readers, asked, message):
    with pytest.raises((TypeError, ValueError), match=message):
        ci.compile(Disc, *readers, **asked)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"n": -1}, "n: expected at least 0, got -1"),
        ({"n": 2.5}, "n: expected a whole number, got float 2.5"),
        ({"n": 3, "do": [60.0]}, "do: expected values by name, got list"),
        ({"n": 3, "seed": "one"}, "seed: expected a whole number"),
    ],
)
def test_what_cannot_be_sampled_is_named(model, asked, message):
    with pytest.raises((TypeError, ValueError), match=message):
        model.sample(**asked)


def test_an_array_is_measured_as_a_tensor_is(model, world):
    assert torch.equal(model.measure(world["x"][:3].numpy())["area"], model.measure(world["x"][:3])["area"])
    with pytest.raises(TypeError, match="x: expected"):
        model.measure(None)
