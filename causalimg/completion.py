"""What nobody said: read off the images, where a reader can, and else refused."""

from causalimg.readers.reader_set import ReaderSet
from causalimg.values import World, check_allowed


def completed(readers: ReaderSet, world: World) -> World:
    """Every variable of the readers' graph: those in `world`, and what `readers` read off its images.

    Raises ValueError that lists what nothing supplies, and for a reading that can't be.
    """
    missing = [name for name in readers.graph if name not in world]
    readable = readers.readable(world)
    if lost := [name for name in missing if name not in readable]:
        raise ValueError(
            f"missing: {', '.join(lost)}. Give a value for each, or compile the model with a reader of it; what nobody "
            "knows can be drawn by `sample`."
        )
    read = readers.read_all(world, missing) if missing else {}
    for name, value in read.items():
        try:
            check_allowed(name, readers.graph[name], value)
        except ValueError as error:
            raise ValueError(f"{error}, as it is read off the image: give its value instead") from None
    return {name: read[name] if name in read else world[name] for name in readers.graph}
