"""A bento of the service: the program without training, the project file, and one bundle.

It starts on a bare machine with no registry and no network; households are looked up where its home has panels, and
rows are scored everywhere.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

from features.errors import DependencyError
from features.project import Project
from models.bundle import Bundle
from models.registry import Version
from serving.current import plain

PACKAGES = ("features", "models", "reports", "serving")
ROOT = Path(__file__).resolve().parent.parent


def pack(
    project: Project, project_file: Path, version: Version, bundle: Bundle, out: Path | None
) -> tuple[str, Path | None]:
    """Build the bento.

    Args:
        project: the deployment.
        project_file: its file, which goes into the bento with the area file that it names.
        version: the version that will serve.
        bundle: its bundle.
        out: a folder that the bento is exported to as a file.

    Returns:
        The bento's tag, and the file where one was asked for.

    Raises:
        DependencyError: BentoML could not build it.
    """
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        lay_out(folder, project, project_file, version, bundle)
        tag = _bentoml(folder, "build", str(folder), "--output", "tag").rpartition("__tag__:")[2].strip()
        if out is None:
            return tag, None
        out.mkdir(parents=True, exist_ok=True)
        file = out / f"{tag.replace(':', '-')}.bento"
        file.unlink(missing_ok=True)
        _bentoml(folder, "export", tag, str(file))
        return tag, file


def lay_out(folder: Path, project: Project, project_file: Path, version: Version, bundle: Bundle) -> None:
    """Everything that the bento carries, as it will stand in it."""
    for package in PACKAGES:
        ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
        shutil.copytree(ROOT / package, folder / package, ignore=ignored)
    packed = folder / "packed"
    shutil.copytree(bundle.folder, packed / "bundles" / bundle.digest)
    (packed / "version.json").write_text(json.dumps(plain(version)), encoding="utf-8")
    (packed / "project").mkdir()
    shutil.copyfile(project_file, packed / "project" / "project.yaml")
    if project.areas.file:
        target = packed / "project" / project.areas.file
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(project.folder / project.areas.file, target)
    wanted = [line for line in importlib.metadata.requires("zhouji") or [] if "extra ==" not in line]
    content = {
        "service": "serving.service:Zhouji",
        "name": "zhouji",
        "labels": {"project": project.name, "task": bundle.task, "version": version.number, "bundle": bundle.digest},
        "include": [f"{name}/**" for name in (*PACKAGES, "packed")],
        "python": {"packages": wanted, "lock_packages": False},
    }
    (folder / "bentofile.yaml").write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")


def _bentoml(folder: Path, *arguments: str) -> str:
    """BentoML's own command, in a process that imports the program from the bento's folder."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment = {**kept, "PYTHONPATH": str(folder), "BENTOML_DO_NOT_TRACK": "True", "DO_NOT_TRACK": "true"}
    done = subprocess.run(
        [sys.executable, "-m", "bentoml", *arguments], cwd=folder, env=environment, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    if done.returncode:
        last = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()][-1:]
        raise DependencyError("bento_not_built", detail=(last or ["?"])[0][:200])
    return done.stdout
