"""The wheel, installed into an empty environment from the hashed lock, runs the command line on each CPython."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

VERSIONS = ("3.11", pytest.param("3.12", marks=pytest.mark.drill), "3.13")
"""The oldest and the newest; the one between them with the long runs."""


def interpreter(version: str) -> str | None:
    """A CPython of this version: this one, one on PATH, or one that pyenv keeps."""
    if version == f"{sys.version_info.major}.{sys.version_info.minor}":
        return sys.executable
    candidates = [shutil.which(f"python{version}")]
    if pyenv := shutil.which("pyenv"):
        folder = subprocess.run([pyenv, "root"], capture_output=True, text=True, check=False).stdout.strip()
        candidates += [str(path) for path in sorted(Path(folder).glob(f"versions/{version}.*/bin/python"))]
    for candidate in candidates:
        if candidate and subprocess.run([candidate, "-c", ""], capture_output=True, check=False).returncode == 0:
            return candidate
    return None


@pytest.fixture(scope="module")
def wheel(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(root)],
        check=True,
        capture_output=True,
    )
    return next(folder.glob("*.whl"))


@pytest.mark.parametrize("version", VERSIONS)
def test_installed_wheel_runs(version: str, wheel: Path, root: Path, tmp_path: Path) -> None:
    python = interpreter(version)
    if python is None:
        pytest.skip(f"no CPython {version} on this machine")
    subprocess.run([python, "-m", "venv", "--without-pip", str(tmp_path / "env")], check=True)
    pip = [sys.executable, "-m", "pip", "--python", str(tmp_path / "env"), "--disable-pip-version-check"]
    # the lock is whole, so nothing needs resolving: what it lacked, the check would name
    install = [*pip, "install", "--no-deps", "--no-compile"]
    locked = ["--require-hashes", "-r", str(root / "locks" / "runtime.txt")]
    for arguments in ([*install, *locked], [*install, str(wheel)], [*pip, "check"]):
        answer = subprocess.run(arguments, capture_output=True, text=True, check=False)
        assert answer.returncode == 0, answer.stdout + answer.stderr
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "ZHOUJI"))}
    answer = subprocess.run(
        [str(tmp_path / "env" / "bin" / "zhouji"), "doctor", "--json", "--home", str(tmp_path / "home")],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    checks = json.loads(answer.stdout)["checks"]
    assert {check["name"] for check in checks} >= {"python", "libraries", "font", "disk", "mlflow", "engine"}
    assert [check["name"] for check in checks if check["status"] == "error"] == []
