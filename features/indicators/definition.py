"""The words in which an indicator is defined: a small algebra of frozen records.

An expression lives on one of two levels. *Period level*: one value for a household in a period of the project's
grain (a `Series`, arithmetic of series, a rank among the peers of the same period); it is missing where none of the
series that it reads is reported. *Day level*: one value for a
household on an as-of day (a window over a period-level expression, counts of events, members, the local line, a rank
among the peers of that day). Windows are counted back from the feed's anchor, the newest complete period known on
that day, and never from the calendar: what is not yet reported is not zero.

Every record is interpreted three times: as an Ibis expression (`compilation.py`), as plain Python (the reference in
the tests), and as words for people (`explanation.py`). Its canonical form, which is also its YAML form, gives a hash
that a bundle keeps, so that a panel built from other definitions is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

Filter = tuple[tuple[str, tuple[str | int | float | bool, ...]], ...]
"""Columns and the values they may have, e.g. `(("source", ("total",)),)`."""


@dataclass(frozen=True)
class When:
    """A test of one value: all the parts that are named must hold. A missing value is neither true nor false."""

    at_most: float | None = None
    at_least: float | None = None
    below: float | None = None
    above: float | None = None
    equals: float | None = None
    any_of: tuple[float, ...] | None = None


class Expression:
    """Anything that has a value for a household; missing is a value of its own."""


# --- period level -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Series(Expression):
    """Records of a table brought to one value per household and period.

    Missing where no visible record of the period has the measure; a count of records is missing, not zero, where
    there is none: an absent row says nothing (data contract, rule 10).
    """

    id: str
    table: str
    measure: str | None = None
    where: Filter = ()
    aggregate: Literal["sum", "count", "minimum", "maximum", "mean", "last"] = "maximum"
    scale: float = 1.0
    zh: str = field(default="", compare=False)
    en: str = field(default="", compare=False)


@dataclass(frozen=True)
class Named(Expression):
    """A period-level expression under a name of its own."""

    id: str
    of: Expression
    zh: str = field(default="", compare=False)
    en: str = field(default="", compare=False)


@dataclass(frozen=True)
class Lag(Expression):
    """The series' value so many periods before the period, as known on the same day.

    Missing where the series itself is not reported in the period.
    """

    series: Expression
    periods: int = 1


# --- windows: from period level to day level ---------------------------------------------------------------------


@dataclass(frozen=True)
class Last(Expression):
    """The newest reported value in the window; missing where none is reported."""

    series: Expression
    within: int = 1
    skip: int = 0


@dataclass(frozen=True)
class At(Expression):
    """The value exactly so many periods before the anchor; missing where it is not reported."""

    series: Expression
    offset: int = 0


@dataclass(frozen=True)
class Previous(Expression):
    """The nth reported value before the newest reported one, both within the window."""

    series: Expression
    within: int
    nth: int = 1


@dataclass(frozen=True)
class Total(Expression):
    """Sum of the reported values; missing where fewer than `least` periods are reported."""

    series: Expression
    periods: int
    skip: int = 0
    least: int = 1


@dataclass(frozen=True)
class Mean(Expression):
    """Mean of the reported values; missing where fewer than `least` periods are reported."""

    series: Expression
    periods: int
    skip: int = 0
    least: int = 1


@dataclass(frozen=True)
class Minimum(Expression):
    """Smallest reported value; missing where fewer than `least` periods are reported."""

    series: Expression
    periods: int
    skip: int = 0
    least: int = 1


@dataclass(frozen=True)
class Maximum(Expression):
    """Largest reported value; missing where fewer than `least` periods are reported."""

    series: Expression
    periods: int
    skip: int = 0
    least: int = 1


@dataclass(frozen=True)
class Reported(Expression):
    """Number of reported periods; zero where none is, never missing."""

    series: Expression
    periods: int
    skip: int = 0


@dataclass(frozen=True)
class Count(Expression):
    """Number of reported periods in which the condition holds; missing where none is reported."""

    series: Expression
    when: When
    periods: int
    skip: int = 0
    least: int = 1


@dataclass(frozen=True)
class Share(Expression):
    """Share of the reported periods in which the condition holds; missing where none is reported."""

    series: Expression
    when: When
    periods: int
    skip: int = 0
    least: int = 1


@dataclass(frozen=True)
class Since(Expression):
    """Periods since the condition last held (0: in the anchor period).

    Without a condition: since the newest reported value. The window's length where it held in no reported period;
    missing where no period of the window is reported.
    """

    series: Expression
    periods: int
    when: When | None = None


@dataclass(frozen=True)
class Late(Expression):
    """Periods by which the newest reported value is behind what its feed should have delivered by the day.

    0 where it is up to date; the window's length where nothing was reported in it. Never missing.
    """

    series: Expression
    periods: int = 12


@dataclass(frozen=True)
class Slope(Expression):
    """Least-squares change per period of the reported values; missing below `least` (2 or more) reported periods."""

    series: Expression
    periods: int
    least: int = 2


@dataclass(frozen=True)
class Volatility(Expression):
    """Standard deviation of the reported values, by default as a share of their mean's size.

    Missing below `least` reported periods and, where relative, where the mean is zero.
    """

    series: Expression
    periods: int
    least: int = 2
    relative: bool = True


@dataclass(frozen=True)
class ToUsual(Expression):
    """The mean of the `recent` periods against the household's own usual: the mean of the `prior` periods before.

    Missing where either part has fewer than `least` reported periods, or the ratio has no meaning.
    """

    series: Expression
    recent: int = 1
    prior: int = 4
    how: Literal["ratio", "difference", "log_ratio"] = "ratio"
    least: int = 1


# --- arithmetic, on either level ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Constant(Expression):
    """A number."""

    value: float


@dataclass(frozen=True)
class Sum(Expression):
    """Sum of the terms. `least` says how many terms must be there; by default all, else missing."""

    terms: tuple[Expression, ...]
    least: int | None = None


@dataclass(frozen=True)
class Product(Expression):
    """Product of the terms; missing where one is missing."""

    terms: tuple[Expression, ...]


@dataclass(frozen=True)
class Difference(Expression):
    """The first less the second; missing where one is missing."""

    of: Expression
    less: Expression


@dataclass(frozen=True)
class Ratio(Expression):
    """The first over the second; missing where one is missing or the second is zero."""

    of: Expression
    to: Expression


@dataclass(frozen=True)
class LogRatio(Expression):
    """Natural logarithm of the ratio; missing where one is missing or not above zero."""

    of: Expression
    to: Expression


@dataclass(frozen=True)
class Log(Expression):
    """Natural logarithm; missing at zero and below."""

    of: Expression


@dataclass(frozen=True)
class Root(Expression):
    """Square root; missing below zero."""

    of: Expression


@dataclass(frozen=True)
class Absolute(Expression):
    """The size without the sign."""

    of: Expression


@dataclass(frozen=True)
class Lowest(Expression):
    """Smallest of the terms; missing where one is missing."""

    terms: tuple[Expression, ...]


@dataclass(frozen=True)
class Highest(Expression):
    """Largest of the terms; missing where one is missing."""

    terms: tuple[Expression, ...]


@dataclass(frozen=True)
class FirstOf(Expression):
    """The first term that is not missing."""

    terms: tuple[Expression, ...]


@dataclass(frozen=True)
class Test(Expression):
    """1 where the condition holds, 0 where it does not, missing where the value is missing."""

    of: Expression
    when: When


@dataclass(frozen=True)
class Where(Expression):
    """`then` where the test is 1, `otherwise` where it is 0, missing where the test is missing."""

    test: Expression
    then: Expression
    otherwise: Expression | None = None


@dataclass(frozen=True)
class IsMissing(Expression):
    """1 where the value is missing, else 0."""

    of: Expression


# --- the household, its members and events, day level -------------------------------------------------------------


@dataclass(frozen=True)
class Attribute(Expression):
    """An attribute of the household as known on the day: `weight`, or a column of `household`.

    In `by` a text stands for itself (`area`, `area:county`, `residence`). As a value it needs `equals`: 1 where the
    attribute is one of these, else 0; missing where it is not known.
    """

    name: str
    equals: tuple[str, ...] = ()


@dataclass(frozen=True)
class Members(Expression):
    """Number of members known and present on the day who fit; missing where no member of the household is known.

    Ages are whole years from `birth_month` on the day; a member of unknown age does not fit an age limit. `days_ago`:
    those who were members so many days before, as it is known on the day. `elsewhere`: only those who are members of
    another household as well, on the day.
    """

    where: Filter = ()
    younger_than: int | None = None
    at_least: int | None = None
    days_ago: int = 0
    elsewhere: bool = False


@dataclass(frozen=True)
class Events(Expression):
    """Dated records in the `days` days up to the as-of day (and `ahead` days after it, where announced).

    count and any: zero where none is known. total, largest, latest, since (days since the newest one): missing
    where there is none. `except_months`: records of these months of the year are passed over, what is usual in its
    season. `through`: a column that the table shares with the household's readings of those days, such as
    `employer_id`; the records are those of the household's employers.
    """

    table: str
    days: int
    where: Filter = ()
    ahead: int = 0
    what: Literal["count", "any", "total", "largest", "latest", "since"] = "count"
    measure: str | None = None
    date: str = "event_date"
    scale: float = 1.0
    except_months: tuple[int, ...] = ()
    through: str | None = None


@dataclass(frozen=True)
class Holding(Expression):
    """Records that are valid on the day (`start` ≤ day, before `end`).

    count and any: zero where none. held and left (days since the newest start, days to the nearest end), longest (days
    since the oldest start), latest (the measure of the newest): missing where there is none. ended: days since the
    newest end at or before the day.
    """

    table: str
    where: Filter = ()
    what: Literal["count", "any", "held", "left", "latest", "ended", "longest"] = "any"
    measure: str | None = None
    start: str = "valid_from"
    end: str = "valid_to"
    scale: float = 1.0


@dataclass(frozen=True)
class Line(Expression):
    """A column of the assistance line in force on the day where the household lives.

    The nearest area above the household's that has a line answers; missing where none has one.
    """

    column: str = "dibao_yuan_month"
    scale: float = 1.0


@dataclass(frozen=True)
class Schedule(Expression):
    """A dated amount in force on the day (a school fee, an entitlement), by kind, stage and area.

    The nearest area above the household's that has such entries answers. Or of their dates: next (days to the first
    one on or after the day, at most `ahead`) and since (days since the last one before it, fewer than `days`), missing
    where there is none; count: how many lie in the `days` days up to the day and `ahead` days after it.
    """

    kind: str
    stage: str | None = None
    scale: float = 1.0
    what: Literal["amount", "next", "since", "count"] = "amount"
    days: int = 366
    ahead: int = 366


@dataclass(frozen=True)
class AreaReading(Expression):
    """The newest value of a reading of the household's area (or the nearest above) whose period has ended."""

    kind: str
    within: int = 12


@dataclass(frozen=True)
class Season(Expression):
    """Where in the year the as-of day lies: sine and cosine of the day of the year, or the number of month, quarter.

    spring_festival: weeks since the nearest first day of the lunar year, below zero before it. days: the
    number of the day (1 is 0001-01-01), for what holds from a day on.
    """

    which: Literal["sine", "cosine", "month", "quarter", "spring_festival", "days"] = "sine"


@dataclass(frozen=True)
class Given(Expression):
    """What the project says under this name, in generic definitions; the registry puts it in place.

    `table` is the table that it will read, where it reads one. Project files write the name alone, and no `given`.
    """

    name: str
    table: str = ""


@dataclass(frozen=True)
class FeedState(Expression):
    """State of a feed in the household's area on the day: 0 current, 1 late, 2 absent."""

    feed: str


@dataclass(frozen=True)
class ToLine(Expression):
    """A value against the local line: below 1 is below the line. Missing where there is no line or the line is 0."""

    of: Expression
    line: Expression = Line()


# --- peers, on either level ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Rank(Expression):
    """Place among peers from 0 (lowest) to 1 (highest): the share below, and half of those equal.

    Peers are the households that have a value, in the same period (period level) or on the same day (day level),
    and that agree in all of `by`. Missing where the value is missing.
    """

    of: Expression
    by: tuple[Expression, ...] = ()


@dataclass(frozen=True)
class PeerMean(Expression):
    """Mean of the peers that have a value; of a condition, this is its rate.

    `leave_out`: without the household itself. `periods` (period level): pooled over so many periods up to this one.
    `smooth`: drawn to the mean of all peers as if so many further households had it. Missing below `least` peers.
    """

    of: Expression
    by: tuple[Expression, ...] = ()
    leave_out: bool = False
    periods: int = 1
    smooth: float = 0.0
    least: int = 1


@dataclass(frozen=True)
class PeerQuantile(Expression):
    """Quantile of the peers that have a value (linear between neighbours). Missing below `least` peers."""

    of: Expression
    q: float = 0.5
    by: tuple[Expression, ...] = ()
    least: int = 1


@dataclass(frozen=True)
class PeerMaximum(Expression):
    """Largest value of the peers that have one: with `where`, the upper edge of a class, such as a decile."""

    of: Expression
    by: tuple[Expression, ...] = ()


@dataclass(frozen=True)
class PeerMinimum(Expression):
    """Smallest value of the peers that have one."""

    of: Expression
    by: tuple[Expression, ...] = ()


WINDOWS = (
    Last,
    At,
    Previous,
    Total,
    Mean,
    Minimum,
    Maximum,
    Reported,
    Count,
    Share,
    Since,
    Late,
    Slope,
    Volatility,
    ToUsual,
)
PEERS = (Rank, PeerMean, PeerQuantile, PeerMaximum, PeerMinimum)
HOUSEHOLD = (Members, Events, Holding, Line, Schedule, AreaReading, Season, FeedState)
ARITHMETIC = (
    Constant,
    Sum,
    Product,
    Difference,
    Ratio,
    LogRatio,
    Log,
    Root,
    Absolute,
    Lowest,
    Highest,
    FirstOf,
    Test,
    Where,
    IsMissing,
    ToLine,
)
KINDS: dict[str, type[Expression]] = {
    re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower(): kind
    for kind in (Series, Named, Lag, Attribute, *WINDOWS, *ARITHMETIC, *HOUSEHOLD, *PEERS)
}
NAMES: dict[type[Expression], str] = {**{kind: name for name, kind in KINDS.items()}, Given: "given"}
