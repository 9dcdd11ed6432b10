"""Weeks, months, quarters and as-of days: the only date arithmetic.

A *period* is a whole week, month, quarter or year with an index on the number line, so that windows are integer
arithmetic. An *as-of day* is the last day of a period of the project's cadence: the ISO week's Sunday, or the last
day of the month or quarter (data contract, rule 1).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from features.errors import UsageError

Grain = Literal["week", "month", "quarter", "year"]
GRAINS: tuple[Grain, ...] = ("week", "month", "quarter", "year")
FOREVER = date(9999, 12, 31)
_MONDAY = date(1970, 1, 5)
_PERIOD = re.compile(r"(\d{4})(?:-(?:(?P<quarter>Q[1-4])|(?P<week>W\d{2})|(?P<month>\d{2})))?")


def period_index(grain: Grain, day: date) -> int:
    """Index of the period that holds `day`; neighbours differ by one.

    >>> period_index("quarter", date(2012, 12, 31)) - period_index("quarter", date(2012, 1, 1))
    3
    """
    if grain == "week":
        return (day - _MONDAY).days // 7
    if grain == "month":
        return day.year * 12 + day.month - 1
    if grain == "quarter":
        return day.year * 4 + (day.month - 1) // 3
    return day.year


def period_start(grain: Grain, index: int) -> date:
    """First day of a period.

    >>> period_start("month", period_index("month", date(2024, 2, 9)))
    datetime.date(2024, 2, 1)
    """
    if grain == "week":
        return _MONDAY + timedelta(days=7 * index)
    if grain == "month":
        return date(index // 12, index % 12 + 1, 1)
    if grain == "quarter":
        return date(index // 4, index % 4 * 3 + 1, 1)
    return date(index, 1, 1)


def period_end(grain: Grain, index: int) -> date:
    """Last day of a period.

    >>> period_end("quarter", period_index("quarter", date(2012, 11, 5)))
    datetime.date(2012, 12, 31)
    """
    return period_start(grain, index + 1) - timedelta(days=1)


@dataclass(frozen=True)
class Period:
    """A whole week, month, quarter or year."""

    grain: Grain
    index: int

    @property
    def start(self) -> date:
        """First day."""
        return period_start(self.grain, self.index)

    @property
    def end(self) -> date:
        """Last day."""
        return period_end(self.grain, self.index)

    def __str__(self) -> str:
        """As the data contract writes it (rule 8)."""
        if self.grain == "week":
            year, week, _ = self.start.isocalendar()
            return f"{year}-W{week:02d}"
        if self.grain == "month":
            return f"{self.start:%Y-%m}"
        if self.grain == "quarter":
            return f"{self.start.year}-Q{(self.start.month - 1) // 3 + 1}"
        return str(self.index)


def parse_period(text: str) -> Period:
    """Read `YYYY`, `YYYY-Qn`, `YYYY-MM` or `YYYY-Www`.

    >>> str(parse_period("2012-Q4")), parse_period("2026-W47").end
    ('2012-Q4', datetime.date(2026, 11, 22))
    """
    match = _PERIOD.fullmatch(text.strip())
    if not match:
        raise UsageError("period_unreadable", text=text)
    year = int(match[1])
    try:
        if match["quarter"]:
            return Period("quarter", year * 4 + int(match["quarter"][1]) - 1)
        if match["week"]:
            return Period("week", period_index("week", date.fromisocalendar(year, int(match["week"][1:]), 1)))
        if match["month"]:
            return Period("month", period_index("month", date(year, int(match["month"]), 1)))
        return Period("year", date(year, 1, 1).year)
    except ValueError as error:
        raise UsageError("period_unreadable", text=text) from error


@dataclass(frozen=True)
class Span:
    """A length of time in one unit, such as 13 weeks or 1 quarter."""

    count: int
    unit: Literal["day", "week", "month", "quarter", "year"]

    def after(self, day: date) -> date:
        """The day this long after `day`; the end of a period stays the end of a period.

        >>> Span(1, "quarter").after(date(2011, 12, 31)), Span(13, "week").after(date(2026, 11, 22))
        (datetime.date(2012, 3, 31), datetime.date(2027, 2, 21))
        """
        if self.unit == "day":
            return day + timedelta(days=self.count)
        if self.unit == "week":
            return day + timedelta(weeks=self.count)
        months = self.count * {"month": 1, "quarter": 3, "year": 12}[self.unit]
        index = period_index("month", day) + months
        last = period_end("month", index)
        if day == period_end("month", period_index("month", day)):
            return last
        return last.replace(day=min(day.day, last.day))

    def before(self, day: date) -> date:
        """The day this long before `day`.

        >>> Span(1, "quarter").before(date(2012, 3, 31))
        datetime.date(2011, 12, 31)
        """
        return Span(-self.count, self.unit).after(day)

    def __str__(self) -> str:
        """`13 weeks`, `1 quarter`."""
        return f"{self.count} {self.unit}{'' if self.count == 1 else 's'}"


def parse_span(text: str) -> Span:
    """Read `13 weeks`, `1 quarter`, `45 days`.

    >>> parse_span("13 weeks")
    Span(count=13, unit='week')
    """
    match = re.fullmatch(r"\s*(\d+)\s*(day|week|month|quarter|year)s?\s*", str(text))
    if not match:
        raise UsageError("span_unreadable", text=text)
    return Span(int(match[1]), match[2])  # type: ignore[arg-type]


def is_as_of_day(cadence: Grain, day: date) -> bool:
    """Whether `day` ends a period of the cadence."""
    return period_end(cadence, period_index(cadence, day)) == day


def as_of_days(cadence: Grain, first: date, last: date) -> list[date]:
    """All as-of days of the cadence from `first` to `last`, both counted.

    >>> as_of_days("quarter", date(2012, 1, 1), date(2012, 9, 30))[-1]
    datetime.date(2012, 9, 30)
    """
    return list(_days(cadence, first, last))


def _days(cadence: Grain, first: date, last: date) -> Iterator[date]:
    index = period_index(cadence, first)
    while (day := period_end(cadence, index)) <= last:
        if day >= first:
            yield day
        index += 1
