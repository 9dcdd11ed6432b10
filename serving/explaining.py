"""A scored household in words: reasons with its own numbers, what changed, its peers, and how complete the data are."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from features.coverage import is_silent
from features.divisions import AreaTree
from features.engines.duckdb import Engine
from features.project import Project
from features.store import Store
from features.strict import Words
from models.bundle import Bundle
from models.reasons import Explanation as Found
from models.reasons import Reason, explain
from models.schema import IndicatorEntry
from models.wording import Voice, sentence
from reports.documents import (
    ChangeLine,
    Explanation,
    Heading,
    LoweringLine,
    PeerLine,
    ReasonLine,
    Record,
    TrendPoint,
    words,
)
from reports.household import per_100
from serving.evidence import History, Peers, records
from serving.listing import Entry
from serving.lowering import Lowering, lowerings

MOST_CHANGES = 5
MOST_PEERS = 4
LEAST_CHANGE = 0.15
"""Share of the larger value below which a difference is told as no change."""
NEAR = (0.35, 0.65)
"""Shares of lower peers between which a household is like most of them."""


@dataclasses.dataclass(frozen=True)
class Scored:
    """A scored cohort of one day, with what explanations are made from.

    Attributes:
        frame: indicators of the whole panel on the day, by household.
        scores: household_id, area_code, area, margin, probability, low, high, level, sufficient, triggers; the cohort.
        earlier: probability and level of households on earlier lists, newest last.
        last_list: day of the last list.
    """

    project: Project
    bundle: Bundle
    tree: AreaTree
    heading: Heading
    frame: pd.DataFrame
    scores: pd.DataFrame
    history: History
    earlier: Sequence[tuple[date, pd.DataFrame]] = ()
    last_list: date | None = None


def explanations(
    scored: Scored,
    households: Sequence[str],
    store: Store,
    engine: Engine,
    entries: Mapping[str, Entry] | None = None,
    peers: Peers | None = None,
) -> dict[str, Explanation]:
    """Explanations of some households of the cohort; `peers` where they are at hand."""
    bundle = scored.bundle
    chosen = scored.scores[scored.scores["household_id"].isin(set(households))].sort_values("household_id")
    matrix = bundle.schema.matrix(scored.frame.loc[list(chosen["household_id"])])
    contributions, _ = bundle.contributions(matrix)
    found = {
        str(household): explain(bundle.schema, matrix[ix], contributions[ix])
        for ix, household in enumerate(chosen["household_id"])
    }
    sources = records(store, engine, scored.heading.as_of, _topics(found))
    peers = peers or Peers(scored.frame, scored.frame["area"])
    ranks = scored.scores["probability"].rank(ascending=False, method="min")
    changeable = [entry.id for entry in bundle.schema.entries if entry.changeable]
    usual = scored.history.usuals(list(found), changeable)
    scenarios = lowerings(bundle, matrix, chosen["probability"].to_numpy(dtype=np.float64), usual)
    made = {}
    for row, rank, lowering in zip(chosen.to_dict("records"), ranks.loc[chosen.index], scenarios, strict=True):
        household = str(row["household_id"])
        made[household] = _one(
            scored,
            row,
            rank=None if pd.isna(rank) else int(rank),
            found=found[household],
            say=Speaker(scored, household, str(row["area"]), sources, peers),
            entry=(entries or {}).get(household),
            lowering=lowering,
        )
    return made


def _topics(found: Mapping[str, Found]) -> dict[str, set[str]]:
    wanted: dict[str, set[str]] = {}
    for household, explanation in found.items():
        for reason in (*explanation.reasons, *explanation.relief):
            wanted.setdefault(reason.topic, set()).add(household)
    return wanted


def _one(
    scored: Scored, row: Mapping[Any, Any], *, rank: int | None, found: Found, say: Speaker, entry: Entry | None,
    lowering: Sequence[Lowering],
) -> Explanation:  # fmt: skip
    household, area = str(row["household_id"]), str(row["area"])
    sufficient = bool(pd.notna(row["probability"]))
    trend = _trend(scored, household, row if sufficient else None)
    return Explanation(
        heading=heading_here(scored, str(row["area_code"])),
        household_id=household,
        area=_path(scored.tree, str(row["area_code"])),
        level=str(row["level"]),
        probability=float(row["probability"]) if sufficient else None,
        low=float(row["low"]) if sufficient else None,
        high=float(row["high"]) if sufficient else None,
        base_rate=float(scored.scores["probability"].mean()),
        rank=rank if sufficient else None,
        cohort=len(scored.scores),
        bands={level: float(getattr(scored.bundle.levels, level)) for level in ("red", "orange", "yellow")},
        listed=entry is not None,
        change=entry.change if entry else "",
        change_per_100=entry.change_per_100 if entry else 0,
        trend=trend,
        changes=say.changes(found),
        reasons=tuple(say.reason(reason, found) for reason in found.reasons) if sufficient else (),
        explained=found.explained,
        relief=tuple(say.reason(reason, found) for reason in found.relief) if sufficient else (),
        lowering=tuple(say.lowering(one) for one in lowering),
        peers=say.peers_of(found),
        peer_group=Words(
            **{one: words("peer_group", area=scored.tree.name(area, one)).of(one) for one in ("zh", "en")}
        ),
        peer_count=say.peers.count(area),
        triggers=tuple(_name(scored.bundle, indicator) for indicator in row["triggers"]),
    )


def heading_here(scored: Scored, area: str) -> Heading:
    """The heading as it is for a household: a feed that never comes from its area is absent there."""
    heading = scored.heading
    feeds = tuple(
        dataclasses.replace(line, status="absent", newest=None, age_days=None)
        if is_silent(scored.project, scored.tree, line.feed, area, heading.as_of)
        else line
        for line in heading.feeds
    )
    return dataclasses.replace(heading, feeds=feeds)


def _path(tree: AreaTree, code: str) -> Words:
    return Words(zh=tree.path(code, "zh") or code, en=tree.path(code, "en") or code)


def _name(bundle: Bundle, indicator: str) -> Words:
    entry = next((entry for entry in bundle.schema.entries if entry.id == indicator), None)
    return Words(zh=entry.names["zh"], en=entry.names["en"]) if entry else Words(zh=indicator, en=indicator)


def _trend(scored: Scored, household: str, row: Mapping[Any, Any] | None) -> tuple[TrendPoint, ...]:
    points = []
    for day, frame in scored.earlier:
        if household in frame.index:
            before: Any = frame.loc[household]
            if pd.notna(before["probability"]):
                points.append(TrendPoint(day, float(before["probability"]), str(before["level"])))
    if row is not None:
        points.append(TrendPoint(scored.heading.as_of, float(row["probability"]), str(row["level"])))
    return tuple(points)


class Speaker:
    """Words about one household."""

    def __init__(
        self,
        scored: Scored,
        household: str,
        area: str,
        sources: Mapping[tuple[str, str], Mapping[str, Any]],
        peers: Peers,
    ) -> None:
        self.scored, self.household, self.area = scored, household, area
        self.sources, self.peers = sources, peers
        self.entries = {entry.id: entry for entry in scored.bundle.schema.entries}
        self.voices = [Voice(language, scored.project.currency) for language in ("zh", "en")]
        self.values: Any = scored.frame.loc[household]

    def value(self, entry: IndicatorEntry, amount: float | None) -> Words:
        """A value in its unit."""
        zh, en = (voice.value(entry.unit, amount) for voice in self.voices)
        return Words(zh=zh, en=en)

    def reason(self, reason: Reason, found: Found) -> ReasonLine:
        """A reason with everything that stands beside it."""
        entry = self.entries[reason.indicator]
        history = self.scored.history
        usual = history.usual(self.household, entry.id)
        source = self.sources.get((reason.topic, self.household))
        told = dataclasses.replace(
            reason,
            usual=usual,
            previous=history.at(self.household, entry.id, self.scored.last_list),
            date=str(source["date"]) if source else None,
            peers=self.peers.quantiles(self.area, entry.id),
        )
        zh, en = (sentence(voice, entry, told) for voice in self.voices)
        past = history.of(self.household, entry.id)
        total = sum(abs(r.contribution) for r in (*found.reasons, *found.relief)) or 1.0
        return ReasonLine(
            family=entry.family,
            sentence=Words(zh=zh, en=en),
            strength=reason.influence,
            share=round(abs(reason.contribution) / total, 6),
            value=self.value(entry, reason.value),
            usual=None if usual is None else self.value(entry, usual),
            peers=None if told.peers is None else self.value(entry, told.peers[0]),
            record=self._record(source),
            source=Words(zh=entry.owners["zh"], en=entry.owners["en"]),
            history=(*past, reason.value) if any(value is not None for value in past) else (),
            usual_value=usual,
        )

    def _record(self, source: Mapping[str, Any] | None) -> Record | None:
        if source is None:
            return None
        project = self.scored.project
        feed, department = project.feeds.get(source["feed"]), project.departments.get(source["department"])
        return Record(
            department=department.name if department else Words(zh=source["department"], en=source["department"]),
            feed=feed.name if feed else Words(zh=source["feed"], en=source["feed"]),
            file=source["file"],
            line=source["line"],
            delivery=source["delivery"],
            day=source["date"],
        )

    def changes(self, found: Found) -> tuple[ChangeLine, ...]:
        """What is different now from the last list (or the period before), among what speaks for or against risk."""
        lines: list[ChangeLine] = []
        for reason in (*found.reasons, *found.relief):
            for member in reason.members:
                entry = self.entries[member]
                before = self.scored.history.at(self.household, member, self.scored.last_list)
                now = float(self.values[member])
                if before is None or np.isnan(now) or entry.family == "context" or _alike(before, now):
                    continue
                shown, then = self.value(entry, now), self.value(entry, before)
                if shown == then or any(line.name.zh == entry.names["zh"] for line in lines):
                    continue
                higher = (now > before) == (entry.direction > 0)
                source = self.sources.get((reason.topic, self.household))
                lines.append(
                    ChangeLine(
                        Words(zh=entry.names["zh"], en=entry.names["en"]), entry.family, then, shown,
                        higher if entry.direction else None, Words(zh=entry.owners["zh"], en=entry.owners["en"]),
                        source["date"] if source else None,
                    )
                )  # fmt: skip
                break
        return tuple(lines[:MOST_CHANGES])

    def lowering(self, one: Lowering) -> LoweringLine:
        """A scenario in words."""
        entry = self.entries[one.indicator]
        name = Words(zh=entry.names["zh"], en=entry.names["en"])
        return LoweringLine(name, self.value(entry, one.now), self.value(entry, one.then), per_100(one.probability))

    def peers_of(self, found: Found) -> tuple[PeerLine, ...]:
        """The household among its peers, for the indicators of its reasons."""
        lines = []
        for reason in (*found.reasons, *found.relief):
            entry = self.entries[reason.indicator]
            around = self.peers.quantiles(self.area, entry.id)
            if around is None or entry.unit in ("rank", "flag", "yesno", "answer"):
                continue
            below = self.peers.share_below(self.area, entry.id, reason.value)
            lines.append(
                PeerLine(
                    name=Words(zh=entry.names["zh"], en=entry.names["en"]), value=reason.value, low=around[1],
                    median=around[0], high=around[2], shown=self.value(entry, reason.value),
                    shown_median=self.value(entry, around[0]), place=_place(below), share_below=round(below, 6),
                )
            )  # fmt: skip
        return tuple(lines[:MOST_PEERS])


def _alike(before: float, now: float) -> bool:
    """Whether nobody would call it a change.

    >>> _alike(0.82, 0.81), _alike(9, 10), _alike(0, 1), _alike(3020, 9110)
    (True, True, False, False)
    """
    return abs(now - before) < LEAST_CHANGE * max(abs(now), abs(before))


def _place(below: float) -> Words:
    """Where a household stands, in tenths of its peers.

    >>> _place(0.93).zh, _place(0.5).zh
    ('高于约 9 成同类家庭', '与多数同类家庭相近')
    """
    if below >= NEAR[1]:
        return words("place_high", share=min(9, round(10 * below)))
    if below <= NEAR[0]:
        return words("place_low", share=min(9, round(10 * (1 - below))))
    return words("place_middle")
