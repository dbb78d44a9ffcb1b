"""The words for what differs between stimuli: targets of guidance, or the conditions of an imported table.

A question computes the same on both; its title, sentences, labels and methods are written with one of these.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from almond.analysis.external import external_facts


@dataclass(frozen=True)
class Vocabulary:
    """Words of a report; every field is written as it stands inside a sentence.

    :param group: what stimuli are grouped by, with its plural ``groups``; ``label`` names it in full.
    :param image: one stimulus, with its plural ``images``; ``scenes`` are what they are versions of.
    :param raised: the stimuli of direction 1, and ``lowered`` those of direction -1, beside the raised ones.
    :param compared: stimuli that are classified, or None where they need no mention.
    :param expected: of a pair, the stimulus whose choice is aligned; ``high`` names it by its place alone.
    :param followed: what choices follow, as in “choices followed ...”.
    :param varied: what ratings differ with, as in “differ with ...”, where there are two directions.
    :param identified: the question of the classification, then its answer if it is yes, then if it is no.
    :param accuracy_of: what is identified, as in “its ... was identified”.
    :param none_raised: why nothing could be classified; ``ungrouped`` why pairs could not be tested.
    :param made: why a test of natural images does not run.
    :param direct: what a test beside low-level features leaves.
    :param preparation: what was done before any test.
    :param themes: what themes are, in the methods of choices.
    """

    group: str
    groups: str
    label: str
    image: str
    images: str
    scenes: str
    scene: str
    raised: str
    lowered: str
    hollow: str
    against: str
    expected: str
    high: str
    chosen: str
    followed: tuple[str, str, str]
    varied: str
    few_points: str
    rated: str
    identified: tuple[str, str, str]
    accuracy_of: str
    one: str
    row: str
    compared: str
    none_raised: str
    no_groups: str
    ungrouped: str
    made: str
    levels: str
    unscored: str
    direct: str
    none_measured: str
    check: str
    preparation: str
    themes: str
    aligned: str
    aligned_choices: str
    beside: tuple[str, str, str]
    at_zero: str
    aligned_beside: str
    geometry: str
    no_models: str


GUIDED = Vocabulary(
    group="target",
    groups="targets",
    label="intended target",
    image="image",
    images="images",
    scenes="base scenes",
    scene="base scene",
    raised="images manipulated towards a higher predicted response",
    lowered="images manipulated towards a lower one",
    hollow="towards a lower one",
    against="those towards a lower one",
    expected="the image manipulated towards a higher predicted response",
    high="the image manipulated upwards",
    chosen="Do people choose the image manipulated towards a higher predicted response?",
    followed=(
        "Choices did not follow the manipulation beyond chance",
        "Choices followed the manipulation",
        "Choices were opposed to the manipulation",
    ),
    varied="the direction of the manipulation",
    few_points="Do ratings on few points differ with the manipulation?",
    rated="How were the images of each target rated?",
    identified=(
        "Do rating profiles identify the intended region?",
        "Participants rated images differently depending on which region they were made for",
        "Ratings did not depend on which region the images were made for, beyond chance",
    ),
    accuracy_of="region",
    one="an image",
    row="intended",
    compared="ratings of the images manipulated towards a higher predicted response.",
    none_raised="no rated image was manipulated towards a higher predicted response of a target",
    no_groups="no stimulus has an intended target",
    ungrouped="some pairs have no intended target",
    none_measured="no rated image that was manipulated has low-level features",
    check="Manipulation check",
    made="the stimuli have intended targets; this test is for images that were not manipulated",
    unscored="some image has no predicted response of its own target",
    levels="no target has images at three or more levels of signed strength ({said})",
    direct="What remains is a direct effect, one beside the features. Where the manipulation works through "
    "colour or contrast, the features carry part of its effect, so that what remains is not the "
    "whole effect.",
    preparation="Ratings are standardised within participant and construct over all images that the "
    "participant rated, without use of the labels. Exclusions follow rules that never look at what an image "
    "was made for.",
    themes="themes (the prompts of the images)",
    aligned="aligned",
    aligned_choices="aligned choices",
    beside=(
        "Beside low-level differences, choices did not follow the manipulation beyond chance",
        "Choices followed the manipulation beside low-level differences",
        "Choices were opposed to the manipulation beside low-level differences",
    ),
    at_zero="the one manipulated towards a higher predicted response",
    aligned_beside="Are choices aligned where images do not differ in low-level features?",
    geometry="What is the geometry of the ratings, and of the predicted responses?",
    no_models="stimuli.csv holds neither predicted scores nor low-level features",
)
EXTERNAL = Vocabulary(
    group="condition",
    groups="conditions",
    label="condition",
    image="stimulus",
    images="stimuli",
    scenes="scenes",
    scene="scene",
    raised="stimuli of direction 1",
    lowered="stimuli of direction -1",
    hollow="of direction -1",
    against="those of direction -1",
    expected="the expected stimulus",
    high="the expected stimulus",
    chosen="Do people choose the expected stimulus?",
    followed=(
        "Choices were not as expected beyond chance",
        "Choices were as expected",
        "Choices were opposed to what was expected",
    ),
    varied="the direction of the stimuli",
    few_points="Do ratings on few points differ between conditions, or with the direction of stimuli?",
    rated="How were the stimuli of each condition rated?",
    identified=(
        "Do rating profiles identify the condition of a stimulus?",
        "Participants rated stimuli of different conditions differently",
        "Ratings did not differ between conditions beyond chance",
    ),
    accuracy_of="condition",
    one="a stimulus",
    row="condition",
    compared="ratings of the stimuli that have a condition, by condition; of those with a direction, "
    "direction "
    "1 alone.",
    none_raised="no rated stimulus has a condition, with direction 1 where the table gives directions",
    no_groups="no stimulus has a condition",
    ungrouped="some pairs have no condition",
    none_measured="no rated stimulus that has a condition has low-level features",
    check="What the features tell",
    made="the stimuli have conditions; this test is for stimuli without, whose responses were predicted",
    unscored="an imported table has no predicted responses",
    levels="an imported table tells no strengths, of which a trend needs three or more",
    direct="What remains is a direct effect, one beside the features. Where conditions differ in colour or "
    "contrast, the features carry part of their effect, so that what remains is not the whole effect.",
    preparation="Ratings are carried to 0 to 100 and standardised within participant and construct over all "
    "stimuli that the participant rated, without use of the conditions. Nobody is left out.",
    themes="themes",
    aligned="as expected",
    aligned_choices="expected choices",
    beside=(
        "Beside low-level differences, choices were not as expected beyond chance",
        "Choices were as expected beside low-level differences",
        "Choices were opposed to what was expected beside low-level differences",
    ),
    at_zero="the expected one",
    aligned_beside="Are choices as expected where stimuli do not differ in low-level features?",
    geometry="How many dimensions do the ratings have?",
    no_models="no images were handed over, whose low-level features could be compared with ratings",
)


def vocabulary_of(data: Mapping[str, Any]) -> Vocabulary:
    """Return the words for the report of an analysis, from its JSON values."""
    return EXTERNAL if external_facts(data) else GUIDED
