"""The laws of the contract of mechanisms, one function each; the docstring is the law."""

import json
from collections.abc import Callable
from itertools import product
from operator import itemgetter
from typing import cast

import torch
from torch import Tensor
from torch.testing import assert_close

from causalimg.graph import Categorical, Image
from causalimg.mechanisms.mechanism import Likelihood, Mechanism, Noise, Options, Seen
from causalimg.testing.case import Case
from causalimg.values import leaves, map_tensors

Law = Callable[[Case], None]
DRAWS = 2048


def noise_has_a_row_per_sample(case: Case) -> None:
    """noise(n) has n rows, for 0, 1 and many, is finite, and lives on the mechanism's device."""
    for n in (0, 1, len(case.value)):
        for _, part in leaves(case.mechanism.noise(n)):
            assert len(part) == n, f"noise({n}) has shape {tuple(part.shape)}"
            assert part.device == case.value.device, (
                f"the noise is on {part.device}, the mechanism on {case.value.device}"
            )
            assert part.isfinite().all(), "noise that is not finite"


def predictions_are_values(case: Case) -> None:
    """predict and counterfactual give (batch, *value_shape), float32 (levels: int64), allowed values; for 0, 1 and many."""
    for n, counterfactual in product((0, 1, len(case.value)), (False, True)):
        u, rows = case.mechanism.noise(n), case.rows(slice(n))
        seen = Seen(case.value[:n], case.rows(slice(n), shift=1))
        value = case.mechanism.counterfactual(u, rows, seen) if counterfactual else case.mechanism.predict(u, rows)
        assert value.shape == (n, *case.variable.value_shape), f"{n} samples have shape {tuple(value.shape)}"
        assert value.dtype == case.value.dtype, f"expected {case.value.dtype}, got {value.dtype}"
        assert not case.variable.outside(value).any(), f"a value that is not {case.variable.allowed}"


def abduction_finds_noise(case: Case) -> None:
    """abduct(value, pa) has the parts, shapes and types of noise(n)."""
    drawn, found = dict(leaves(case.mechanism.noise(len(case.value)))), dict(leaves(case.abduct()))
    assert set(found) == set(drawn), f"parts {sorted(found)}, but noise has {sorted(drawn)}"
    for name, part in drawn.items():
        assert found[name].shape == part.shape, f"shape {tuple(found[name].shape)}, but noise has {tuple(part.shape)}"
        assert found[name].dtype == part.dtype, f"{found[name].dtype}, but noise is {part.dtype}"


def abduction_draws_nothing_else(case: Case) -> None:
    """abduct(value, pa, prior) is the same at every call, and noise(n, generator) with a generator in the same state."""
    for draw in (case.abduct, case.prior):
        for (name, one), (_, again) in zip(leaves(draw()), leaves(draw()), strict=True):
            assert torch.equal(one, again), f"{draw.__name__}: another {name or 'noise'} at the second call"


def one_value_serves_every_draw(case: Case) -> None:
    """abduct of one value with many draws of the prior gives what it gives for as many copies, or one noise for all."""
    n, parents = len(case.value), {name: column[:1] for name, column in case.parents.items()}
    copies = {name: column.repeat(n, *(1 for _ in column.shape[1:])) for name, column in parents.items()}
    with torch.no_grad():
        alone = case.mechanism.abduct(case.value[:1], parents, case.prior())
        wide = case.value[:1].repeat(n, *(1 for _ in case.variable.value_shape))
        of_copies = case.mechanism.abduct(wide, copies, case.prior())
    for (name, one), (_, many) in zip(leaves(alone), leaves(of_copies), strict=True):
        assert one.expand_as(many).allclose(many, rtol=1e-4, atol=1e-4), f"noise {name} of one value is another"
    if (likelihood := case.likelihood) is not None:
        asked = ((case.value[:1], parents), (wide, copies))
        nll, copied = (likelihood.explain(*of, case.prior()).nll.detach() for of in asked)
        assert_close(nll.expand_as(copied), copied, rtol=1e-4, atol=1e-4 * (1 + float(copied.abs().max())))


def loss_reaches_every_fitted_parameter(case: Case) -> None:
    """loss is finite, of shape (batch,), and gives every parameter that `fit` trains a finite gradient."""
    loss = case.loss()
    assert loss.shape == (len(case.value),), f"loss has shape {tuple(loss.shape)}"
    assert loss.isfinite().all(), f"loss is not finite: {loss}"
    _check_gradients(loss, {name: p for name, p in case.mechanism.unwrapped.named_parameters() if p.requires_grad})


def explaining_is_abduction_with_a_likelihood(case: Case) -> None:
    """explain(value, pa) has the noise of abduct, and an nll that is finite, of shape (batch,)."""
    if case.likelihood is None:
        return
    u, nll = case.explain()
    assert nll.shape == (len(case.value),), f"nll has shape {tuple(nll.shape)}"
    assert nll.isfinite().all(), f"nll is not finite: {nll}"
    for (name, one), (_, other) in zip(leaves(u), leaves(case.abduct()), strict=True):
        assert one.allclose(other), f"noise {name} of explain is not that of abduct"


def prediction_undoes_abduction(case: Case) -> None:
    """predict(abduct(v, pa), pa) is v to the mechanism's tolerance, whatever the prior's draw, for data and for predictions."""
    with torch.no_grad():
        predicted = case.mechanism.predict(case.mechanism.noise(len(case.value)), case.parents)
        for value, seed in product((case.value, predicted), range(2)):
            again = case.mechanism.predict(case.mechanism.abduct(value, case.parents, case.prior(seed)), case.parents)
            case.check_same(again, value)


def nothing_asked_changes_nothing(case: Case) -> None:
    """counterfactual under the parents that were seen is what was seen, to the mechanism's tolerance."""
    with torch.no_grad():
        u, seen = case.abduct(), Seen(case.value, case.parents)
        case.check_same(case.mechanism.counterfactual(u, case.parents, seen), case.value)


def a_region_bounds_the_change(case: Case) -> None:
    """counterfactual leaves an image outside its region as it was seen, to the mechanism's tolerance; a region of all is none."""
    if not isinstance(case.variable, Image):
        return
    changed, seen = case.rows(slice(None), shift=1), Seen(case.value, case.parents)
    region = torch.zeros_like(case.value[:, 0])
    region[..., : region.shape[-1] // 2] = 1.0
    with torch.no_grad():
        u = case.abduct()
        answer, free, everywhere = (
            case.mechanism.counterfactual(u, changed, seen, Options(mask))
            for mask in (region, None, torch.ones_like(region))
        )
    case.check_same(torch.where(region[:, None] > 0, case.value, answer), case.value)
    assert_close(everywhere, free, rtol=1e-4, atol=1e-4 * case.scale)


def one_noise_serves_every_row_of_parents(case: Case) -> None:
    """predict and counterfactual with the noise of one sample answer for every row of parents."""
    if not case.parents:
        return
    n, first = len(case.value), slice(0, 1)
    with torch.no_grad():
        u = map_tensors(itemgetter(first), case.abduct())
        copied = map_tensors(lambda part: part.repeat(n, *(1 for _ in part.shape[1:])), u)
        seen = Seen(case.value[first], case.rows(first))
        alone, copies = (case.mechanism.predict(noise, case.parents) for noise in (u, copied))
        assert alone.shape == copies.shape, f"shape {tuple(alone.shape)}, expected {tuple(copies.shape)}"
        assert_close(alone, copies, rtol=1e-4, atol=1e-4 * case.scale)
        answers = [case.mechanism.counterfactual(noise, case.parents, seen) for noise in (u, copied)]
        assert_close(*answers, rtol=1e-4, atol=1e-4 * case.scale)


def rows_do_not_mix(case: Case) -> None:
    """What predict and counterfactual give for a row, and the nll unless it is drawn, are the same alone as in a batch."""
    u, nll = case.abduct(), case.nll()
    changed = case.rows(slice(None, None), shift=1)
    together = _both(case, u, slice(None), changed)
    for i in range(min(4, len(case.value))):
        row = slice(i, i + 1)
        alone = _both(case, map_tensors(itemgetter(row), u), row, {k: v[row] for k, v in changed.items()})
        for one, all_ in zip(alone, together, strict=True):
            assert_close(one, all_[row], rtol=1e-4, atol=1e-4 * case.scale)
        if nll is not None and not case.nll_is_drawn():
            assert_close(case.nll(row), nll[row], rtol=1e-4, atol=1e-4)


def prediction_is_differentiable(case: Case) -> None:
    """predict is differentiable in the noise and in the continuous parents, unless the variable is discrete."""
    if case.variable.discrete:
        return
    u = map_tensors(lambda part: part.detach().requires_grad_(), case.abduct())
    parents = {name: column.clone().requires_grad_(column.is_floating_point()) for name, column in case.parents.items()}
    wanted = {f"noise {name}": part for name, part in leaves(u)} | parents
    value = case.mechanism.predict(u, parents)
    _check_gradients(value, {name: tensor for name, tensor in wanted.items() if tensor.requires_grad})


def nll_is_of_a_density(case: Case) -> None:
    """exp(-nll) of a number, in its natural unit, adds up to one over what predict gives, unless the nll is drawn."""
    if isinstance(case.variable, Image) or case.likelihood is None or case.nll_is_drawn():
        return
    with torch.no_grad():
        for row in range(2):
            total = _total_probability(case, row)
            assert abs(total - 1) < 0.1, f"it adds up to {total:.3g}"


def a_saved_copy_is_the_same(case: Case) -> None:
    """to_data (plain JSON) and state_dict make the same mechanism again, bit by bit."""
    data = json.loads(json.dumps(case.mechanism.to_data()))
    copy = Mechanism.from_data(data).bind(case.graph, case.name).to(case.value.device)
    copy.load_state_dict(case.mechanism.state_dict())
    u = case.mechanism.noise(len(case.value))
    assert torch.equal(copy.predict(u, case.parents), case.mechanism.predict(u, case.parents)), (
        "the copy predicts otherwise"
    )


LAWS: tuple[Law, ...] = (
    noise_has_a_row_per_sample,
    predictions_are_values,
    abduction_finds_noise,
    abduction_draws_nothing_else,
    loss_reaches_every_fitted_parameter,
    explaining_is_abduction_with_a_likelihood,
    one_value_serves_every_draw,
    prediction_undoes_abduction,
    nothing_asked_changes_nothing,
    a_region_bounds_the_change,
    one_noise_serves_every_row_of_parents,
    rows_do_not_mix,
    prediction_is_differentiable,
    nll_is_of_a_density,
    a_saved_copy_is_the_same,
)


def _both(case: Case, u: Noise, rows: slice, changed: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    seen = Seen(case.value[rows], case.rows(rows))
    return case.mechanism.predict(u, case.rows(rows)), case.mechanism.counterfactual(u, changed, seen)


def _check_gradients(values: Tensor, wanted: dict[str, Tensor]) -> None:
    if not wanted:
        return
    gradients = torch.autograd.grad(values.mean(), list(wanted.values()), allow_unused=True)
    for name, gradient in zip(wanted, gradients, strict=True):
        assert gradient is not None, f"no gradient reaches {name}"
        assert gradient.isfinite().all(), f"the gradient of {name} is not finite"


def _total_probability(case: Case, row: int) -> float:
    """The integral (sum, for levels) of exp(-nll) under the parents of `row`, on a grid that is dense where predictions are."""

    likelihood = cast(Likelihood, case.likelihood)

    def parents(n: int) -> dict[str, Tensor]:
        return {name: column[row].expand(n, *column[row].shape) for name, column in case.parents.items()}

    def density(grid: Tensor) -> Tensor:
        return likelihood.explain(grid, parents(len(grid)), likelihood.noise(len(grid))).nll.neg().exp()

    if isinstance(case.variable, Categorical):
        grid = torch.arange(len(case.variable.levels), device=case.value.device)
        return float(density(grid).sum())
    draws = case.mechanism.predict(case.mechanism.noise(DRAWS), parents(DRAWS)).sort().values
    grid = torch.cat([torch.lerp(draws[:-1], draws[1:], step / 8) for step in range(8)]).sort().values
    inside = torch.trapezoid(density(grid), grid)
    on_bounds = (draws == draws[:1]).float().mean() + (draws == draws[-1:]).float().mean()  # atoms have no density
    return float(inside + on_bounds)
