"""Known, new or corrected: what each good row of a delivery is to the versions that its feed already has.

A row that says what the newest version known on its own day says is already known. Anything else is a version of its
own, and the version before it gives way on the day the new one became known. A complete snapshot adds a version
without records for every row of its scope that it lacks.

A day that comes from a profile's rule ("end of the month and 20 days") holds for what is new. What a later delivery
says of a row that the store has an answer for on that day cannot have been known then: it is dated by its delivery,
or an as-of day that was read before would answer differently (data contract, rule 2).

What was only confirmed leaves no version. Where the day of delivery is the day of knowledge, a delivery that would be
put in *before* such a confirmation could not be judged rightly, and is refused: `delivery_out_of_order`. Where the
department dates its rows itself, the date is part of what a row says, so that its confirmations are versions and what
it says late of an earlier day holds until the next of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from features.engines.duckdb import Engine
from features.errors import DataError
from features.feeds.preparation import Prepared
from features.feeds.profiles import Profile
from features.feeds.reading import literal
from features.project import Project
from features.store import LINE_BITS, Receipt, Store

ABSENT_LINES = 1 << 31
INCOMPLETE = (
    "快照里有行看不出是哪一户，所以没有撤销任何记录；修好后请把整个快照再报送一次 "
    "some rows of the snapshot cannot be told apart, so nothing was retracted: repair them and deliver it whole again"
)
_VERSION = "row_id, line, row_key, content_hash, knowledge_date, retracted, scope_key"
_NO_VERSIONS = (
    "SELECT CAST(NULL AS BIGINT) AS row_id, CAST(NULL AS BIGINT) AS line, '' AS row_key, '' AS content_hash, "
    "CAST(NULL AS DATE) AS knowledge_date, false AS retracted, CAST(NULL AS VARCHAR) AS scope_key WHERE false"
)
_NO_CLOSINGS = "SELECT CAST(NULL AS BIGINT) AS row_id, CAST(NULL AS DATE) AS superseded_on WHERE false"


@dataclass(frozen=True)
class Decision:
    """What becomes of good rows."""

    accepted: int
    already_known: int
    corrections: int
    retracted: int
    warnings: tuple[str, ...] = ()


def decide(
    prepared: Prepared, receipt: Receipt, project: Project, store: Store, opened: Engine, *, complete: bool
) -> Decision:
    """Compare good rows with the feed's row index; leaves tables `new_rows` and `closed` in the engine.

    `new_rows` are the versions that this delivery adds. `closed` says which versions, old or new, give way to a
    later one, and on which day. Where a snapshot is not `complete`, nothing is taken as absent.

    Raises:
        DataError: the delivery would have to be put in before one that has been taken in already.
    """
    profile = project.feeds[receipt.feed].profile
    index, closed = store.row_files(receipt.feed), store.superseded_files(receipt.feed)
    opened.sql(f"CREATE OR REPLACE TEMP VIEW known_rows AS {_known(index)}")
    opened.sql(f"CREATE OR REPLACE TEMP VIEW closed_before AS {_closed(closed)}")
    snapshot = profile.snapshot is not None and complete
    later = [
        r.received_on for r in store.deliveries() if r.feed == receipt.feed and r.received_on > receipt.received_on
    ]
    late = date.fromisoformat(max(later)) if later and _dated_by_delivery(profile) else None
    if index and _answered_for(profile, snapshot=snapshot):
        date_anew(opened, date.fromisoformat(receipt.received_on), scopes=snapshot)
    found = compare(opened, receipt.delivery << LINE_BITS, known=bool(index))
    warnings: tuple[str, ...] = ()
    if index and snapshot:
        _refuse_disorder(opened, receipt, late, "SELECT s.knowledge_date AS day, max(k.knowledge_date) AS newest "
                         f"FROM known_rows k JOIN ({_SNAPSHOTS}) s USING (scope_key) GROUP BY ALL")  # fmt: skip
        _delivered_keys(prepared, opened)
        if _unreadable_keys(profile, opened):
            warnings = (INCOMPLETE,)
        else:
            retract_absent(opened, receipt.delivery << LINE_BITS)
    elif index and late:
        _refuse_disorder(opened, receipt, late, "SELECT n.knowledge_date AS day, max(k.knowledge_date) AS newest "
                         "FROM known_rows k JOIN new_rows n USING (row_key) GROUP BY ALL")  # fmt: skip
    close_superseded(opened, known=bool(index))
    accepted, retracted = opened.rows("SELECT count(*) FILTER (line > 0), count(*) FILTER (retracted) FROM new_rows")[0]
    corrections = opened.rows("SELECT count(DISTINCT row_id) FROM closed")[0][0]
    return Decision(accepted, found - accepted, corrections, retracted, warnings)


def date_anew(opened: Engine, received_on: date, *, scopes: bool) -> None:
    """Date rows of `good_rows` by their delivery where the store has an answer for their rule's day already.

    That is where it has a version of the key of that very day; of snapshots, all rows of `scopes` that it knows, so
    that what a corrected snapshot lacks is closed no earlier than what it changes.
    """
    told = (
        "scope_key IN (SELECT scope_key FROM known_rows)"
        if scopes
        else "(row_key, knowledge_date) IN (SELECT (row_key, knowledge_date) FROM known_rows)"
    )
    opened.sql(
        f"CREATE OR REPLACE TEMP TABLE good_rows AS SELECT * REPLACE (CASE WHEN {told} THEN "
        f"greatest(knowledge_date, DATE '{received_on}') ELSE knowledge_date END AS knowledge_date) "
        "FROM good_rows ORDER BY line"
    )


def _answered_for(profile: Profile, *, snapshot: bool) -> bool:
    """Whether rows are dated by a rule whose day a later delivery can come back to.

    A snapshot comes back to it where the day belongs to its scope; elsewhere an older snapshot is only out of order.
    """
    day = profile.knowledge.end_of or profile.knowledge.after
    if profile.knowledge.column is not None or day is None:
        return False
    return not snapshot or (profile.snapshot is not None and day in profile.snapshot.scope)


def compare(opened: Engine, base: int, *, known: bool) -> int:
    """Make `new_rows` from `good_rows` and `known_rows`; returns the number of good rows."""
    # within the delivery: the first of equal rows counts, later ones are already known
    opened.sql(
        f"CREATE OR REPLACE TEMP TABLE candidates AS SELECT {base} + line AS row_id, line, row_key, content_hash, "
        "knowledge_date, retracted, scope_key FROM (SELECT *, row_number() OVER (PARTITION BY row_key, content_hash, "
        "knowledge_date ORDER BY line) AS nth FROM good_rows) WHERE nth = 1"
    )
    rows = int(opened.rows("SELECT count(*) FROM good_rows")[0][0])
    several = known or opened.rows("SELECT 1 FROM candidates GROUP BY row_key HAVING count(*) > 1 LIMIT 1")
    if not several:
        opened.sql("CREATE OR REPLACE TEMP TABLE new_rows AS FROM candidates")
        return rows
    # already known: the newest version known on the row's own day, of the store or of this delivery, says the same
    opened.sql(
        f"CREATE OR REPLACE TEMP TABLE new_rows AS SELECT {_VERSION} FROM (SELECT *, lag(content_hash) OVER "
        "(PARTITION BY row_key ORDER BY knowledge_date, row_id) AS before FROM ("
        f"SELECT {_VERSION}, true AS fresh FROM candidates UNION ALL "
        f"SELECT {_VERSION}, false AS fresh FROM known_rows WHERE row_key IN (SELECT row_key FROM candidates))) "
        "WHERE fresh AND (before IS NULL OR before <> content_hash) ORDER BY row_id"
    )
    return rows


_SNAPSHOTS = (
    "SELECT scope_key, max(knowledge_date) AS knowledge_date FROM good_rows WHERE scope_key IS NOT NULL "
    "GROUP BY scope_key"
)


def retract_absent(opened: Engine, base: int) -> None:
    """Add to `new_rows` a version without records for each row that a complete snapshot lacks.

    Judged by the newest version known on the snapshot's day; `delivered_keys` are the keys of all its rows, the
    rejected ones among them: what is unreadable is not absent.
    """
    opened.sql(
        f"INSERT INTO new_rows WITH snapshots AS ({_SNAPSHOTS}), touched AS (SELECT DISTINCT s.scope_key, "
        "s.knowledge_date, k.row_key FROM known_rows k JOIN snapshots s USING (scope_key) WHERE k.row_key NOT IN "
        "(SELECT row_key FROM delivered_keys)), newest AS (SELECT t.scope_key, t.knowledge_date, t.row_key, "
        "arg_max(k.scope_key, (k.knowledge_date, k.row_id)) AS scope, "
        "arg_max(k.retracted, (k.knowledge_date, k.row_id)) AS gone FROM touched t JOIN known_rows k "
        "ON k.row_key = t.row_key AND k.knowledge_date <= t.knowledge_date GROUP BY ALL) "
        f"SELECT {base + ABSENT_LINES} + row_number() OVER (ORDER BY row_key) AS row_id, "
        "-row_number() OVER (ORDER BY row_key) AS line, row_key, 'absent' AS content_hash, knowledge_date, "
        "true AS retracted, scope_key FROM newest WHERE scope = scope_key AND NOT gone"
    )


def close_superseded(opened: Engine, *, known: bool) -> None:
    """Make `closed`: for the keys touched, the day on which each version gives way to the next, where that is new."""
    several = known or opened.rows("SELECT 1 FROM new_rows GROUP BY row_key HAVING count(*) > 1 LIMIT 1")
    closings = (
        "SELECT v.row_id, v.next_date AS superseded_on FROM (SELECT row_id, lead(knowledge_date) OVER "
        "(PARTITION BY row_key ORDER BY knowledge_date, row_id) AS next_date FROM ("
        "SELECT row_id, row_key, knowledge_date FROM known_rows WHERE row_key IN (SELECT row_key FROM new_rows) "
        "UNION ALL SELECT row_id, row_key, knowledge_date FROM new_rows)) v "
        "LEFT JOIN closed_before b ON b.row_id = v.row_id WHERE v.next_date IS NOT NULL "
        "AND (b.superseded_on IS NULL OR b.superseded_on > v.next_date) ORDER BY v.row_id"
    )
    opened.sql(f"CREATE OR REPLACE TEMP TABLE closed AS {closings if several else _NO_CLOSINGS}")


def _dated_by_delivery(profile: Profile) -> bool:
    """Whether the day of a delivery is the day on which its rows became known."""
    knowledge = profile.knowledge
    return knowledge.column is None and knowledge.end_of is None and knowledge.after is None


def _refuse_disorder(opened: Engine, receipt: Receipt, late: date | None, query: str) -> None:
    """Refuse what became known before something that has been taken in, where that cannot be put in order."""
    disordered = opened.rows(f"SELECT day, newest FROM ({query}) ORDER BY newest DESC")
    newest = max((newest for day, newest in disordered if newest > day), default=None)
    if late is not None and disordered:
        newest = max(late, newest or late)
    if newest is not None:
        raise DataError("delivery_out_of_order", feed=receipt.feed, file=receipt.file, newest=newest)


def _delivered_keys(prepared: Prepared, opened: Engine) -> None:
    opened.sql(
        "CREATE OR REPLACE TEMP VIEW delivered_keys AS SELECT row_key, line "
        f"FROM read_parquet({literal(str(prepared.typed))}) WHERE row_key IS NOT NULL"
    )


def _unreadable_keys(profile: Profile, opened: Engine) -> bool:
    """Whether a rejected row's key is not to be relied on: nobody knows then whom the snapshot lacks."""
    named = set(profile.key)
    for name in profile.key:
        if name in profile.identifiers:
            named.update(profile.identifiers[name].columns)
        if name in profile.derive:
            for value in profile.derive[name].model_dump(exclude_none=True).values():
                named.update([value] if isinstance(value, str) else _texts(value))
    listed = ", ".join(literal(name) for name in sorted(named))
    query = (
        f"SELECT count(*) FROM rejected WHERE column_name IN ({listed}) "
        "OR line NOT IN (SELECT line FROM delivered_keys)"
    )
    return bool(opened.rows(query)[0][0])


def _texts(value: object) -> Sequence[str]:
    return [part for part in value if isinstance(part, str)] if isinstance(value, list) else []


def _known(files: list[Path]) -> str:
    return f"SELECT {_VERSION} FROM read_parquet([{_paths(files)}])" if files else _NO_VERSIONS


def _closed(files: list[Path]) -> str:
    if not files:
        return _NO_CLOSINGS
    return f"SELECT row_id, min(superseded_on) AS superseded_on FROM read_parquet([{_paths(files)}]) GROUP BY row_id"


def _paths(files: list[Path]) -> str:
    return ", ".join(literal(str(path)) for path in files)
