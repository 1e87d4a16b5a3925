"""How much a file may hold, and where it may lie: a small file can claim a terabyte, and a name can lead anywhere."""

from pydantic import PositiveInt

from causalimg.graph.spec import Spec


class Limits(Spec):
    """What is read without asking: ``read_table(..., limits=Limits(pixels=10**8))`` reads larger images.

    `pixels` and `side` are those of an image, in the file and as declared (height × width, and the longer of the two), `bytes`
    those of an array in an NPZ file and of all images of a table, `csv` the bytes of the CSV file. Each is checked before what
    it limits is read. `outside`: whether files may lie outside of the folder that was given, by ``..``, an absolute path or a
    link. Pillow has a limit of its own, ``PIL.Image.MAX_IMAGE_PIXELS``.
    """

    pixels: PositiveInt = 2**25
    side: PositiveInt = 2**15
    bytes: PositiveInt = 2**32
    csv: PositiveInt = 2**28
    outside: bool = False

    def check(self, limit: str, amount: int, what: str = "") -> None:
        """Raise ValueError, which says how to raise it, where `amount` is beyond the `limit` of this name."""
        most, unit = getattr(self, limit), {"csv": "bytes", "side": "pixels along a side"}.get(limit, limit)
        if amount > most:
            raise ValueError(
                f"{what}{amount} {unit}, expected at most {most}: limits=Limits({limit}={amount}) reads it nevertheless"
            )

    def check_size(self, height: int, width: int, what: str = "") -> None:
        """Raise ValueError where an image of so many pixels is beyond the limits."""
        self.check("pixels", height * width, what)
        self.check("side", max(height, width), what)


USUAL = Limits()
