"""The register of indicators: generic ones taken by id or family, and those that a project declares.

Only registered indicators reach a model. A project's `indicators:` section has `use` (ids or families), `declare`
(indicators in the words of the language), `questions` (the same declarations for every answer of a vocabulary),
`parameters` (dated numbers of policy that definitions name), and the `legal_basis` that holds where an indicator names
none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from features.anchors import feeds_of
from features.cells import delivers
from features.errors import ProjectError, did_you_mean
from features.indicators import assistance_gap, context, data_quality, expenses, income, population, vulnerability
from features.indicators.definition import (
    AreaReading,
    Attribute,
    Events,
    Expression,
    Given,
    Holding,
    Line,
    Members,
    Schedule,
    Series,
)
from features.indicators.drafts import PURPOSES, draft
from features.indicators.indicator import FAMILIES, Indicator, Text, validate
from features.indicators.parameters import fill, givens
from features.indicators.parsing import parse, parse_series
from features.indicators.structure import walk
from features.project import Project

MODULES = (expenses, income, population, assistance_gap, vulnerability, data_quality, context)
LEGAL_BASIS = "社会救助暂行办法；粤府办〔2024〕12号（11）"
SECTION = ("legal_basis", "parameters", "use", "declare", "questions")
DECLARED = (
    "id",
    "name",
    "family",
    "owner",
    "purpose",
    "legal_basis",
    "definition",
    "unit",
    "direction",
    "reason",
    "changeable",
)
REGISTERS: Mapping[type[Expression], str] = {
    Members: "member",
    Line: "assistance_line",
    Schedule: "schedule",
    AreaReading: "area_reading",
}
QUESTION = ("vocabulary", "only", "except", "series", "declare")


def series_of(project: Project) -> dict[str, Expression]:
    """All series by id: generic ones, one for every answer of the project's vocabulary, and the project's own."""
    known: dict[str, Expression] = {}
    for module in MODULES:
        known.update(module.SERIES)
    for key, words in project.vocabularies.get("reading.answer", {}).items():
        where = (("detail", (key,)), ("kind", ("answer",)))
        known[key] = Series(key, "reading", "value", where, zh=words.zh, en=words.en)
    return {**known, **parse_series(project.series, known)}


def find_series(project: Project, identifier: str) -> Expression:
    """A series by id.

    Raises:
        ProjectError: it is not registered; the nearest id is named.
    """
    known = series_of(project)
    if identifier not in known:
        raise ProjectError("series_unknown", id=identifier, suggestion=_near(identifier, known))
    return known[identifier]


def indicators_of(project: Project) -> tuple[Indicator, ...]:
    """The indicators that a project uses, in the order in which it names them."""
    section = dict(project.indicators)
    _only(section, SECTION, "indicators")
    given = givens(project)
    known = series_of(project)
    known |= {name: one for name, one in given.items() if name not in known}
    basis = str(section.get("legal_basis", LEGAL_BASIS))
    found = _used(project, section.get("use", []), basis, given)
    for number, entry in enumerate(section.get("declare", [])):
        found.append(_declared(project, entry, known, basis, f"indicators.declare[{number}]"))
    for number, entry in enumerate(section.get("questions", [])):
        found += _questions(project, entry, known, basis, f"indicators.questions[{number}]")
    return validate(found, project.departments)


def registered(project: Project, ids: Iterable[str]) -> tuple[Indicator, ...]:
    """The indicators of these ids: the only way into a model.

    Raises:
        ProjectError: one is not registered; the nearest one is named.
    """
    known = {indicator.id: indicator for indicator in indicators_of(project)}
    return tuple(_found(known, identifier) for identifier in ids)


def generic() -> dict[str, Indicator]:
    """All generic indicators by id, without owners."""
    return {indicator.id: indicator for module in MODULES for indicator in module.indicators()}


def _found(known: Mapping[str, Indicator], identifier: str) -> Indicator:
    if identifier not in known:
        raise ProjectError("indicator_unknown", id=identifier, suggestion=_near(identifier, [*known, *FAMILIES]))
    return known[identifier]


def _near(word: str, known: Iterable[str]) -> str:
    near = did_you_mean(word, list(known))
    return f"您是不是想写 {near}？ / did you mean {near}?" if near else ", ".join(list(known)[:12])


def _only(entry: Mapping[str, Any], known: Sequence[str], place: str) -> None:
    for key in entry:
        if key not in known:
            raise ProjectError("indicator_word_unknown", place=place, word=key, suggestion=_near(key, known))


# --- generic ones -------------------------------------------------------------------------------------------------


def _used(project: Project, names: Sequence[str], basis: str, given: Mapping[str, Expression]) -> list[Indicator]:
    """Generic indicators by id or family; of a family those that the project's feeds can feed."""
    known = generic()
    found: dict[str, Indicator] = {}
    for name in names:
        if name in FAMILIES:
            chosen = [one for one in known.values() if one.family == name and _feedable(project, one, given)]
        else:
            chosen = [_found(known, name)]
        for indicator in chosen:
            found[indicator.id] = replace(
                indicator,
                owner=_owner(project, indicator),
                legal_basis=indicator.legal_basis or basis,
                definition=fill(indicator.definition, given, indicator.id),
            )
    return list(found.values())


def _feedable(project: Project, indicator: Indicator, given: Mapping[str, Expression]) -> bool:
    """Whether the project has what the definition asks for: its feeds, its parameters and its levels of areas."""
    nodes = list(walk(indicator.definition))
    levels = {node.name.partition(":")[2] for node in nodes if isinstance(node, Attribute)} - {"", "visits"}
    asked = {node.name for node in nodes if isinstance(node, Given)}
    told = levels <= set(project.areas.levels) and asked <= set(given)
    return told and _deliverer(project, indicator) is not None


def _owner(project: Project, indicator: Indicator) -> str:
    """The first of its bodies that the project has, else the department whose feed brings its records."""
    named = [body for body in indicator.bodies if body in project.departments]
    return next(iter(named), None) or _deliverer(project, indicator) or next(iter(project.departments))


def _deliverer(project: Project, indicator: Indicator) -> str | None:
    """The department whose feed brings the indicator's records; None where one of its tables has no feed."""
    owner: str | None = None
    for node in walk(indicator.definition):
        feeds: Sequence[str] | None = None
        if isinstance(node, Series):
            feeds = feeds_of(project, node)
        elif isinstance(node, Events | Holding):
            feeds = delivers(project, node.table)
        elif type(node) in REGISTERS:
            feeds = delivers(project, REGISTERS[type(node)])
        if feeds is not None and not feeds:
            return None
        if feeds and (owner is None or isinstance(node, Series)):
            owner = project.feeds[feeds[0]].department
    return owner or next(iter(project.departments))


# --- declared ones ------------------------------------------------------------------------------------------------


def _declared(project: Project, entry: Any, known: Mapping[str, Expression], basis: str, place: str) -> Indicator:
    if not isinstance(entry, Mapping):
        raise ProjectError("indicator_shape", place=place, value=str(entry)[:60])
    _only(entry, DECLARED, place)
    for field in ("id", "name", "family", "definition"):
        if field not in entry:
            raise ProjectError("indicator_incomplete", place=place, field=field)
    if entry["family"] not in FAMILIES:
        raise ProjectError(
            "indicator_word_unknown",
            place=f"{place}.family",
            word=entry["family"],
            suggestion=_near(str(entry["family"]), FAMILIES),
        )
    direction = entry.get("direction", 0)
    if direction not in (-1, 0, 1):
        raise ProjectError("indicator_value", place=f"{place}.direction", value=str(direction))
    definition = parse(entry["definition"], known, f"{place}.definition")
    reason = entry.get("reason", {})
    _only(reason, ("up", "down"), f"{place}.reason")
    name = _text(entry["name"], f"{place}.name")
    made = draft(
        str(entry["id"]),
        (name.zh, name.en),
        entry["family"],
        definition,
        unit=str(entry.get("unit", "number")),
        direction=direction,
        up=_pair(reason.get("up"), f"{place}.reason.up"),
        down=_pair(reason.get("down"), f"{place}.reason.down"),
        changeable=bool(entry.get("changeable", False)),
    )
    purpose = _text(entry["purpose"], f"{place}.purpose") if "purpose" in entry else PURPOSES[made.family]
    owner = str(entry.get("owner") or _owner(project, made) or next(iter(project.departments)))
    return replace(made, owner=owner, legal_basis=str(entry.get("legal_basis", basis)), purpose=purpose)


def _text(entry: Any, place: str) -> Text:
    if not isinstance(entry, Mapping) or set(entry) != {"zh", "en"}:
        raise ProjectError("indicator_words_incomplete", place=place)
    return Text(str(entry["zh"]), str(entry["en"]))


def _pair(entry: Any, place: str) -> tuple[str, str] | None:
    if entry is None:
        return None
    text = _text(entry, place)
    return text.zh, text.en


# --- the same declarations for every answer of a vocabulary -------------------------------------------------------


def _questions(
    project: Project, entry: Any, known: Mapping[str, Expression], basis: str, place: str
) -> list[Indicator]:
    """`{key}` and `{name}` in texts stand for the answer, `$series` in definitions for its series."""
    _only(entry, QUESTION, place)
    vocabulary = project.vocabularies.get(str(entry.get("vocabulary", "reading.answer")), {})
    for key in (*entry.get("only", []), *entry.get("except", [])):
        if key not in vocabulary:
            raise ProjectError("indicator_word_unknown", place=place, word=key, suggestion=_near(key, vocabulary))
    found = []
    for key, words in vocabulary.items():
        if key in entry.get("except", []) or key not in entry.get("only", vocabulary):
            continue
        here: dict[str, Expression] = {**known, "$series": _answer(entry, key, known)}
        for template in entry.get("declare", []):
            filled = {
                name: part if name == "definition" else _fill(part, key, words.zh, words.en)
                for name, part in template.items()
            }
            found.append(_declared(project, filled, here, basis, f"{place}.{key}"))
    return found


def _answer(entry: Mapping[str, Any], key: str, known: Mapping[str, Expression]) -> Expression:
    if "series" not in entry:
        return known[key]
    where = {
        column: key if value == "$key" else value for column, value in dict(entry["series"].get("where", {})).items()
    }
    return parse_series({key: {**entry["series"], "where": where}}, known)[key]


def _fill(part: Any, key: str, zh: str, en: str) -> Any:
    if isinstance(part, Mapping):
        return {name: _fill(inner, key, en if name == "en" else zh, en) for name, inner in part.items()}
    if isinstance(part, str):
        return part.replace("{key}", key).replace("{name}", zh)
    return part
