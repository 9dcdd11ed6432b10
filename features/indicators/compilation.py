"""The language as Ibis expressions: arithmetic on columns, and windows as aggregates of one GROUP BY pass.

Sums run over decimals: floating sums depend on the order of the rows, and a panel must not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any

import ibis

from features.indicators import definition as d
from features.indicators.definition import Expression, When

EXACT = "decimal(38, 9)"
Columns = Mapping[Expression, Any]


def value(expression: Expression, columns: Columns) -> Any:
    """The expression as an Ibis value; `columns` holds what has been computed already."""
    if expression in columns:
        return columns[expression]
    if isinstance(expression, d.Named):
        return value(expression.of, columns)
    kind = type(expression)
    if kind not in _ARITHMETIC:
        raise KeyError(f"{d.NAMES[kind]} has not been computed before it is used")
    return _ARITHMETIC[kind](expression, columns)


def condition(tested: Any, when: When) -> Any:
    """Whether the condition holds; missing where the value is missing."""
    found = []
    if when.at_most is not None:
        found.append(tested <= when.at_most)
    if when.at_least is not None:
        found.append(tested >= when.at_least)
    if when.below is not None:
        found.append(tested < when.below)
    if when.above is not None:
        found.append(tested > when.above)
    if when.equals is not None:
        found.append(tested == when.equals)
    if when.any_of is not None:
        found.append(tested.isin(when.any_of))
    return reduce(lambda a, b: a & b, found) if found else tested.notnull()


def number(flag: Any) -> Any:
    """A boolean as 1 and 0."""
    return flag.ifelse(1.0, 0.0)


def missing() -> Any:
    """A missing number."""
    return ibis.null("float64")


def chosen_where(holds: Any, x: Any) -> Any:
    """A column where `holds`, else missing: an aggregate of it takes half the time of an aggregate with a filter."""
    return ibis.ifelse(holds, x, ibis.null(str(x.type())))


def guarded(holds: Any, result: Any) -> Any:
    """The result where `holds`, else missing."""
    return ibis.ifelse(holds, result, missing())


def _sum(e: d.Sum, columns: Columns) -> Any:
    terms = [value(term, columns) for term in e.terms]
    if e.least is None:
        return reduce(lambda a, b: a + b, terms)
    there = reduce(lambda a, b: a + b, [term.notnull().cast("int8") for term in terms])
    return guarded(there >= e.least, reduce(lambda a, b: a + b, [ibis.coalesce(term, 0.0) for term in terms]))


def _ratio(top: Any, bottom: Any) -> Any:
    return guarded(bottom != 0, top / bottom)


def _log_ratio(e: d.LogRatio, columns: Columns) -> Any:
    top, bottom = value(e.of, columns), value(e.to, columns)
    return guarded((top > 0) & (bottom > 0), (top / bottom).ln())


def _log(e: d.Log, columns: Columns) -> Any:
    of = value(e.of, columns)
    return guarded(of > 0, of.ln())


def _root(e: d.Root, columns: Columns) -> Any:
    of = value(e.of, columns)
    return guarded(of >= 0, of.sqrt())


def _extreme(e: d.Lowest | d.Highest, columns: Columns) -> Any:
    terms = [value(term, columns) for term in e.terms]
    there = reduce(lambda a, b: a & b, [term.notnull() for term in terms])
    return guarded(there, ibis.least(*terms) if isinstance(e, d.Lowest) else ibis.greatest(*terms))


def _test(e: d.Test, columns: Columns) -> Any:
    of = value(e.of, columns)
    return guarded(of.notnull(), number(condition(of, e.when)))


def _where(e: d.Where, columns: Columns) -> Any:
    test = value(e.test, columns)
    otherwise = value(e.otherwise, columns) if e.otherwise is not None else missing()
    return ibis.cases((test == 1, value(e.then, columns)), (test == 0, otherwise), else_=missing())


_ARITHMETIC: dict[type[Expression], Callable[[Any, Columns], Any]] = {
    d.Constant: lambda e, _: ibis.literal(e.value, "float64"),
    d.Sum: _sum,
    d.Product: lambda e, c: reduce(lambda a, b: a * b, [value(term, c) for term in e.terms]),
    d.Difference: lambda e, c: value(e.of, c) - value(e.less, c),
    d.Ratio: lambda e, c: _ratio(value(e.of, c), value(e.to, c)),
    d.ToLine: lambda e, c: _ratio(value(e.of, c), value(e.line, c)),
    d.LogRatio: _log_ratio,
    d.Log: _log,
    d.Root: _root,
    d.Absolute: lambda e, c: value(e.of, c).abs(),
    d.Lowest: _extreme,
    d.Highest: _extreme,
    d.FirstOf: lambda e, c: ibis.coalesce(*[value(term, c) for term in e.terms]),
    d.Test: _test,
    d.Where: _where,
    d.IsMissing: lambda e, c: number(value(e.of, c).isnull()),
}


class Windows:
    """Windows over period-level columns: aggregates of a GROUP BY household and day, then a projection of them.

    `offset(series)` tells how many periods a row lies before the anchor of what the series reads, `overdue(series)`
    how many before the period that should have been delivered by the day.
    """

    def __init__(
        self, offset: Callable[[Expression], Any], overdue: Callable[[Expression], Any], columns: Columns
    ) -> None:
        self.aggregates: dict[str, Any] = {}
        self._offset = offset
        self._overdue = overdue
        self._columns = columns
        self._names: dict[Any, str] = {}

    def _aggregate(self, key: Any, make: Callable[[], Any]) -> str:
        if key not in self._names:
            self._names[key] = f"w{len(self._names)}"
            self.aggregates[self._names[key]] = make()
        return self._names[key]

    def _inside(self, series: Expression, first: int, after: int) -> Any:
        offset = self._offset(series)
        return (offset >= first) & (offset < after)

    def at(self, series: Expression, offset: int) -> str:
        """The value at one offset."""
        x = self._columns[series]
        return self._aggregate(("at", series, offset), lambda: chosen_where(self._offset(series) == offset, x).max())

    def newest(self, series: Expression, first: int, after: int) -> str:
        """The reported value of the lowest offset; a household has one row for each."""
        x, offset = self._columns[series], self._offset(series)
        there = self._inside(series, first, after) & x.notnull()
        # rows outside have neither value nor offset, so that they come last and say nothing
        return self._aggregate(
            ("last", series, first, after), lambda: chosen_where(there, x).argmin(chosen_where(there, offset))
        )

    def reported(self, series: Expression, first: int, after: int) -> str:
        """Number of reported periods from offset `first` to before `after`."""
        x = self._columns[series]
        return self._aggregate(
            ("n", series, first, after), lambda: chosen_where(self._inside(series, first, after), x).count()
        )

    def statistic(self, how: str, series: Expression, first: int, after: int, when: When | None = None) -> str:
        """Sum, sum of squares, sum with offset, extreme, or number of periods where a condition holds."""
        x, offset, inside = self._columns[series], self._offset(series), self._inside(series, first, after)
        there = inside & x.notnull()
        holds = inside & condition(x, when or When())
        makers: dict[str, Callable[[], Any]] = {
            "sum": lambda: chosen_where(inside, x.cast(EXACT)).sum().cast("float64"),
            "square": lambda: chosen_where(inside, (x * x).cast(EXACT)).sum().cast("float64"),
            "cross": lambda: chosen_where(inside, (x * offset).cast(EXACT)).sum().cast("float64"),
            "offset": lambda: chosen_where(there, offset).sum().cast("float64"),
            "offset_square": lambda: chosen_where(there, offset * offset).sum().cast("float64"),
            "min": lambda: chosen_where(inside, x).min(),
            "max": lambda: chosen_where(inside, x).max(),
            "holds": lambda: chosen_where(holds, x).count(),
            "newest": lambda: chosen_where(holds, offset).min(),
        }
        return self._aggregate((how, series, first, after, when), makers[how])

    def behind(self, series: Expression) -> str:
        """Periods from what should have been delivered back to the newest reported value."""
        x, overdue = self._columns[series], self._overdue(series)
        return self._aggregate(("behind", series), lambda: chosen_where(x.notnull(), overdue).min())

    def finish(self, node: Expression) -> Callable[[Any], Any]:
        """Asks for the aggregates of a window and returns how they become its value."""
        return _WINDOWS[type(node)](node, self)


def _chosen(names: list[str], nth: int) -> Callable[[Any], Any]:
    """The nth (from 0) value that is not missing, in the order of the names."""

    def pick(row: Any) -> Any:
        values = [row[name] for name in names]
        if nth == 0:
            return ibis.coalesce(*values)
        there = ibis.literal(0, "int16")
        cases = []
        for one in values:
            cases.append((one.notnull() & (there == nth), one))
            there = there + one.notnull().cast("int16")
        return ibis.cases(*cases, else_=missing())

    return pick


def _last(n: d.Last, w: Windows) -> Callable[[Any], Any]:
    name = w.at(n.series, n.skip) if n.within == 1 else w.newest(n.series, n.skip, n.skip + n.within)
    return lambda row: row[name]


def _previous(n: d.Previous, w: Windows) -> Callable[[Any], Any]:
    return _chosen([w.at(n.series, k) for k in range(n.within)], n.nth)


def _enough(n: Any, w: Windows, how: str, when: When | None = None) -> Callable[[Any], Any]:
    first, after = getattr(n, "skip", 0), getattr(n, "skip", 0) + n.periods
    count, found = w.reported(n.series, first, after), w.statistic(how, n.series, first, after, when)
    return lambda row: guarded(row[count] >= n.least, row[found].cast("float64"))


def _mean(n: d.Mean | d.Share, w: Windows) -> Callable[[Any], Any]:
    how, when = ("sum", None) if isinstance(n, d.Mean) else ("holds", n.when)
    total, count = _enough(n, w, how, when), w.reported(n.series, n.skip, n.skip + n.periods)
    return lambda row: total(row) / row[count]


def _reported(n: d.Reported, w: Windows) -> Callable[[Any], Any]:
    count = w.reported(n.series, n.skip, n.skip + n.periods)
    return lambda row: ibis.coalesce(row[count], 0).cast("float64")


def _since(n: d.Since, w: Windows) -> Callable[[Any], Any]:
    count = w.reported(n.series, 0, n.periods)
    newest = w.statistic("newest", n.series, 0, n.periods, n.when)
    return lambda row: guarded(row[count] > 0, ibis.coalesce(row[newest], n.periods).cast("float64"))


def _late(n: d.Late, w: Windows) -> Callable[[Any], Any]:
    name = w.behind(n.series)

    def finish(row: Any) -> Any:
        behind = ibis.coalesce(row[name], n.periods)
        return ibis.greatest(ibis.least(behind, n.periods), 0).cast("float64")

    return finish


def _slope(n: d.Slope, w: Windows) -> Callable[[Any], Any]:
    names = {how: w.statistic(how, n.series, 0, n.periods) for how in ("sum", "cross", "offset", "offset_square")}
    count = w.reported(n.series, 0, n.periods)

    def finish(row: Any) -> Any:
        size = row[count].cast("float64")
        x, cross, o, oo = (row[names[how]] for how in ("sum", "cross", "offset", "offset_square"))
        spread = size * oo - o * o
        return guarded((size >= max(n.least, 2)) & (spread > 0), (o * x - size * cross) / spread)

    return finish


def _volatility(n: d.Volatility, w: Windows) -> Callable[[Any], Any]:
    count = w.reported(n.series, 0, n.periods)
    total, square = (w.statistic(how, n.series, 0, n.periods) for how in ("sum", "square"))

    def finish(row: Any) -> Any:
        size = row[count].cast("float64")
        mean = row[total] / size
        deviation = ibis.greatest(row[square] / size - mean * mean, 0.0).sqrt()
        enough = row[count] >= n.least
        return guarded(enough & (mean != 0), deviation / mean.abs()) if n.relative else guarded(enough, deviation)

    return finish


def _to_usual(n: d.ToUsual, w: Windows) -> Callable[[Any], Any]:
    recent = _mean(d.Mean(n.series, n.recent, 0, n.least), w)
    prior = _mean(d.Mean(n.series, n.prior, n.recent, n.least), w)

    def finish(row: Any) -> Any:
        now, usual = recent(row), prior(row)
        if n.how == "difference":
            return now - usual
        if n.how == "ratio":
            return _ratio(now, usual)
        return guarded((now > 0) & (usual > 0), (now / usual).ln())

    return finish


def _at(n: d.At, w: Windows) -> Callable[[Any], Any]:
    name = w.at(n.series, n.offset)
    return lambda row: row[name]


_WINDOWS: dict[type[Expression], Callable[[Any, Windows], Callable[[Any], Any]]] = {
    d.Last: _last,
    d.At: _at,
    d.Previous: _previous,
    d.Total: lambda n, w: _enough(n, w, "sum"),
    d.Mean: _mean,
    d.Minimum: lambda n, w: _enough(n, w, "min"),
    d.Maximum: lambda n, w: _enough(n, w, "max"),
    d.Reported: _reported,
    d.Count: lambda n, w: _enough(n, w, "holds", n.when),
    d.Share: _mean,
    d.Since: _since,
    d.Late: _late,
    d.Slope: _slope,
    d.Volatility: _volatility,
    d.ToUsual: _to_usual,
}
