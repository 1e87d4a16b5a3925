"""Axioms of counterfactuals on Morpho-MNIST, after *Benchmarking Counterfactual Image Generation* (Melistas et al., 2024).

    effectiveness   |J_j(x') - v'_j| under do(v_k = t), for every k and j; t is the value of another test image, from another bin
                    (tenths of the test values) or another class; v' is the counterfactual world
    composition     |x_T - x| after T cycles of doing nothing; the pixels' noise scaled by 1, by .1 as published, by 0
    reversibility   |x'' - x| where x'' = do(v_k = v_k) of x', after 1 cycle
    minimality      |x' - x|: read beside effectiveness, since doing nothing is minimal
    realism         the Frechet distance between features of x' and of test images (Heusel et al., 2017)

Distances between images are means over pixels, in grey levels of 255.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

import causalimg as ci
from causalimg.evaluation.change import distance
from causalimg.evaluation.composition import cycles
from causalimg.scm import Factual

GREYS = 255.0
BINS = 10
CHUNK = 250

World = dict[str, Tensor]


def another(values: Tensor, discrete: bool, seed: int) -> Tensor:
    """For every item the value of another, which is in another bin or class: shape (n,)."""
    generator = torch.Generator().manual_seed(seed)
    edges = values.float().quantile(torch.linspace(0, 1, BINS + 1)[1:-1]).contiguous()
    kinds = values if discrete else torch.bucketize(values.contiguous(), edges)
    chosen = torch.randint(len(values), (len(values),), generator=generator)
    while (same := kinds[chosen] == kinds).any():
        chosen[same] = torch.randint(len(values), (int(same.sum()),), generator=generator)
    return values[chosen]


def abducted(model: ci.CausalModel, values: Mapping[str, Tensor]) -> list[Factual]:
    """`values`, chunk by chunk: an image is abducted once for all that is asked of it."""
    rows = torch.arange(len(next(iter(values.values())))).split(CHUNK)
    return [model.abduct({name: column[some] for name, column in values.items()}) for some in rows]


def answers(model: ci.CausalModel, known: Sequence[Factual], name: str, targets: Tensor) -> World:
    """The counterfactual world of every item, on the CPU."""
    parts = [model.do(one, **{name: some}) for one, some in zip(known, targets.split(CHUNK), strict=True)]
    return {key: torch.cat([part[key].cpu() for part in parts]) for key in model.graph}


def errors(world: Mapping[str, Tensor], graph: ci.Graph, judges: Sequence[ci.Reader]) -> dict[str, float]:
    """By judge and variable: the mean absolute error of the reading, or the share of right levels."""
    found = {}
    for judge in judges:
        for name, read in judge.read(world["x"], graph, judge.can_read(graph)).items():
            wrong = (read != world[name]).float() if graph[name].discrete else (read - world[name]).abs()
            error = wrong.mean().item()
            found[f"{name} by {type(judge).__name__}"] = 1 - error if graph[name].discrete else error
    return found


def composition(model: ci.CausalModel, values: Mapping[str, Tensor], tau: float) -> dict[int, float]:
    """|x_T - x| by number of cycles T."""
    found = cycles(model.mechanisms["x"], "x", values, tau, GREYS)
    return {count: away.mean().item() for count, away in found.items()}


def reversibility(model: ci.CausalModel, values: Mapping[str, Tensor], name: str, world: World) -> float:
    """|x'' - x| after the intervention was taken back."""
    return apart(answers(model, abducted(model, world), name, values[name])["x"], values["x"])


def apart(images: Tensor, others: Tensor) -> float:
    """Mean absolute difference, in grey levels."""
    return distance(images, others, GREYS).mean().item()


def frechet(features: Tensor, others: Tensor) -> float:
    """The Frechet distance of normals fitted to two sets of features (n, width)."""
    (mean, cov), (mean2, cov2) = ((f.double().mean(0), f.double().T.cov()) for f in (features, others))
    # tr (C C')^1/2 is the sum of the roots of the eigenvalues of C C', which are real and not negative
    roots = torch.linalg.eigvals(cov @ cov2).real.clamp(min=0).sqrt().sum()
    return float((mean - mean2).square().sum() + cov.trace() + cov2.trace() - 2 * roots)
