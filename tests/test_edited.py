"""An edit on top of an image mechanism: the identity where nothing was asked, deaf to what it has not learnt."""

import math

import pytest
import torch
from mechanism_calls import abduct, explain
from test_hvae import SMALL

import causalimg as ci
from causalimg.mechanisms.deform import deformed
from causalimg.mechanisms.mechanism import likelihood_of
from causalimg.values import leaves

GRAPH = ci.Graph.of(
    a=ci.Continuous(), s=ci.Categorical(levels=("f", "m")), x=ci.Image(parents=["a", "s"], shape=(1, 16, 16))
)


def edited(shape=(1, 16, 16), shaken=True, **settings):
    """An HVAE with a deformation that has been shaken, and told to answer to `a` alone."""
    graph = ci.Graph.of(
        a=ci.Continuous(), s=ci.Categorical(levels=("f", "m")), x=ci.Image(parents=["a", "s"], shape=shape)
    )
    torch.manual_seed(0)
    mechanism = ci.Edited(base=ci.HVAE(**(SMALL | settings)), edit=ci.Deform(widths=(8, 8), basis=8)).bind(graph, "x")
    parents = {"a": torch.randn(5), "s": torch.tensor([0, 1, 0, 1, 1])}
    mechanism.prepare_finetuning(["a"])
    for p in mechanism.edit.parameters() if shaken else ():
        torch.nn.init.normal_(p, std=0.5)
    return mechanism, torch.rand(5, *shape), parents


def test_no_answer_leaves_every_pixel_and_a_move_takes_it_from_where_it_points():
    pixels = torch.rand(2, 1, 8, 8)
    fields = torch.zeros(2, 3, 8, 8)
    assert (deformed(pixels, fields) - pixels).abs().max() < 1e-5
    fields[:, 0] = 16 * 0.5 * math.atanh(0.25)  # a bounded move by 1/8 of half the side: of 8 pixels, half a pixel
    moved = deformed(pixels, fields)
    expected = (pixels[..., :-1] + pixels[..., 1:]) / 2
    assert (moved[..., :-1] - expected).abs().max() < 1e-5
    far = deformed(pixels, torch.cat([torch.full((2, 2, 8, 8), 1e6), torch.zeros(2, 1, 8, 8)], dim=1))
    assert (far[..., :-2, :-2] - pixels[..., 2:, 2:]).abs().max() < 1e-5  # half of half the side: two pixels
    painted = deformed(pixels, torch.tensor([0.0, 0.0, 2.0]).view(1, 3, 1, 1).expand(2, 3, 8, 8))
    assert (painted - pixels - 0.2).abs().max() < 1e-5


@pytest.mark.parametrize("shape", [(1, 16, 16), (3, 8, 24)])
def test_an_edit_moves_the_counterfactual_but_neither_what_was_seen_nor_its_likelihood(shape):
    mechanism, x, parents = edited(shape)
    torch.manual_seed(1)
    u, seen = abduct(mechanism, x, parents), ci.Seen(x, parents)
    assert (mechanism.counterfactual(u, parents, seen) - x).abs().max() < 1e-5
    older = parents | {"a": parents["a"] + 1}
    assert (mechanism.counterfactual(u, older, seen) - mechanism.base.predict(u, older)).abs().mean() > 1e-2
    torch.manual_seed(1)
    loss = mechanism.loss(x, parents)
    torch.manual_seed(1)
    assert torch.equal(loss, explain(likelihood_of(mechanism), x, parents).nll)


def test_samples_are_the_bases_whatever_the_edit_has_learnt():
    """The origin of an edit is what was seen: a sample was not seen, so nothing is edited, and noise holds no parents."""
    mechanism, _, parents = edited()
    torch.manual_seed(2)
    drawn = mechanism.predict(mechanism.noise(5), parents)
    torch.manual_seed(2)
    assert torch.equal(drawn, mechanism.base.predict(mechanism.base.noise(5), parents))
    shapes = {part.shape[1:] for _, part in leaves(mechanism.noise(5))}
    assert (mechanism.edit.context.width,) not in shapes


def test_what_no_guidance_spoke_for_is_not_answered_to():
    mechanism, x, parents = edited()
    u, seen = abduct(mechanism, x, parents), ci.Seen(x, parents)
    for changed, answers in (({"s": 1 - parents["s"]}, False), ({"a": parents["a"] + 1}, True)):
        after = parents | changed
        change = (mechanism.counterfactual(u, after, seen) - mechanism.base.predict(u, after)).abs()
        assert (change.max() > 1e-2) == answers


def test_an_edit_learns_from_its_first_step():
    mechanism, x, parents = edited(shaken=False)
    u, seen = abduct(mechanism, x, parents), ci.Seen(x, parents)
    answer = mechanism.counterfactual(u, parents | {"a": parents["a"] + 1}, seen)
    (answer * torch.rand_like(x)).sum().backward()
    assert mechanism.edit.leave.weight.grad.abs().sum() > 0


def test_fit_trains_the_base_and_fine_tuning_the_edit():
    mechanism, _, _ = edited()
    assert mechanism.unwrapped is mechanism.base
    assert mechanism.prepare_finetuning(["a"]) is mechanism.edit


def test_an_edit_of_its_own_kind_is_one_class_and_edits_nest():
    class Lighter(ci.Edit):
        """Lighter by a tenth for every unit of `a`."""

        def build(self, image, parents):
            self.known = set()

        def answer_to(self, names):
            self.known |= set(names)

        def forward(self, image, before, after):
            return image + 0.1 * (after["a"] - before["a"])[:, None, None, None] * ("a" in self.known)

    base = ci.Edited(base=ci.HVAE(**SMALL), edit=ci.Deform(widths=(8, 8)))
    mechanism = ci.Edited(base=base, edit=Lighter()).bind(GRAPH, "x")
    again = ci.Mechanism.from_data(mechanism.to_data()).bind(GRAPH, "x")
    again.load_state_dict(mechanism.state_dict())
    x, parents = torch.rand(3, 1, 16, 16), {"a": torch.zeros(3), "s": torch.tensor([0, 1, 0])}
    u, seen, after = abduct(again, x, parents), ci.Seen(x, parents), parents | {"a": torch.ones(3)}
    assert torch.equal(again.counterfactual(u, after, seen), again.base.counterfactual(u, after, seen))
    again.prepare_finetuning(["a"])
    change = again.counterfactual(u, after, seen) - again.base.counterfactual(u, after, seen)
    assert 0 <= change.min() <= change.max() <= 0.1 + 1e-6  # within the bounds of the image
    assert (change - 0.1).abs().median() < 1e-6
    assert again.unwrapped is again.base.base


def test_images_that_cannot_be_deformed_are_refused():
    graph = ci.Graph.of(a=ci.Continuous(), x=ci.Image(parents=["a"], shape=(1, 8, 8)))
    with pytest.raises(ValueError, match="x: Deform: 8x8 is not divisible by 16 .* nearest size that works is 16x16"):
        ci.Edited(base=ci.HVAE(**SMALL), edit=ci.Deform(widths=(4, 4, 4, 4))).bind(graph, "x")


def test_a_fitted_mechanism_is_not_wrapped_in_silence_which_would_lose_its_weights():
    fitted = ci.HVAE(**SMALL).bind(GRAPH, "x")
    with pytest.raises(ValueError, match="this HVAE is built already, and its weights would be lost"):
        ci.compile(GRAPH, x=ci.Edited(base=fitted, edit=ci.Deform(widths=(8, 8))))
