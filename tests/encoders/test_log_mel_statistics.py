import numpy as np
import pytest
import torch
from torchaudio.transforms import MelSpectrogram

from musicssl.encoders.log_mel_statistics import LogMelStatistics
from musicssl.errors import InputError

RATE = 16_000


def noise(num_clips, num_samples, level=0.1):
    torch.manual_seed(0)
    return level * torch.linspace(0.1, 1, num_samples) * torch.randn(num_clips, num_samples)


def test_an_embedding_is_the_statistics_of_decibels():
    """Those of torchaudio's spectra, in numpy: 50 frames of a second, 80 dB to 1."""
    x = noise(2, RATE)
    power = MelSpectrogram(RATE, n_fft=2048, hop_length=320, n_mels=128)(x).double().numpy()
    decibels = 10 * np.log10(np.maximum(power, 1e-12) / 512**2)  # a full-scale sine: half of 1024
    frames = (np.clip(decibels, -80, 0) + 80)[..., :50] / 80
    expected = np.concatenate([frames.mean(axis=2), frames.std(axis=2)], axis=1)
    h, valid = LogMelStatistics()(x)
    assert valid is None
    assert h.shape == (2, 1, 256)
    np.testing.assert_allclose(h[:, 0], expected, rtol=1e-3, atol=1e-5)
    assert (expected[:, 128:] > 0.01).all()


def test_a_gain_moves_the_means_and_no_deviation():
    x = noise(3, RATE)
    loud, _ = LogMelStatistics()(x)
    soft, _ = LogMelStatistics()(x * 10 ** (-6 / 20))
    torch.testing.assert_close(loud[..., :128] - soft[..., :128], torch.full((3, 1, 128), 6 / 80))
    torch.testing.assert_close(loud[..., 128:], soft[..., 128:])


def test_silence_is_the_floor_without_deviation():
    h, _ = LogMelStatistics()(torch.zeros(2, 3 * RATE))
    assert torch.equal(h, torch.zeros(2, 3, 256))


def test_a_steady_sine_is_loud_in_one_band_and_steady_but_at_the_ends():
    time = torch.arange(RATE) / RATE
    h, _ = LogMelStatistics(num_mels=32)(torch.sin(2 * torch.pi * 1000 * time)[None])
    means, deviations = h[0, 0].split(32)
    assert means.argmax().item() == int(
        torch.argmax(LogMelStatistics(num_mels=32).frontend.bands[:, 128])
    )
    assert means.max() > 0.95
    assert deviations[means.argmax()] < 0.01


def test_there_is_nothing_to_train_or_to_keep():
    encoder = LogMelStatistics(num_features=1, num_instances=10, num_mels=40)
    assert encoder.embed_dim == 80
    assert not list(encoder.parameters())
    assert not encoder.state_dict()
    x = noise(2, RATE)
    assert torch.equal(encoder.train()(x)[0], encoder.eval()(x)[0])


def test_an_instance_is_a_second_and_hears_no_other():
    encoder = LogMelStatistics()
    x = noise(2, 10 * RATE)
    before, _ = encoder(x)
    assert before.shape == (2, 10, 256)
    x[0, 3 * RATE : 4 * RATE] *= 0.1
    changed = (encoder(x)[0] != before).any(dim=2)
    assert changed.nonzero().tolist() == [[0, 3]]


def test_a_clip_is_embedded_alike_in_any_batch():
    encoder = LogMelStatistics()
    lengths = torch.tensor([5 * RATE // 2, RATE, RATE // 3])
    x = noise(3, int(lengths.max()))
    valid = torch.arange(x.shape[1]) < lengths[:, None]
    x[~valid] = torch.nan
    together, counts = encoder(x, valid)
    for clip, length in enumerate(lengths.tolist()):
        alone, _ = encoder(x[clip : clip + 1, :length])
        torch.testing.assert_close(together[clip, counts[clip]], alone[0])


def test_chunks_that_are_too_short_are_refused():
    with pytest.raises(InputError, match=r"chunk of 1024 .* at least 1025"):
        LogMelStatistics(chunk_samples=1024)(torch.zeros(1, 1024))
