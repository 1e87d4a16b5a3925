"""Parents as features for a network: continuous ones standardised, categorical ones one-hot; and a small network of them."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from causalimg.errors import unknown
from causalimg.graph import Categorical, Continuous, Variable


class Context(nn.Module):
    """Parents by name to features of shape (batch, `width`), in the order of the graph, always in float32.

    The standardisation is fitted by `standardise`, lives here, and is saved with the model.
    Raises ValueError for a parent that is no number (an image).
    """

    def __init__(self, parents: Mapping[str, Variable]) -> None:
        super().__init__()
        for name, variable in parents.items():
            if not isinstance(variable, Continuous | Categorical):
                raise ValueError(f"the parent {name!r} is {type(variable).__name__}: this mechanism takes numbers only")
        self.parents = dict(parents)
        self.width = sum(len(v.levels) if isinstance(v, Categorical) else 1 for v in parents.values())
        self.mean = nn.Buffer(torch.zeros(len(parents)))
        self.scale = nn.Buffer(torch.ones(len(parents)))

    def columns(self, name: str) -> slice:
        """Where the features of the parent `name` are."""
        start = 0
        for parent, variable in self.parents.items():
            stop = start + (len(variable.levels) if isinstance(variable, Categorical) else 1)
            if parent == name:
                return slice(start, stop)
            start = stop
        raise unknown("parent", name, self.parents)

    def standardise(self, parents: Mapping[str, Tensor]) -> None:
        """Fit mean and standard deviation of the continuous parents on training values."""
        for i, (name, variable) in enumerate(self.parents.items()):
            if isinstance(variable, Continuous):
                self.mean[i] = parents[name].mean()
                spread = parents[name].std(correction=0)
                self.scale[i] = torch.where(spread > 0, spread, 1.0)  # a parent that never varied keeps its unit

    def forward(self, parents: Mapping[str, Tensor], n: int) -> Tensor:
        """Features of `n` samples."""
        columns = [self.mean.new_zeros(n, 0)]
        for i, (name, variable) in enumerate(self.parents.items()):
            if isinstance(variable, Categorical):
                columns.append(nn.functional.one_hot(parents[name].long(), len(variable.levels)).to(self.mean))
            else:
                columns.append(((parents[name].to(self.mean) - self.mean[i]) / self.scale[i])[:, None])
        return torch.cat(columns, dim=1)


class Hypernetwork(nn.Module):
    """Parents by name to (batch, `outputs`): a linear map plus a network with two hidden layers, both zero at the start.

    The linear map carries on where data ends, so that an intervention beyond what was seen meets a trend rather than a
    saturated network. Always in float32: less would not survive the way to the noise and back. Tables are small: train it
    with a strong weight decay.
    """

    def __init__(self, parents: Mapping[str, Variable], width: int, outputs: int) -> None:
        super().__init__()
        self.context = Context(parents)
        features = self.context.width + 1  # a constant one, so that a variable without parents is no special case
        self.linear = nn.Linear(features, outputs)
        self.hidden = nn.Sequential(nn.Linear(features, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU())
        self.last = nn.Linear(width, outputs, bias=False)
        for zero in (self.linear.weight, self.linear.bias, self.last.weight):
            nn.init.zeros_(zero)

    def forward(self, parents: Mapping[str, Tensor], n: int) -> Tensor:
        weight = self.linear.weight
        with torch.autocast(weight.device.type, enabled=False):
            features = torch.cat([weight.new_ones(n, 1), self.context(parents, n)], dim=1)
            parameters: Tensor = self.linear(features) + self.last(self.hidden(features))
            return parameters
