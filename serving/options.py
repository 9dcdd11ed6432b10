"""Options that several commands have, each with its help in both languages."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DryRun = Annotated[bool, typer.Option("--dry-run", help="只说要做什么 say what would be done, write nothing")]
AsOf = Annotated[str | None, typer.Option("--as-of", help="数据日 as-of day, YYYY-MM-DD")]
Week = Annotated[str | None, typer.Option("--week", help="周期 period: 2026-W47, 2026-09, 2012-Q4")]
TaskName = Annotated[str | None, typer.Option("--task", help="任务 task of the project, e.g. N1")]
FeedName = Annotated[str | None, typer.Option("--feed", help="数据源 feed; guessed from the columns when left out")]
Version = Annotated[str | None, typer.Option("--version", help="版本号或别名 version number or alias")]
Out = Annotated[Path | None, typer.Option("--out", help="输出文件夹 folder for the results")]
AllowStale = Annotated[
    bool, typer.Option("--allow-stale", help="数据过期也继续，产品上注明 go on with stale data, and say so")
]
Area = Annotated[str, typer.Option("--area", help="区划代码 area code")]
