import pytest
import torch

from musicssl.encoders.musicnn import Musicnn
from musicssl.encoders.pretrained import musicnn as published
from musicssl.errors import InputError
from musicssl.inference import checkpoints
from musicssl.runs.checkpoint import Checkpoint, load_method
from musicssl.runs.pretrained import (
    check_one_start,
    hear_module,
    hear_weights,
    overlap,
    weights_of,
    without_weights,
)
from musicssl.runs.probes.source import untrained
from tests.support.training_command import run

ENCODER = {
    "_target_": "musicssl.encoders.musicnn.Musicnn",
    "mid_filters": 64,
    "weights": "mtt",
    "weights_folder": "/secret",
}


def test_settings_of_ours_lose_their_weights_and_nothing_else():
    method = {"_target_": "musicssl.methods.att.AttentionMIL", "encoder": ENCODER}
    assert (weights_of(method), weights_of(ENCODER)) == ("mtt", "mtt")
    bare = ENCODER | {"weights": None, "weights_folder": None}
    assert without_weights(ENCODER) == bare
    assert without_weights(method) == method | {"encoder": bare}
    assert weights_of(without_weights(method)) is None
    theirs = {"_target_": "mylab.encoders.Mine", "weights": "own"}
    assert weights_of(theirs) is None
    for settings in (theirs, {"encoder": theirs}, {"encoder": None}, None):
        assert without_weights(settings) == settings


def test_the_weights_of_a_hear_module_are_its_own_affair(tmp_path):
    """A checkpoint loads them again; they are known by their content."""
    file = tmp_path / "weights.pt"
    file.write_bytes(b"weights")
    encoder = {
        "_target_": "musicssl.encoders.hear.HearEncoder",
        "module": "mylab.passt",
        "weights": str(file),
    }
    method = {"_target_": "musicssl.methods.att.AttentionMIL", "encoder": encoder}
    for settings in (encoder, method):
        assert weights_of(settings) is None
        assert without_weights(settings) == settings
        assert hear_module(settings) == "mylab.passt"
    known = hear_weights(method)
    file.rename(tmp_path / "moved.pt")
    moved = encoder | {"weights": str(tmp_path / "moved.pt")}
    assert hear_weights(moved) == known
    (tmp_path / "moved.pt").write_bytes(b"others")
    assert hear_weights(moved) != known
    assert hear_weights(encoder | {"weights": None}) is hear_weights(ENCODER) is None
    assert hear_module(ENCODER) is hear_module({"encoder": None}) is None
    with pytest.raises(InputError, match="there is no such file"):
        hear_weights(encoder)


def test_a_warning_names_the_corpus_that_weights_were_trained_on():
    assert "magnatagatune" in str(overlap("mtt", "magnatagatune"))
    assert "msd" in str(overlap("msd", "msd"))
    for weights, corpus in (("mtt", "msd"), ("msd", "gtzan"), (None, "msd")):
        assert overlap(weights, corpus) is None


def test_a_network_starts_from_one_thing():
    check_one_start(None, "best.ckpt")
    check_one_start("mtt", None)
    with pytest.raises(InputError, match="leave one of the two out"):
        check_one_start("mtt", "best.ckpt")


@pytest.mark.slow
def test_a_checkpoint_loads_without_the_files_that_it_started_from(tmp_path, monkeypatch):
    def read_nothing(name, folder):
        assert (name, folder) == ("mtt", None)
        return {}

    monkeypatch.setattr(published, "read_weights", read_nothing)
    monkeypatch.setattr(published, "fill", lambda encoder, _: encoder.mid[0][0].bias.data.fill_(7))
    small = ("dataset=tiny_sound", "encoder=musicnn", "encoder.weights=mtt", "trainer.max_epochs=1")
    crops = ("data.crop_seconds=40.96", "encoder.chunk_samples=32768", "data.batch_size=8")
    folder = run(tmp_path / "run", *small, *crops, "finetune.frozen=[encoder]")

    def refuse(name, folder):
        raise AssertionError("the files are read again")

    monkeypatch.setattr(published, "read_weights", refuse)
    trained, _ = load_method(folder.best)
    encoder = trained.classifier.encoder
    assert isinstance(encoder, Musicnn)
    assert (encoder.mid[0][0].bias == 7).all()  # frozen
    # The corpus has no features of its own, which has no bearing here.
    monkeypatch.setattr(checkpoints, "_features", lambda checkpoint: {})
    network = checkpoints.read_network(folder.best).network()
    torch.testing.assert_close(network.state_dict(), dict(trained.classifier.state_dict()))
    untouched = untrained(Checkpoint.read(folder.best), 0)
    assert untouched.identity["encoder"]["weights"] is None
    assert not (untouched.encoder.mid[0][0].bias == 7).any()
