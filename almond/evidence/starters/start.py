"""Reads this export and repeats its primary estimates, with pandas, numpy and scipy:   python start.py

Tables are plain CSV files in data/ (the same, typed, in parquet/); codebook.csv describes every column.
Analysed are people who answered every planned trial (simulated participants where no person took part), and
answers to the very images of the study. Further rules that the plan declares are listed in plan.json, and
what they leave out in the report: this file does not apply them.
"""

# %% Read the tables by the codebook
import math
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

codebook = pd.read_csv("codebook.csv", dtype=str, keep_default_na=False)


def read_table(name: str) -> pd.DataFrame:
    """Read a table: numbers as numbers, NaN where a cell is empty; everything else as text."""
    rows = pd.read_csv(Path("data") / f"table-{name}_data.csv", dtype=str, keep_default_na=False)
    book = codebook[codebook["table"] == name]
    for column in book.loc[book["type"].isin(["integer", "number", "flag"]), "column"]:
        rows[column] = pd.to_numeric(rows[column].mask(rows[column] == ""))
    return rows


people, stimuli, ratings, choices = map(read_table, ("participants", "stimuli", "ratings", "choices"))

# %% Who is analysed
if "kind" in people:
    kinds = set(people["kind"])
    people = people[people["kind"] == ("robot" if "robot" in kinds and "person" not in kinds else "person")]
planned = people["trials_planned"].fillna(people["trials_done"])
analysed = people.loc[(people["trials_done"] >= planned) & (planned > 0), "participant_id"]

image = stimuli.set_index("stimulus_id")["image_sha256"]
ratings = ratings[
    ratings["participant_id"].isin(analysed) & (ratings["stimulus_id"].map(image) == ratings["image_sha256"])
]
choices = choices[
    choices["participant_id"].isin(analysed)
    & (choices["left_stimulus"].map(image) == choices["left_sha256"])
    & (choices["right_stimulus"].map(image) == choices["right_sha256"])
]

# Base scenes that show the same content are one theme; without that column the prompt is the theme.
if "theme" not in stimuli:
    prompt = stimuli["prompt"].str.lower().str.split().str.join(" ")
    stimuli["theme"] = prompt.where(prompt != "", stimuli["base_scene"])
theme_of = stimuli.set_index("stimulus_id")["theme"]
ratings = ratings.assign(theme=ratings["stimulus_id"].map(theme_of))
choices = choices.assign(theme=choices["left_stimulus"].map(theme_of))


# %% Two crossed factors random: participants and themes
# V = V_people + V_themes - V_cells (Cameron, Gelbach & Miller, 2011), never below the larger of the two; with
# unequal numbers of trials the factor and the degrees of freedom of Bell & McCaffrey (2002).
def codes_of(labels: pd.Series) -> np.ndarray:
    """Number the units 0, 1, ..."""
    return pd.factorize(labels)[0]


def moments(units: np.ndarray) -> tuple[float, float]:
    """Return the factor of the sum of squares of units, and its degrees of freedom."""
    w = np.bincount(units) / len(units)
    q2, q3, q4, q5 = (float((w**power).sum()) for power in (2, 3, 4, 5))
    trace = q2 - 2 * q3 + q2**2
    squares = q4 + 2 * q3**2 + q2**4 - 4 * q5 + 4 * q2 * q4 - 4 * q2**2 * q3
    return q2 / trace, trace**2 / squares


def clustered(scores: np.ndarray, units: np.ndarray) -> np.ndarray:
    """Return the covariance (d, d) of sums of scores (n, d) that agree within units (n,)."""
    sums = np.stack([np.bincount(units, column) for column in scores.T], axis=1)
    return sums.T @ sums * moments(units)[0]


def two_way(scores: np.ndarray, person: np.ndarray, theme: np.ndarray) -> dict:
    """Return the covariance of both factors, its parts, and degrees of freedom."""
    cell = codes_of(pd.Series(person * (theme.max() + 1) + theme))
    by_person, by_theme, by_cell = (clustered(scores, units) for units in (person, theme, cell))
    whole = max(by_person + by_theme - by_cell, by_person, by_theme, key=np.trace)
    return {
        "whole": whole,
        "people": by_person,
        "themes": by_theme,
        "n_people": person.max() + 1,
        "n_themes": theme.max() + 1,
        "df": min(moments(person)[1], moments(theme)[1]),
    }


def show(name: str, value: float) -> None:
    """Print one estimate."""
    print(f"{name:<44} {value:.6g}")


# %% Do people choose the image manipulated towards a higher predicted response?
enough = choices["theme"].nunique() >= 3 and choices["participant_id"].nunique() >= 2
if enough and (choices["intended_target"] != "").all():
    aligned = choices["aligned"].to_numpy(dtype=float)
    share = aligned.mean()
    v = two_way(
        ((aligned - share) / len(aligned))[:, None],
        codes_of(choices["participant_id"]),
        codes_of(choices["theme"]),
    )
    se = max(math.sqrt(v["whole"][0, 0]), math.sqrt((v["df"] + 1) / v["df"]) / len(aligned))
    t = (share - 0.5) / se
    show("choices: share aligned", share)
    show("choices: t", t)
    show("choices: df", v["df"])
    show("choices: p", max(2 * stats.t.sf(abs(t), v["df"]), 2.0 ** (1 - min(v["n_people"], v["n_themes"]))))

# %% Ratings, standardised within participant and construct
grouped = ratings.groupby(["participant_id", "construct"])["value"]
spread = grouped.transform("std").fillna(0.0)
z = (ratings["value"] - grouped.transform("mean")) / spread.where(spread > 1e-9, 1.0)
ratings = ratings.assign(z=z.where(spread > 1e-9, 0.0))
means = ratings.pivot_table(index="stimulus_id", columns="construct", values="z", aggfunc="mean").dropna()
facts = stimuli.set_index("stimulus_id").loc[means.index]


# %% Do profiles of images made for different regions differ?
# Sum of squares between targets within people and scenes, against its two-way clustered covariance; F by
# Box's approximation (1954), with unbiased estimates of both traces.
def dimensions(v: np.ndarray, df: float) -> float:
    """Estimate (tr V)^2 / tr V^2."""
    trace, squares = np.trace(v), (v**2).sum()
    if df < 1.5 or trace <= 0:
        return 1.0
    scale = df / ((df - 1) * (df + 2))
    own = df * scale * (squares - trace**2 / df)
    whole = (df + 1) * scale * (trace**2 - 2 * squares / (df + 1))
    return min(max(whole / own if own > 0 else math.inf, 1.0), len(v))


raised = facts.index[(facts["intended_target"] != "") & (facts["direction"] == 1)]
targets = sorted(set(facts.loc[raised, "intended_target"]))
if len(targets) >= 2:
    rows = ratings[ratings["stimulus_id"].isin(raised)]
    trials = rows.pivot_table(index=["participant_id", "stimulus_id"], columns="construct", values="z")
    about = stimuli.set_index("stimulus_id").loc[trials.index.get_level_values("stimulus_id")]
    person = codes_of(trials.index.get_level_values("participant_id").to_series())
    scene = codes_of(about["base_scene"])
    dummies = np.stack([about["intended_target"] == name for name in targets[:-1]], axis=1).astype(float)
    square, parts = 0.0, []
    for construct in trials:
        y = trials[construct].to_numpy()
        there = ~np.isnan(y)
        intercepts = np.hstack([np.eye(person.max() + 1)[person], np.eye(scene.max() + 1)[scene]])[there]
        left = np.column_stack([dummies[there], y[there]])
        left = left - intercepts @ np.linalg.lstsq(intercepts, left, rcond=1e-10)[0]
        design, y = left[:, :-1], left[:, -1]
        lengths, axes = np.linalg.eigh(design.T @ design)
        design = design @ (axes / np.sqrt(lengths)) @ axes.T
        effects = design.T @ y
        square += float((effects**2).sum())
        part = np.zeros((len(trials), len(targets) - 1))
        part[there] = design * (y - design @ effects)[:, None]
        parts.append(part)
    v = two_way(np.hstack(parts), person, codes_of(about["theme"]))
    f = square / np.trace(v["whole"])
    df1 = min(
        dimensions(v["whole"], v["df"]),
        dimensions(v["people"], v["n_people"] - 1),
        dimensions(v["themes"], v["n_themes"] - 1),
    )
    least = float(math.factorial(len(targets))) ** (1 - min(v["n_people"], v["n_themes"]))
    show("profiles: F", f)
    show("profiles: df1", df1)
    show("profiles: df2", df1 * v["df"])
    show("profiles: p", max(stats.f.sf(f, df1, df1 * v["df"]), least))

# %% Natural images: correlations of mean ratings with predicted responses, and with norms
if len(means) and (stimuli["intended_target"] == "").all():
    for start in ("score_", "norm_"):
        columns = [name for name in facts if name.startswith(start) and facts[name].notna().mean() > 0.5]
        whole = facts[columns].notna().all(axis=1)
        for column in columns:
            for construct in means:
                r = np.corrcoef(means.loc[whole, construct], facts.loc[whole, column])[0, 1]
                show(f"natural: r {construct} {column}", r)

# %% How to go on
# statsmodels: smf.mixedlm("z ~ direction", ratings, groups="theme", re_formula="direction",
#              vc_formula={"participant": "0 + C(participant_id)"})
# R: see start.R for lme4 and brms. JASP: open data/table-ratings_data.csv as it is.
# Images that share a theme are no independent images: keep theme, never the single image, as the unit.
