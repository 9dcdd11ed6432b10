"""A filled list that an office takes in: each row becomes the record of a visit, held against the case as it is now.

Nothing is written while rows are looked at. On confirmation each row goes through the desk like a record that was
typed, by the account that sent the file: the case that nobody has is taken by that account first, and what somebody
else has changed in the meantime is named and left alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from features.errors import UsageError
from features.project import Project
from features.strict import Words
from reports.documents import words as document_words
from reports.weekly_list import VERDICT, label
from serving.casework import actions as a
from serving.casework import cases
from serving.casework.actor import Actor
from serving.casework.boxes import record_choices
from serving.casework.case import Case
from serving.casework.classification import Form, Mistake, check
from serving.casework.desk import Desk
from serving.casework.looking import newest_signal
from serving.casework.refusals import AccessError, ActionDetailError, ActionError, ConflictError, FormError
from serving.casework.workflow import allowed
from serving.filled import (
    Filled,
    FilledSheet,
    Rejected,
    RowRefused,
    choice,
    day_of,
    read_sheet,
    refuse_formulas,
    shown_run,
    text_of,
    write_rejected,
)
from serving.runs import RunFolder

Fate = Literal["ready", "changed", "same", "rejected"]
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "visited_on": ("finding_date",), "method": ("method",), "met": ("met", "met_2"), "minutes": ("minutes",),
    "validity": ("validity",), "causes": ("cause", "cause_2", "cause_3"), "depth": ("depth",),
    "onset": ("onset_date",), "evidence": ("evidence", "evidence_2", "evidence_3"), "savings": ("savings",),
    "kin": ("kin",), "disposition": ("disposition",), "needs": ("need", "need_2", "need_3"),
    "watch_until": ("watch_date",), "recheck_on": ("recheck_date",), "note": ("remark",),
}  # fmt: skip
"""Fields of the record and their columns."""
MOST_LINES = 2_000
"""Filled rows that are taken in at once."""
_DAYS = ("visited_on", "onset", "watch_until", "recheck_on")
_LISTS = ("met", "causes", "evidence", "needs")


@dataclass(frozen=True)
class Line:
    """A row of the file.

    Attributes:
        fate: ready to be taken in, at odds with a record that is there already, the same as that, or rejected.
        column: where the first thing is wrong, for people.
        why: what is wrong, each in one sentence.
        case: as it is now, where the row is the actor's to write.
    """

    line: int
    household: str
    fate: Fate
    cells: Mapping[str, str]
    form: Form | None = None
    why: tuple[tuple[str, Words], ...] = ()
    case: Case | None = None


@dataclass(frozen=True)
class Returned:
    """A file, read and held against the cases."""

    run_id: str
    columns: tuple[str, ...]
    lines: tuple[Line, ...]
    empty: int
    blind: bool

    def of(self, fate: Fate) -> tuple[Line, ...]:
        """Rows of a fate."""
        return tuple(one for one in self.lines if one.fate == fate)


@dataclass(frozen=True)
class Taken:
    """What became of the confirmed rows: households that were written, and those that were not, with the reason."""

    written: tuple[str, ...] = ()
    opinions: tuple[str, ...] = ()
    conflicts: Mapping[str, str] = field(default_factory=dict)


def read_returned(desk: Desk, by: Actor, file: Path, run: RunFolder, *, called: str) -> Returned:
    """Read a filled list of a run and say of each row what would become of it.

    Args:
        desk: the service layer.
        by: who sends it; rows of other areas are rejected.
        file: the XLSX.
        run: the week's published run.
        called: the file's name for people.

    Raises:
        UsageError: nothing is filled in, or the file is another week's.
        DataError: it is no list of ours.
    """
    sheet = read_sheet(file, called=called)
    if sheet.run_id != run.run_id:
        raise UsageError("list_other_week", run=shown_run(sheet.run_id) or "—", day=run.as_of)
    if len(sheet.lines) > MOST_LINES:
        raise UsageError("list_too_many_rows", rows=len(sheet.lines), most=MOST_LINES)
    codes = {str(row["household_id"]): str(row["row_code"]) for row in run.households()}
    lines = [_read(line, cells, sheet, desk.project, codes) for line, cells in sheet.lines]
    seen: set[str] = set()
    judged: list[Line] = []
    for one in lines:
        if one.fate != "rejected" and one.household in seen:
            why = (("household", document_words("rejected_twice")),)
            judged.append(Line(one.line, one.household, "rejected", one.cells, why=why))
            continue
        seen.add(one.household)
        judged.append(_judged(desk, by, one, blind=by.blind or sheet.blind))
    return Returned(sheet.run_id, sheet.columns, tuple(judged), sheet.empty, sheet.blind)


# --- a row ------------------------------------------------------------------------------------------------------------


def _read(line: int, cells: Mapping[str, Any], sheet: FilledSheet, project: Project, codes: Mapping[str, str]) -> Line:
    """A row as a form, or what cannot be read in it."""
    shown = {key: text_of(cells.get(key)) for key in sheet.columns}
    household = shown.get("household", "")
    try:
        refuse_formulas(cells)
        if household not in codes or shown["row_code"] != codes[household]:
            raise RowRefused("altered", "household")  # noqa: TRY301 -- one place where rows are sent back
    except RowRefused as refused:
        return Line(line, "", "rejected", shown, why=(_refusal(refused),))
    values: dict[str, Any] = {}
    why: list[tuple[str, Words]] = []
    for name, columns in COLUMNS.items():
        try:
            values[name] = _value(name, columns, cells, project)
        except RowRefused as refused:
            why.append(_refusal(refused))
    values["reasons"] = {}
    for column in sheet.columns:
        if column.startswith(VERDICT):
            try:
                chosen = choice(cells, column, project, record_choices())
            except RowRefused as refused:
                why.append(_refusal(refused))
                continue
            if chosen is not None:
                values["reasons"][column.removeprefix(VERDICT)] = chosen
    if why:
        return Line(line, household, "rejected", shown, why=tuple(why))
    return Line(line, household, "ready", shown, form=Form(**values))


def _value(name: str, columns: Sequence[str], cells: Mapping[str, Any], project: Project) -> Any:
    if name in _DAYS:
        return day_of(cells.get(columns[0]), columns[0])
    if name == "note":
        return text_of(cells.get(columns[0]))
    if name == "minutes":
        text = text_of(cells.get(columns[0])).removesuffix(".0")
        if text and not (text.isascii() and text.isdigit() and len(text) < 6):
            raise RowRefused("number", columns[0])
        return int(text) if text else None
    chosen = [choice(cells, column, project, record_choices()) for column in columns]
    if name in _LISTS:
        return tuple(dict.fromkeys(code for code in chosen if code is not None))
    return int(chosen[0]) if name == "depth" and chosen[0] is not None else chosen[0]


def _refusal(refused: RowRefused) -> tuple[str, Words]:
    said = {
        one: document_words(f"rejected_{refused.reason}", column=label(refused.column, one)).of(one)
        for one in ("zh", "en")
    }
    return refused.column, Words(**said)


# --- held against the case --------------------------------------------------------------------------------------------


def _judged(desk: Desk, by: Actor, one: Line, *, blind: bool) -> Line:
    """What would become of a row."""
    if one.form is None:
        return one
    with desk.database.reading() as session:
        case = cases.newest_case(session, one.household)
        body = None if case is None or blind else newest_signal(session, case.case_id)
    if case is None or not desk.reaches(by, case.area_code):
        return Line(one.line, "", "rejected", one.cells, why=(("household", document_words("rejected_outside")),))
    mistakes = check(
        one.form, listed_reasons=[str(reason["family"]) for reason in (body or {}).get("reasons", [])],
        needs=tuple(desk.rules.routing.needs), not_before=case.opened_on, today=desk.rules.day(desk.now()),
    )  # fmt: skip
    if mistakes:
        why = tuple(_mistaken(mistake) for mistake in mistakes)
        return Line(one.line, one.household, "rejected", one.cells, one.form, why, case)
    if case.state in ("alert", "assigned", "visited"):
        return Line(one.line, one.household, "ready", one.cells, one.form, (), case)
    standing = case.standing or (case.records[-1] if case.records else None)
    fate: Fate = "same" if standing is not None and standing.form == one.form else "changed"
    return Line(one.line, one.household, fate, one.cells, one.form, (), case)


def _mistaken(mistake: Mistake) -> tuple[str, Words]:
    """A mistake with the name of its column before it."""
    column = COLUMNS.get(mistake.field, (mistake.field,))[0]
    if mistake.field == "reasons":
        return column, mistake.words
    return column, Words(
        zh=f"“{label(column, 'zh')}”：{mistake.words.zh}", en=f"'{label(column, 'en')}': {mistake.words.en}"
    )


# --- confirmed --------------------------------------------------------------------------------------------------------


def write_errors(returned: Returned, path: Path, language: str) -> int:
    """The rejected rows with the reasons as a workbook, to put right; returns how many there are."""
    rejected = tuple(Rejected(one.line, "", "", one.cells, one.why) for one in returned.of("rejected"))
    write_rejected(Filled(returned.run_id, (), rejected, 0, returned.columns), path, language)
    return len(rejected)


def looked_at(desk: Desk, by: Actor, returned: Returned) -> None:
    """Write down whose standing records are shown beside rows at odds with them."""
    for one in returned.of("changed"):
        desk.note(by, "view", one.household, list=returned.run_id, score=False)


def take(desk: Desk, by: Actor, returned: Returned, versions: Mapping[str, int], opinions: frozenset[str]) -> Taken:
    """Write the rows that were confirmed.

    Args:
        desk: the service layer.
        by: who confirmed.
        returned: the file, read anew.
        versions: household → version of its case as it was shown before the confirmation.
        opinions: households whose row goes beside the record that is there, as a second opinion.
    """
    written: list[str] = []
    beside: list[str] = []
    conflicts: dict[str, str] = {}
    for one in returned.lines:
        if one.case is None or one.form is None or one.household not in versions:
            continue
        opinion = one.fate == "changed" and one.household in opinions
        if one.fate != "ready" and not opinion:
            continue
        try:
            _write(desk, by, one, versions[one.household], opinion=opinion, unseen=returned.blind)
        except (ConflictError, ActionError, ActionDetailError, FormError, AccessError) as error:
            conflicts[one.household] = error.code
        else:
            (beside if opinion else written).append(one.household)
    return Taken(tuple(written), tuple(beside), conflicts)


def _write(desk: Desk, by: Actor, one: Line, seen: int, *, opinion: bool, unseen: bool) -> None:
    case = one.case
    assert case is not None
    assert one.form is not None
    if opinion:
        desk.act(a.AddOpinion(by=by, form=one.form, unseen=unseen), case.case_id, seen)
        return
    if case.state == "alert":  # somebody has to have the case before it is classified
        seen = desk.act(a.Assign(by=by, to=by), case.case_id, seen).version
    desk.act(a.Classify(by=by, form=one.form, unseen=unseen), case.case_id, seen)


def may_add(line: Line, role: str) -> bool:
    """Whether a row may go beside the record that is there."""
    return line.case is not None and "add_opinion" in allowed(line.case, role)
