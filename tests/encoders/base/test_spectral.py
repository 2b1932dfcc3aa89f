"""What holds for every encoder that starts from log-mel spectra."""

import pytest
import torch
from torch import nn
from torchaudio.transforms import MelSpectrogram

from musicssl.audio.log_mel import LogMel, LogMelFrontend
from musicssl.encoders.base.spectral import SpectralEncoder
from musicssl.encoders.cnn import CNN
from musicssl.encoders.crnn import CRNN
from musicssl.encoders.mlp import MLP
from musicssl.encoders.musicnn import Musicnn
from musicssl.encoders.short_chunk import ShortChunk
from musicssl.errors import InputError

SMALL = {
    Musicnn: {"chunk_samples": 128 * 256, "mid_filters": 4},
    ShortChunk: {"chunk_samples": 129 * 256, "width": 8},
    CNN: {"width": 4, "embed_dim": 8},
    CRNN: {"width": 4, "hidden": 4},
    MLP: {"hidden": (16, 8)},
}
encoders = pytest.mark.parametrize("kind", SMALL, ids=lambda kind: kind.__name__)


def trained(kind):
    """An encoder whose batch norms have the statistics of a batch that it has seen."""
    torch.manual_seed(0)
    encoder = kind(num_features=1, num_instances=None, dropout=0.0, **SMALL[kind])
    for module in encoder.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.momentum = 1.0
    encoder(sound(6, encoder.chunk_samples))
    return encoder.eval()


def sound(num_clips, num_samples):
    """Noise whose level differs from clip to clip and rises along each."""
    levels = torch.linspace(0.01, 0.3, num_clips)[:, None]
    return levels * torch.linspace(0.1, 1, num_samples) * torch.randn(num_clips, num_samples)


@encoders
def test_what_is_learnt_reaches_every_parameter(kind):
    encoder = trained(kind)
    embedded, valid = encoder(sound(3, encoder.chunk_samples))
    assert valid is None
    assert embedded.shape[0] == 3
    assert embedded.shape[2] == encoder.embed_dim
    (embedded * torch.randn_like(embedded)).sum().backward()
    for name, parameter in encoder.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().max() > 0, name


@encoders
def test_a_clip_is_embedded_alike_in_any_batch(kind):
    encoder = trained(kind)
    chunk = encoder.chunk_samples
    lengths = torch.tensor([5 * chunk // 2, chunk, chunk // 3])
    x = sound(3, int(lengths.max()))
    valid = torch.arange(x.shape[1]) < lengths[:, None]
    x[~valid] = torch.nan
    together, counts = encoder(x, valid)
    for clip, length in enumerate(lengths.tolist()):
        alone, alone_valid = encoder(x[clip : clip + 1, :length])
        alone = alone[0] if alone_valid is None else alone[0, alone_valid[0]]
        torch.testing.assert_close(together[clip, counts[clip]], alone, rtol=1e-3, atol=1e-5)


def spectra_heard(encoder, x):
    """What reaches the first batch norm, (K, F, T)."""
    heard = []
    encoder.norm.register_forward_pre_hook(lambda _, inputs: heard.append(inputs[0].squeeze(1)))
    encoder.eval()(x)
    return heard[0]


def test_musicnn_hears_what_its_authors_say():
    """96 bands as librosa has them, 512 samples of window, 256 of hop, log10(10000 S + 1)."""
    x = sound(2, 187 * 256)
    power = MelSpectrogram(
        16_000, n_fft=512, hop_length=256, n_mels=96, norm="slaney", mel_scale="slaney"
    )(x)
    expected = torch.log10(10_000 * power + 1)[..., :187]
    torch.testing.assert_close(spectra_heard(Musicnn(), x), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.filterwarnings("ignore:At least one mel filterbank")
def test_short_chunk_hears_decibels():
    """128 bands, 512 samples of window, 256 of hop, from 80 dB below a full-scale sine up."""
    x = sound(2, 59_049)
    power = MelSpectrogram(16_000, n_fft=512, hop_length=256, n_mels=128)(x)
    decibels = 10 * torch.log10(power / 128**2)  # a sine of amplitude 1 adds up half the window
    expected = (decibels.clamp(-80, 0) + 80) / 80
    heard = spectra_heard(ShortChunk(width=1), x)
    torch.testing.assert_close(heard, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", [CNN, CRNN, MLP])
def test_the_networks_of_a_second_hear_the_frames_of_log_mel(kind):
    x = sound(1, 16_000)
    expected = LogMel(frames_per_second=50).frames(x[0].numpy())[:50]
    heard = spectra_heard(kind(), x)[0].T
    torch.testing.assert_close(heard, torch.from_numpy(expected), rtol=1e-4, atol=1e-4)


@encoders
def test_under_autocast_only_the_network_loses_digits(kind):
    encoder = trained(kind)
    spectra = []
    encoder.norm.register_forward_pre_hook(lambda _, inputs: spectra.append(inputs[0]))
    x = sound(2, encoder.chunk_samples)
    exact, _ = encoder(x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded, _ = encoder(x)
    assert torch.equal(*spectra)
    assert rounded.dtype == torch.bfloat16
    error = (rounded.float() - exact).norm() / exact.norm()
    assert 0 < error < 0.15  # 14 layers of 8 bits each


@encoders
def test_dropout_acts_in_training_only(kind):
    torch.manual_seed(0)
    encoder = kind(**SMALL[kind], dropout=0.9)
    x = sound(2, encoder.chunk_samples)
    assert (encoder(x)[0] == 0).float().mean() > 0.8
    encoder.eval()
    assert torch.equal(encoder(x)[0], encoder(x)[0])


@pytest.mark.parametrize(
    ("kind", "least"),
    [
        (Musicnn, 127 * 256 + 1),  # 128 frames, the first centred on sample 0
        (ShortChunk, 127 * 256 + 1),
        (CNN, 15 * 320 + 1),
        (CRNN, 1025),  # half a window of 2048 is reflected
        (MLP, 1025),
    ],
)
def test_chunks_that_are_too_short_are_refused(kind, least):
    sizes = {**SMALL[kind], "chunk_samples": least}
    name = kind.__module__.rpartition(".")[2]
    encoder = kind(**sizes).eval()
    assert encoder(torch.zeros(1, least))[0].isfinite().all()
    with pytest.raises(
        InputError, match=f"{least - 1} is too short for encoder={name}; .* {least}"
    ):
        kind(**sizes | {"chunk_samples": least - 1})


class Frames(SpectralEncoder):
    """Leave the spectra as they are: an instance is a frame."""

    def embed_spectra(self, spectra):
        return spectra.squeeze(1).transpose(1, 2)


def frames_of(chunk_samples, hop=256):
    frontend = LogMelFrontend(16_000, num_mels=8, n_fft=512, hop=hop)
    encoder = Frames(frontend, chunk_samples, embed_dim=8, least_frames=1).eval()
    encoder.norm = nn.Identity()
    return encoder


def test_chunks_have_the_frames_of_the_clip():
    """All but the first of a chunk, half of whose window is reflected, equal those of the clip."""
    encoder = frames_of(20 * 256)
    x = sound(1, 4 * 20 * 256)
    strung, valid = encoder(x)
    whole = encoder.frontend(x).transpose(1, 2)
    assert valid is None
    assert strung.shape[1] == 80 == whole.shape[1] - 1
    inside = torch.arange(80) % 20 != 0
    torch.testing.assert_close(strung[:, inside], whole[:, :-1][:, inside], rtol=1e-4, atol=1e-5)
    assert not torch.allclose(strung[:, [20, 40, 60]], whole[:, [20, 40, 60]])


@pytest.mark.parametrize(
    ("chunk_samples", "hop", "num_frames"),
    [(47_872, 256, 187), (48_000, 256, 188), (59_049, 256, 231), (16_000, 320, 50)],
)
def test_a_chunk_has_the_frames_that_are_centred_in_it(chunk_samples, hop, num_frames):
    encoder = frames_of(chunk_samples, hop)
    assert encoder.num_frames == num_frames == len(range(0, chunk_samples, hop))
    assert encoder(torch.zeros(1, chunk_samples))[0].shape[1] == num_frames


@encoders
def test_spectra_are_normalised_over_a_batch_before_they_are_embedded(kind, monkeypatch):
    torch.manual_seed(0)
    encoder = kind(num_features=1, num_instances=None, dropout=0.0, **SMALL[kind])
    seen = []
    embed = encoder.embed_spectra
    monkeypatch.setattr(
        encoder, "embed_spectra", lambda spectra: seen.append(spectra) or embed(spectra)
    )
    encoder.train()(sound(6, encoder.chunk_samples))
    [spectra] = seen
    assert abs(spectra.mean().item()) < 1e-4
    assert abs(spectra.std().item() - 1) < 1e-2
