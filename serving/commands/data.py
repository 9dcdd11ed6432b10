"""Commands of deliveries: ingest, validate, quarantine, features."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

from features.calendar import as_of_days
from features.engines.duckdb import engine
from features.errors import NothingToDo, UsageError
from features.store import Store
from serving.console import Console, day_of, read_day

FATES = ("delivered", "accepted", "already_known", "quarantined")


def ingest(console: Console, sources: list[str], *, feed: str | None, received_on: str | None, dry_run: bool) -> None:
    """Take each source in as one delivery; exit code 3 when rows were quarantined, 6 when all was known."""
    from features.ingestion import ingest

    received = read_day(received_on) if received_on else date.today()  # noqa: DTZ011 -- the day at this desk
    receipts: list[dict[str, Any]] = []
    known: NothingToDo | None = None
    for source in sources:
        try:
            with console.progress() as report:
                receipt = ingest(
                    source,
                    console.project,
                    console.settings,
                    feed=feed,
                    received_on=received,
                    dry_run=dry_run,
                    progress=report,
                )
        except NothingToDo as nothing:
            known = nothing
            console.note(nothing.sentence("zh"), nothing.sentence("en"))
            continue
        receipts.append(receipt.as_dict())
        show_receipt(console, receipts[-1])
    if known is not None and not receipts:
        raise known
    totals = {fate: sum(receipt[fate] for receipt in receipts) for fate in FATES}
    delivery_id = receipts[0]["delivery_id"] if len(receipts) == 1 else None
    console.finish(**totals, delivery_id=delivery_id, deliveries=receipts, dry_run=dry_run)
    if totals["quarantined"]:
        console.exit_code = 3


def show_receipt(console: Console, receipt: dict[str, Any]) -> None:
    """The sum that must come out: accepted + already known + quarantined = delivered."""
    delivered, accepted, known, quarantined = (receipt[fate] for fate in FATES)
    console.say(
        f"{receipt['feed']}：入库 {accepted} + 已知 {known} + 隔离 {quarantined} = 报送 {delivered} 行",
        f"{receipt['feed']}: accepted {accepted} + already known {known} + quarantined {quarantined} = delivered {delivered} rows",
    )
    for warning in receipt.get("warnings", []):
        console.note(str(warning), str(warning))
    if quarantined:
        console.note("用 zhouji quarantine list 查看被退回的行。", "zhouji quarantine list shows the rejected rows.")


def validate(
    console: Console,
    sources: list[str],
    *,
    feed: str | None,
    as_of: str | None,
    week: str | None,
    fail_on: str,
    report: Path | None,
) -> None:
    """Check files without taking them in, or the store as it stands."""
    from features.checking import check_file, check_store
    from reports.validation import write_html

    if fail_on not in ("warn", "error"):
        raise UsageError("fail_on_unknown", value=fail_on)
    with engine(console.settings) as opened:
        if sources:
            checks = [c for source in sources for c in check_file(source, console.project, console.settings, feed=feed)]
        else:
            day = day_of(console.project, as_of, week) if as_of or week else None
            checks = check_store(
                console.project, Store(console.home, console.project), opened, console.settings, day=day
            )
    status = max((check["status"] for check in checks), key=("ok", "warn", "error").index, default="ok")
    console.table(
        ("检查", "checks"),
        [("项目", "what"), ("状态", "state"), ("说明", "detail")],
        [[check["name"], check["status"], check[f"detail_{console.language}"]] for check in checks],
    )
    if report is not None:
        write_html(checks, report, language=console.language)
    console.finish(checks=checks, status=status)
    if status == "error" or (status == "warn" and fail_on == "warn"):
        console.exit_code = 3


def quarantine_list(console: Console, *, feed: str | None) -> None:
    """Rejected rows with rule, place and repair; the original text only where the vault's key is at hand."""
    from features.ingestion import open_quarantine

    rows = open_quarantine(console.project, console.settings).rows(feed=feed)
    console.table(
        ("隔离区", "quarantine"),
        [("报送", "delivery"), ("行", "line"), ("列", "column"), ("规则", "rule"), ("怎么改", "repair")],
        [[r["delivery_id"], r["line"], r["column"], r["rule"], r[f"repair_{console.language}"]] for r in rows],
    )
    console.finish(rows=rows, reasons=count(row["rule"] for row in rows))


def count(values: Any) -> dict[str, int]:
    """How often each value occurs, in order of the values."""
    found: dict[str, int] = {}
    for value in values:
        found[value] = found.get(value, 0) + 1
    return dict(sorted(found.items()))


def quarantine_export(console: Console, out: Path, *, feed: str | None) -> None:
    """The rejected rows as a file in the department's own columns, ready to be repaired and sent again."""
    from features.ingestion import open_quarantine

    rows = open_quarantine(console.project, console.settings).export(out, feed=feed, language=console.language)
    console.say(f"{rows} 行已写入 {out}", f"{rows} rows written to {out}")
    console.finish(rows=rows, files=[str(out)])


def quarantine_retry(console: Console, *, feed: str | None, dry_run: bool) -> None:
    """Read rejected rows again under today's profile; what passes leaves the quarantine."""
    from features.ingestion import retry

    receipts = retry(console.project, console.settings, feed=feed, dry_run=dry_run)
    answers = [receipt.as_dict() for receipt in receipts]
    for answer in answers:
        show_receipt(console, answer)
    totals = {fate: sum(answer[fate] for answer in answers) for fate in FATES}
    console.finish(**totals, deliveries=answers, dry_run=dry_run)
    if totals["quarantined"]:
        console.exit_code = 3


def features(
    console: Console, *, as_of: str | None, week: str | None, first: str | None, last: str | None, dry_run: bool
) -> None:
    """Build the panel for the day or the range that is named."""
    from features import panel

    project = console.project
    if first or last:
        if not (first and last):
            raise UsageError("range_half_named")
        days = as_of_days(project.calendar.cadence, read_day(first), read_day(last))
    else:
        days = [day_of(project, as_of, week)]
    if not days:
        raise UsageError("range_empty", first=first, last=last, cadence=project.calendar.cadence)
    if dry_run:
        console.say(f"将计算 {len(days)} 个数据日。", f"Would build {len(days)} as-of days.")
        console.finish(days=days, dry_run=True)
        return
    store = Store(console.home, project)
    with console.progress() as report, engine(console.settings) as opened:
        folder = panel.build(project, store, days, engine=opened, progress=report)
    console.say(
        f"{folder.rows} 行 × {len(folder.indicators)} 个指标：{folder.path}",
        f"{folder.rows} rows × {len(folder.indicators)} indicators: {folder.path}",
    )
    console.finish(rows=folder.rows, features=len(folder.indicators), days=days, digest=folder.digest, path=folder.path)
