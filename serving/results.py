"""What people found, on its way back: into the store as a delivery, and to the run that flagged the household.

A filled list becomes a CSV in the columns of the project's outcome feed and goes through the same door as every other
delivery. What is known of visits, from lists or from a feed of the towns' own, is counted for the weekly run that
opened the household's episode: confirmed, not confirmed, excluded, unknown, by level and by reason.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from features.engines.duckdb import Engine
from features.errors import NothingToDo
from features.feeds.profiles import Feed, RecordRule
from features.identity import Pseudonymiser, Vault, open_pseudonymiser, open_vault
from features.ingestion import ingest
from features.project import Project
from features.settings import Home, Settings
from features.staging import write_atomically
from features.store import Store
from models.registry import Registry
from serving.earlier import findings
from serving.filled import Filled, FilledRow, Rejected, read_filled_list, write_rejected
from serving.listing import Entry, Finding
from serving.runs import RunFolder, runs_of, with_run_id
from serving.writing import row_code

CLASSES: Mapping[str, str] = {
    **dict.fromkeys(("V1", "V2"), "confirmed"),
    **dict.fromkeys(("V3", "V6"), "not_confirmed"),
    **dict.fromkeys(("V4", "V5"), "excluded"),
    **dict.fromkeys(("V7", "V8", "V9"), "unknown"),
}
"""What a validity code says about the reminder: V2 confirms a risk, V4 and V5 say nothing, V7 to V9 are never a no."""


@dataclass(frozen=True)
class Imported:
    """What became of a filled list.

    Attributes:
        delivery: receipt of the delivery; None where the project has no outcome feed, or nothing was accepted.
        logged: whether the registry knew the run.
    """

    run_id: str
    accepted: int
    rejected: tuple[Rejected, ...]
    empty: int
    delivery: Mapping[str, Any] | None
    logged: bool
    counts: Mapping[str, float] = field(default_factory=dict)

    def as_dict(self, language: str = "zh") -> dict[str, Any]:
        """For JSON."""
        return {
            "run_id": self.run_id,
            "accepted": self.accepted,
            "rejected": [
                {"line": row.line, "reason": row.reason, "column": row.column, "message": row.sentence(language)}
                for row in self.rejected
            ],
            "empty": self.empty,
            "delivery": self.delivery,
            "logged": self.logged,
            "counts": dict(self.counts),
        }


def import_list(
    file: Path,
    project: Project,
    task: str,
    store: Store,
    registry: Registry,
    *,
    settings: Settings,
    engine: Engine,
    today: date,
    errors: Path | None = None,
    dry_run: bool = False,
    language: str = "zh",
) -> Imported:
    """Read a filled list back, deliver what it says, and count it for its run.

    Args:
        file: the XLSX as it came back.
        project: the deployment.
        task: the task of the list.
        store: where findings go.
        registry: where the run is logged.
        settings: keys and home.
        engine: reads the store.
        today: day of receipt; findings are known from it on.
        errors: where rejected rows are written as XLSX.
        dry_run: say what would be accepted, write nothing.
        language: of the rejected rows' reasons.

    Raises:
        NothingToDo: everything in the file was imported before.
        DataError, UsageError: the file is not a list of ours, or nothing is filled in.
    """
    home = store.home.project(project.name)
    pseudonymiser = open_pseudonymiser(settings, Home(settings.home))
    filled = _read(file, project, task, store, pseudonymiser, today)
    run = with_run_id(home, task, filled.run_id)
    assert run is not None
    feed = outcome_feed(project)
    accepted, nameless = list(filled.accepted), []
    numbers: dict[str, list[str]] = {}
    if feed is not None and accepted:
        numbers = numbers_of(project, feed, accepted, settings)
        nameless = [
            Rejected(row.line, "identity", "household", {"household": row.household_id})
            for row in accepted
            if row.household_id not in numbers
        ]
        accepted = [row for row in accepted if row.household_id in numbers]
    rejected = (*filled.rejected, *nameless)
    if errors is not None and rejected and not dry_run:
        write_rejected(Filled(filled.run_id, (), rejected, 0, filled.columns), errors, language)
    delivery = None
    if feed is not None and accepted:
        probabilities = {entry.household_id: entry.selection_probability for entry in run.entries()}
        delivery = deliver(
            accepted,
            numbers,
            probabilities,
            feed,
            project,
            settings,
            run_id=filled.run_id,
            today=today,
            dry_run=dry_run,
        )
    if dry_run:
        return Imported(filled.run_id, len(accepted), rejected, filled.empty, delivery, logged=False)
    written = tuple(Finding(row.household_id, row.found_on, row.validity) for row in accepted)
    counts, logged = _record(project, task, store, registry, engine, today, written, filled.run_id)
    return Imported(filled.run_id, len(accepted), rejected, filled.empty, delivery, logged, counts)


def _read(file: Path, project: Project, task: str, store: Store, pseudonymiser: Pseudonymiser, today: date) -> Filled:
    home = store.home.project(project.name)

    def listed(run_id: str) -> dict[str, date] | None:
        run = with_run_id(home, task, run_id)
        return None if run is None else {str(row["household_id"]): run.as_of for row in run.households()}

    def code(run_id: str, household: str) -> str:
        run = with_run_id(home, task, run_id)
        return "" if run is None else row_code(pseudonymiser.sign, run_id, household, str(run.receipt["version"]))

    return read_filled_list(file, project, code=_remembered(code), listed=listed, today=today)


def _remembered(code: Callable[[str, str], str]) -> Callable[[str, str], str]:
    known: dict[tuple[str, str], str] = {}

    def ask(run_id: str, household: str) -> str:
        if (run_id, household) not in known:
            known[run_id, household] = code(run_id, household)
        return known[run_id, household]

    return ask


# --- the delivery ---------------------------------------------------------------------------------------------------


def outcome_feed(project: Project) -> str | None:
    """The feed that brings findings of visits; None where the project has none."""
    for feed_id, feed in project.feeds.items():
        if any(rule.table == "outcome" and rule.constants.get("source") == "visit" for rule in feed.profile.records):
            return feed_id
    return None


def numbers_of(project: Project, feed: str, rows: Sequence[FilledRow], settings: Settings) -> dict[str, list[str]]:
    """The households' own numbers by pseudonym; one that the vault does not know is not among them."""
    pseudonymiser = open_pseudonymiser(settings, Home(settings.home))
    return _numbers(project.feeds[feed], rows, open_vault(project, settings), pseudonymiser)


def deliver(
    rows: Sequence[FilledRow],
    numbers: Mapping[str, list[str]],
    probabilities: Mapping[str, float],
    feed: str,
    project: Project,
    settings: Settings,
    *,
    run_id: str,
    today: date,
    dry_run: bool = False,
) -> dict[str, Any]:
    """Send findings through the door of every delivery, in the feed's own columns; returns the receipt.

    Args:
        rows: findings, each household once.
        numbers: the households' own numbers, from `numbers_of`.
        probabilities: of being on the list, by household; empty where there was no list.
        feed: the outcome feed.
        project: the deployment.
        settings: keys and home.
        run_id: the list that they answer to; part of the visits' ids.
        today: day of receipt.
        dry_run: check, write nothing.

    Raises:
        NothingToDo: all of it was delivered before.
    """
    content = _delivery(project.feeds[feed], rows, numbers, probabilities, run_id, today)
    return _deliver(content, feed, project, settings, run_id, today, dry_run=dry_run)


def _rules(feed: Feed) -> list[RecordRule]:
    return [rule for rule in feed.profile.records if rule.table == "outcome"]


def _numbers(feed: Feed, rows: Sequence[FilledRow], vault: Vault, pseudonymiser: Pseudonymiser) -> dict[str, list[str]]:
    """The households' own numbers, in the identifier's columns: a vault field that has the household's pseudonym."""
    names = {rule.columns["household_id"] for rule in _rules(feed) if "household_id" in rule.columns}
    found: dict[str, list[str]] = {}
    for name in names:
        identifier = feed.profile.identifiers[name]
        if len(identifier.columns) != 1:
            continue
        for row in rows:
            for value in vault.reveal(row.household_id).values():
                if pseudonymiser.one(identifier.type, _normal(value, identifier.normalise)) == row.household_id:
                    found[row.household_id] = [value]
    return found


def _normal(value: str, normalise: str) -> str:
    """As identifiers are normalised at the door."""
    if normalise == "upper":
        return "".join(value.split()).upper()
    return "".join(letter for letter in value if letter.isdigit()) if normalise == "digits" else value


def _delivery(
    feed: Feed,
    rows: Sequence[FilledRow],
    numbers: Mapping[str, list[str]],
    probabilities: Mapping[str, float],
    run_id: str,
    today: date,
) -> bytes:
    """Findings in the feed's own columns."""
    profile = feed.profile
    columns = list(profile.columns)
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, columns, lineterminator="\n", restval="")
    writer.writeheader()
    for row in sorted(rows, key=lambda row: row.household_id):
        known: dict[str, object] = {
            "validity_code": row.validity,
            "onset_date": _as_day(row.onset),
            "finding_date": _as_day(row.found_on),
            "visit_id": f"{run_id}-{row.household_id}",
            "selection_probability": probabilities.get(row.household_id, ""),
        }
        line: dict[str, object] = {}
        for rule in _rules(feed):
            for canonical, column in rule.columns.items():
                if canonical == "household_id":
                    line[profile.identifiers[column].columns[0]] = numbers[row.household_id][0]
                elif canonical in known and column in profile.columns:
                    line[column] = known[canonical]
        if profile.knowledge.column is not None:
            line[profile.knowledge.column] = _as_day(today)
        writer.writerow(line)
    return out.getvalue().encode("utf-8-sig")


def _as_day(day: date | None) -> str:
    return "" if day is None else day.isoformat()


def _deliver(
    content: bytes, feed: str, project: Project, settings: Settings, run_id: str, today: date, *, dry_run: bool
) -> dict[str, Any]:
    """Put the file into the outbox and take it in; it holds households' numbers, so it goes when it is in the store."""
    outbox = Home(settings.home).project(project.name).path / "outbox"
    outbox.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = outbox / f"{feed}-{run_id}-{hashlib.sha256(content).hexdigest()[:8]}.csv"
    write_atomically(path, content)
    path.chmod(0o600)
    try:
        receipt = ingest(path, project, settings, feed=feed, received_on=today, dry_run=dry_run)
    except NothingToDo as error:
        raise NothingToDo("list_all_known", file=path.name) from error
    finally:
        path.unlink(missing_ok=True)
    return receipt.as_dict()


# --- counting -------------------------------------------------------------------------------------------------------


def record_results(
    project: Project, task: str, store: Store, registry: Registry, *, engine: Engine, day: date
) -> dict[str, dict[str, float]]:
    """Count everything that visits had found by the day for the runs that flagged; returns counts by run."""
    counted = _counted(project, task, store, engine, day, ())
    for run_id, counts in counted.items():
        registry.add_results(project.name, task, run_id, metrics=counts)
    return counted


def _record(
    project: Project,
    task: str,
    store: Store,
    registry: Registry,
    engine: Engine,
    today: date,
    written: tuple[Finding, ...],
    run_id: str,
) -> tuple[dict[str, float], bool]:
    """Count for all runs with findings; returns this run's counts and whether the registry knew it."""
    counted = _counted(project, task, store, engine, today, written)
    logged = False
    for other, counts in counted.items():
        known = registry.add_results(project.name, task, other, metrics=counts)
        logged |= known
    return counted.get(run_id, {}), logged


def _counted(
    project: Project, task: str, store: Store, engine: Engine, day: date, written: tuple[Finding, ...]
) -> dict[str, dict[str, float]]:
    runs = [run for run in runs_of(store.home.project(project.name), task) if run.published]
    lists = {run.run_id: {entry.household_id: entry for entry in run.entries()} for run in runs}
    households = {household for entries in lists.values() for household in entries}
    known = {(f.household_id, f.found_on): f for f in findings(store, day, engine, households)}
    known |= {(f.household_id, f.found_on): f for f in written}
    reasons = {run.run_id: _families(run) for run in runs}
    counted: dict[str, dict[str, float]] = {}
    for finding in sorted(known.values(), key=lambda f: (f.household_id, f.found_on)):
        flagged = flagging_run(runs, lists, finding)
        if flagged is None:
            continue
        entry = lists[flagged][finding.household_id]
        families = reasons[flagged].get(finding.household_id, [])
        _add(counted.setdefault(flagged, {}), finding, entry, families)
    return counted


def flagging_run(runs: Sequence[RunFolder], lists: Mapping[str, Mapping[str, Entry]], finding: Finding) -> str | None:
    """The run whose list opened the episode that the finding ends; None for a household that was not listed before."""
    before = [run for run in runs if run.as_of <= finding.found_on and finding.household_id in lists[run.run_id]]
    if not before:
        return None
    opened = lists[before[-1].run_id][finding.household_id].opened_on
    opening = [run for run in before if run.as_of == opened]
    return (opening or before)[-1].run_id


def _families(run: RunFolder) -> dict[str, list[str]]:
    return {
        str(row["household_id"]): sorted({reason["family"] for reason in row.get("reasons", [])})
        for row in run.households()
    }


def _add(counts: dict[str, float], finding: Finding, entry: Entry, families: Sequence[str]) -> None:
    """Add one finding: overall, by level, by reason, and as many households as it stands for."""
    kind = CLASSES[finding.validity]
    names = ["visited", kind, f"{kind}_{entry.level}", *(f"{kind}_{family}" for family in families)]
    for name in names:
        counts[name] = counts.get(name, 0.0) + 1
    counts[f"{kind}_weighted"] = counts.get(f"{kind}_weighted", 0.0) + 1 / entry.selection_probability
