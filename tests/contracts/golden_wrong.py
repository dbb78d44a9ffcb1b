"""Configurations that are wrong; each is completed with ``BASE``. Files named ``missing`` are not made."""

from __future__ import annotations

from typing import Any

from tests.contracts.golden_mappings import RUNS

WRONG: dict[str, dict[str, Any]] = {
    "unknown keys": {"foldz": 3, "region": {}, "banana": 1},
    "no data": {"dataset": None},
    "two sources": {"runs": RUNS},
    "missing files": {"dataset": "missing", "regions": {"LB": "missing.nii.gz"}},
    "encoders missing": {"dataset": None, "encoders": "missing"},
    "runs no list": {"dataset": None, "runs": {}},
    "runs": {
        "dataset": None,
        "runs": [
            7,
            {"subject": 1, "run": True, "bold": "a.txt", "volume": 3},
            {"subject": "1", "run": 1, "bold": "b.nii", "events": "e.csv", "volumes": [5, 2]},
            {"subject": "1", "run": 1, "bold": "b.nii"},
        ],
    },
    "data set": {"task": 3, "entities": {"ses": 1}, "suffix": "", "derivatives": 2, "subjects": [1], "tr": 0},
    "subjects no list": {"subjects": "01", "derivatives": " "},
    "features absent": {"features": None},
    "features": {"features": {"kind": "banana", "intervall": 2}},
    "features misspelt": {"features": {"knd": "world"}},
    "table": {"features": {"kind": "table", "path": "missing.npy", "interval": 0, "rows": "columns"}},
    "table ending": {"features": {"kind": "table", "path": "t.txt", "weights": "w.pt"}},
    "pattern ending": {"features": {"kind": "table", "path": "{subject}.txt"}},
    "film": {"features": {"kind": "world", "video": "film.gif", "every": 0, "interval": 2}},
    "every without film": {"features": {"kind": "world", "every": 3, "layer": "fc7"}},
    "emonet": {"features": {"kind": "emonet", "layer": "fc9", "mean": [1, 2], "scale": 0}},
    "timm": {"features": {"kind": "timm", "pool": "max"}},
    "open_clip": {"features": {"kind": "open_clip", "model": "x", "weights": "w.pt", "pretrained": "y"}},
    "transformers": {"features": {"kind": "transformers", "path": "missing"}},
    "torch": {
        "features": {"kind": "torch", "model": "alexnet", "std": [1, 0, 1], "filter": "x", "range": True}
    },
    "feature spaces": {"features": {"a": {"kind": "world", "path": "x"}, "b": 7}, "model": "banded"},
    "banded with one space": {"model": "banded"},
    "models": {"model": ["pls", "forest"], "components": [0, 1.5], "penalties": [0, -1]},
    "no models": {"model": [], "components": [], "penalties": "many"},
    "engine": {"backend": "jax", "device": "cuda", "precision": "float16", "target": "median"},
    "judging": {
        "crossvalidation": "loo",
        "folds": 1,
        "gap": -1,
        "seed": -2,
        "permutations": 1.5,
        "null_control": 5,
        "repeats": {"window": [8, 4], "buy": 1},
    },
    "control": {"null_control": {"features": 0, "feature": 1}, "repeats": "runs", "seed": 2**60},
    "preparation": {
        "detrend": "cubic",
        "standardise": 1,
        "confounds": {"column": ["x"]},
        "high_pass": 0,
        "censor": {"mode": "keep"},
        "order": "paper",
        "hrf": "gamma",
    },
    "preparation no mappings": {"confounds": ["x"], "censor": "c.1D"},
    "fir without delays": {"hrf": "fir"},
    "delays without fir": {"delays": [2, 2, -1, None]},
    "delays no list": {"hrf": "fir", "delays": 4},
    "order without spm": {"order": "paper-amygdala", "hrf": "none"},
    "preset": {"preset": "paper"},
    "regions absent": {"regions": {}},
    "regions": {
        "regions": {
            "nothing": 3,
            "two": {"mask": "a.nii", "map": "b.nii"},
            "atlas": {"atlas": "a.nii.gz", "labels": [0, "LB"]},
            "names": {"atlas": "a.nii.gz", "labels": ["LB"]},
            "map": {"map": "b.nii.gz"},
            "threshold": {"map": "b.nii.gz", "above": "high", "side": "top", "resample": 1, "space": 2},
            "union": {"union": []},
            "difference": {"difference": ["nothing"]},
            "parts": {"union": ["nobody", {"mask": "a.png"}], "labels": [1]},
            "pattern": "{subject}.img",
        }
    },
    "circles": {"regions": {"a": {"union": ["b"]}, "b": {"union": ["a"]}, "c": {"union": ["c", "a"]}}},
    "shared": {"shared": {"dimension": 4, "volumes": 3, "space": "sea", "prior": "none", "penalties": -1}},
    "shared volumes": {"shared": {"volumes": 90, "dimensions": 0}},
    "families no mappings": {"shared": ["x"], "flow": 3},
    "flow": {
        "flow": {
            "epochs": 0,
            "samples": 1,
            "kernel": 2,
            "lead": 3,
            "lr": 0,
            "evaluate": "x",
            "seed": -1,
            "w": 1,
        }
    },
    "evaluation": {
        "evaluation": {
            "whole": "Amy",
            "subregions": ["LB"],
            "controls": ["VC", "VC"],
            "fdr": 1,
            "least_subjects": 2,
            "correction": "none",
            "random_regions": {"splits": 0, "parts": 1, "part": 2},
            "stimuli": {"table": "missing.csv", "components": 0},
            "contrasts": {"a": {"LB": 1, "XX": 2}, "b": 3},
        }
    },
    "evaluation of unknown regions": {
        "evaluation": {"whole": "Amy", "subregions": ["LB", "XX"], "controls": ["VC"]}
    },
    "evaluation sections": {"evaluation": {"random_regions": 3, "stimuli": 4, "contrasts": 5, "models": 6}},
    "evaluation stimuli": {"evaluation": {"stimuli": {"table": "t.csv", "features": "f.npz"}}},
    "evaluation no mapping": {"evaluation": 3},
    "validation": {
        "validation": {
            "sets": {"a": {"norms": "missing.csv", "image": 1}, "b": 3},
            "regions": ["LB", "LB"],
            "control": "CM",
            "subregions": ["LB"],
            "deciles": 2,
            "neutral": 0,
            "alpha": 1,
            "voxelwise": 1,
            "outcome": "t",
            "low_level": "x",
        }
    },
    "validation of unknown regions": {
        "validation": {
            "sets": {"s": {"images": "images", "norms": "n.csv"}},
            "control": "XX",
            "regions": ["YY"],
        }
    },
    "validation no mapping": {"validation": []},
    "other commands": {
        "prediction": {"images": "images", "table": "t.csv", "leave_one_out": 1, "out": 3},
        "betas": {"folder": 3, "suffix": 4, "names": {"LB": 5}, "x": 1},
        "brain": {"chunk": 0, "mask": "missing.nii"},
    },
    "brain": {"brain": {"weights": 3, "out": 4, "mask": {"union": ["XX"]}}},
    "brain without mask": {"brain": {"chunk": 5}, "prediction": {}, "betas": 3},
}
