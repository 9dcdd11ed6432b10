"""What holds of every definition: its parts, its level, its canonical form and hash."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import MISSING, Field, fields
from typing import Any, Literal

from features.indicators.definition import (
    HOUSEHOLD,
    NAMES,
    WINDOWS,
    At,
    Constant,
    Expression,
    Lag,
    Named,
    PeerMean,
    Series,
    ToUsual,
    When,
)

Level = Literal["period", "day", "any"]


def parts(expression: Expression) -> tuple[Expression, ...]:
    """The expressions directly inside one, in order."""
    found: list[Expression] = []
    for item in fields(expression):  # type: ignore[arg-type]  # every expression is a dataclass
        value = getattr(expression, item.name)
        inner = value if isinstance(value, tuple) else (value,)
        found += [part for part in inner if isinstance(part, Expression)]
    return tuple(found)


def walk(expression: Expression) -> Iterator[Expression]:
    """The expression and all within it, the inner ones first; one that stands twice comes twice."""
    for part in parts(expression):
        yield from walk(part)
    yield expression


@functools.cache
def level(expression: Expression) -> Level:
    """Period level, day level, or any (constants and attributes).

    >>> from features.indicators.definition import Constant, Last, Ratio, Series
    >>> income = Series("income", "income", "amount")
    >>> level(Ratio(income, Constant(2.0))), level(Last(income))
    ('period', 'day')
    """
    if isinstance(expression, Series | Lag):
        return "period"
    if isinstance(expression, (*WINDOWS, *HOUSEHOLD)):
        return "day"
    found = {level(part) for part in parts(expression)} - {"any"}
    if len(found) > 1:
        raise ValueError(f"{NAMES[type(expression)]} mixes values of a period with values of a day")
    return found.pop() if found else "any"


def check(expression: Expression) -> None:
    """Whether the levels fit and every window is sensible.

    Raises:
        ValueError: what does not fit, in words of the language.
    """
    for node in walk(expression):
        name = NAMES[type(node)]
        if isinstance(node, WINDOWS) and level(node.series) != "period":
            raise ValueError(f"{name} needs a series, and got a value of a day")
        if isinstance(node, Lag) and not isinstance(_unnamed(node.series), Series):
            raise ValueError("lag needs a plain series: put it inside the arithmetic")  # noqa: TRY004 -- for people
        for bound in ("periods", "within", "recent", "prior", "nth", "days", "ahead", "days_ago", "least"):
            size = getattr(node, bound, None)
            lowest = 0 if bound in ("days", "ahead", "days_ago") else 1
            if size is not None and size < lowest:
                raise ValueError(f"{name}.{bound} must be at least {lowest}, not {size}")
        if isinstance(node, PeerMean) and node.periods > 1 and level(node) != "period":
            raise ValueError("peer_mean over several periods needs a series")
        if isinstance(node, PeerMean) and node.periods > 1 and node.leave_out:
            raise ValueError("peer_mean over several periods cannot leave the household out")
        level(node)


def _unnamed(expression: Expression) -> Expression:
    return _unnamed(expression.of) if isinstance(expression, Named) else expression


def rebuild(expression: Expression, change: Callable[[Expression], Expression]) -> Expression:
    """The expression with each direct part changed."""
    changes: dict[str, Any] = {}
    for item in fields(expression):  # type: ignore[arg-type]
        value = getattr(expression, item.name)
        if isinstance(value, Expression):
            value = change(value)
        elif isinstance(value, tuple):
            value = tuple(change(part) if isinstance(part, Expression) else part for part in value)
        changes[item.name] = value
    return type(expression)(**changes)


def plain(expression: Expression) -> Expression:
    """The expression without names of derived series: two that are computed alike become equal."""
    if isinstance(expression, Named):
        return plain(expression.of)
    return rebuild(expression, plain)


def canonical(expression: Expression) -> Any:
    """The expression in the words of YAML; parsing it again gives an equal expression.

    >>> from features.indicators.definition import Last, Series
    >>> canonical(Last(Series("income", "income", "amount"), within=2))
    {'last': {'series': {'series': {'id': 'income', 'table': 'income', 'measure': 'amount'}}, 'within': 2}}
    """
    if isinstance(expression, Constant):
        return expression.value
    inner = {
        item.name: _canonical_value(getattr(expression, item.name))
        for item in fields(expression)  # type: ignore[arg-type]
        if item.compare and getattr(expression, item.name) != _default(item)
    }
    return {NAMES[type(expression)]: inner}


def _default(item: Field[Any]) -> Any:
    return None if item.default is MISSING else item.default


def _canonical_value(value: Any) -> Any:
    if isinstance(value, Expression):
        return canonical(value)
    if isinstance(value, When):
        return {
            f.name: _canonical_value(getattr(value, f.name))
            for f in fields(value)
            if getattr(value, f.name) is not None
        }
    if isinstance(value, tuple):
        if value and all(isinstance(part, tuple) and len(part) == 2 and isinstance(part[1], tuple) for part in value):
            return {column: list(values) for column, values in value}
        return [_canonical_value(part) for part in value]
    return value


def definition_hash(expression: Expression) -> str:
    """SHA-256 of the canonical form without names: equal exactly where the same thing is computed."""
    text = json.dumps(canonical(plain(expression)), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def reach(node: Expression) -> int:
    """Periods that one window covers, from the anchor back; 0 for what is no window."""
    if isinstance(node, ToUsual):
        return node.recent + node.prior
    if isinstance(node, At):
        return node.offset + 1
    if isinstance(node, WINDOWS):
        return int(getattr(node, "periods", getattr(node, "within", 1))) + int(getattr(node, "skip", 0))
    return 0
