import numpy as np
import pytest
import torch
from torchaudio.functional import melscale_fbanks

from musicssl.audio.log_mel import LogMel, LogMelFrontend
from musicssl.errors import InputError

RATE = 16_000


def frontend(**settings):
    small = {"sample_rate": RATE, "num_mels": 40, "n_fft": 512, "hop": 256}
    return LogMelFrontend(**(small | settings))


def noise(*shape, amplitude=0.3):
    return amplitude * (2 * torch.rand(shape, generator=torch.Generator().manual_seed(0)) - 1)


def powers(chunk, triangles, n_fft, hop):
    """Reflect, cut into frames, window, transform, add up by band: NumPy, float64; (F, T)."""
    padded = np.pad(chunk.double().numpy(), n_fft // 2, mode="reflect")
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)
    frames = [padded[t : t + n_fft] * window for t in range(0, len(padded) - n_fft + 1, hop)]
    return triangles.T @ np.abs(np.fft.rfft(frames, axis=1)).T ** 2


def slaney_triangles(num_mels, n_fft):
    """Slaney's scale, linear up to 1 kHz and 6.4-fold each 27 mels above; each area is 1."""
    top = 15 + 27 * np.log(RATE / 2 / 1000) / np.log(6.4)
    mels = np.linspace(0, top, num_mels + 2)
    corners = np.where(mels < 15, mels * 200 / 3, 1000 * 6.4 ** ((mels - 15) / 27))
    grid = np.arange(n_fft // 2 + 1) * RATE / n_fft
    columns = []
    for low, middle, high in zip(corners, corners[1:], corners[2:], strict=False):
        rising, falling = (grid - low) / (middle - low), (high - grid) / (high - middle)
        columns.append(np.clip(np.minimum(rising, falling), 0, None) * 2 / (high - low))
    return np.stack(columns, axis=1)


@pytest.mark.parametrize("settings", [{}, {"num_mels": 64, "frames_per_second": 50}])
def test_decibels_are_those_of_the_features(settings):
    features = LogMel(**settings)
    hop = RATE // features.frames_per_second
    ours = LogMelFrontend(RATE, features.num_mels, features.n_fft, hop, compression="db")
    chunks = noise(3, 20_000) * torch.tensor([[1.0], [1e-2], [0.0]])
    spectra = ours(chunks)
    for chunk, spectrum in zip(chunks, spectra, strict=True):
        np.testing.assert_allclose(spectrum.T, features.frames(chunk.numpy()), atol=1e-6)
    assert 0 < spectra[0].mean() < 1
    assert (spectra[2] == 0).all()


def test_the_floor_is_where_decibels_are_zero():
    high, low = (frontend(floor_db=floor)(noise(1, 4_000)) for floor in (-40.0, -80.0))
    torch.testing.assert_close(high, (2 * low - 1).clamp_min(0))


@pytest.mark.parametrize("bands", ["htk", "slaney"])
@pytest.mark.parametrize(("n_fft", "hop"), [(512, 256), (512, 160), (1024, 300)])
def test_choi_compression_equals_the_definition(bands, n_fft, hop):
    triangles = (
        slaney_triangles(40, n_fft)
        if bands == "slaney"
        else melscale_fbanks(n_fft // 2 + 1, 0.0, RATE / 2, 40, RATE).numpy()
    )
    layer = frontend(n_fft=n_fft, hop=hop, compression="log10_10000", bands=bands)
    chunks = noise(2, 5_000)
    for chunk, spectrum in zip(chunks, layer(chunks), strict=True):
        expected = np.log10(1 + 10_000 * powers(chunk, triangles, n_fft, hop))
        np.testing.assert_allclose(spectrum, expected, atol=1e-4)
        assert expected.mean() > 0.5


@pytest.mark.parametrize(("samples", "frames"), [(48_000, 188), (47_999, 188), (47_871, 187)])
def test_a_frame_is_centred_on_every_hop(samples, frames):
    layer = frontend()
    assert layer.num_frames(samples) == frames
    assert layer(noise(1, samples)).shape == (1, 40, frames)


def test_a_shift_by_a_hop_shifts_the_frames():
    sound = noise(1, 8_000)
    early, late = frontend()(sound[:, 256:]), frontend()(sound[:, :-256])
    torch.testing.assert_close(early[..., 1:-2], late[..., 2:-1])


def test_spectra_are_float32_and_the_same_when_training_is_in_bfloat16():
    layer, chunks = frontend(), noise(2, 4_000)
    expected = layer(chunks)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(layer(chunks), expected)
    converted = layer.double()(chunks.double())
    assert converted.dtype == expected.dtype == torch.float32
    torch.testing.assert_close(converted, expected)


@pytest.mark.parametrize("compression", ["db", "log10_10000"])
def test_silence_is_zero_and_its_gradient_is_finite(compression):
    silence = torch.zeros(1, 4_000, requires_grad=True)
    spectra = frontend(compression=compression)(silence)
    assert (spectra == 0).all()
    spectra.sum().backward()
    assert silence.grad.isfinite().all()


def test_constants_move_with_the_module_and_stay_out_of_checkpoints():
    layer = frontend()
    assert layer.state_dict() == {}
    assert list(layer.parameters()) == []
    assert {buffer.device.type for buffer in layer.to("meta").buffers()} == {"meta"}


def test_a_chunk_shorter_than_half_a_window_is_refused():
    with pytest.raises(InputError, match=r"256 samples is too short.*_samples to at least 257"):
        frontend()(noise(1, 256))
    assert frontend()(noise(1, 257)).shape == (1, 40, 2)
