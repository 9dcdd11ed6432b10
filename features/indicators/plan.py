"""What a set of definitions needs, in the order in which it can be computed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from features.indicators import definition as d
from features.indicators.definition import HOUSEHOLD, PEERS, WINDOWS, Attribute, Expression, Lag, Series
from features.indicators.structure import level, parts, plain, reach, rebuild, walk

LATE_AFTER = 12
"""A feed that has brought nothing for so many periods is absent, not late."""
ABSENT = 2.0


@dataclass(frozen=True)
class Plan:
    """Needs of a set of definitions.

    Attributes:
        definitions: without names, feed states spelt out.
        series: plain series in order of first use.
        lags: series asked for at earlier periods.
        period_peers, day_peers: peers in rounds; a round needs only the rounds before it.
        windows: windows in order of first use.
        household: members, events, holdings, lines and the like.
        attributes: names of attributes; `period_attributes` those that peers of a period need.
        reach: periods from the anchor back to the furthest value of a window.
    """

    definitions: tuple[Expression, ...]
    series: tuple[Series, ...]
    lags: tuple[Lag, ...]
    period_peers: tuple[tuple[Expression, ...], ...]
    windows: tuple[Expression, ...]
    household: tuple[Expression, ...]
    day_peers: tuple[tuple[Expression, ...], ...]
    attributes: tuple[str, ...]
    period_attributes: tuple[str, ...]
    reach: int

    @property
    def windowed(self) -> tuple[Expression, ...]:
        """Period-level expressions that windows look at, in order."""
        return unique(node.series for node in self.windows)  # type: ignore[attr-defined]

    @property
    def pooled(self) -> int:
        """Periods over which peers of a period are pooled, at most."""
        return max((getattr(node, "periods", 1) for rounds in self.period_peers for node in rounds), default=1)


def unique(items: Iterable[Expression]) -> tuple[Expression, ...]:
    """Without repetition, in order of first appearance."""
    return tuple(dict.fromkeys(items))


def plan(
    definitions: Sequence[Expression],
    presence: Mapping[str, Series] | None = None,
    silences: Mapping[str, Expression] | None = None,
) -> Plan:
    """The needs of `definitions`.

    Args:
        definitions: what is asked for.
        presence: a series of each feed that tells whether it reported.
        silences: of feeds that do not come from everywhere, a test of the households from whose area they do not.
    """
    spelt = tuple(_spell(plain(one), presence or {}, silences or {}) for one in definitions)
    nodes = unique(node for one in spelt for node in walk(one))
    windows = tuple(node for node in nodes if isinstance(node, WINDOWS))
    period = unique(node for window in windows for node in walk(window.series))
    day_peers = tuple(node for node in nodes if isinstance(node, PEERS) and node not in period)
    period_peers = tuple(node for node in period if isinstance(node, PEERS))
    return Plan(
        definitions=spelt,
        series=tuple(node for node in nodes if isinstance(node, Series)),
        lags=tuple(node for node in nodes if isinstance(node, Lag)),
        period_peers=_rounds(period_peers),
        windows=windows,
        household=tuple(node for node in nodes if isinstance(node, HOUSEHOLD)),
        day_peers=_rounds(day_peers),
        attributes=tuple(dict.fromkeys(node.name for node in nodes if isinstance(node, Attribute))),
        period_attributes=tuple(dict.fromkeys(node.name for node in period if isinstance(node, Attribute))),
        reach=max((reach(node) for node in windows), default=1),
    )


def _rounds(peers: Sequence[Expression]) -> tuple[tuple[Expression, ...], ...]:
    """Peers by how many peers stand within them."""
    found: dict[int, list[Expression]] = {}
    for node in peers:
        found.setdefault(_depth(node, level(node)), []).append(node)
    return tuple(tuple(found[depth]) for depth in sorted(found))


def _depth(node: Expression, of: str) -> int:
    inner = [_depth(part, of) for part in _parts_of_level(node, of)]
    return max(inner, default=0) + (1 if isinstance(node, PEERS) and level(node) == of else 0)


def _parts_of_level(node: Expression, of: str) -> list[Expression]:
    return [part for part in parts(node) if level(part) == of]


def _spell(expression: Expression, presence: Mapping[str, Series], silences: Mapping[str, Expression]) -> Expression:
    """Feed states as what they are: how far the feed's newest period in the household's area is behind."""
    if isinstance(expression, d.FeedState):
        behind = d.PeerMinimum(d.Late(presence[expression.feed], LATE_AFTER), (Attribute("area:visits"),))
        absent = d.Test(behind, d.When(at_least=LATE_AFTER))
        state = d.Sum((d.Test(behind, d.When(above=0)), absent))
        silent = silences.get(expression.feed)
        return state if silent is None else d.Where(silent, d.Constant(ABSENT), state)
    return rebuild(expression, lambda part: _spell(part, presence, silences))


def column_names(plan: Plan) -> dict[Expression, str]:
    """Names of the columns of cells: series, then lags."""
    names: dict[Expression, str] = {series: f"s{ix}" for ix, series in enumerate(plan.series)}
    return {**names, **{lag: f"l{ix}" for ix, lag in enumerate(plan.lags)}}
