"""Parts of answers that many endpoints share: where an answer comes from, a score, a reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from functools import lru_cache
from typing import Any

import numpy as np

from models.bundle import Bundle
from models.reasons import Explanation as Found
from models.reasons import explain
from models.wording import Voice, missing_sentences
from reports.documents import Heading, ReasonLine
from reports.household import per_100
from serving import schemas as s
from serving.assessing import Assessed
from serving.current import Served
from serving.days import KnownDay
from serving.evidence import History
from serving.explaining import Speaker

NOTE = s.text("disclaimer")
SUGGESTION = s.text("insufficient")
IN_HARDSHIP = s.Text(
    zh="这户已知处于困难之中，不在预警范围内，请按救助办理程序处理。",
    en="This household is known to be in hardship; it needs no early warning: proceed with the ordinary ways of help.",
)
UNKNOWN = s.Text(zh="这一天的面板里没有这户。", en="The panel of this day does not know this household.")


@lru_cache(maxsize=8)
def model_line(served: Served) -> s.ModelLine:
    """The version that answers."""
    bundle = served.bundle
    return s.ModelLine(
        version=served.version.number,
        bundle=bundle.digest,
        schema_hash=bundle.schema.hash,
        task=bundle.task,
        until=str(bundle.manifest.get("until", "")),
        trial=not served.version.promoted,
    )


def origin(served: Served, day: date, known: KnownDay | None = None) -> dict[str, Any]:
    """What every answer says about where it comes from."""
    heading = known.scored.heading if known is not None else None
    return {
        "model": model_line(served),
        "run_id": (heading.run_id or None) if heading else None,
        "data_day": day,
        "stale": heading.stale if heading else False,
        "gaps": gaps(heading) if heading else [],
        "note": NOTE,
    }


def gaps(heading: Heading) -> list[s.Gap]:
    """Feeds that were not current."""
    return [
        s.Gap(
            feed=feed.feed, name=both(feed.name), department=both(feed.department), status=feed.status,
            newest=feed.newest, age_days=feed.age_days,
        )
        for feed in heading.troubled
    ]  # fmt: skip


def both(words: Any) -> s.Text:
    """A text of the documents as one of an answer."""
    return s.Text(zh=words.zh, en=words.en)


def names(bundle: Bundle, indicators: Sequence[str]) -> list[s.Text]:
    """Names of indicators."""
    known = {entry.id: entry.names for entry in bundle.schema.entries}
    return [s.Text(**known[one]) if one in known else s.Text(zh=one, en=one) for one in indicators]


def score_of(bundle: Bundle, found: Assessed, at: int, missing: int) -> dict[str, Any]:
    """One assessed row; without enough data there is no number."""
    if not found.sufficient[at]:
        level = str(found.level[at])
        return {
            "status": "insufficient", "level": level, "missing": missing, "advice": SUGGESTION,
            "triggers": names(bundle, found.triggers[at]),
        }  # fmt: skip
    probability = float(found.probability[at])
    return {
        "status": "scored",
        "level": str(found.level[at]),
        "probability": probability,
        "per_100": per_100(probability),
        "range": (float(found.low[at]), float(found.high[at])),
        "triggers": names(bundle, found.triggers[at]) if found.triggers[at] else [],
        "missing": missing,
    }


def score_known(known: KnownDay, household: str) -> dict[str, Any]:
    """A household as it was known on a day."""
    place = known.places.get(household)
    if place is None:
        return {"status": "unknown", "household_id": household, "advice": UNKNOWN}
    at = int(known.cohort[place])
    if at < 0:
        return {"status": "in_hardship", "household_id": household, "advice": IN_HARDSHIP}
    bundle, columns = known.scored.bundle, known.columns
    probability, level = float(columns["probability"][at]), str(columns["level"][at])
    width = len(bundle.schema.entries)
    told: dict[str, Any] = {
        "household_id": household, "level": level, "missing": int(np.isnan(known.matrix[place, :width]).sum()),
        "triggers": names(bundle, columns["triggers"][at]),
    }  # fmt: skip
    if np.isnan(probability):
        return told | {"status": "insufficient", "advice": SUGGESTION}
    bounds = (float(columns["low"][at]), float(columns["high"][at]))
    return told | {
        "status": "scored", "probability": probability, "per_100": per_100(probability), "range": bounds
    }  # fmt: skip


class Teller:
    """Reasons of rows, with or without a household behind them."""

    def __init__(self, served: Served, currency: Any, known: KnownDay | None = None) -> None:
        self.served, self.known = served, known
        self.entries = {entry.id: entry for entry in served.bundle.schema.entries}
        self.voices = [Voice(language, currency) for language in ("zh", "en")]

    def found(self, values: np.ndarray) -> tuple[Found, np.ndarray, float]:
        """Reasons of one row in schema order, its contributions and the base."""
        contributions, base = self.served.single.contributions(values[None, :])
        return explain(self.served.bundle.schema, values, contributions[0]), contributions[0], base

    def sentences(self, found: Found, states: Mapping[str, int]) -> list[s.Text]:
        """What is missing and moves the score."""
        schema = self.served.bundle.schema
        zh, en = (missing_sentences(voice, schema, found, states) for voice in self.voices)
        return [s.Text(zh=one, en=other) for one, other in zip(zh, en, strict=True)]

    def of_row(self, found: Found, most: int) -> list[s.Reason]:
        """Reasons from nothing but the row's own numbers."""
        from models.wording import sentence

        total = sum(abs(reason.contribution) for reason in (*found.reasons, *found.relief)) or 1.0
        told = []
        for reason in found.reasons[:most]:
            entry = self.entries[reason.indicator]
            zh, en = (sentence(voice, entry, reason) for voice in self.voices)
            shown = [voice.value(entry.unit, reason.value) for voice in self.voices]
            told.append(
                s.Reason(
                    family=entry.family, sentence=s.Text(zh=zh, en=en), influence=reason.influence,
                    share=round(abs(reason.contribution) / total, 6), value=s.Text(zh=shown[0], en=shown[1]),
                    source=s.Text(**entry.owners),
                )
            )  # fmt: skip
        return told

    def of_household(self, household: str, found: Found, most: int) -> list[s.Reason]:
        """Reasons with the peers of the household's area beside them; records and history come with `explain`."""
        known = self.known
        assert known is not None
        at = int(known.cohort[known.places[household]])
        scored = known.scored
        speaker = Speaker(
            scored if not scored.history.days else type(scored)(**{**scored.__dict__, "history": History((), {})}),
            household, str(known.columns["area"][at]), {}, known.peers,
        )  # fmt: skip
        return [reason_line(speaker.reason(reason, found)) for reason in found.reasons[:most]]


def reason_line(line: ReasonLine) -> s.Reason:
    """A reason of the documents as one of an answer."""
    record = line.record
    return s.Reason(
        family=line.family, sentence=both(line.sentence), influence=line.strength, share=line.share,
        value=both(line.value), usual=both(line.usual) if line.usual else None,
        peers=both(line.peers) if line.peers else None, source=both(line.source) if line.source else None,
        record=None if record is None else s.Record(
            department=both(record.department), feed=both(record.feed), file=record.file, line=record.line,
            delivery=record.delivery, day=record.day,
        ),
        history=list(line.history),
    )  # fmt: skip
