"""A rehearsal: robots by the pages, robots through the services, and what was stored compared with the plan.

Each robot is one transaction or one participant, so that a worker that takes over an interrupted rehearsal
sends nobody twice: who has joined by the pages goes on where they were.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from django.db import transaction

from almond.evidence.rehearsed.comparing import BlockCheck, Expected, compare_rows, findings_of
from almond.evidence.rehearsed.settings import RehearsalSettings
from almond.progress import Part
from jobs.services.execution import RunningJob
from ratings.runs.chromium import BrowserFailed, Chromium, running_chromium
from ratings.runs.loopback import site_on_loopback
from ratings.runs.visiting import COMPUTER, TELEPHONE, PageVisit, Window, go_through
from ratings.services.exporting import export_tables
from ratings.services.rehearsals.robots import (
    pages_of_robot,
    participant_of,
    robot_path,
    send_robot,
    visit_of_robot,
)
from ratings.services.rehearsals.starting import people_of, settings_of
from studies.models import Rehearsal
from studies.services.information import information_of
from studies.services.rehearsing import finish_rehearsal, keep_report

PATIENCE = 60.0
"""Seconds in which something has to happen on a page, beside the longest wait that the plan itself has."""
ENDED = {"finished", "finished_late", "screened_out"}


def rehearse(job: RunningJob) -> dict[str, Any]:
    """Arguments: rehearsal. Returns whether it passed, and how many findings there are."""
    row = Rehearsal.objects.select_related("study", "copy").get(pk=job.arguments["rehearsal"])
    if row.finished_at is None:
        settings = settings_of(row)
        people_of(row)  # what is wrong with them is said before anybody comes
        visits, reason = by_pages(row, settings, Part(job, 0.0, 0.6))
        through_services(row, settings, Part(job, 0.6, 0.9))
        job.report(0.9, "comparing what was stored with the plan")
        checks = compare_stored(row, settings, {visit.number for visit in visits if visit.resumed})
        row = finish_rehearsal(
            rehearsal=row, result=result_of(settings, visits, reason, checks), by=job.job.requested_by
        )
    for text in (row.summary, *row.findings):
        job.log(text)
    return {"passed": row.passed, "findings": len(row.findings)}


def through_services(row: Rehearsal, settings: RehearsalSettings, progress: Part) -> None:
    """Let those robots answer through the services who have not yet."""
    for number in range(settings.pages, settings.people):
        if participant_of(row, number) is None:
            with transaction.atomic():
                send_robot(row, number)
        progress.report((number + 1) / settings.people, f"{number + 1} of {settings.people} people")


def by_pages(row: Rehearsal, settings: RehearsalSettings, progress: Part) -> tuple[list[PageVisit], str]:
    """Send robots through the pages; return how it went, and why nobody could be sent where that is so."""
    visits: list[PageVisit] = []
    if not settings.pages:
        return visits, "nobody was to be sent"
    try:
        with site_on_loopback() as site, running_chromium() as browser:
            for number in range(settings.pages):
                report = Part(progress, number / settings.pages, (number + 1) / settings.pages)
                known = known_visit(row, number)
                visits.append(known or one_visit(row, number, (site, browser), report))
                keep_report(rehearsal=row, visits=[visit.to_json() for visit in visits])
    except BrowserFailed as error:
        return visits, str(error)
    return visits, ""


def known_visit(row: Rehearsal, number: int) -> PageVisit | None:
    """Return the visit that an earlier attempt of this job saw to its end."""
    told = Rehearsal.objects.get(pk=row.pk).report.get("visits", [])
    return PageVisit(**told[number]) if number < len(told) else None


def one_visit(row: Rehearsal, number: int, where: tuple[str, Chromium], progress: Part) -> PageVisit:
    """Send one robot through the pages: from the front page, or from where its last browser was.

    :param where: the site's address, and the browser.
    """
    site, browser = where
    window = window_of(row, number)
    before = participant_of(row, number)
    visit = PageVisit(number, window.name, resumed=before is not None)
    path = robot_path(row, number) if before is None else pages_of_robot(before)
    patience, report = PATIENCE + longest_wait(row), partial(tell, progress, number)
    go_through(browser, f"{site}{path}", visit, window, patience=patience, report=report)
    robot = participant_of(row, number)
    if robot is None:
        visit.complain("the robot did not join")
    elif robot.status not in ENDED:
        visit.complain(f"the robot is {robot.get_status_display()} and has not finished")
    return visit


def tell(progress: Part, number: int, where: str) -> None:
    progress.report(0.5, f"robot {number + 1} by the pages: {where}")


def window_of(row: Rehearsal, number: int) -> Window:
    """Return the window of a robot: a computer's and a telephone's in turn, where the study admits these.

    A study that asks for a larger window gets one.
    """
    rules = information_of(row.copy)
    if number % 2 and not rules.rules_out_devices:
        return TELEPHONE
    width = max(COMPUTER.width, rules.least_width or 0)
    return COMPUTER._replace(width=width, height=max(COMPUTER.height, rules.least_height or 0))


def longest_wait(row: Rehearsal) -> float:
    """Return the seconds for which the plan itself lets nothing happen: a break, an instruction."""
    waits = (float(getattr(block, "least_seconds", 0) or 0) for block in row.copy.frozen_plan.blocks)
    return max(waits, default=0.0)


def compare_stored(row: Rehearsal, settings: RehearsalSettings, resumed: set[int]) -> list[BlockCheck]:
    """Compare the rows of an export with what the robots answered; those who got stuck are no part of it.

    :param resumed: numbers of robots that went on in another browser.
    """
    people = list(expected_people(row, settings, resumed))
    return compare_rows(row.copy.frozen_plan, people, export_tables(row.copy))


def expected_people(row: Rehearsal, settings: RehearsalSettings, resumed: set[int]) -> Iterator[Expected]:
    """Yield the robots that reached the end, or left where it was declared."""
    for number in range(settings.people):
        participant = participant_of(row, number)
        typed = number < settings.pages
        if participant is None or (typed and participant.status not in ENDED):
            continue  # stuck: the visit says where
        visit = visit_of_robot(row, number, participant)
        assigned = participant.assignment.number
        yield Expected(participant.name, assigned, visit, typed, watched=number not in resumed)


def result_of(
    settings: RehearsalSettings, visits: list[PageVisit], reason: str, checks: list[BlockCheck]
) -> dict[str, Any]:
    """Put together what came of a rehearsal: findings, a summary, visits and every column."""
    findings = [f"Not taken through the pages: {reason}."] if reason else []
    for visit in visits:
        who = f"Robot {visit.number + 1} by the pages ({visit.window})"
        findings += [f"{who}: {complaint}" for complaint in visit.complaints]
    findings += findings_of(checks)
    came = sum(bool(visit.end) for visit in visits)
    robots = f"{settings.people} robot{'s' if settings.people != 1 else ''}"
    ends = f"{robots}, {came} through the pages"
    rows = sum(check.differ for check in checks)
    said = "all stored rows as planned" if not rows else f"{rows} stored cells are not as planned"
    return {
        "findings": findings,
        "summary": f"{ends}; {said}",
        "pages": [visit.to_json() for visit in visits],
        "not_by_pages": reason,
        "checks": [check.to_json() for check in checks],
    }
