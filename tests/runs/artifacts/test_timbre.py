"""Oracles: accuracies counted note by note; what is drawn is what the method decodes."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from rich.console import Console

from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.methods.generative.vae import Gaussian
from musicssl.methods.pitch_timbre import PitchTimbre
from musicssl.runs.artifacts.artifact import TrainedRun
from musicssl.runs.artifacts.timbre import TimbreTransfer, measured, morph, test_notes, transfers
from musicssl.runs.folder import RunFolder
from tests.support.notes import Notes, note_parts


@pytest.fixture
def run(tmp_path):
    torch.manual_seed(0)
    method = PitchTimbre(**note_parts()).eval()
    clips = SemiSupervisedDataModule(Notes(), b_s=None)
    clips.setup()
    return TrainedRun(RunFolder(tmp_path), clips, method)


@pytest.mark.slow
@pytest.mark.pictures
def test_accuracies_and_pictures_are_left(run):
    found = TimbreTransfer().write(run)["pitch_timbre"]
    test, corpus = run.datamodule.clips("test"), run.corpus
    _, z_p = run.method.encode_notes(test)
    with torch.no_grad():
        heard = run.method.pitch_classifier(z_p).argmax(dim=1).numpy()
    right = [heard[i] == corpus.pitches[row] for i, row in enumerate(test.rows.tolist())]
    assert found["pitch_accuracy"] == pytest.approx(np.mean(right))
    assert 0 <= found["transfer_timbre_accuracy"] <= 1
    for name in ("timbre_transfer", "timbre_morph"):
        assert (run.folder.figures / f"{name}.png").stat().st_size > 1000
    assert not run.folder.sounds.exists()  # these notes are no spectra of sound
    console = Console(record=True, width=200)
    TimbreTransfer().show(run.folder, {"pitch_timbre": found}, console)
    assert f"accuracy {found['pitch_accuracy']:.3f}" in console.export_text()


class Copies(torch.nn.Module):
    """A decoder whose output is its input, or what reads one half of such an output."""

    def __init__(self, part=slice(None)):
        super().__init__()
        self.part = part

    def forward(self, z):
        return z[:, self.part]


def test_what_was_transferred_is_compared_with_what_was_asked_for(run, monkeypatch):
    """Encoders that read what the decoder copies hear the new instruments and the old pitches."""
    method = run.method
    with torch.no_grad():
        notes = test_notes(run)
        method.timbre_means.copy_(5 * torch.eye(4)[:3])
        z_p = torch.nn.functional.one_hot(notes.pitches - 60, 8).float()[:, [0, 2, 4, 7]]
        right = replace(notes, z_p=z_p)
        reader = torch.nn.Linear(4, 128)
        reader.weight.zero_()
        reader.weight[[60, 62, 64, 67]] = torch.eye(4)
        reader.bias.zero_()
        method.decoder, method.pitch_classifier = Copies(), reader
        halves = Copies(slice(0, 4)), Copies(slice(4, 8))

        def posteriors(decoded):
            return [Gaussian(half(decoded), torch.zeros(len(decoded), 4)) for half in halves]

        monkeypatch.setattr(method, "posteriors", posteriors)
        found = measured(method, right)
        assert found == dict.fromkeys(found, 1.0)
        third = right.pitches.clone()
        third[::3] = 0
        wrong = measured(method, replace(right, pitches=third))
    share = 1 - len(third[::3]) / len(third)
    assert wrong["pitch_accuracy"] == wrong["transfer_pitch_accuracy"] == pytest.approx(share)
    assert wrong["transfer_timbre_accuracy"] == 1


def test_rows_begin_with_the_note_and_paths_end_at_the_instruments(run):
    with torch.inference_mode():
        notes = test_notes(run)
        rows = transfers(run.method, notes, run.corpus.classes)
        path = morph(run.method, notes, run.corpus.classes)
        means, sizes = run.method.timbre_means, torch.bincount(notes.families)
        first, second = sorted(sizes.argsort(descending=True)[:2].tolist())
        note = int((notes.families == first).nonzero()[0])
        ends = run.method.decode_notes(means[[first, second]], notes.z_p[[note, note]])
    assert [len(row) for row in rows] == [4, 4, 4]  # itself, reconstructed, two others
    for row, family in zip(rows, ("short", "middling", "long"), strict=True):
        assert row[0].title.startswith(f"{family}, pitch ")
        originals = run.corpus.x[:, :8]
        distance = np.abs(originals - row[0].frames).max(axis=(1, 2)).min()
        assert distance < 1e-5
    assert (path[0].title, path[3].title) == (run.corpus.classes[first], "50 %")
    np.testing.assert_allclose(path[0].frames, ends[0], atol=1e-5)
    np.testing.assert_allclose(path[-1].frames, ends[1], atol=1e-5)
