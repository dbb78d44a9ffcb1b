"""Mean weights as the published CSV files: to the last bit, and nothing guessed."""

import numpy as np
import pandas as pd
import pytest
import scipy.io

from almond.cli.main import main
from almond.encoding.artifacts.artifact import EncoderArtifact, load_artifact
from almond.encoding.artifacts.mean_weights import export_betas, import_betas, read_betas
from almond.encoding.features.card import FeatureSpaceCard
from almond.errors import InputError
from almond.rng import generator

D = 40
CARD = FeatureSpaceCard("fc7", "f" * 64, D)


def artifact(subject="1", region="LB"):
    rng = generator(4, "artifact", subject, region)
    return EncoderArtifact(
        subject=subject,
        region=region,
        model="pls",
        feature_space=CARD,
        weights=rng.normal(size=(D, 7)) * 10.0 ** rng.integers(-9, 3, (D, 1)),
        intercept=rng.normal(size=7),
        voxels=np.arange(21).reshape(7, 3),
        dropped=np.empty((0, 3), np.int64),
        mask_digest="m" * 64,
        digest=f"digest-{subject}",
    )


def test_files_have_the_published_names_and_column(tmp_path):
    made = artifact()
    (path,) = export_betas([made], tmp_path, names={"LB": "Amygdala_LB"})
    assert path.name == "meanbeta_sub-1_Amygdala_LB_fc7_invert_imageFeatures.csv"
    table = pd.read_csv(path)
    assert list(table) == ["Var1"]
    np.testing.assert_array_equal(table["Var1"], made.weights.mean(axis=1))


def test_what_was_exported_is_imported_to_the_last_bit(tmp_path):
    made = [artifact(subject, region) for subject in ("10", "2") for region in ("LB", "CM")]
    export_betas(made, tmp_path / "csv", names={"CM": "Amygdala_CM"})
    betas = read_betas(tmp_path / "csv", names={"CM": "Amygdala_CM"})
    assert [(beta.region, beta.subject) for beta in betas] == [
        ("CM", "2"),
        ("CM", "10"),
        ("LB", "2"),
        ("LB", "10"),
    ]
    stored = [load_artifact(path) for _, path in import_betas(betas, CARD, tmp_path / "artifacts")]
    by_key = {(one.subject, one.region): one for one in made}
    for one in stored:
        np.testing.assert_array_equal(one.mean_weights, by_key[one.subject, one.region].mean_weights)
        assert one.model == "imported"
        assert one.provenance["betas"] == {
            f"meanbeta_sub-{one.subject}_{'Amygdala_CM' if one.region == 'CM' else 'LB'}"
            "_fc7_invert_imageFeatures.csv": next(
                beta.digest for beta in betas if (beta.subject, beta.region) == (one.subject, one.region)
            )
        }
    again = import_betas(betas, CARD, tmp_path / "artifacts")
    assert len(list((tmp_path / "artifacts").iterdir())) == len(again) == 4


def test_files_of_matlab_are_read_with_and_without_a_header(tmp_path):
    numbers = ["1.5", "-2e-05", "3"]
    for name, lines in (("1", ['"Var1"', *numbers]), ("2", numbers), ("3", ["Var1", *numbers])):
        file = tmp_path / f"meanbeta_sub-{name}_amy_fc7_invert_imageFeatures.csv"
        file.write_bytes("\r\n".join(lines).encode())
    (tmp_path / "notes.txt").write_text("not weights")
    betas = read_betas(tmp_path)
    assert [beta.subject for beta in betas] == ["1", "2", "3"]
    for beta in betas:
        np.testing.assert_array_equal(beta.weights[:, 0], [1.5, -2e-05, 3.0])


def test_all_coefficients_of_a_matlab_file_become_an_encoder(tmp_path):
    made = artifact()
    coefficients = np.vstack([made.intercept, made.weights])
    path = tmp_path / "beta_sub-1_Amygdala_LB_fc7_invert_imageFeatures.mat"
    scipy.io.savemat(path, {"b": coefficients})
    (beta,) = read_betas(tmp_path, names={"LB": "Amygdala_LB"})
    ((_, folder),) = import_betas([beta], CARD, tmp_path / "artifacts")
    stored = load_artifact(folder)
    features = generator(5, "features").normal(size=(3, D))
    np.testing.assert_array_equal(stored.predict(features), made.predict(features))
    np.testing.assert_array_equal(stored.mean_weights, made.mean_weights)
    assert (stored.region, stored.metrics) == ("LB", {"n_voxels": 7})
    scipy.io.savemat(path, {"c": coefficients})
    with pytest.raises(InputError, match="no variable b"):
        read_betas(tmp_path)


def write(folder, name, text):
    (folder / f"meanbeta_sub-{name}_fc7_invert_imageFeatures.csv").write_text(text)


def test_wrong_files_are_named(tmp_path):
    with pytest.raises(InputError, match="holds no weights"):
        read_betas(tmp_path)
    write(tmp_path, "1_LB", "Var1\n1\n2\n3\n")
    write(tmp_path, "2_LB", "Var1\n1\n2\n")
    with pytest.raises(InputError, match=r"sub-2_LB.*holds 2 weights"):
        read_betas(tmp_path)
    write(tmp_path, "2_LB", "Var1\n1\nNaN\n3\n")
    with pytest.raises(InputError, match=r"sub-2_LB.*row 3, column Var1 is 'NaN', not a number"):
        read_betas(tmp_path)
    write(tmp_path, "2_LB", "Var1,Var2\n1,2\n")
    with pytest.raises(InputError, match=r"sub-2_LB.*row 1, column Var1 is 'Var1,Var2', not a number"):
        read_betas(tmp_path)


def test_another_number_of_features_is_refused_before_anything_is_written(tmp_path):
    export_betas([artifact()], tmp_path / "csv")
    betas = read_betas(tmp_path / "csv")
    with pytest.raises(InputError, match="the 4096 features of emonet-fc7"):
        import_betas(betas, FeatureSpaceCard("emonet-fc7", "e" * 64, 4096), tmp_path / "artifacts")
    assert not (tmp_path / "artifacts").exists()


def test_files_with_other_weights_are_not_overwritten(tmp_path):
    export_betas([artifact()], tmp_path)
    export_betas([artifact()], tmp_path)
    write(tmp_path, "1_LB", "Var1\n1\n2\n")
    with pytest.raises(InputError, match="other weights"):
        export_betas([artifact(region="CM"), artifact()], tmp_path)
    assert len(list(tmp_path.iterdir())) == 1
    with pytest.raises(InputError, match="two encoders"):
        export_betas([artifact(), artifact()], tmp_path / "new")
    with pytest.raises(InputError, match="cannot be part"):
        export_betas([artifact(region="a/b")], tmp_path / "new")


def torch_betas(tmp_path, *options):
    """Import one file of weights for the small network of the tests of layers, whose layer has 4 features."""
    (tmp_path / "csv").mkdir(exist_ok=True)
    write(tmp_path / "csv", "1_LB", "Var1\n" + "1\n" * 4)
    main_options = ["--features", "torch", "--weights", "own", "--layer", "first", *options]
    return main(["import-betas", str(tmp_path / "csv"), "--out", str(tmp_path / "encoders"), *main_options])


def test_a_torch_network_is_named_with_its_model_and_size(tmp_path):
    model = "model=tests.almond.test_features_layers:make_small"
    assert torch_betas(tmp_path, "--set", model, "--set", "resize=12", "--set", "pool=mean") == 0
    (folder,) = (tmp_path / "encoders").iterdir()
    space = load_artifact(folder).feature_space
    assert (space.name, space.dimension) == ("make_small.first", 4)


def test_what_a_network_lacks_is_named(tmp_path, capsys):
    assert torch_betas(tmp_path) == 1
    said = capsys.readouterr().err
    assert "model: is missing; package.module:factory" in said
    assert "resize: is missing; side in pixels" in said
    assert torch_betas(tmp_path, "--set", "modle=a:b") == 1
    assert "did you mean model" in capsys.readouterr().err
    assert torch_betas(tmp_path, "--set", "layer=second") == 1
    assert "--set: says layer again" in capsys.readouterr().err
    assert torch_betas(tmp_path, "--set", "resize") == 1
    assert "KEY=VALUE" in capsys.readouterr().err
    assert not (tmp_path / "encoders").exists()
