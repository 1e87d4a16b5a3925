"""Fitting by likelihood: each mechanism on its own, since log p(v) = Σ_k log p(v_k | pa_k)."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from causalimg.mechanisms.mechanism import Mechanism
from causalimg.training.history import History
from causalimg.training.loop import train
from causalimg.training.randomness import seeded
from causalimg.training.recipe import Recipe


class Likelihood(nn.Module):
    """A batch's mean negative log-likelihood per dimension, in nats; what `train` minimises."""

    def __init__(self, mechanism: Mechanism, name: str) -> None:
        super().__init__()
        self.mechanism = mechanism
        self.name = name

    def forward(self, batch: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        loss = nll_per_dimension(self.mechanism, self.name, batch).mean()
        return loss, {"nll": loss.detach()}


def nll_per_dimension(mechanism: Mechanism, name: str, values: Mapping[str, Tensor]) -> Tensor:
    """Negative log-likelihood (for an HVAE the negative ELBO) of `values[name]`, in nats per dimension: shape (batch,)."""
    parents = {parent: values[parent] for parent in mechanism.parents}
    return mechanism.abduct(values[name], parents).nll / max(1, values[name][0].numel())


@torch.no_grad()
def mean_nll(mechanism: Mechanism, name: str, values: Mapping[str, Tensor], batch: int = 256) -> Tensor:
    """`nll_per_dimension` of every row, batch by batch, with the same draws at every call: shape (rows,)."""
    device = next(iter(mechanism.parameters()), values[name]).device
    with seeded(0, device):
        rows = range(0, len(values[name]), batch)
        parts = ({k: v[i : i + batch].to(device) for k, v in values.items()} for i in rows)
        return torch.cat([nll_per_dimension(mechanism, name, part) for part in parts])


def fit_mechanism(
    mechanism: Mechanism,
    name: str,
    data: Mapping[str, Tensor],
    val: Mapping[str, Tensor] | None,
    recipe: Recipe,
    seed: int,
    log: Path | None = None,
) -> History:
    """Train one mechanism on the columns of `data`; with `val`, the weights that are best there stay.

    One without parameters has learnt all it can when it is prepared: its history is empty.
    """
    family = [name, *mechanism.parents]
    columns = {k: data[k] for k in family}
    mechanism.prepare(columns[name], {k: columns[k] for k in mechanism.parents})
    if next(mechanism.parameters(), None) is None:
        return History()
    held_out = None if val is None else {k: val[k] for k in family}
    validate = None if held_out is None else lambda: float(mean_nll(mechanism, name, held_out).mean())
    return train(Likelihood(mechanism, name), columns, recipe, label=name, seed=seed, validate=validate, log=log)
