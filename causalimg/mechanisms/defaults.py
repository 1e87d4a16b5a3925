"""The mechanism that a variable gets when the user names none; why these: `docs/choosing.md`."""

from causalimg.graph import Categorical, Continuous, Image, Variable
from causalimg.mechanisms.flow import ConditionalFlow
from causalimg.mechanisms.flow_matching import FlowMatching
from causalimg.mechanisms.gumbel import GumbelMax
from causalimg.mechanisms.mechanism import Mechanism


def default_mechanism(name: str, variable: Variable) -> Mechanism:
    """The default for a kind of variable. Raises TypeError for a kind that has none."""
    if isinstance(variable, Continuous):
        return ConditionalFlow()
    if isinstance(variable, Categorical):
        return GumbelMax()
    if isinstance(variable, Image):
        return FlowMatching()
    raise TypeError(f"{name}: no default mechanism for {type(variable).__name__}; give one: compile(graph, {name}=...)")
