"""Reading the indicator language from a project file: strict, with the word that was probably meant."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any

from features.errors import ProjectError, did_you_mean
from features.indicators.definition import KINDS, Attribute, Constant, Expression, Named, Series, When
from features.indicators.structure import check

TERMS = ("sum", "product", "lowest", "highest", "first_of")
PAIRS = {"difference": ("of", "less"), "ratio": ("of", "to"), "log_ratio": ("of", "to")}


def parse(content: Any, known: Mapping[str, Expression], place: str = "definition") -> Expression:
    """An expression from YAML.

    A text is the name of a series, a number is a constant, and a mapping of one key is a kind with its fields:
    `{last: {series: income, within: 2}}`. Shorter: `{last: income}` gives the first field, `{ratio: [a, b]}` and
    `{sum: [a, b, c]}` give the terms.

    Raises:
        ProjectError: the place, the word that is not known, and the word that was probably meant.
    """
    expression = _parse(content, known, place)
    try:
        check(expression)
    except ValueError as error:
        raise ProjectError("indicator_senseless", place=place, detail=str(error)) from error
    return expression


def parse_series(
    content: Mapping[str, Any], registered: Mapping[str, Expression] | None = None
) -> dict[str, Expression]:
    """The `series:` section of a project: plain series over a table, and named arithmetic of earlier ones."""
    known: dict[str, Expression] = dict(registered or {})
    for identifier, entry in content.items():
        place = f"series.{identifier}"
        if not isinstance(entry, Mapping):
            raise _mistake(place, entry, ["name", "table", "definition"])
        rest = {key: value for key, value in entry.items() if key != "name"}
        name = entry.get("name") or {}
        words = {"zh": str(name.get("zh", identifier)), "en": str(name.get("en", identifier.replace("_", " ")))}
        if "definition" in rest:
            of = parse(rest.pop("definition"), known, f"{place}.definition")
            if rest:
                raise _mistake(place, next(iter(rest)), ["name", "definition"])
            known[identifier] = Named(identifier, of, **words)
        else:
            known[identifier] = _record(Series, {"id": identifier, **rest, **words}, known, place)
    return {identifier: known[identifier] for identifier in content}


def _parse(content: Any, known: Mapping[str, Expression], place: str) -> Expression:
    if isinstance(content, bool) or content is None:
        raise _mistake(place, content, list(known))
    if isinstance(content, int | float):
        return Constant(float(content))
    if isinstance(content, str):
        if content not in known:
            raise _mistake(place, content, list(known))
        return known[content]
    if not isinstance(content, Mapping) or len(content) != 1:
        raise ProjectError("indicator_shape", place=place, value=_shown(content))
    kind, inner = next(iter(content.items()))
    if kind not in KINDS:
        raise _mistake(place, kind, list(KINDS))
    return _kind(str(kind), inner, known, f"{place}.{kind}")


def _kind(kind: str, inner: Any, known: Mapping[str, Expression], place: str) -> Expression:
    names = [item.name for item in fields(KINDS[kind])]  # type: ignore[arg-type]
    if kind in TERMS and isinstance(inner, list):
        inner = {"terms": inner}
    elif kind in PAIRS and isinstance(inner, list) and len(inner) == 2:
        inner = dict(zip(PAIRS[kind], inner, strict=True))
    elif not isinstance(inner, Mapping) or (
        len(inner) == 1 and next(iter(inner)) in KINDS and next(iter(inner)) not in names
    ):
        inner = {names[0]: inner}
    if kind in ("count", "share", "since", "test"):
        inner = _gather_condition(dict(inner))
    expression: Expression = _record(KINDS[kind], inner, known, place)
    return expression


def _is_expression(inner: Mapping[str, Any], names: list[str]) -> bool:
    """Whether a mapping is itself an expression, and not the fields of one."""
    word = next(iter(inner)) if len(inner) == 1 else None
    return word in KINDS and word not in names


def _gather_condition(inner: dict[str, Any]) -> dict[str, Any]:
    """Conditions may stand beside the other fields: `{count: {series: aid, equals: 1, periods: 6}}`."""
    beside = {item.name: inner.pop(item.name) for item in fields(When) if item.name in inner}
    return {**inner, "when": beside} if beside else inner


def _record(kind: type[Expression], inner: Mapping[str, Any], known: Mapping[str, Expression], place: str) -> Any:
    hints = typing.get_type_hints(kind)
    items = {item.name: item for item in fields(kind)}  # type: ignore[arg-type]
    for key in inner:
        if key not in items:
            raise _mistake(place, key, [name for name in items if name not in ("zh", "en")])
    values = {key: _value(hints[key], value, known, f"{place}.{key}") for key, value in inner.items()}
    for name, item in items.items():
        if name not in values and item.default is MISSING:
            raise ProjectError("indicator_incomplete", place=place, field=name)
    return kind(**values)


def _value(hint: Any, value: Any, known: Mapping[str, Expression], place: str) -> Any:
    """A field's value, by the type that the record declares."""
    options = typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else (hint,)
    if value is None and type(None) in options:
        return None
    for option in options:
        if option is Expression:
            return _parse(value, known, place)
        if option is When:
            return _condition(value, place)
        if typing.get_origin(option) is tuple:
            return _tuple(option, value, known, place)
        if typing.get_origin(option) is typing.Literal and value not in typing.get_args(option):
            raise _mistake(place, value, [str(arg) for arg in typing.get_args(option)])
        if typing.get_origin(option) is typing.Literal or _fits(option, value):
            return float(value) if option is float else value
    raise ProjectError("indicator_value", place=place, value=_shown(value))


def _tuple(option: Any, value: Any, known: Mapping[str, Expression], place: str) -> tuple[Any, ...]:
    """Terms of an expression, keys of peers, or the values of a filter."""
    if typing.get_args(option)[0] is Expression:
        return tuple(_peer_key(part, known, place) for part in _listed(value))
    return _values(value, place)


def _fits(option: Any, value: Any) -> bool:
    if option is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if option is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(option, type) and isinstance(value, option)


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _peer_key(part: Any, known: Mapping[str, Expression], place: str) -> Expression:
    """Where a text is no series, it is an attribute of the household."""
    if place.endswith(".by") and isinstance(part, str) and part not in known:
        return Attribute(part)
    return _parse(part, known, place)


def _values(value: Any, place: str) -> tuple[Any, ...]:
    """A filter `{column: value or values}`, or a plain list of values."""
    if isinstance(value, Mapping):
        return tuple(sorted((str(column), tuple(_listed(allowed))) for column, allowed in value.items()))
    for part in _listed(value):
        if not isinstance(part, str | int | float | bool):
            raise ProjectError("indicator_value", place=place, value=_shown(part))
    return tuple(_listed(value))


def _condition(value: Any, place: str) -> When:
    names = [item.name for item in fields(When)]
    if not isinstance(value, Mapping) or not value:
        raise ProjectError("indicator_value", place=place, value=_shown(value))
    for key in value:
        if key not in names:
            raise _mistake(place, key, names)
    numbers = {key: tuple(map(float, part)) if key == "any_of" else float(part) for key, part in value.items()}
    return When(**numbers)  # type: ignore[arg-type]  # the names were checked above


def _mistake(place: str, word: Any, known: list[str]) -> ProjectError:
    near = did_you_mean(str(word), known)
    hint = f"您是不是想写 {near}？ / did you mean {near}?" if near else ", ".join(known[:12])
    return ProjectError("indicator_word_unknown", place=place, word=_shown(word), suggestion=hint)


def _shown(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
