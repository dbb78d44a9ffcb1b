"""Results in plain words. Everything here reads the JSON values of an analysis, nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from almond.report.wording import p_text, percent


def headline(data: Mapping[str, Any]) -> list[str]:
    """The answers, most important first; the reasons where there is none."""
    found = [sentence for maker in (told_region, followed, went_with) if (sentence := maker(data))]
    return found or ["No test of the question could be run: " + reasons(data)]


def reasons(data: Mapping[str, Any]) -> str:
    return "; ".join(f"{row['analysis']}: {row['reason']}" for row in data["not_run"]) + "."


def told_region(data: Mapping[str, Any]) -> str | None:
    if not data["classification"]:
        return None
    lda = data["classification"]["lda"]
    told = (
        "Judgements told the intended region"
        if lda["p"] <= data["settings"]["alpha"]
        else "Judgements did not tell the intended region beyond chance"
    )
    return f"{told}: accuracy {lda['accuracy']:.2f} (chance {lda['chance']:.2f}), {p_text(lda['p'])}."


def followed(data: Mapping[str, Any]) -> str | None:
    if not data["choices"]:
        return None
    overall = data["choices"]["overall"]
    share, alpha = overall["share"], data["settings"]["alpha"]
    if overall["p"] > alpha:
        start = "Choices did not follow the manipulation beyond chance"
    elif overall["estimate"] > 0:
        start = "Choices followed the manipulation"
    else:
        start = "Choices went against the manipulation"
    return f"{start}: the image pushed up was chosen in {percent(share)} of choices, {p_text(overall['p'])}."


def went_with(data: Mapping[str, Any]) -> str | None:
    if not data["natural"] or not data["natural"]["scores"]:
        return None
    rows = data["natural"]["scores"]["associations"]
    best = max(rows, key=lambda row: abs(float(row["r"])))
    name = best["predictor"].removeprefix("score_")
    start = (
        "Predicted responses went with how people rated the images"
        if best["p_max"] <= data["settings"]["alpha"]
        else "Predicted responses did not go with how people rated the images beyond chance"
    )
    strongest = f"strongest for {name} and {best['construct']}, r = {best['r']:.2f}"
    return f"{start}: {strongest}, {p_text(best['p_max'])} over all {len(rows)} pairs."


def sample_sentence(data: Mapping[str, Any]) -> str:
    sample = data["sample"]
    return (
        f"{sample['analysed']} participants analysed of {sample['joined']} who joined "
        f"({sample['planned']} planned); {sample['scenes']} base scenes, {sample['stimuli']} stimuli, "
        f"{sample['ratings']} ratings, {sample['choices']} choices."
    )


def mode_sentence(data: Mapping[str, Any]) -> str:
    if data["mode"] == "confirmatory":
        named = ", ".join(data["planned"]["primary"])
        return f"Confirmatory: run as the frozen plan says. Primary tests: {named}. Others are exploratory."
    changed = "; ".join(
        f"{row['what']} {row['planned']} planned, {row['done']} used"
        for row in data["deviations"]
        if row["kind"] == "analysis"
    )
    return f"Exploratory: settings differ from the frozen plan ({changed})."


def deviation_sentences(data: Mapping[str, Any]) -> list[str]:
    found = [
        f"{row['kind'].capitalize()}: {row['what']} planned {row['planned']}, done {row['done']}."
        for row in data["deviations"]
    ]
    return found or ["None."]


def exclusion_sentences(data: Mapping[str, Any]) -> list[str]:
    return [
        f"Rule “{row['rule']}”: {row['count']} of {row['of']} {row['what']} left out."
        for row in data["sample"]["exclusions"]
    ]


def method_paragraphs(data: Mapping[str, Any]) -> list[str]:
    """How each test that ran was done, in the order of the report."""
    settings = data["settings"]
    drawn = f"B = {settings['permutations']} permutations, seed {settings['seed']}"
    found = [
        "Ratings are standardised within participant and construct over all images that the participant "
        "rated, without use of the labels. Exclusions follow rules that never look at an answer."
    ]
    if data["classification"]:
        found.append(
            "Rating profile to intended target: mean profiles of the images pushed up; shrinkage linear "
            "discriminant analysis (shrinkage 0.2); beside it partial least squares discriminant analysis, "
            "and the first on profiles centred within base scene; each base scene held out in turn, scaling "
            "learned on the others; balanced accuracy. Labels are "
            f"permuted within base scene and the whole cross-validation is repeated ({drawn}), "
            "p = (1 + b) / (1 + B). Pairs of targets: accuracy from the same scores, family-wise p from "
            "the largest pair in every permutation, Holm's beside it. Chance is re-derived as the mean over "
            "permutations."
        )
    if data["choices"]:
        found.append(
            "Choices: logistic mixed model of choosing the image pushed up (Laplace approximation) with an "
            "intercept and random participants, base scenes and, where a scene has several, pairs; Wald t "
            "with degrees of freedom from the random factor with the fewest units, less one. Beside it the "
            "likelihood ratio and a sign-flip test over base scenes."
        )
    if data["natural"]:
        found.append(
            "Natural images: Pearson correlations over stimuli of mean standardised ratings with predicted "
            f"scores and with norms; p by permuting stimuli ({drawn}), family-wise by the largest absolute "
            "correlation; intervals by resampling stimuli."
        )
    if data["profiles"]:
        found.append(
            "Profiles: means over base scenes with t intervals. Shifts: linear mixed model (REML) of the "
            "standardised rating on direction with participants' slopes and base scenes' intercepts and "
            "slopes; t with degrees of freedom from the smaller factor, less one."
        )
    if data["reliability"]:
        found.append(
            f"Reliability: stimulus means of random halves of the participants (1000 splits, seed "
            f"{settings['seed']}), Spearman-Brown corrected; repeated showings within participants."
        )
    return found
