"""The list, as a pure function of scores, capacity, what went before, and a seed.

Each visiting area has so many visits. Most go to the highest levels and, inside a level, to the highest risks; a
configured share goes to audit rows, drawn at random, because only they tell what the model misses.

**Probability of being listed.** For every area the number of audit rows is drawn first: `a` is the whole number below
or above the area's expected share `e`, so that P(a = ⌈e⌉) is the fraction of `e` (systematic sampling with one random
start). The risk rows are then the `k(a)` first in rank, and audit rows are drawn without replacement from the `m(a)`
households that remain, ordered by probability band (systematic again: each has the chance `a / m(a)`, and every band
gets its share). Both counts that `a` can take are known beforehand, so each household's probability of standing on
the list, *by either way*, is exact::

    π = Σ over both a:  P(a) · (1 if rank ≤ k(a) else a / m(a))

It is 1 for risk rows (less only for the one household per area at the edge of the cut), and `Σ y / π` over the list
is an unbiased estimate of `Σ y` over the cohort. Households in their cool-down have findings of their own: they are
not drawn again and do not belong to what this estimate stands for. An audit row that nobody has visited yet stays
until its episode lapses, counts towards the share, and keeps the probability of the day it was drawn.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal

import numpy as np
import pandas as pd

from features.project import ListRules

Level = Literal["red", "orange", "yellow", "none"]
Kind = Literal["risk", "audit"]
Change = Literal["new", "up", "down", "same", "carried"]
Why = Literal["below", "in_hardship", "gone", "visited", "cool_down", "capacity", "lapsed", "insufficient"]

RANKS: Mapping[str, int] = {"red": 3, "orange": 2, "yellow": 1, "none": 0}
COOLING = frozenset({"V3", "V6"})
"""Nothing is wrong, or it is the season: not listed again for a while."""
KNOWN = frozenset({"V1", "V2", "V5"})
"""Somebody looks after them: not listed again for a while either."""
BANDS = (0.02, 0.05, 0.12, 0.25)
"""Edges of probability bands from which audit rows are drawn in proportion."""


@dataclass(frozen=True)
class Episode:
    """From a household's first listing until a finding, or until `carry_over` has passed."""

    household_id: str
    area: str
    kind: Kind
    opened_on: date
    listed_on: date
    level: Level
    probability: float | None
    selection_probability: float
    run_id: str = ""


@dataclass(frozen=True)
class Finding:
    """What a person found out about a household, with the validity code of the visit form (V1–V9)."""

    household_id: str
    found_on: date
    validity: str


@dataclass(frozen=True)
class Earlier:
    """What went before this list: the last one's episodes, what visits found, and what happened since.

    Attributes:
        last_list: day of the last list; None when there was none.
        events: day of each household's newest event; one after a finding ends the cool-down.
        in_hardship: households that are out of the cohort because they are known to be in hardship.
    """

    last_list: date | None = None
    episodes: tuple[Episode, ...] = ()
    findings: tuple[Finding, ...] = ()
    events: Mapping[str, date] = field(default_factory=dict)
    in_hardship: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Entry:
    """A household on the list."""

    household_id: str
    area: str
    kind: Kind
    level: Level
    probability: float | None
    rank: int
    selection_probability: float
    stratum: str
    change: Change
    change_per_100: int
    opened_on: date


@dataclass(frozen=True)
class Left:
    """A household that stood on the last list and does not stand on this one, and why."""

    household_id: str
    area: str
    why: Why


@dataclass(frozen=True)
class AreaCount:
    """One area's part: its capacity, what was listed, and who was left out for want of capacity, by level."""

    area: str
    capacity: int
    listed: int
    at_or_above: Mapping[str, int]
    left_out: Mapping[str, int]


@dataclass(frozen=True)
class Selection:
    """The list and its account.

    Attributes:
        pool: everybody whom this list could have drawn: what its probabilities of selection stand for.
    """

    entries: tuple[Entry, ...]
    left: tuple[Left, ...]
    suggestions: tuple[str, ...]
    areas: tuple[AreaCount, ...]
    episodes: tuple[Episode, ...]
    pool: frozenset[str] = frozenset()

    def count(self, kind: Kind) -> int:
        """Rows of a kind."""
        return sum(entry.kind == kind for entry in self.entries)


@dataclass(frozen=True)
class _Part:
    """How an area's places may fall: both audit counts, and the risk rows and the remainder that go with each."""

    area: str
    expected: float
    audits: tuple[int, int]
    risks: tuple[int, int]
    rest: tuple[int, int]

    @property
    def more(self) -> float:
        """Probability of the larger audit count."""
        return self.expected - math.floor(self.expected)

    def probability(self, position: int) -> float:
        """Probability that the household at this place of the area's order is listed, by either way."""
        chances = [
            1.0 if position < risks else (audits / rest if rest else 0.0)
            for audits, risks, rest in zip(self.audits, self.risks, self.rest, strict=True)
        ]
        return (1 - self.more) * chances[0] + self.more * chances[1]


def select(
    scores: pd.DataFrame,
    *,
    day: date,
    capacity: Mapping[str, int],
    rules: ListRules,
    seed: str,
    earlier: Earlier | None = None,
    run_id: str = "",
) -> Selection:
    """The list of a day.

    Args:
        scores: one row a household of the cohort: household_id, area (of the visiting level), probability, level
            (with hysteresis applied), sufficient (whether there was enough data to say anything).
        day: the as-of day of the scores.
        capacity: visits of each area; an area that is not named has none.
        rules: share of audit rows, cool-down and carry-over.
        seed: text that the random draws are made from, such as the run's id.
        earlier: what went before.
        run_id: written into the episodes that this list opens.

    Returns:
        Entries by area, in the order of need. The order of the rows of `scores` does not matter.
    """
    earlier = earlier or Earlier()
    cohort = _ordered(scores)
    open_now, cooling = _standing(cohort, day, rules, earlier)
    held = _held(open_now, capacity)
    outside = cohort["household_id"].isin(cooling.keys() | held.keys())
    pool = cohort[~outside].reset_index(drop=True)
    room = _room(capacity, held)
    parts = _divide(pool, room, rules.audit_share, len(held))
    kept = cohort[cohort["household_id"].isin(held)].assign(kind="audit")
    kept["selection_probability"] = [held[h].selection_probability for h in kept["household_id"]]
    chosen = pd.concat([_draw(pool, parts, generator(seed, "audit")), kept])
    entries = _entries(chosen, open_now, earlier, day)
    listed = {entry.household_id for entry in entries}
    lapsed = {e.household_id for e in earlier.episodes if day >= rules.carry_over.after(e.opened_on)}
    waiting = ~cohort["sufficient"] & ~cohort["household_id"].isin(listed | cooling.keys())
    return Selection(
        entries=entries,
        left=_left(cohort, listed, cooling, earlier, lapsed),
        suggestions=tuple(sorted(cohort.loc[waiting, "household_id"])),
        areas=_counts(cohort, entries, capacity, cooling),
        episodes=_episodes(entries, open_now, [e for e in earlier.episodes if e.household_id in cooling], day, run_id),
        pool=frozenset(pool["household_id"]),
    )


def generator(seed: str, purpose: str) -> np.random.Generator:
    """Random numbers for one purpose: the same for the same seed, apart from those for others."""
    digest = hashlib.sha256(f"{seed}|{purpose}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "big"))


def _ordered(scores: pd.DataFrame) -> pd.DataFrame:
    """The cohort by area in the order of need: level, risk, pseudonym; those without enough data last."""
    sufficient = scores["sufficient"].astype(bool)
    frame = scores.assign(
        sufficient=sufficient,
        level_rank=scores["level"].map(RANKS).where(sufficient, -1).astype(int),
        risk=scores["probability"].fillna(0.0).where(sufficient, 0.0),
    )
    frame = frame.sort_values(["area", "level_rank", "risk", "household_id"], ascending=[True, False, False, True])
    frame = frame.reset_index(drop=True)
    bands = np.char.add("band", np.searchsorted(np.asarray(BANDS), frame["risk"].to_numpy(), side="right").astype(str))
    frame["stratum"] = frame["area"].astype(str) + "/" + np.where(frame["sufficient"], bands, "insufficient")
    return frame


def _standing(
    cohort: pd.DataFrame, day: date, rules: ListRules, earlier: Earlier
) -> tuple[dict[str, Episode], dict[str, Finding]]:
    """Open episodes, and findings that keep their household from being listed, each by pseudonym."""
    newest: dict[str, Finding] = {}
    for finding in sorted(earlier.findings, key=lambda f: (f.found_on, f.validity)):
        if finding.found_on <= day:
            newest[finding.household_id] = finding
    level_now = dict(zip(cohort["household_id"], cohort["level"], strict=True))
    open_now: dict[str, Episode] = {}
    for episode in earlier.episodes:
        found = newest.get(episode.household_id)
        visited = found is not None and found.found_on >= episode.opened_on
        if episode.household_id in level_now and not visited and day < rules.carry_over.after(episode.opened_on):
            open_now[episode.household_id] = episode
    level_then = {episode.household_id: episode.level for episode in earlier.episodes}
    cooling: dict[str, Finding] = {}
    for household, finding in newest.items():
        if household not in level_now or finding.validity not in COOLING | KNOWN:
            continue
        raised = household in level_then and RANKS[level_now[household]] > RANKS[level_then[household]]
        again = earlier.events.get(household, date.min) > finding.found_on
        if day < rules.cool_down.after(finding.found_on) and not raised and not again:
            cooling[household] = finding
    return open_now, cooling


def _held(open_now: Mapping[str, Episode], capacity: Mapping[str, int]) -> dict[str, Episode]:
    """Audit rows that are carried over, the oldest first, as far as each area has visits for them."""
    found: dict[str, Episode] = {}
    used: dict[str, int] = {}
    for episode in sorted(open_now.values(), key=lambda e: (e.opened_on, e.household_id)):
        if episode.kind == "audit" and used.get(episode.area, 0) < capacity.get(episode.area, 0):
            found[episode.household_id] = episode
            used[episode.area] = used.get(episode.area, 0) + 1
    return found


def _room(capacity: Mapping[str, int], held: Mapping[str, Episode]) -> dict[str, int]:
    """Places of each area beside the audit rows that are carried over."""
    used: dict[str, int] = {}
    for episode in held.values():
        used[episode.area] = used.get(episode.area, 0) + 1
    return {area: max(0, places - used.get(area, 0)) for area, places in sorted(capacity.items())}


def _divide(pool: pd.DataFrame, room: Mapping[str, int], share: float, carried: int) -> list[_Part]:
    """Places of each area, for the smallest number of audit rows that makes up the share of the list.

    Audit rows fall on areas in proportion to their visits, so that every household of an area with any visits has a
    chance of being drawn.
    """
    size = pool.groupby("area").size().to_dict()
    wanted = pool[pool["level_rank"] > 0].groupby("area").size().to_dict()
    weights = {area: min(places, int(size.get(area, 0))) for area, places in room.items()}
    most = sum(weights.values())
    audits = 0
    while True:
        parts = [
            _part(area, audits * weight / most, room[area], int(wanted.get(area, 0)), int(size[area]))
            for area, weight in weights.items()
            if weight
        ]
        longest = carried + sum(max(a + k for a, k in zip(p.audits, p.risks, strict=True)) for p in parts)
        if audits >= min(math.ceil(share * longest - 1e-9) - carried, most):
            return parts
        audits += 1


def _part(area: str, expected: float, room: int, wanted: int, size: int) -> _Part:
    """An area's places for both audit counts that `expected` can become."""
    if abs(expected - round(expected)) < 1e-9:
        expected = float(round(expected))
    audits = (math.floor(expected), math.ceil(expected))
    few, many = (max(0, min(wanted, room - count, size - count)) for count in audits)
    return _Part(area, expected, audits, (few, many), (size - few, size - many))


def _draw(pool: pd.DataFrame, parts: Sequence[_Part], random: np.random.Generator) -> pd.DataFrame:
    """Risk rows and audit rows of all areas, with their probability of being listed."""
    start = 1.0 - float(random.random())  # in (0, 1]
    groups = dict(iter(pool.groupby("area", sort=True)))
    chosen: list[pd.DataFrame] = [pool.head(0).assign(kind="", selection_probability=0.0)]
    passed = 0.0
    for part in parts:
        audits = _points(passed, passed + part.expected, start)
        passed += part.expected
        audits = min(max(audits, part.audits[0]), part.audits[1])
        cut = part.risks[0 if audits == part.audits[0] else 1]
        group = groups[part.area]
        drawn = _systematic(group.iloc[cut:], audits, random) + cut
        places = np.concatenate([np.arange(cut), np.sort(drawn)])
        rows = group.iloc[places].assign(kind=np.where(places < cut, "risk", "audit"))
        rows["selection_probability"] = [part.probability(int(place)) for place in places]
        chosen.append(rows)
    return pd.concat(chosen)


def _points(low: float, high: float, start: float) -> int:
    """How many of start, start + 1, … lie in (low, high]."""
    return math.floor(high - start + 1e-9) - math.floor(low - start + 1e-9)


def _systematic(remainder: pd.DataFrame, count: int, random: np.random.Generator) -> np.ndarray[Any, Any]:
    """Places of `count` rows drawn without replacement, each with the same chance, spread over the strata."""
    size = len(remainder)
    mixed = random.permutation(size)
    if count == 0:
        return np.empty(0, dtype=int)
    order = mixed[np.argsort(remainder["stratum"].to_numpy()[mixed], kind="stable")]
    steps = (np.arange(count) + random.random()) * (size / count)
    drawn: np.ndarray[Any, Any] = order[np.floor(steps).astype(int)]
    return drawn


def _entries(chosen: pd.DataFrame, open_now: Mapping[str, Episode], earlier: Earlier, day: date) -> tuple[Entry, ...]:
    """Entries by area in the order of need, with what changed since the last list."""
    last = {e.household_id: e for e in earlier.episodes if e.listed_on == earlier.last_list}
    chosen = chosen.sort_values(["area", "level_rank", "risk", "household_id"], ascending=[True, False, False, True])
    ranks = chosen.groupby("area").cumcount() + 1
    entries = []
    for row, rank in zip(chosen.to_dict("records"), ranks, strict=True):
        household = str(row["household_id"])
        opened = open_now.get(household)
        probability = float(row["risk"]) if row["sufficient"] and pd.notna(row["probability"]) else None
        change, by = _change(probability, last.get(household), opened)
        entries.append(
            Entry(
                household_id=household,
                area=str(row["area"]),
                kind="audit" if row["kind"] == "audit" else "risk",
                level=row["level"] if row["sufficient"] else "none",
                probability=probability,
                rank=int(rank),
                selection_probability=round(float(row["selection_probability"]), 12),
                stratum=str(row["stratum"]),
                change=change,
                change_per_100=by,
                opened_on=opened.opened_on if opened else day,
            )
        )
    return tuple(entries)


def _change(probability: float | None, last: Episode | None, opened: Episode | None) -> tuple[Change, int]:
    """Against the last list, in households per 100."""
    if last is None:
        return ("carried" if opened else "new"), 0
    if probability is None or last.probability is None:
        return "same", 0
    by = per_100(probability) - per_100(last.probability)
    return ("up" if by > 0 else "down" if by < 0 else "same"), by


def per_100(probability: float) -> int:
    """Of 100 households like this, about so many.

    >>> per_100(0.317)
    32
    """
    return math.floor(100 * probability + 0.5)


def _left(
    cohort: pd.DataFrame, listed: set[str], cooling: Mapping[str, Finding], earlier: Earlier, lapsed: set[str]
) -> tuple[Left, ...]:
    """Households of the last list that are not on this one, with the first cause that applies."""
    levels = dict(zip(cohort["household_id"], cohort["level_rank"], strict=True))
    visited = {finding.household_id: finding.found_on for finding in earlier.findings}

    def why(episode: Episode) -> Why:
        household = episode.household_id
        if visited.get(household, date.min) >= episode.opened_on:
            return "cool_down" if household in cooling and cooling[household].validity in COOLING else "visited"
        if household not in levels:
            return "in_hardship" if household in earlier.in_hardship else "gone"
        if levels[household] < 0:
            return "insufficient"
        if household in lapsed and (episode.kind == "audit" or levels[household] == 0):
            return "lapsed"
        return "below" if levels[household] == 0 else "capacity"

    gone = [e for e in earlier.episodes if e.listed_on == earlier.last_list and e.household_id not in listed]
    return tuple(Left(e.household_id, e.area, why(e)) for e in sorted(gone, key=lambda e: (e.area, e.household_id)))


def _counts(
    cohort: pd.DataFrame, entries: Sequence[Entry], capacity: Mapping[str, int], cooling: Mapping[str, Finding]
) -> tuple[AreaCount, ...]:
    """Each area's account: nobody at or above yellow disappears without being counted."""
    above = cohort[(cohort["level_rank"] > 0) & ~cohort["household_id"].isin(cooling)]
    listed_ids = {entry.household_id for entry in entries}
    left_out = above[~above["household_id"].isin(listed_ids)]
    totals, missing = (frame.groupby(["area", "level"]).size().to_dict() for frame in (above, left_out))
    listed = pd.Series([entry.area for entry in entries], dtype=object).value_counts().to_dict()
    names = sorted({*capacity, *cohort["area"].astype(str)})
    shown = ("red", "orange", "yellow")
    return tuple(
        AreaCount(
            area=area,
            capacity=int(capacity.get(area, 0)),
            listed=int(listed.get(area, 0)),
            at_or_above={level: int(totals.get((area, level), 0)) for level in shown},
            left_out={level: int(missing.get((area, level), 0)) for level in shown},
        )
        for area in names
    )


def _episodes(
    entries: Sequence[Entry],
    open_now: Mapping[str, Episode],
    closed: Sequence[Episode],
    day: date,
    run_id: str,
) -> tuple[Episode, ...]:
    """Episodes after this list: its rows, open ones that found no place this time, closed ones in their cool-down."""
    after: dict[str, Episode] = {episode.household_id: episode for episode in closed} | dict(open_now)
    for entry in entries:
        opened = open_now.get(entry.household_id)
        after[entry.household_id] = Episode(
            household_id=entry.household_id,
            area=entry.area,
            kind=opened.kind if opened else entry.kind,
            opened_on=entry.opened_on,
            listed_on=day,
            level=entry.level,
            probability=entry.probability,
            selection_probability=opened.selection_probability if opened else entry.selection_probability,
            run_id=opened.run_id if opened else run_id,
        )
    return tuple(after[household] for household in sorted(after))
