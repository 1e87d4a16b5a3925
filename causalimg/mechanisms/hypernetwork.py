"""A small network from a variable's parents to the parameters of its distribution."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from causalimg.graph import Variable
from causalimg.mechanisms.context import Context


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
