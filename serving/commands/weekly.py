"""Commands of the weekly run: score, explain, list import."""

from __future__ import annotations

import json
from datetime import date, datetime
from pathlib import Path

from features.engines.duckdb import engine
from features.errors import UsageError
from features.staging import write_atomically
from features.store import Store
from models.registry import Registry
from reports import household as documents
from reports.documents import Explanation
from serving.console import Console, day_of

FORMATS = ("text", "json", "html", "pdf")


def score(
    console: Console,
    *,
    as_of: str | None,
    week: str | None,
    task: str | None,
    version: str | None,
    area: str | None,
    capacity: int | None,
    audit_share: float | None,
    seed: int,
    publish: bool,
    allow_stale: bool,
    out: Path | None,
    dry_run: bool,
) -> None:
    """Make the list of a day; exit code 4 when an essential feed is stale and nobody said to go on."""
    from serving.runs import Options
    from serving.scoring import run

    project = console.project
    name, _ = project.task(task)
    day = day_of(project, as_of, week)
    with console.progress() as report, engine(console.settings) as opened:
        made = run(
            project,
            name,
            Store(console.home, project),
            Registry(console.settings, console.home),
            as_of=day,
            settings=console.settings,
            engine=opened,
            options=Options(area=area, capacity=capacity, audit_share=audit_share, seed=seed),
            version=version,
            out=out,
            publish=publish,
            dry_run=dry_run,
            allow_stale=allow_stale,
            progress=report,
        )
    console.say(
        f"{day}：观察 {made.cohort} 户，清单 {made.listed} 户（新增 {made.new}，上升 {made.up}，随机抽查 {made.audit}），"
        f"运行 {made.run_id}，版本 {made.version}",
        f"{day}: {made.cohort} households observed, {made.listed} listed ({made.new} new, {made.up} up, {made.audit} at "
        f"random), run {made.run_id}, version {made.version}",
    )
    if made.stale:
        console.say(
            "注意：本次使用了过期数据，全部产品均已注明。", "Note: stale data were used; every product says so."
        )
    if made.trial:
        console.say(
            f"注意：版本 {made.version} 尚未通过门槛上线（zhouji promote），全部产品均已注明。",
            f"Note: version {made.version} has not been promoted (zhouji promote); every product says so.",
        )
    console.table(
        ("各辖区", "areas"),
        [
            ("区划", "area"),
            ("走访数", "capacity"),
            ("清单", "listed"),
            ("未排入", "left out"),
            ("与上次相同", "as before"),
        ],
        [
            [area["area"], area.get("capacity"), area.get("listed"), area.get("left_out"), area.get("overlap")]
            for area in made.areas
        ],
    )
    for file in made.files:
        console.say(str(file), str(file))
    console.finish(**made.as_dict(), dry_run=dry_run)


def explain(
    console: Console,
    household: str,
    *,
    as_of: str | None,
    week: str | None,
    task: str | None,
    version: str | None,
    format_: str,
    out: Path | None,
) -> None:
    """One household's explanation; with --json always as one JSON object."""
    from serving.scoring import explain_household

    if format_ not in FORMATS:
        raise UsageError("format_unknown", value=format_, known=", ".join(FORMATS))
    if format_ == "pdf" and out is None:
        raise UsageError("pdf_without_file")
    project = console.project
    name, _ = project.task(task)
    with console.progress() as report, engine(console.settings) as opened:
        told = explain_household(
            project,
            name,
            Store(console.home, project),
            Registry(console.settings, console.home),
            household,
            as_of=day_of(project, as_of, week),
            engine=opened,
            version=version,
            progress=report,
        )
    plain = documents.to_plain(told)
    if format_ == "pdf":
        assert out is not None
        write_atomically(out, _sheet(console, told))
        console.say(f"已写入 {out}", f"written to {out}")
        console.finish(**plain, files=[str(out)])
        return
    if format_ == "html":
        text = documents.to_html(told, console.language)
    elif format_ == "json":
        text = json.dumps(plain, ensure_ascii=False, indent=1)
    else:
        text = documents.to_text(told, console.language)
    if out is not None:
        write_atomically(out, text.encode())
        console.say(f"已写入 {out}", f"written to {out}")
    elif not console.as_json:
        console.out.print(text, markup=False, soft_wrap=True)
    console.finish(**plain, files=[str(out)] if out else [])


def _sheet(console: Console, told: Explanation) -> bytes:
    """The visit sheet of an explained household."""
    from reports.visit_sheet import to_pdf
    from serving.casework.deadlines import read_rules
    from serving.casework.sheets import sheet_of_explanation

    at = datetime.now(read_rules(console.project.folder).zone)
    return to_pdf(sheet_of_explanation(told, "zhouji explain", at), language=console.language)


def list_import(console: Console, file: Path, *, task: str | None, errors: Path | None, dry_run: bool) -> None:
    """Read a filled list back; exit code 3 when rows were rejected."""
    from serving.results import import_list

    project = console.project
    name, _ = project.task(task)
    with engine(console.settings) as opened:
        read = import_list(
            file,
            project,
            name,
            Store(console.home, project),
            Registry(console.settings, console.home),
            settings=console.settings,
            engine=opened,
            today=date.today(),  # noqa: DTZ011 -- the day at this desk
            errors=errors,
            dry_run=dry_run,
            language=console.language,
        )
    console.say(
        f"接受 {read.accepted} 行，退回 {len(read.rejected)} 行，未填 {read.empty} 行",
        f"{read.accepted} rows accepted, {len(read.rejected)} rejected, {read.empty} not filled in",
    )
    if read.rejected:
        console.table(
            ("退回的行", "rejected rows"),
            [("行", "line"), ("列", "column"), ("原因", "reason")],
            [[row.line, row.column, row.sentence(console.language)] for row in read.rejected],
        )
    console.finish(**read.as_dict(console.language), dry_run=dry_run)
    if read.rejected:
        console.exit_code = 3
