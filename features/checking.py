"""What `zhouji validate` looks at: a file as it would be taken in, or the store as it stands."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal

from features.divisions import area_tree
from features.engines.duckdb import Engine
from features.errors import DataError, NothingToDo, ZhoujiError
from features.feeds.quarantine import Quarantine
from features.feeds.records import check_rules
from features.freshness import check, check_areas
from features.indicators.registry import indicators_of
from features.ingestion import ingest, open_quarantine
from features.project import Project
from features.settings import Settings
from features.store import Store

Status = Literal["ok", "warn", "error"]
WORDS = {"current": "正常", "late": "迟报", "shrunken": "数量缩水", "absent": "没有数据"}


@dataclass(frozen=True)
class Check:
    """One thing that was looked at, in both languages."""

    name: str
    status: Status
    detail_zh: str
    detail_en: str

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def check_file(source: str, project: Project, settings: Settings, *, feed: str | None) -> list[dict[str, Any]]:
    """A file as it would be taken in, without taking it in."""
    name = Path(source).name
    try:
        receipt = ingest(source, project, settings, feed=feed, received_on=date.today(), dry_run=True)  # noqa: DTZ011
    except NothingToDo as nothing:
        return [_said(name, "ok", nothing)]
    except DataError as error:
        return [_said(name, "error", error)]
    status: Status = "error" if receipt.quarantined else "ok"
    numbers = f"{receipt.accepted} + {receipt.already_known} + {receipt.quarantined} = {receipt.delivered}"
    found = [
        Check(
            f"{name}: {receipt.feed}",
            status,
            f"入库 + 已知 + 隔离 = 报送：{numbers}",
            f"accepted + known + quarantined = delivered: {numbers}",
        )
    ]
    found += [Check(name, "warn", warning, warning) for warning in receipt.warnings]
    return [check.as_dict() for check in found]


def _said(name: str, status: Status, error: ZhoujiError) -> dict[str, Any]:
    return Check(name, status, error.sentence("zh"), error.sentence("en")).as_dict()


def check_store(
    project: Project, store: Store, engine: Engine, settings: Settings, *, day: date | None
) -> list[dict[str, Any]]:
    """The store: profiles against the contract, files against digests, rows against receipts, feeds against the day."""
    found = [
        *_profiles(project),
        _indicators(project),
        _bytes(store),
        _accounts(store, open_quarantine(project, settings)),
    ]
    if store.version:
        found += _feeds(project, store, engine, day or _newest(store))
    return [check.as_dict() for check in found]


def _profiles(project: Project) -> list[Check]:
    found = []
    for feed in project.feeds:
        try:
            check_rules(project, feed)
        except ZhoujiError as error:
            found.append(Check(f"profile {feed}", "error", error.sentence("zh"), error.sentence("en")))
    count = len(project.feeds) - len(found)
    return [
        *found,
        Check("profiles", "ok", f"{count} 个数据源的配置符合数据约定", f"{count} feed profiles keep the data contract"),
    ]


def _indicators(project: Project) -> Check:
    try:
        count = len(indicators_of(project))
    except ZhoujiError as error:
        return Check("indicators", "error", error.sentence("zh"), error.sentence("en"))
    return Check("indicators", "ok", f"{count} 个已登记的指标", f"{count} registered indicators")


def _bytes(store: Store) -> Check:
    damaged = store.damaged()
    if damaged:
        return Check(
            "files",
            "error",
            f"{len(damaged)} 个文件损坏或缺失：{damaged[0]}",
            f"{len(damaged)} files are damaged or gone: {damaged[0]}",
        )
    count = sum(len(receipt.files) for receipt in store.deliveries())
    return Check("files", "ok", f"{count} 个文件与清单一致", f"{count} files are as their manifests say")


def _accounts(store: Store, quarantine: Quarantine) -> Check:
    receipts = store.deliveries()
    wrong = [r.delivery_id for r in receipts if r.accepted + r.already_known + r.quarantined != r.delivered]
    if wrong:
        return Check(
            "accounting",
            "error",
            f"对不上账的报送：{', '.join(wrong)}",
            f"deliveries that do not add up: {', '.join(wrong)}",
        )
    delivered, waiting = sum(receipt.delivered for receipt in receipts), len(quarantine.rows())
    status: Status = "warn" if waiting else "ok"
    return Check(
        "accounting",
        status,
        f"{len(receipts)} 次报送共 {delivered} 行，全部有账；隔离区待处理 {waiting} 行",
        f"{delivered} rows of {len(receipts)} deliveries are accounted for; {waiting} wait in the quarantine",
    )


def _newest(store: Store) -> date:
    """The newest day on which anything was delivered or known."""
    return max(date.fromisoformat(receipt.last_period or receipt.received_on) for receipt in store.deliveries())


def _feeds(project: Project, store: Store, engine: Engine, day: date) -> list[Check]:
    found = []
    states = check(project, store, day, engine)
    for state in states:
        status: Status = "ok" if state.sound else "error" if state.essential else "warn"
        found.append(
            Check(
                f"feed {state.feed}",
                status,
                f"{WORDS[state.status]}：最新 {state.newest or '—'}，应有 {state.expected or '—'}，"
                f"{state.rows} 条（平时 {state.usual_rows}）",
                f"{state.status}: newest {state.newest or '—'}, expected {state.expected or '—'}, "
                f"{state.rows} rows (usually {state.usual_rows})",
            )
        )
    return [*found, *_areas(project, store, engine, day, {state.feed for state in states if not state.sound})]


def _areas(project: Project, store: Store, engine: Engine, day: date, named: set[str]) -> list[Check]:
    """Areas in which a feed is not as it should be, though it is in the whole; `named` feeds are not anyway."""
    tree = area_tree(project)
    found = []
    for state in check_areas(project, store, day, engine):
        if state.status == "current" or state.feed in named:
            continue
        numbers = f"{state.newest or '—'} < {state.expected}, {state.rows}/{state.usual_rows}"
        name = f"feed {state.feed} @ {state.area}"
        zh = f"{tree.name(state.area)}：{WORDS[state.status]}（{numbers}）"
        found.append(Check(name, "warn", zh, f"{tree.name(state.area, 'en')}: {state.status} ({numbers})"))
    return found
