"""Envelopes of the service: what is asked and what is answered, typed, with unknown fields refused.

Every answer carries the model's version, the weekly run where there is one, the day of the data, what the data lack,
and the sentence that a score is a reminder and not a determination. No field lets a score lower a household's
standing: there is no way to ask for those who need least, and where too little is known there is no number.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from bentoml import IODescriptor
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from reports.documents import words
from serving.api import problems

MOST_ROWS = 1000
MOST_HOUSEHOLDS = 200
MOST_EXPLAINED = 20
MOST_SCENARIOS = 10
MOST_RECORDS = 2000
Household = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{24}$", max_length=24)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=-1e15, le=1e15)]


def _whole(value: object) -> object:
    """4.0 is a whole number in JSON."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _digits(value: object) -> object:
    """A number in an address is digits and nothing else."""
    return value if isinstance(value, int) or (isinstance(value, str) and value.isascii() and value.isdigit()) else None


Whole = Annotated[int, Field(strict=True), BeforeValidator(_whole)]
Day = Annotated[date, Field(strict=True)]
Row = dict[str, Number | None]
ListedLevel = Literal["red", "orange", "yellow", "none"]
Level = Literal["red", "orange", "yellow", "none", "insufficient"]
Status = Literal["scored", "insufficient", "in_hardship", "unknown"]


class Told(BaseModel):
    """A part of an answer."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Text(Told):
    """A text in both languages."""

    zh: str
    en: str


def text(key: str, /, **fields: object) -> Text:
    """A fixed text of the reports' catalogue."""
    said = words(key, **fields)
    return Text(zh=said.zh, en=said.en)


# --- what is asked ----------------------------------------------------------------------------------------------------


class Posted(IODescriptor):  # type: ignore[misc]  # BentoML has no types
    """A body that the gate has read; what is wrong with it becomes a problem, and is logged by nobody."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    async def from_http_request(cls, request: Any, serde: Any) -> Posted:  # noqa: ARG003 -- BentoML's signature
        """The body, or an empty shell beside the refusal that the gate will send instead."""
        asked = request.scope["zhouji.asked"]
        try:
            read: Posted = cls.model_validate_json(asked.body)
        except ValidationError as error:
            asked.refusal = problems.of_validation(error)
            read = cls.model_construct()
        return read


def _either(schema: dict[str, Any]) -> None:
    """Rows or households, not both and not neither, as JSON schema says it."""
    for name in ("rows", "households"):
        schema["properties"][name] = next(
            option for option in schema["properties"][name]["anyOf"] if option.get("type") != "null"
        )
    schema["oneOf"] = [{"required": ["rows"]}, {"required": ["households"]}]


class _RowsOrHouseholds(Posted):
    @model_validator(mode="after")
    def _one_of_both(self) -> _RowsOrHouseholds:
        given = self.__pydantic_fields_set__
        if ("rows" in given) == ("households" in given) or any(
            getattr(self, name) is None for name in given & {"rows", "households"}
        ):
            raise ValueError("rows or households")
        return self


class ScoreRequest(_RowsOrHouseholds):
    """Rows of indicators, or households as they were known on a day."""

    model_config = ConfigDict(json_schema_extra=_either)
    as_of: Day = Field(description="the day whose knowledge the rows hold, or of the panel to look in")
    rows: list[Row] | None = Field(None, min_length=1, max_length=MOST_ROWS, description="all indicators of the model")
    households: list[Household] | None = Field(None, min_length=1, max_length=MOST_HOUSEHOLDS)
    reasons: Whole = Field(0, ge=0, le=4, description="how many reasons to say for each")


class ExplainRequest(_RowsOrHouseholds):
    """Rows or households whose score is to be taken apart."""

    model_config = ConfigDict(json_schema_extra=_either)
    as_of: Day
    rows: list[Row] | None = Field(None, min_length=1, max_length=MOST_EXPLAINED)
    households: list[Household] | None = Field(None, min_length=1, max_length=MOST_EXPLAINED)


class Scenario(BaseModel):
    """What would be different; only indicators that help can change."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    changes: Row = Field(min_length=1, max_length=50, description="indicator → value")


class CounterfactualRequest(Posted):
    """A household as known on a day, and what might be different."""

    as_of: Day
    household: Household
    scenarios: list[Scenario] = Field(min_length=1, max_length=MOST_SCENARIOS)


class DeliveryRequest(Posted):
    """Records of one feed in the department's own columns."""

    feed: str = Field(min_length=1, max_length=64)
    area: str = Field(min_length=1, max_length=32, description="area that the records speak of, within the token's")
    records: list[dict[str, Annotated[str, Field(strict=True, max_length=4000)] | None]] = Field(
        min_length=1, max_length=MOST_RECORDS
    )


class Page(BaseModel):
    """Which part of a long answer."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    after: str | None = Field(None, min_length=1, max_length=200, pattern=r"^[0-9A-Za-z_-]+$")
    limit: Annotated[int, BeforeValidator(_digits)] = Field(50, ge=1, le=200)


class WeekQuery(Page):
    """Which part of a week's list."""

    area: str | None = Field(None, min_length=1, max_length=32, pattern=r"^[0-9A-Za-z_-]+$")
    level: ListedLevel | None = None


class NoQuery(BaseModel):
    """No parameters."""

    model_config = ConfigDict(extra="forbid", frozen=True)


REQUESTS = (ScoreRequest, ExplainRequest, CounterfactualRequest, DeliveryRequest, Scenario, Page, WeekQuery, NoQuery)
problems.FIELDS |= {name for model in REQUESTS for name in model.model_fields}


# --- what is answered -------------------------------------------------------------------------------------------------


class ModelLine(Told):
    """The version that answered."""

    version: str
    bundle: str
    schema_hash: str
    task: str
    until: str
    trial: bool = Field(description="it has not been promoted through the gates")


class Gap(Told):
    """A feed that was not current on the day."""

    feed: str
    name: Text
    department: Text
    status: str
    newest: str | None
    age_days: int | None


class Answer(Told):
    """What every answer says about where it comes from."""

    model: ModelLine
    run_id: str | None = Field(description="the weekly run of the same day and version, where there is one")
    data_day: date
    stale: bool = Field(description="essential feeds were out of date")
    gaps: list[Gap]
    note: Text = Field(description="a reminder, not a determination")


class Record(Told):
    """The source row that a sentence stands on."""

    department: Text
    feed: Text
    file: str
    line: int
    delivery: str
    day: date | None


class Reason(Told):
    """A reason in words, with the household's own numbers."""

    family: str
    sentence: Text
    influence: int = Field(ge=1, le=5)
    share: float
    value: Text
    usual: Text | None = None
    peers: Text | None = None
    source: Text | None = None
    record: Record | None = None
    history: list[float | None] = Field(default_factory=list)


class Score(Told):
    """One row or household; without enough data there is no number, and a visit is suggested."""

    status: Status
    household_id: str | None = None
    level: Level | None = None
    probability: float | None = None
    per_100: int | None = None
    range: tuple[float, float] | None = None
    triggers: list[Text] = Field(default_factory=list)
    missing: int = Field(0, description="indicators without a value")
    data_gaps: list[Text] = Field(default_factory=list, description="what is missing and moves the score")
    reasons: list[Reason] = Field(default_factory=list)
    advice: Text | None = None


class ScoreAnswer(Answer):
    """Scores in the order in which they were asked for."""

    results: list[Score]


class Contribution(Told):
    """One indicator's exact part of the margin, in log-odds before calibration."""

    indicator: str
    value: float | None
    contribution: float


class Change(Told):
    """What is different now from the last list."""

    name: Text
    family: str
    before: Text
    after: Text
    raises: bool | None
    source: Text
    day: date | None


class Explained(Score):
    """A score taken apart; base and contributions sum to the margin."""

    margin: float | None = None
    base: float | None = None
    contributions: list[Contribution] = Field(default_factory=list)
    explained: float | None = None
    relief: list[Reason] = Field(default_factory=list)
    changes: list[Change] = Field(default_factory=list)
    base_rate: float | None = None
    rank: int | None = None
    cohort: int | None = None


class ExplainAnswer(Answer):
    """Explanations in the order in which they were asked for."""

    results: list[Explained]
    association: Text = Field(description="records go together with risk; they prove no cause")


class WhatIf(Told):
    """The score under one scenario."""

    changes: list[Contribution] = Field(description="value is the scenario's; contribution its part of the margin then")
    level: Level | None
    probability: float | None
    per_100: int | None
    range: tuple[float, float] | None


class CounterfactualAnswer(Answer):
    """Re-scored scenarios: a computation, not a promise."""

    label: Text
    now: Score
    scenarios: list[WhatIf]
    changeable: list[str]


class IndicatorLine(Told):
    """One indicator that a row must name."""

    id: str
    name: Text
    unit: str
    family: str
    changeable: bool


class ModelAnswer(Answer):
    """The version that serves, and the indicators it takes."""

    indicators: list[IndicatorLine]
    bands: dict[str, float]
    days: list[date] = Field(description="days that households can be looked up on")


class WeekItem(Told):
    """A household on a week's list; for those who visit first, without level, number or reason."""

    household_id: str
    area_code: str
    situation: Text
    row_code: str
    visit_by: date | None = None
    level: ListedLevel | None = None
    probability: float | None = None
    per_100: int | None = None
    range: tuple[float, float] | None = None
    change: str | None = None
    change_per_100: int | None = None
    reasons: list[Reason] = Field(default_factory=list)


class WeekAnswer(Answer):
    """A part of a week's list."""

    week: str
    items: list[WeekItem]
    next: str | None


class WeekOfHousehold(Told):
    """How a household stood in one published run."""

    week: str
    as_of: date
    run_id: str
    version: str
    listed: bool
    level: Level | None = None
    probability: float | None = None
    per_100: int | None = None
    range: tuple[float, float] | None = None


class HouseholdAnswer(Answer):
    """A household over the weeks, newest first."""

    household_id: str
    area_code: str
    area: Text
    weeks: list[WeekOfHousehold]
    next: str | None
    advice: Text | None = None


class Rejected(Told):
    """Rows that a rule rejected, with how to repair them; never their content."""

    line: int
    column: str
    rule: str
    sentence: Text
    repair: Text


class DeliveryAnswer(Answer):
    """The receipt: accepted + already known + quarantined = delivered."""

    delivery_id: str
    feed: str
    area: str
    delivered: int
    accepted: int
    already_known: int
    quarantined: int
    rejected: list[Rejected]
    replayed: bool = Field(description="the answer to an earlier request with the same key")


class Health(Told):
    """The state of a process."""

    alive: bool
    ready: bool
    version: str | None
    bundle: str | None
    registry: str = Field(description="reachable, unreachable, or packed: the bundle came with the program")
    refused: str | None = Field(None, description="digest of a bundle that was refused")
    since: str | None = Field(None, description="when the registry answered last")
    draining: bool = False
