"""Every counterpart that docs/amod.md names exists, every script is named, and its example can be read."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest
import yaml

from almond.cli.main import COMMANDS, module_of
from almond.encoding.config.fit_config import FitConfig
from almond.encoding.config.validation import ImageSet, ValidationSettings
from almond.shapes import keys_of

PAGE = (Path(__file__).parents[2] / "docs" / "amod.md").read_text(encoding="utf-8")

SCRIPTS = (
    "compare_voxelwise_corr_IAPS.m",
    "compare_voxelwise_corr_OASIS.m",
    "compile_matrices.m",
    "decode_activation_targets_artificial_stim.m",
    "decode_activation_targets_random_subregions.m",
    "develop_encoding_models_amygdala.m",
    "develop_encoding_models_subregions.m",
    "extract_features.m",
    "generate_artificial_stim.sh",
    "get_color_spectral_IAPS_OASIS.m",
    "get_color_spectral_artificial_stim.m",
    "make_atanh_matrix_subregion.m",
    "make_parametric_map_amygdala.m",
    "make_random_subregions_betas_to_csv.m",
    "perform_anova_subregions.R",
    "perform_pairwise_ttest_IAPS_OASIS_amygdala.m",
    "perform_regression_IAPS_OASIS.m",
    "perform_ttest_IAPS_OASIS_amygdala.m",
    "perform_ttest_artificial_stim_subregion.m",
    "plot_performance_subregion.m",
    "predict_activations_IAPS_OASIS.m",
    "predict_activations_artificial_stim_amygdala.m",
    "predict_activations_artificial_stim_subregion.m",
    "write_voxelwise_tmaps_IAPS_OASIS.m",
    "ActMax_EmoNet.sh",
    "compare_IAPS_OASIS_color_spatFreq.m",
    "compare_IAPS_predActivations_amy_vc.m",
    "compare_artStim_color_spatFreq.m",
    "compare_artStim_predActivations_amySub.m",
    "compare_artStim_predActivations_amy_vc.m",
    "compare_images_decode_activation_targets.m",
    "feature_extraction_nndb.m",
    "lme_onesample_ttest_avg_IAPS_OASIS_amy_vc.m",
    "lme_pairwise_ttest_IAPS_OASIS_amy_vc.m",
    "lme_ttest_artStim_amySub.m",
    "lme_ttest_artStim_amy_vc.m",
    "make_parametric_map_fig.m",
    "make_rainCloudPlot_performance_amySub.m",
    "plot_response_surfaces_IAPS_OASIS_UPDATED20240506.m",
    "predict_amygdala_activity_imageFeatures.m",
    "utilities/ActMax.py",
    "utilities/barplot_columns.m",
    "utilities/cluster_confusion_matrix.m",
    "utilities/permutation_test_multiway_clusters.m",
    "utilities/readAndPreprocessImage.m",
    "utilities/model_params.h5py",
)


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`(almond\.[A-Za-z_.]+)`", PAGE))))
def test_named_functions_exist(path: str) -> None:
    parts = path.split(".")
    for size in range(len(parts), 1, -1):
        try:
            found = importlib.import_module(".".join(parts[:size]))
        except ModuleNotFoundError:
            continue
        for name in parts[size:]:
            found = getattr(found, name)
        return
    raise AssertionError(f"{path} does not exist")


@pytest.mark.parametrize("command", sorted(set(re.findall(r"python -m almond ([a-z-]+)", PAGE))))
def test_named_commands_exist(command: str) -> None:
    assert command in COMMANDS
    module = importlib.import_module(module_of(command))
    assert callable(module.run)


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_script_is_named(script: str) -> None:
    assert f"`{script}`" in PAGE


def test_the_example_uses_known_keys() -> None:
    example = yaml.safe_load(re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)[0])
    assert set(example) <= set(keys_of(FitConfig))
    assert set(example["validation"]) <= set(keys_of(ValidationSettings))
    assert set(example["validation"]["sets"]["iaps"]) <= set(keys_of(ImageSet))


def test_every_setting_is_described() -> None:
    table = PAGE.split("### Settings of `validation`")[1].split("## Artificial stimuli")[0]
    for key in (*keys_of(ValidationSettings), *keys_of(ImageSet)):
        assert f".{key}`" in table, key


def test_rows_of_tables_have_as_many_cells_as_their_head() -> None:
    for block in re.findall(r"(?:^\|.*\n)+", PAGE, flags=re.MULTILINE):
        counts = {len(re.findall(r"(?<!\\)\|", line)) for line in block.strip().split("\n")}
        assert len(counts) == 1, block[:80]
