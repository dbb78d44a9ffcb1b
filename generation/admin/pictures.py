"""The plots of the generation pages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.utils.html import format_html
from django.utils.safestring import SafeString

from lab.svg import Axes, dot, number, padded, picture, polyline, ticks

DIRECTIONS = {-1: "down", 0: "base", 1: "up"}


def _rows(count: int, marks: Sequence[float], *, width: int, margin: int, row: int, **sides: int) -> Axes:
    """Make axes of ``count`` rows from top to bottom, ``row`` pixels each, plus ``margin`` in all."""
    return Axes(
        width=width,
        height=margin + row * max(count, 1),
        x_range=(marks[0], marks[-1]),
        y_range=(count - 0.5, -0.5),
        top=6,
        bottom=36,
        **sides,
    )


def _shaded(axes: Axes, low: float, high: float, *, css: str = "al-band", title: str = "") -> SafeString:
    """Shade the whole height between two values of x; ``title`` is what hovering shows."""
    return format_html(
        '<rect class="{}" x="{}" y="{}" width="{}" height="{}">{}</rect>',
        css,
        axes.x(low),
        axes.top,
        number(float(axes.x(high)) - float(axes.x(low))),
        number(axes.height - axes.top - axes.bottom),
        format_html("<title>{}</title>", title) if title else "",
    )


def _row_name(axes: Axes, place: float, name: str, *, css: str = "") -> SafeString:
    """Write a row's name to the left of the axis."""
    return format_html(
        '<text class="al-tick al-name{}" x="{}" y="{}" dy="0.32em" text-anchor="end">{}</text>',
        css,
        axes.left - 8,
        axes.y(place),
        name,
    )


def score_bars(scores: Mapping[str, float], *, intended: str = "") -> SafeString:
    """Draw one bar per target from 0, the mean of the reference images, in their standard deviations.

    The shaded band is one standard deviation of the reference images to either side.
    """
    names = list(scores)
    low, high = padded(scores.values(), include=(-1.2, 1.2))
    marks = ticks(low, high)
    axes = _rows(len(names), marks, width=420, margin=46, row=26, left=92, right=44)
    parts = [_shaded(axes, -1, 1), axes.x_grid(marks), axes.x_title("score (SD of reference images)")]
    for place, name in enumerate(names):
        parts.append(_bar(axes, place, name, scores[name], name == intended or name == f"{intended}_judge"))
    return picture(axes, "scores of all targets", parts)


def _bar(axes: Axes, place: int, name: str, value: float, marked: bool) -> SafeString:
    start, stop = sorted((float(axes.x(0)), float(axes.x(value))))
    label_x, anchor = (stop + 5, "start") if value >= 0 else (start - 5, "end")
    return _row_name(axes, place, label_of(name), css=" al-strong" if marked else "") + format_html(
        '<rect class="al-bar al-bar-{}{}" x="{}" y="{}" width="{}" height="14" rx="2"/>'
        '<text class="al-tick" x="{}" y="{}" dy="0.32em" text-anchor="{}">{}</text>',
        "up" if value >= 0 else "down",
        "" if marked else " al-faint",
        number(start),
        number(float(axes.y(place)) - 7),
        number(max(stop - start, 0.5)),
        number(label_x),
        axes.y(place),
        anchor,
        f"{value:+.2f}",
    )


def label_of(score_name: str) -> str:
    """Write ``LB_judge`` as ``LB, judge``."""
    return f"{score_name.removesuffix('_judge')}, judge" if score_name.endswith("_judge") else score_name


def trace_plot(trace: Sequence[Mapping[str, Any]], window: tuple[float, float], intended: str) -> SafeString:
    """Draw the scores of the predicted clean image over alpha-bar, a line per target; the window is shaded.

    The line of the intended target is emphasised; judges, which do not guide, are left out.
    """
    lines = _trace_lines(trace)
    if not lines:
        return SafeString("")
    marks = ticks(*padded((y for points in lines.values() for _, y in points), include=(0.0,)))
    axes = Axes(width=420, height=220, x_range=(0.0, 1.0), y_range=(marks[0], marks[-1]), right=44)
    window_shade = _shaded(axes, *window, css="al-window", title="guidance is on")
    parts = [window_shade, axes.y_grid(marks), axes.x_grid([0, 0.2, 0.4, 0.6, 0.8, 1.0])]
    places = spread_out({name: float(axes.y(points[-1][1])) for name, points in lines.items()}, 12.0)
    for name in sorted(lines, key=lambda line: line == intended):
        parts.append(_trace_line(axes, name, lines[name], places[name], name == intended))
    parts += [axes.x_title("alpha-bar (noise to image)"), axes.y_title("score (SD)")]
    return picture(axes, "scores of the predicted image over the steps", parts)


def steps_plot(steps: Sequence[Mapping[str, Any]], target: str) -> SafeString:
    """Draw the scores of the predicted picture at every step, by guide and judge; guided steps are shaded.

    The upright line is that of the step that the page shows; its script moves it.
    """
    name = target.removesuffix("_judge")
    shown = [score for score in (name, f"{name}_judge") if score in steps[0]["scores"]]
    lines = {score: [(float(s["step"]), float(s["scores"][score])) for s in steps] for score in shown}
    marks = ticks(*padded((y for points in lines.values() for _, y in points), include=(0.0,)))
    first, last = float(steps[0]["step"]), float(steps[-1]["step"])
    axes = Axes(
        width=460,
        height=220,
        x_range=(first - 0.5, last + 0.5),
        y_range=(marks[0], marks[-1]),
        right=64,
    )
    guided = [float(step["step"]) for step in steps if step["strength"]]
    shade = [_shaded(axes, min(guided) - 0.5, max(guided) + 0.5, css="al-window", title="guidance is on")]
    numbers = [mark for mark in ticks(first, last) if first <= mark <= last]
    parts = [*(shade if guided else []), axes.y_grid(marks), axes.x_grid(numbers)]
    places = spread_out({score: float(axes.y(points[-1][1])) for score, points in lines.items()}, 12.0)
    for score, points in lines.items():
        label = label_of(score)
        parts.append(_trace_line(axes, label, points, places[score], score == target, at="step"))
    top, floor = axes.top, number(axes.height - axes.bottom)
    mark = '<line class="al-step-mark" x1="{0}" x2="{0}" y1="{1}" y2="{2}" data-first="{0}" data-last="{3}"/>'
    parts.append(format_html(mark, axes.x(first), top, floor, axes.x(last)))
    parts += [axes.x_title("step (noise to image)"), axes.y_title("score (SD)")]
    return picture(axes, "scores of the predicted picture over the steps", parts)


def _trace_lines(trace: Sequence[Mapping[str, Any]]) -> dict[str, list[tuple[float, float]]]:
    lines: dict[str, list[tuple[float, float]]] = {}
    for step in trace:
        for name, value in (step.get("scores") or {}).items():
            if not name.endswith("_judge"):
                lines.setdefault(name, []).append((float(step["alpha_bar"]), float(value)))
    return lines


def spread_out(places: Mapping[str, float], apart: float) -> dict[str, float]:
    """Move places on an axis until neighbours are at least ``apart`` from each other, in the same order."""
    moved: dict[str, float] = {}
    last = -float("inf")
    for name, place in sorted(places.items(), key=lambda item: item[1]):
        last = moved[name] = max(place, last + apart)
    return moved


def _trace_line(
    axes: Axes,
    name: str,
    points: Sequence[tuple[float, float]],
    label_y: float,
    marked: bool,
    *,
    at: str = "alpha-bar",
) -> SafeString:
    drawn = polyline(
        ((axes.x(x), axes.y(y)) for x, y in points), "al-line" if marked else "al-line al-line-faint"
    )
    if marked:
        for x, y in points:
            drawn += dot(axes.x(x), axes.y(y), 2.2, "al-dot", f"{name} at {at} {x:.3g}: {y:+.2f}")
    return drawn + format_html(
        '<text class="al-tick{}" x="{}" y="{}" dy="0.32em">{}</text>',
        " al-name al-strong" if marked else "",
        number(float(axes.x(points[-1][0])) + 5),
        number(label_y),
        name,
    )


def score_strips(rows: Mapping[str, Sequence[tuple[int, float, str]]], *, title: str) -> SafeString:
    """Draw per row (direction, score, label) of images: down, base and up as three lanes with their means."""
    values = [value for dots in rows.values() for _, value, _ in dots]
    marks = ticks(*padded(values, include=(0.0,)))
    axes = _rows(len(rows), marks, width=460, margin=44, row=54, left=62)
    parts = [axes.x_grid(marks), axes.x_title(title)]
    for place, (name, dots) in enumerate(rows.items()):
        parts.append(_row_name(axes, place, name, css=" al-strong"))
        parts += [_lane(axes, place, sign, dots) for sign in (1, 0, -1)]
        if place:
            edge = axes.y(place - 0.5)
            line = '<line class="al-grid" x1="{}" x2="{}" y1="{}" y2="{}"/>'
            parts.append(format_html(line, axes.left, axes.width - axes.right, edge, edge))
    return picture(axes, title, parts)


def _lane(axes: Axes, place: int, sign: int, dots: Sequence[tuple[int, float, str]]) -> SafeString:
    scored = [(value, label) for direction, value, label in dots if direction == sign]
    if not scored:
        return SafeString("")
    height = place - 0.24 * sign
    drawn = SafeString("")
    for value, label in scored:
        css = f"al-spot al-spot-{DIRECTIONS[sign]}"
        drawn += dot(axes.x(value), axes.y(height), 3.2, css, f"{label}: {value:+.2f}")
    mean = axes.x(sum(value for value, _ in scored) / len(scored))
    return drawn + format_html(
        '<line class="al-mean" x1="{}" x2="{}" y1="{}" y2="{}"/>',
        mean,
        mean,
        axes.y(height - 0.11),
        axes.y(height + 0.11),
    )


def balance_plot(
    rows: Iterable[Mapping[str, Any]], bound: float, *, effect: str = "after", x_title: str = ""
) -> SafeString:
    """Draw differences of what is held, high minus low, one dot per target: hollow before, filled after.

    :param effect: ``after`` (mean difference, with ``before``) or ``d_z``, which has no before.
    """
    table = [row for row in rows if row.get(effect) is not None]
    features = list(dict.fromkeys(row["feature"] for row in table))
    shown = [("before", "al-hollow", 5.0)] if effect == "after" else []
    shown.append((effect, "al-dot", 3.5))
    values = [float(row[column]) for row in table for column, _, _ in shown]
    marks = ticks(*padded(values, include=(-bound, bound)))
    axes = _rows(len(features), marks, width=460, margin=44, row=24, left=150)
    shade = _shaded(axes, -bound, bound, title="bound")
    names = [_row_name(axes, i, feature.replace("_", " ")) for i, feature in enumerate(features)]
    spots = SafeString("")
    for row in table:
        y = axes.y(features.index(row["feature"]))
        for column, css, radius in shown:
            title = f"{row['intended_target']}, {column.replace('_', ' ')}: {float(row[column]):+.3f}"
            spots += dot(axes.x(float(row[column])), y, radius, css, title)
    title = x_title or "high − low (SD of the pool)"
    parts = [shade, axes.x_grid(marks), *names, spots, axes.x_title(title)]
    return picture(axes, f"balance of what is held, before and after matching: {title}", parts)


def scatter(points: Sequence[tuple[float, float, str]], *, x_title: str, y_title: str) -> SafeString:
    """Draw scores against norms: (x, y, label) each."""
    x_marks = ticks(*padded(x for x, _, _ in points))
    y_marks = ticks(*padded(y for _, y, _ in points))
    axes = Axes(width=380, height=260, x_range=(x_marks[0], x_marks[-1]), y_range=(y_marks[0], y_marks[-1]))
    spots = SafeString("")
    for x, y, label in points:
        spots += dot(axes.x(x), axes.y(y), 3.2, "al-dot", f"{label}: {x:.2f}, {y:.2f}")
    parts = [axes.x_grid(x_marks), axes.y_grid(y_marks), spots, axes.x_title(x_title), axes.y_title(y_title)]
    return picture(axes, f"{y_title} against {x_title}", parts)
