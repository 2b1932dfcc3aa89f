"""The example of the siamese network: its parts against definitions, and its command."""

import json
from functools import partial

import numpy as np
import pretty_midi
import pytest
import soundfile
import torch
from torch.nn.functional import cosine_similarity, cross_entropy

from examples.siamese.corpora import Maestro, Pieces, log_mel, piano_roll
from examples.siamese.method import Siamese, positive_pairs, ranks_of_twins
from examples.siamese.network import PairEncoder
from musicssl.audio.log_mel import LogMel
from musicssl.augment.chain import Chain
from musicssl.augment.views import Views
from musicssl.batch import Batch
from musicssl.data.checks import check_corpus
from musicssl.errors import InputError
from musicssl.losses.contrastive import contrastive_loss
from musicssl.networks.pooling import MeanPooling
from musicssl.networks.projector import Projector
from musicssl.schedules import constant
from tests.support.commands import ROOT, shell

PIECES = {"shown": "both", "clip_seconds": 4.0, "num_clips": 20, "seed": 0}


@pytest.fixture(scope="module")
def pieces():
    return Pieces(label="key", **PIECES).load()


def siamese(**settings):
    settings = {"window_frames": 20, "positives": "both", "temperature": 0.1} | settings
    return Siamese(
        encoder=partial(PairEncoder, width=16),
        pooling=MeanPooling,
        optimizer=torch.optim.Adam,
        schedule=constant,
        views=Views(Chain(), Chain()),
        projector=partial(Projector, hidden=32, out_dim=8),
        num_features=152,
        num_instances=80,
        num_classes=12,
        task="multi_class",
        **settings,
    )


def batch_of(x):
    y = torch.zeros(len(x), 12)
    return Batch(x, y, y.bool())


def test_identical_inputs_have_identical_embeddings_and_a_similarity_of_1():
    method, window = siamese().eval(), torch.rand(1, 20, 152)
    z = method.projections(batch_of(window.expand(2, -1, -1)))
    torch.testing.assert_close(z[0], z[1])
    torch.testing.assert_close(z[2], z[3])
    torch.testing.assert_close(cosine_similarity(z[0], z[1], dim=0), torch.tensor(1.0))
    assert (
        cosine_similarity(z[0], z[2], dim=0) < 0.999
    )  # sound and notes have encoders of their own


def test_each_half_of_an_embedding_is_of_one_kind():
    encoder, x = PairEncoder(152, width=8).eval(), torch.rand(2, 20, 152)
    changed = x.clone()
    changed[..., 88:] = 0  # the sound
    before, after = encoder(x)[0], encoder(changed)[0]
    torch.testing.assert_close(after[..., 8:], before[..., 8:])
    assert (after[..., :8] - before[..., :8]).abs().max() > 1e-3
    with pytest.raises(InputError, match="choose dataset=pieces or"):
        PairEncoder(88)


def test_neighbours_follow_each_other():
    method = siamese()
    frames = torch.arange(80.0)[None, :, None].expand(3, -1, 152)
    seen = method.neighbours(batch_of(frames + 100 * torch.arange(3)[:, None, None]))
    assert seen.x.shape == (6, 20, 152)
    first, second = seen.x[0::2, :, 0], seen.x[1::2, :, 0]
    torch.testing.assert_close(second, first + 20)
    assert (first[:, 0] // 100).tolist() == [0, 1, 2]


@pytest.mark.parametrize(("kind", "positives"), [("pairing", 1), ("neighbours", 1), ("both", 3)])
def test_the_positives_are_those_of_the_definition(kind, positives):
    weights = positive_pairs(3, kind).float().fill_diagonal_(0)
    assert (weights.sum(dim=1) == positives).all()
    torch.testing.assert_close(weights, weights.T)
    row = [k for k in range(12) if weights[2, k]]  # the first window of the second clip, as sound
    assert row == {"pairing": [8], "neighbours": [3], "both": [3, 8, 9]}[kind]


def test_the_loss_of_pairing_is_nt_xent():
    z = torch.randn(8, 5)
    similarity = cosine_similarity(z[:, None], z, dim=2) / 0.1
    similarity.fill_diagonal_(-torch.inf)
    expected = cross_entropy(similarity, torch.arange(8).roll(4))
    found = contrastive_loss(z, positive_pairs(2, "pairing").float(), 0.1)
    torch.testing.assert_close(found, expected)


def test_ranks_are_those_of_a_sort():
    similarity = torch.rand(20, 20)
    order = similarity.argsort(dim=1, descending=True)
    expected = [order[k].tolist().index(k) + 1 for k in range(20)]
    assert ranks_of_twins(similarity).tolist() == expected


def test_pieces_have_the_labels_of_their_notes(pieces):
    densities = check_corpus(Pieces(label="density", **PIECES).load())
    assert densities.x.shape == (20, 80, 152)
    clips = list(Pieces(label="key", **PIECES).clips())
    counts = np.array([len(clip.notes) / 4 for clip in clips])
    np.testing.assert_allclose(densities.y[:, 0], counts, rtol=1e-6)
    for row, clip in enumerate(clips[:5]):
        name = pieces.classes[int(pieces.y[row].argmax())]
        tonic = ["C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B"].index(name)
        scale = {(tonic + step) % 12 for step in (0, 2, 4, 5, 7, 9, 11)}
        assert {int(key) % 12 for key in clip.notes[:, 2]} <= scale


def test_what_is_not_shown_is_zero(pieces):
    sound = Pieces(label="key", **PIECES | {"shown": "sound"}).load()
    assert not sound.x[..., :88].any()
    np.testing.assert_array_equal(sound.x[..., 88:], pieces.x[..., 88:])
    notes = Pieces(label="key", **PIECES | {"shown": "notes"}).load()
    assert not notes.x[..., 88:].any()
    with pytest.raises(InputError, match="key, tempo, density"):
        Pieces(label="mood", **PIECES).load()


def test_notes_and_sound_are_in_the_same_frames():
    roll = piano_roll(np.array([[1.0, 1.5, 60.0]]), 80)
    assert np.flatnonzero(roll[:, 60 - 21]).tolist() == list(range(20, 30))
    assert roll.sum() == 10
    sound = np.zeros(64_000, np.float32)
    sound[16_000:24_000] = np.sin(np.arange(8000) * 2 * np.pi * 262 / 16_000)
    energy = log_mel(sound, 80, LogMel(16_000, num_mels=64, n_fft=1024)).sum(axis=1)
    heard = np.flatnonzero(energy > energy.max() / 2)
    assert abs(heard[0] - 20) <= 1
    assert abs(heard[-1] - 29) <= 1


def test_maestro_is_read_as_it_is_unpacked(tmp_path):
    rows = ["canonical_composer,canonical_title,split,year,midi_filename,audio_filename,duration"]
    for k, split in enumerate(["train", "train", "validation", "test"]):
        midi, piano = pretty_midi.PrettyMIDI(), pretty_midi.Instrument(0)
        piano.notes = [pretty_midi.Note(80, 60 + n, n, n + 0.5) for n in range(9)]
        midi.instruments.append(piano)
        midi.write(str(tmp_path / f"{k}.midi"))
        soundfile.write(
            tmp_path / f"{k}.wav", np.random.default_rng(k).normal(0, 0.1, 72_000), 8000
        )
        rows.append(f"Composer {k % 2},Title,{split},2004,{k}.midi,{k}.wav,9.0")
    (tmp_path / "maestro-v3.0.0.csv").write_text("\n".join(rows))
    settings = {"shown": "both", "clip_seconds": 4.0, "root": str(tmp_path), "max_clips": None}
    corpus = check_corpus(Maestro(label="composer", num_composers=2, **settings).load())
    assert corpus.split.tolist() == ["train"] * 4 + ["val"] * 2 + ["test"] * 2
    assert corpus.classes == ("Composer 0", "Composer 1")
    keys = np.flatnonzero(corpus.x[1, :, :88].any(axis=0)) + 21
    assert keys.tolist() == [64, 65, 66, 67]  # of the second four seconds
    density = Maestro(label="density", num_composers=1, **settings).load()
    assert density.y.tolist() == [[1.0]] * 4


@pytest.mark.slow
def test_the_command_learns_and_its_checkpoint_is_probed(tmp_path):
    conf = ("--config-dir", str(ROOT / "examples/siamese/conf"))
    small = ("dataset.num_clips=80", "trainer=cpu", "trainer.max_epochs=6")
    result = shell(tmp_path, *conf, "method=siamese", "dataset=pieces", *small)
    assert result.returncode == 0, result.stderr
    [metrics] = tmp_path.rglob("metrics.json")
    assert json.loads(metrics.read_text())["macro"]["twins_found"] > 2 / 16  # 1 / 16 by chance
    probe = (f"checkpoint={metrics.parent}/checkpoints/best.ckpt", "trusted=[examples.siamese]")
    corpus = ("dataset=pieces", "dataset.label=density", "dataset.num_clips=80")
    few = ("seeds=1", "data.p_s=1", "device=cpu", "baselines=[untrained]")
    probed = shell(tmp_path, *conf, *probe, *corpus, "dataset.shown=sound", *few, script="probe.py")
    assert probed.returncode == 0, probed.stderr
    assert "density" in probed.stdout
