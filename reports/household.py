"""One household's explanation as text, JSON or a standalone page: numbers first, then what changed, why, and how sure.

No page for caseworkers shows log-odds or a waterfall; those are in `plots`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date
from typing import Any

from features.strict import Words
from reports.documents import Explanation, PeerLine, ReasonLine, Record, day_text, say
from reports.rendering import render

FEW_FEEDS = 8
"""More feeds than these are folded on the page, but for those in trouble."""


def per_100(probability: float) -> int:
    """Of 100 households like this, about so many.

    >>> per_100(0.317)
    32
    """
    return math.floor(100 * probability + 0.5)


def bounds(explanation: Explanation) -> tuple[int, int, int]:
    """Number per 100 and its range, in whole households around it."""
    n = per_100(explanation.probability or 0.0)
    low = n if explanation.low is None else min(n, per_100(explanation.low))
    high = n if explanation.high is None else max(n, per_100(explanation.high))
    return n, low, high


def change_words(explanation: Explanation, language: str) -> str:
    """Change since the last list as a sentence's part."""
    if not explanation.change:
        return ""
    return say(f"change_{explanation.change}", language, by=abs(explanation.change_per_100))


def gist(explanation: Explanation, language: str) -> str:
    """The first reasons in one sentence; empty without any."""
    from models.wording import words

    shown = [reason.sentence.of(language).rstrip("。.") for reason in explanation.reasons[:3]]
    if not shown:
        return ""
    if language == "en":
        shown = [text if text[1:2].isupper() else text[:1].lower() + text[1:] for text in shown]
    fixed = words(language)["text"]
    return fixed["gist"].format(reasons=fixed["join"].join(shown))


# --- text ----------------------------------------------------------------------------------------------------------


def to_text(explanation: Explanation, language: str = "zh") -> str:
    """The explanation as plain text, in the same order as the page."""

    def t(key: str, **fields: Any) -> str:
        return say(key, language, **fields)

    x, heading = explanation, explanation.heading
    lines = [f"{x.area.of(language)}  {x.household_id}  {t('level_' + x.level)}"]
    lines.append(f"{heading.task_title.of(language)} · {heading.period}")
    if heading.stale:
        lines.append("! " + t("stale_warning", feeds=troubled(explanation, language)))
    if heading.trial:
        lines.append("! " + t("trial_warning", version=heading.version))
    lines += ["", t("alert"), *_alert_lines(x, language)]
    lines += ["", t("changes_title")]
    lines += [
        f"  {c.name.of(language)}  {c.before.of(language)} → {c.after.of(language)}  {c.source.of(language)}"
        for c in x.changes
    ] or ["  " + t("changes_none" if len(x.trend) > 1 else "changes_first")]
    lines += ["", f"{t('reasons_title')} · {t('association')}"]
    for number, reason in enumerate(x.reasons, 1):
        lines += _reason_lines(number, reason, language)
    if not x.reasons:
        lines.append("  " + t("reasons_none"))
    elif x.explained is not None:
        lines.append("  " + t("explained", count=len(x.reasons), share=round(100 * x.explained)))
    if x.relief:
        lines += ["", t("relief_title"), *(f"  – {item.sentence.of(language)}" for item in x.relief)]
    lines += ["", t("data_title"), *_data_lines(x, language)]
    if x.peers:
        lines += ["", t("peers_title")]
        lines += [
            f"  {p.name.of(language)}  {p.shown.of(language)}  {t('label_median')} {p.shown_median.of(language)}  "
            f"{p.place.of(language)}"
            for p in x.peers
        ]
    day = day_text(heading.as_of, language)
    foot = t("footer", day=day, run=heading.run_id or "—", version=heading.version, bundle=heading.bundle[:12])
    return "\n".join([*lines, "", foot]) + "\n"


def _alert_lines(x: Explanation, language: str) -> list[str]:
    if x.probability is None:
        return ["  " + say("insufficient", language), "  " + say("disclaimer", language)]
    n, low, high = bounds(x)
    outcome = x.heading.task_title.of(language)
    space = "" if language == "zh" else " "
    sentence = f"{say('per_100_before', language)} {n} {say('per_100_after', language, outcome=outcome)}"
    close = f"{space}({say('range', language, low=low, high=high)})"
    lines = ["  " + sentence + (close if language == "en" else f"（{say('range', language, low=low, high=high)}）")]
    if x.base_rate is not None:
        lines.append("  " + say("base", language, base=per_100(x.base_rate)))
    if x.rank is not None:
        lines.append("  " + say("rank", language, cohort=f"{x.cohort:,}", rank=f"{x.rank:,}"))
    if x.change:
        lines.append("  " + change_words(x, language))
    lines += ["  " + say("triggered", language, names=name.of(language)) for name in x.triggers]
    return [*lines, "  " + say("disclaimer", language)]


def _reason_lines(number: int, reason: ReasonLine, language: str) -> list[str]:
    lines = [f"  {number}. {reason.sentence.of(language)}"]
    beside = [say(f"strength_{reason.strength}", language)]
    if reason.usual is not None:
        beside.append(f"{say('label_usual', language)} {reason.usual.of(language)}")
    if reason.peers is not None:
        beside.append(f"{say('label_peers', language)} {reason.peers.of(language)}")
    if reason.source is not None:
        beside.append(f"{say('label_source', language)} {reason.source.of(language)}")
    lines.append("     " + " · ".join(beside))
    if reason.record is not None:
        record = reason.record
        place = say("record_place", language, file=record.file, line=record.line, delivery=record.delivery)
        when = f"{day_text(record.day, language)} · " if record.day else ""
        lines.append(f"     {say('label_record', language)} {record.feed.of(language)} · {when}{place}")
    return lines


def _data_lines(x: Explanation, language: str) -> list[str]:
    if not x.heading.troubled:
        return ["  " + say("data_ok", language)]
    return [
        f"  {feed.name.of(language)} · {feed.department.of(language)} · {say(f'status_{feed.status}', language)}"
        f" · {say('label_newest', language)} {feed.newest or '—'}"
        for feed in x.heading.troubled
    ]


def troubled(explanation: Explanation, language: str) -> str:
    """Names of feeds that are not current."""
    joint = "、" if language == "zh" else ", "
    return joint.join(feed.name.of(language) for feed in explanation.heading.troubled)


# --- JSON ----------------------------------------------------------------------------------------------------------


def to_plain(explanation: Explanation) -> dict[str, Any]:
    """The explanation for machines, with both languages."""
    x, heading = explanation, explanation.heading
    return {
        "household_id": x.household_id,
        "area": _both(x.area),
        "as_of": str(heading.as_of),
        "period": heading.period,
        "task": heading.task,
        "run_id": heading.run_id,
        "version": heading.version,
        "bundle": heading.bundle,
        "stale": heading.stale,
        "trial": heading.trial,
        "level": x.level,
        "probability": x.probability,
        "per_100": None if x.probability is None else per_100(x.probability),
        "range": None if x.low is None or x.high is None else [x.low, x.high],
        "base_rate": x.base_rate,
        "rank": x.rank,
        "cohort": x.cohort,
        "listed": x.listed,
        "change": x.change or None,
        "change_per_100": x.change_per_100,
        "trend": [[str(point.day), point.probability, point.level] for point in x.trend],
        "triggers": [_both(name) for name in x.triggers],
        "changes": [
            {
                "name": _both(c.name), "family": c.family, "before": _both(c.before), "after": _both(c.after),
                "raises": c.raises, "source": _both(c.source), "day": None if c.day is None else str(c.day),
            }
            for c in x.changes
        ],
        "reasons": [_reason(reason) for reason in x.reasons],
        "gist": {language: gist(x, language) for language in ("zh", "en")},
        "explained": x.explained,
        "relief": [_reason(reason) for reason in x.relief],
        "lowering": [
            {
                "name": _both(one.name), "before": _both(one.before), "after": _both(one.after),
                "per_100": one.per_100,
            }
            for one in x.lowering
        ],
        "gaps": [
            {
                "feed": feed.feed, "name": _both(feed.name), "department": _both(feed.department),
                "status": feed.status, "newest": feed.newest, "age_days": feed.age_days,
            }
            for feed in heading.troubled
        ],
        "peers": [_peer(peer) for peer in x.peers],
        "peer_group": None if x.peer_group is None else _both(x.peer_group),
        "peer_count": x.peer_count,
        "disclaimer": {"zh": say("disclaimer", "zh"), "en": say("disclaimer", "en")},
    }  # fmt: skip


def _both(text: Words) -> dict[str, str]:
    return {"zh": text.zh, "en": text.en}


def _reason(reason: ReasonLine) -> dict[str, Any]:
    return {
        "family": reason.family,
        "sentence": _both(reason.sentence),
        "influence": reason.strength,
        "share": reason.share,
        "value": _both(reason.value),
        "usual": None if reason.usual is None else _both(reason.usual),
        "peers": None if reason.peers is None else _both(reason.peers),
        "source": None if reason.source is None else _both(reason.source),
        "record": None if reason.record is None else _record(reason.record),
        "history": list(reason.history),
    }


def _record(record: Record) -> dict[str, Any]:
    return {
        "department": _both(record.department),
        "feed": _both(record.feed),
        "file": record.file,
        "line": record.line,
        "delivery": record.delivery,
        "day": None if record.day is None else str(record.day),
    }


def _peer(peer: PeerLine) -> dict[str, Any]:
    numbers = {"value": peer.value, "low": peer.low, "median": peer.median, "high": peer.high}
    shown = {"shown": _both(peer.shown), "shown_median": _both(peer.shown_median)}
    return {"name": _both(peer.name), **numbers, **shown, "share_below": peer.share_below, "place": _both(peer.place)}


# --- HTML ----------------------------------------------------------------------------------------------------------


def to_html(explanation: Explanation, language: str = "zh") -> str:
    """The explanation as a standalone page: inline CSS, no script, ready for print."""
    x = explanation
    n, low, high = bounds(x)
    marks = _marks([point.day for point in x.trend])
    points = [(mark, point.probability) for mark, point in zip(marks, x.trend, strict=True)]
    numbers = "、".join(f"{day} {per_100(p)}" for day, p in points)
    return render(
        "household.html",
        language,
        x=x,
        n=n,
        low=low,
        high=high,
        base=None if x.base_rate is None else per_100(x.base_rate),
        few_feeds=FEW_FEEDS,
        bars=x.level if x.level in ("red", "orange", "yellow") else "none",
        trend=points,
        trend_label=say("trend_label", language, numbers=numbers),
        names={level: say(f"level_{level}", language) for level in ("red", "orange", "yellow")},
        histories=[_history(reason, language) for reason in x.reasons],
        gist=gist(x, language),
        changed_words=change_words(x, language),
        troubled=troubled(x, language),
    )


def _history(reason: ReasonLine, language: str) -> str:
    numbers = ", ".join("—" if value is None else f"{value:g}" for value in reason.history)
    return say("history_label", language, name=reason.sentence.of(language), numbers=numbers)


def _marks(days: Sequence[date]) -> list[str]:
    """Short names of list days: month and day where they lie close, year and month where they do not.

    >>> _marks([date(2026, 11, 1), date(2026, 11, 8)]), _marks([date(2026, 6, 30), date(2026, 9, 30)])
    (['11-01', '11-08'], ['2026-06', '2026-09'])
    """
    close = len(days) < 2 or (days[-1] - days[0]).days < 28 * (len(days) - 1)
    return [f"{day:%m-%d}" if close else f"{day:%Y-%m}" for day in days]
