"""Which way an effect takes: by the edge from its cause, or by what lies between.

Of a variable v = f(a, m, u), a are those of its parents that were set, and m the others. Seen were a, m and v; under the
intervention they are a', m' and v'::

    total       f(a', m', u) - v        what `do` answers
    direct      f(a', m,  u) - v        what lies between stays as it was seen
    indirect    f(a,  m', u) - v        it becomes what it would have, but a itself counts as seen

*Direct and Indirect Effects* (Pearl, UAI 2001, arXiv:1301.2300), item by item. Within a mechanism, too, something can lie
between, such as latents that move with the parents (`Mediated`; *High Fidelity Image Counterfactuals with Probabilistic Causal
Models*, De Sousa Ribeiro et al., ICML 2023, arXiv:2306.15764): it is one of m. Where f is additive in a and m, total = direct +
indirect; elsewhere not.
"""

from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from causalimg.counterfactual import Counterfactual, draw
from causalimg.errors import check_known


class Effects(NamedTuple):
    """What would have been by every way, by the direct one alone, and by all others."""

    total: Counterfactual
    direct: Counterfactual
    indirect: Counterfactual

    def of(self, name: str) -> dict[str, Tensor]:
        """The effects on a number or an image, in its unit, (n, ...): "total", "direct" and "indirect".

        Raises ValueError for an unknown variable, for one that was set, and for levels, which have no differences.
        """
        graph = self.total.graph
        check_known("variable", [name], graph)
        if name in self.total.action:
            raise ValueError(f"{name} was set: no effect took a way to it")
        if graph[name].discrete:
            raise ValueError(f"{name} is one of a few levels: they have no differences; compare the worlds themselves")
        return {way: world[name] - world.factual[name] for way, world in self._asdict().items()}

    def plot(self, path: str | Path | None = None, image: str | None = None) -> Any:
        """Factual | direct | indirect | total, with the difference of each, of the first items; written to `path`.

        Returns the matplotlib figure. Raises ValueError where `image` is no image of the graph.
        """
        return draw({way: self._asdict()[way] for way in ("direct", "indirect", "total")}, path, image)
