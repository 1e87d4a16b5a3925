"""A conditional flow as an image mechanism, fitted by flow matching.

*Flow Matching for Generative Modeling* (Lipman et al., ICLR 2023, arXiv:2210.02747). A velocity v carries noise u at t = 0 to the
image x at t = 1, both scaled to [-1, 1]::

    loss      E |v((1 - t) u + t x, t, pa) - (x - u)|²,    log t / (1 - t) ~ N(0, 1),    u ~ N(0, 1), whatever the parents
    predict   x_0 = u,    x_k+1 = x_k + D_k(x_k, pa) + r_k:    D_k is a step in solving dx/dt = v(x, t, pa) from 0 to 1
    abduct    u: solve it from s to 0, where x_s = s x + (1 - s) e, e ~ N(0, 1);    r_k: by what step k misses that path

A flow that is well trained has noise that is independent of the parents, so the same noise under other parents is a sample of
what those parents bring about. No latent holds the image: it can't ignore its causes as an autoencoder does. That asks for
noise as it was drawn in training. Solved from s = 1, flat parts of an image (a black background) give hardly any, and what is
left shows where the image was; a little fresh noise e, at s = 0.95, mends that: it is what a draw of the prior gives.

In a counterfactual, the parents pa that were seen become pa' one after the other, pa = pa_0, pa_1, ..., pa_K = pa'. What parent
k brings counts with its weight w_k (guidance per attribute as in *Decoupled Classifier-Free Guidance for Counterfactual Diffusion
Models*, Xia et al., 2025, arXiv:2506.14399, with the factual parents in place of none), and only in a region M, if one is given::

    dx/dt  = (1 - M) v(x~, t, pa) + M [v(x, t, pa) + Σ_k w_k (n(x, t, pa_k) - n(x, t, pa_k-1))]
    dx~/dt = v(x~, t, pa)                                the path of what was seen: it is passed once for all questions

A guide may pull, from t = 0.5 on: x + (1 - t) dx/dt tells what is about to come out, x~ + (1 - t) dx~/dt what would if nothing
were asked, and what is wished of the first is added to dx/dt within M, divided by 1 - t (a guide that reads the estimate of the
end, as in *Universal Guidance for Diffusion Models*, Bansal et al., 2023, arXiv:2302.07121).

n is v, but for what modulates it once fine-tuning has taught that: the network's own weights stay as they were fitted, and so do
the noise, the likelihood, and samples.

Where no parent changed, and outside the region, x follows the path of what was seen: whatever the weights, and whatever was
learnt, nothing asked changes nothing. With all weights 1 and n = v the sum is v(x, t, pa').

The more pixels an image has, the more noise it takes to hide what is large in it. So times can be shifted towards noise, in
training and in solving, all odds t / (1 - t) divided by `shift`: 2 for images of twice the side (timestep shifting in *Scaling
Rectified Flow Transformers for High-Resolution Image Synthesis*, Esser et al., 2024, arXiv:2403.03206, §5.3.2).

The r_k belong to both paths: what the solver misses of one it nearly misses of the other, so that a few steps do (noise of every
step, as in *An Edit Friendly DDPM Noise Space*, Huberman-Spiegelglas et al., CVPR 2024, arXiv:2304.06140).
"""

import math
from collections.abc import Iterable, Mapping
from typing import Annotated, ClassVar, cast

import torch
from einops.layers.torch import Rearrange
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from causalimg.errors import check_known
from causalimg.graph import Image, Variable
from causalimg.mechanisms.blocks import perceptron
from causalimg.mechanisms.hierarchy import Embedding, bounds_of, check_divisible, kernels_of
from causalimg.mechanisms.mechanism import (
    Abduction,
    Guidable,
    ImageNoise,
    Likelihood,
    Noise,
    Options,
    Pull,
    Seen,
    Values,
    Weights,
    laid_into,
    rows,
    standard_normal,
)
from causalimg.mechanisms.solvers import Path, Velocity, missed, walk
from causalimg.mechanisms.unet import ModulatedUNet
from causalimg.training.recipe import Recipe
from causalimg.values import widen

Passed = Mapping[float, tuple[Tensor, Tensor]]
"""By time, the point on a path and the velocity with which it was left."""

LATE = 0.5
"""From this time on a flow can be pulled: before, what will come out can't be told."""


class FlowMatching(Likelihood, Guidable):
    """Conditional flow for `Image` variables of any number of channels, and any size divisible by its down-sampling.

    `widths` are the channels of its U-Net per resolution, fine to coarse: first one for every `patch` x `patch` pixels, then for
    twice, four times, ... as many on a side, each with `blocks` residual blocks on the way down and up. Twice the side in patches
    of twice the side costs no more. `steps`: in so many the flow is solved from 0 to s, see `solvers`; `begin`: s,
    before times are shifted. Noise has u for its latent, and for pixels the r_k, (batch, steps + 1, channels, height, width), the
    last one from s to 1. The likelihood is exact but for the solver's steps and one draw of Hutchinson's estimate of the
    divergence; it costs a gradient for each evaluation.
    """

    handles = (Image,)
    recipe: ClassVar[Recipe] = Recipe(steps=3000, batch=64, lr=2e-3, warmup=100, ema=0.998, clip=1.0)
    tolerance = 1e-4
    abducts_once = True

    widths: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (48, 64, 96, 128)
    patch: PositiveInt = 2
    blocks: PositiveInt = 1
    embedding: PositiveInt = 128
    steps: PositiveInt = 6
    begin: Annotated[float, Field(gt=0, le=1)] = 0.95
    shift: PositiveFloat = 1.0

    def build(self) -> None:
        image = cast(Image, self.variable)
        channels, height, width = image.shape
        self.low, self.high = bounds_of("FlowMatching", image)
        check_divisible("FlowMatching", image, len(self.widths), self.patch)
        kernels = kernels_of((height, width), len(self.widths), self.patch)
        self.condition = Condition(self.parents, self.embedding)
        self.unet = ModulatedUNet(channels, self.widths, kernels, self.embedding, self.blocks, self.patch)
        self.leave = nn.Sequential(
            nn.SiLU(),
            nn.Conv2d(self.widths[0], self.patch**2 * channels, 3, padding=1),
            Rearrange("n (c a b) h w -> n c (h a) (w b)", a=self.patch, b=self.patch),
        )
        self.weights = nn.Buffer(torch.ones(len(self.parents)))
        self.tuned = Condition(self.parents, self.embedding).requires_grad_(False)  # `fit` leaves it alone
        self.learnt = nn.Buffer(torch.zeros(len(self.parents), dtype=torch.bool))
        self._passed: tuple[Tensor, Passed] | None = None
        self.to(memory_format=torch.channels_last)  # a third faster on a CPU

    def prepare(self, value: Tensor, parents: Values) -> None:
        super().prepare(value, parents)
        self.learnt.zero_()  # what modulated an earlier fit means nothing to this one
        self._passed = None

    def noise(self, n: int, generator: Generator | None = None) -> ImageNoise:
        start = standard_normal((n, *self.variable.value_shape), self.weights.device, generator)
        return ImageNoise((start,), start.new_zeros(n, len(self._times()) - 1, *self.variable.value_shape))

    def predict(self, u: Noise, parents: Values) -> Tensor:
        (start,), pushes = cast(ImageNoise, u)
        n = rows(u, parents)
        path = walk(self._velocity(parents), widen(start, n), self._times(), pushes)
        return self._image(path.points[-1]).clamp(self.low, self.high)

    def abduct(self, value: Tensor, parents: Values, prior: Noise) -> ImageNoise:
        velocity, times, (fresh,) = self._velocity(parents), self._times(), cast(ImageNoise, prior).latents
        image = widen(self._unit(value), len(fresh))
        back = walk(velocity, torch.lerp(fresh, image, times[self.steps]), times[self.steps :: -1])
        start = back.points[-1]
        points = [*back.points[::-1], *[image] * (self.begin < 1)]
        path = Path(points, [velocity(start, 0.0), *back.velocities[::-1]])
        pushes = missed(path, times)
        self._keep(pushes, path)
        return ImageNoise((start,), pushes)

    def loss(self, value: Tensor, parents: Values) -> Tensor:
        x, u = self._unit(value), torch.randn_like(value)
        t = (torch.randn(len(value), device=value.device) - math.log(self.shift)).sigmoid()
        between = torch.lerp(u, x, t[:, None, None, None])
        return (self.velocity(between, t, parents, self.condition) - (x - u)).square().flatten(1).sum(1)

    def explain(self, value: Tensor, parents: Values, prior: Noise) -> Abduction:
        """Noise, and nats per image scaled to [0, 1]: log p(x) = log N(u) - ∫ div v dt. Without gradients."""
        noise, draw = self.abduct(value, parents, prior), cast(ImageNoise, prior).latents[0].sign()
        value = widen(value, len(draw))
        velocity, shape = self._velocity(parents), value.shape

        def with_divergence(state: Tensor, t: float) -> Tensor:
            with torch.enable_grad():
                x = state[:, 1:].detach().reshape(shape).requires_grad_()
                v = velocity(x, t)
                (pulled,) = torch.autograd.grad(v, x, draw)
            return torch.cat([(pulled * draw).flatten(1).sum(1, keepdim=True), v.detach().flatten(1)], 1)

        state = F.pad(self._unit(value).flatten(1), (1, 0))
        gathered, u = walk(with_divergence, state, self._times()[::-1]).points[-1].tensor_split([1], dim=1)
        per_pixel = 0.5 * u.square() + 0.5 * math.log(2 * math.pi) - math.log(2)
        return Abduction(noise, per_pixel.sum(1) - gathered[:, 0])

    def counterfactual(self, u: Noise, parents: Values, seen: Seen, options: Options = Options()) -> Tensor:
        (start,), pushes = noise = cast(ImageNoise, u)
        n, follow = rows(u, parents), self._following(seen.parents, parents, options.weights or {})
        if options.region is not None:
            follow = _within(options.region, self._passing(noise, seen.parents), follow)
        if options.pull is not None:
            follow = self._pulled(follow, self._passing(noise, seen.parents), options.pull, options.region)
        made = walk(follow, widen(start, n), self._times(), widen(pushes, n)).points[-1]
        return self._image(made).clamp(self.low, self.high)

    def prepare_finetuning(self, parents: Iterable[str]) -> nn.Module:
        """What modulates the network: a copy of it, which what follows from `parents` will be made with."""
        if not self.learnt.any():
            self.tuned.load_state_dict(self.condition.state_dict())
        for name in parents:
            self.learnt[list(self.parents).index(name)] = True
        return self.tuned

    def velocity(self, x: Tensor, t: Tensor, parents: Values, condition: nn.Module) -> Tensor:
        """v(x, t, pa) of scaled images x (n, channels, height, width) at times t, (n,) or (1,)."""
        features = self.unet(x.contiguous(memory_format=torch.channels_last), condition(t, parents))
        v: Tensor = self.leave(features)
        return v

    def _velocity(self, parents: Values, tuned: bool = False) -> Velocity:
        condition = self.tuned if tuned else self.condition
        return lambda x, t: self.velocity(x, x.new_full((1,), t), parents, condition)

    def _following(self, before: Values, after: Values, weights: Weights) -> Velocity:
        """The velocity towards `after`: the sum in brackets, gathered by the velocities that count in it."""
        check_known("parent", weights, self.parents)
        shares: dict[tuple[bool, int], float | Tensor] = {(False, 0): 1.0}
        points = [{name: widen(column, rows((), after)) for name, column in before.items()}]
        for k, name in enumerate(self.parents):
            if (before[name] != after[name]).any():
                last, weight = len(points), weights.get(name, self.weights[k].item())
                for point, sign in ((last, 1), (last - 1, -1)):
                    key = (bool(self.learnt[k]), point)
                    shares[key] = shares.get(key, 0.0) + sign * weight
                points.append({**points[-1], name: after[name]})
        counting = [
            (_per_row(share), self._velocity(points[point], tuned))
            for (tuned, point), share in shares.items()
            if torch.as_tensor(share).any()
        ]
        return lambda x, t: sum((share * velocity(x, t) for share, velocity in counting), torch.zeros_like(x))

    def _pulled(self, follow: Velocity, seen: Passed, pull: Pull, region: Tensor | None) -> Velocity:
        """`follow`, late in time by as much more as `pull` wishes of what is about to come out of it, within `region`."""

        def velocity(x: Tensor, t: float) -> Tensor:
            v = follow(x, t)
            if t < self._shifted(LATE):
                return v
            ends = [self._image(point + (1 - t) * speed) for point, speed in ((x, v), seen[t])]
            wish = laid_into(region, pull(ends[0], ends[1].expand_as(x)), torch.zeros_like(x))
            return v + 2 * wish / (self.high - self.low) / (1 - t)

        return velocity

    @torch.no_grad()
    def _passing(self, u: ImageNoise, parents: Values) -> Passed:
        """The path of what was seen. The last one is kept, since an image is asked many questions."""
        kept = self._passed  # read once: another thread may ask of another image
        if kept is None or kept[0] is not u.pixels:
            kept = self._keep(u.pixels, walk(self._velocity(parents), u.latents[0], self._times(), u.pixels))
        return kept[1]

    def _keep(self, pushes: Tensor, path: Path) -> tuple[Tensor, Passed]:
        left = [(point.detach(), velocity.detach()) for point, velocity in zip(*path, strict=False)]
        self._passed = (pushes, dict(zip(self._times(), left, strict=False)))
        return self._passed

    def _times(self) -> list[float]:
        """From 0 to s in `steps` steps, and to 1."""
        even = [self.begin * step / self.steps for step in range(self.steps + 1)]
        return [self._shifted(t) for t in even] + [1.0] * (self.begin < 1)

    def _shifted(self, t: float) -> float:
        return t / (t + self.shift * (1 - t))

    def _unit(self, value: Tensor) -> Tensor:
        return 2 * (value - self.low) / (self.high - self.low) - 1

    def _image(self, x: Tensor) -> Tensor:
        return self.low + (self.high - self.low) * (x + 1) / 2


def _per_row(share: float | Tensor) -> float | Tensor:
    return share.view(-1, 1, 1, 1) if isinstance(share, Tensor) and share.ndim else share


def _within(region: Tensor, seen: Passed, follow: Velocity) -> Velocity:
    """What follows within `region`; elsewhere the velocities on the path of what was `seen`."""
    inside = region[:, None]
    return lambda x, t: torch.lerp(seen[t][1].expand_as(x), follow(x, t), inside.expand_as(x))


class Condition(nn.Module):
    """Times (n,) or (1,), and parents by name, to one embedding per sample, (n, width)."""

    def __init__(self, parents: Mapping[str, Variable], width: int) -> None:
        super().__init__()
        self.frequencies = nn.Buffer(torch.logspace(0, math.log10(64), 16))
        self.time = perceptron(2 * len(self.frequencies), width)
        self.parents = Embedding(parents, width) if parents else None
        self.mix = nn.Linear(width, width)

    def forward(self, t: Tensor, parents: Values) -> Tensor:
        angles = t[:, None] * self.frequencies
        embedded = self.time(torch.cat([angles.sin(), angles.cos()], 1))
        if self.parents is not None:
            embedded = embedded + self.parents(parents, rows((), parents))
        return F.silu(self.mix(embedded))
