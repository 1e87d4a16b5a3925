"""What nobody said: read off the images, where a reader can, and else refused or left to be drawn."""

from collections.abc import Sequence
from typing import Literal

from causalimg.errors import check_known
from causalimg.graph import Graph
from causalimg.readers.reader_set import ReaderSet
from causalimg.values import World, check_allowed

Unknown = Literal["refuse", "draw"]
"""What becomes of a question about which not all is known (see `causalimg.unknown`)."""


def completed(readers: ReaderSet, world: World, unknown: Unknown = "refuse") -> World:
    """Every variable of the readers' graph: those in `world`, and what `readers` read off its images.

    Raises ValueError that lists what nothing supplies, and for a reading that can't be. With "draw", numbers and levels that
    nothing supplies are left out.
    """
    check_known("value of unknown=", [unknown], ("refuse", "draw"))
    if unknown == "draw" and not world:
        raise ValueError("nothing is given, so there is nobody to ask about: `sample` makes whole worlds")
    missing = [name for name in readers.graph if name not in world]
    can_be_read = readers.readable(world)
    readable = [name for name in missing if name in can_be_read]
    _check_supplied(readers.graph, [name for name in missing if name not in readable], unknown)
    read = readers.read_all(world, readable) if readable else {}
    for name, value in read.items():
        try:
            check_allowed(name, readers.graph[name], value)
        except ValueError as error:
            raise ValueError(f"{error}, as it is read off the image: give its value instead") from None
    found = world | read
    return {name: found[name] for name in readers.graph if name in found}


def _check_supplied(graph: Graph, lost: Sequence[str], unknown: Unknown) -> None:
    """Raise ValueError where `lost` variables, which nothing supplies, can't or may not be drawn."""
    if lost and unknown == "refuse":
        raise ValueError(
            f"missing: {', '.join(lost)}. Give a value for each, or compile the model with a reader of it; "
            "do(..., unknown='draw') draws numbers and levels that nobody knows."
        )
    if images := [name for name in lost if graph[name].value_shape]:
        raise ValueError(f"missing: {', '.join(images)}. Images are not drawn: give each; `sample` makes whole worlds.")
