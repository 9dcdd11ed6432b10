"""A run as files: the list for people and for machines, the scores, and what only the audit may open."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from features.project import ListRules, Project
from features.strict import Words
from models.bundle import canonical
from reports import household, weekly_list
from reports.documents import AreaLine, Explanation, ListRow, WeeklyList, words
from serving.aid import possible, read_aid
from serving.casework.boxes import record_choices
from serving.explaining import Scored
from serving.listing import Entry, Selection, generator
from serving.recorded import Milestone
from serving.runs import EXPLAINED, RECEIPT, SCORES, SEALED, Options, Run, RunFolder, seal

SHOWN_SENTENCES = 2
EXPLAINED_GROUP = 32
"""Households that are read together where one is asked for."""
DEFAULT_DAYS: Mapping[str, int] = {"red": 3, "orange": 5, "yellow": 20}
"""Days to visit by level where the project names none (domain proposal for red, orange and yellow)."""


def weekly_list_of(
    project: Project,
    scored: Scored,
    selection: Selection,
    told: Mapping[str, Explanation],
    sign: Callable[[str], str],
) -> WeeklyList:
    """The list that goes out; `sign` makes the rows' codes."""
    tree = scored.tree
    return WeeklyList(
        heading=scored.heading,
        rows=tuple(
            _row(scored, entry, told[entry.household_id], sign, due=due, blind=blind)
            for entry, due, blind in zip(
                selection.entries,
                *due_days(project.listing, scored.heading.run_id, scored.heading.as_of, selection.entries),
                strict=True,
            )
        ),
        areas=tuple(
            AreaLine(
                tree.names(count.area),
                count.capacity,
                count.listed,
                count.left_out,
            )
            for count in selection.areas
        ),
        departments={key: department.name for key, department in project.departments.items()},
        bands={level: float(getattr(scored.bundle.levels, level)) for level in ("red", "orange", "yellow")},
        record=record_choices(),
    )


def row_code(sign: Callable[[str], str], run_id: str, household_id: str, version: str) -> str:
    """The code of a row: only this key makes it, and it holds for this run, household and version."""
    return sign(f"{run_id}|{household_id}|{version}")


def due_days(rules: ListRules, run_id: str, as_of: date, entries: Sequence[Entry]) -> tuple[list[date], list[date]]:
    """Days to visit by: by level, and for those who see no levels, where audit rows have days as risk rows do.

    Args:
        rules: days of each level.
        run_id: the run's id, which the draws are made from.
        as_of: day of the list.
        entries: its rows in the order of need.
    """

    def due(entry: Entry) -> date:
        level = entry.level if entry.level in DEFAULT_DAYS else "yellow"
        return as_of + timedelta(days=rules.visit_within_days.get(level, DEFAULT_DAYS[level]))

    by_level = [due(entry) for entry in entries]
    random = generator(run_id, "due")
    everywhere: list[date] = []
    here: dict[str, list[date]] = {}
    for entry, day in zip(entries, by_level, strict=True):
        if entry.kind == "risk":
            everywhere.append(day)
            here.setdefault(entry.area, []).append(day)
    blind = []
    for entry, day in zip(entries, by_level, strict=True):
        offered = here.get(entry.area) or everywhere or [day]
        drawn = offered[int(random.integers(len(offered)))]
        blind.append(drawn if entry.kind == "audit" else day)
    return by_level, blind


def _row(
    scored: Scored, entry: Entry, told: Explanation, sign: Callable[[str], str], *, due: date, blind: date
) -> ListRow:
    shown = [reason.sentence for reason in told.reasons[:SHOWN_SENTENCES]]
    situation = words("quiet")
    if shown:
        situation = Words(
            zh="；".join(text.zh.rstrip("。") for text in shown) + "。",
            en="; ".join(text.en.rstrip(".") for text in shown) + ".",
        )
    heading = scored.heading
    return ListRow(
        code=row_code(sign, heading.run_id, entry.household_id, heading.version),
        household_id=entry.household_id,
        area_code=entry.area,
        area=told.area,
        level=told.level,
        change=entry.change,
        change_per_100=entry.change_per_100,
        situation=situation,
        visit_by=due,
        visit_by_blind=blind,
        families=tuple(dict.fromkeys(reason.family for reason in told.reasons)),
    )


def write_run(
    staged: Path,
    scored: Scored,
    selection: Selection,
    made: WeeklyList,
    told: Mapping[str, Explanation],
    described: Run,
    options: Options,
    before: RunFolder | None,
    records: Mapping[str, Sequence[Milestone]],
) -> None:
    """Every file of a run, into the folder that is being prepared."""
    scores = scored.scores.sort_values("household_id").reset_index(drop=True)
    scores["rank"] = scores["probability"].rank(ascending=False, method="min")
    scores["triggers"] = [",".join(names) for names in scores["triggers"]]
    scores.drop(columns="sufficient").to_parquet(staged / SCORES, index=False, compression="zstd")
    rows = {identifier: _machine_row(explanation) for identifier, explanation in told.items()}
    (staged / "list.json").write_bytes(weekly_list.to_json(made, rows))
    (staged / "list.csv").write_bytes(weekly_list.to_csv(made))
    weekly_list.write_xlsx(made, staged / "list.xlsx")
    weekly_list.write_xlsx(made, staged / "visits.xlsx", blind=True)
    _write_explained(staged / EXPLAINED, scored, told, records)
    sealed = {"run_id": described.run_id, **seal(selection), "suggestions": list(selection.suggestions)}
    (staged / SEALED).touch(mode=0o600)
    (staged / SEALED).write_bytes(canonical(sealed))
    heading = scored.heading
    files = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(staged.iterdir())}
    receipt = {
        **{key: value for key, value in described.as_dict().items() if key not in ("published", "existed", "files")},
        "bundle": heading.bundle,
        "store_version": heading.store_version,
        "configuration": scored.project.digest,
        "project": scored.project.name,
        "area": options.area,
        "seed": options.seed,
        "audit_share": scored.project.listing.audit_share if options.audit_share is None else options.audit_share,
        "before": before.run_id if before else None,
        "feeds": {
            feed.feed: {"status": feed.status, "newest": feed.newest, "age_days": feed.age_days}
            for feed in heading.feeds
        },
        "visit_suggestions": list(selection.suggestions),
        "files": files,
    }
    receipt.pop("mlflow_run")
    (staged / RECEIPT).write_bytes(canonical(receipt))


def _write_explained(
    path: Path, scored: Scored, told: Mapping[str, Explanation], records: Mapping[str, Sequence[Milestone]]
) -> None:
    """What a page says of each listed household, in small groups of rows so that one is read without the others."""
    table, names = read_aid(scored.project.folder), {entry.id: entry.names for entry in scored.bundle.schema.entries}
    chosen = sorted(told)
    signs = [name for name in names if name in scored.frame.columns]
    values = dict(zip(chosen, scored.frame.loc[chosen, signs].to_dict("records"), strict=True)) if chosen else {}
    bodies = []
    for identifier in chosen:
        body = household.to_plain(told[identifier])
        body["bands"] = dict(told[identifier].bands)
        body["aid"] = [
            {"need": one.need, "basis": [names[indicator] for indicator in one.basis]}
            for one in possible(table, {str(name): float(value) for name, value in values[identifier].items()})
        ]
        body["records"] = [record.plain() for record in records.get(identifier, ())]
        bodies.append(canonical(body).decode())
    columns = {"household_id": pa.array(chosen, pa.string()), "body": pa.array(bodies, pa.string())}
    pq.write_table(pa.table(columns), path, row_group_size=EXPLAINED_GROUP, compression="zstd")


def _machine_row(explanation: Explanation) -> dict[str, Any]:
    """Numbers and reasons of a listed household, for those who may see them."""
    whole = household.to_plain(explanation)
    kept = ("level", "probability", "per_100", "range", "rank", "reasons", "explained", "relief", "triggers")
    trend = [household.per_100(point.probability) for point in explanation.trend]
    return {**{key: whole[key] for key in kept}, "trend": trend}
