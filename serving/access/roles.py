"""Roles and purposes: who may ask what, and for what end. Words only; nothing here knows a token or a request."""

from __future__ import annotations

from collections.abc import Mapping

from features.strict import Words

ROLES: Mapping[str, Words] = {
    "village": Words(zh="村（社区）走访人员", en="village visitor"),
    "town": Words(zh="镇街工作人员", en="town staff"),
    "county": Words(zh="县级监测人员", en="county monitor"),
    "supervisor": Words(zh="市、省督导", en="city or province supervisor"),
    "department": Words(zh="报送部门", en="delivering department"),
    "analyst": Words(zh="分析人员", en="analyst"),
    "auditor": Words(zh="审计人员", en="auditor"),
    "admin": Words(zh="系统管理员", en="administrator"),
}
"""Roles of the five levels and of departments."""

BLIND = frozenset({"village"})
"""Roles that visit before they see a score: no level, no probability, no reasons, no order of risk."""

SUPPORT: Mapping[str, Words] = {
    "visit": Words(zh="走访核查", en="visiting households"),
    "aid": Words(zh="落实救助帮扶", en="bringing help"),
    "referral": Words(zh="转办相关部门", en="referring to departments"),
    "follow_up": Words(zh="回访", en="following up"),
    "evaluation": Words(zh="评估提醒的效果", en="evaluating the reminders"),
    "delivery": Words(zh="报送数据", en="delivering data"),
}
"""Purposes that bring help nearer."""

REFUSED = frozenset(
    {
        "reduce", "reduction", "refuse", "refusal", "deny", "denial", "suspend", "stop", "terminate", "withdraw",
        "recover", "recovery", "sanction", "penalty", "police", "policing", "fraud", "investigation", "surveillance",
        "eligibility", "credit", "insurance_pricing", "employment", "downgrade", "deprioritise", "deprioritize",
    }
)  # fmt: skip
"""Purposes for which a score is never given: they lower a household's standing."""


def purposes_known() -> str:
    """The purposes as they stand in messages."""
    return ", ".join(SUPPORT)
