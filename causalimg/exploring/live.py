"""A question to a model from outside, as JSON: which item, what is set; and the answer, as JSON.

What comes in is checked as a user's own call is. Only scalar variables may be named: a text for an image would be a path.
"""

from collections.abc import Mapping
from io import BytesIO
from threading import Lock
from typing import Any, cast

from pydantic import Base64Bytes, Field, NonNegativeInt, StrictFloat, StrictInt, StrictStr
from torch import Tensor

from causalimg.data.folder import UNREADABLE
from causalimg.data.images import image_of
from causalimg.data.limits import USUAL
from causalimg.data.pictures import read_picture
from causalimg.data.volumes import Picture
from causalimg.errors import check_known, whole, wrong_kind
from causalimg.exploring.exploration import Exploration
from causalimg.graph import Image
from causalimg.graph.spec import Spec
from causalimg.values import World

Scalars = dict[str, StrictInt | StrictFloat | StrictStr]

KEPT = 8
"""So many items stay abducted."""


class LiveQuestion(Spec):
    """About an `item` of the rows, by its number, or an `image` (a file in base64) of which more may be `given`: `do`."""

    item: NonNegativeInt | None = None
    image: Base64Bytes | None = Field(None, repr=False)
    given: Scalars = Field(default_factory=dict)
    do: Scalars = Field(default_factory=dict)


class Live:
    """`shown`, asked by others: one question at a time."""

    def __init__(self, shown: Exploration) -> None:
        self.shown = shown
        self._lock = Lock()
        self._known: dict[int, Any] = {}

    def page(self) -> dict[str, Any]:
        """What a page is made of that asks for its answers: see `Exploration.to_data`."""
        with self._lock:
            items = [{**self._item(self._of_row(row)), "subject": {"item": row}} for row in range(self.shown.items)]
            return {**self.shown.about(), "items": items, "live": True, "given": self._unread()}

    def item(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """An image that is uploaded, as an item of the page. Raises as `do` does."""
        with self._lock:
            return self._item(self._subject(self._question(data)))

    def do(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to a question. Raises ValueError or TypeError for what is none, and what the model's `do` raises."""
        with self._lock:
            question = self._question(data)
            return self.shown.ask(self._subject(question), question.do)[0]

    def _question(self, data: Any) -> LiveQuestion:
        if not isinstance(data, Mapping):
            raise wrong_kind("question", "an object of JSON", data)
        question = LiveQuestion(**data)
        if (question.item is None) == (question.image is None):
            raise ValueError("say which item, or give an image: one of the two")
        scalars = [name for name in self.shown.graph if not self.shown.graph[name].value_shape]
        check_known("scalar variable", [*question.given, *question.do], scalars)
        return question

    def _subject(self, question: LiveQuestion) -> Any:
        if question.image is not None:
            return self.shown.known({**question.given, self.shown.image: self._decoded(question.image)[None]})
        return self._of_row(whole("item", question.item, 0, self.shown.items - 1))

    def _of_row(self, row: int) -> Any:
        if row not in self._known:
            if len(self._known) >= KEPT:
                self._known.pop(next(iter(self._known)))
            self._known[row] = self.shown.known(
                {name: value[row : row + 1] for name, value in self.shown.values.items()}
            )
        return self._known[row]

    def _decoded(self, file: bytes) -> Tensor:
        variable, how = cast(Image, self.shown.graph[self.shown.image]), self.shown.model.preprocessing
        try:
            return image_of(Picture(read_picture(BytesIO(file), USUAL)), variable, how.normalise, how.fit)
        except UNREADABLE as error:
            raise ValueError(f"{self.shown.image}: {error}") from None

    def _item(self, known: Any) -> dict[str, Any]:
        """An item without answers: they come when they are asked for."""
        first = known[0] if isinstance(known, tuple) else known
        was: World = {name: first.values[name][0] for name in self.shown.over}
        asked = self.shown.positions(was)
        unanswered = {name: {**each, "answers": [None] * len(each["values"])} for name, each in asked.items()}
        return {"seen": self.shown.ask(known, {})[0], "asked": unanswered}

    def _unread(self) -> dict[str, Any]:
        """What must be said of an image that is uploaded, as no reader reads it: levels by name, or None for a number."""
        graph, read = self.shown.graph, self.shown.causal.readers.by_variable
        names = [name for name in graph if not graph[name].value_shape and name not in read]
        return {name: list(getattr(graph[name], "levels", [])) or None for name in names}
