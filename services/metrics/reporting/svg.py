"""Charts as SVG: drawn without scripts or a style sheet, with a title and a description, and readable without colour."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from services.metrics.reporting.document import Point, Series

MUTED, RULE, ACCENT, SOFT = "#54606f", "#dfe4ea", "#0f5c8c", "#9fc3da"
WIDTH, HEIGHT = 460, 210
TOP, BOTTOM, BESIDE, EDGE = 24, 30, 58, 8
MOST_LABELS = 7


class Canvas:
    """Places on a chart: time runs as the writing does, from the left or from the right."""

    def __init__(self, series: Series, *, rtl: bool) -> None:
        self.rtl = rtl
        self.low, self.high = series.axis[0][0], series.axis[-1][0]
        self.count = len(series.points)
        self.slot = (WIDTH - BESIDE - EDGE) / max(self.count, 1)

    def x(self, place: float) -> float:
        """From the beginning of time to its end, for a place from 0 to the number of points."""
        across = BESIDE + place * self.slot
        return WIDTH - across if self.rtl else across

    def y(self, value: float) -> float:
        """The height of a value."""
        return TOP + (HEIGHT - TOP - BOTTOM) * (1 - (value - self.low) / (self.high - self.low))


def chart(series: Series, chart_id: str, *, rtl: bool) -> str:
    """A number over time, as columns or as a line with its intervals. What is written on it stands over the drawing, so that it
    keeps its size on a phone and its order in every language."""
    head = (
        f'<div class="plot"><svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="{chart_id}-t {chart_id}-d">'
        f'<title id="{chart_id}-t">{escape(series.name)}</title><desc id="{chart_id}-d">{escape(series.summary)}</desc>'
    )
    if not any(point.value for point in series.points):
        return f'{head}</svg><p class="empty" aria-hidden="true">{escape(series.summary)}</p></div>'
    canvas = Canvas(series, rtl=rtl)
    drawn = [_hatch(chart_id), *_grid(series, canvas)]
    drawn += _columns(series, canvas, chart_id) if series.columns else _line(series, canvas)
    words = [*_heights(series, canvas), *_labels(series.points, canvas), _last(series.points, canvas)]
    return f'{head}{"".join(drawn)}</svg><div class="words" aria-hidden="true">{"".join(words)}</div></div>'


def spark(series: Series, *, rtl: bool) -> str:
    """A number's way in one small line; what it says stands beside it."""
    values = [point.value for point in series.points]
    known = [value for value in values if value is not None]
    if len(known) < 2:
        return ""
    low, high = min(known), max(known)
    span, step = (high - low) or 1.0, 100 / (len(values) - 1)
    at = [
        ((100 - place * step if rtl else place * step) * 0.94 + 3, 27 - 22 * (value - low) / span)
        for place, value in enumerate(values)
        if value is not None
    ]
    way = " ".join(f"{x:.1f},{y:.1f}" for x, y in at)
    x, y = at[-1]
    return (
        '<svg class="spark" viewBox="0 0 100 32" aria-hidden="true" focusable="false">'
        f'<polyline points="{way}" fill="none" stroke="{ACCENT}" stroke-width="1.8" stroke-linejoin="round"/>'
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.8" fill="{ACCENT}"/></svg>'
    )


def bar(share: float, *, rtl: bool, strong: bool = False) -> str:
    """A bar as long as a share."""
    width = max(min(share, 1.0), 0.0) * 100
    x = 100 - width if rtl else 0.0
    fill = ACCENT if strong else SOFT
    return (
        '<svg class="bar" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true" focusable="false">'
        f'<rect x="0" y="0" width="100" height="8" fill="#eef1f5"/><rect x="{x:.2f}" y="0" width="{width:.2f}" height="8" fill="{fill}"/></svg>'
    )


def _hatch(chart_id: str) -> str:
    """How a period looks that is not over."""
    return (
        f'<defs><pattern id="{chart_id}-h" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        f'<rect width="6" height="6" fill="#ffffff"/><rect width="2.4" height="6" fill="{ACCENT}"/></pattern></defs>'
    )


def _grid(series: Series, canvas: Canvas) -> list[str]:
    begin, end = canvas.x(0), canvas.x(canvas.count)
    found = []
    for value, _ in series.axis:
        colour, width = (MUTED, 1.2) if value == 0 else (RULE, 1)
        y = canvas.y(value)
        found.append(
            f'<line x1="{begin:.1f}" y1="{y:.1f}" x2="{end:.1f}" y2="{y:.1f}" stroke="{colour}" stroke-width="{width}"/>'
        )
    return found


def _heights(series: Series, canvas: Canvas) -> list[str]:
    """What the lines stand for, beside them."""
    begin = WIDTH - BESIDE + 6 if canvas.rtl else 0
    return [_word("tick", begin, canvas.y(value) - 8, BESIDE - 6, label) for value, label in series.axis]


def _columns(series: Series, canvas: Canvas, chart_id: str) -> list[str]:
    found = []
    for place, point in enumerate(series.points):
        if not point.value:
            continue
        width = canvas.slot * 0.66
        middle, top, foot = canvas.x(place + 0.5), canvas.y(max(point.value, 0.0)), canvas.y(min(point.value, 0.0))
        last = place == canvas.count - 1
        fill = ACCENT if last and point.over else SOFT if point.over else f"url(#{chart_id}-h)"
        stroke = "" if point.over else f' stroke="{ACCENT}"'
        found.append(
            f'<rect x="{middle - width / 2:.1f}" y="{top:.1f}" width="{width:.1f}" height="{max(foot - top, 0.6):.1f}" fill="{fill}"{stroke}/>'
        )
    return found


def _line(series: Series, canvas: Canvas) -> list[str]:
    found: list[str] = []
    stretch: list[str] = []
    for place, point in enumerate(series.points):
        if point.value is None:
            found += _stretch(stretch)
            stretch = []
            continue
        x, y = canvas.x(place + 0.5), canvas.y(point.value)
        if point.low is not None and point.high is not None:
            found.append(
                f'<line x1="{x:.1f}" y1="{canvas.y(max(point.low, canvas.low)):.1f}" x2="{x:.1f}" '
                f'y2="{canvas.y(min(point.high, canvas.high)):.1f}" stroke="{SOFT}" stroke-width="5" stroke-linecap="round"/>'
            )
        stretch.append(f"{x:.1f},{y:.1f}")
    found += _stretch(stretch)
    for place, point in enumerate(series.points):
        if point.value is not None:
            fill = ACCENT if point.over else "#ffffff"
            found.append(
                f'<circle cx="{canvas.x(place + 0.5):.1f}" cy="{canvas.y(point.value):.1f}" r="3.2" fill="{fill}" stroke="{ACCENT}" stroke-width="1.6"/>'
            )
    return found


def _stretch(points: Sequence[str]) -> list[str]:
    if len(points) < 2:
        return []
    return [
        f'<polyline points="{" ".join(points)}" fill="none" stroke="{ACCENT}" stroke-width="2.2" stroke-linejoin="round"/>'
    ]


def _labels(points: Sequence[Point], canvas: Canvas) -> list[str]:
    """Some of the periods below the chart, the last of them always."""
    step = -(-len(points) // MOST_LABELS)
    width = canvas.slot * step
    return [
        _word("label", canvas.x(place + 0.5) - width / 2, HEIGHT - BOTTOM + 6, width, points[place].label)
        for place in range(len(points) - 1, -1, -step)
    ]


def _last(points: Sequence[Point], canvas: Canvas) -> str:
    """The newest value, in figures above its place."""
    point = points[-1]
    if point.value is None:
        return ""
    near = [one.value for one in points[-2:] if one.value is not None]
    top = canvas.y(max(0.0, *near, *([point.high] if point.high is not None else [])))
    width = 160.0
    begin = EDGE if canvas.rtl else WIDTH - EDGE - width
    return _word("last", begin, max(top - 24, 0), width, point.text)


def _word(kind: str, x: float, y: float, width: float, text: str) -> str:
    """A text over the drawing, in a place told from the left, in percent of it."""
    left, top, wide = 100 * x / WIDTH, 100 * y / HEIGHT, 100 * width / WIDTH
    return f'<span class="{kind}" style="left:{left:.2f}%;top:{top:.2f}%;width:{wide:.2f}%">{escape(text)}</span>'
