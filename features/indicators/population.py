"""Population change: who was born, died, left, or can no longer work."""

from __future__ import annotations

from features.indicators import definition as d
from features.indicators.definition import Expression, Series
from features.indicators.drafts import WORKING, coded, earners, happened
from features.indicators.indicator import Indicator

SERIES: dict[str, Series] = {}
GRADES = (1, 2, 3, 4)
"""Disability grades of GB/T 26341; 1 is the most severe."""


def left(days: int, *reasons: str, working: bool = False) -> d.Events:
    """Whether a member left the household for one of these reasons in the last so many days."""
    where = (("leave_reason", reasons), *((("work_state", WORKING),) if working else ()))
    return d.Events("member", days, where, what="any", date="valid_to")


def dependants_share(days_ago: int = 0) -> Expression:
    """Share of the members who do not work."""
    everyone = d.Members(days_ago=days_ago)
    return d.Ratio(d.Difference(everyone, earners(days_ago)), everyone)


def indicators() -> list[Indicator]:
    """The family's generic indicators."""
    return [*_losses(), *_arrivals(), *_children(), *_composition()]


def _losses() -> list[Indicator]:
    earner = d.Highest((happened(365, "imprisonment", "lost_contact"), left(365, "death", working=True)))
    apart = d.Highest((happened(183, "divorce"), left(183, "divorce", "split")))
    return [
        coded("P01", "police civil_affairs", "member_deaths_6m", ("家庭成员死亡", "member died"),
              happened(183, "death", what="count"), "persons", 1,
              up=("近半年有{value}去世", "{value} died in half a year"), down=("近半年无成员去世", "no member died in half a year")),
        coded("P02", "police civil_affairs justice", "earner_lost_12m", ("主要劳动力丧失", "main earner lost"), earner, "flag", 1,
              up=("近一年有劳动力去世、服刑或失联", "an earner died, was imprisoned or is missing since a year"),
              down=("近一年没有失去劳动力", "no earner was lost in a year")),
        coded("P03", "civil_affairs police", "household_split_6m", ("离婚或家庭拆分", "divorce or split"), apart, "flag", 1,
              up=("近半年离婚或分户", "a divorce or a split of the household in half a year"),
              down=("近半年没有离婚或分户", "no divorce and no split in half a year")),
        coded("P09", "police villages", "moved_or_lost_6m", ("户口迁移或失联", "move or lost contact"),
              happened(183, "moved_in", "moved_out", "lost_contact", what="count"), "events", 1,
              up=("近半年迁移或失联{value}", "moved or lost contact {value} in half a year"),
              down=("近半年没有迁移或失联", "no move and no lost contact in half a year")),
    ]  # fmt: skip


def _arrivals() -> list[Indicator]:
    severe = d.Sum(
        tuple(
            d.Product(
                (
                    d.Constant(float(len(GRADES) + 1 - grade)),
                    d.Events(
                        "event",
                        183,
                        (("kind", ("disability_certified", "disability_upgraded")), ("severity", (float(grade),))),
                    ),
                )
            )
            for grade in GRADES
        )
    )
    return [
        coded("P04", "health police", "births_6m", ("新生儿", "birth"), happened(183, "birth", what="count"), "persons", 1,
              up=("近半年新生儿{value}", "{value} born in half a year"), down=("近半年无新生儿", "no birth in half a year")),
        coded("P05", "disabled_federation", "new_disability_6m", ("新增残疾（按等级加权）", "new disability, weighted by grade"), severe,
              "points", 1, up=("近半年新增残疾评定，按等级计{value}分", "newly certified disability, {value} points by grade"),
              down=("近半年无新增残疾", "no newly certified disability in half a year")),
        coded("P06", "health civil_affairs", "new_dependent_elder_12m", ("失能老人新增", "new dependent elder"),
              happened(365, "care_dependency"), "flag", 1,
              up=("近一年有老人新评定为失能", "an elder became dependent on care in a year"),
              down=("近一年没有新增失能老人", "no elder became dependent on care in a year")),
    ]  # fmt: skip


def _children() -> list[Indicator]:
    return [
        coded("P07", "civil_affairs", "children_in_need_12m", ("留守或困境儿童登记", "left-behind or needy child"),
              happened(365, "child_left_behind", "child_in_difficulty", what="count"), "persons", 1,
              up=("近一年登记留守或困境儿童{value}", "{value} registered as left behind or in need in a year"),
              down=("近一年没有登记留守或困境儿童", "no child registered as left behind or in need")),
        coded("P08", "civil_affairs", "child_unsupported_12m", ("事实无人抚养变化", "de facto unsupported child"),
              happened(365, "child_unsupported"), "flag", 1,
              up=("近一年有儿童被认定事实无人抚养", "a child was found to be without support in a year"),
              down=("近一年没有事实无人抚养儿童", "no child was found to be without support")),
    ]  # fmt: skip


def _composition() -> list[Indicator]:
    return [
        coded("P10", "police", "dependency_change_12m", ("抚养比变化", "change of dependency"),
              d.Difference(dependants_share(), dependants_share(365)), "share", 1,
              up=("不工作的成员占比一年内变化{value}", "the share of members who do not work changed by {value} in a year"),
              down=("不工作的成员占比一年内变化{value}", "the share of members who do not work changed by {value} in a year")),
    ]  # fmt: skip
