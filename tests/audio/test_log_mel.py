import dataclasses

import numpy as np
import pytest
import torch
from torchaudio.functional import melscale_fbanks

from musicssl.audio.log_mel import LogMel, LogMelFrontend
from musicssl.errors import InputError

RATE = 16_000


def tone(frequency, seconds=3.0, amplitude=1.0, rate=RATE):
    time = np.arange(round(seconds * rate)) / rate
    return (amplitude * np.sin(2 * np.pi * frequency * time)).astype(np.float32)


def burst(start, stop, seconds, rate=RATE):
    """A tone that sounds from `start` to `stop`, in seconds."""
    audio = tone(1000, seconds, rate=rate)
    time = np.arange(len(audio)) / rate
    audio[(time < start) | (time >= stop)] = 0
    return audio


def mel_bands(features):
    return melscale_fbanks(
        features.n_fft // 2 + 1, 0.0, features.sample_rate / 2, features.num_mels, RATE
    ).numpy()


@pytest.mark.parametrize("band", [20, 60, 100])
def test_a_full_scale_sine_at_the_centre_of_a_band_is_0_db_there(band):
    features = LogMel()
    peak = mel_bands(features).argmax(axis=0)[band] * RATE / features.n_fft
    instances = features(tone(peak))
    assert instances[1, band] == pytest.approx(1.0, abs=0.02)  # 1.6 dB
    assert instances[1].max() == pytest.approx(instances[1, band], abs=0.02)
    assert instances[1, (band + 64) % 128] < 0.3


def test_silence_is_zero_and_has_no_nan():
    assert (LogMel()(np.zeros(2 * RATE, np.float32)) == 0).all()


def test_the_scale_is_linear_in_decibels():
    """40 dB are half of the 80 dB between floor and full scale, in every band above the floor."""
    loud, soft = LogMel()(tone(440, amplitude=0.5)), LogMel()(tone(440, amplitude=0.005))
    above = soft > 0.02
    assert above[1].sum() >= 3
    np.testing.assert_allclose((loud - soft)[above], 0.5, atol=1e-4)


def test_the_floor_maps_to_zero():
    audio = tone(440, amplitude=0.1)
    high, low = LogMel(floor_db=-40.0)(audio), LogMel(floor_db=-80.0)(audio)
    np.testing.assert_allclose(high[1], np.clip(2 * low[1] - 1, 0, None), atol=0.02)
    assert (high[1] == 0).any()
    assert (high[1] > 0).any()


def test_frames_equal_the_definition():
    """Windowed Fourier transform, mel bands, decibels re a full-scale sine: in NumPy, float64."""
    features = LogMel()
    audio = np.random.default_rng(0).uniform(-0.3, 0.3, 2 * RATE).astype(np.float32)
    window = np.hanning(features.n_fft + 1)[:-1]
    for k in (5, 20, 33):  # frame k is centred on k / frames_per_second
        centre = k * RATE // features.frames_per_second
        piece = audio[centre - features.n_fft // 2 : centre + features.n_fft // 2]
        power = np.abs(np.fft.rfft(piece * window)) ** 2 @ mel_bands(features)
        decibels = 10 * np.log10(np.maximum(power, 1e-12) / (window.sum() / 2) ** 2)
        expected = np.clip(1 + decibels / 80, 0, 1)
        np.testing.assert_allclose(features.frames(audio)[k], expected, atol=1e-4)


def test_an_instance_is_the_mean_of_its_seconds_frames():
    features = LogMel()
    audio = np.random.default_rng(0).uniform(-0.1, 0.1, 3 * RATE).astype(np.float32)
    frames = features.frames(audio)
    expected = [frames[20 * t : 20 * t + 20].mean(axis=0) for t in range(3)]
    np.testing.assert_allclose(features(audio), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("settings", "t", "seconds"),
    [
        ({}, 0, 5),
        ({}, 3, 5),
        ({"instance_seconds": 0.5}, 7, 5),
        ({"instance_seconds": 0.96}, 58, 60),  # VGGish's; not a whole number of frames
        ({"sample_rate": 22_050}, 58, 60),  # no whole number of samples between frames
        ({"sample_rate": 44_100, "frames_per_second": 30}, 3, 5),
    ],
)
def test_an_instance_holds_only_what_sounds_in_its_time(settings, t, seconds):
    features = LogMel(**settings)
    size = features.instance_seconds
    audio = burst((t + 0.3) * size, (t + 0.7) * size, seconds, features.sample_rate)
    instances = features(audio)
    assert len(instances) == features.num_instances(len(audio))
    sounding = instances.max(axis=1) > 0
    assert sounding.nonzero()[0].tolist() == [t]


def test_a_shift_by_a_second_shifts_the_instances():
    features = LogMel()
    noise = np.random.default_rng(0).normal(0, 0.1, 2 * RATE).astype(np.float32)
    silence = np.zeros(RATE, np.float32)
    early = features(np.concatenate([silence, noise, silence, silence]))
    late = features(np.concatenate([silence, silence, noise, silence]))
    np.testing.assert_allclose(late[1:], early[:-1], atol=1e-6)
    assert (late[0] == 0).all()


@pytest.mark.parametrize(
    ("samples", "count"),
    [(RATE, 1), (RATE + 7_999, 1), (RATE + 8_000, 2), (2 * RATE - 1, 2), (8_000, 1), (160_000, 10)],
)
def test_a_last_instance_is_kept_if_half_of_it_is_there(samples, count):
    features = LogMel()
    instances = features(tone(440, samples / RATE))
    assert features.num_instances(samples) == count
    assert instances.shape == (count, 128)
    assert instances.dtype == np.float32
    # The tone is steady: a short last instance is a mean over what there is, not a smaller sum.
    np.testing.assert_allclose(instances.max(axis=1), instances.max(), atol=0.03)


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(LogMel)])
def test_every_field_has_a_part_in_the_name_of_a_cache(field):
    features = LogMel()
    others = {"instance_hop_seconds": 0.5, "statistics": ("mean", "std")}
    other = others[field] if field in others else getattr(features, field) * 2
    assert dataclasses.replace(features, **{field: other}).settings() != features.settings()


def test_means_have_the_names_of_caches_that_they_always_had():
    """Those of version 0.1, so that what users have computed is found."""
    settings = {
        "kind": "log_mel",
        "version": 1,
        "sample_rate": 16_000,
        "num_mels": 128,
        "n_fft": 2048,
        "frames_per_second": 20,
        "instance_seconds": 1.0,
        "floor_db": -80.0,
    }
    assert LogMel().settings() == LogMel(statistics=["mean"]).settings() == settings
    assert LogMel(instance_hop_seconds=1.0).settings() == settings


def test_results_do_not_depend_on_what_was_computed_before():
    features, audio = LogMel(), tone(300)
    first = features(audio)
    features(tone(5000, 1.0))
    assert np.array_equal(features(audio), first)
    assert not torch.is_tensor(first)


def test_a_clip_shorter_than_a_window_is_padded_with_silence():
    short = LogMel(instance_seconds=0.05)
    audio = np.sin(np.arange(900) * 0.4).astype(np.float32)
    padded = np.pad(audio, (0, 125))  # 1025 samples: half a window and one
    assert short(audio).shape == (1, 128)
    np.testing.assert_allclose(short(audio), short(padded)[:1])


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
