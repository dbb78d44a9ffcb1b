"""Where the numbers of a fit came from: digests of everything that was read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from almond import __version__
from almond.digest import digest_array, digest_file
from almond.encoding.config.fit_config import FitConfig
from almond.encoding.config.section import DEFAULT
from almond.encoding.features.run_features import Predictors, Scan, joined_card
from almond.encoding.regions.resolve import Region

ORDER = {
    DEFAULT: "features resampled to the TR, convolved, nuisance taken out as of the BOLD",
    "paper-amygdala": "all runs as one film: features stretched onto the volumes, then convolved",
    "paper-subregions": "all runs as one film: features convolved frame by frame, then stretched",
}


def of_subject(
    config: FitConfig, scans: Sequence[Scan], predictors: Mapping[str, Predictors]
) -> dict[str, Any]:
    """Write what all regions of a subject have in common as plain JSON values."""
    root = config.dataset or config.base
    runs = [scan.run for scan in scans]
    bold = {run.bold: None for run in runs}
    events = {run.events: None for run in runs if run.events is not None}
    return {
        "bold": {path_below(path, root): digest_file(path) for path in bold},
        "runs": [_run(scan, root) for scan in scans],
        "events": {path_below(path, root): digest_file(path) for path in events},
        "features": joined_card(predictors).digest,
        "feature_rows": _rows(predictors),
        "feature_files": {name: dict(space.files) for name, space in predictors.items() if space.files},
        "preprocessing": {
            "detrend": config.detrend,
            "high_pass": config.high_pass,
            "standardise": config.standardise,
            "hrf": config.hrf,
            "order": ORDER[config.order],
        },
        "code": f"almond {__version__}",
    }


def _rows(predictors: Mapping[str, Predictors]) -> Any:
    if len(predictors) == 1:
        return next(iter(predictors.values())).digest
    return {name: space.digest for name, space in predictors.items()}


def _run(scan: Scan, root: Path) -> dict[str, Any]:
    described: dict[str, Any] = {
        "run": scan.run.name,
        "volumes": scan.n_uncensored,
        "tr": scan.tr,
        "bold": path_below(scan.run.bold, root),
    }
    if scan.start_time:
        described["start_time"] = scan.start_time
    if scan.uncensored is not None:
        described["censored"] = scan.n_volumes - scan.n_uncensored
        described["censor"] = digest_array(scan.uncensored)
    if scan.confounds is not None:
        described["confounds"] = {"columns": scan.confounds.shape[1], "values": digest_array(scan.confounds)}
    return described


def of_region(region: Region, root: Path) -> dict[str, Any]:
    """Write what a region was made of as plain JSON values."""
    return {
        "spec": region.spec.to_json(),
        "digest": region.digest,
        "path": path_below(region.path, root),
        "resampled": region.resampled,
        **({"warning": region.warning} if region.warning else {}),
    }


def path_below(path: Path, root: Path) -> str:
    """Write a path below the root where it is, otherwise whole, so that it can be found again."""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()
