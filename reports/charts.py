"""Charts as SVG, made by small functions.

Shapes carry presentation attributes, so that they print and need no style sheet; each chart has a text that says its
numbers (`role="img"` with `aria-label`). Colour never stands alone: position, outline or words say the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape

INK = "#1c2b36"
MUTED = "#5a6b78"
LINE = "#d5dde3"
PALE = "#e6ebef"
BRAND = "#0d4f6b"
STEEL = "#9fb0bd"
LEVEL_COLOURS: Mapping[str, str] = {"red": "#b42318", "orange": "#b54708", "yellow": "#7a5c00", "none": "#475a68"}
LEVEL_FILLS: Mapping[str, str] = {"red": "#fdeceb", "orange": "#fdf1e3", "yellow": "#fbf6dc", "none": "#eef2f5"}
LEVEL_BARS: Mapping[str, int] = {"red": 3, "orange": 2, "yellow": 1, "none": 0}
FONT = "PingFang SC, Microsoft YaHei, Noto Sans CJK SC, Source Han Sans SC, sans-serif"


def number(value: float) -> str:
    """A coordinate, short and the same on every machine.

    >>> number(12.0), number(3.14159)
    ('12', '3.14')
    """
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text in ("", "-0") else text


def svg(width: float, height: float, label: str, shapes: Sequence[str]) -> str:
    """A drawing with its text."""
    size = f'width="{number(width)}" height="{number(height)}" viewBox="0 0 {number(width)} {number(height)}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{escape(label)}" {size}>'
    return head + "".join(shapes) + "</svg>"


def rectangle(
    x: float, y: float, width: float, height: float, fill: str, *, radius: float = 0, stroke: str = ""
) -> str:
    """A rectangle."""
    extra = f' rx="{number(radius)}"' if radius else ""
    extra += f' stroke="{stroke}"' if stroke else ""
    place = f'x="{number(x)}" y="{number(y)}" width="{number(width)}" height="{number(height)}"'
    return f'<rect {place} fill="{fill}"{extra}/>'


def line(x1: float, y1: float, x2: float, y2: float, stroke: str, *, width: float = 1, dash: str = "") -> str:
    """A straight line."""
    extra = f' stroke-dasharray="{dash}"' if dash else ""
    place = f'x1="{number(x1)}" y1="{number(y1)}" x2="{number(x2)}" y2="{number(y2)}"'
    return f'<line {place} stroke="{stroke}" stroke-width="{number(width)}"{extra}/>'


def text(
    x: float, y: float, content: str, *, size: float = 11, fill: str = MUTED, anchor: str = "start", bold: bool = False
) -> str:
    """A line of text."""
    extra = ' font-weight="700"' if bold else ""
    place = f'x="{number(x)}" y="{number(y)}" font-size="{number(size)}" text-anchor="{anchor}"'
    return f'<text {place} font-family="{FONT}" fill="{fill}"{extra}>{escape(content)}</text>'


def hundred_squares(count: int, low: int, high: int, label: str, *, level: str = "red", side: float = 15) -> str:
    """A hundred households in 5 rows of 20: `count` filled, the rest of the range only outlined.

    Filled column by column, so that the eye compares widths.
    """
    gap, colour = side * 0.22, LEVEL_COLOURS[level]
    shapes = []
    for place in range(100):
        x, y = (place // 5) * (side + gap), (place % 5) * (side + gap)
        if place < min(low, count):
            shapes.append(rectangle(x + 0.5, y + 0.5, side - 1, side - 1, colour, radius=2.5, stroke=colour))
        elif place < count:
            shapes.append(rectangle(x + 0.5, y + 0.5, side - 1, side - 1, colour, radius=2.5, stroke=colour))
            shapes.append(rectangle(x + side * 0.34, y + side * 0.34, side * 0.32, side * 0.32, "#ffffff", radius=1))
        elif place < high:
            shapes.append(
                rectangle(x + 0.5, y + 0.5, side - 1, side - 1, LEVEL_FILLS[level], radius=2.5, stroke=colour)
            )
        else:
            shapes.append(rectangle(x, y, side, side, PALE, radius=2.5))
    return svg(20 * (side + gap) - gap, 5 * (side + gap) - gap, label, shapes)


def level_bars(level: str, label: str, *, size: float = 13) -> str:
    """Three rising bars; as many are filled as the level is high."""
    filled, colour = LEVEL_BARS[level], LEVEL_COLOURS[level]
    width = size * 0.24
    shapes = [
        rectangle(
            ix * (width + size * 0.12), size * (0.62 - 0.31 * ix), width, size * (0.38 + 0.31 * ix),
            colour if ix < filled else "#cfd8de", radius=0.8,
        )
        for ix in range(3)
    ]  # fmt: skip
    return svg(size, size, label, shapes)


def strength_squares(strength: int, label: str, *, raises: bool = True) -> str:
    """Five squares; the filled ones say how much a reason weighs."""
    colour = INK if raises else "#1e6b45"
    shapes = [
        rectangle(ix * 9 + 0.5, 0.5, 7, 7, colour if ix < strength else "#ffffff", radius=1.2, stroke=colour)
        for ix in range(5)
    ]
    return svg(44, 8, label, shapes)


def bars(
    values: Sequence[float | None], label: str, *, usual: float | None = None, width: float = 210, height: float = 58
) -> str:
    """A short history: one bar a period, the newest in red; a dashed line is the usual level.

    A missing period is a small ring on the ground line, never a bar of nothing.
    """
    known = [value for value in values if value is not None]
    top = max([*known, usual or 0.0, 0.0]) or 1.0
    bottom = min([*known, 0.0])
    span = (top - bottom) or 1.0
    step = width / max(len(values), 1)

    def height_of(value: float) -> float:
        return (height - 6) * (top - value) / span + 3

    ground = height_of(0.0)
    shapes = [line(0, ground, width, ground, STEEL)]
    for ix, value in enumerate(values):
        x = ix * step + step * 0.17
        newest = ix == len(values) - 1
        if value is None:
            shapes.append(
                f'<circle cx="{number(x + step * 0.33)}" cy="{number(ground - 4)}" r="2" fill="none" stroke="{STEEL}"/>'
            )
            continue
        y = height_of(value)
        tall = max(abs(ground - y), 1.5)
        colour = LEVEL_COLOURS["red"] if newest else "#b3c1cb"
        shapes.append(rectangle(x, min(y, ground - 1.5), step * 0.66, tall, colour))
    if usual is not None:
        shapes.append(line(0, height_of(usual), width, height_of(usual), BRAND, dash="3 3", width=1.2))
    return svg(width, height, label, shapes)


def peer_strip(value: float, low: float, median: float, high: float, label: str, *, width: float = 230) -> str:
    """Where a household stands among its peers: band of the middle 80 %, median, and a diamond for the household."""
    left = min(value, low)
    right = max(value, high)
    margin = (right - left) * 0.08 or 1.0
    left, right = left - margin, right + margin

    def at(amount: float) -> float:
        return 8 + (width - 16) * (amount - left) / (right - left)

    middle = at(value)
    shapes = [
        line(4, 11, width - 4, 11, LINE, width=2),
        rectangle(at(low), 6, max(at(high) - at(low), 2), 10, "#cdd7de", radius=3),
        line(at(median), 3, at(median), 19, INK, width=2),
        f'<path d="M{number(middle)} 4l7 7-7 7-7-7z" fill="{LEVEL_COLOURS["red"]}" stroke="#ffffff"/>',
    ]
    return svg(width, 22, label, shapes)


def sparkline(values: Sequence[float | None], label: str, *, width: float = 90, height: float = 20) -> str:
    """A line without axes, its newest point marked; it is broken where there is no value."""
    known = [value for value in values if value is not None]
    if not known:
        return svg(width, height, label, [])
    low, high = min(known), max(known)
    span = (high - low) or 1.0
    step = (width - 8) / max(len(values) - 1, 1)
    path, drawing = "", False
    x = y = 0.0
    for ix, value in enumerate(values):
        if value is not None:
            x, y = 4 + ix * step, height - 4 - (height - 8) * ((value - low) / span if high > low else 0.5)
            path += f"{'L' if drawing else 'M'}{number(x)} {number(y)}"
        drawing = value is not None
    return svg(
        width,
        height,
        label,
        [
            f'<path d="{path}" fill="none" stroke="{MUTED}" stroke-width="1.4"/>',
            f'<circle cx="{number(x)}" cy="{number(y)}" r="2.6" fill="{INK}"/>',
        ],
    )


def trend(
    points: Sequence[tuple[str, float]],
    bands: Mapping[str, float],
    names: Mapping[str, str],
    label: str,
    *,
    width: float = 420,
    height: float = 150,
) -> str:
    """The number per 100 over list days, on the bands of the levels; `points` are (day, probability)."""
    left, right, floor, ceiling = 4.0, width - 44, height - 20, 6.0
    top = max(*(1.18 * p for _, p in points), bands.get("red", 0.25) * 1.35)

    def at(probability: float) -> float:
        return floor - (floor - ceiling) * probability / top

    shapes, upper = [], ceiling
    for level in ("red", "orange", "yellow"):
        if level not in bands:
            continue
        y = max(at(bands[level]), ceiling)
        shapes.append(rectangle(left, upper, right - left, y - upper, LEVEL_FILLS[level]))
        if y - upper > 11:
            shapes.append(text(right + 6, (y + upper) / 2 + 4, names[level], fill=LEVEL_COLOURS[level]))
        upper = y
    shapes.append(line(left, floor, right, floor, STEEL))
    step = (right - left - 24) / max(len(points) - 1, 1)
    first = left + 12 if len(points) > 1 else (left + right) / 2
    places = [(first + ix * step, at(p)) for ix, (_, p) in enumerate(points)]
    if len(places) > 1:
        path = "M" + "L".join(f"{number(x)} {number(y)}" for x, y in places)
        shapes.append(f'<path d="{path}" fill="none" stroke="{INK}" stroke-width="1.8"/>')
    for ix, ((x, y), (_, p)) in enumerate(zip(places, points, strict=True)):
        newest = ix == len(places) - 1
        fill = LEVEL_COLOURS["red"] if newest else INK
        shapes.append(f'<circle cx="{number(x)}" cy="{number(y)}" r="{4 if newest else 2.6}" fill="{fill}"/>')
        if newest:
            shapes.append(text(x - 8, y - 7, f"{100 * p:.0f}", fill=INK, anchor="end", bold=True, size=13))
    for ix in sorted({0, len(points) // 2, len(points) - 1}):
        anchor = "middle" if len(points) == 1 else "start" if ix == 0 else "end" if ix == len(points) - 1 else "middle"
        shapes.append(text(places[ix][0], height - 5, points[ix][0], anchor=anchor, size=10.5))
    return svg(width, height, label, shapes)


def interval_bars(
    rows: Sequence[tuple[str, float, float, float]],
    label: str,
    *,
    width: float = 640,
    top: float | None = None,
    marked: int = 0,
) -> str:
    """Figures side by side, each a bar with its interval: (name, value, low, high); one of them is marked."""
    limit = top or max([high for _, _, _, high in rows] or [1.0]) or 1.0
    start, step = 170.0, 30.0
    scale = (width - start - 70) / limit
    shapes = []
    for ix, (name, value, low, high) in enumerate(rows):
        y = ix * step + 8
        colour = BRAND if ix == marked else STEEL
        shapes += [
            text(start - 10, y + 12, name, anchor="end", fill=INK, size=12.5),
            rectangle(start, y, max(value * scale, 1), 16, colour, radius=2),
            line(start + low * scale, y + 8, start + high * scale, y + 8, INK, width=1.6),
            line(start + low * scale, y + 4, start + low * scale, y + 12, INK, width=1.6),
            line(start + high * scale, y + 4, start + high * scale, y + 12, INK, width=1.6),
            text(start + high * scale + 8, y + 12, f"{value:.3f}", fill=INK, size=12.5),
        ]
    return svg(width, len(rows) * step + 6, label, shapes)


def steps(rows: Sequence[tuple[str, float]], label: str, *, width: float = 760) -> str:
    """Parts of a whole, one below the other, each beginning where the one above ends: (name, size).

    A part may be negative; then it goes back, and is drawn hollow.
    """
    start, step = 190.0, 30.0
    reach = [sum(size for _, size in rows[: place + 1]) for place in range(len(rows))]
    scale = (width - start - 60) / max([*reach, 1e-9])
    shapes = []
    for place, (name, size) in enumerate(rows):
        y, end = place * step + 8, reach[place]
        begin = min(end, end - size)
        hollow = size < 0
        fill = BRAND if place == 0 else STEEL
        shapes += [
            text(start - 10, y + 12, name, anchor="end", fill=INK, size=12.5),
            rectangle(
                start + begin * scale,
                y,
                max(abs(size) * scale, 1),
                16,
                "#ffffff" if hollow else fill,
                radius=2,
                stroke=MUTED if hollow else "",
            ),
            text(start + max(end, end - size) * scale + 8, y + 12, f"{size:.2f}", fill=INK, size=12.5),
        ]
        if place + 1 < len(rows):
            shapes.append(line(start + end * scale, y + 16, start + end * scale, y + step, LINE, dash="2 2"))
    return svg(width, len(rows) * step + 6, label, shapes)


def curves(
    lines: Sequence[tuple[str, Sequence[tuple[float | None, float | None, float | None]]]],
    ticks: Sequence[str],
    label: str,
    *,
    percent: bool = True,
    width: float = 470,
    height: float = 210,
) -> str:
    """Figures over time, one line a group with the band of its interval: (name, points of (value, low, high)).

    Lines differ in dash and in the mark of their points, not only in colour; each bears its name at its end.
    """
    told = [part for _, points in lines for point in points for part in point if part is not None]
    top = max([*told, 0.0]) * 1.08 or 1.0
    left, right, floor, ceiling = 46.0, width - 96, height - 24, 8.0
    step = (right - left) / max(len(ticks) - 1, 1)

    def at(place: int, value: float) -> tuple[float, float]:
        return left + place * step, floor - (floor - ceiling) * max(value, 0.0) / top

    shapes = []
    for share in (0.0, 0.5, 1.0):
        y = floor - (floor - ceiling) * share / 1.08
        value = top / 1.08 * share
        shapes.append(line(left, y, right, y, LINE if share else STEEL))
        shown = f"{100 * value:.0f}%" if percent else f"{value:.1f}"
        shapes.append(text(left - 6, y + 4, shown, anchor="end", size=10.5))
    shapes += [
        text(at(place, 0)[0], height - 6, ticks[place], anchor="middle", size=10.5)
        for place in sorted({0, len(ticks) // 2, len(ticks) - 1} if ticks else ())
    ]
    ends: list[float] = []
    for order, (name, points) in enumerate(lines):
        colour = (BRAND, LEVEL_COLOURS["orange"], MUTED, INK)[order % 4]
        shapes += _curve(points, at, colour, order)
        last = [at(place, point[0]) for place, point in enumerate(points) if point[0] is not None]
        if last:
            y = last[-1][1] + 4
            while any(abs(y - other) < 13 for other in ends):
                y += 13
            ends.append(y)
            shapes.append(text(last[-1][0] + 8, y, name, fill=colour, bold=True))
    return svg(width, height, label, shapes)


def _curve(
    points: Sequence[tuple[float | None, float | None, float | None]],
    at: Callable[[int, float], tuple[float, float]],
    colour: str,
    order: int,
) -> list[str]:
    """One line: its band, its stroke, and a mark at each point."""
    shapes = []
    band = [(place, low, high) for place, (_, low, high) in enumerate(points) if low is not None and high is not None]
    if len(band) > 1:
        edge = [at(place, high) for place, _, high in band] + [at(place, low) for place, low, _ in band[::-1]]
        path = "M" + "L".join(f"{number(x)} {number(y)}" for x, y in edge)
        shapes.append(f'<path d="{path}Z" fill="{colour}" fill-opacity="0.12"/>')
    places = [at(place, value) for place, (value, _, _) in enumerate(points) if value is not None]
    if len(places) > 1:
        path = "M" + "L".join(f"{number(x)} {number(y)}" for x, y in places)
        dash = f' stroke-dasharray="{("", "6 3", "2 3", "9 3 2 3")[order % 4]}"' if order % 4 else ""
        shapes.append(f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="1.8"{dash}/>')
    for x, y in places:
        if order % 2:
            shapes.append(rectangle(x - 2.4, y - 2.4, 4.8, 4.8, colour))
        else:
            shapes.append(f'<circle cx="{number(x)}" cy="{number(y)}" r="2.8" fill="{colour}"/>')
    return shapes


def intervals(rows: Sequence[tuple[str, float, float, float, float, bool]], label: str, *, width: float = 640) -> str:
    """Estimates with their intervals beside the truth: (name, value, low, high, true, inside).

    The truth is a diamond, filled where its interval holds it and hollow in red where it does not.
    """
    top = max([0.0, *(high for _, _, _, high, _, _ in rows), *(true for *_, true, _ in rows)]) or 1.0
    start, step = 120.0, 18.0
    scale = (width - start - 60) / top
    shapes = []
    for order, (name, value, low, high, true, inside) in enumerate(rows):
        y = order * step + 12
        x = start + true * scale
        colour = BRAND if inside else LEVEL_COLOURS["red"]
        diamond = f"M{number(x)} {number(y - 5)}l5 5-5 5-5-5z"
        shapes += [
            text(start - 10, y + 4, name, anchor="end", size=11),
            line(start + low * scale, y, start + high * scale, y, STEEL, width=3),
            line(start + value * scale, y - 5, start + value * scale, y + 5, INK, width=2),
            f'<path d="{diamond}" fill="{colour if inside else "#ffffff"}" stroke="{colour}" stroke-width="1.4"/>',
        ]
    shapes.append(text(start, len(rows) * step + 16, "0%", size=10.5, anchor="middle"))
    shapes.append(text(start + top * scale, len(rows) * step + 16, f"{100 * top:.0f}%", size=10.5, anchor="middle"))
    return svg(width, len(rows) * step + 24, label, shapes)
