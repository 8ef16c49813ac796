"""Settings that are valid or an error: strict pydantic models, and what is told where they do not hold."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, TypeVar, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic.fields import FieldInfo

from spine.core.near_names import did_you_mean
from spine.core.problems import SpineError
from spine.core.refusals import refusal

__all__ = ["Seed", "Strict", "validate", "validate_alone", "without_password"]

Model = TypeVar("Model", bound=BaseModel)
_OF_SETTINGS = ("model_type", "model_attributes_type")  # errors of what should be a mapping of them
Seed = Annotated[int, Field(ge=0, lt=2**32)]  # what every generator of random numbers takes


class Strict(BaseModel):
    """Base of every settings model: frozen, numbers finite, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    ALSO_KNOWN: ClassVar[tuple[str, ...]] = ()  # keys that are taken out of a file before it is validated

    @model_validator(mode="before")
    @classmethod
    def _no_truth_for_a_number(cls, raw: Any) -> Any:
        """`epochs: yes` would be one epoch: to Python true is 1."""
        for name, value in raw.items() if isinstance(raw, Mapping) else ():
            field = cls.model_fields.get(name)
            if isinstance(value, bool) and field and _is_number(field):
                raise ValueError(f"{name} is {str(value).lower()}, where a number is expected")
        return raw


def _is_number(field: Any) -> bool:
    kinds = set(_kinds(field.annotation))
    own = any(isinstance(part, BeforeValidator) for part in field.metadata)  # a field that says what true means
    return bool(kinds & {int, float}) and bool not in kinds and not own


def without_password(text: str) -> str:
    """A text with the passwords of the URLs in it starred out."""
    return re.sub(r"(://[^:/@\s]*):[^@/\s]*@", r"\1:***@", text)


def without_null(given: Any) -> Any:
    """A mapping without the keys that are null, or an empty one: so a file leaves out what one that it extends has."""
    if not isinstance(given, Mapping):
        return {} if given is None else given
    return {key: value for key, value in given.items() if value is not None}


def validate(model: type[Model], raw: Any, where: str, context: Mapping[str, Any] | None = None) -> Model:
    """Validate settings; SpineError tells each wrong key, what was received and what is known.

    `context` is what the model's validators are handed besides.
    """
    try:
        return model.model_validate(raw, context=context)
    except ValidationError as error:
        raise _validation_error(model, error.errors(), where) from None


def validate_alone(model: type[BaseModel], raw: Mapping[str, Any], where: str) -> None:
    """Check values each by itself: others may lack, and whether they fit together is not asked.

    SpineError as of `validate`.
    """
    try:
        model.model_validate(raw)
    except ValidationError as error:
        if wrong := [e for e in error.errors() if e["loc"] and e["loc"][0] in raw]:
            raise _validation_error(model, wrong, where) from None


def _validation_error(model: type[BaseModel], errors: Sequence[Any], where: str) -> SpineError:
    lines = ["  " + ": ".join(filter(None, [_place(error), _explain(model, error)])) for error in errors]
    return SpineError("\n".join([f"{where} is not valid:", *lines]))


def _place(error: Any) -> str:
    """The key that is wrong, dotted; empty where several do not fit together."""
    return ".".join(map(str, error["loc"]))


def _explain(model: type[BaseModel], error: Any) -> str:
    if error["type"] == "extra_forbidden":
        *place, key = error["loc"]
        known = _known_keys(model, place)
        return f"unknown key; the known ones are {', '.join(known)}{did_you_mean(str(key), known)}"
    if error["type"] == "union_tag_invalid":
        known = re.findall(r"'([^']+)'", error["ctx"]["expected_tags"])
        tag, key = error["ctx"]["tag"], error["ctx"]["discriminator"].strip("'()")
        return f"{key} is {tag!r}; the known ones are {', '.join(known)}{did_you_mean(tag, known)}"
    if error["type"] == "missing":
        return "is required"
    if error["type"] == "string_type" and isinstance(error["input"], (bool, int, float)):
        return f"is {_in_yaml(error['input'])} to YAML, where text is expected; write it in quotes"
    if ours := refusal(error, _field_at(model, error["loc"])):
        keys = _known_keys(model, error["loc"]) if error["type"] in _OF_SETTINGS else ()
        return without_password(f"{ours}, of {', '.join(keys)}" if keys else ours)
    message = error["msg"].removeprefix("Value error, ")
    # Where keys do not fit together the input is all of them, and the message is ours and names them.
    given = error["input"]
    told = isinstance(given, Mapping) or (isinstance(given, str) and repr(given) in message)
    received = "" if told else f"; received {given!r}"
    return without_password(message + received)


def _known_keys(model: type[BaseModel], location: Sequence[str | int]) -> list[str]:
    models, _ = _walked(model, location)
    return [*models[0].model_fields, *getattr(models[0], "ALSO_KNOWN", ())]


def _field_at(model: type[BaseModel], location: Sequence[str | int]) -> FieldInfo | None:
    """The field that a place is in, which may be an entry of it."""
    return _walked(model, location)[1]


def _walked(model: type[BaseModel], location: Sequence[str | int]) -> tuple[list[type[BaseModel]], FieldInfo | None]:
    """The models that a place may be in, and the last field on the way to it."""
    models, last = [model], None
    for part in location:
        field = models[0].model_fields.get(str(part))
        if field:
            models, last = [kind for kind in _kinds(field.annotation) if issubclass(kind, BaseModel)] or models, field
        else:  # a place in a list, or which of several models it is
            models = [one for one in models if _is_tagged(one, part)] or models
    return models, last


def _is_tagged(model: type[BaseModel], tag: str | int) -> bool:
    return any(get_args(field.annotation) == (tag,) for field in model.model_fields.values())


def _kinds(annotation: Any) -> list[type]:
    if isinstance(annotation, type) and not hasattr(annotation, "__args__"):
        return [annotation]
    return [kind for part in getattr(annotation, "__args__", ()) for kind in _kinds(part)]


def _in_yaml(value: bool | int | float) -> str:
    return f"{str(value).lower()} (as yes, no, on and off are)" if isinstance(value, bool) else f"the number {value}"
