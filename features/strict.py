"""Configuration models that refuse unknown keys and say which key was probably meant."""

from __future__ import annotations

from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from features.errors import ProjectError, did_you_mean


class Strict(BaseModel):
    """A frozen configuration record; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Words(Strict):
    """One text in both languages."""

    zh: str
    en: str

    def of(self, language: str) -> str:
        """The text in `language`, zh unless en is asked for."""
        return self.en if language == "en" else self.zh


class Sourced(Strict):
    """Policy numbers say where they are from and since when they hold."""

    source: str
    since: str


Table = TypeVar("Table", bound=Sourced)


def read_table(text: str, name: str, model: type[Table]) -> Table:
    """A dated table of policy from its YAML.

    Raises:
        ProjectError: the file `name` is not YAML, or says something that cannot be; each mistake names its key.
    """
    try:
        content = yaml.safe_load(text)
        if isinstance(content, dict):
            content["since"] = str(content.get("since"))
        return model.model_validate(content)
    except yaml.YAMLError as error:
        raise ProjectError("project_unreadable", file=name, detail=" ".join(str(error).split())) from error
    except ValidationError as error:
        mistakes = explain_mistakes(error, model)
        raise ProjectError("project_invalid", file=name, count=len(mistakes), detail="; ".join(mistakes)) from error


def explain_mistakes(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """Each mistake as one line: where, what, and the key that was probably meant."""
    return [_explain(dict(item), model) for item in error.errors()]


def _explain(item: dict[str, Any], model: type[BaseModel]) -> str:
    place = ".".join(str(part) for part in item["loc"])
    if item["type"] == "extra_forbidden":
        known = _keys_at(model, item["loc"][:-1])
        near = did_you_mean(str(item["loc"][-1]), known)
        hint = f"; did you mean '{near}'?" if near else f"; known: {', '.join(sorted(known))}"
        return f"{place}: unknown key{hint}"
    value = item.get("input")
    shown = f" (got {value!r})" if isinstance(value, str | int | float | bool) else ""
    return f"{place}: {item['msg']}{shown}"


def _keys_at(model: type[BaseModel], path: tuple[Any, ...]) -> list[str]:
    """Field names of the model found by walking `path` from the root model."""
    current: Any = model
    for part in path:
        found = _inner(current, part)
        if found is None:
            return []
        current = found
    return list(current.model_fields) if isinstance(current, type) and issubclass(current, BaseModel) else []


def _inner(current: Any, part: Any) -> Any:
    if isinstance(current, type) and issubclass(current, BaseModel):
        field = current.model_fields.get(str(part))
        return current if field is None else _model_in(field.annotation)  # not a field: the key of a mapping
    return current


def _model_in(annotation: Any) -> Any:
    """The model class inside an annotation such as `dict[str, Feed]` or `Feed | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in getattr(annotation, "__args__", ()):
        found = _model_in(inner)
        if found is not None:
            return found
    return None
