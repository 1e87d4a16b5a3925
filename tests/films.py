"""A small model whose images change with what is asked, without training: for tests of the page that explores it."""

import torch
from strategies import as_if_fitted, values

import causalimg as ci

HOSTILE = "</script><b>wide & 'x'"


class FilmPage(ci.Graph):
    age = ci.Continuous(unit="year", bounds=(0, 110))
    beam = ci.Categorical(levels=(HOSTILE, "narrow"))
    lung = ci.Continuous(parents=[age], unit="px", bounds=(0, None), measured=ci.Area("lung"))
    x = ci.Image(parents=[beam, lung], shape=(1, 16, 16))


def film_model(seed=0):
    segmentor = ci.Segmentor.unet(structures=("lung",), width=4)
    model = ci.compile(FilmPage, segmentor, seed=seed, x=ci.HVAE(widths=(4, 4), latents=(0, 2), embedding=4))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for mechanism in model.mechanisms.values():
            for weight in mechanism.parameters():
                weight.add_(0.3 * torch.randn(weight.shape, generator=generator))
    return as_if_fitted(model)


def film_rows(n=3, side=16):
    rows = values(FilmPage(), n)
    rows["age"], rows["lung"] = torch.linspace(30, 70, n), torch.linspace(20, 90, n)
    return rows
