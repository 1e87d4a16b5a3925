"""What all tests share."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

DATA = Path(__file__).parent.parent.parent / "shared" / "data"

settings.register_profile("shared", deadline=None)  # the machine may be busy
settings.load_profile("shared")


@pytest.fixture
def real_data() -> Callable[[str], Path]:
    """The folder of a real data set by name; a test that asks for one that is absent is skipped."""

    def folder(name: str) -> Path:
        path = Path(os.environ.get("CAUSALIMG_DATA", DATA)) / name
        if not path.is_dir():
            pytest.skip(f"{path} is absent: set CAUSALIMG_DATA")
        return path

    return folder
