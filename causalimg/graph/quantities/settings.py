"""Kinds of settings that quantities share."""

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, SerializeAsAny

from causalimg.errors import check_known
from causalimg.graph.quantities.quantity import Quantity


def _of_no_image(part: Quantity) -> Quantity:
    if part.image is not None:
        raise ValueError(f"say image={part.image!r} once, of the whole, and not of {part!r}")
    return part


Part = Annotated[SerializeAsAny[Quantity], BeforeValidator(Quantity.from_data), AfterValidator(_of_no_image)]
"""A quantity that another one is made of."""


def one_of(what: str, *known: str) -> BeforeValidator:
    """Refuses all but `known` words, with the nearest of them."""

    def check(word: Any) -> Any:
        check_known(what, [word], known)
        return word

    return BeforeValidator(check)
