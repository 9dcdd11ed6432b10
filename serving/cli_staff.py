"""Commands about casework and its people: schema, audit log, cases and accounts; `serving/cli.py` lists them."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from serving.console import Console, command
from serving.options import Area, AsOf, DryRun, Out, TaskName, Week

accounts_app = typer.Typer(help="网页账号 · accounts of the pages", no_args_is_help=True)
migrate_app = typer.Typer(help="个案库的表结构 · schema of the case database", no_args_is_help=True)
audit_app = typer.Typer(help="审计日志 · the audit log", no_args_is_help=True)
cases_app = typer.Typer(help="个案 · cases", no_args_is_help=True)
report_app = typer.Typer(help="报告 · reports that offices send on", no_args_is_help=True)


@command(accounts_app, "create")
def accounts_create(
    console: Console,
    account: Annotated[str, typer.Argument(help="账号名 name of the account")],
    area: Area,
    role: Annotated[
        str, typer.Option("--role", help="village、town、county、supervisor、department、analyst、auditor、admin")
    ],
    name: Annotated[str, typer.Option("--name", help="页面上显示的称呼 shown on pages")] = "",
    department: Annotated[str, typer.Option("--department", help="部门账号所属部门 whose desk it is")] = "",
    capacity: Annotated[
        int | None, typer.Option("--capacity", min=0, help="最多同时承担的走访户数 open visits that it can be given")
    ] = None,
    stdin: Annotated[
        bool, typer.Option("--stdin", help="从标准输入读密码 read the password from standard input")
    ] = False,
) -> None:
    """建立网页账号；密码由标准输入读入或自动生成。 Make an account; its password is read or made, never an argument."""
    from serving.commands import accounts

    accounts.create(
        console, account, area=area, role=role, name=name, department=department, capacity=capacity, stdin=stdin
    )


@command(accounts_app, "list")
def accounts_list(console: Console) -> None:
    """列出网页账号。 List accounts of the pages."""
    from serving.commands import accounts

    accounts.list_(console)


@command(accounts_app, "disable")
def accounts_disable(console: Console, account: Annotated[str, typer.Argument(help="账号名 account")]) -> None:
    """停用账号并退出其登录。 Disable an account; whoever is signed in by it is out."""
    from serving.commands import accounts

    accounts.disable(console, account)


Revision = Annotated[str | None, typer.Option("--to", help="版本 revision")]


@command(migrate_app, "up")
def migrate_up(console: Console, to: Revision = None, dry_run: DryRun = False) -> None:
    """把个案库的表结构升级到程序所需的版本。 Bring the case database's schema up."""
    from serving.commands import casework

    casework.migrate(console, "up", to=to, dry_run=dry_run)


@command(migrate_app, "down")
def migrate_down(console: Console, to: Revision = None, dry_run: DryRun = False) -> None:
    """退回旧的表结构；会删除数据，须加 --yes。 Take the schema down; data go with it, so it wants --yes."""
    from serving.commands import casework

    casework.migrate(console, "down", to=to, dry_run=dry_run)


@command(migrate_app, "status")
def migrate_status(console: Console) -> None:
    """表结构现在的版本和待升级的步骤。 Where the schema is, and the steps ahead."""
    from serving.commands import casework

    casework.migrate(console, "status", to=None, dry_run=False)


@command(audit_app, "verify")
def audit_verify(
    console: Console,
    sign: Annotated[bool, typer.Option("--sign", help="完整时签署已过去的各天 sign the days before today")] = False,
) -> None:
    """核验审计日志：改动、删除、换序、截断都能发现。 Verify the audit log: changes, removals, order, cuts."""
    from serving.commands import casework

    casework.audit_verify(console, sign=sign)


@command(audit_app, "export")
def audit_export(
    console: Console,
    out: Annotated[Path, typer.Option("--out", help="ZIP")],
    first: Annotated[str | None, typer.Option("--from", help="首日 first day, YYYY-MM-DD")] = None,
    last: Annotated[str | None, typer.Option("--to", help="末日 last day, YYYY-MM-DD")] = None,
    dry_run: DryRun = False,
) -> None:
    """导出审计记录、签名和公钥；导出本身也记入日志。 Export lines, signed days and the public key; logged."""
    from serving.commands import casework

    casework.audit_export(console, out, first=first, last=last, dry_run=dry_run)


@command(cases_app, "open")
def cases_open(
    console: Console, as_of: AsOf = None, week: Week = None, task: TaskName = None, dry_run: DryRun = False
) -> None:
    """把一期已发布的清单生成个案，每期一次。 Make a published list into cases, once."""
    from serving.commands import casework

    casework.cases_open(console, as_of=as_of, week=week, task=task, dry_run=dry_run)


@command(cases_app, "remind")
def cases_remind(
    console: Console,
    task: TaskName = None,
    deliver: Annotated[
        bool, typer.Option("--deliver/--no-deliver", help="走访结论入库 findings go to the store")
    ] = True,
    dry_run: DryRun = False,
) -> None:
    """每天运行：提醒、超期、催办，走访结论入库，事件外送。 The daily round: reminders, findings, events."""
    from serving.commands import casework

    casework.cases_remind(console, task=task, deliver=deliver, dry_run=dry_run)


@command(cases_app, "recount")
def cases_recount(console: Console, dry_run: DryRun = False) -> None:
    """按个案重新核对各辖区的计数，不符的改正。 Hold the counts of all areas against the cases, and put them right."""
    from serving.commands import casework

    casework.recount(console, dry_run=dry_run)


@command(cases_app, "erase-expired")
def cases_erase_expired(console: Console, dry_run: DryRun = False) -> None:
    """删除保存期已满的身份信息，并补办已批准而未完成的删除。 Erase identities past their time, and granted ones."""
    from serving.commands import casework

    casework.erase(console, dry_run=dry_run)


class BulletinFormat(StrEnum):
    """Kinds of file."""

    pdf = "pdf"
    docx = "docx"


@command(report_app, "county")
def report_county(
    console: Console,
    account: Annotated[str, typer.Option("--account", help="县级或督导账号 of a county office or a supervisor")],
    area: Annotated[str | None, typer.Option("--area", help="区划代码，缺省为账号所在区划 area code")] = None,
    as_of: AsOf = None,
    week: Week = None,
    kind: Annotated[BulletinFormat | None, typer.Option("--format", help="缺省两种都出 both where left out")] = None,
    out: Out = None,
    dry_run: DryRun = False,
) -> None:
    """出一个辖区的周通报：PDF 供阅，Word 供改。 An area's weekly bulletin: PDF to read, Word to go on writing."""
    from serving.commands import reporting

    reporting.county(
        console, account, area=area, as_of=as_of, week=week, kind=kind.value if kind else None, out=out, dry_run=dry_run
    )
