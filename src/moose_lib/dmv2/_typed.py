"""`Thing[Model](…)`: calling a subscripted class makes the thing with its models known from the first line on."""

from __future__ import annotations

import types
from typing import Any

from pydantic import BaseModel, RootModel

from moose_lib.dmv2._rules import Finding


class TypedAlias(types.GenericAlias):
    """What `Thing[Model]` is at run time; typing's own alias tells the models only after the thing has been made."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # Any: forwards whatever the class takes
        make: Any = self.__origin__  # Any: declared as any type, it is the subscripted class
        return make(*args, t=self.__args__, **kwargs)


def alias(cls: type, models: object) -> TypedAlias:
    """The alias for `cls[models]`."""
    return TypedAlias(cls, models if isinstance(models, tuple) else (models,))


def data_model(kind: str, models: tuple[object, ...]) -> tuple[type[BaseModel] | None, list[Finding]]:
    """The one model of a subscripted declaration, or what is wrong with it."""
    if len(models) != 1:
        return None, [("untyped", "the model is missing", f"write {kind}[Model](…)")]
    (model,) = models
    if isinstance(model, type) and issubclass(model, RootModel):
        hint = "declare a class that derives from BaseModel, with a field for the value"
        return None, [("not-a-model", f"{model!r} is a RootModel: it has no fields to make columns of", hint)]
    if isinstance(model, type) and issubclass(model, BaseModel):
        return model, []
    return None, [("not-a-model", f"{model!r} is not a Pydantic model", "declare a class that derives from BaseModel")]
