"""Configurations that between them use every section and key; each is completed with ``BASE``."""

from __future__ import annotations

from typing import Any

BASE: dict[str, Any] = {
    "dataset": "brains",
    "features": {"kind": "world"},
    "regions": {"LB": "masks/LB.nii.gz", "CM": "masks/CM.nii.gz"},
}
REGIONS: dict[str, Any] = {
    "mask": {"mask": "masks/LB.nii", "side": "right", "space": "MNI152NLin2009cAsym"},
    "numbers": {"atlas": "atlas.nii.gz", "labels": [1, 2]},
    "names": {"atlas": "atlas.nii.gz", "labels": ["LB", "CM"], "table": "atlas.txt", "resample": False},
    "single": {"atlas": "atlas.nii.gz", "labels": 4},
    "between": {"map": "z.nii.gz", "above": 2.3, "below": 5},
    "union": {"union": ["mask", {"map": "z.nii.gz", "below": -3.1}, "other.nii.gz"], "side": "left"},
    "difference": {"difference": ["union", {"union": ["numbers", "single"]}], "resample": True},
    "own": "masks/sub-{subject}_LB.nii.gz",
}
RUNS: list[dict[str, Any]] = [
    {"subject": "1", "run": 1, "bold": "a.nii.gz", "volumes": [0, 90], "events": "a.tsv"},
    {"subject": "1", "run": "two", "bold": "b.nii"},
    {"subject": "2", "run": 1, "bold": "c.nii.gz"},
]
TABLE: dict[str, Any] = {"kind": "table", "path": "features.npy", "interval": 0.1}
TORCH: dict[str, Any] = {
    "kind": "torch",
    "model": "lab.nets:alexnet",
    "weights": "alexnet.pt",
    "layer": "features.2",
    "resize": 224,
}
FIVE = {name: f"masks/{name}.nii.gz" for name in ("Amy", "LB", "CM", "SF", "AStr", "VC")}
SETS: dict[str, Any] = {
    "oasis": {"images": "Images", "norms": "OASIS.csv"},
    "iaps": {
        "images": "iaps",
        "norms": "iaps.txt",
        "name": "IAPS",
        "valence": "valmn",
        "arousal": "aromn",
        "repeated": "mean",
        "features": "iaps.parquet",
    },
}

RIGHT: dict[str, dict[str, Any]] = {
    "least": {},
    "regions of every kind": {"regions": REGIONS},
    "runs": {"runs": RUNS, "tr": 2.5},
    "data set": {
        "task": "film",
        "entities": {"space": "MNI", "desc": "preproc"},
        "suffix": "bold_blur",
        "derivatives": "fmriprep",
        "subjects": ["01", "02"],
        "tr": 1,
    },
    "derivatives": {"derivatives": True},
    "world film": {"features": {"kind": "world", "video": "film.mp4", "every": 2}},
    "kind alone": {"features": "emonet"},
    "emonet": {
        "features": {
            "kind": "emonet",
            "weights": "emonet.pt",
            "layer": "fc6",
            "mean": "mean.mat",
            "scale": 255,
            "interval": 0.5,
        }
    },
    "table": {"features": {"kind": "table", "path": "f.mat", "variable": "fc7", "rows": "features"}},
    "table per run": {"features": {"kind": "table", "path": "f/{subject}_{run}.csv", "interval": 0.5}},
    "events": {"features": {"kind": "events", "conditions": ["face", "house"], "interval": 0.1}},
    "timm": {
        "features": {"kind": "timm", "model": "resnet50", "weights": "r.safetensors", "layer": "layer3"}
    },
    "timm by tag": {"features": {"kind": "timm", "model": "vit", "pretrained": "a1", "pool": "first"}},
    "open_clip": {"features": {"kind": "open_clip", "model": "ViT-B-32", "pretrained": "laion2b"}},
    "transformers": {
        "features": {"kind": "transformers", "path": "models/clip", "layer": "3", "pool": "mean"}
    },
    "torch": {"features": {**TORCH, "filter": "bilinear", "range": 255, "mean": [1, 2, 3], "std": [4, 5, 6]}},
    "torch own": {"features": {**TORCH, "weights": "own", "scale": 2, "mean": "mean.npy", "video": "f.mkv"}},
    "banded": {"features": {"late": TABLE, "early": {"kind": "world"}}, "model": ["banded", "ridge"]},
    "every model": {
        "features": {"a": TABLE, "b": TORCH},
        "model": ["pls", "ridge", "banded", "shared", "flow"],
    },
    "choices": {"model": ["ridge", "pls"], "components": [1, 5], "penalties": [0.5, 2]},
    "single choices": {"components": 7, "penalties": 3, "target": "mean"},
    "engine": {"backend": "torch", "device": "cuda", "precision": "float32"},
    "judging": {
        "crossvalidation": "runs",
        "folds": 4,
        "gap": 12.5,
        "seed": 11,
        "permutations": 99,
        "null_control": {"features": 50},
        "repeats": {"by": "stim_file", "window": [3, 9]},
    },
    "no control": {"null_control": False, "repeats": {"by": "runs"}, "crossvalidation": "random"},
    "control": {"null_control": True},
    "preparation": {
        "detrend": "none",
        "standardise": False,
        "confounds": {"columns": ["trans_*", "rot_x"], "path": "motion/{subject}_{run}.1D"},
        "high_pass": 0.0078125,
        "censor": {"path": "censor/{subject}.1D", "mode": "zero-filled"},
    },
    "dropped volumes": {"confounds": {"columns": ["csf"]}, "censor": {"path": "{bold}.1D", "mode": "drop"}},
    "finite impulse response": {"hrf": "fir", "delays": [4, 2, 6.5]},
    "derivative": {"hrf": "spm+derivative"},
    "derivatives of the response": {"hrf": "spm+derivatives"},
    "no response": {"hrf": "none"},
    "published amygdala": {"preset": "paper-amygdala"},
    "published subregions": {"preset": "paper-subregions", "components": 5, "detrend": "linear"},
    "published order": {"order": "paper-amygdala"},
    "shared": {
        "model": "shared",
        "shared": {
            "dimensions": 4,
            "new_subjects": ["07"],
            "volumes": 90,
            "penalties": [0.1, 1],
            "space": "film",
            "prior": "even",
        },
    },
    "shared by default": {"model": ["shared", "pls"]},
    "flow": {
        "model": "flow",
        "flow": {
            "epochs": 7,
            "flow_epochs": 6,
            "patience": 5,
            "width": 4,
            "hidden": 3,
            "kernel": 12,
            "lead": 2,
            "lr": 0.01,
            "flow_lr": 0.02,
            "decay": 0,
            "batch": 64,
            "samples": 8,
            "steps": 9,
            "evaluate": "folds",
            "seed": 1,
        },
    },
    "sections of absent models": {"shared": {"dimensions": 4}, "flow": {"width": 4}},
    "evaluation": {
        "regions": FIVE,
        "model": ["pls", "ridge"],
        "evaluation": {
            "models": "pls",
            "whole": "Amy",
            "subregions": ["LB", "CM", "SF"],
            "controls": "VC",
            "fdr": 0.1,
            "least_subjects": 4,
            "random_regions": {"of": "VC", "splits": 20, "parts": 3, "export": "random"},
            "contrasts": {"a": {"LB": 1, "CM": -1}, "b": {"LB": 0.5, "CM": 0.5, "SF": -1}},
            "correction": "holm",
            "stimuli": {
                "table": "made.csv",
                "images": "made",
                "features": "made.npz",
                "regions": ["LB", "CM"],
                "components": 2,
                "low_level": "paper",
                "permutations": 50,
            },
            "seed": 4,
            "out": "group",
        },
    },
    "random regions": {"regions": FIVE, "evaluation": {"whole": "Amy", "random_regions": {}}},
    "stimuli by features": {
        "evaluation": {"stimuli": {"table": "made.tsv", "features": "made.csv", "low_level": "none"}}
    },
    "validation": {
        "regions": FIVE,
        "validation": {
            "sets": SETS,
            "features": "all.npz",
            "model": "pls",
            "regions": ["LB", "CM", "VC"],
            "control": "VC",
            "subregions": ["LB", "CM"],
            "low_level": "paper",
            "deciles": 5,
            "decile_edges": "paper",
            "outcome": "raw",
            "neutral": 0.5,
            "voxelwise": False,
            "alpha": 0.01,
            "permutations": 500,
            "seed": 2,
            "out": "norms",
        },
    },
    "validation without images": {
        "validation": {"sets": {"s": {"norms": "s.tsv", "features": "s.mat"}}, "low_level": "none"}
    },
    "encoders that exist": {"encoders": "encoders", "prediction": {"table": "f.npz", "leave_one_out": False}},
    "prediction": {"prediction": {"images": "pictures", "out": "p.csv"}, "output": "elsewhere/artifacts"},
    "betas": {"betas": {"folder": "betas", "suffix": "fc7", "names": {"LB": "Amygdala_LB"}}},
    "brain": {"brain": {"mask": "brain.nii.gz", "chunk": 100, "weights": True, "out": "map"}},
    "brain of regions": {"brain": {"mask": {"union": ["LB", "CM"]}}},
}
