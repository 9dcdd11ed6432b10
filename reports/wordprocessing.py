"""Official documents as Word, to go on writing in: page and type of GB/T 9704-2012, styles as offices use them."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

BODY, TITLE, SMALL, NUMBER, LINE = 16, 22, 10.5, 14, 28
"""Sizes of type (三号, 二号, 五号, 四号) and from line to line, in points; an English text takes three quarters."""
FONTS = {"text": "仿宋", "heading": "黑体", "title": "宋体", "table": "宋体", "latin": "Times New Roman"}
"""What Windows and WPS have; a machine without them takes its own."""
MARGINS = {"top": 37, "bottom": 35, "left": 28, "right": 26}
"""In millimetres."""


def set_docx(shown: Mapping[str, Any], account: str, at: datetime) -> bytes:
    """A document of headings, paragraphs and tables, without macros or links; the same one gives the same bytes.

    Args:
        shown: lang, title, number, blocks in their order (kind heading, text or table), signed and printed.
        account: who made it.
        at: when.
    """
    from docx import Document
    from docx.shared import Mm

    document = Document()
    section = document.sections[0]
    section.page_width, section.page_height = Mm(210), Mm(297)
    for side, width in MARGINS.items():
        setattr(section, f"{side}_margin", Mm(width))
    _styled(document, shown["lang"])
    document.add_paragraph(shown["title"], "Title")
    document.add_paragraph(shown["number"], "Subtitle")
    last: Any = None
    for block in shown["blocks"]:
        if block["kind"] == "table":
            _tabled(document, block)
        else:
            last = document.add_paragraph(block["text"], "Heading 1" if block["kind"] == "heading" else "Normal")
    for line in shown["signed"]:
        last.paragraph_format.keep_with_next = True  # a signature never stands alone on a page
        last = document.add_paragraph(line, "Signature")
    _footer(section, shown["printed"])
    told = document.core_properties
    told.title, told.author, told.comments = shown["title"], shown["signed"][0], ""
    told.created = told.modified = at.astimezone(UTC).replace(tzinfo=None)
    told.last_modified_by, told.revision = account, 1
    told.language = "en-GB" if shown["lang"] == "en" else "zh-CN"
    relations = document.part.package.rels
    for name in [name for name, one in relations.items() if one.reltype.endswith("/thumbnail")]:
        del relations[name]  # a picture of the template's own first page
    return _same_bytes(document)


@dataclass(frozen=True)
class _Look:
    """How paragraphs of a style look; lengths in points."""

    font: str
    size: float
    to: str
    line: float
    bold: bool = False
    indent: float = 0
    before: float = 0
    after: float = 0


def _looks(language: str) -> Mapping[str, _Look]:
    scale = 0.75 if language == "en" else 1
    body, line = scale * BODY, scale * LINE
    return {
        "Normal": _Look("text", body, "JUSTIFY", line, indent=2 * body),
        "Heading 1": _Look("heading", body, "LEFT", line, bold=language == "en", indent=2 * body, before=line / 2),
        "Title": _Look("title", scale * TITLE, "CENTER", 1.5 * TITLE, bold=True),
        "Subtitle": _Look("text", body, "CENTER", line, after=line),
        "Signature": _Look("text", body, "RIGHT", line, before=line / 2),
        "Cell head": _Look("table", SMALL, "CENTER", 18, bold=True),
        "Cell first": _Look("table", SMALL, "LEFT", 18),
        "Cell": _Look("table", SMALL, "CENTER", 18),
        "Footer": _Look("table", NUMBER, "CENTER", 20),
        "Footer note": _Look("table", SMALL - 1, "CENTER", 14),
    }


def _styled(document: Any, language: str) -> None:
    """Styles as offices use them, so that whoever goes on writing keeps the look."""
    from docx.enum.style import WD_STYLE_TYPE
    from docx.enum.text import WD_ALIGN_PARAGRAPH
    from docx.oxml.ns import qn
    from docx.shared import Pt, RGBColor

    for spoken in document.styles.element.xpath("./w:docDefaults//w:lang"):
        spoken.set(qn("w:val"), "en-GB")
        spoken.set(qn("w:eastAsia"), "zh-CN")
    for name, look in _looks(language).items():
        if name not in document.styles:
            document.styles.add_style(name, WD_STYLE_TYPE.PARAGRAPH, builtin=name == "Signature")
        style = document.styles[name]
        font, shape = style.font, style.paragraph_format
        font.name, font.size, font.bold, font.italic = FONTS["latin"], Pt(look.size), look.bold, False
        font.color.rgb = RGBColor(0, 0, 0)
        _eastern(style.element.get_or_add_rPr(), FONTS[look.font])
        shape.alignment, shape.first_line_indent = getattr(WD_ALIGN_PARAGRAPH, look.to), Pt(look.indent)
        shape.keep_together, shape.keep_with_next = name == "Normal", name in ("Heading 1", "Cell head")
        shape.space_before, shape.space_after, shape.line_spacing = Pt(look.before), Pt(look.after), Pt(look.line)
        # the template's own titles are spaced out, and the first has a coloured rule below it
        for ornament in style.element.xpath("./w:pPr/w:pBdr | ./w:rPr/w:spacing | ./w:rPr/w:kern"):
            ornament.getparent().remove(ornament)


def _eastern(properties: Any, font: str) -> None:
    """Chinese letters have a font of their own; those of a theme would win over it."""
    from docx.oxml.ns import qn

    fonts = properties.get_or_add_rFonts()
    for name in list(fonts.attrib):
        if "Theme" in name:
            del fonts.attrib[name]
    fonts.set(qn("w:eastAsia"), font)


def _tabled(document: Any, block: Mapping[str, Any]) -> None:
    """A table with lines, whose head is repeated on every page."""
    from docx.enum.table import WD_TABLE_ALIGNMENT
    from docx.oxml import OxmlElement
    from docx.shared import Mm

    rows = [block["head"], *block["rows"]]
    table = document.add_table(rows=len(rows), cols=len(block["head"]), style="Table Grid")
    table.alignment, table.autofit = WD_TABLE_ALIGNMENT.CENTER, False
    for column, width in zip(table.columns, block["widths"], strict=True):
        column.width = Mm(width)  # of the grid, which some programs go by, and of the cells, which others do
    for place, (row, texts) in enumerate(zip(table.rows, rows, strict=True)):
        for at, (cell, text) in enumerate(zip(row.cells, texts, strict=True)):
            cell.width = Mm(block["widths"][at])
            cell.paragraphs[0].text = text
            cell.paragraphs[0].style = "Cell head" if place == 0 else "Cell" if at else "Cell first"
    # python-docx has no words for a head that is repeated and for rows that are not broken
    for place, row in enumerate(document.element.xpath(".//w:tbl")[-1].xpath("./w:tr")):
        kept = row.get_or_add_trPr()
        kept.append(OxmlElement("w:cantSplit"))
        if place == 0:
            kept.append(OxmlElement("w:tblHeader"))


def _footer(section: Any, printed: str) -> None:
    """The page's number between dashes, and who made the bulletin."""
    from docx.oxml import OxmlElement
    from docx.oxml.ns import qn

    footer = section.footer
    footer.paragraphs[0].add_run("— ")
    number = OxmlElement("w:fldSimple")
    number.set(qn("w:instr"), "PAGE")
    number.append(OxmlElement("w:r"))
    number[0].append(OxmlElement("w:t"))
    number[0][0].text = "1"
    footer.part.element.xpath("./w:p")[0].append(number)
    footer.paragraphs[0].add_run(" —")
    footer.add_paragraph(printed, style="Footer note")


def _same_bytes(document: Any) -> bytes:
    """The document's parts in an archive whose entries bear no time."""
    made, again = io.BytesIO(), io.BytesIO()
    document.save(made)
    with zipfile.ZipFile(made) as parts, zipfile.ZipFile(again, "w", zipfile.ZIP_DEFLATED) as archive:
        for entry in parts.infolist():
            archive.writestr(zipfile.ZipInfo(entry.filename), parts.read(entry), zipfile.ZIP_DEFLATED)
    return again.getvalue()
