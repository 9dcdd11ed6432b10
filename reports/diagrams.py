"""Charts for those who steer and for analysts, as SVG: counts by week, shares, calibration, one score taken apart.

They are drawn as the charts of caseworkers' pages are (`charts`): presentation attributes, and a text with the numbers.
"""

from __future__ import annotations

from collections.abc import Sequence

from reports.charts import BRAND, INK, LEVEL_COLOURS, LINE, PALE, STEEL, line, number, rectangle, svg, text

EASE = "#1e6b45"


def columns(points: Sequence[tuple[str, float | None]], label: str, *, height: float = 130) -> str:
    """A count by week: a column each with its number above and its day below; a dash where it is not shown."""
    top = max([value for _, value in points if value is not None] or [1.0]) or 1.0
    step, floor, ceiling = 50.0, height - 22, 20.0
    width = step * max(len(points), 1)
    shapes = [line(0, floor, width, floor, STEEL)]
    for ix, (tick, value) in enumerate(points):
        middle = (ix + 0.5) * step
        if value is not None:
            tall = (floor - ceiling) * value / top
            fill = BRAND if ix == len(points) - 1 else "#b3c1cb"
            shapes.append(rectangle(middle - min(step * 0.32, 22), floor - tall, min(step * 0.64, 44), tall, fill))
            shapes.append(text(middle, floor - tall - 5, number(value), anchor="middle", fill=INK, size=12))
        else:
            shapes.append(text(middle, floor - 5, "—", anchor="middle", size=12))
        shapes.append(text(middle, height - 6, tick, anchor="middle", size=11.5))
    return svg(width, height, label, shapes)


def rate_track(share: float, low: float, high: float, label: str, *, width: float = 84) -> str:
    """A share between nothing and all as a dot on a track, with its interval as a line; all as parts of one."""
    return svg(
        width,
        14,
        label,
        [
            rectangle(0, 4.5, width, 5, PALE, radius=2.5),
            line(low * width, 7, high * width, 7, BRAND, width=2.4),
            f'<circle cx="{number(min(max(share * width, 4), width - 4))}" cy="7" r="4.2" fill="{BRAND}"/>',
        ],
    )


def reliability(points: Sequence[tuple[float, float, float, float]], label: str, *, side: float = 320) -> str:
    """Expected against observed shares: (expected, observed, low, high); on the dashed line they agree."""
    top = max([*(high for *_, high in points), *(expected for expected, *_ in points), 0.01]) * 1.06
    left, floor = 40.0, side - 28

    def at(x: float, y: float) -> tuple[float, float]:
        return left + (side - left - 10) * x / top, floor - (floor - 10) * y / top

    ends = at(top, top)
    shapes = [line(left, floor, side - 10, floor, STEEL), line(left, floor, left, 10, STEEL)]
    shapes.append(line(left, floor, *ends, STEEL, dash="4 4"))
    for share in (0.5, 1.0):
        tick = top / 1.06 * share
        x, y = at(tick, tick)
        shapes += [
            text(left - 5, y + 4, f"{100 * tick:.0f}%", anchor="end", size=10.5),
            text(x, floor + 16, f"{100 * tick:.0f}%", anchor="middle", size=10.5),
        ]
    for expected, observed, low, high in points:
        x, y = at(expected, observed)
        shapes += [
            line(x, at(0, low)[1], x, at(0, high)[1], BRAND, width=1.6),
            f'<circle cx="{number(x)}" cy="{number(y)}" r="3.6" fill="{BRAND}"/>',
        ]
    return svg(side, side, label, shapes)


def waterfall(
    base: tuple[str, float], rows: Sequence[tuple[str, float]], end: tuple[str, float], label: str, *,
    width: float = 760,
) -> str:  # fmt: skip
    """From a base through contributions to a margin: each bar begins where the one above ends.

    What raises is red and full, what lowers green and outlined.
    """
    places = [base[1]]
    for _, amount in rows:
        places.append(places[-1] + amount)
    low, high = min(*places, end[1]), max(*places, end[1])
    span = (high - low) or 1.0
    start, step = 250.0, 26.0

    def at(margin: float) -> float:
        return start + 8 + (width - start - 84) * (margin - low) / span

    shapes = [text(start - 10, 18, base[0], anchor="end", fill=INK, size=12, bold=True),
              line(at(base[1]), 6, at(base[1]), 22, INK, width=2.4),
              text(at(base[1]) + 6, 18, f"{base[1]:+.2f}", fill=INK, size=12)]  # fmt: skip
    for ix, (name, amount) in enumerate(rows):
        y, begin = (ix + 1) * step + 6, places[ix]
        x, wide = min(at(begin), at(begin + amount)), max(abs(at(begin + amount) - at(begin)), 1.0)
        raises = amount > 0
        colour = LEVEL_COLOURS["red"] if raises else EASE
        shapes += [
            text(start - 10, y + 12, name, anchor="end", fill=INK, size=12),
            line(at(begin), y - step + 16, at(begin), y, LINE),
            rectangle(x, y, wide, 15, colour if raises else "#ffffff", radius=2, stroke=colour),
            text(x + wide + 6, y + 12, f"{amount:+.2f}", fill=colour, size=12),
        ]
    y = (len(rows) + 1) * step + 6
    shapes += [text(start - 10, y + 12, end[0], anchor="end", fill=INK, size=12, bold=True),
               line(at(end[1]), y, at(end[1]), y + 16, INK, width=2.4),
               text(at(end[1]) + 6, y + 12, f"{end[1]:+.2f}", fill=INK, size=12, bold=True)]  # fmt: skip
    return svg(width, y + 26, label, shapes)
