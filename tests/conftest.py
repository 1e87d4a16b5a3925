"""What all tests share."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

import causalimg as ci
from causalimg.evaluation import page
from causalimg.viz import canvas

DATA = Path(__file__).parent.parent.parent / "shared" / "data"

settings.register_profile("shared", deadline=None)  # the machine may be busy
settings.load_profile("shared")


FEW = ci.Recipe(steps=20, batch=32)


@pytest.fixture(autouse=True, scope="session")
def quickly():
    """Numbers and levels, of which most tests want nothing but that they are fitted, learn for a moment, not for seconds each."""
    own = {kind: kind.recipe for kind in (ci.ConditionalFlow, ci.GumbelMax)}
    for kind, recipe in own.items():
        kind.recipe = FEW.over(recipe)
    page.DPI = canvas.DPI = 60  # and figures are drawn small
    yield
    for kind, recipe in own.items():
        kind.recipe = recipe


@pytest.fixture
def real_data() -> Callable[[str], Path]:
    """The folder of a real data set by name; a test that asks for one that is absent is skipped."""

    def folder(name: str) -> Path:
        path = Path(os.environ.get("CAUSALIMG_DATA", DATA)) / name
        if not path.is_dir():
            pytest.skip(f"{path} is absent: set CAUSALIMG_DATA")
        return path

    return folder
