"""Small plots as inline SVG: no script, colours from the style sheet, readable in light and dark."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers that cover [low, high]: steps of 1, 2 or 5 times a power of ten."""
    span = max(high - low, 1e-9)
    raw = span / max(about, 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * (1 - 1e-9))
    first = math.floor(low / step + 1e-9)
    last = math.ceil(high / step - 1e-9)
    return [round(number * step, 10) for number in range(first, last + 1)]


def number(value: float) -> str:
    """A coordinate, short: one hundredth of a pixel is enough."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


@dataclass(frozen=True)
class Axes:
    """A plotting area: data ranges and where they lie on the picture, in pixels."""

    width: float
    height: float
    x_range: tuple[float, float]
    y_range: tuple[float, float]
    left: float = 44
    right: float = 12
    top: float = 10
    bottom: float = 34

    def x(self, value: float) -> str:
        low, high = self.x_range
        return number(self.left + (value - low) / (high - low) * (self.width - self.left - self.right))

    def y(self, value: float) -> str:
        low, high = self.y_range
        inner = self.height - self.top - self.bottom
        return number(self.height - self.bottom - (value - low) / (high - low) * inner)

    def y_grid(self, values: Iterable[float]) -> SafeString:
        """A line and a number for each value on the y axis."""
        return format_html_join(
            "",
            '<line class="al-grid" x1="{}" x2="{}" y1="{}" y2="{}"/>'
            '<text class="al-tick" x="{}" y="{}" dy="0.32em" text-anchor="end">{}</text>',
            (
                (self.left, self.width - self.right, self.y(v), self.y(v), self.left - 7, self.y(v), f"{v:g}")
                for v in values
            ),
        )

    def x_grid(self, values: Iterable[float]) -> SafeString:
        """A line and a number for each value on the x axis."""
        base = self.height - self.bottom
        return format_html_join(
            "",
            '<line class="al-grid" x1="{}" x2="{}" y1="{}" y2="{}"/>'
            '<text class="al-tick" x="{}" y="{}" text-anchor="middle">{}</text>',
            ((self.x(v), self.x(v), self.top, base, self.x(v), base + 15, f"{v:g}") for v in values),
        )

    def x_title(self, text: str) -> SafeString:
        middle = number((self.left + self.width - self.right) / 2)
        return format_html(
            '<text class="al-title" x="{}" y="{}" text-anchor="middle">{}</text>',
            middle,
            number(self.height - 3),
            text,
        )

    def y_title(self, text: str) -> SafeString:
        middle = number((self.top + self.height - self.bottom) / 2)
        return format_html(
            '<text class="al-title" x="11" y="{0}" text-anchor="middle"'
            ' transform="rotate(-90 11 {0})">{1}</text>',
            middle,
            text,
        )


def picture(axes: Axes, label: str, parts: Sequence[SafeString]) -> SafeString:
    """The whole ``<svg>``; ``label`` is what a screen reader says."""
    return format_html(
        '<svg class="al-plot" viewBox="0 0 {} {}" style="max-width:{}px" role="img" aria-label="{}">{}</svg>',
        number(axes.width),
        number(axes.height),
        number(axes.width * 1.25),
        label,
        mark_safe("".join(parts)),
    )


def polyline(points: Iterable[tuple[str, str]], css: str) -> SafeString:
    return format_html('<polyline class="{}" points="{}"/>', css, " ".join(f"{x},{y}" for x, y in points))


def dot(x: str, y: str, radius: float, css: str, title: str) -> SafeString:
    return format_html(
        '<circle class="{}" cx="{}" cy="{}" r="{}"><title>{}</title></circle>', css, x, y, radius, title
    )


def padded(
    values: Iterable[float], *, include: Sequence[float] = (), share: float = 0.05
) -> tuple[float, float]:
    """The range of values, with some air, never of no extent."""
    known = [*values, *include]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    air = (high - low) * share or 0.5
    return low - air, high + air
