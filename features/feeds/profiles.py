"""A feed profile: how one department's columns, codes, units and dates become canonical records.

A profile is declarative and stands in the project file. In order: `columns` gives each source column a type, its
codes for "no answer", its unit and limits; `derive` makes further columns from them; `identifiers` turns identity
columns into pseudonyms; `key` names what identifies a row; `knowledge` says when the administration knew; `records`
says which canonical records one row becomes. All records of a row stand or fall together.
"""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import Field, field_validator, model_validator

from features.strict import Sourced, Strict, Words

Scalar = str | int | float | bool
ColumnType = Literal["text", "integer", "number", "money", "date", "period", "flag", "code"]
MoneyUnit = Literal["minor", "major", "fen", "jiao", "yuan", "wan"]


class Recoding(Strict):
    """A code list in force from a day on: a department's change of codes is dated here."""

    since: date = date.min
    codes: dict[str, Scalar]


class Column(Strict):
    """One source column: type, unit, codes and limits."""

    type: ColumnType
    aliases: list[str] = Field(default_factory=list, description="other headings the department has used")
    parts: str | None = Field(
        None, description="regular expression of columns that later files split this one into; folded by `fold`"
    )
    fold: Literal["any_yes"] = "any_yes"  # yes if any part is yes, no if all are no, else no answer
    yes: Scalar = 1
    no: Scalar = 2
    required: bool = False
    missing: list[Scalar] = Field(default_factory=list, description="values that mean: no answer")
    missing_when: dict[str, list[Scalar]] = Field(default_factory=dict, description="other columns that void this one")
    unit: MoneyUnit = "major"
    scale: float = 1.0
    format: str | None = Field(None, description="strptime format of dates or periods, e.g. %Y年%m月%d日")
    allowed: list[Scalar] | None = None
    recode: dict[str, Scalar] = Field(default_factory=dict)
    recode_since: list[Recoding] = Field(default_factory=list)
    minimum: float | date | None = None
    maximum: float | date | None = None
    negative: bool = Field(False, description="whether negative amounts (refunds, credits) are meant")


class Derived(Strict):
    """A column made from others: exactly one of these."""

    concat: list[str] | None = None
    period: list[str] | None = Field(None, description="[year, quarter] or [year, month] or [year, week] columns")
    grain: Literal["week", "month", "quarter", "year"] = "month"
    period_of: str | None = Field(None, description="the period of the grain that holds this date column")
    period_start: str | None = Field(None, description="first day of this period column")
    period_end: str | None = Field(None, description="last day of this period column")
    constant: Scalar | None = None
    total: list[str] | None = Field(
        None, description="sum of columns; missing parts count as nothing, all missing is missing"
    )
    difference: list[str] | None = Field(None, description="first column less the others")

    @model_validator(mode="after")
    def _one(self) -> Derived:
        ways = [
            self.concat,
            self.period,
            self.period_of,
            self.period_start,
            self.period_end,
            self.constant,
            self.total,
            self.difference,
        ]
        if sum(way is not None for way in ways) != 1:
            raise ValueError(
                "name exactly one of concat, period, period_of, period_start, period_end, constant, total, difference"
            )
        return self


class Identifier(Strict):
    """Identity columns that become one keyed pseudonym, and never go further."""

    columns: list[str] = Field(alias="from", min_length=1)
    type: str = Field(description="identifier type; departments that share it join without a cross-reference")
    subject: Literal["household", "person"] = "household"
    normalise: Literal["exact", "upper", "digits"] = "upper"
    required: bool = True
    vault: dict[str, str] = Field(
        default_factory=dict, description="vault field → source column (name, phone, address …)"
    )


class Knowledge(Strict):
    """When the administration knew: a column, or a rule that is flagged as assumed, or the delivery's own date."""

    column: str | None = None
    end_of: str | None = Field(None, description="period column; known at the end of it …")
    after: str | None = Field(None, description="date column; known on that day …")
    plus_days: int = 0

    @property
    def assumed(self) -> bool:
        """Whether the day comes from a rule rather than from the department."""
        return self.column is None


class Snapshot(Strict):
    """A delivery that is complete for a scope: what is absent from it is retracted."""

    scope: list[str] = Field(default_factory=list, description="columns whose values delimit the scope (area, period)")


class Each(Strict):
    """Several records of one shape: key → `key` column's value, source column → `value` column."""

    key: str
    value: str
    over: dict[str, str] = Field(min_length=1)


class RecordRule(Strict):
    """One kind of canonical record that a row becomes."""

    table: str
    columns: dict[str, str] = Field(
        alias="set", default_factory=dict, description="canonical column → source or derived column"
    )
    constants: dict[str, Scalar] = Field(alias="const", default_factory=dict)
    each: Each | None = None
    when_present: list[str] = Field(default_factory=list, description="no record where one of these is missing")
    when: dict[str, list[Scalar | None]] = Field(
        default_factory=dict, description="record only where these columns have these values; null: where it is missing"
    )


class Source(Strict):
    """Container and encoding of the deliveries."""

    format: Literal["auto", "csv", "xlsx", "parquet", "sql"] = "auto"
    encoding: Literal["auto", "utf-8", "gb18030"] = "auto"
    delimiter: str = ","
    sheet: str | None = None
    header_row: int = 1
    query: str | None = Field(None, description="for a SQL source: the SELECT to run")


class Profile(Strict):
    """How one feed's deliveries become canonical records."""

    source: Source = Source()
    columns: dict[str, Column]
    unknown_columns: Literal["ignore", "reject"] = "ignore"
    derive: dict[str, Derived] = Field(default_factory=dict)
    identifiers: dict[str, Identifier] = Field(default_factory=dict)
    key: list[str] = Field(default_factory=list)
    snapshot: Snapshot | None = None
    knowledge: Knowledge = Knowledge()
    retracted: str | None = Field(None, description="flag column: the row is a deletion")
    records: list[RecordRule] = Field(min_length=1)

    @model_validator(mode="after")
    def _identified(self) -> Profile:
        if not self.key:
            raise ValueError("a feed without key columns is not loaded (data contract, rule 3): name `key`")
        known = set(self.columns) | set(self.derive) | set(self.identifiers)
        for name in self.key:
            if name not in known:
                raise ValueError(f"key column '{name}' is not among columns, derive or identifiers")
        return self


class Silence(Sourced):
    """Areas from which a feed does not come, since when, and until when if that has ended."""

    areas: list[str] = Field(min_length=1, description="codes; what lies within them is meant too")
    until: date | None = None

    @field_validator("since")
    @classmethod
    def _dated(cls, since: str) -> str:
        date.fromisoformat(since)
        return since

    @property
    def first(self) -> date:
        """The day since when it holds."""
        return date.fromisoformat(self.since)


class Feed(Strict):
    """A stream of deliveries from one department."""

    name: Words
    department: str
    cadence: Literal["week", "month", "quarter", "year"]
    expected_within_days: int = Field(0, ge=0, description="a period's delivery is late after this many days")
    minimum_share: float = Field(0.5, ge=0, le=1, description="volume below this share of the usual is shrunken")
    essential: bool = True
    not_from: list[Silence] = Field(
        default_factory=list, description="areas that never send it: their households' state of the feed is absent"
    )
    profile: Profile
