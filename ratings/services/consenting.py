"""The form to which participants consent: its text as it is shown, and the row that keeps it."""

from __future__ import annotations

from django.utils.translation import gettext as _

from almond.design.plan import StudyPlan
from almond.digest import digest_bytes
from ratings.models import ConsentForm
from studies.models import Study
from studies.services.information import facts
from studies.services.presentation import paragraphs


def agreement() -> str:
    """Return the sentence beside the box to tick, in the language of the page."""
    return _("I have read this and I agree to take part.")


def form_text(study: Study, plan: StudyPlan | None = None) -> str:
    """Write the form as plain text: title, facts, text, agreement. The study's language is active.

    :param plan: instead of the frozen one.
    """
    lines = "\n".join(f"{fact.term}: {fact.text}" for fact in facts(study, plan or study.frozen_plan))
    parts = [study.title, lines, *paragraphs(study.consent), agreement()]
    return "\n\n".join(part for part in parts if part) + "\n"


def form_digest(study: Study) -> str:
    """Return the SHA-256 by which the form that is shown now is known."""
    return digest_bytes(form_text(study).encode())


def stored_form(study: Study) -> ConsentForm:
    """Return the row of the form that is shown now, stored when somebody agrees for the first time."""
    text = form_text(study)
    fields = {"language": study.language, "text": text}
    return ConsentForm.objects.get_or_create(
        study_id=study.pk, digest=digest_bytes(text.encode()), defaults=fields
    )[0]
