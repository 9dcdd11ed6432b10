"""The bitemporal law, against a store in plain Python: what is known on a day is what had become known by then."""

from __future__ import annotations

import dataclasses
import hashlib
import tempfile
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features.calendar import FOREVER
from features.engines.duckdb import engine
from features.errors import DataError, NothingToDo
from features.identity import open_pseudonymiser
from features.ingestion import ingest
from features.settings import Home, Settings
from features.store import Store
from features.versions import close_superseded, compare, retract_absent
from tests.departments import deliver, tiny_project

START = date(2020, 2, 1)
DAYS = [START + timedelta(days=k) for k in range(8)]
SLOW = settings(deadline=None, suppress_health_check=list(HealthCheck), database=None)


class Naive:
    """Versions of rows, in the order in which they came; nothing is ever clever here."""

    def __init__(self):
        self.versions = []  # key, day, content, scope; content None: nothing there

    def before(self, key, day):
        """The newest version known on a day; among those of one day, the last that came."""
        known = [version for version in self.versions if version[0] == key and version[1] <= day]
        return max(enumerate(known), key=lambda item: (item[1][1], item[0]))[1] if known else None

    def add(self, key, day, content, scope=None):
        before = self.before(key, day)
        if before is not None and before[2:3] == (content,):
            return False
        self.versions.append((key, day, content, scope))
        return True

    def deliver(self, rows, *, snapshot=False, spoiled=(), incomplete=False):
        """Rows of (key, day, content, scope), by day; `spoiled` keys were there but could not be read."""
        accepted = sum(self.add(*row) for row in sorted(rows, key=lambda row: row[1]))
        days = {}
        for _, day, _, scope in rows:
            days[scope] = max(day, days.get(scope, day))
        present = {key for key, *_ in rows} | set(spoiled)
        for key in sorted({version[0] for version in self.versions} - present):
            for scope, day in days.items():
                newest = self.before(key, day)
                if snapshot and not incomplete and newest and newest[3] == scope and newest[2] is not None:
                    self.versions.append((key, day, None, scope))
        return accepted

    def on(self, day):
        found = {}
        for key in {version[0] for version in self.versions}:
            newest = self.before(key, day)
            if newest is not None and newest[2] is not None:
                found[key] = newest[2]
        return found


# --- the rule itself, on tables -------------------------------------------------------------------------------------

rows_of = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from(DAYS[:5]), st.sampled_from("XYZ"), st.booleans()), max_size=6
)


def _clean(rows):
    """What reaches the rule: rows of one key and day that contradict each other are quarantined before."""
    said = {}
    for key, day, content, gone in rows:
        said.setdefault((key, day), set()).add((content, gone))
    return [row for row in rows if len(said[row[0], row[1]]) == 1]


def _table(opened, name, rows, columns):
    opened.sql(f"CREATE OR REPLACE TEMP TABLE {name} ({columns})")
    if rows:
        opened.con.con.executemany(f"INSERT INTO {name} VALUES ({', '.join('?' * len(rows[0]))})", rows)


class Tables:
    """The store's rule on tables alone: no files, so that many histories can be tried."""

    def __init__(self, opened):
        self.opened, self.rows, self.closed, self.sequence = opened, [], {}, 0

    def deliver(self, rows, scopes=None):
        self.sequence += 1
        base = self.sequence << 32
        row_columns = "row_key VARCHAR, content_hash VARCHAR, knowledge_date DATE, retracted BOOLEAN, scope_key VARCHAR"
        good = [
            (line, key, f"{content}{gone}", day, gone, scopes and scopes[key])
            for line, (key, day, content, gone) in enumerate(rows, 1)
        ]
        _table(self.opened, "good_rows", good, f"line BIGINT, {row_columns}")
        _table(self.opened, "known_rows", self.rows, f"row_id BIGINT, line BIGINT, {row_columns}")
        _table(self.opened, "closed_before", list(self.closed.items()), "row_id BIGINT, superseded_on DATE")
        compare(self.opened, base, known=bool(self.rows))
        if scopes and self.rows:
            _table(self.opened, "delivered_keys", [row[1:2] for row in good], "row_key VARCHAR")
            retract_absent(self.opened, base)
        close_superseded(self.opened, known=bool(self.rows))
        columns = "row_id, line, row_key, content_hash, knowledge_date, retracted, scope_key"
        added = self.opened.rows(f"SELECT {columns} FROM new_rows")
        for row_id, day in self.opened.rows("SELECT row_id, superseded_on FROM closed"):
            self.closed[row_id] = min(day, self.closed.get(row_id, FOREVER))
        self.rows += added
        return sum(row[1] > 0 for row in added)

    def on(self, day):
        return {
            key: content
            for row_id, _, key, content, known, gone, _ in self.rows
            if known <= day < self.closed.get(row_id, FOREVER) and not gone
        }


def _content(content, gone):
    return None if gone else f"{content}{gone}"


@settings(SLOW, max_examples=60)
@given(st.lists(rows_of, min_size=1, max_size=4))
def test_versions_are_what_plain_python_says(opened, deliveries):
    tables, versions = Tables(opened), []

    def naive(day):
        found = {}
        for key, known, content, gone in sorted(versions, key=lambda version: version[1]):
            if known <= day:
                found[key] = _content(content, gone)
        return {key: content for key, content in found.items() if content is not None}

    for rows in map(_clean, deliveries):
        earlier = {day: tables.on(day) for day in DAYS}
        tables.deliver(rows)
        for key, day, content, gone in sorted(rows, key=lambda row: row[1]):
            known = [version for version in versions if version[0] == key and version[1] <= day]
            newest = max(enumerate(known), key=lambda item: (item[1][1], item[0]))[1] if known else None
            if newest is None or newest[2:] != (content, gone):
                versions.append((key, day, content, gone))
        for day in DAYS:
            assert tables.on(day) == naive(day)
            if all(row[1] > day for row in rows):
                assert tables.on(day) == earlier[day]


snapshots = st.lists(
    st.dictionaries(st.sampled_from("abcd"), st.tuples(st.sampled_from("XY"), st.sampled_from("ns")), min_size=1),
    min_size=1,
    max_size=5,
)


@settings(SLOW, max_examples=40)
@given(snapshots, st.lists(st.integers(0, 3), min_size=5, max_size=5))
def test_a_snapshot_closes_what_it_lacks_in_its_scope(opened, files, steps):
    tables, plain, at = Tables(opened), Naive(), 0
    for file, step in zip(files, steps, strict=False):
        at = min(at + step, len(DAYS) - 1)
        rows = [(key, DAYS[at], content, False) for key, (content, _) in file.items()]
        accepted = tables.deliver(rows, {key: scope for key, (_, scope) in file.items()})
        wanted = [(key, DAYS[at], f"{content}False", scope) for key, (content, scope) in file.items()]
        assert accepted == plain.deliver(wanted, snapshot=True)
        assert all(tables.on(day) == plain.on(day) for day in DAYS)


# --- the same through files -----------------------------------------------------------------------------------------


@dataclasses.dataclass
class Trial:
    """A home, fed file by file."""

    folder: Path

    def __post_init__(self):
        self.project = tiny_project(self.folder)
        self.settings = Settings(home=self.folder / "home", threads=1, pseudonym_key="ab" * 32)
        self.store = Store(Home(self.settings.home), self.project)
        self.secret = open_pseudonymiser(self.settings, Home(self.settings.home))
        self.files = 0

    def household(self, who):
        return self.secret.one("household", who.upper())

    def take(self, feed, rows, day):
        self.files += 1
        path = deliver(self.folder / f"{feed}-{self.files}.csv", rows)
        receipt = ingest(path, self.project, self.settings, feed=feed, received_on=day)
        assert receipt.accepted + receipt.already_known + receipt.quarantined == receipt.delivered == len(rows)
        return path, receipt

    def on(self, days, table, columns, *, subject="household"):
        """Answers day by day from one reading of all days, and checked against a reading of each day alone."""
        with engine(self.settings) as opened:
            frame = opened.frame(self.store.as_known_on(days, table, opened, subject=subject))
            alone = opened.frame(self.store.as_known_on(days[len(days) // 2], table, opened, subject=subject))
        found = {}
        for day in days:
            seen = frame[(frame.known_from.map(_day) <= day) & (frame.known_to.map(_day) > day)]
            found[day] = sorted(map(tuple, seen[columns].astype(str).to_numpy().tolist()))
        middle = sorted(map(tuple, alone[columns].astype(str).to_numpy().tolist()))
        assert middle == found[days[len(days) // 2]]
        return found


def _day(value):
    return value.date() if hasattr(value, "date") else value


def hashes(folder):
    """Content of every file below a folder."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


wage_rows = st.lists(
    st.tuples(
        st.sampled_from("ab"), st.sampled_from(DAYS[:6]), st.sampled_from([0, 10, 25]), st.sampled_from([False] * 9 + [True])
    ),
    min_size=1,
    max_size=6,
)  # fmt: skip


@settings(SLOW, max_examples=5)
@given(st.lists(wage_rows, min_size=2, max_size=3, unique_by=str))
def test_corrections_and_deletions_in_any_order(deliveries):
    with tempfile.TemporaryDirectory() as folder:
        trial, plain = Trial(Path(folder)), Naive()
        earlier = None
        for number, rows in enumerate(deliveries):
            # every row says when it became known; a line number keeps the bytes of the files apart
            names = ("household", "month", "amount", "known", "gone")
            cells = [(who, "2020-01", amount, day, int(gone)) for who, day, amount, gone in rows]
            cells.append((f"only-{number}", "2020-01", 1, DAYS[0], 0))
            file = [dict(zip(names, row, strict=True)) for row in cells]
            _, receipt = trial.take("wages", file, DAYS[7] + timedelta(days=number))
            clean = _clean([(who, day, amount, gone) for who, day, amount, gone in rows])
            assert receipt.quarantined == len(rows) - len(clean)
            # the day is part of what such a row says: the same amount on a later day is a version of its own
            accepted = 0
            for who, day, amount, gone in sorted(clean, key=lambda row: row[1]):
                before = plain.before(who, day)
                if before is None or before[1] != day or before[3] != (amount, gone):
                    plain.versions.append((who, day, None if gone else amount, (amount, gone)))
                    accepted += 1
            assert receipt.accepted == accepted + 1
            answers = trial.on(DAYS, "income", ["household_id", "amount"])
            for day in DAYS:
                wanted = [(trial.household(who), str(amount * 100)) for who, amount in plain.on(day).items()]
                wanted += [(trial.secret.one("household", f"ONLY-{n}"), "100") for n in range(number + 1)]
                assert answers[day] == sorted(wanted)
                if earlier and day < min([row[1] for row in clean], default=FOREVER):
                    mine, theirs = ({row for row in said[day] if row[1] != "100"} for said in (answers, earlier))
                    assert mine == theirs
            earlier = answers


STARTS = ("2020-01-01", "2020-01-15")
register_files = st.lists(
    st.dictionaries(
        st.sampled_from("abc"),
        st.tuples(st.sampled_from(STARTS), st.sampled_from("ns"), st.sampled_from(["", "dibao", "wrong"])),
        min_size=1,
    ),
    min_size=2,
    max_size=3,
    unique_by=lambda file: str(sorted(file.items())),
)  # fmt: skip


@settings(SLOW, max_examples=5)
@given(register_files)
def test_complete_snapshots_through_files(files):
    with tempfile.TemporaryDirectory() as folder:
        trial, plain = Trial(Path(folder)), Naive()
        for at, file in enumerate(files):
            names = ("household", "since", "area", "category", "name", "phone")
            rows = [dict(zip(names, (who, *content, f"N{who}", ""), strict=True)) for who, content in file.items()]
            _, receipt = trial.take("register", rows, DAYS[2 * at])
            good = [(who, DAYS[2 * at], row, row[1]) for who, row in file.items() if row[2] != "wrong"]
            spoiled = [who for who, (_, _, category) in file.items() if category == "wrong"]
            assert receipt.quarantined == len(spoiled)
            assert receipt.accepted == plain.deliver(good, snapshot=True, spoiled=spoiled)
        homes = trial.on(DAYS, "household", ["household_id", "valid_from", "area_code"])
        aided = trial.on(DAYS, "category", ["household_id", "category"])
        for day in DAYS:
            known = {trial.household(who): content for who, content in plain.on(day).items()}
            assert homes[day] == sorted((who, since, area) for who, (since, area, _) in known.items())
            assert aided[day] == sorted((who, category) for who, (_, _, category) in known.items() if category)


# --- single laws ----------------------------------------------------------------------------------------------------

BILLS = [{"number": n, "person": f"p{n % 2}", "day": "2020-01-05", "amount": n} for n in range(4)]


def test_the_same_file_twice_changes_nothing(tmp_path):
    trial = Trial(tmp_path)
    path, _ = trial.take("bills", BILLS, DAYS[0])
    before = hashes(trial.store.folder)
    with pytest.raises(NothingToDo):
        ingest(path, trial.project, trial.settings, feed="bills", received_on=DAYS[3])
    assert hashes(trial.store.folder) == before
    assert trial.store.damaged() == []


def test_two_stores_fed_the_same_have_the_same_bytes(tmp_path):
    trials = [Trial(tmp_path / name) for name in ("one", "two")]
    for trial in trials:
        trial.take("bills", BILLS, DAYS[0])
        trial.take("bills", [*reversed(BILLS[1:]), {**BILLS[0], "amount": 99}], DAYS[1])
    assert hashes(trials[0].store.folder) == hashes(trials[1].store.folder)


def test_repeated_rows_of_one_delivery_and_of_later_ones_are_known(tmp_path):
    trial = Trial(tmp_path)
    _, first = trial.take("bills", [*BILLS, BILLS[0]], DAYS[0])
    _, second = trial.take("bills", [BILLS[1], {**BILLS[2], "amount": 7}], DAYS[1])
    assert (first.accepted, first.already_known) == (4, 1)
    assert (second.accepted, second.already_known, second.corrections) == (1, 1, 1)


def test_what_cannot_be_put_in_order_is_refused(tmp_path):
    trial = Trial(tmp_path)
    trial.take("bills", BILLS, DAYS[4])
    trial.take("bills", [{**BILLS[0], "number": 77}], DAYS[2])  # of another key: order does not matter
    before = hashes(trial.store.folder)
    with pytest.raises(DataError) as caught:
        trial.take("bills", [{**BILLS[0], "amount": 5}], DAYS[3])
    assert caught.value.code == "delivery_out_of_order"
    assert hashes(trial.store.folder) == before


def test_an_older_version_of_the_store_is_still_there(tmp_path):
    trial = Trial(tmp_path)
    trial.take("bills", BILLS, DAYS[0])
    trial.take("bills", [{**BILLS[0], "amount": 5}], DAYS[0])
    with engine(trial.settings) as opened:
        old = opened.frame(trial.store.as_known_on(DAYS[1], "expense", opened, subject="person", version=1))
        new = opened.frame(trial.store.as_known_on(DAYS[1], "expense", opened, subject="person"))
    assert sorted(old.amount) == [0, 100, 200, 300]
    assert sorted(new.amount) == [100, 200, 300, 500]
