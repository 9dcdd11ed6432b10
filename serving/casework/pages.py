"""The routing table as a page, written from the table itself so that it cannot fall behind."""

from __future__ import annotations

from serving.casework.routing import CHOSEN, Duration, Routing
from serving.casework.words import word

_UNITS = {"hour": ("小时", "hours"), "day": ("天", "days"), "working_day": ("个工作日", "working days")}


def routing_page(routing: Routing) -> str:
    """docs/routing.md."""
    most, since = routing.most_passes, routing.since
    head = f"""# Routing of needs

<!-- Written from serving/casework/routing.yaml; a test holds this page against it. -->

自 {since} 起；来源：{routing.source}。部门转出最多 {most} 次，之后由县级协调机制决定。

In force since {since}. A referral is passed on at most {most} times; then the county mechanism decides. Marks: S seen
in a source, M common knowledge, P a proposal that waits for local rules. Every desk may also say F0 (received) and,
while the referral may be passed on, F8; F10 is set by the clock.

| code | need | lead | told | help | clause | first help | answer | feedback |
|---|---|---|---|---|---|---|---|---|"""
    return "\n".join([head, *(_line(routing, code) for code in routing.needs)]) + "\n"


def _line(routing: Routing, code: str) -> str:
    need, name = routing.needs[code], word("need", code)
    lead = "指定部门 named with it" if need.lead == CHOSEN else _both(routing, need.lead)
    first = need.first or need.urgent_first
    cells = [
        code, f"{name.zh} {name.en}", lead, "、".join(_both(routing, one) for one in need.co) or "—",
        f"{need.kinds.zh} · {need.kinds.en}", need.clause, _length(first) if first else "—", _length(need.answer),
        " ".join(need.feedback),
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |"


def _both(routing: Routing, department: str) -> str:
    said = routing.departments[department]
    return f"{said.zh} {said.en}"


def _length(duration: Duration) -> str:
    zh, en = _UNITS[duration.unit]
    most = f" (≤ {duration.longest})" if duration.longest else ""
    start = "，自预警起 from the alert" if duration.starts == "alert" else ""
    return f"{duration.amount} {zh} {en}{most}{start} [{duration.mark}]"
