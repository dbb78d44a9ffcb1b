"""What participants are told of a study: the facts beside its texts, and whom it lets in by their device."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from almond.design.plan import StudyPlan
from studies.models import Information, Study
from studies.services.presentation import estimated_minutes


@dataclass(frozen=True)
class Fact:
    """One line of the information sheet."""

    term: str
    text: str


def information_of(study: Study) -> Information:
    """Return what was written of a study; without a row an empty one, not stored."""
    return Information.objects.filter(study_id=study.pk).first() or Information(study_id=study.pk)


def facts(study: Study, plan: StudyPlan, information: Information | None = None) -> list[Fact]:
    """List the facts of a study in the language that is active, those left empty apart."""
    told = information or information_of(study)
    minutes = told.minutes or estimated_minutes(plan)
    listed = [
        Fact(_("Who runs this study"), told.researchers),
        Fact(_("Contact"), told.contact),
        Fact(_("Ethics approval"), told.ethics),
        Fact(_("Time"), ngettext("about %(n)d minute", "about %(n)d minutes", minutes) % {"n": minutes}),
        Fact(_("Payment"), told.payment),
    ]
    return [fact for fact in listed if fact.text]


def device_rule(information: Information) -> str:
    """Say in the active language what a participant's device must be; empty where any will do."""
    width, height = information.least_width, information.least_height
    parts = []
    if information.devices == Information.Devices.COMPUTER:
        parts.append(
            _("This study can be taken on a computer only: its pictures need a large screen and a keyboard.")
        )
    if width and height:
        size = {"width": width, "height": height}
        parts.append(_("The window must be at least %(width)d pixels wide and %(height)d high.") % size)
    elif width:
        parts.append(_("The window must be at least %(width)d pixels wide.") % {"width": width})
    elif height:
        parts.append(_("The window must be at least %(height)d pixels high.") % {"height": height})
    if width or height:
        parts.append(_("Please make it larger, or turn your device."))
    if parts:
        parts.append(_("To take part, open your link on a device that fits."))
    return " ".join(parts)


def contact_warnings(study: Study, information: Information) -> list[str]:
    """Say to experimenters what participants would miss in the information of a study."""
    if study.rehearsal:
        return []
    needed = {"who runs the study": information.researchers, "contact": information.contact}
    lacking = [name for name, text in needed.items() if not text]
    if not lacking:
        return []
    return [f"Participants are not told everything: {' and '.join(lacking)} of “information” is empty."]
