"""The mechanism that a variable gets when the user names none."""

from causalimg.graph import Categorical, Continuous, Image, Variable
from causalimg.mechanisms.flow import ConditionalFlow
from causalimg.mechanisms.gumbel import GumbelMax
from causalimg.mechanisms.hvae import HVAE
from causalimg.mechanisms.mechanism import Mechanism

DEFAULTS: dict[type[Variable], type[Mechanism]] = {Continuous: ConditionalFlow, Categorical: GumbelMax, Image: HVAE}


def default_mechanism(name: str, variable: Variable) -> Mechanism:
    """The default for a kind of variable. Raises TypeError for a kind that has none."""
    for kind, mechanism in DEFAULTS.items():
        if isinstance(variable, kind):
            return mechanism()
    raise TypeError(f"{name}: no default mechanism for {type(variable).__name__}; give one: compile(graph, {name}=...)")
