"""PDF from our own templates by typst: what is set comes as data, and none of it is read as markup."""

from __future__ import annotations

import functools
import json
import threading
from datetime import datetime
from importlib import resources
from typing import Any

from reports.fonts import font_file

_ONE = threading.Lock()
"""A compiler serves one thread at a time, and refuses the others."""


def set_pdf(template: str, name: str, content: Any, at: datetime) -> bytes:
    """A template's PDF; the same content and moment give the same bytes.

    Args:
        template: file of `reports/templates`.
        name: by which the template knows the content.
        content: what JSON can say.
        at: the moment that the file says it was made at.
    """
    source = resources.files("reports").joinpath("templates", template).read_bytes()
    data = json.dumps(content, ensure_ascii=False, sort_keys=True)
    with _ONE:
        made = _compiler().compile(input=source, format="pdf", sys_inputs={name: data}, timestamp=int(at.timestamp()))
    assert isinstance(made, bytes)  # one document, and no pictures of its pages
    return made


@functools.cache
def _compiler() -> Any:
    """Typst with the one font of an installed package, whatever else the machine has."""
    import typst

    font = font_file()
    folders = [str(font.parent)] if font is not None else []
    return typst.Compiler(font_paths=folders, ignore_system_fonts=True)
