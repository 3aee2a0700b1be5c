"""What pydantic found, as faults: the field's line, its value, and what would be right there."""

from collections.abc import Iterable, Iterator
from types import NoneType
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from nebctl.core.faults import Fault, FieldError, show_value, suggest
from nebctl.core.toml_text import Path, TomlText, dotted

Model = TypeVar("Model", bound=BaseModel)
_PLAIN = ((bool, "true or false"), (int, "a whole number, without quotes"), (str, "a text in quotes"))
"""What a plain value is that has no example of its own."""


def read_model(text: TomlText, model: type[Model]) -> tuple[Model | None, tuple[Fault, ...]]:
    """Read the table as a model; None and every fault where it is none."""
    try:
        return model.model_validate(text.table), ()
    except ValidationError as error:
        found = (_explain(text, model, detail) for detail in error.errors(include_url=False))
        return None, tuple(fault for fault in found if fault is not None)


def in_order(faults: Iterable[Fault]) -> tuple[Fault, ...]:
    """Return the faults in the order of their lines."""
    return tuple(sorted(faults, key=lambda fault: (fault.line, fault.field)))


def _explain(text: TomlText, model: type[BaseModel], detail: ErrorDetails) -> Fault | None:
    """Return one error as a fault; None where its line could not be read and has its fault already."""
    path: Path = tuple(step for step in detail["loc"] if step != "[key]")
    field = dotted(path)
    if detail["type"] == "missing" and any(lost == field or lost.startswith(f"{field}.") for lost in text.lost):
        return None
    value, problem, right = _say(model, path, detail)
    return Fault(file=text.file, line=text.line_of(path), field=field, value=value, problem=problem, right=right)


def _say(model: type[BaseModel], path: Path, detail: ErrorDetails) -> tuple[str | None, str, str]:
    """Return the value that stands there, what is wrong with it and what would be right."""
    value = show_value(detail["input"])
    match detail["type"]:
        case "missing":
            return None, "this is missing", f"write {_example(model, path)}"
        case "extra_forbidden":
            return value, "this key is not known here", suggest(str(path[-1]), _known_keys(model, path[:-1]))
        case "literal_error" | "enum":
            return value, f"expected {detail['ctx']['expected']}", "write one of these, in quotes"
        case "model_type" | "dict_type":
            return value, "a table belongs here", f"write {_example(model, path)}"
    cause = detail.get("ctx", {}).get("error")
    if isinstance(cause, FieldError):
        return value, cause.problem, cause.right
    return value, detail["msg"], f"write {_example(model, path)}"


def _example(model: type[BaseModel], path: Path) -> str:
    owner = _model_at(model, path[:-1])
    field = owner.model_fields.get(str(path[-1])) if owner else None
    if field and field.examples:
        return f"{path[-1]} = {field.examples[0]}"
    kinds = (field.annotation, *get_args(field.annotation)) if field else ()
    return next((words for kind, words in _PLAIN if kind in kinds), f"a [{dotted(path)}] table")


def _known_keys(model: type[BaseModel], path: Path) -> Iterable[str]:
    owner = _model_at(model, path)
    return owner.model_fields if owner else ()


def _model_at(model: type[BaseModel], path: Path) -> type[BaseModel] | None:
    """Return the model of the table at `path`; None where the path leads to no table."""
    at: Any = model
    for step in path:
        if isinstance(at, type) and issubclass(at, BaseModel):
            field = at.model_fields.get(str(step))
            at = field.annotation if field else None
        else:
            at = next(iter(reversed(tuple(_inner(at)))), None)
    while at is not None and not isinstance(at, type):
        at = next(iter(_inner(at)), None)
    return at if isinstance(at, type) and issubclass(at, BaseModel) else None


def _inner(annotation: Any) -> Iterator[Any]:
    return (part for part in get_args(annotation) if part is not NoneType)
