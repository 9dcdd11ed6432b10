"""Commands of the pages' accounts."""

from __future__ import annotations

import sys

from serving.casework.desk import open_desk
from serving.console import Console
from serving.web import accounts


def create(
    console: Console, account: str, *, area: str, role: str, name: str, department: str, capacity: int | None, stdin: bool
) -> None:  # fmt: skip
    """Make an account; a password that is made here is shown once. A village's account visits, as the project says."""
    given = sys.stdin.readline().rstrip("\r\n") if stdin else ""
    desk = open_desk(console.project, console.settings)
    if capacity is None and role == "village":
        capacity = console.project.capacity.default
    made, password = accounts.create(
        desk, account, name=name or account, role=role, area=area, department=department, password=given,
        capacity=capacity,
    )  # fmt: skip
    console.say(f"账号 {made.account} 已建立。", f"The account {made.account} is made.")
    shown = None if given else password
    if shown:
        console.say(f"密码（只显示这一次）：{shown}", f"its password (shown this once): {shown}")
    console.finish(
        account=made.account,
        role=made.role,
        area=made.area,
        department=made.department,
        capacity=capacity,
        password=shown,
    )


def list_(console: Console) -> None:
    """All accounts, without anything of their passwords."""
    found = accounts.accounts(open_desk(console.project, console.settings))
    console.table(
        ("账号", "accounts"),
        [
            ("账号", "account"),
            ("称呼", "name"),
            ("角色", "role"),
            ("区划", "area"),
            ("部门", "department"),
            ("可用", "active"),
        ],
        [[one.account, one.name, one.role, one.area, one.department, "✓" if one.active else "—"] for one in found],
    )
    plain = ("account", "name", "role", "area", "department", "active")
    console.finish(accounts=[{key: getattr(one, key) for key in plain} for one in found])


def disable(console: Console, account: str) -> None:
    """Disable an account."""
    made = accounts.disable(open_desk(console.project, console.settings), account)
    console.say(f"账号 {made.account} 已停用。", f"The account {made.account} is disabled.")
    console.finish(account=made.account, active=made.active)
