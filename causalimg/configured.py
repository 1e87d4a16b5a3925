"""Networks whose settings are declared as annotated fields, validated when made, and saved as JSON.

    class Blur(Configured):
        width: int = 32                 # a setting: Blur(width=64); Blur(widht=64) names the nearest one
        kernel: Kernel                  # a setting without default, itself a Configured: Blur(kernel=Box(size=3))

A model on disk is ``{"kind": "Blur", "width": 64, "kernel": {"kind": "Box", "size": 3}}`` and tensors. A class is known by
its name as soon as it is defined.
"""

import inspect
import reprlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from copy import deepcopy
from typing import Any, ClassVar, Self, cast, dataclass_transform, get_args, get_origin

from pydantic import GetCoreSchemaHandler, PydanticSchemaGenerationError, create_model
from pydantic_core import CoreSchema, core_schema
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from causalimg.errors import check_known
from causalimg.graph.spec import Spec, check_depth, concrete, register

LARGEST = 10**9
"""Parameters of the largest network that a file may ask for: 4 GB."""

MOST_TENSORS = 20_000
"""So many tensors may they be; a U-Net has some hundreds."""


@dataclass_transform(kw_only_default=True)
class Configured(nn.Module):
    """An `nn.Module` with settings: its annotated class attributes, except for a ClassVar and names that begin with `_`.

    A setting without a default is required. A setting may be another `Configured`, given as an instance or as its data. The
    module has a copy of its own of what it is given; `spec` keeps what was given. A subclass may give an inherited setting
    another default.

    Raises ValueError on an unknown, missing or invalid setting; and when a class is defined, TypeError for an annotation that
    can't be a setting, and for the name of a class of another module.
    """

    kinds: ClassVar[dict[str, type["Configured"]]] = {}
    _settings: ClassVar[type[Spec]] = Spec

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if Configured in cls.__bases__:
            cls.kinds = {}
        fields = _fields(cls)
        try:
            cls._settings = create_model(cls.__name__, __base__=cls._settings, __module__=cls.__module__, **fields)
        except PydanticSchemaGenerationError as error:
            raise TypeError(
                f"{cls.__name__}: an annotated class attribute is a setting, and one of {', '.join(fields)} can't be saved as "
                f"JSON ({error.message.splitlines()[0]}). Annotate what is no setting where `__init__` or `build` makes it."
            ) from None
        cls._settings.__qualname__ = f"{cls.__qualname__}._settings"  # where pickle finds it
        if Configured not in cls.__bases__:
            register(cls.kinds, cls)
        for name, (annotation, _) in fields.items():
            if name in vars(cls) and _holds_module(annotation):
                delattr(cls, name)  # an attribute of the class would hide the submodule of this name

    def __init__(self, **settings: Any) -> None:
        super().__init__()
        self.spec = self._settings(**settings)
        for name in type(self.spec).model_fields:
            setattr(self, name, deepcopy(getattr(self.spec, name)))

    def to_data(self) -> dict[str, Any]:
        """Kind and settings as plain JSON data; all of them, so that a later default changes no saved model."""
        return {"kind": type(self).__name__, **self.spec.model_dump(mode="json")}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Self:
        """The untrained network that plain `data` describes.

        Raises ValueError on an unknown kind or setting, where `data` describes no `cls`, and for a network of more than
        `LARGEST` parameters, which you can still make by its class.
        """
        if not isinstance(data, Mapping):
            raise ValueError(f"expected a mapping with its 'kind', got {reprlib.repr(data)}")
        check_depth(data)
        settings = dict(data)
        kind = settings.pop("kind", None)
        check_known(f"kind of {cls.__name__}", [kind], concrete(cls.kinds))
        with bounded(kind):
            made = cls.kinds[kind](**settings)
        if not isinstance(made, cls):
            raise ValueError(f"expected a {cls.__name__}, got a {kind}")
        return made

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """As a setting: an instance or its data, saved as its data."""
        saved = core_schema.plain_serializer_function_ser_schema(lambda made: made.to_data())
        return core_schema.no_info_plain_validator_function(cls._as_setting, serialization=saved)

    @classmethod
    def _as_setting(cls, given: Any) -> Self:
        if isinstance(given, cls):
            return given
        if isinstance(given, Mapping):
            return cls.from_data(given)
        what = f"the class {given.__name__}" if isinstance(given, type) else type(given).__name__
        raise ValueError(f"expected {cls.__name__}, or a mapping with its 'kind', got {what}")


@contextmanager
def bounded(what: str, parameters: int = LARGEST) -> Iterator[None]:
    """Around making a network as a file asks: it may have so many `parameters`, counted before their memory is touched.

    Raises ValueError, which says `what` was to be made, for more, and for settings of which no network can be made.
    """
    token = _BUDGETS.set((*_BUDGETS.get(), _Budget(what, parameters)))
    try:
        yield
    except (
        RuntimeError,
        TypeError,
        MemoryError,
    ) as error:  # of torch, for sizes that no tensor has, and for what is lacking
        said = (
            "they take more memory than there is"
            if "alloc" in str(error)
            else (str(error) or repr(error)).splitlines()[0]
        )
        raise ValueError(f"{what} can't be made of these settings: {said}") from error
    finally:
        _BUDGETS.reset(token)


def room(tensors: Mapping[str, Tensor]) -> int:
    """So many parameters may a network have that is made for `tensors`: enough for others to be said by name, and for layers of
    a library that are made and thrown away."""
    return 10**8 + 10 * sum(tensor.numel() for tensor in tensors.values())


class _Budget:
    """Counts parameters."""

    def __init__(self, what: str, parameters: int) -> None:
        self.what, self.most, self.left, self.tensors = what, parameters, parameters, MOST_TENSORS

    def spend(self, parameter: nn.Parameter) -> None:
        self.left, self.tensors = self.left - parameter.numel(), self.tensors - 1
        if self.left < 0 or self.tensors < 0:
            most = f"{self.most} parameters, or {MOST_TENSORS} tensors of them,"
            raise ValueError(f"{self.what}: a network of more than {most} is not made of a file")


_BUDGETS: ContextVar[tuple[_Budget, ...]] = ContextVar("_BUDGETS", default=())
"""Of what is being made in this thread."""


def _spend(module: nn.Module, name: str, parameter: nn.Parameter | None) -> None:
    for budget in _BUDGETS.get() if parameter is not None else ():
        budget.spend(cast(nn.Parameter, parameter))


# Once: torch goes through its hooks while other threads make networks.
register_module_parameter_registration_hook(_spend)


def _fields(cls: type[Configured]) -> dict[str, Any]:
    """The settings that `cls` declares, or gives another default: annotation and default by name, ``...`` for no default."""
    own = inspect.get_annotations(cls, eval_str=True)
    annotations: dict[str, Any] = {}
    for base in reversed(cls.__mro__[: cls.__mro__.index(Configured)]):
        annotations |= inspect.get_annotations(base, eval_str=True)
    return {
        name: (annotation, vars(cls).get(name, ...))
        for name, annotation in annotations.items()
        if (name in own or name in vars(cls)) and _is_setting(name, annotation)
    }


def _is_setting(name: str, annotation: Any) -> bool:
    return not name.startswith("_") and ClassVar not in (annotation, get_origin(annotation))


def _holds_module(annotation: Any) -> bool:
    """Whether a value of this type may be a module: `Edit`, `Edit | None`, ..."""
    if isinstance(annotation, type) and issubclass(annotation, nn.Module):
        return True
    return any(_holds_module(part) for part in get_args(annotation))
