"""Constructs: what participants judge, in the words they read."""

from __future__ import annotations

from typing import NamedTuple

from django.db import models
from django.db.models import Q

from almond.design.words import ENGLISH, LANGUAGES
from almond.errors import InputError


def language_choices() -> list[tuple[str, str]]:
    """Return the languages in which a study can be taken."""
    return LANGUAGES.choices()


class ConstructWords(NamedTuple):
    """A judgement in one language; ``choice`` is empty where it is not asked of pairs."""

    question: str
    low: str
    high: str
    choice: str


class Construct(models.Model):
    """A judgement, in the words a participant reads."""

    name = models.SlugField(max_length=60, unique=True, help_text="Short, for tables: threat.")
    question = models.CharField(
        max_length=200, help_text="Asked of one image: How threatening is this scene?"
    )
    low = models.CharField("low end", max_length=60, help_text="What 0 means: not at all.")
    high = models.CharField("high end", max_length=60, help_text="What 100 means: extremely.")
    choice = models.CharField(
        "question of a pair",
        max_length=200,
        blank=True,
        help_text="Asked of two images: Which scene is more threatening?",
    )
    target = models.CharField(
        max_length=60,
        blank=True,
        help_text="The target whose pairs people are expected to tell apart by it, such as LB. Empty: none.",
    )
    language = models.CharField(
        max_length=20,
        choices=language_choices,
        default=ENGLISH,
        help_text="The language of the words above; others stand below.",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                condition=~Q(name="") & ~Q(question="") & ~Q(low="") & ~Q(high=""),
                name="construct_is_in_words",
            ),
            models.CheckConstraint(
                condition=Q(target="") | ~Q(choice=""),
                name="construct_of_a_target_asks_of_pairs",
                violation_error_message="A construct of a target needs the question of its pairs.",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_shown(self) -> bool:
        """Tell whether a study that is frozen asks it, so that its words stay as they are."""
        return self.blocks.exclude(study__state="draft").exists()

    def words_in(self, language: str) -> ConstructWords:
        """Return its words in a language.

        :raises InputError: it is not translated, or the question of pairs is not.
        """
        row = self if language == self.language else self.texts.filter(language=language).first()
        label = dict(language_choices()).get(language, language)
        if row is None:
            raise InputError(f"construct {self.name!r}", f"has no words in {label}", "its translation")
        if self.choice and not row.choice:
            problem = f"has no question of a pair in {label}"
            raise InputError(f"construct {self.name!r}", problem, "its translation")
        return ConstructWords(row.question, row.low, row.high, row.choice)


class ConstructText(models.Model):
    """A construct in another language."""

    construct = models.ForeignKey(Construct, on_delete=models.CASCADE, related_name="texts")
    language = models.CharField(max_length=20, choices=language_choices)
    question = models.CharField(max_length=200)
    low = models.CharField("low end", max_length=60)
    high = models.CharField("high end", max_length=60)
    choice = models.CharField("question of a pair", max_length=200, blank=True)

    class Meta:
        verbose_name = "translation"
        ordering = ["language"]
        constraints = [
            models.UniqueConstraint(
                fields=["construct", "language"],
                name="construct_translated_once",
                violation_error_message="Each language stands once.",
            ),
            models.CheckConstraint(
                condition=~Q(language="") & ~Q(question="") & ~Q(low="") & ~Q(high=""),
                name="translation_is_in_words",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.construct} ({self.language})"
