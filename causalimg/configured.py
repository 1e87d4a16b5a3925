"""Networks whose settings are declared as annotated fields, validated when made, and saved as JSON.

    class Blur(Configured):
        width: int = 32                 # a setting: Blur(width=64); Blur(widht=64) names the nearest one

A model on disk is ``{"kind": "Blur", "width": 64}`` and tensors. A class is known by its name as soon as it is defined.
"""

import inspect
from collections.abc import Mapping
from typing import Any, ClassVar, Self, dataclass_transform, get_origin

from pydantic import create_model
from torch import nn

from causalimg.errors import check_known
from causalimg.graph.spec import Spec


@dataclass_transform(kw_only_default=True)
class Configured(nn.Module):
    """An `nn.Module` with settings: the annotated class attributes that have a default.

    A subclass may give an inherited setting another default. Raises ValueError on an unknown or invalid setting.
    """

    kinds: ClassVar[dict[str, type["Configured"]]]
    _settings: ClassVar[type[Spec]] = Spec

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if Configured in cls.__bases__:
            cls.kinds = {}
        else:
            cls.kinds[cls.__name__] = cls
        annotations: dict[str, Any] = {}
        for base in reversed(cls.__mro__[: cls.__mro__.index(Configured)]):
            annotations |= inspect.get_annotations(base, eval_str=True)
        own: dict[str, Any] = {
            name: (annotation, vars(cls)[name])
            for name, annotation in annotations.items()
            if ClassVar not in (annotation, get_origin(annotation)) and name in vars(cls)
        }
        own |= {n: (a, ...) for n, a in inspect.get_annotations(cls, eval_str=True).items() if isinstance(a, type) and issubclass(a, Configured) and n not in vars(cls)}
        cls._settings = create_model(cls.__name__, __base__=cls._settings, __module__=cls.__module__, **own)

    def __init__(self, **settings: Any) -> None:
        super().__init__()
        self.spec = self._settings(**settings)
        for name in type(self.spec).model_fields:
            setattr(self, name, getattr(self.spec, name))

    def to_data(self) -> dict[str, Any]:
        """Kind and settings as plain JSON data; all of them, so that a later default changes no saved model."""
        return {"kind": type(self).__name__, **self.spec.model_dump(mode="json")}

    @classmethod
    def __get_pydantic_core_schema__(cls, source, handler):
        from pydantic_core import core_schema
        return core_schema.no_info_plain_validator_function(lambda v: v if isinstance(v, cls) else cls.from_data(v), serialization=core_schema.plain_serializer_function_ser_schema(lambda v: v.to_data()))

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Self:
        """The untrained network that plain `data` describes. Raises ValueError on an unknown kind or setting."""
        settings = dict(data)
        kind = settings.pop("kind", None)
        check_known(f"kind of {cls.__name__}", [kind], cls.kinds)
        return cls.kinds[kind](**settings)  # type: ignore[return-value]
