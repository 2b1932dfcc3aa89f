"""What a run leaves of how well it separates the timbre of notes from their pitch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import soundfile
import torch
from rich.console import Console
from torch import Tensor

from musicssl.audio.log_mel import LogMel
from musicssl.audio.resynthesis import frames_are_instances, sound_of_frames
from musicssl.figures.feature_axis import feature_axis
from musicssl.figures.spectrogram_grid import SpectrogramPanel, draw_spectrograms
from musicssl.figures.style import save_png
from musicssl.methods.pitch_timbre import PitchTimbre, pitches_of
from musicssl.runs.artifacts.artifact import TrainedRun
from musicssl.runs.folder import RunFolder

_SHOWN_NOTES, _SHOWN_TARGETS = 3, 4  # rows of the picture of transfers, and new timbres in each
_MORPH_STEPS = 7
_BATCH = 256  # notes that are decoded at a time


@dataclass(frozen=True, eq=False)
class TestNotes:
    """The test notes whose instruments are known.

    Attributes:
        frames: Scaled spectrograms, (N, F, K).
        z_t: Means of q(z_t|x), (N, Z).
        z_p: Means of q(z_p|x), (N, Z).
        families: Indices of the instruments, (N,).
        pitches: MIDI numbers, (N,).
    """

    __test__ = False  # no class of tests

    frames: Tensor
    z_t: Tensor
    z_p: Tensor
    families: Tensor
    pitches: Tensor


class TimbreTransfer:
    """How well pitches are recognised, and test notes with the timbre of other instruments.

    It is for `musicssl.methods.pitch_timbre.PitchTimbre`. A note gets the timbre of another
    instrument by the mean of that component in place of its z_t. Each test note is transferred to
    one other instrument, always the same; the networks themselves then tell instrument and pitch of
    what was decoded, so that these accuracies compare settings and are no judgement of listeners.

    Two pictures are drawn: `timbre_transfer.png`, and `timbre_morph.png`, a path from the mean of
    one instrument to that of another at one pitch. If features are single log-mel spectra, the
    notes of both pictures are in `sounds/`, with phases by Griffin and Lim.
    """

    def write(self, run: TrainedRun) -> Mapping[str, Any]:
        """Measure, draw, and write sound."""
        method: PitchTimbre = run.method
        with torch.inference_mode():
            notes = test_notes(run)
            found = measured(method, notes)
            rows = transfers(method, notes, run.corpus.classes)
            path = morph(method, notes, run.corpus.classes)
        sizes = int(run.datamodule.sizes["num_features"])
        features = getattr(run.datamodule.dataset, "features", None)
        hop = None
        if frames_are_instances(features) and features.num_features == sizes:
            hop = features.hop_seconds
        axis = feature_axis(run.datamodule.dataset, sizes)
        heads = {
            "timbre_transfer": "Notes, their reconstructions, and with the timbre of others",
            "timbre_morph": "From one timbre to another at the same pitch",
        }
        for name, panels in (("timbre_transfer", rows), ("timbre_morph", [path])):
            figure = draw_spectrograms(panels, axis, heads[name], hop)
            save_png(run.folder.figures / f"{name}.png", figure)
            if hop is not None and frames_are_instances(features):
                _write_sound(run.folder, name, panels, features)
        return {"pitch_timbre": found}

    def show(self, folder: RunFolder, document: Mapping[str, Any], console: Console) -> None:
        """Print the accuracies."""
        found = document.get("pitch_timbre")
        if not found:
            return
        text = f"Pitches of the test notes: accuracy {found['pitch_accuracy']:.3f}."
        if found.get("transfer_timbre_accuracy") is not None:
            text += (
                " With the timbre of another instrument the networks hear that instrument in "
                f"{found['transfer_timbre_accuracy']:.3f} and the old pitch in "
                f"{found['transfer_pitch_accuracy']:.3f} of the notes."
            )
        console.print(text, highlight=False)


def test_notes(run: TrainedRun) -> TestNotes:
    """Encode the test notes whose instruments are known."""
    method, pitches = run.method, pitches_of(run.datamodule)
    parts: list[tuple[Tensor, ...]] = []
    for batch in run.datamodule.batches("test"):
        known = batch.select(batch.mask.all(dim=1)).to(method.device)
        if len(known.x) == 0:
            continue
        assert known.rows is not None
        x, classes = method.encoder.inputs(known), known.y.argmax(dim=1)
        parts.append((x, *method.encode_notes(known), classes, pitches[known.rows.cpu()]))
    x, z_t, z_p, families, of_notes = (torch.cat(part) for part in zip(*parts, strict=True))
    return TestNotes(x, z_t, z_p, families, of_notes.to(families.device))


test_notes.__test__ = False  # type: ignore[attr-defined]  # pytest takes it for a test


def measured(method: PitchTimbre, notes: TestNotes) -> dict[str, float | None]:
    """Return the accuracy of pitches, and of instruments and pitches after transfers."""
    count = len(method.timbre_means)
    found: dict[str, float | None] = {
        "pitch_accuracy": _accuracy(method.pitch_classifier(notes.z_p), notes.pitches),
        "transfer_timbre_accuracy": None,
        "transfer_pitch_accuracy": None,
    }
    if count == 1:
        return found
    steps = np.random.default_rng(0).integers(1, count, len(notes.families))
    targets = (notes.families + torch.from_numpy(steps).to(notes.families.device)) % count
    timbres, pitches = [], []
    for start in range(0, len(targets), _BATCH):
        target, z_p = targets[start : start + _BATCH], notes.z_p[start : start + _BATCH]
        decoded = method.decoder(torch.cat([method.timbre_means[target], z_p], dim=1)).float()
        timbre, pitch = method.posteriors(decoded)
        timbres.append(method.classifier.pooling.classifier(timbre.mean))
        pitches.append(method.pitch_classifier(pitch.mean))
    found["transfer_timbre_accuracy"] = _accuracy(torch.cat(timbres), targets)
    found["transfer_pitch_accuracy"] = _accuracy(torch.cat(pitches), notes.pitches)
    return found


def transfers(
    method: PitchTimbre, notes: TestNotes, classes: Sequence[str]
) -> list[list[SpectrogramPanel]]:
    """Return a row for each of a few notes: itself, reconstructed, and with other timbres."""
    rows = []
    for note in _shown(notes):
        own, pitch = int(notes.families[note]), int(notes.pitches[note])
        others = [c for c in range(len(classes)) if c != own]
        chosen = [others[i] for i in _spread(len(others), _SHOWN_TARGETS)]
        z_t = torch.cat([notes.z_t[note : note + 1], method.timbre_means[chosen]])
        decoded = _decoded(method, z_t, notes.z_p[note])
        original = method.encoder.spectrograms.unscaled(notes.frames[note])
        titles = [
            f"{classes[own]}, pitch {pitch}",
            "reconstructed",
            *(f"as {classes[c]}" for c in chosen),
        ]
        frames = [original.cpu().numpy(), *decoded]
        rows.append([SpectrogramPanel(*pair) for pair in zip(titles, frames, strict=True)])
    return rows


def morph(method: PitchTimbre, notes: TestNotes, classes: Sequence[str]) -> list[SpectrogramPanel]:
    """Return notes between the timbres of the two commonest instruments, at one pitch."""
    sizes = torch.bincount(notes.families, minlength=len(classes))
    first, second = sorted(sizes.argsort(descending=True, stable=True)[:2].tolist())
    note = int((notes.families == first).nonzero()[0]) if sizes[first] else 0
    shares = torch.linspace(0, 1, _MORPH_STEPS, device=notes.z_p.device)[:, None]
    means = method.timbre_means
    z_t = (1 - shares) * means[first] + shares * means[second]
    titles = [f"{100 * float(share):.0f} %" for share in shares]
    titles[0], titles[-1] = classes[first], classes[second]
    frames = _decoded(method, z_t, notes.z_p[note])
    return [SpectrogramPanel(*pair) for pair in zip(titles, frames, strict=True)]


def _decoded(method: PitchTimbre, z_t: Tensor, z_p: Tensor) -> list[Any]:
    """Decode timbres, (N, Z), with one pitch, (Z,), to N arrays, (K, F)."""
    return list(method.decode_notes(z_t, z_p.expand(len(z_t), -1)).cpu().numpy())


def _shown(notes: TestNotes) -> list[int]:
    """Return a few notes of different instruments, as far as there are."""
    firsts = [int((notes.families == c).nonzero()[0]) for c in sorted(set(notes.families.tolist()))]
    return [firsts[i] for i in _spread(len(firsts), _SHOWN_NOTES)]


def _spread(count: int, most: int) -> list[int]:
    """Return at most `most` of the numbers below `count`, evenly spaced.

    >>> _spread(10, 4), _spread(2, 4)
    ([0, 3, 6, 9], [0, 1])
    """
    return [round(place) for place in np.linspace(0, count - 1, min(count, most))]


def _accuracy(logits: Tensor, answers: Tensor) -> float:
    return float((logits.argmax(dim=1) == answers).double().mean())


def _write_sound(
    folder: RunFolder, name: str, rows: Sequence[Sequence[SpectrogramPanel]], features: LogMel
) -> None:
    """Write the notes of a picture one after the other, line by line."""
    frames = [panel.frames for row in rows for panel in row]
    sound = np.concatenate([sound_of_frames(features, note) for note in frames])
    peak = float(np.abs(sound).max())
    folder.sounds.mkdir(parents=True, exist_ok=True)
    soundfile.write(folder.sounds / f"{name}.wav", sound / max(peak, 1.0), features.sample_rate)
