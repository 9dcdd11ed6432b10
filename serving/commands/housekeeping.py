"""Commands that look after the installation: doctor and the vault's keys."""

from __future__ import annotations

import importlib.metadata
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from packaging.requirements import Requirement

from features.engines.duckdb import engine
from features.errors import ZhoujiError
from features.settings import Home
from serving.console import Console

Status = Literal["ok", "warn", "error"]
LEAST_DISK_GB = 2


@dataclass(frozen=True)
class Check:
    """One thing that was looked at, and how to repair it where it is not right."""

    name: str
    status: Status
    detail: str
    repair: str = ""


def doctor(console: Console) -> None:
    """Look at everything a run needs; exit code 5 when something is missing."""
    checks = [check(console) for check in CHECKS]
    console.table(
        ("运行环境", "surroundings"),
        [("项目", "what"), ("状态", "state"), ("说明", "detail"), ("怎么办", "repair")],
        [[check.name, check.status, check.detail, check.repair] for check in checks],
    )
    console.finish(checks=[asdict(check) for check in checks])
    if any(check.status == "error" for check in checks):
        console.exit_code = 5


def check_python(_console: Console) -> Check:
    """CPython 3.11 or newer."""
    version = ".".join(map(str, sys.version_info[:3]))
    return Check("python", "ok", f"{sys.implementation.name} {version}")


def check_libraries(console: Console) -> Check:
    """Every library that the distribution asks for is there, in a version it accepts."""
    wrong = []
    for line in importlib.metadata.requires("zhouji") or []:
        requirement = Requirement(line)
        if requirement.marker is not None and not requirement.marker.evaluate():
            continue
        try:
            version = importlib.metadata.version(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            wrong.append(f"{requirement.name}: —")
            continue
        if version not in requirement.specifier:
            wrong.append(f"{requirement.name} {version}: {requirement.specifier}")
    if wrong:
        repair = console.text(
            "运行 make setup，或按 locks/runtime.txt 安装", "run make setup, or install locks/runtime.txt"
        )
        return Check("libraries", "error", "; ".join(wrong), repair)
    return Check("libraries", "ok", console.text("齐全", "all there"))


def check_font(console: Console) -> Check:
    """A font that can write Chinese, from the package that carries one."""
    from reports.fonts import font_file

    font = font_file()
    if font is None:
        repair = "pip install cvttf-NotoSansCJK-Regular"
        return Check("font", "error", console.text("没有中文字体", "no Chinese font"), repair)
    return Check("font", "ok", Path(font).name)


def check_home(console: Console) -> Check:
    """The home folder can be written."""
    folder = existing(console.home.path)
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        repair = console.text("用 --home 指明可写的文件夹", "name a folder that can be written with --home")
        return Check("home", "error", f"{console.home.path}: {error.strerror}", repair)
    return Check("home", "ok", str(console.home.path))


def check_disk(console: Console) -> Check:
    """Room for the store and for spill files."""
    free = shutil.disk_usage(existing(console.home.path)).free / 1e9
    detail = console.text(f"剩余 {free:.1f} GB", f"{free:.1f} GB free")
    if free < LEAST_DISK_GB:
        repair = console.text("请腾出空间，或把 ZHOUJI_HOME 移到别处", "make room, or move ZHOUJI_HOME")
        return Check("disk", "error", detail, repair)
    return Check("disk", "ok", detail)


def check_keys(console: Console) -> Check:
    """Key files are readable by their owner only."""
    folder = console.home.keys
    files = sorted(folder.glob("*.key")) if folder.is_dir() else []
    if not files:
        return Check("keys", "ok", console.text("首次入库时生成", "made at the first delivery"))
    open_to_others = [file.name for file in files if stat.S_IMODE(file.stat().st_mode) & 0o077]
    if open_to_others:
        return Check("keys", "warn", ", ".join(open_to_others), f"chmod 600 {folder}/*.key")
    return Check("keys", "ok", ", ".join(file.name for file in files))


def check_engine(console: Console) -> Check:
    """The query engine opens within its limits."""
    with tempfile.TemporaryDirectory() as folder, engine(console.settings, Home(Path(folder))) as opened:
        limit = opened.rows("SELECT version(), current_setting('memory_limit')")[0]
    return Check("engine", "ok", f"DuckDB {limit[0]}, {limit[1]}")


def check_mlflow(console: Console) -> Check:
    """The registry answers: the SQLite file in home, or the tracking server of the setting."""
    from models.registry import Registry

    try:
        detail = Registry(console.settings, console.home).ping()
    except ZhoujiError as error:
        return Check("mlflow", "error", error.sentence(console.language), error.repair(console.language))
    return Check("mlflow", "ok", detail)


def check_project(console: Console) -> Check:
    """The project file, where one is named."""
    if console.project_file is None:
        return Check("project", "ok", console.text("未指明", "none named"))
    try:
        project = console.project
    except ZhoujiError as error:
        return Check("project", "error", error.sentence(console.language), error.repair(console.language))
    return Check("project", "ok", project.title.of(console.language))


CHECKS: tuple[Callable[[Console], Check], ...] = (
    check_python,
    check_libraries,
    check_font,
    check_home,
    check_disk,
    check_keys,
    check_engine,
    check_mlflow,
    check_project,
)


def existing(path: Path) -> Path:
    """The nearest folder that exists, upwards from `path`."""
    path = path.resolve()
    while not path.is_dir():
        path = path.parent
    return path


def rotate(console: Console, *, dry_run: bool) -> None:
    """Put a new vault key in front and encrypt every identity anew."""
    from features.identity import rotate_vault

    project = console.project
    rows = rotate_vault(project, console.settings, dry_run=dry_run)
    console.say(f"重新加密 {rows} 条身份信息。", f"{rows} identities encrypted anew.")
    console.finish(rows=rows, dry_run=dry_run)
