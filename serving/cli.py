"""The table of contents of the command line: each command is a few lines calling one function.

Commands, options, `--json` keys and exit codes are listed in docs/commands.md, which a test holds against this file.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
import typer.core

from features.errors import INTERRUPTED
from serving.cli_staff import accounts_app, audit_app, cases_app, migrate_app, report_app
from serving.console import Console, command
from serving.options import AllowStale, Area, AsOf, DryRun, FeedName, Out, TaskName, Version, Week

app = typer.Typer(
    name="zhouji",
    help="周济：困难家庭早期预警 · hardship early warning, from departments' files to a weekly list with reasons.",
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
quarantine_app = typer.Typer(help="隔离区：被退回的行 · rejected rows", no_args_is_help=True)
list_app = typer.Typer(help="清单 · weekly lists", no_args_is_help=True)
vault_app = typer.Typer(help="身份库 · the identity vault", no_args_is_help=True)
serve_app = typer.Typer(help="启动服务，或打包服务 · serve, or pack the service")
app.add_typer(serve_app, name="serve")
tokens_app = typer.Typer(help="服务的访问令牌 · access tokens of the service", no_args_is_help=True)
app.add_typer(tokens_app, name="tokens")
app.add_typer(accounts_app, name="accounts")
app.add_typer(quarantine_app, name="quarantine")
app.add_typer(list_app, name="list")
app.add_typer(vault_app, name="vault")
app.add_typer(migrate_app, name="migrate")
app.add_typer(audit_app, name="audit")
app.add_typer(cases_app, name="cases")
app.add_typer(report_app, name="report")


class DeliveriesFirst(typer.core.TyperGroup):
    """`zhouji simulate --out …` means `zhouji simulate deliveries --out …`, as it always did."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Name the command that was meant."""
        meant = args and (args[0] in self.commands or args[0] == "--help")
        return super().parse_args(ctx, args if meant or not args else ["deliveries", *args])


simulate_app = typer.Typer(
    help="模拟省：部门文件与走访现场 · a simulated province: deliveries, and the field",
    no_args_is_help=True,
    cls=DeliveriesFirst,
)
app.add_typer(simulate_app, name="simulate")


@command(app)
def ingest(
    console: Console,
    sources: Annotated[list[str], typer.Argument(help="文件或数据库地址 files or database URLs")],
    feed: FeedName = None,
    as_of: Annotated[str | None, typer.Option("--as-of", help="收到日期 day of receipt, YYYY-MM-DD")] = None,
    dry_run: DryRun = False,
) -> None:
    """接收部门报送的文件：校验、入库，错行进隔离区。 Take departments' files into the store.

    Example: zhouji ingest --project examples/eph/project.yaml eph.parquet --json
    """
    from serving.commands import data

    data.ingest(console, sources, feed=feed, received_on=as_of, dry_run=dry_run)


@command(app)
def validate(
    console: Console,
    sources: Annotated[list[str] | None, typer.Argument(help="文件 files; without one, the store is checked")] = None,
    feed: FeedName = None,
    as_of: AsOf = None,
    week: Week = None,
    fail_on: Annotated[str, typer.Option("--fail-on", help="warn 或 or error")] = "error",
    report: Annotated[Path | None, typer.Option("--report", help="HTML 报告 report")] = None,
) -> None:
    """检查文件或库：格式、范围、及时性、对账。 Check files, or the store: schema, ranges, freshness, accounting."""
    from serving.commands import data

    data.validate(console, sources or [], feed=feed, as_of=as_of, week=week, fail_on=fail_on, report=report)


@command(quarantine_app, "list")
def quarantine_list(console: Console, feed: FeedName = None) -> None:
    """列出被退回的行和修改办法。 List rejected rows and how to repair them."""
    from serving.commands import data

    data.quarantine_list(console, feed=feed)


@command(quarantine_app, "export")
def quarantine_export(
    console: Console,
    out: Annotated[Path, typer.Option("--out", help="CSV 或 or XLSX")],
    feed: FeedName = None,
) -> None:
    """导出被退回的行，改好后可重新报送。 Export rejected rows, to be repaired and sent again."""
    from serving.commands import data

    data.quarantine_export(console, out, feed=feed)


@command(quarantine_app, "retry")
def quarantine_retry(console: Console, feed: FeedName = None, dry_run: DryRun = False) -> None:
    """按现在的配置重试被退回的行。 Try rejected rows again under today's profile."""
    from serving.commands import data

    data.quarantine_retry(console, feed=feed, dry_run=dry_run)


@command(app)
def features(
    console: Console,
    as_of: AsOf = None,
    week: Week = None,
    first: Annotated[str | None, typer.Option("--from", help="首个数据日 first as-of day")] = None,
    last: Annotated[str | None, typer.Option("--to", help="末个数据日 last as-of day")] = None,
    dry_run: DryRun = False,
) -> None:
    """按数据日计算指标面板。 Build the panel of indicators for one as-of day or a range."""
    from serving.commands import data

    data.features(console, as_of=as_of, week=week, first=first, last=last, dry_run=dry_run)


@command(app)
def train(
    console: Console,
    until: Annotated[str, typer.Option("--until", help="只用此日前已知的结果 outcomes known by this day only")],
    task: TaskName = None,
    trials: Annotated[int | None, typer.Option("--trials", help="超参数搜索次数 search trials")] = None,
    seed: Annotated[int, typer.Option("--seed")] = 7,
    register: Annotated[bool, typer.Option("--register", help="登记到 MLflow register in MLflow")] = False,
    dry_run: DryRun = False,
) -> None:
    """训练、校准并记录一个模型。 Train, calibrate and log a model."""
    from serving.commands import modelling

    modelling.train(console, until=until, task=task, trials=trials, seed=seed, register=register, dry_run=dry_run)


@command(app)
def evaluate(
    console: Console,
    first: Annotated[str, typer.Option("--from", help="结果窗口首日 first outcome day")],
    last: Annotated[str, typer.Option("--to", help="结果窗口末日 last outcome day")],
    task: TaskName = None,
    version: Version = None,
    resamples: Annotated[int, typer.Option("--resamples", help="自助抽样次数 bootstrap resamples")] = 500,
    html: Annotated[Path | None, typer.Option("--html", help="HTML 报告 report")] = None,
) -> None:
    """用之后的结果检验一个版本，并与基线比较。 Hold a version against later outcomes and the baselines."""
    from serving.commands import modelling

    modelling.evaluate(console, first, last, task=task, version=version, resamples=resamples, html=html)


@command(app)
def promote(
    console: Console,
    version: Annotated[str, typer.Argument(help="版本号 version number")],
    task: TaskName = None,
    to: Annotated[str, typer.Option("--to", help="别名 alias")] = "champion",
    reason: Annotated[str, typer.Option("--reason", help="理由 reason")] = "",
    approver: Annotated[str, typer.Option("--approver", help="批准人 who approves")] = "",
    force: Annotated[bool, typer.Option("--force", help="不顾门槛，记录在案 in spite of the gates; recorded")] = False,
    dry_run: DryRun = False,
) -> None:
    """过门槛后把别名移到一个版本。 Move an alias to a version, through the gates."""
    from serving.commands import modelling

    modelling.promote(
        console, version, task=task, to=to, reason=reason, approver=approver, force=force, dry_run=dry_run
    )


@command(app)
def score(
    console: Console,
    as_of: AsOf = None,
    week: Week = None,
    task: TaskName = None,
    version: Version = None,
    area: Annotated[str | None, typer.Option("--area", help="区划代码 area code")] = None,
    capacity: Annotated[int | None, typer.Option("--capacity", help="每个辖区的走访数 visits per area")] = None,
    audit_share: Annotated[
        float | None, typer.Option("--audit-share", help="随机抽查比例 share of random rows")
    ] = None,
    seed: Annotated[int, typer.Option("--seed")] = 7,
    publish: Annotated[bool, typer.Option("--publish/--draft", help="发布或草稿 publish, or draft only")] = True,
    allow_stale: AllowStale = False,
    out: Out = None,
    dry_run: DryRun = False,
) -> None:
    """给全部家庭评分并生成本周清单。 Score the cohort and make the weekly list."""
    from serving.commands import weekly

    weekly.score(
        console, as_of=as_of, week=week, task=task, version=version, area=area, capacity=capacity,
        audit_share=audit_share, seed=seed, publish=publish, allow_stale=allow_stale, out=out, dry_run=dry_run,
    )  # fmt: skip


@command(app)
def explain(
    console: Console,
    household: Annotated[str, typer.Argument(help="家庭假名 household pseudonym")],
    as_of: AsOf = None,
    week: Week = None,
    task: TaskName = None,
    version: Version = None,
    format_: Annotated[str, typer.Option("--format", help="text、json、html 或 or pdf")] = "text",
    out: Annotated[Path | None, typer.Option("--out", help="写入文件 file to write")] = None,
) -> None:
    """一户的提醒原因，用文字、JSON、网页或核查表。 One household's explanation as text, JSON, HTML or a visit sheet."""
    from serving.commands import weekly

    weekly.explain(console, household, as_of=as_of, week=week, task=task, version=version, format_=format_, out=out)


@command(list_app, "import")
def list_import(
    console: Console,
    file: Annotated[Path, typer.Argument(help="填好的 XLSX the filled list")],
    task: TaskName = None,
    errors: Annotated[Path | None, typer.Option("--errors", help="错误行另存 XLSX with the rejected rows")] = None,
    account: Annotated[
        str, typer.Option("--account", help="记入个案的账号 the account that records, where cases are opened")
    ] = "",
    dry_run: DryRun = False,
) -> None:
    """读回填好的清单：记入个案，或直接入库。 Read a filled list back, into its cases or into the store."""
    from serving.commands import casework, weekly

    if account or casework.has_cases(console, file):
        casework.list_import(console, file, account, task=task, errors=errors, dry_run=dry_run)
    else:
        weekly.list_import(console, file, task=task, errors=errors, dry_run=dry_run)


Workers = Annotated[int, typer.Option("--workers", min=1, max=64, help="进程数 processes")]


@command(serve_app, group=True)
def serve(
    console: Console,
    host: Annotated[str, typer.Option("--host", help="监听地址 address")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="端口 port")] = 3000,
    workers: Workers = 1,
    task: TaskName = None,
) -> None:
    """启动评分与查询服务（BentoML）。 Serve scores, explanations and lists over HTTP."""
    from serving.commands import serving

    serving.serve(console, host=host, port=port, workers=workers, task=task)


@command(serve_app, "build")
def serve_build(
    console: Console, task: TaskName = None, version: Version = None, out: Out = None, dry_run: DryRun = False
) -> None:
    """打包服务：自带模型，无需登记库即可启动。 Pack a bento that carries its bundle and needs no registry."""
    from serving.commands import serving

    serving.build(console, task=task, version=version, out=out, dry_run=dry_run)


@command(tokens_app, "create")
def tokens_create(
    console: Console,
    area: Area,
    role: Annotated[
        str, typer.Option("--role", help="village、town、county、supervisor、department、analyst、auditor、admin")
    ],
    purpose: Annotated[
        list[str],
        typer.Option("--purpose", help="visit、aid、referral、follow_up、evaluation、delivery；可重复 repeatable"),
    ],
    expires: Annotated[str, typer.Option("--expires", help="有效期 90d、12h 或日期 or a day")] = "90d",
    label: Annotated[str, typer.Option("--label", help="给谁用 whom it is for")] = "",
    dry_run: DryRun = False,
) -> None:
    """生成令牌，只显示一次。 Make an access token; it is shown once."""
    from serving.commands import serving

    serving.tokens_create(
        console, area=area, role=role, purposes=purpose, expires=expires, label=label, dry_run=dry_run
    )


@command(tokens_app, "list")
def tokens_list(console: Console) -> None:
    """列出全部令牌。 List access tokens."""
    from serving.commands import serving

    serving.tokens_list(console)


@command(tokens_app, "revoke")
def tokens_revoke(console: Console, token: Annotated[str, typer.Argument(help="令牌编号 token id")]) -> None:
    """撤销令牌，下一次请求即失效。 Revoke an access token, from the next request on."""
    from serving.commands import serving

    serving.tokens_revoke(console, token)


@command(vault_app, "rotate")
def vault_rotate(console: Console, dry_run: DryRun = False) -> None:
    """换一把身份库密钥并重新加密。 Rotate the vault's key and encrypt everything anew."""
    from serving.commands import housekeeping

    housekeeping.rotate(console, dry_run=dry_run)


@command(app)
def drift(
    console: Console,
    as_of: AsOf = None,
    week: Week = None,
    task: TaskName = None,
    fail_on: Annotated[
        float | None, typer.Option("--fail-on", help="PSI 达到此值时退出码 4 exit code 4 from this PSI on")
    ] = None,
) -> None:
    """检查一期清单的数据：指标漂移、缺失、各辖区到数；页面显示结果。 Check the data of a list; pages show the result.

    Example: zhouji drift --as-of 2026-11-08 --json
    """
    from serving.commands import drift as commands

    commands.drift(console, as_of=as_of, week=week, task=task, fail_on=fail_on)


@command(app)
def doctor(console: Console) -> None:
    """检查运行环境，缺什么、怎么补。 Check the surroundings: what is missing and how to repair it."""
    from serving.commands import housekeeping

    housekeeping.doctor(console)


Households = Annotated[int, typer.Option("--households", min=200, help="户数 households")]
Months = Annotated[int, typer.Option("--months", min=18, help="月数 months")]
Seed = Annotated[int, typer.Option("--seed", help="随机种子 seed")]
Scenario = Annotated[str, typer.Option("--scenario", help="情景 scenario, S0–S6")]


@command(simulate_app, "deliveries")
def simulate_deliveries(
    console: Console,
    out: Annotated[Path, typer.Option("--out", help="写到哪个文件夹 folder to write")],
    households: Households = 20_000,
    months: Months = 36,
    seed: Seed = 7,
    scenario: Scenario = "S0",
) -> None:
    """生成模拟省的部门文件，不入库。 Write a simulated province's deliveries, and take nothing in."""
    from serving.commands import demonstration

    demonstration.simulate_deliveries(console, out, households=households, months=months, seed=seed, scenario=scenario)


@command(simulate_app, "loop")
def simulate_loop(
    console: Console,
    weeks: Annotated[int, typer.Option("--weeks", min=1, help="周数 weeks")] = 100,
    households: Annotated[
        int, typer.Option("--households", min=200, help="每省户数 households of each province")
    ] = 2_000,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="省的个数 provinces, each of its own seed")] = 3,
    seed: Seed = 1,
    audit_share: Annotated[
        float, typer.Option("--audit-share", min=0, max=0.5, help="随机抽查比例 share of random rows")
    ] = 0.2,
    per_county: Annotated[
        int, typer.Option("--per-county", min=100, help="每县户数 households of each county")
    ] = 1_000,
    compare: Annotated[bool, typer.Option("--compare", help="各方法同样多的走访 methods at equal visits")] = False,
    out: Out = None,
) -> None:
    """模拟清单、走访、回填、再训练的循环。 Run list, visits, findings and retraining over simulated weeks."""
    from serving.commands import field

    asked = field.Asked(households, weeks, seeds, seed, audit_share, per_county, compare)
    field.loop(console, out, asked)


@command(simulate_app, "bound")
def simulate_bound(
    console: Console,
    households: Households = 20_000,
    months: Annotated[int, typer.Option("--months", min=30, help="月数 months")] = 36,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="种子个数 seeds")] = 1,
    seed: Seed = 7,
    out: Out = None,
) -> None:
    """困难能预见到什么程度：各方法、先知与差距。 How well hardship can be foreseen: methods, the bound, the gap.

    The report is a page in both languages with its charts, and JSON.
    """
    from serving.commands import bound

    bound.bound(console, out, households=households, months=months, seeds=seeds, seed=seed)


@command(app)
def demo(
    console: Console,
    households: Households = 20_000,
    months: Months = 36,
    seed: Seed = 7,
    scenario: Scenario = "S0",
    no_serve: Annotated[bool, typer.Option("--no-serve", help="到清单为止 stop at the list")] = False,
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="服务端口 port of the service")] = 3000,
) -> None:
    """在模拟省上跑完整条链。 Run the whole chain on a simulated province."""
    from serving.commands import demonstration

    demonstration.demo(
        console, households=households, months=months, seed=seed, scenario=scenario, port=None if no_serve else port
    )


def main() -> None:
    """Entry point: the command's exit code, and 130 when interrupted, without a traceback."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("BENTOML_DO_NOT_TRACK", "True")
    os.environ.setdefault("DO_NOT_TRACK", "true")
    # LightGBM's threads wait for each other; on a machine that others use as well they would burn the cores waiting
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
