"""Frozen specs: the plain data that a user writes, and that a model on disk is made of.

Every spec is a frozen pydantic model. A kind of spec that users may extend (variables, quantities, mechanisms) derives
from `Kinded`: its JSON carries ``kind``, the name of its class, and a class is known by its name as soon as it is
defined, so that a user's own kind makes the round trip like one of ours. No two modules may give one name to two kinds:
the data would then be read as another kind than the one that wrote it.
"""

import reprlib
from collections.abc import Mapping
from inspect import isabstract
from typing import Any, ClassVar, Self, TypeVar

from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, ValidationError, model_serializer

from causalimg.errors import check_known, explain

AnyClass = TypeVar("AnyClass", bound=type)

DEEPEST = 12
"""So many levels data may be nested; a graph and its mechanisms need about six. Networks within networks double at each."""


class Spec(BaseModel):
    """Frozen data, checked when made. Raises ValueError: ``where: what`` lines, the nearest name for an unknown field."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def __init__(self, /, **data: Any) -> None:
        try:
            super().__init__(**data)
        except ValidationError as error:
            raise explain(type(self).__name__, error, type(self).model_fields) from None

    def __setattr__(self, name: str, value: Any) -> None:
        try:
            super().__setattr__(name, value)
        except ValidationError as error:  # it is frozen
            raise explain(type(self).__name__, error, type(self).model_fields) from None

    def __repr_args__(self) -> list[tuple[str | None, Any]]:
        """Only what was given, as in the declaration."""
        return [(name, getattr(self, name)) for name in type(self).model_fields if name in self.model_fields_set]

    def __str__(self) -> str:
        return repr(self)


def register(kinds: dict[str, AnyClass], cls: AnyClass) -> None:
    """Make `cls` the kind of its name. Defined again in the same module (a notebook's cell run twice), it replaces itself.

    Raises TypeError where the name is taken by a class of another module.
    """
    taken = kinds.get(cls.__name__, cls)
    if taken.__module__ != cls.__module__:
        raise TypeError(
            f"two kinds named {cls.__name__!r}: {cls.__module__}.{cls.__qualname__} and {taken.__module__}."
            f"{taken.__qualname__}. What is saved names its kind, so names must differ: call yours otherwise."
        )
    kinds[cls.__name__] = cls


def check_depth(data: Any, left: int = DEEPEST) -> None:
    """Raise ValueError where plain `data` is nested deeper than `DEEPEST`: reading it would not come to an end."""
    if left < 0:
        raise ValueError(f"nested deeper than {DEEPEST} levels")
    parts = list(data.values()) if isinstance(data, Mapping) else data
    for part in parts if isinstance(parts, list | tuple) else ():
        check_depth(part, left - 1)


def concrete(kinds: Mapping[str, AnyClass]) -> dict[str, AnyClass]:
    """Those of `kinds` that data may name: of abstract ones there is no instance."""
    return {name: kind for name, kind in kinds.items() if not isabstract(kind)}


class Kinded(Spec):
    """A spec whose concrete classes are found by name in its JSON: ``{"kind": "Area", ...}``."""

    kinds: ClassVar[dict[str, type["Kinded"]]]

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        if Kinded in cls.__bases__:
            cls.kinds = {}
        elif not cls.__name__.startswith("_"):
            register(cls.kinds, cls)

    @classmethod
    def from_data(cls, data: Any) -> Self:
        """The spec that plain `data` describes. Raises ValueError on an unknown kind, with the nearest known one."""
        if isinstance(data, cls):
            return data
        if not isinstance(data, Mapping) or "kind" not in data:
            raise ValueError(f"expected a {cls.__name__}, or a mapping with its 'kind', got {reprlib.repr(data)}")
        check_known(f"kind of {cls.__name__}", [data["kind"]], concrete(cls.kinds))
        kind = cls.kinds[data["kind"]]
        made = kind.__new__(kind)
        # Not kind(**fields): an __init__ of its own only lets a kind take its fields by position.
        Spec.__init__(made, **{str(key): value for key, value in data.items() if key != "kind"})
        return made  # type: ignore[return-value]

    @model_serializer(mode="wrap")
    def _with_kind(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {"kind": type(self).__name__, **handler(self)}

    def to_data(self) -> dict[str, Any]:
        """Plain JSON data, with what was left at its default left out."""
        return self.model_dump(mode="json", exclude_unset=True)
