"""The project file: one YAML that describes a deployment, loaded, validated and typed.

Nothing of policy and no department's or data set's column name stands in code; it stands here. The JSON schema is
`Project.model_json_schema()`, and `docs/project-file.md` is written from it.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BeforeValidator, Field, PlainSerializer, PrivateAttr, ValidationError, model_validator

from features.calendar import Span, parse_span
from features.errors import ProjectError, did_you_mean
from features.feeds.profiles import Feed, Scalar
from features.strict import Sourced, Strict, Words, explain_mistakes


def _span(value: object) -> object:
    return parse_span(value) if isinstance(value, str) else value


SpanText = Annotated[Span, BeforeValidator(_span), PlainSerializer(str)]


class Currency(Strict):
    """The project's money; the store keeps integers of the smallest unit."""

    code: str = "CNY"
    name: Words = Words(zh="元", en="yuan")
    minor_units: int = Field(100, ge=1, description="smallest units in one major unit")


class Calendar(Strict):
    """How often lists are made (cadence) and in which periods history is kept (grain)."""

    cadence: Literal["week", "month", "quarter"] = "week"
    grain: Literal["month", "quarter"] = "month"
    timezone: str = "Asia/Shanghai"


class StoreLayout(Strict):
    """Partitions of the store; a province is only more buckets."""

    buckets: int = Field(4, ge=1, le=256)
    partition: Literal["year", "quarter", "month"] = "month"


class Area(Strict):
    """One area of the project's tree."""

    code: str
    name: Words
    level: str
    parent: str | None = None


class Areas(Strict):
    """The area tree: GB/T 2260 codes from a file, or areas listed here."""

    scheme: Literal["gbt2260", "listed"] = "listed"
    levels: list[str] = Field(min_length=1, description="from the whole to the part")
    visits: str = Field(description="level at which visiting capacity is given and lists are cut")
    listed: list[Area] = Field(default_factory=list)
    file: str | None = Field(
        None, description="CSV of code,name_zh,level,parent_code[,name_en], beside the project file"
    )


class Department(Strict):
    """A body that delivers data or answers for help."""

    name: Words


class Population(Strict):
    """Which households a panel row is made for on an as-of day."""

    feed: str | None = Field(None, description="only households that this feed reported …")
    within: int = Field(1, ge=1, description="… in the newest so many periods of the grain")


class Condition(Strict):
    """A test of one value; a missing value is neither true nor false."""

    at_most: float | None = None
    at_least: float | None = None
    equals: float | None = None
    any_of: list[float] | None = None

    @model_validator(mode="after")
    def _some(self) -> Condition:
        if all(part is None for part in (self.at_most, self.at_least, self.equals, self.any_of)):
            raise ValueError("name at_most, at_least, equals or any_of")
        return self


class State(Strict):
    """A household's state in a period, read from a series: true where the condition holds, unknown where missing."""

    series: str
    hardship: Condition
    absent: Literal["unknown", "no_hardship"] = Field(
        "unknown", description="what a whole period without a record says, where the series counts events"
    )


class Task(Strict):
    """What the model predicts."""

    title: Words
    horizon: SpanText
    mode: Literal["at", "within"] = Field(
        "within", description="state at the end of the horizon, or first onset inside it"
    )
    state: State | None = Field(None, description="derived rule; absent: recorded outcomes")
    recorded: bool = False
    partial: dict[str, float] = Field(
        default_factory=dict, description="validity codes that count in part, e.g. V2: 0.5"
    )
    reporting_delay: SpanText = Span(0, "day")
    unrecorded: Literal["negative", "unknown"] = Field(
        "negative", description="a household of which no outcome was recorded: no onset, or left out and weighted for"
    )
    lasts: SpanText | None = Field(None, description="a recorded hardship lasts so long; without it, until refuted")
    categories: list[str] = Field(
        default_factory=list, description="households that hold one of these categories are in hardship already"
    )
    distance: str | None = Field(None, description="indicator that tells how far a household is from the line")
    near: float | None = Field(None, description="values of `distance` up to here are near the line")

    @model_validator(mode="after")
    def _source(self) -> Task:
        if (self.state is None) != self.recorded:
            raise ValueError("name either a derived `state` or `recorded: true`")
        return self


class Search(Strict):
    """A seeded, budgeted search of hyperparameters on temporal folds."""

    trials: int = Field(0, ge=0)
    seconds: float | None = None
    measure: Literal["average_precision", "auc", "log_loss"] = "average_precision"
    space: dict[str, list[float]] = Field(default_factory=dict, description="parameter → [low, high]")


class Folds(Strict):
    """Temporal folds: each tests a block of as-of days and trains on what was known before it."""

    count: int = Field(3, ge=1)
    test: SpanText = Span(1, "year")


class Logistic(Strict):
    """The logistic regression that stands beside every booster, and may teach it."""

    strength: float = Field(0.05, gt=0, description="inverse of the ridge penalty on standardised columns")
    rows: int = Field(120_000, ge=100, description="at most so many rows are fitted, drawn with the seed")
    classes: list[str] = Field(default_factory=list, description="indicators whose values are classes, not amounts")
    bends: dict[str, list[float]] = Field(default_factory=dict, description="indicator → values where the slope bends")


class ModelChoices(Strict):
    """How boosters are fitted; defaults may be overridden per task."""

    parameters: dict[str, Scalar] = Field(default_factory=dict)
    rounds: int = Field(300, ge=1)
    members: int = Field(1, ge=1, description="boosters with different seeds, merged exactly into one")
    history: SpanText | None = Field(None, description="train on as-of days at most this long before the newest")
    negatives: float = Field(1.0, gt=0, le=1, description="share of negatives kept; the prior is corrected")
    weights: Literal["none", "household"] = "none"
    train_all: bool = Field(
        False, description="train on households already in hardship as well; the cohort stays as it is"
    )
    stride: int = Field(1, ge=1, description="train on every so-manieth as-of day, counted back from the newest")
    distil: float = Field(
        0.0, ge=0, lt=1, description="share of the label that is the logistic regression's probability"
    )
    without: list[str] = Field(default_factory=list, description="indicators that this model leaves out")
    monotone: bool = Field(True, description="hold the booster to the indicators' directions")
    logistic: Logistic = Logistic()
    search: Search = Search()
    folds: Folds = Folds()


class Rule(Sourced):
    """A published warning rule: every condition must hold."""

    name: Words
    when: dict[str, Condition] = Field(min_length=1, description="indicator → condition")


class Baselines(Strict):
    """What every model is held against."""

    rules: list[Rule] = Field(default_factory=list)
    lowest: str | None = Field(None, description="indicator of income: the lowest come first")
    area_prior: float = Field(50.0, gt=0, description="rows of the whole that an area's own rate is smoothed with")


class Trigger(Strict):
    """A hard trigger raises a household to a level whatever its score; it never lowers one."""

    level: Literal["red", "orange", "yellow"]
    indicator: str
    when: Condition


class Levels(Sourced):
    """Bands of the calibrated probability; leaving is at `leave_ratio` × entry (hysteresis)."""

    red: float = Field(gt=0, lt=1)
    orange: float = Field(gt=0, lt=1)
    yellow: float = Field(gt=0, lt=1)
    leave_ratio: float = Field(0.75, gt=0, le=1)
    triggers: list[Trigger] = Field(default_factory=list)

    @model_validator(mode="after")
    def _ordered(self) -> Levels:
        if not self.red > self.orange > self.yellow:
            raise ValueError("red must be above orange, and orange above yellow")
        return self


class Capacity(Sourced):
    """Visits per as-of period: for each area of the visiting level."""

    default: int = Field(ge=0)
    by_area: dict[str, int] = Field(default_factory=dict)


class ListRules(Sourced):
    """How a list is made from scores."""

    audit_share: float = Field(
        0.05, ge=0, le=0.5, description="share of the list drawn at random from the whole cohort"
    )
    cool_down: SpanText = Span(60, "day")
    carry_over: SpanText = Span(8, "week")
    visit_within_days: dict[str, int] = Field(default_factory=dict, description="level → days to visit")
    presentation: dict[str, Literal["open", "blind"]] = Field(
        default_factory=dict, description="area → whether visitors of it see the score at once or after their record"
    )


class Gate(Strict):
    """A promotion gate: a measure of the evaluation and its bound."""

    measure: str
    at_least: float | None = None
    at_most: float | None = None


class Promotion(Sourced):
    """What a version must reach before an alias may move to it."""

    gates: list[Gate]


class Project(Strict):
    """A deployment."""

    version: Literal[1]
    name: str = Field(pattern=r"^[a-z][a-z0-9_-]*$")
    title: Words
    languages: list[Literal["zh", "en"]] = ["zh", "en"]  # noqa: RUF012 -- pydantic copies it
    currency: Currency = Currency()
    calendar: Calendar = Calendar()
    store: StoreLayout = StoreLayout()
    areas: Areas
    departments: dict[str, Department]
    vocabularies: dict[str, dict[str, Words]] = Field(default_factory=dict)
    feeds: dict[str, Feed]
    population: Population = Population()
    series: dict[str, Any] = Field(
        default_factory=dict, description="further series, in the words of the indicator language"
    )
    indicators: dict[str, Any] = Field(default_factory=dict, description="indicators used and declared")
    tasks: dict[str, Task]
    default_task: str
    model: ModelChoices = ModelChoices()
    model_by_task: dict[str, dict[str, Any]] = Field(default_factory=dict)
    baselines: Baselines = Baselines()
    levels: Levels
    capacity: Capacity
    listing: ListRules
    promotion: Promotion
    fairness: list[str] = Field(default_factory=list, description="indicators or attributes whose groups are compared")

    _folder: Path = PrivateAttr(default=Path())
    _digest: str = PrivateAttr(default="")

    @model_validator(mode="after")
    def _consistent(self) -> Project:
        if self.default_task not in self.tasks:
            raise ValueError(f"default_task '{self.default_task}' is not among tasks: {', '.join(self.tasks)}")
        for feed_id, feed in self.feeds.items():
            if feed.department not in self.departments:
                raise ValueError(f"feeds.{feed_id}.department '{feed.department}' is not among departments")
        if self.population.feed is not None and self.population.feed not in self.feeds:
            raise ValueError(f"population.feed '{self.population.feed}' is not among feeds")
        if self.areas.visits not in self.areas.levels:
            raise ValueError(f"areas.visits '{self.areas.visits}' is not among areas.levels")
        for task, changes in self.model_by_task.items():
            if task not in self.tasks:
                raise ValueError(f"model_by_task.{task} is not among tasks")
            ModelChoices.model_validate({**self.model.model_dump(), **changes})
        return self

    @property
    def folder(self) -> Path:
        """Folder of the project file; files it names are found from here."""
        return self._folder

    @property
    def digest(self) -> str:
        """SHA-256 of the validated content: two files that say the same have one digest."""
        return self._digest

    def task(self, name: str | None = None) -> tuple[str, Task]:
        """The named task, or the default one."""
        name = name or self.default_task
        if name not in self.tasks:
            near = did_you_mean(name, list(self.tasks))
            hint = f"您是不是想写 {near}？ / did you mean {near}?" if near else ""
            raise ProjectError("task_unknown", task=name, known=", ".join(self.tasks), suggestion=hint)
        return name, self.tasks[name]

    def choices(self, task: str) -> ModelChoices:
        """Model choices with the task's own overrides; `parameters` are merged key by key."""
        changes = dict(self.model_by_task.get(task, {}))
        if "parameters" in changes:
            changes["parameters"] = {**self.model.parameters, **changes["parameters"]}
        return ModelChoices.model_validate({**self.model.model_dump(), **changes})


def load_project(path: Path) -> Project:
    """Read, validate and type a project file.

    Raises:
        ProjectError: the file is missing, is not YAML, or says something that cannot be; each mistake names its
            key, its value, and the key that was probably meant.
    """
    if not path.is_file():
        raise ProjectError("project_missing", file=path.name)
    text = path.read_text(encoding="utf-8")
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ProjectError("project_unreadable", file=path.name, detail=" ".join(str(error).split())) from error
    try:
        project = Project.model_validate(content)
    except ValidationError as error:
        mistakes = explain_mistakes(error, Project)
        raise ProjectError(
            "project_invalid", file=path.name, count=len(mistakes), detail="; ".join(mistakes)
        ) from error
    project._folder = path.resolve().parent  # noqa: SLF001 -- set once, here, on a frozen record
    project._digest = hashlib.sha256(project.model_dump_json().encode()).hexdigest()  # noqa: SLF001
    return project
