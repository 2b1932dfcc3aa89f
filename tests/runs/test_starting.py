"""What fits a run to start from, what is refused, and what is said."""

import pytest
import torch

from musicssl.errors import InputError
from musicssl.methods.att import AttentionMIL
from musicssl.runs.starting import (
    Start,
    columns_of,
    features_of,
    start_file,
    start_identity,
    start_method,
)
from tests.support.training import supervised_parts

CLASSES = ("a", "b", "c")
LOG_MEL = {"_target_": "musicssl.audio.log_mel.LogMel", "sample_rate": 16000, "floor_db": -80.0}
WAVEFORM = {"_target_": "musicssl.audio.waveform.Waveform", "sample_rate": 16000}
ATT = {"_target_": "musicssl.encoders.att.AttEmbedding", "num_layers": 3, "dropout": 0.5}
GRU = {"_target_": "musicssl.encoders.gru.GRUEncoder", "hidden": 8}
SIZES = {"num_features": 8, "num_instances": 5}


def method(seed=0, **parts):
    torch.manual_seed(seed)
    return AttentionMIL(**supervised_parts(**parts))


def start(classes=CLASSES, encoder=ATT, features=LOG_MEL, **parts):
    trained = method(num_classes=len(classes), **parts)
    state = {name: value.clone() for name, value in trained.state_dict().items()}
    return Start("theirs.ckpt", "0", classes, state, "classifier", encoder, features, SIZES)


def settings(encoder=ATT, features=LOG_MEL, dataset="musicssl.datasets.gtzan.GTZAN"):
    return {
        "method": {"encoder": encoder},
        "dataset": {"_target_": dataset, "features": features},
    }


def said(theirs, classes, ours=None, sizes=SIZES):
    fresh = method(1, num_classes=len(classes))
    return fresh, start_method(fresh, theirs, classes, ours or settings(), sizes)


def test_the_same_classes_are_loaded_as_before():
    theirs = start()
    fresh, sentences = said(theirs, CLASSES)
    for name, value in fresh.classifier.state_dict().items():
        assert torch.equal(value, theirs.state[f"classifier.{name}"]), name
    assert sentences == ["Starting from theirs.ckpt: all weights, for the same classes."]


@pytest.mark.parametrize(
    ("classes", "expected"),
    [
        (
            ("b", "a", "c"),
            "the encoder is loaded, pooling.attention and pooling.classifier for b, a, c.",
        ),
        (
            ("x", "b"),
            "the encoder is loaded, pooling.attention and pooling.classifier for b; "
            "new: pooling.attention and pooling.classifier for x.",
        ),
        (
            tuple("defghi"),
            "the encoder is loaded; new: pooling.attention and pooling.classifier for "
            "d, e, f, g and 2 more.",
        ),
    ],
)
def test_other_classes_are_named(classes, expected):
    theirs = start()
    fresh, sentences = said(theirs, classes)
    assert sentences == [f"Starting from theirs.ckpt: {expected}"]
    weight = theirs.state["classifier.pooling.classifier.weight"]
    for row, name in enumerate(classes):
        same = torch.equal(
            fresh.classifier.pooling.classifier.weight[row], weight["abc".find(name)]
        )
        assert same == (name in CLASSES)


@pytest.mark.parametrize(
    ("ours", "message"),
    [
        (
            settings(features=LOG_MEL | {"sample_rate": 22050}),
            r"with features.sample_rate=16000, but this run has features.sample_rate=22050.* "
            r"add features\.sample_rate=16000\.",
        ),
        (
            settings(features=WAVEFORM),
            r"with features=log_mel, but this run has features=waveform.*add features=log_mel\.",
        ),
    ],
)
def test_input_that_means_something_else_is_refused(ours, message):
    with pytest.raises(InputError, match=message):
        said(start(), CLASSES, ours)


def test_other_values_of_features_are_a_warning_with_what_to_type():
    _, sentences = said(start(), CLASSES, settings(features=LOG_MEL | {"floor_db": -60.0}))
    assert sentences[1] == (
        "Warning: theirs.ckpt was trained with features.floor_db=-80, but this run has "
        "features.floor_db=-60; for the input that its encoder knows add features.floor_db=-80."
    )


def test_instances_of_unknown_origin_are_a_warning():
    _, sentences = said(start(features={}), CLASSES)
    assert "it cannot be said whether the instances of this run are of the kind" in sentences[1]
    vggish = settings(dataset="musicssl.datasets.openmic.openmic")
    assert features_of(vggish) == {}
    vggish["dataset"]["source"] = "audio"
    assert features_of(vggish) == LOG_MEL


@pytest.mark.parametrize(
    ("theirs", "ours", "sizes", "message"),
    [
        (
            start(num_features=9, encoder=GRU),
            settings(),
            SIZES,
            "with encoder=gru, and this run has encoder=att; add encoder=gru.",
        ),
        (
            start(num_features=9, encoder=ATT | {"num_layers": 2, "dropout": 0.1}),
            settings(),
            SIZES,
            "with encoder.num_layers=2, and this run has encoder.num_layers=3; add "
            "encoder.num_layers=2.",
        ),
        (
            start(num_features=9, features=LOG_MEL | {"num_mels": 9}),
            settings(features=LOG_MEL | {"num_mels": 8}),
            SIZES,
            "with features.num_mels=9, and this run has features.num_mels=8; add "
            "features.num_mels=9.",
        ),
        (
            start(num_features=9),
            settings(),
            SIZES | {"num_features": 7},
            "trained on 8 features of an instance, and this corpus has 7; use the features",
        ),
        (start(num_features=9, encoder={}), settings(), SIZES, "choose the method, or the encoder"),
    ],
)
def test_another_encoder_is_refused_with_what_to_type(theirs, ours, sizes, message):
    for classes in (CLASSES, ("x", "y")):
        with pytest.raises(InputError) as raised:
            said(theirs, classes, ours, sizes)
        assert "holds another network than that of this run" in str(raised.value)
        assert message in str(raised.value)


def test_another_encoder_is_named_rather_than_the_features_that_it_brings():
    theirs = start(num_features=9, encoder=GRU, features=WAVEFORM)
    with pytest.raises(InputError, match="add encoder=gru features=waveform"):
        said(theirs, CLASSES)


def test_columns_are_found_by_name():
    assert columns_of("abc", "abc") is None
    assert columns_of("abc", "cab") == [2, 0, 1]
    assert columns_of("abc", "xcy") == [None, 2, None]


def test_a_folder_stands_for_the_model_in_it(tmp_path):
    with pytest.raises(InputError, match=r"holds neither config\.json of an export nor"):
        start_file(tmp_path)
    (tmp_path / "checkpoints").mkdir()
    best = tmp_path / "checkpoints" / "best.ckpt"
    best.write_bytes(b"1")
    assert start_file(tmp_path) == best
    assert start_identity(tmp_path) == start_identity(best)
    (tmp_path / "config.json").write_text("{}")
    assert start_file(tmp_path) == tmp_path / "config.json"
