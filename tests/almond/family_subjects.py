"""Subjects of the simulated world held in memory: the brains and films of ``simulate_dataset`` without its
files, prepared as a fit prepares them (convolved, detrended, standardised_courses)."""

from pathlib import Path

import numpy as np
from scipy.signal import detrend

from almond.digest import digest_json
from almond.encoding.bold.cleaning import standardised_courses
from almond.encoding.config.fit_config import parse_config
from almond.encoding.config.multisubject import FlowSettings, SharedSettings
from almond.encoding.features.card import FeatureSpaceCard
from almond.encoding.hemodynamics.convolution import align
from almond.encoding.multisubject.subject_arrays import SubjectArrays
from almond.rng import generator
from almond.world.brains import (
    CONTRAST_TO_NOISE,
    STEP,
    bold_responses,
    draw_brain,
    draw_film,
    measured_noise,
    region_masks,
    time_course,
)
from almond.world.scenes import LATENTS

TR = 1.5
CARD = FeatureSpaceCard("latents", digest_json(list(LATENTS)), len(LATENTS))


def simulated(n_subjects, *, seed, n_runs=2, n_volumes=200, hrf="spm", voxels=6, own_films=False):
    """Subjects with the first ``voxels`` voxels of each region; each sees its own film, or all the same."""
    masks = {name: _first(mask, voxels) for name, mask in region_masks().items()}
    found = []
    for number in range(n_subjects):
        rng = generator(seed, "brain", number)
        brain = draw_brain(rng, masks)
        films = [
            draw_film(generator(seed, "film", run, number if own_films else 0), run, n_volumes * TR)
            for run in range(n_runs)
        ]
        courses = [time_course(film, n_volumes, TR) for film in films]
        clean = [bold_responses(brain, course, n_volumes, TR) for course in courses]
        x = [
            align(course, interval=STEP, n_volumes=n_volumes, tr=TR, hrf=hrf, source="film")
            for course in courses
        ]
        y = [_measured(rng, brain, run, clean, masks) for run in clean]
        found.append(_arrays(f"{number + 1:02d}", x, y, masks, [n_volumes] * n_runs))
    return found


def _first(mask, count):
    chosen = np.zeros(mask.size, bool)
    chosen[np.flatnonzero(mask)[:count]] = True
    return chosen.reshape(mask.shape)


def _measured(rng, brain, run, clean, masks):
    columns = []
    for region in masks:
        spread = np.mean([part[region].std(axis=0).mean() for part in clean])
        columns.append(run[region] / spread * CONTRAST_TO_NOISE[region])
    signal = np.concatenate(columns, axis=1)
    return signal + measured_noise(rng, brain, len(signal), signal.shape[1])


def _arrays(subject, x, y, masks, lengths):
    sizes = [int(mask.sum()) for mask in masks.values()]
    stops = np.cumsum(sizes)
    return SubjectArrays(
        subject=subject,
        x=np.concatenate([detrend(part, axis=0) for part in x]),
        bold=np.concatenate([standardised_courses(detrend(part, axis=0)) for part in y]),
        voxels=np.concatenate([np.argwhere(mask) for mask in masks.values()]),
        columns={
            name: np.arange(stop - size, stop) for name, size, stop in zip(masks, sizes, stops, strict=True)
        },
        lengths=tuple(lengths),
        tr=TR,
        feature_space=CARD,
        mask_digests={name: digest_json(name) for name in masks},
    )


def configured(folder, *, shared=None, flow=None, **changes):
    """A configuration of a fit whose data stand in memory: there is no file to read them from."""
    config = parse_config({"encoders": "/", "features": "world", "output": ".", **changes}, Path(folder))
    sections = {"shared": shared or SharedSettings(), "flow": flow or FlowSettings()}
    return config.model_copy(update={"spaces": {}, **sections})
