"""What a visitor says about a household: a form with nothing preselected, checked as a whole, every mistake by field.

The vocabulary is closed and stands in `classification.yaml`; its texts in `words.toml`. The first record of a round is
the label that models learn from (domain D3): it is never changed, and second opinions stand beside it.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from importlib import resources

from pydantic import Field

from features.strict import Sourced, Strict, Words, read_table
from reports.weekly_list import CAUSES, VALIDITIES
from serving.casework.words import word

IDENTITY = re.compile(r"(?<![0-9])[0-9]{17}[0-9Xx](?![0-9])|(?<![0-9])1[3-9][0-9]{9}(?![0-9])")
"""Numbers that do not belong in free text: citizens' and mobile telephones'."""
UNMET = frozenset({"V7", "V8"})


class Form(Strict):
    """What was filled in so far; everything is empty at first, and a draft may stay so.

    Attributes:
        reasons: reason that the list gave → true, false or unclear.
        onset: since when, as far as the household could tell; asked for V1.
        savings, kin: what records do not show, in bands.
    """

    visited_on: date | None = None
    method: str | None = None
    met: tuple[str, ...] = ()
    minutes: int | None = None
    validity: str | None = None
    causes: tuple[str, ...] = ()
    depth: int | None = None
    onset: date | None = None
    reasons: dict[str, str] = Field(default_factory=dict)
    evidence: tuple[str, ...] = ()
    savings: str | None = None
    kin: str | None = None
    disposition: str | None = None
    needs: tuple[str, ...] = ()
    recheck_on: date | None = None
    watch_until: date | None = None
    note: str = ""

    @property
    def contradicts_data(self) -> bool:
        """A factor of the list was false, or the whole was a data error: its source has something to correct."""
        return self.validity == "V4" or "false" in self.reasons.values()


class ValidityRule(Strict):
    """What goes with a validity."""

    dispositions: list[str]
    causes: bool
    depth: bool
    evidence: bool
    reasons: bool


class DispositionRule(Strict):
    """What a disposition asks for."""

    needs: list[str] = Field(default_factory=list)
    choose_needs: bool = False
    watch: bool = False


class Vocabulary(Sourced):
    """The closed vocabulary with its rules."""

    methods: list[str]
    met: list[str]
    evidence: list[str]
    verdicts: list[str]
    depths: list[int]
    savings: list[str]
    kin: list[str]
    most_causes: int
    most_minutes: int
    longest_note: int
    longest_watch_days: int
    longest_recheck_days: int
    validity: dict[str, ValidityRule]
    disposition: dict[str, DispositionRule]


@functools.cache
def vocabulary() -> Vocabulary:
    """The vocabulary as it stands in `classification.yaml`."""
    own = resources.files("serving.casework") / "classification.yaml"
    return read_table(own.read_text(encoding="utf-8"), own.name, Vocabulary)


class Mistake(Strict):
    """What is wrong with one field, and what would be right."""

    field: str
    code: str
    words: Words


def needs_of(form: Form) -> tuple[str, ...]:
    """Need codes that a record asks to be referred: those that go without saying, and those that were chosen.

    >>> needs_of(Form(disposition="D2", needs=("N04",)))
    ('N01', 'N04')
    """
    rule = vocabulary().disposition.get(form.disposition or "")
    return tuple(dict.fromkeys([*(rule.needs if rule else ()), *form.needs]))


def check(
    form: Form, *, listed_reasons: Sequence[str] = (), needs: Sequence[str] = (), not_before: date, today: date
) -> tuple[Mistake, ...]:
    """Everything that is wrong with a form, at once.

    Args:
        form: as it was filled in.
        listed_reasons: reasons that the list gave for this household; each wants its verdict.
        needs: need codes that there are.
        not_before: the day that the case was opened; no visit was earlier.
        today: no visit is later.
    """
    found = _Found()
    _check_visit(form, found, not_before, today)
    _check_finding(form, found, listed_reasons)
    _check_disposition(form, found, needs)
    if len(form.note) > vocabulary().longest_note:
        found.add("note", "note_long", most=vocabulary().longest_note)
    if IDENTITY.search(form.note):
        found.add("note", "note_identity")
    return tuple(found.mistakes)


class _Found:
    """Mistakes as they are met."""

    def __init__(self) -> None:
        self.mistakes: list[Mistake] = []

    def add(self, field: str, code: str, /, **fields: object) -> None:
        self.mistakes.append(Mistake(field=field, code=code, words=word("mistake", code, **fields)))

    def choice(self, field: str, chosen: str | int | None, known: Sequence[str | int], *, required: bool) -> None:
        if chosen is None:
            if required:
                self.add(field, "missing")
        elif chosen not in known:
            self.add(field, "unknown_code")

    def choices(self, field: str, chosen: Sequence[str], known: Sequence[str], *, required: bool) -> None:
        if required and not chosen:
            self.add(field, "missing")
        if any(one not in known for one in chosen):
            self.add(field, "unknown_code")
        if len(set(chosen)) != len(chosen):
            self.add(field, "twice")


def _check_visit(form: Form, found: _Found, not_before: date, today: date) -> None:
    words = vocabulary()
    if form.visited_on is None:
        found.add("visited_on", "missing")
    elif form.visited_on > today:
        found.add("visited_on", "future")
    elif form.visited_on < not_before:
        found.add("visited_on", "before_opening", day=not_before)
    found.choice("method", form.method, words.methods, required=True)
    in_person = form.method in ("home", "phone")
    found.choices("met", form.met, words.met, required=in_person)
    if "nobody" in form.met and len(form.met) > 1:
        found.add("met", "nobody_and_somebody")
    if in_person and form.minutes is None:
        found.add("minutes", "missing")
    elif form.minutes is not None and not 0 < form.minutes <= words.most_minutes:
        found.add("minutes", "minutes_range", most=words.most_minutes)


def _check_finding(form: Form, found: _Found, listed_reasons: Sequence[str]) -> None:
    words = vocabulary()
    found.choice("validity", form.validity, VALIDITIES, required=True)
    rule = words.validity.get(form.validity or "")
    if form.validity not in (None, *UNMET, "V9") and form.met == ("nobody",):
        found.add("validity", "nobody_met")
    found.choices("causes", form.causes, CAUSES, required=rule is not None and rule.causes)
    if len(form.causes) > words.most_causes:
        found.add("causes", "causes_many", most=words.most_causes)
    if form.causes and form.validity in UNMET:
        found.add("causes", "nobody_met")
    found.choice("depth", form.depth, words.depths, required=rule is not None and rule.depth)
    if form.onset is not None and form.visited_on is not None and form.onset > form.visited_on:
        found.add("onset", "onset_late")
    found.choices("evidence", form.evidence, words.evidence, required=rule is not None and rule.evidence)
    found.choice("savings", form.savings, words.savings, required=False)
    found.choice("kin", form.kin, words.kin, required=False)
    if any(reason not in listed_reasons or verdict not in words.verdicts for reason, verdict in form.reasons.items()):
        found.add("reasons", "unknown_code")
    if rule is not None and rule.reasons and set(listed_reasons) - set(form.reasons):
        found.add("reasons", "reasons_open", count=len(set(listed_reasons) - set(form.reasons)))
    if not form.note.strip() and ("C15" in form.causes or form.validity == "V9" or form.disposition == "D9"):
        found.add("note", "note_missing")


def _check_disposition(form: Form, found: _Found, needs: Sequence[str]) -> None:
    words = vocabulary()
    found.choice("disposition", form.disposition, list(words.disposition), required=True)
    rule = words.disposition.get(form.disposition or "")
    goes = words.validity.get(form.validity or "")
    if rule is not None and goes is not None and form.disposition not in goes.dispositions:
        may = [word("disposition", code) for code in goes.dispositions]
        said = Words(zh="、".join(one.zh for one in may), en=", ".join(one.en for one in may))
        found.mistakes.append(
            Mistake(
                field="disposition",
                code="disposition_unfit",
                words=Words(
                    zh=word("mistake", "disposition_unfit").zh.format(may=said.zh),
                    en=word("mistake", "disposition_unfit").en.format(may=said.en),
                ),
            )
        )
    found.choices("needs", form.needs, needs, required=rule is not None and rule.choose_needs)
    _check_days(form, found, rule)


def _check_days(form: Form, found: _Found, rule: DispositionRule | None) -> None:
    """Dates ahead: one for a household that is watched, one for a household that is looked at again."""
    words = vocabulary()
    asked: Mapping[str, tuple[date | None, bool, int]] = {
        "watch_until": (
            form.watch_until,
            rule is not None and rule.watch and form.validity != "V9",
            words.longest_watch_days,
        ),
        "recheck_on": (form.recheck_on, form.validity == "V9", words.longest_recheck_days),
    }
    for field, (day, required, longest) in asked.items():
        if day is None:
            if required:
                found.add(field, "missing")
        elif form.visited_on is not None and not (form.visited_on < day <= form.visited_on + timedelta(days=longest)):
            found.add(field, "day_range", most=longest)
