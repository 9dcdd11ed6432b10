"""Commands of the service: serve, serve build, and the tokens that it asks for."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from features.divisions import area_tree
from features.errors import DependencyError
from serving.access.tokens import Tokens
from serving.console import Console

ACCEPT_SECONDS = 0.1


def serve(console: Console, *, host: str, port: int, workers: int, task: str | None) -> None:
    """Serve until stopped; what was asked before that is answered."""
    project = console.project
    project.task(task or console.settings.task or None)
    assert console.project_file is not None
    console.say(f"服务地址：http://{host}:{port}（Ctrl+C 停止）", f"serving at http://{host}:{port} (Ctrl+C stops it)")
    start_for(console, console.project_file, host, port, workers=workers, task=task)


def start_for(console: Console, project_file: Path, host: str, port: int, *, workers: int, task: str | None) -> None:
    """Serve a project's home; workers learn of both from their environment.

    Raises:
        DependencyError: the port is in use.
    """
    os.environ["ZHOUJI_PROJECT"] = str(project_file.resolve())
    os.environ["ZHOUJI_HOME"] = str(console.settings.home.resolve())
    os.environ["ZHOUJI_WORKERS"] = str(workers)
    if task:
        os.environ["ZHOUJI_TASK"] = task
    _free(host, port)
    sys.stdout.flush()
    start(host, port)


def _free(host: str, port: int) -> None:
    try:
        with socket.create_server((host, port)):
            pass
    except OSError as error:
        raise DependencyError("port_in_use", port=port) from error


def start(host: str, port: int) -> None:
    """Start BentoML's server: the socket is kept here, workers answer.

    To stop, the socket is shut first, so that whoever comes later is refused at once instead of waiting in a queue
    that nobody reads; then the workers finish as `serving.draining` describes.
    """
    from serving.draining import KEPT
    from serving.service import SERVICE

    os.environ[KEPT] = "1"
    stopping = threading.Event()
    server = SERVICE.serve_http(host=host, port=port, threaded=True)
    for number in (signal.SIGTERM, signal.SIGINT):  # after BentoML's own, which would close nothing first
        signal.signal(number, lambda *_: stopping.set())
    while not stopping.wait(1.0):
        if not server.arbiter._thread.is_alive():  # noqa: SLF001 -- it has no other sign of life
            raise DependencyError("service_ended")
    listeners = list(server.arbiter.sockets.values())
    for listening in listeners:
        listening.listen(0)  # no queue: what has connected is accepted in the moment that follows
    time.sleep(ACCEPT_SECONDS)
    for listening in listeners:
        with contextlib.suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)
    server.stop()


def build(console: Console, *, task: str | None, version: str | None, out: Path | None, dry_run: bool) -> None:
    """Pack the service with the bundle of a version into a bento, in BentoML's store or as a file."""
    from models.registry import Registry
    from serving.packing import pack

    project = console.project
    name, _ = project.task(task or console.settings.task or None)
    registry = Registry(console.settings, console.home)
    known, bundle = registry.fetch(project.name, name, version or registry.default(project.name, name))
    if dry_run:
        console.finish(tag=None, version=known.number, bundle=bundle.digest, file=None, dry_run=True)
        return
    assert console.project_file is not None
    tag, file = pack(project, console.project_file, known, bundle, out)
    console.say(f"已打包：{tag}", f"packed: {tag}")
    console.say(f"启动：bentoml serve {tag}", f"start it: bentoml serve {tag}")
    console.finish(tag=tag, version=known.number, bundle=bundle.digest, file=str(file) if file else None, dry_run=False)


def tokens_create(
    console: Console, *, area: str, role: str, purposes: Sequence[str], expires: str, label: str, dry_run: bool
) -> None:
    """Make a token and show it once."""
    tree = area_tree(console.project)
    tree.must_have(area)
    if dry_run:
        with tempfile.TemporaryDirectory() as folder:
            _, token = Tokens(Path(folder)).create(area, role, purposes, expires, label)
        console.finish(**token.plain(), dry_run=True)
        return
    text, token = _tokens(console).create(area, role, purposes, expires, label)
    console.say(f"令牌（只显示这一次）：{text}", f"the token (shown this once): {text}")
    console.say(
        f"编号 {token.token_id}，{token.expires_at:%Y-%m-%d} 到期",
        f"id {token.token_id}, expires {token.expires_at:%Y-%m-%d}",
    )
    console.finish(token=text, **token.plain(), dry_run=False)


def tokens_list(console: Console) -> None:
    """All tokens, without their secrets."""
    found = _tokens(console).all()
    now = datetime.now(UTC)
    console.table(
        ("令牌", "tokens"),
        [("编号", "id"), ("区划", "area"), ("角色", "role"), ("用途", "purposes"), ("到期", "expires"), ("有效", "holds")],
        [
            [token.token_id, token.area, token.role, ", ".join(token.purposes), f"{token.expires_at:%Y-%m-%d}",
             "✓" if token.holds(now) else "—"]
            for token in found
        ],
    )  # fmt: skip
    console.finish(tokens=[token.plain() | {"holds": token.holds(now)} for token in found])


def tokens_revoke(console: Console, token_id: str) -> None:
    """Make a token useless from the next request on."""
    token = _tokens(console).revoke(token_id)
    console.say(f"令牌 {token.token_id} 已撤销。", f"token {token.token_id} is revoked.")
    console.finish(**token.plain())


def _tokens(console: Console) -> Tokens:
    return Tokens(console.home.project(console.project.name).access)
