"""What every command shares: project, home, language, one JSON object on stdout, progress, and how errors end."""

from __future__ import annotations

import functools
import inspect
import json
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer
from rich.console import Console as Terminal
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from features.calendar import is_as_of_day, parse_period
from features.errors import INTERRUPTED, UsageError, ZhoujiError
from features.project import Project, load_project
from features.settings import Home, Settings, read_settings

Report = Callable[[str, int, int], None]
"""Progress callback: what is being done, how many are done, how many there are (0 when unknown)."""


@dataclass
class Console:
    """One command's surroundings; made from the options that every command takes."""

    settings: Settings
    project_file: Path | None
    as_json: bool
    quiet: bool
    verbose: bool
    colour: bool
    agreed: bool
    answer: dict[str, Any] = field(default_factory=dict)
    exit_code: int = 0

    def __post_init__(self) -> None:
        """Results go to stdout, everything else to stderr."""
        self.out = Terminal(no_color=not self.colour, highlight=False, soft_wrap=True)
        self.log = Terminal(stderr=True, no_color=not self.colour, highlight=False)
        self.started = time.monotonic()

    @property
    def language(self) -> str:
        """Chosen language of messages: zh or en."""
        return self.settings.lang

    @property
    def home(self) -> Home:
        """The folder that holds all state."""
        return Home(self.settings.home)

    @functools.cached_property
    def project(self) -> Project:
        """The project named by --project, loaded once."""
        if self.project_file is None:
            raise UsageError("project_not_named")
        return load_project(self.project_file)

    def text(self, zh: str, en: str) -> str:
        """The text in the chosen language."""
        return en if self.language == "en" else zh

    def say(self, zh: str, en: str) -> None:
        """A line for a person on stdout; silent with --json or --quiet."""
        if not (self.as_json or self.quiet):
            self.out.print(self.text(zh, en), markup=False)

    def note(self, zh: str, en: str) -> None:
        """A line beside the result, on stderr."""
        if not self.quiet:
            self.log.print(self.text(zh, en), markup=False, style="dim")

    def table(self, title: tuple[str, str], columns: list[tuple[str, str]], rows: list[list[Any]]) -> None:
        """A table for a person; silent with --json or --quiet."""
        if self.as_json or self.quiet:
            return
        shown = Table(title=self.text(*title), title_justify="left")
        for column in columns:
            shown.add_column(self.text(*column), overflow="fold")
        for row in rows:
            shown.add_row(*("" if cell is None else str(cell) for cell in row))
        self.out.print(shown)

    @contextmanager
    def progress(self) -> Iterator[Report]:
        """A progress bar with an estimate on a terminal; nothing elsewhere."""
        if self.quiet or self.as_json or not self.log.is_terminal:
            yield lambda _label, _done, _total: None
            return
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self.log, transient=True) as bars:
            known: dict[str, Any] = {}

            def report(label: str, done: int, total: int) -> None:
                if label not in known:
                    known[label] = bars.add_task(label, total=total or None)
                bars.update(known[label], completed=done, total=total or None)

            yield report

    def finish(self, **answer: Any) -> None:
        """Keep the command's answer; printed as one JSON object at the end when asked for."""
        self.answer.update(answer)


def as_json(value: Any) -> str:
    """Canonical JSON; NaN never gets out."""
    return json.dumps(_plain(value), ensure_ascii=False, sort_keys=False, allow_nan=False, indent=1)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    if isinstance(value, float) and value != value:  # noqa: PLR0124 -- NaN is the one value unequal to itself
        return None
    if isinstance(value, date | Path):
        return str(value)
    if hasattr(value, "item"):
        return _plain(value.item())
    return value


ProjectOption = Annotated[
    Path | None,
    typer.Option("--project", help="项目文件 project file (YAML)", envvar="ZHOUJI_PROJECT", show_default=False),
]
HomeOption = Annotated[
    Path | None, typer.Option("--home", help="存放全部状态的文件夹 folder of all state", show_default="zhouji-data")
]
JsonOption = Annotated[bool, typer.Option("--json", help="标准输出只有一个 JSON 对象 one JSON object on stdout")]
QuietOption = Annotated[bool, typer.Option("--quiet", help="只输出错误 errors only")]
VerboseOption = Annotated[bool, typer.Option("--verbose", help="出错时显示细节 details on errors")]
LangOption = Annotated[str | None, typer.Option("--lang", help="zh 或 or en", show_default="zh")]
ColourOption = Annotated[bool, typer.Option("--no-color", help="不用颜色 no colours", envvar="NO_COLOR")]
YesOption = Annotated[bool, typer.Option("--yes", help="不再询问 do not ask")]

COMMON: dict[str, tuple[Any, Any]] = {
    "project": (ProjectOption, None),
    "home": (HomeOption, None),
    "json_": (JsonOption, False),
    "quiet": (QuietOption, False),
    "verbose": (VerboseOption, False),
    "lang": (LangOption, None),
    "no_color": (ColourOption, False),
    "yes": (YesOption, False),
}


def command(
    app: typer.Typer, name: str | None = None, *, group: bool = False
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register a function as a command that also takes the options every command has.

    The function's first parameter is the `Console`; the others are its own options. With `group`, it is what the
    group `app` itself does when none of its commands is named.
    """

    def register(function: Callable[..., None]) -> Callable[..., None]:
        hints = get_type_hints(function, include_extras=True)
        own = [parameter for key, parameter in inspect.signature(function).parameters.items() if key != "console"]
        shared = [
            inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
            for key, (annotation, default) in COMMON.items()
        ]

        def run(**options: Any) -> None:
            chosen = {key: options.pop(key) for key in COMMON}
            console = open_console(**chosen)
            execute(console, lambda: function(console, **options))

        run.__name__ = function.__name__
        run.__doc__ = function.__doc__
        typed = [
            p.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=hints.get(p.name, p.annotation)) for p in own
        ]
        run.__signature__ = inspect.Signature([*typed, *shared])  # type: ignore[attr-defined]
        run.__annotations__ = {p.name: p.annotation for p in [*typed, *shared]}
        if group:
            app.callback(invoke_without_command=True)(_unless_named(run))
        else:
            app.command(name)(run)
        return function

    return register


def _unless_named(run: Callable[..., None]) -> Callable[..., None]:
    """A group's own work, left alone where one of its commands is named."""

    def entered(ctx: typer.Context, **options: Any) -> None:
        if ctx.invoked_subcommand is None:
            run(**options)

    own = inspect.Parameter("ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
    entered.__doc__ = run.__doc__
    entered.__signature__ = inspect.Signature([own, *inspect.signature(run).parameters.values()])  # type: ignore[attr-defined]
    entered.__annotations__ = {"ctx": typer.Context, **run.__annotations__}
    return entered


def open_console(
    *,
    project: Path | None,
    home: Path | None,
    json_: bool,
    quiet: bool,
    verbose: bool,
    lang: str | None,
    no_color: bool,
    yes: bool,
) -> Console:
    """The console that the common options describe."""
    settings = read_settings(home=home, lang=lang)
    return Console(settings, project, json_, quiet, verbose, not no_color, yes)


def execute(console: Console, work: Callable[[], None]) -> None:
    """Run a command's work; end with its JSON and exit code, or with a clear error."""
    try:
        work()
    except ZhoujiError as error:
        show_error(console, error)
        raise typer.Exit(error.exit_code) from None
    except KeyboardInterrupt:
        console.log.print(
            console.text("已中断，没有留下半成品。", "Interrupted; nothing is left half-written."), markup=False
        )
        raise typer.Exit(INTERRUPTED) from None
    except (typer.Exit, typer.Abort):
        raise
    except Exception as error:  # noqa: BLE001 -- the last door: anything else would be a traceback
        show_surprise(console, error)
        raise typer.Exit(1) from None
    if console.as_json:
        sys.stdout.write(as_json(console.answer) + "\n")
    if console.exit_code:
        raise typer.Exit(console.exit_code)


def show_error(console: Console, error: ZhoujiError) -> None:
    """What happened and how to repair it; a user's mistake shows no traceback."""
    message, repair = error.sentence(console.language), error.repair(console.language)
    if console.as_json:
        body = {"code": error.code, "message": message, "repair": repair, "exit_code": error.exit_code}
        sys.stdout.write(as_json({**console.answer, "error": body}) + "\n")
    if console.verbose:
        console.log.print_exception()
    heading = console.text("没有完成", "not done")
    console.log.print(
        Panel(f"{message}\n{repair}".strip(), title=f"{heading} · {error.code}", title_align="left"), markup=False
    )


def show_surprise(console: Console, error: Exception) -> None:
    """An error that nobody foresaw: where it happened, without its values, which might be a person's."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{type(error).__name__}, {Path(frame.filename).name}:{frame.lineno} ({frame.name})"
    if console.as_json:
        body = {"code": "unexpected", "message": place, "repair": "", "exit_code": 1}
        sys.stdout.write(as_json({**console.answer, "error": body}) + "\n")
    if console.verbose:
        console.log.print_exception()
    console.log.print(
        console.text(
            f"意外错误：{place}。加 --verbose 看细节。", f"Unexpected error: {place}. --verbose shows details."
        ),
        markup=False,
    )


def day_of(project: Project, as_of: str | None, week: str | None) -> date:
    """The as-of day that `--as-of 2012-12-31` or `--week 2012-Q4` (or 2026-W47, 2026-09) means.

    Raises:
        UsageError: neither or both were given, the text cannot be read, or the day does not end a period of the
            project's cadence.
    """
    if (as_of is None) == (week is None):
        raise UsageError("day_not_named", cadence=project.calendar.cadence)
    if week is not None:
        return parse_period(week).end
    day = read_day(as_of or "")
    if not is_as_of_day(project.calendar.cadence, day):
        raise UsageError("day_not_as_of", day=day, cadence=project.calendar.cadence)
    return day


def read_day(text: str) -> date:
    """A day written YYYY-MM-DD."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise UsageError("day_unreadable", text=text) from error
