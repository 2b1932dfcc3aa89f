"""Oracle: files that were put there."""

import pytest

from musicssl.errors import InputError
from musicssl.report.read.files import (
    check_folders,
    corpus_settings,
    folders_with,
    is_probe_config,
    is_training_config,
)


def test_a_folder_is_found_once_though_the_given_ones_overlap(tmp_path):
    for name in ("b", "a/deep"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "probe.json").touch()
    found = folders_with([tmp_path, tmp_path / "a"], "probe.json")
    assert found == [tmp_path / "a" / "deep", tmp_path / "b"]


def test_a_folder_that_is_not_there_is_named(tmp_path):
    check_folders([tmp_path])
    with pytest.raises(InputError, match=r"there is no folder .*absent; name folders"):
        check_folders([tmp_path, tmp_path / "absent"])


@pytest.mark.parametrize(
    ("config", "run", "probe"),
    [
        ("name: att\ndata:\n  p_s: 0.1\n", True, False),
        ("probe:\n  k: 5\ndata:\n  p_s:\n  - 0.1\n", False, True),
        ("name: att\nmethod:\n  probe: linear\ndata:\n  p_s: 0.1\n", True, False),
        ("data:\n  value:\n    p_s: 1.0\n", False, False),
        ("probe: linear\n", False, False),
    ],
)
def test_whose_configuration_it_is(config, run, probe):
    assert (is_training_config(config), is_probe_config(config)) == (run, probe)


ESC10 = {"dataset._target_": "musicssl.datasets.esc.Esc10", "dataset.fold": "2"}


def embeddings(**settings):
    target = {"_target_": "musicssl.datasets.embeddings.EmbeddingsFile"}
    return {f"dataset.{key}": value for key, value in {**target, **settings}.items()}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (ESC10 | {"data.b_s": "1", "dataset.features.hop": "0.5"}, ESC10),
        (
            embeddings(path="[a.npz,b.npz]", with_features="true", layer="null")
            | {key.replace("dataset.", "dataset.labels."): value for key, value in ESC10.items()}
            | {"dataset.labels.features._target_": "musicssl.audio.waveform.Waveform"},
            ESC10,
        ),
        (embeddings(path="a.npz", layer="3", labels="null"), embeddings(labels="null")),
        ({"seed": "0"}, {}),
    ],
)
def test_a_corpus_is_the_same_whatever_its_features_are(settings, expected):
    assert corpus_settings(settings) == expected
