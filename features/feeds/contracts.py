"""The data contract: every table that departments' deliveries become, its columns, types and vocabularies.

Version 1 of docs/data-contract.md. A project's `vocabularies` add entries to the closed lists; nothing else does.
"""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Literal

from features.project import Project
from features.strict import Words

VERSION = 1
Type = Literal["text", "date", "period", "integer", "number", "money", "flag"]
SQL: Mapping[str, str] = {
    "text": "VARCHAR",
    "period": "VARCHAR",
    "date": "DATE",
    "integer": "BIGINT",
    "number": "DOUBLE",
    "money": "BIGINT",
    "flag": "BOOLEAN",
}
IBIS: Mapping[str, str] = {
    "VARCHAR": "string",
    "DATE": "date",
    "BIGINT": "int64",
    "DOUBLE": "float64",
    "BOOLEAN": "boolean",
}


@dataclass(frozen=True)
class ContractColumn:
    """One column: its type, whether it may be missing, and its closed list of words."""

    name: str
    type: Type = "text"
    nullable: bool = False
    vocabulary: str | None = None

    @property
    def sql(self) -> str:
        """Type in the store."""
        return SQL[self.type]

    @property
    def ibis_type(self) -> str:
        """Type in an Ibis expression."""
        return IBIS[self.sql]


PROVENANCE = (
    ContractColumn("period_start", "date", nullable=True),
    ContractColumn("period_end", "date", nullable=True),
    ContractColumn("feed"),
    ContractColumn("department"),
    ContractColumn("knowledge_date", "date"),
    ContractColumn("knowledge_date_assumed", "flag"),
    ContractColumn("row_id", "integer"),
)
"""What every stored record carries beside its table's own columns."""


@dataclass(frozen=True)
class TableContract:
    """One table of the contract."""

    name: str
    columns: tuple[ContractColumn, ...]

    @functools.cached_property
    def by_name(self) -> Mapping[str, ContractColumn]:
        """Columns by name."""
        return {column.name: column for column in self.columns}

    @property
    def stored(self) -> tuple[ContractColumn, ...]:
        """The table's columns and provenance, as the store keeps them."""
        return (*self.columns, *PROVENANCE)

    @property
    def dated_by(self) -> str | None:
        """The column that says when a record counts, apart from a period."""
        return next((name for name in DATED if name in self.by_name), None)


DATED = ("event_date", "action_date", "finding_date", "sent_on", "valid_from")


def _table(name: str, text: str) -> TableContract:
    """`name:type?=vocabulary` words; `?` marks what may be missing, text is the default type."""
    columns = []
    for declared in text.split():
        word, _, vocabulary = declared.partition("=")
        nullable = word.endswith("?")
        column, _, kind = word.removesuffix("?").partition(":")
        columns.append(ContractColumn(column, kind or "text", nullable, vocabulary or None))  # type: ignore[arg-type]
    return TableContract(name, tuple(columns))


TABLES: Mapping[str, TableContract] = {
    table.name: table
    for table in (
        _table("area", "area_code name_zh name_en? level parent_code? region? urban_rural?=residence"),
        _table("area_reading", "area_code kind=area_reading.kind period:period value:number unit?"),
        _table(
            "assistance_line",
            "area_code residence?=residence valid_from:date dibao_yuan_month:money edge_multiplier:number? "
            "disposable_income_yuan_year:money? rigid_share:number?",
        ),
        _table("schedule", "kind=schedule.kind area_code? stage?=education_stage valid_from:date amount:money"),
        _table(
            "household",
            "household_id valid_from:date valid_to:date? area_code residence?=residence registration?=registration "
            "housing_tenure?=housing_tenure housing_grade?=housing_grade weight:number?",
        ),
        _table(
            "category",
            "household_id category=category valid_from:date valid_to:date? expires_on:date? end_reason?",
        ),
        _table(
            "member",
            "person_id household_id valid_from:date valid_to:date? leave_reason?=leave_reason relation?=relation "
            "birth_month:period? sex?=sex registration?=registration education_stage?=education_stage "
            "work_state?=work_state disability_grade:integer? illness?=illness",
        ),
        _table(
            "income",
            "household_id? person_id? period:period source=income.source amount:money is_estimate:flag?",
        ),
        _table(
            "expense",
            "household_id? person_id? period:period? event_date:date? kind=expense.kind amount:money "
            "covered_insurance:money? covered_assistance:money? eligible_amount:money? place?=place is_estimate:flag?",
        ),
        _table(
            "event",
            "household_id? person_id? kind=event.kind event_date:date end_date:date? severity:number? amount:money? "
            "detail?",
        ),
        _table(
            "reading",
            "household_id? person_id? kind=reading.kind detail? period:period value:number unit? valid_to:date? "
            "authorisation_ref? employer_id?",
        ),
        _table("employer_month", "employer_id period:period insured:integer left:integer"),
        _table(
            "assistance",
            "household_id? person_id? programme=programme action=assistance.action action_date:date period:period? "
            "amount:money? policy_clause?",
        ),
        _table(
            "outcome",
            "household_id kind=outcome.kind validity_code?=validity_code onset_date:date? finding_date:date "
            "source=outcome.source visit_id? reason_verdicts? selection_probability:number?",
        ),
        _table(
            "referral",
            "referral_id household_id need_code=need_code department sent_on:date due_on:date? "
            "feedback_code?=feedback_code answered_on:date?",
        ),
    )
}


@functools.cache
def vocabularies() -> Mapping[str, Mapping[str, Words]]:
    """The closed lists with their names in zh and en."""
    text = (resources.files("features") / "words" / "vocabularies.toml").read_text(encoding="utf-8")
    return {
        name: {word: Words(**names) for word, names in words.items()} for name, words in tomllib.loads(text).items()
    }


def vocabulary(project: Project, name: str) -> Mapping[str, Words]:
    """A closed list with the project's further entries."""
    return {**vocabularies().get(name, {}), **project.vocabularies.get(name, {})}


def word_of(project: Project, vocabulary_name: str, word: str, language: str = "zh") -> str:
    """A word's name in a language; the word itself where it has none."""
    names = vocabulary(project, vocabulary_name).get(word)
    return names.of(language) if names else word
