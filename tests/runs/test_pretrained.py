import numpy as np
import pytest
import torch

from musicssl.encoders import vggish
from musicssl.encoders.musicnn import Musicnn
from musicssl.encoders.pretrained import musicnn as published
from musicssl.encoders.vggish import VGGish
from musicssl.errors import InputError
from musicssl.inference import checkpoints
from musicssl.runs.checkpoint import Checkpoint, load_method
from musicssl.runs.pretrained import (
    check_one_start,
    encoder_label,
    hear_module,
    overlap,
    weights_digest,
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


def test_files_of_a_hear_module_are_known_by_their_content(tmp_path):
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
    known = weights_digest(method)
    file.rename(tmp_path / "moved.pt")
    moved = encoder | {"weights": str(tmp_path / "moved.pt")}
    assert weights_digest(moved) == known
    (tmp_path / "moved.pt").write_bytes(b"others")
    assert weights_digest(moved) != known
    assert weights_digest(encoder | {"weights": None}) is weights_digest(ENCODER) is None
    assert hear_module(ENCODER) is hear_module({"encoder": None}) is None
    with pytest.raises(InputError, match="there is no such file"):
        weights_digest(encoder)


def test_files_of_weights_are_known_by_their_content_and_leave_a_checkpoint(tmp_path):
    weights, pca = tmp_path / "vggish-1.pth", tmp_path / "pca.npz"
    weights.write_bytes(b"weights")
    pca.write_bytes(b"pca")
    encoder = {
        "_target_": "musicssl.encoders.vggish.VGGish",
        "weights": str(weights),
        "pca": str(pca),
        "postprocess": True,
    }
    assert encoder_label("vggish", encoder) == "vggish_vggish-1"
    assert without_weights(encoder) == encoder | {"weights": None, "pca": None}
    known = weights_digest(encoder)
    moved = encoder | {"weights": str(weights.rename(tmp_path / "moved.pth"))}
    assert weights_digest(moved) == known
    pca.write_bytes(b"others")
    assert weights_digest(moved) != known
    assert weights_digest(encoder | {"weights": None}) not in (None, known)


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
    monkeypatch.setattr(
        published, "fill", lambda norm, blocks, tensors: blocks[5][0].bias.data.fill_(7)
    )  # the bias of the first convolution of the mid end, behind five filters of the front
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


@pytest.mark.slow
def test_vggish_is_read_from_files_once(tmp_path, monkeypatch):
    """Frozen bytes of a small one: the checkpoint brings its weights and its projection along."""
    monkeypatch.setattr(vggish, "_FILTERS", ((3,), (4,), (4, 5), (5, 6)))
    monkeypatch.setattr(vggish, "_HIDDEN", 16)
    theirs = VGGish().state_dict()
    for name, kernel in theirs.items():
        theirs[name] = kernel.transpose(2, 3) if kernel.ndim == 4 else kernel
    torch.save(theirs, tmp_path / "vggish.pth")
    np.savez(tmp_path / "pca.npz", pca_eigen_vectors=np.eye(128), pca_means=np.ones(128))
    words = ("dataset=tiny_sound", "encoder=vggish", "pooling=mean", "trainer.max_epochs=1")
    files = (f"encoder.weights={tmp_path}/vggish.pth", f"encoder.pca={tmp_path}/pca.npz")
    crops = ("data.crop_seconds=40.96", "data.batch_size=8", "encoder.postprocess=true")
    with pytest.raises(InputError, match="nothing before it can be trained"):
        run(tmp_path / "refused", *words, *files, *crops)
    folder = run(tmp_path / "run", *words, *files, *crops, "finetune.frozen=[encoder]")
    encoder = VGGish(weights=tmp_path / "vggish.pth", postprocess=True, pca=tmp_path / "pca.npz")
    for file in ("vggish.pth", "pca.npz"):
        (tmp_path / file).unlink()
    trained, _ = load_method(folder.best)
    found = trained.classifier.encoder.state_dict()
    torch.testing.assert_close(found, encoder.state_dict(), rtol=0, atol=0)
