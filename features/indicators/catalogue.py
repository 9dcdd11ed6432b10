"""The page docs/indicators.md, written from the register: `python -m features.indicators.catalogue > docs/indicators.md`.

A test holds the committed page against this, so that no indicator is without its entry.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator

from features.indicators.definition import Events, Given, Late, Schedule
from features.indicators.drafts import PURPOSES
from features.indicators.indicator import FAMILIES, Family, Indicator, Text
from features.indicators.registry import generic
from features.indicators.structure import reach, walk

TITLES: dict[Family, str] = {
    "expense": "支出骤增 Expenditure surge",
    "income": "收入骤减 Income plunge",
    "population": "人口变化 Population change",
    "assistance_gap": "救助缺口 Assistance gap",
    "vulnerability": "脆弱性 Vulnerability",
    "data_quality": "数据质量 Data quality",
    "context": "时节与地区 Context",
}
ARROWS = {1: "↑", -1: "↓", 0: "·"}
HEAD = """# Indicators

Written from the register by `python -m features.indicators.catalogue`; do not edit. A project takes generic indicators
by id or family under `indicators: use:` (see [the indicator language](indicators-language.md)).

- **code**: line of the indicator table; several windows of one line share it. U01 is beyond the table's 63, C are
  context inputs, and those without a code are further generic ones.
- **direction**: ↑ a higher value means more risk, ↓ less, · neither; it binds the booster.
- **window**: days or periods back (and ahead, where announced); `now` is the state on the day.
- **needs**: tables of the [data contract](data-contract.md); a parameter is named `parameters.<name>` and is given, dated
  and with its source, by the project file.
- amounts are in the smallest unit of the currency, `reading.value` of money in whole units a month.

```yaml
indicators:
  parameters:   # the newest value whose `since` is not after the as-of day holds
    status_lapse_days: [{value: 60, since: "2024-11-19", source: where the number is from}]
  use: [status_lapsing]
```
"""


def page() -> str:
    """The whole page."""
    found = list(generic().values())
    parts = [HEAD]
    for family in FAMILIES:
        own = sorted((one for one in found if one.family == family), key=lambda one: (one.code or "~", one.id))
        parts.append(f"## {TITLES[family]}\n\n{PURPOSES[family].zh}。 Purpose: {PURPOSES[family].en}.\n\n{_table(own)}")
    return "\n".join(parts)


def _table(indicators: Iterable[Indicator]) -> str:
    rows = ["| code | id | name | owners | needs | window | unit | direction | legal basis |", "|---" * 9 + "|"]
    rows += [f"| {' | '.join(_cells(one))} |" for one in indicators]
    rows += ["", "| id | raises the risk | lowers it |", "|---|---|---|"]
    rows += [f"| `{one.id}` | {_said(one.up)} | {_said(one.down)} |" for one in indicators]
    return "\n".join(rows) + "\n"


def _said(text: Text) -> str:
    """A sentence in both languages; one for a value of nothing stands after a stroke."""
    return f"{text.zh}<br>{text.en}".replace("|", "\\|")


def _cells(one: Indicator) -> Iterator[str]:
    yield one.code or ""
    yield f"`{one.id}`"
    yield f"{one.name.zh}<br>{one.name.en}"
    yield ", ".join(one.bodies) or "by feed"
    yield ", ".join([*one.sources, *_parameters(one)]) or "calendar"
    yield window(one)
    yield one.unit
    yield ARROWS[one.direction]
    yield one.legal_basis or "project"


def _parameters(one: Indicator) -> list[str]:
    asked = {node.name for node in walk(one.definition) if isinstance(node, Given) and not node.table}
    return [f"`parameters.{name}`" for name in sorted(asked - {"minor_units"})]


def window(one: Indicator) -> str:
    """How far back and ahead the definition looks, in words."""
    nodes = list(walk(one.definition))
    periods = max((reach(node) for node in nodes if not isinstance(node, Late)), default=0)
    days = max((node.days for node in nodes if isinstance(node, Events)), default=0)
    ahead = max((node.ahead for node in nodes if isinstance(node, Events | Schedule) and _looks_ahead(node)), default=0)
    said = [f"{periods} periods"] if periods else []
    said += [f"{days} days"] if days else []
    said += [f"{ahead} days ahead"] if ahead else []
    return ", ".join(said) or "now"


def _looks_ahead(node: Events | Schedule) -> bool:
    return node.ahead > 0 and (isinstance(node, Events) or node.what in ("next", "count"))


if __name__ == "__main__":
    sys.stdout.write(page())
