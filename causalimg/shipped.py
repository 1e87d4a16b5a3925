"""Small trained models that come with the package: a first answer without training. Each folder has a card, README.md.

model = pretrained("heart")                        # phantom hearts of 64 px
patient = phantoms.Heart(size=64).sample(1).values
model.do(patient, lv_area=scale(0.6)).plot("smaller.png")
"""

from pathlib import Path

from causalimg.errors import check_known
from causalimg.model import CausalModel

FOLDER = Path(__file__).parent / "models"


def available() -> list[str]:
    """The names of the models that are shipped."""
    return sorted(path.parent.name for path in FOLDER.glob("*/spec.json"))


def pretrained(name: str) -> CausalModel:
    """The shipped model `name`. Raises ValueError, with the nearest name, where there is none."""
    check_known("pretrained model", [name], available())
    return CausalModel.load(FOLDER / name)
