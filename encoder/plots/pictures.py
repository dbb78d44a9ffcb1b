"""The plots of the encoding pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.utils.html import format_html
from django.utils.safestring import SafeString

from lab.svg import Axes, dot, number, padded, picture, ticks

Dots = Sequence[tuple[str, float]]
LONGEST_NAME = 11
MOST_POINTS = 1500
"""A scatter of more voxels shows every so many of them."""


def strip_plot(
    groups: Mapping[str, Dots],
    *,
    title: str,
    marked: str | None = None,
    controls: Mapping[str, Dots] | None = None,
    ceilings: Mapping[str, Dots] | None = None,
) -> SafeString:
    """One column of dots per group, with its mean as a bar: (label, value) each, values in [-1, 1].

    ``marked`` is the label whose dots stand out. ``controls`` are drawn beside them as rings, the mean of
    ``ceilings`` as a broken line.
    """
    beside, above = controls or {}, ceilings or {}
    values = [value for found in (groups, beside, above) for dots in found.values() for _, value in dots]
    marks = ticks(min([0.0, *values]), max([0.1, *values]))
    axes = Axes(
        width=max(260, 60 + 66 * len(groups)),
        height=220,
        x_range=(-0.5, max(len(groups), 1) - 0.5),
        y_range=(marks[0], marks[-1]),
    )
    parts = [axes.y_grid(marks), axes.y_title(title), _zero(axes)]
    for place, (name, dots) in enumerate(groups.items()):
        rings = beside.get(name, ())
        parts.append(
            _column(axes, place - (0.12 if rings else 0), dots, name=name, under=place, marked=marked)
        )
        parts += [
            dot(axes.x(place + 0.36), axes.y(value), 3, "al-hollow", f"noise, {label}: {value:.3f}")
            for label, value in rings
        ]
        if top := above.get(name):
            parts.append(_ceiling(axes, place, sum(value for _, value in top) / len(top)))
    return picture(axes, f"{title} by {', '.join(groups)}", parts)


def _zero(axes: Axes) -> SafeString:
    return format_html(
        '<line class="al-zero" x1="{}" x2="{}" y1="{}" y2="{}"/>',
        axes.left,
        number(axes.width - axes.right),
        axes.y(0),
        axes.y(0),
    )


def _ceiling(axes: Axes, place: int, value: float) -> SafeString:
    return format_html(
        '<line class="al-ceiling" x1="{}" x2="{}" y1="{}" y2="{}"><title>noise ceiling: {}</title></line>',
        axes.x(place - 0.45),
        axes.x(place + 0.45),
        axes.y(value),
        axes.y(value),
        f"{value:.3f}",
    )


def _column(axes: Axes, place: float, dots: Dots, *, name: str, under: int, marked: str | None) -> SafeString:
    spread = min(0.2, 0.05 * len(dots))
    drawn = SafeString("")
    for index, (label, value) in enumerate(dots):
        offset = 0.0 if len(dots) == 1 else spread * (2 * index / (len(dots) - 1) - 1)
        css = "al-dot al-dot-marked" if label == marked else "al-dot"
        drawn += dot(axes.x(place + offset), axes.y(value), 4, css, f"{label}: {value:.3f}")
    mean = sum(value for _, value in dots) / len(dots) if dots else 0.0
    bar = format_html(
        '<line class="al-mean" x1="{}" x2="{}" y1="{}" y2="{}"/>',
        axes.x(place - 0.28),
        axes.x(place + 0.28),
        axes.y(mean),
        axes.y(mean),
    )
    return _name(axes, under, name) + (bar if dots else SafeString("")) + drawn


def _name(axes: Axes, place: float, name: str) -> SafeString:
    shown = name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"
    return format_html(
        '<text class="al-tick al-name" x="{}" y="{}" text-anchor="middle">{}<title>{}</title></text>',
        axes.x(place),
        number(axes.height - axes.bottom + 16),
        shown,
        name,
    )


def paired_plot(
    groups: Mapping[str, Sequence[tuple[str, float, float]]], *, title: str, sides: tuple[str, str]
) -> SafeString:
    """Per group two columns joined by a line per label: (label, left value, right value)."""
    values = [value for rows in groups.values() for _, *both in rows for value in both]
    marks = ticks(min([0.0, *values]), max([0.1, *values]))
    axes = Axes(
        width=max(260, 60 + 84 * len(groups)),
        height=230,
        x_range=(-0.5, max(len(groups), 1) - 0.5),
        y_range=(marks[0], marks[-1]),
    )
    parts = [axes.y_grid(marks), axes.y_title(title), _zero(axes)]
    for place, (name, rows) in enumerate(groups.items()):
        parts.append(_name(axes, place, name))
        for label, left, right in rows:
            said = f"{label}: {left:.3f} {sides[0]}, {right:.3f} {sides[1]}"
            parts.append(_joined(axes, place, left, right, said))
    return picture(axes, f"{title}: {sides[0]} and {sides[1]} by {', '.join(groups)}", parts)


def _joined(axes: Axes, place: int, left: float, right: float, said: str) -> SafeString:
    ends = axes.x(place - 0.2), axes.y(left), axes.x(place + 0.2), axes.y(right)
    css = "al-rise" if right >= left else "al-fall"
    line = format_html('<line class="{}" x1="{}" y1="{}" x2="{}" y2="{}"/>', css, *ends)
    first = dot(ends[0], ends[1], 3.5, "al-hollow", said)
    return line + first + dot(ends[2], ends[3], 3.5, "al-dot", said)


def scatter(
    points: Sequence[tuple[float, float]], *, x_title: str, y_title: str, diagonal: bool = True
) -> SafeString:
    """A dot per pair, on equal axes with the line on which both are the same."""
    step = -(-len(points) // MOST_POINTS) or 1
    shown = points[::step]
    low, high = padded([value for pair in shown for value in pair], include=[0.0])
    marks = [mark for mark in ticks(low, high) if low <= mark <= high]
    axes = Axes(width=300, height=300, x_range=(low, high), y_range=(low, high), bottom=38)
    parts = [axes.y_grid(marks), axes.x_grid(marks), axes.x_title(x_title), axes.y_title(y_title)]
    if diagonal:
        ends = axes.x(low), axes.x(high), axes.y(low), axes.y(high)
        parts.append(format_html('<line class="al-line-faint" x1="{}" x2="{}" y1="{}" y2="{}"/>', *ends))
    parts += [dot(axes.x(x), axes.y(y), 2.2, "al-dot al-faint", f"{x:.3f}, {y:.3f}") for x, y in shown]
    return picture(axes, f"{y_title} against {x_title}, {len(shown)} of {len(points)}", parts)
