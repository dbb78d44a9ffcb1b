"""What a report says, section by section, from the JSON values of an analysis: for HTML and Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from almond.analysis.sentences import deviation_sentences, exclusion_sentences, method_paragraphs
from almond.report.document import Section, Table
from almond.report.wording import p_cell, percent

Data = Mapping[str, Any]
CLASSIFIERS = {
    "lda": "Shrinkage discriminant (primary)",
    "pls": "Partial least squares discriminant",
    "lda_within": "Shrinkage discriminant, profiles centred within scene",
}


def sections(data: Data) -> list[Section]:
    makers = (regions, profile, chosen, natural, reliable)
    found = [section for maker in makers if (section := maker(data))]
    return [*found, participants(data), methods(data), provenance(data)]


def key_numbers(data: Data) -> list[tuple[str, str, str]]:
    """The few main numbers as (name, value, note)."""
    found = []
    if data["classification"]:
        lda = data["classification"]["lda"]
        found.append(
            (
                "accuracy",
                f"{lda['accuracy']:.2f}",
                f"chance {lda['chance']:.2f}, permuted {lda['null_mean']:.3f}",
            )
        )
    if data["choices"]:
        overall = data["choices"]["overall"]
        interval = f"{percent(overall['probability_low'])} to {percent(overall['probability_high'])}"
        found.append(("chose the pushed image", percent(overall["share"]), f"model interval {interval}"))
    if data["natural"] and data["natural"]["scores"]:
        rows = data["natural"]["scores"]["associations"]
        best = max(rows, key=lambda row: abs(float(row["r"])))
        words = f"{best['predictor'].removeprefix('score_')} with {best['construct']}"
        found.append(("strongest correlation", f"{best['r']:+.2f}", words))
    sample = data["sample"]
    found.append(("participants", str(sample["analysed"]), f"of {sample['joined']} who joined"))
    found.append(("base scenes", str(sample["scenes"]), f"{sample['stimuli']} stimuli"))
    return found


def units_text(units: Data) -> str:
    """``40 participants, 12 base scenes, 48 stimuli``"""
    stimuli = f", {units['stimuli']} stimuli" if "stimuli" in units else ""
    return f"{units['participants']} participants, {units['scenes']} base scenes{stimuli}"


def regions(data: Data) -> Section | None:
    found = data["classification"]
    if not found:
        return None
    lda = found["lda"]
    low, _, high = lda["null_quantiles"]
    rows = tuple(
        (
            words,
            f"{found[method]['accuracy']:.3f}",
            f"{found[method]['chance']:.3f}",
            f"{found[method]['null_mean']:.3f}",
            p_cell(found[method]["p"]),
        )
        for method, words in CLASSIFIERS.items()
    )
    pairs = tuple(
        (
            f"{row['first']} against {row['second']}",
            f"{row['accuracy']:.2f}",
            f"{row['chance']:.2f}",
            p_cell(row["p"]),
            p_cell(row["p_max"]),
            p_cell(row["p_holm"]),
        )
        for row in lda["pairs"]
    )
    scenes = tuple((name, f"{share:.2f}") for name, share in lda["scene_accuracy"].items())
    dropped = f" Left out for want of ratings: {', '.join(found['dropped'])}." if found["dropped"] else ""
    return Section(
        title="Do judgements tell the intended region?",
        paragraphs=(
            "From mean ratings alone, a classifier that had seen no image of a base scene was asked for the "
            f"intended target of that scene’s images. {units_text(found['units'])}; at least "
            f"{found['smallest_cell']} ratings behind every mean.{dropped}",
        ),
        figures=(
            (
                "confusion",
                "Share of the images of each intended target (row) by predicted target, counts below.",
            ),
            (
                "null",
                f"The observed accuracy against {lda['permutations']} permutations; 95 % of those lie "
                f"between {low:.2f} and {high:.2f}, their mean is {lda['null_mean']:.3f}. "
                "Dashed: 1 / number of targets.",
            ),
        ),
        tables=(
            Table(("classifier", "accuracy", "1/k", "permuted", "p"), rows, wrapped=(0,)),
            Table(
                ("pair", "accuracy", "permuted", "p", "p family-wise", "p Holm"),
                pairs,
                folded="Every pair of targets",
            ),
            Table(("base scene", "accuracy"), scenes, folded="Accuracy by base scene"),
        ),
        notes=(f"B = {lda['permutations']} permutations within base scenes, seed {lda['seed']}.",),
    )


def profile(data: Data) -> Section | None:
    found = data["profiles"]
    if not found or not found["cells"]:
        return None
    rows = tuple(
        (
            row["target"],
            row["construct"],
            f"{row['shift']:+.2f}",
            f"{row['low']:+.2f} to {row['high']:+.2f}",
            f"{row['t']:.2f} ({row['df']:.0f})",
            p_cell(row["p"]) + (" †" if row["singular"] else ""),
        )
        for row in found["shifts"]
    )
    head = ("target", "construct", "shift", "95 % interval", "t (df)", "p")
    shifts = Table(head, rows, text=(0, 1), folded="Shifts of every rating by every target")
    return Section(
        title="How were the images of each target rated?",
        paragraphs=(f"{units_text(found['units'])}.",),
        figures=(
            (
                "profiles",
                "Filled: images pushed up; hollow: pushed down. Means over base scenes with 95 % intervals.",
            ),
        ),
        tables=(shifts,) if rows else (),
        items=tuple(f"Not fitted: {name}: {reason}." for name, reason in found["absent"].items()),
        notes=(
            "Shift: rating of images pushed up minus pushed down, in participants’ standard deviations; each "
            "interval and p stands alone, without correction. † A variance was estimated as zero.",
        ),
    )


def chosen(data: Data) -> Section | None:
    found = data["choices"]
    if not found:
        return None
    overall = found["overall"]
    tests = [("all", overall), *((row["target"], row) for row in found["targets"])]
    rows = tuple(
        (
            name,
            percent(row["share"]),
            f"{row['estimate']:+.2f}",
            "not defined" if row["t"] is None else f"{row['t']:.2f} ({row['df']:.0f})",
            "not defined" if row["p_wald"] is None else p_cell(row["p_wald"]),
            p_cell(row["p_likelihood"]),
            p_cell(row["sign_flip"]["p"]),
            p_cell(row["p_holm"]) if "p_holm" in row else "",
        )
        for name, row in tests
    )
    head = ("target", "aligned", "log odds", "t (df)", "p", "p likelihood", "p sign flips", "p Holm")
    people = tuple(
        (row["name"], percent(row["share"]), str(row["trials"])) for row in overall["by_participant"]
    )
    spread = ", ".join(f"{name} {sd:.2f}" for name, sd in overall["sd"].items())
    flips = overall["sign_flip"]
    drawn = (
        f"all {flips['flips']} sign patterns"
        if flips["exact"]
        else f"{flips['flips']} sign flips, seed {flips['seed']}"
    )
    odd = [name for name, row in tests if row["separated"]]
    notes = [f"Random effects’ standard deviations in log odds: {spread}. Overall sign-flip test: {drawn}."]
    if odd:
        notes.append(
            f"Separated ({', '.join(odd)}): choices left the model no finite estimate; p is that of the "
            "likelihood ratio."
        )
    notes += ["A variance was estimated as zero in the overall model."] if overall["singular"] else []
    return Section(
        title="Do people choose the image that was pushed up?",
        paragraphs=(
            f"{overall['trials']} choices by {units_text(found['units'])}. The left image was chosen in "
            f"{percent(overall['left_share'])} of trials.",
        ),
        figures=(
            (
                "choices",
                "Above the line: probability for a typical participant and scene, mixed model, 95 % "
                "interval. Below: observed share in each base scene. Dashed: 50 %.",
            ),
        ),
        tables=(
            Table(head, rows),
            Table(("participant", "aligned", "choices"), people, folded="Share by participant"),
        ),
        items=tuple(f"Not tested: {name}: {reason}." for name, reason in found["absent"].items()),
        notes=tuple(notes),
    )


def natural(data: Data) -> Section | None:
    found = data["natural"]
    if not found:
        return None
    tables, figures, notes = [], [], []
    captions = {"scores": "predicted responses", "norms": "published norms"}
    for family, words in captions.items():
        result = found[family]
        if not result:
            continue
        rows = tuple(
            (
                row["predictor"].split("_", 1)[1],
                row["construct"],
                f"{row['r']:+.2f}",
                f"{row['low']:+.2f} to {row['high']:+.2f}",
                p_cell(row["p"]),
                p_cell(row["p_max"]),
            )
            for row in result["associations"]
        )
        head = (words, "rating", "r", "95 % interval", "p", "p family-wise")
        tables.append(Table(head, rows, text=(0, 1)))
        figures.append((family, f"Mean ratings of images against {words}; intervals by resampling images."))
        notes += [f"{name} was not tested: {reason}." for name, reason in result["skipped"].items()]
        notes.append(
            f"{words.capitalize()}: B = {result['permutations']} permutations of {result['stimuli']} "
            f"stimuli, {result['resamples']} resamples, seed {result['seed']}."
        )
    return Section(
        title="Do predictions go with how people rate natural images?",
        paragraphs=(f"{units_text(found['units'])}.",),
        figures=tuple(figures),
        tables=tuple(tables),
        notes=tuple(notes),
    )


def reliable(data: Data) -> Section | None:
    found = data["reliability"]
    if not found:
        return None
    halves = tuple(
        (
            row["construct"],
            f"{row['reliability']:.2f}",
            f"{row['low']:.2f} to {row['high']:.2f}",
            f"{row['r']:.2f}",
            str(row["stimuli"]),
        )
        for row in found["split_half"]
    )
    again = tuple(
        (
            row["construct"],
            "not defined" if row["r"] is None else f"{row['r']:.2f}",
            f"{row['difference']:.1f}",
            str(row["pairs"]),
        )
        for row in found["repeats"]
    )
    tables = []
    if halves:
        columns = ("construct", "reliability", "95 % of splits", "r of halves", "stimuli")
        tables.append(Table(columns, halves, folded="Halves of the participants"))
    if again:
        head = ("construct", "r", "mean difference (points)", "pairs")
        tables.append(Table(head, again, folded="Repeated showings"))
    return Section(
        title="How reliable are the ratings?",
        paragraphs=(f"{units_text(found['units'])}.",),
        figures=(
            (
                "reliability",
                "Filled: stimulus means of random halves of the participants, Spearman-Brown corrected, with "
                "the central 95 % of splits. Hollow: first against second showing of an image to one "
                "participant.",
            ),
        ),
        tables=tuple(tables),
    )


def participants(data: Data) -> Section:
    rows = tuple(
        (
            row["construct"],
            str(row["ratings"]),
            f"{row['mean']:.1f}",
            f"{row['sd']:.1f}",
            f"{row['median_rt_ms'] / 1000:.1f} s",
        )
        for row in data["sample"]["ratings_summary"]
    )
    status = ", ".join(f"{size} {name}" for name, size in data["sample"]["status"].items())
    head = ("construct", "ratings", "mean", "SD", "median time")
    return Section(
        title="Who took part, and what was left out",
        paragraphs=(
            f"{data['sample']['joined']} joined ({status or 'nobody'}); "
            f"{data['sample']['analysed']} are analysed.",
        ),
        items=tuple(exclusion_sentences(data)),
        tables=(Table(head, rows),) if rows else (),
    )


def methods(data: Data) -> Section:
    tests = tuple(
        (
            row["test"],
            p_cell(row["p"]),
            "" if row["p_holm_primary"] is None else p_cell(row["p_holm_primary"]),
            "primary" if row["primary"] else "secondary",
            row["status"],
        )
        for row in data["tests"]
    )
    absent = tuple(f"{row['analysis'].capitalize()} did not run: {row['reason']}." for row in data["not_run"])
    deviations = tuple(f"Deviation. {text}" for text in deviation_sentences(data) if text != "None.")
    head = ("test", "p", "p Holm over primary", "in the plan", "status")
    return Section(
        title="Methods, and what did not run",
        paragraphs=tuple(method_paragraphs(data)),
        tables=(Table(head, tests, text=(0, 3, 4)),) if tests else (),
        items=absent + (deviations or ("Deviations from the plan: none.",)),
    )


def provenance(data: Data) -> Section:
    study, planned, used = data["study"], data["planned"], data["settings"]
    facts = (
        ("plan", study["plan_digest"]),
        ("export (SHA-256 of manifest.json)", study["manifest_sha256"]),
        ("files checked", str(study["files"])),
        ("exported", f"{study['created']} by almond {study['exported_by']}"),
        ("permutations", f"{used['permutations']} (planned {planned['permutations']})"),
        ("seed", f"{used['seed']} (planned {planned['seed']})"),
        ("error level", f"{used['alpha']} (planned {planned['alpha']})"),
        ("primary tests", ", ".join(planned["primary"])),
        ("software", ", ".join(f"{name} {version}" for name, version in data["software"].items())),
    )
    return Section(
        title="Where this comes from",
        paragraphs=(
            "Everything above was computed from the export alone; every file in it was checked against its "
            "digest first. The command “python -m almond analyse EXPORT” repeats it.",
        ),
        tables=(Table(("what", "value"), facts, text=(0, 1), wrapped=(1,)),),
    )
