"""A model whose answers are pulled to what was asked, by the reading of a guide, while they come about: nothing is trained.

From the middle of its way on, a mechanism that is `Guidable` tells what is about to come out. The guide reads it softly, and
reads what would come out if nothing were asked. What was set, or follows from it, is to read as asked; all else is to read the
same. Wished is the smallest change of pixels that does so, as far as the readings are linear in them::

    d = S Gᵀ (G S Gᵀ)⁻¹ (asked + e - read)    G: the gradients of the readings, in the region that may change
    e = e_0 exp(-(moved / e_0)²)              S: smooths, since guides are fooled by grain

What the guide reads wrong of what was seen, e_0, is forgiven where next to nothing is asked, and the less, the more is asked. So
where nothing is asked nothing is wished, and answers are continuous in what is.
"""

from collections.abc import Mapping
from functools import partial
from math import inf
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from causalimg.completion import Unknown
from causalimg.counterfactual import Counterfactual
from causalimg.data.preprocessing import Preprocessing
from causalimg.errors import check_kind
from causalimg.graph import Continuous, Graph, Image
from causalimg.mechanisms import Mechanism
from causalimg.mechanisms.mechanism import Pull, guidable_of
from causalimg.model import CausalModel
from causalimg.readers.reader import Reader, fingerprint
from causalimg.region import Region, Where
from causalimg.scm import Factual
from causalimg.support import Unusual
from causalimg.values import World, widen

RIDGE = 0.1
"""Of readings that go together, none is met by a change that undoes another's."""

MOST = 0.2
"""No pixel is pulled further at a time, a share of the range of greys: a guide that is nearly blind would wish for anything."""


class Guided:
    """`model`, whose answers `reader` pulls to what was asked for.

    ``Guided(model, segmentor).do(x, lv_area=900.0)``. The reader counts as a guide: it may not judge. Raises ValueError where it
    reads no number that a mechanism which can be guided follows; TypeError for what is no reader.
    """

    def __init__(self, model: CausalModel, reader: Reader) -> None:
        check_kind("reader", reader, Reader)
        self.model, self.reader = model, reader
        self.names = [name for name in reader.can_read(model.graph) if self._follows(name)]
        if not self.names:
            raise ValueError(
                f"{reader.describe()} reads no number that a mechanism which can be guided (see Guidable) follows"
            )

    def _follows(self, name: str) -> bool:
        guidable = guidable_of(self.mechanisms[self.graph.image_of(name)])
        return guidable is not None and name in guidable.parents and isinstance(self.graph[name], Continuous)

    @property
    def graph(self) -> Graph:
        """What causes what."""
        return self.model.graph

    @property
    def mechanisms(self) -> Mapping[str, Mechanism]:
        """Those of the model."""
        return self.model.mechanisms

    @property
    def guided_by(self) -> list[str]:
        """The fingerprints of who guided the model, and of the reader."""
        return [*self.model.guided_by, fingerprint(self.reader)]

    @property
    def preprocessing(self) -> Preprocessing:
        """How the images were read that the model was fitted to."""
        return self.model.preprocessing

    def abduct(self, x: Any, /, *, seed: int = 0, particles: int = 1, unknown: Unknown = "refuse") -> Factual:
        """See `CausalModel.abduct`."""
        return self.model.abduct(x, seed=seed, particles=particles, unknown=unknown)

    def do(
        self,
        x: Any,
        /,
        *,
        seed: int = 0,
        particles: int = 1,
        region: Where = Region(),
        support: Unusual = "warn",
        unknown: Unknown = "refuse",
        **interventions: Any,
    ) -> Counterfactual:
        """See `CausalModel.do`; it doesn't warn of what the guide reads. Raises ValueError for a reader whose soft readings
        have no gradient, or are not finite."""
        factual = self.model.known(x, seed, particles, unknown)
        action = self.model.act(factual, **interventions)
        answer = self.model.predict(factual, action, region=region, pulls=self._pull)
        self.model.warn(name for name in action if name not in self.names)
        answer.check_support(support)
        return answer

    def _pull(self, image: str, values: World, parents: World, region: Tensor | None) -> Pull | None:
        """Of answers about items of which `values` were seen."""
        names = [name for name in self.names if self.graph.image_of(name) == image]
        return partial(self._wish, names, parents, values, region) if names else None

    def _wish(
        self, names: list[str], parents: World, values: World, region: Tensor | None, answer: Tensor, was: Tensor
    ) -> Tensor:
        asked, seen = (_stacked(columns, names, len(answer)) for columns in (parents, values))
        read, slopes = self._slopes(answer, names)
        gaps = asked + forgiven(self._read(was, names) - seen, asked - seen) - read
        wish = least(slopes if region is None else slopes * region[:, None, None], gaps)
        most = self._most(self.graph.image_of(names[0]))
        shrunk = (most / wish.abs().flatten(1).amax(1)).clamp(max=1) * changed(parents, values)
        return shrunk[:, None, None, None] * wish

    def _most(self, image: str) -> float:
        low, high = cast(Image, self.graph[image]).bounds
        return inf if low is None or high is None else MOST * float(high - low)

    def _read(self, images: Tensor, names: list[str]) -> Tensor:
        """Soft readings of `names` off images (n, channels, height, width): (n, names)."""
        read = self.reader.to(self.model.device).read(images, self.graph, names, soft=True)
        readings = torch.stack([read[name] for name in names], dim=1)
        if not readings.isfinite().all():
            raise ValueError(f"{self.reader.describe()} can't guide: its readings of {', '.join(names)} are not finite")
        return readings

    @torch.enable_grad()
    def _slopes(self, images: Tensor, names: list[str]) -> tuple[Tensor, Tensor]:
        """Soft readings, (n, names), and their gradients, (n, names, channels, height, width)."""
        x = images.detach().requires_grad_()
        read = self._read(x, names)
        if not read.requires_grad:
            raise ValueError(f"{self.reader.describe()} can't guide: its soft readings have no gradient")
        slopes = [torch.autograd.grad(one.sum(), x, retain_graph=True)[0] for one in read.unbind(1)]
        return read.detach(), torch.stack(slopes, dim=1)


def changed(parents: World, values: World) -> Tensor:
    """1 in rows in which a parent is not as it was seen, else 0: there even what is lost in rounding changes nothing."""
    return torch.stack([column != values[name] for name, column in parents.items()]).any(0).float()


def forgiven(wrong: Tensor, moved: Tensor) -> Tensor:
    """What stays of readings that are `wrong`, (rows, readings), where they are asked to move by `moved`: all of it where nothing
    is asked, next to nothing from twice as far on. The sum of both grows with what is asked."""
    return wrong * (-(moved / wrong).square()).exp().nan_to_num()


def _stacked(columns: World, names: list[str], rows: int) -> Tensor:
    return torch.stack([widen(columns[name], rows) for name in names], dim=1)


def least(slopes: Tensor, gaps: Tensor) -> Tensor:
    """The smallest smooth change, (rows, *image), by which readings with gradients `slopes`, (rows, readings, *image), move by
    `gaps`, (rows, readings); 0 for a reading that no pixel moves."""
    smooth = smoothed(slopes.flatten(0, 1)).view_as(slopes)
    lengths = (slopes * smooth).flatten(2).sum(2).clamp(min=0).sqrt()
    one = torch.where(lengths > 0, lengths, torch.inf)
    steep, even = ((part.flatten(2) / one[:, :, None]) for part in (slopes, smooth))
    gram = steep @ even.mT + RIDGE * torch.eye(gaps.shape[1], device=gaps.device)
    shares: Tensor = torch.linalg.solve(gram, gaps / one)
    return (shares[:, None] @ even).view_as(slopes[:, 0])


def smoothed(images: Tensor) -> Tensor:
    """Two means over 3x3 pixels of images of 64x64, and as large a share of larger ones: S, symmetric."""
    wide = max(3, 3 * min(images.shape[-2:]) // 64 | 1)  # odd: a mean lies on its pixel
    for _ in range(2):
        images = avg_pool2d(images, wide, stride=1, padding=wide // 2)
    return images
