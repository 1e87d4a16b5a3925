"""A model in other libraries answers as it does itself."""

import math
import sys

import networkx as nx
import pyro
import pytest
import torch
from pyro import poutine

import causalimg as ci
from causalimg.bridges.pyro_program import pack, unpack
from causalimg.mechanisms.mechanism import Mechanism
from causalimg.values import leaves

N = 6


class Bridged(ci.Graph):
    """Numbers, levels and an image."""

    age = ci.Continuous(unit="year", bounds=(0, 110))
    sex = ci.Categorical(levels=("female", "male"))
    area = ci.Continuous(parents=[age, sex], unit="px", bounds=(0, None))
    x = ci.Image(parents=[sex, area], shape=(1, 8, 8))


HVAE = ci.HVAE(widths=(4,), latents=(2,), embedding=4)
IMAGES = {
    "edited": ci.Edited(base=HVAE, edit=ci.Deform(widths=(4,), basis=4, embedding=4)),
    "flow": ci.FlowMatching(widths=(4,), embedding=4, steps=2),
}


def made(image, graph=Bridged, **others):
    """A model that counts as fitted, with weights that make everything depend on everything."""
    model = ci.compile(graph, x=image, **others)
    generator = torch.Generator().manual_seed(1)
    shape = (64, 1, 8, 8)
    rows = {"age": 50 + 10 * torch.randn(64, generator=generator), "sex": torch.arange(64) % 2}
    rows |= {"area": 50 + 5 * torch.randn(64, generator=generator), "x": torch.zeros(shape), "y": torch.zeros(shape)}
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    for name, mechanism in model.mechanisms.items():
        mechanism.fitted.fill_(True)
        mechanism.prepare(rows[name], model.parents(rows, name))
        if isinstance(mechanism, ci.Edited):
            mechanism.edit.answer_to(mechanism.parents)
    return model


@pytest.fixture(scope="module")
def model():
    return made(IMAGES["edited"])


@pytest.fixture(scope="module")
def program(model):
    return model.to_pyro()


@pytest.fixture(scope="module")
def seen(model):
    return model.sample(N, seed=3)


# -- Pyro --------------------------------------------------------------------------------------------------------------


def values_of(program, n, seed=0, **conditions):
    pyro.set_rng_seed(seed)
    with torch.no_grad():
        return program(n, **conditions)


@pytest.mark.parametrize("image", IMAGES)
def test_of_the_same_noise_a_program_makes_the_same_values(image):
    model = made(IMAGES[image])
    seen = model.sample(N, seed=3)
    program, factual = model.to_pyro(), model.abduct(seen)
    again = values_of(poutine.condition(program, program.noise(factual)), N)
    for name, variable in model.graph.variables.items():
        assert again[name].shape == (N, *variable.value_shape)
        torch.testing.assert_close(again[name], seen[name], atol=1e-4, rtol=1e-4)


def test_do_on_a_program_is_the_counterfactual_of_the_same_noise(model, program, seen):
    factual, older = model.abduct(seen), torch.full((N,), 80.0)
    told = poutine.do(poutine.condition(program, program.noise(factual)), {"age": older})
    answer, expected = values_of(told, N), model.mechanisms
    assert torch.equal(answer["age"], older)
    assert torch.equal(answer["sex"], seen["sex"])
    area = expected["area"].predict(factual.noise("area"), {"age": older, "sex": seen["sex"]})
    torch.testing.assert_close(answer["area"], area)
    assert (answer["area"] != seen["area"]).all()
    image = expected["x"].predict(factual.noise("x"), {"sex": seen["sex"], "area": area})
    torch.testing.assert_close(answer["x"], image)


def test_where_nothing_edits_do_on_a_program_is_what_the_model_answers(seen):
    plain = made(HVAE)
    program, factual = plain.to_pyro(), plain.abduct(seen)
    told = poutine.do(poutine.condition(program, program.noise(factual)), {"sex": 1 - seen["sex"]})
    answer, expected = values_of(told, N), plain.do(factual, sex=1 - seen["sex"], region=None)
    for name in plain.graph:
        torch.testing.assert_close(answer[name], expected[name])


def test_samples_under_do_have_the_distribution_of_the_models(model, program):
    n = 2000
    told = poutine.do(poutine.block(program, hide=["x"]), {"age": torch.full((n,), 80.0)})
    ours, theirs = model.sample(n, do={"age": 80.0}), values_of(told, n)
    for name in ("sex", "area"):
        spread = ours[name].float().std() * math.sqrt(2 / n)
        assert abs(ours[name].float().mean() - theirs[name].float().mean()) < 4 * spread
    assert abs(ours["area"].std() / theirs["area"].std() - 1) < 0.1


def test_probabilities_are_those_of_the_mechanisms(model, program, seen):
    trace = poutine.trace(poutine.condition(program, seen)).get_trace(N)
    pyro.set_rng_seed(7)
    trace.compute_log_prob()
    for name, mechanism in model.mechanisms.items():
        assert trace.nodes[f"{name}.u"]["log_prob_sum"] == 0  # a variable counts once
        unwrapped, parents = mechanism.unwrapped, model.parents(seen, name)
        if name != "x":
            expected = -unwrapped.explain(seen[name], parents, mechanism.noise(N)).nll
            torch.testing.assert_close(trace.nodes[name]["log_prob"], expected)
    pyro.set_rng_seed(7)
    for name in ("age", "sex", "area"):
        model.mechanisms[name].noise(N)  # drawn before
    drawn = model.mechanisms["x"].noise(N)
    bound = -model.mechanisms["x"].unwrapped.explain(seen["x"], model.parents(seen, "x"), drawn).nll
    torch.testing.assert_close(trace.nodes["x"]["log_prob"], bound)


class Line(ci.Graph):
    """Two numbers."""

    a = ci.Continuous()
    b = ci.Continuous(parents=[a])


def test_a_posterior_is_that_of_the_closed_form():
    model = ci.compile(
        Line, a=ci.LinearGaussian(bias=1.0, scale=2.0), b=ci.LinearGaussian(weights={"a": 3.0}, scale=4.0)
    )
    n, observed = 20000, 9.0
    pyro.set_rng_seed(0)
    trace = poutine.trace(poutine.condition(model.to_pyro(), {"b": torch.full((n,), observed)})).get_trace(n)
    trace.compute_log_prob()
    weights = trace.nodes["b"]["log_prob"].softmax(0)
    precision = 1 / 4 + 9 / 16
    mean = (1.0 / 4 + 3.0 * observed / 16) / precision
    found = (weights * trace.nodes["a"]["value"]).sum()
    assert abs(found - mean) < 0.05
    spread = (weights * (trace.nodes["a"]["value"] - found).square()).sum()
    assert abs(spread * precision - 1) < 0.1


def test_a_plate_around_a_program_has_draws_of_its_own(program):
    drawn = pyro.infer.Predictive(program, num_samples=5, parallel=True)(2)
    assert drawn["age"].shape == (5, 2)
    assert drawn["x"].shape == (5, 2, 1, 8, 8)
    assert len(drawn["age"].unique()) == 10


class Halving(Mechanism):
    """A number without a likelihood."""

    handles = (ci.Continuous,)

    def build(self):
        self.fitted.fill_(True)

    def noise(self, n, generator=None):
        return torch.rand(n, generator=generator)

    def predict(self, u, parents):
        return u / 2

    def abduct(self, value, parents, prior):
        return 2 * value

    def loss(self, value, parents):
        return value


def test_without_a_likelihood_a_value_follows_from_noise_alone():
    program = ci.compile(ci.Graph.of(a=ci.Continuous()), a=Halving()).to_pyro()
    told = poutine.condition(program, {"a.u": torch.tensor([0.5]), "a": torch.tensor([0.25])})
    assert poutine.trace(told).get_trace(1).log_prob_sum() == 0
    wrong = poutine.condition(program, {"a.u": torch.tensor([0.5]), "a": torch.tensor([0.3])})
    assert poutine.trace(wrong).get_trace(1).log_prob_sum() == -math.inf


@pytest.mark.parametrize("image", IMAGES)
def test_packed_noise_is_unpacked_again(image):
    mechanism = made(IMAGES[image]).mechanisms["x"]
    noise = mechanism.noise(3)
    again = unpack(pack(noise), mechanism)
    assert type(again) is type(noise)
    assert all(torch.equal(one, other) for (_, one), (_, other) in zip(leaves(noise), leaves(again), strict=True))


def test_chirho_finds_the_same_worlds(model, program, seen):
    pytest.importorskip("chirho", reason="ChiRho is not installed")
    from chirho.counterfactual.handlers import MultiWorldCounterfactual
    from chirho.indexed.ops import IndexSet, gather
    from chirho.interventional.handlers import do

    factual, older = model.abduct(seen), torch.full((N,), 80.0)
    told = poutine.condition(program, program.noise(factual))
    with MultiWorldCounterfactual(first_available_dim=-2), torch.no_grad():
        worlds = do(told, {"age": older})(N)
        found = [
            {
                name: gather(value, IndexSet(age={world}), event_dim=len(model.graph[name].value_shape))
                for name, value in worlds.items()
            }
            for world in (0, 1)
        ]
    expected = [seen, values_of(poutine.do(told, {"age": older}), N)]
    for name in model.graph:
        for one, other in zip(found, expected, strict=True):
            torch.testing.assert_close(one[name].reshape(other[name].shape), other[name], atol=1e-5, rtol=1e-5)


def test_what_can_not_be_a_program_is_refused(model, program, seen):
    with pytest.raises(ValueError, match="not trained"):
        ci.compile(Bridged, x=HVAE).to_pyro()
    with pytest.raises(ValueError, match="another model"):
        program.noise(made(HVAE).abduct(seen))
    with pytest.raises(TypeError, match="noise: expected Factual"):
        program.noise(seen)
    with pytest.raises(ValueError, match="n: expected"):
        program(0)


# -- ONNX --------------------------------------------------------------------------------------------------------------


class Twice(Bridged):
    """With an image of each kind: a file takes some seconds to write, so that one does for all."""

    y = ci.Image(parents=["area"], shape=(1, 8, 8))


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A model, what can be set, and a session with its file."""
    runtime = pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
    pytest.importorskip("onnxscript", reason="ONNX Script is not installed")
    path = tmp_path_factory.mktemp("onnx") / "model.onnx"
    model = made(IMAGES["edited"], Twice, y=ci.FlowMatching(widths=(4,), embedding=4, steps=1))
    model.to_onnx(path, ["age"])
    return model, ["age"], runtime.InferenceSession(path, providers=["CPUExecutionProvider"])


def test_a_file_answers_as_the_model(written):
    model, variables, session = written
    drawn, asked = model.sample(5, seed=11), model.sample(5, seed=12)
    follow = [name for name in model.graph if name in model.graph.descendants(*variables) - set(variables)]
    generator = torch.Generator().manual_seed(0)
    draws = {name: model.mechanisms[name].noise(1, generator) for name in follow}
    for i in range(5):
        item, action = ({name: value[i : i + 1] for name, value in world.items()} for world in (drawn, asked))
        action = {name: action[name] for name in variables}
        given = item | {f"do({name})": value for name, value in action.items()}
        answers = session.run(None, {one.name: given[one.name].numpy() for one in session.get_inputs()})
        factual = model.abduct(item)
        noise = {
            name: model.mechanisms[name].abduct(item[name], model.parents(item, name), draws[name]) for name in follow
        }
        expected = model.predict(factual.with_noise(noise), action, region=None)
        assert [one.name for one in session.get_outputs()] == [f"cf({name})" for name in follow]
        for name, answer in zip(follow, answers, strict=True):
            torch.testing.assert_close(torch.from_numpy(answer), expected[name], atol=1e-4, rtol=1e-4)


def test_a_file_gives_back_what_was_seen_where_nothing_is_asked(written):
    model, variables, session = written
    seen = model.sample(1, seed=13)
    given = seen | {f"do({name})": seen[name] for name in variables}
    names = ["area", "x", "y"]
    given = {one.name: given[one.name].numpy() for one in session.get_inputs()}
    for name, answer in zip(names, session.run([f"cf({name})" for name in names], given), strict=True):
        torch.testing.assert_close(torch.from_numpy(answer), seen[name], atol=1e-4, rtol=1e-4)


def test_a_file_says_what_its_numbers_are(written):
    model, _, session = written
    said = session.get_modelmeta().custom_metadata_map
    assert ci.Graph.from_json(said["causalimg.graph"]) == model.graph


def test_what_no_file_can_hold_is_refused(model, tmp_path, monkeypatch):
    path = tmp_path / "model.onnx"
    for variables, error, message in (
        (["aeg"], ValueError, "Did you mean 'age'"),
        ("age", TypeError, "variables: expected a list of str"),
        ([], ValueError, "no image follows from nothing"),
        (["x"], ValueError, "x is an image"),
    ):
        with pytest.raises(error, match=message):
            model.to_onnx(path, variables)
    with pytest.raises(ValueError, match="not trained"):
        ci.compile(Bridged, x=HVAE).to_onnx(path, ["age"])
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ImportError, match=r'pip install "causalimg\[onnx\]"'):
        model.to_onnx(path, ["age"])
    assert not path.exists()


class Shifted(Mechanism):
    """An image that is its noise, moved by the first of its cause's values: a number that no file can know beforehand."""

    handles = (ci.Image,)

    def build(self):
        self.fitted.fill_(True)

    def noise(self, n, generator=None):
        return torch.rand(n, *self.variable.shape, generator=generator)

    def predict(self, u, parents):
        return u + self.shift(parents)

    def abduct(self, value, parents, prior):
        return value - self.shift(parents)

    def loss(self, value, parents):
        return value.flatten(1).sum(1)

    def shift(self, parents):
        return parents["a"].mean().item()


class Unwritten(Shifted):
    """Moved by what ONNX has no operator for."""

    def shift(self, parents):
        return torch.special.bessel_j0(parents["a"])[:, None, None, None]


@pytest.mark.parametrize(
    ("image", "error", "message"),
    [
        (Shifted(), RuntimeError, "x is off by up to .*nothing was written"),
        (Unwritten(), ValueError, "ONNX can't hold what Unwritten, of x computes"),
    ],
)
def test_a_computation_that_a_file_would_get_wrong_is_refused(image, error, message, tmp_path):
    pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
    graph = ci.Graph.of(a=ci.Continuous(), x=ci.Image(parents=["a"], shape=(1, 2, 2), bounds=(None, None)))
    model = ci.compile(graph, a=ci.LinearGaussian(scale=2.0), x=image)
    with pytest.raises(error, match=message):
        model.to_onnx(tmp_path / "model.onnx", ["a"])
    assert not list(tmp_path.iterdir())


# -- networkx and DoWhy ------------------------------------------------------------------------------------------------


def test_a_graph_of_names_becomes_one_of_variables():
    network = nx.DiGraph([("gene", "area"), ("gene", "x"), ("area", "x")])
    graph = ci.Graph.from_networkx(
        network, gene=ci.Unobserved(), area=ci.Continuous(unit="px"), x=ci.Image(shape=(1, 8, 8))
    )
    assert graph.parents("x") == ("area",)
    assert graph.unobserved == {"gene": ("area", "x")}
    assert graph["area"].unit == "px"


def test_a_graph_of_names_needs_a_variable_for_each_and_their_parents_only_once():
    network = nx.DiGraph([("a", "b")])
    for variables, message in (
        ({"a": ci.Continuous(), "bb": ci.Continuous()}, "unknown node 'bb'"),
        ({"a": ci.Continuous()}, "Graph.b: expected a Variable, or a mapping with its 'kind'"),
        ({"a": ci.Continuous(), "b": ci.Continuous(parents=["a"])}, "b: the edges of the networkx graph say"),
    ):
        with pytest.raises(ValueError, match=message):
            ci.Graph.from_networkx(network, **variables)


class Smoking(ci.Graph):
    """Pearl's front door."""

    gene = ci.Unobserved()
    smoke = ci.Continuous(parents=[gene])
    tar = ci.Continuous(parents=[smoke])
    cancer = ci.Continuous(parents=[tar, gene])


@pytest.mark.filterwarnings("ignore")  # of DoWhy, and what it imports
def test_dowhy_takes_a_graph_and_identifies_the_same():
    dowhy = pytest.importorskip("dowhy", reason="DoWhy is not installed")
    import pandas

    data = pandas.DataFrame({name: range(5) for name in Smoking()})
    for cause, effect in (("smoke", "cancer"), ("tar", "cancer")):
        ours = Smoking().identify(cause, effect)
        theirs = dowhy.CausalModel(data, cause, effect, graph=Smoking().to_networkx()).identify_effect()
        assert (sorted(theirs.get_backdoor_variables()) if theirs.backdoor_variables else None) == (
            sorted(ours.backdoor[0]) if ours.backdoor else None
        )
        assert tuple(theirs.get_frontdoor_variables()) == (ours.frontdoor[0] if ours.frontdoor else ())
