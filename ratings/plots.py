"""The monitor's pictures, as inline SVG, and its words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from lab.svg import Axes, number, picture, polyline, ticks
from ratings.services.monitoring.balance import Distribution, ExposedImage
from ratings.services.monitoring.strips import WORDS, Cell

WIDTH, HEIGHT = 360, 190
MOST_STOPS = 5


def monitor_parts(numbers: dict[str, Any]) -> dict[str, Any]:
    """Return what the monitor's template shows beside the numbers: pictures, and numbers put in words."""
    times = numbers["times"]
    taken = [row["taken"] for row in numbers["lists"]]
    return {
        "dropout_plot": dropout_plot(numbers["dropout"]),
        "stops": stops(numbers["dropout"]["left"]),
        "times_plot": times_plot(times["by_trial_ms"]),
        "trial_time": duration(times["trial_ms"], 1000),
        "visit_time": duration(times["visit_s"]),
        "block_times": [(row["block"], duration(row["trial_ms"], 1000)) for row in times["blocks"]],
        "rate_plot": rate_plot(numbers["per_minute"]),
        "fewest_taken": min(taken, default=0),
        "most_taken": max(taken, default=0),
        "not_let_in": numbers["flow"]["arrived"] - numbers["flow"]["consented"],
        "not_started": numbers["flow"]["consented"] - numbers["flow"]["started"],
    }


def dropout_plot(dropout: dict[str, Any]) -> SafeString | None:
    """Draw how far those who began came, in percent; None while nobody began."""
    began = dropout["began"]
    if not began:
        return None
    reached = [100 * count / began for count in dropout["reached"]]
    inside = [100 * count / began for count in dropout["may_reach"]]
    axes = Axes(WIDTH, HEIGHT, (0, dropout["trials"]), (0, 100))
    top = [low + more for low, more in zip(reached, inside, strict=True)]
    label = f"Of {began} who began, {dropout['reached'][-1]} answered all {dropout['trials']} trials"
    return picture(
        axes,
        label,
        [
            axes.y_grid([0, 25, 50, 75, 100]),
            axes.x_grid(whole_ticks(dropout["trials"])),
            area(axes, reached, top, "st-inside"),
            area(axes, [0.0] * len(reached), reached, "al-band"),
            polyline(steps(axes, reached), "al-line"),
            axes.x_title("trials answered"),
            axes.y_title("% of those who began"),
        ],
    )


def steps(axes: Axes, values: Sequence[float]) -> list[tuple[str, str]]:
    """Return corners of a line that has a value for each trial, from its left edge to its right one."""
    return [
        (axes.x(place), axes.y(value)) for first, value in enumerate(values) for place in (first, first + 1)
    ]


def area(axes: Axes, low: Sequence[float], high: Sequence[float], css: str) -> SafeString:
    corners = [*steps(axes, high), *reversed(steps(axes, low))]
    return format_html('<polygon class="{}" points="{}"/>', css, " ".join(f"{x},{y}" for x, y in corners))


def whole_ticks(most: int) -> list[float]:
    """Return ticks from 0 to at most ``most`` that are whole numbers."""
    return [tick for tick in ticks(0, most) if tick <= most and tick == int(tick)]


def stops(left: Sequence[int]) -> list[dict[str, int]]:
    """Return the trials at which most people left, most first: ``trial``, from 1, and ``count``."""
    places = sorted((-count, place) for place, count in enumerate(left) if count)
    return [{"trial": place + 1, "count": -count} for count, place in places[:MOST_STOPS]]


def times_plot(by_trial_ms: Sequence[float | None]) -> SafeString | None:
    """Draw the median time of each trial in seconds; None while nothing was answered."""
    points = [(place + 1, value / 1000) for place, value in enumerate(by_trial_ms) if value is not None]
    if not points:
        return None
    y_ticks = ticks(0, max(value for _, value in points))
    axes = Axes(WIDTH, HEIGHT, (0, max(len(by_trial_ms), 2)), (0, y_ticks[-1]))
    return picture(
        axes,
        f"Median time of each of {len(by_trial_ms)} trials, in seconds",
        [
            axes.y_grid(y_ticks),
            axes.x_grid(whole_ticks(len(by_trial_ms))),
            dots(axes, points),
            axes.x_title("trial"),
            axes.y_title("seconds"),
        ],
    )


def dots(axes: Axes, points: Iterable[tuple[float, float]]) -> SafeString:
    return format_html_join(
        "",
        '<circle class="al-dot" cx="{}" cy="{}" r="2.5"><title>trial {}: {} s</title></circle>',
        ((axes.x(x), axes.y(y), f"{x:g}", f"{y:.1f}") for x, y in points),
    )


def rate_plot(per_minute: Sequence[int]) -> SafeString:
    """Draw the answers of each minute as bars, the present minute on the right."""
    y_ticks = ticks(0, max(*per_minute, 4), 4)
    axes = Axes(WIDTH, 150, (-len(per_minute), 0), (0, y_ticks[-1]))
    wide = (axes.width - axes.left - axes.right) / len(per_minute)
    base = axes.height - axes.bottom
    bars = format_html_join(
        "",
        '<rect class="st-minute" x="{}" y="{}" width="{}" height="{}"/>',
        (
            (
                axes.x(place - len(per_minute)),
                axes.y(count),
                number(wide - 2),
                number(base - float(axes.y(count))),
            )
            for place, count in enumerate(per_minute)
        ),
    )
    label = f"Answers per minute in the last half hour: {sum(per_minute)}, at most {max(per_minute)} in one"
    minutes = axes.x_grid([-30, -20, -10, 0])
    return picture(axes, label, [axes.y_grid(y_ticks), minutes, bars, axes.x_title("minutes from now")])


def duration(value: float | None, per_second: int = 1) -> str:
    """Put a time in words that fit its size: 4.2 s, 12 min, 1 h 5 min."""
    if value is None:
        return "–"
    seconds = value / per_second
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


STATES = [(state, words) for state, words in WORDS.items()]
"""What a cell of a strip says, and in words: the legend."""
STRIP_HEIGHT = 20
HEIGHTS = {
    "fast": 6,
    "usual": 11,
    "slow": 16,
    "very_slow": 20,
    "failed": 20,
    "missing": 20,
    "skipped": 2,
    "open": 2,
}
"""How high a cell is drawn: what the colour says, the height says too."""


def strip_picture(cells: Sequence[Cell], words: str, *, wide: float = 5) -> SafeString:
    """Draw the cells of somebody's progress side by side, a path for each state."""
    corners: dict[str, list[str]] = {}
    for place, cell in enumerate(cells):
        corners.setdefault(cell.state, []).append(cell_path(place * wide, wide - 1, cell.state))
    paths = format_html_join(
        "",
        '<path class="st-cell st-{}" d="{}"/>',
        ((state, "".join(parts)) for state, parts in corners.items()),
    )
    width = number(max(len(cells), 1) * wide)
    return format_html(
        '<svg class="st-strip" role="img" aria-label="{}" viewBox="0 0 {} {}" width="{}" height="{}">'
        "{}</svg>",
        words,
        width,
        STRIP_HEIGHT,
        width,
        STRIP_HEIGHT,
        paths,
    )


def cell_path(x: float, wide: float, state: str) -> str:
    """Return a cell as a path: a box on the base line; a failed check has a cross cut out of it."""
    high = HEIGHTS[state]
    top = STRIP_HEIGHT - high
    box = f"M{number(x)} {top}h{number(wide)}v{high}h-{number(wide)}z"
    if state != "failed":
        return box
    middle = STRIP_HEIGHT // 2
    return f"{box}M{number(x)} {middle - 2}v4h{number(wide)}v-4z"  # turned the other way: a gap


def exposure_plot(images: Sequence[ExposedImage]) -> SafeString | None:
    """Draw how often every image was shown, the least first, with the number planned; None without images."""
    if not images:
        return None
    most = max(max(image.shown, image.planned) for image in images)
    y_ticks = ticks(0, max(most, 1), 4)
    axes = Axes(720, 170, (0, len(images)), (0, y_ticks[-1]))
    steps_of = [
        (axes.x(place + side), axes.y(image.planned)) for place, image in enumerate(images) for side in (0, 1)
    ]
    bars = format_html_join(
        "",
        '<rect class="st-minute" x="{}" y="{}" width="{}" height="{}"/>',
        (
            (
                axes.x(place),
                axes.y(image.shown),
                number(bar_width(axes, len(images))),
                bar_height(axes, image.shown),
            )
            for place, image in enumerate(images)
        ),
    )
    shown = [image.shown for image in images]
    label = f"{len(images)} images were each shown {min(shown)} to {max(shown)} times"
    return picture(
        axes,
        label,
        [
            axes.y_grid(y_ticks),
            bars,
            polyline(steps_of, "al-line"),
            axes.x_title("images, by how much of their plan is reached"),
            axes.y_title("answers"),
        ],
    )


def bar_width(axes: Axes, bars: int) -> float:
    whole = (axes.width - axes.left - axes.right) / bars
    return max(whole - (1.5 if whole > 4 else 0.2), 0.4)


def bar_height(axes: Axes, value: float) -> str:
    return number(axes.height - axes.bottom - float(axes.y(value)))


def distribution_plot(distribution: Distribution) -> SafeString:
    """Draw how many ratings lie in each part of the scale, in percent."""
    total = max(distribution.ratings, 1)
    shares = [100 * count / total for count in distribution.counts]
    wide = 100 / len(shares)
    y_ticks = ticks(0, max(*shares, 10), 3)
    axes = Axes(300, 150, (0, 100), (0, y_ticks[-1]))
    bars = format_html_join(
        "",
        '<rect class="st-minute" x="{}" y="{}" width="{}" height="{}"/>',
        (
            (
                axes.x(place * wide),
                axes.y(share),
                number(bar_width(axes, len(shares))),
                bar_height(axes, share),
            )
            for place, share in enumerate(shares)
        ),
    )
    spoken = ", ".join(f"{share:.0f}" for share in shares)
    label = f"{distribution.construct}: percent of {distribution.ratings} ratings in each tenth: {spoken}"
    ends = f"{distribution.low} … {distribution.high}"
    return picture(
        axes,
        label,
        [axes.y_grid(y_ticks), axes.x_grid([0, 50, 100]), bars, axes.x_title(ends), axes.y_title("%")],
    )
