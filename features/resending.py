"""Rows that come as text and not in their department's container: rejected rows sent again, and posted records."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from features.project import Project
from features.settings import Home, Settings


@contextmanager
def private_folder(settings: Settings) -> Iterator[Path]:
    """A folder for original text: its owner's alone, gone at the end; `recover` removes a killed process's."""
    temporary = Home(settings.home).temporary
    temporary.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder = Path(tempfile.mkdtemp(prefix="retry-", dir=temporary))
    try:
        (folder / "pid").write_text(str(os.getpid()))
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sent_as_text(project: Project, feed_id: str) -> Project:
    """The project with one feed's container set to CSV: such rows are text, whatever the department's files come in."""
    feed = project.feeds[feed_id]
    source = feed.profile.source.model_copy(
        update={"format": "csv", "encoding": "utf-8", "delimiter": ",", "header_row": 1}
    )
    changed = feed.model_copy(update={"profile": feed.profile.model_copy(update={"source": source})})
    copied = project.model_copy(update={"feeds": {**project.feeds, feed_id: changed}})
    copied._folder, copied._digest = project._folder, project._digest  # noqa: SLF001
    return copied
