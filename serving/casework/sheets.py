"""A visit sheet of a case, with what its visitor may know of it."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime

from features.strict import Words
from reports.documents import Explanation
from reports.visit_sheet import Fact, Sheet, blind_topics, topics_of
from reports.weekly_list import CAUSES, VALIDITIES
from serving.casework.actor import Actor
from serving.casework.boxes import record_choices
from serving.casework.case import Case
from serving.casework.chain import Link
from serving.casework.classification import vocabulary
from serving.casework.desk import Desk, View
from serving.casework.facts import recorded
from serving.casework.words import word


def sheet_of(desk: Desk, by: Actor, view: View, chain: Sequence[Link], as_of: date | None) -> Sheet:
    """The sheet for somebody who goes there.

    Args:
        desk: the service layer.
        by: who takes it along; its account stands on every side.
        view: the case, as this actor may see it; without signals the sheet is blind, and so is one for a visitor who
            is to record before a score is seen, whoever prints it.
        chain: what is known of the household, as this actor may see it.
        as_of: day of the household's newest list.
    """
    case = view.case
    blind = view.signals is None or (case.first is None and _visitor(desk, case).blind)
    reasons = view.signals[0].get("reasons", []) if view.signals else []
    tree = desk.tree
    place = {one: tree.title(case.area_code, one) for one in ("zh", "en")}
    return Sheet(
        project=desk.project.title,
        household=case.household_id,
        place=Words(**place),
        as_of=as_of,
        visit_by=case.visit_by,
        facts=tuple(Fact(link.day, text) for link, text in recorded(chain, desk.project.currency.minor_units)),
        topics=blind_topics()
        if blind
        else topics_of([(str(one["family"]), Words(**one["sentence"])) for one in reasons if one.get("sentence")]),
        vocabulary=boxes(),
        most_causes=vocabulary().most_causes,
        account=by.account,
        at=desk.now().astimezone(desk.zone),
        blind=blind,
    )


def _visitor(desk: Desk, case: Case) -> Actor:
    """Who goes there: who has the case, or somebody of its area where nobody has it yet."""
    owner = case.owner if case.owner is not None and case.owner.account else None
    role, area = ("village", case.area_code) if owner is None else (owner.role, owner.area)
    return desk.presented(Actor(account=owner.account if owner else "-", role=role, area=area))


def sheet_of_explanation(told: Explanation, account: str, at: datetime) -> Sheet:
    """The sheet of a household that has no case, from its explanation."""
    changes = [
        Fact(
            change.day or told.heading.as_of,
            Words(
                zh=f"{change.name.zh} {change.before.zh} → {change.after.zh}",
                en=f"{change.name.en} {change.before.en} → {change.after.en}",
            ),
        )
        for change in told.changes
    ]
    return Sheet(
        project=told.heading.project,
        household=told.household_id,
        place=told.area,
        as_of=told.heading.as_of,
        visit_by=None,
        facts=tuple(changes),
        topics=topics_of([(reason.family, reason.sentence) for reason in told.reasons]),
        vocabulary=boxes(),
        most_causes=vocabulary().most_causes,
        account=account,
        at=at,
        blind=False,
    )


@functools.cache
def boxes() -> Mapping[str, tuple[Words, ...]]:
    """Everything that may be ticked, by field of the form."""

    def coded(group: str, codes: Iterable[str]) -> tuple[Words, ...]:
        said = [(code, word(group, code)) for code in codes]
        return tuple(Words(zh=f"{code} {one.zh}", en=f"{code} {one.en}") for code, one in said)

    offered = record_choices()
    plain = ("met", "verdict", "depth", "evidence", "savings", "kin")
    return {
        **{field: tuple(offered[field].values()) for field in plain},
        "method": tuple(word("method", code) for code in vocabulary().methods),
        "validity": coded("validity", VALIDITIES),
        "causes": tuple(word("cause", code) for code in CAUSES),
        "disposition": coded("disposition", offered["disposition"]),
        "needs": tuple(offered["need"].values()),
    }
