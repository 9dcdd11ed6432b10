"""What the numbers of faults are: how often what departments send is late, wrong, repeated or unreadable."""

from __future__ import annotations

from features.strict import Sourced, Strict


class Outages(Sourced):
    """Share of the months of a county's feed that were missed and sent later in one go, by feed.

    Attributes:
        days_after: days of the next month until it is sent.
        longest: months that may be missed in a row.
    """

    shares: dict[str, float]
    days_after: int
    longest: int


class Provisional(Sourced):
    """Share of rows whose amount was first provisional, the spread of its logarithm, and months until settled."""

    share: float
    spread: float
    months: tuple[int, int]


class Units(Sourced):
    """Share of a county's months in which amounts are so many times too large, by feed; how often it is corrected."""

    shares: dict[str, float]
    factor: int
    corrected: float
    after_days: int


class Repeats(Sourced):
    """Share of the rows of these feeds that are sent twice."""

    share: float
    feeds: list[str]


class Unreadable(Sourced):
    """Share of rows in which a column holds this instead, by feed and column."""

    share: float
    columns: dict[str, dict[str, str]]


class NewCodes(Sourced):
    """A department's new code list: the codes by the old ones, used for what it enters from `since` on."""

    feed: str
    column: str
    codes: dict[str, str]


class Listed(Sourced):
    """Share of members whom another household of the county lists as well."""

    share: float


class Moves(Sourced):
    """Monthly share of households that move within their county, and months until the register knows."""

    share: float
    lag: tuple[float, ...]


class Silent(Sourced):
    """Counties that send no settlements, and that send no power data, by code."""

    medical: list[str]
    power: list[str]


class Faults(Strict):
    """What goes wrong."""

    outages: Outages
    provisional: Provisional
    provisional_losses: Provisional
    units: Units
    repeats: Repeats
    unreadable: Unreadable
    new_codes: NewCodes
    listed_twice: Listed
    moves: Moves
    silent: Silent
