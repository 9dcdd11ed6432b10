"""Commands of casework: the database's schema, the audit log, cases from a list, and the clock's round."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select

from features.engines.duckdb import engine
from features.errors import DataError, NothingToDo, UsageError
from features.staging import write_atomically
from features.store import Store
from models.registry import Registry
from serving.casework import cases, outcomes
from serving.casework.actor import clock
from serving.casework.alerts import open_week
from serving.casework.carrying import carry
from serving.casework.database import Schema, open_database, there
from serving.casework.desk import Desk, open_desk
from serving.casework.keeping import lines
from serving.casework.reminding import remind as go_round
from serving.casework.requests import erase_expired, expired_identities, finish_erasures, unfinished_erasures
from serving.casework.returned import Taken, looked_at, read_returned, take, write_errors
from serving.casework.tables import SignalRow
from serving.console import Console, day_of, read_day
from serving.filled import read_sheet, shown_run
from serving.forgetting import forgetting
from serving.outbox import Outbox, receivers
from serving.runs import newest_on, with_run_id
from serving.web.accounts import account_named, actor_of


def has_cases(console: Console, file: Path) -> bool:
    """Whether the list of a file was made into cases: what people found belongs there then, in whole.

    Raises:
        DependencyError: there are cases, of a schema that is not the code's.
    """
    home = console.home.project(console.project.name)
    if not there(console.settings, home):
        return False
    database = open_database(console.settings, home)
    if not database.schema().current:
        return False
    with database.reading() as session:
        one = select(SignalRow.household_id).where(SignalRow.run_id == read_sheet(file).run_id).limit(1)
        return session.scalars(one).first() is not None


def list_import(
    console: Console, file: Path, account: str, *, task: str | None, errors: Path | None, dry_run: bool
) -> None:
    """Record a filled list in its cases, as the page of imports does; exit code 3 when rows were not taken."""
    if not account:
        raise UsageError("list_needs_account")
    desk, language = open_desk(console.project, console.settings), console.language
    by = desk.presented(actor_of(account_named(desk, account)))
    if by.role not in ("town", "county"):
        raise UsageError("list_account_unfit", account=account)
    run_id = read_sheet(file).run_id
    run = with_run_id(console.home.project(console.project.name), console.project.task(task)[0], run_id)
    if run is None:
        raise DataError("list_run_unknown", run=shown_run(run_id))
    read = read_returned(desk, by, file, run, called=file.name)
    rejected, at_odds = read.of("rejected"), read.of("changed")
    taken = Taken()
    if not dry_run:
        looked_at(desk, by, read)
        content = hashlib.sha256(file.read_bytes()).hexdigest()
        desk.note(by, "delivery", read.run_id, rows=len(read.lines), sha256=content, command="list import")
        versions = {line.household: line.case.version for line in read.lines if line.case is not None}
        taken = take(desk, by, read, versions, frozenset())
        if errors is not None and rejected:
            rows = write_errors(read, errors, language)
            desk.exported(by, f"{read.run_id} errors", rows, hashlib.sha256(errors.read_bytes()).hexdigest())
    accepted = len(read.of("ready")) if dry_run else len(taken.written)
    console.say(
        f"记入个案 {accepted} 户，退回 {len(rejected)} 行，与已有记录不一致 {len(at_odds)} 户，相同 {len(read.of('same'))} 户，未填 {read.empty} 行",
        f"{accepted} households recorded, {len(rejected)} rows rejected, {len(at_odds)} at odds with a record that is there, {len(read.of('same'))} the same, {read.empty} rows not filled in",
    )
    refused = [(line.line, column, text.of(language)) for line in rejected for column, text in line.why]
    if refused:
        console.table(
            ("退回的行", "rejected rows"), [("行", "line"), ("列", "column"), ("原因", "reason")],
            [list(one) for one in refused],
        )  # fmt: skip
    if at_odds:
        console.say(
            "与已有记录不一致的，请在网页的导入页面对照后作为第二意见补充。",
            "Lay those at odds beside the record on the page of imports, and add them there as second opinions.",
        )
    console.finish(
        run_id=read.run_id, accepted=accepted, empty=read.empty, same=len(read.of("same")),
        rejected=[{"line": line, "column": column, "message": message} for line, column, message in refused],
        at_odds=[line.household for line in at_odds], conflicts=dict(taken.conflicts), dry_run=dry_run,
    )  # fmt: skip
    if rejected or at_odds or taken.conflicts:
        console.exit_code = 3


def recount(console: Console, *, dry_run: bool) -> None:
    """Hold counts by state and by open need against the cases; exit code 6 where all is as it should be."""
    desk = open_desk(console.project, console.settings)
    if dry_run:
        with desk.database.reading() as session:
            wrong = cases.recount(session, repair=False)
    else:
        with desk.writing(clock()) as (session, told):
            wrong = cases.recount(session)
            if wrong:
                told.append(("clock", "counts", {"action": "recounted", "wrong": wrong}))
    if wrong == 0:
        raise NothingToDo("cases_counted")
    console.say(f"改正了 {wrong} 个计数。", f"{wrong} counts put right.")
    console.finish(wrong=wrong, dry_run=dry_run)


def migrate(console: Console, direction: str, *, to: str | None, dry_run: bool) -> None:
    """Bring the schema up or down, or say where it is."""
    database = open_database(console.settings, console.home.project(console.project.name))
    if direction == "status":
        _say_schema(console, database.schema(), dry_run=dry_run)
        return
    if direction == "down" and not (console.agreed or dry_run):
        raise UsageError("migrate_down_unasked")
    made = database.migrate(direction, to, dry_run=dry_run)
    _say_schema(console, made, dry_run=dry_run)


def _say_schema(console: Console, schema: Schema, *, dry_run: bool) -> None:
    console.say(
        f"表结构 {schema.current or '—'}，目标 {schema.target or '—'}",
        f"schema {schema.current or '—'}, target {schema.target or '—'}",
    )
    for step in schema.steps:
        console.say(f"  {step.revision}  {step.title}", f"  {step.revision}  {step.title}")
    steps = [{"revision": step.revision, "title": step.title} for step in schema.steps]
    console.finish(current=schema.current, target=schema.target, steps=steps, dry_run=dry_run)


def audit_verify(console: Console, *, sign: bool) -> None:
    """Hold the audit log against its digests, signed days and witnesses; exit code 4 where it does not hold."""
    desk = open_desk(console.project, console.settings)
    today = desk.rules.day(desk.now())
    found = desk.keeper.verify(desk.database)
    signed = desk.keeper.sign_days(desk.database, today, desk.zone) if sign and found.ok else []
    broken = found.faults[0].seq if found.faults else None
    if found.ok:
        console.say(
            f"审计日志完整：{found.lines} 条，已签名 {found.days + len(signed)} 天。",
            f"The audit log holds: {found.lines} lines, {found.days + len(signed)} days signed.",
        )
    else:
        console.table(
            ("审计日志有问题的位置", "where the audit log does not hold"),
            [("序号", "number"), ("问题", "what")],
            [[fault.seq, fault.what] for fault in found.faults],
        )
        console.exit_code = 4
    console.finish(
        ok=found.ok, lines=found.lines, days=found.days, broken_at=broken, signed=[str(day.day) for day in signed],
        faults=[{"seq": fault.seq, "what": fault.what} for fault in found.faults],
    )  # fmt: skip


def audit_export(console: Console, out: Path, *, first: str | None, last: str | None, dry_run: bool) -> None:
    """The log of a stretch of days as a ZIP: lines, signed days, public key, and a manifest with SHA-256."""
    desk = open_desk(console.project, console.settings)
    low, high = (read_day(text) if text else None for text in (first, last))
    if low is not None and high is not None and high < low:
        raise UsageError("audit_days")
    start, end = _moment(desk, low), _moment(desk, high + timedelta(days=1) if high else None)
    with desk.database.reading() as session:
        told = "".join(json.dumps(line.plain(), ensure_ascii=False) + "\n" for line in lines(session, start, end))
    rows = told.count("\n")
    if rows == 0:
        raise NothingToDo("audit_nothing")
    parts = {"audit.jsonl": told.encode(), **dict(_vouchers(desk))}
    manifest = {name: hashlib.sha256(content).hexdigest() for name, content in parts.items()}
    if not dry_run:
        desk.exported(clock(), "audit", rows, manifest["audit.jsonl"])
        write_atomically(out, _zip({**parts, "manifest.json": json.dumps(manifest, indent=1).encode()}))
    console.say(f"{rows} 条审计记录：{out}", f"{rows} audit lines: {out}")
    console.finish(rows=rows, sha256=manifest, files=[] if dry_run else [str(out)], dry_run=dry_run)


def _moment(desk: Desk, day: date | None) -> datetime | None:
    return None if day is None else datetime.combine(day, time.min, desk.zone)


def _vouchers(desk: Desk) -> Iterator[tuple[str, bytes]]:
    """What somebody without our keys can check signed days with."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    yield "public-key.pem", desk.keeper.public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    yield "signed-days.json", json.dumps(desk.keeper.signed_days(desk.database), indent=1).encode()


def _zip(parts: dict[str, bytes]) -> bytes:
    import io

    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(zipfile.ZipInfo(name, (2000, 1, 1, 0, 0, 0)), content)
    return out.getvalue()


def cases_open(console: Console, *, as_of: str | None, week: str | None, task: str | None, dry_run: bool) -> None:
    """Make a published list into cases."""
    project = console.project
    name, _ = project.task(task)
    day = day_of(project, as_of, week)
    run = newest_on(console.home.project(project.name), name, day)
    if run is None:
        raise UsageError("cases_without_list", day=day)
    desk = open_desk(project, console.settings)
    made = open_week(desk, run, dry_run=dry_run)
    carried = 0 if dry_run else _carry(console, desk)
    console.say(
        f"{day}：清单 {made.listed} 户，新个案 {made.opened}，并入原个案 {made.merged}，近期已办结 {made.cooling}",
        f"{day}: {made.listed} listed, {made.opened} new cases, {made.merged} joined an open one, {made.cooling} closed "
        "a short while ago",
    )
    console.finish(**made.as_dict(), events=carried, dry_run=dry_run)


def cases_remind(console: Console, *, task: str | None, deliver: bool, dry_run: bool) -> None:
    """The clock's round: reminders, F10, escalation; findings to the store, events to the outbox, days signed."""
    project = console.project
    name, _ = project.task(task)
    desk = open_desk(project, console.settings)
    made = go_round(desk, dry_run=dry_run)
    answer: dict[str, Any] = made.as_dict()
    today = desk.rules.day(desk.now())
    answer["erasures_unfinished"] = len(unfinished_erasures(desk))
    answer["identities_expired"] = len(expired_identities(desk, today))
    if not dry_run:
        answer["carried"] = _carry(console, desk)
        answer["signed"] = [str(one.day) for one in desk.keeper.sign_days(desk.database, today, desk.zone)]
    if deliver:
        answer["outcomes"] = _outcomes(console, desk, name, today, dry_run=dry_run)
    console.table(
        ("今天的提醒", "today's round"),
        [("事项", "what"), ("件数", "how many")],
        [[kind, count] for kind, count in made.events.items()],
    )
    if made.provisional_years:
        years = ", ".join(map(str, made.provisional_years))
        console.note(
            f"{years} 年的放假安排尚未公布，有关期限暂按周一至周五计算。",
            f"The holidays of {years} are not published; deadlines there count Monday to Friday for now.",
        )
    console.finish(**answer, dry_run=dry_run)


def erase(console: Console, *, dry_run: bool) -> None:
    """Take identities out of the vault: those that were granted, and those whose time is over."""
    desk = open_desk(console.project, console.settings)
    today = desk.rules.day(desk.now())
    granted, expired = len(unfinished_erasures(desk)), len(expired_identities(desk, today))
    found = 0
    if not dry_run:
        forget = forgetting(console.project, console.settings, today)
        granted = finish_erasures(desk, clock(), forget)
        found = erase_expired(desk, clock(), today, forget)
    console.say(
        f"到期 {expired} 户，其中身份信息已删除 {found} 户；补办已批准的删除 {granted} 件。",
        f"{expired} households are past their time, {found} identities erased; {granted} granted erasures carried out.",
    )
    console.finish(expired=expired, erased=found, granted=granted, dry_run=dry_run)


def _outcomes(console: Console, desk: Desk, task: str, today: date, *, dry_run: bool) -> dict[str, Any] | None:
    with engine(console.settings) as opened:
        try:
            sent = outcomes.send(
                desk, console.settings, Store(console.home, desk.project), Registry(console.settings, console.home),
                opened, task, today, dry_run=dry_run,
            )  # fmt: skip
        except NothingToDo:
            return None
    return sent.as_dict()


def _carry(console: Console, desk: Desk) -> int:
    to = receivers(console.settings)
    return carry(desk, Outbox(console.home.project(desk.project.name).events), to)
