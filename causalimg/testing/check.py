"""Every law of `laws`, before and after some training: ``check_mechanism(Mine(width=8), Heart, "lv_area")``."""

import torch

from causalimg.graph import Graph, as_graph
from causalimg.mechanisms.mechanism import Mechanism
from causalimg.testing.case import Case
from causalimg.testing.laws import LAWS, Law

STEPS = 30


def check_mechanism(
    mechanism: Mechanism, graph: Graph | type[Graph], name: str, *, n: int = 32, device: str = "cpu"
) -> None:
    """Hold `mechanism`, as that of the variable `name` of `graph`, to the laws of the contract, before and after training.

    It is given `n` random values of the variable and of its parents, some of them on the bounds. Raises AssertionError that
    says which law is broken, and how.
    """
    with torch.random.fork_rng():
        torch.manual_seed(0)
        case = Case.draw(mechanism, as_graph(graph), name, n, device)
        for law in (*LAWS, training_helps, an_edit_can_learn, *LAWS):
            _hold(law, case)


def training_helps(case: Case) -> None:
    """A few steps of training lower the mean loss, or keep it where it is at its lowest."""
    fitted = case.mechanism.unwrapped
    parameters = [p for p in fitted.parameters() if p.requires_grad]
    if not parameters:
        return
    before = case.loss().mean().item()
    optimizer = torch.optim.Adam(parameters, lr=fitted.recipe.lr)
    for step in range(STEPS):
        optimizer.zero_grad()
        case.loss(seed=step).mean().backward()
        torch.nn.utils.clip_grad_norm_(parameters, fitted.recipe.clip)
        optimizer.step()
    after = case.loss().mean().item()
    assert after < before + 1e-3 * (1 + abs(before)), f"{before:.4g} before {STEPS} steps, {after:.4g} after them"


def an_edit_can_learn(case: Case) -> None:
    """What fine-tuning trains on top of the fitted mechanism, if there is such a part, may learn anything: here, noise."""
    trained = case.mechanism.prepare_finetuning(list(case.parents)[:1])
    fitted = {parameter for parameter in case.mechanism.unwrapped.parameters() if parameter.requires_grad}
    with torch.no_grad():
        for parameter in trained.parameters():
            if parameter not in fitted:
                parameter.add_(0.1 * torch.randn_like(parameter))


def _hold(law: Law, case: Case) -> None:
    given = {case.name: case.value, **case.parents}
    before = {name: column.clone() for name, column in given.items()}
    try:
        law(case)
        for name, column in given.items():
            assert torch.equal(column, before[name]), f"{name}, which was given, is changed in place"
    except Exception as error:
        broken = f"{type(case.mechanism).__name__} for {case.name!r} breaks a law: {law.__doc__}"
        raise AssertionError(f"{broken}\n{type(error).__name__}: {error}") from error
