"""Files that pages give away: what they are is said by the end of their names."""

from __future__ import annotations

from starlette.responses import Response

TYPES = {
    "csv": "text/csv; charset=utf-8",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "pdf": "application/pdf",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
"""Media types by ending."""


def file_answer(content: bytes, name: str, *, inline: bool = False) -> Response:
    """An answer that is saved as a file, or shown where the browser can."""
    how = "inline" if inline else "attachment"
    headers = {"content-disposition": f'{how}; filename="{name}"'}
    return Response(content, media_type=TYPES[name.rsplit(".", 1)[-1]], headers=headers)
