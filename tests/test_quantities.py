import pytest
import torch

from causalimg.graph import Area, scale, shift


@pytest.fixture
def masks():
    mask = torch.zeros(2, 4, 5)
    mask[0, :2, :3] = 1.0
    mask[1, 0, 0] = 0.25  # an outline that is not sure
    return {"lv": mask}


@pytest.mark.parametrize(("unit", "areas"), [("px", [6.0, 0.25]), ("mm2", [18.0, 0.75]), ("fraction", [0.3, 0.0125])])
def test_an_area_in_its_units(masks, unit, areas):
    assert Area("lv").measure(masks, unit, (1.5, 2.0)).tolist() == pytest.approx(areas)


def test_a_soft_area_passes_the_gradient_to_every_pixel(masks):
    soft = masks["lv"].requires_grad_()
    Area("lv").measure({"lv": soft}, "mm2", (1.5, 2.0)).sum().backward()
    assert (soft.grad == 3.0).all()


def test_an_area_in_mm2_without_the_size_of_a_pixel(masks):
    with pytest.raises(ValueError, match=r"Area\('lv'\) in mm2 needs an image with spacing=\(mm, mm\)"):
        Area("lv").measure(masks, "mm2", None)


def test_interventions_relative_to_the_factual_value():
    factual = torch.tensor([100.0, 50.0])
    assert scale(1.2)(factual).tolist() == pytest.approx([120.0, 60.0])
    assert shift(-10)(factual).tolist() == pytest.approx([90.0, 40.0])


def test_interventions_that_are_no_numbers():
    for wrong in (scale, shift):
        with pytest.raises(ValueError, match="Input should be a finite number, got nan"):
            wrong(float("nan"))
