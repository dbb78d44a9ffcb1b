"""The plots of the encoding pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.utils.html import format_html
from django.utils.safestring import SafeString

from encoder.svg import Axes, dot, picture, ticks


def strip_plot(
    groups: Mapping[str, Sequence[tuple[str, float]]], *, title: str, marked: str | None = None
) -> SafeString:
    """One column of dots per group, with its mean as a bar: (label, value) each, values in [-1, 1].

    ``marked`` is the label whose dots stand out.
    """
    values = [value for dots in groups.values() for _, value in dots]
    marks = ticks(min([0.0, *values]), max([0.1, *values]))
    axes = Axes(
        width=max(260, 60 + 66 * len(groups)),
        height=220,
        x_range=(-0.5, max(len(groups), 1) - 0.5),
        y_range=(marks[0], marks[-1]),
    )
    parts = [axes.y_grid(marks), axes.y_title(title)]
    for place, (name, dots) in enumerate(groups.items()):
        parts.append(_column(axes, place, name, dots, marked))
    return picture(axes, f"{title} by {', '.join(groups)}", parts)


def _column(
    axes: Axes, place: int, name: str, dots: Sequence[tuple[str, float]], marked: str | None
) -> SafeString:
    spread = min(0.26, 0.05 * len(dots))
    drawn = SafeString("")
    for index, (label, value) in enumerate(dots):
        offset = 0.0 if len(dots) == 1 else spread * (2 * index / (len(dots) - 1) - 1)
        css = "al-dot al-dot-marked" if label == marked else "al-dot"
        drawn += dot(axes.x(place + offset), axes.y(value), 4, css, f"{label}: {value:.3f}")
    mean = sum(value for _, value in dots) / len(dots) if dots else 0.0
    bar = format_html(
        '<line class="al-mean" x1="{}" x2="{}" y1="{}" y2="{}"/>',
        axes.x(place - 0.32),
        axes.x(place + 0.32),
        axes.y(mean),
        axes.y(mean),
    )
    text = format_html(
        '<text class="al-tick al-name" x="{}" y="{}" text-anchor="middle">{}</text>',
        axes.x(place),
        axes.height - axes.bottom + 16,
        name,
    )
    return text + (bar if dots else SafeString("")) + drawn
