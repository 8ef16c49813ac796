"""What a JSON file of our own must hold: strict models, and one line that names each key that does not hold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

__all__ = ["of_shape"]

Model = TypeVar("Model", bound=BaseModel)


def of_shape(model: type[Model]) -> Callable[[Any], Model]:
    """A check for `read_json` that gives the model; ValueError names the keys that do not hold."""

    def check(value: Any) -> Model:
        try:
            return model.model_validate(value)
        except ValidationError as error:
            raise ValueError(", ".join(_describe(one) for one in error.errors(include_url=False))) from None

    return check


def _describe(error: Any) -> str:
    key = ".".join(map(str, error["loc"])) or "the whole"
    if error["type"] == "missing":
        return f"{key} is missing"
    if error["type"] == "extra_forbidden":
        return f"{key} is not known"
    return f"{key}: {error['msg'].removeprefix('Value error, ')}, not {error['input']!r:.60}"
