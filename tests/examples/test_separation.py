"""The example of source separation: its parts against formulas, and its command."""

import json
import warnings

import mir_eval
import numpy as np
import pytest
import soundfile
import torch
from scipy.signal import medfilt

from examples.separation.corpora import Bands, Musdb
from examples.separation.measures import bss_eval
from examples.separation.method import median_filtered
from examples.separation.network import SeparationUNet
from musicssl.data.checks import check_corpus
from musicssl.errors import InputError
from tests.support.commands import ROOT, shell

BANDS = {
    "source": "drums",
    "sample_rate": 16_000,
    "hop": 512,
    "clip_hops": 63,
    "floor_db": -50.0,
    "gap_seconds": 0.0,
}
BANDS |= {"num_clips": 20, "seed": 0, "max_parts": 3, "present": 0.7, "level_range_db": 12.0}


@pytest.fixture(scope="module")
def bands(tmp_path_factory):
    return Bands(cache=str(tmp_path_factory.mktemp("cache")), **BANDS).load()


def unet(**sizes):
    return SeparationUNet(1024, window=1024, bins=243, widths=(4, 6, 8), head=(4, 4), **sizes)


def test_bss_eval_is_that_of_mir_eval():
    rng = np.random.default_rng(0)
    sources = rng.standard_normal((2, 4000))
    blurred = np.convolve(sources[0], [1, 0.5, -0.2], "same")
    estimates = np.stack([blurred + 0.3 * sources[1], sources.sum(axis=0), blurred])
    estimates[2] += 0.1 * rng.standard_normal(4000)
    for estimate, found in zip(estimates, bss_eval(sources, estimates), strict=True):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # mir_eval says that this function is to go
            pair = np.stack([estimate, sources.sum(axis=0) - estimate + 1e-3 * sources[1]])
            expected = mir_eval.separation.bss_eval_sources(sources, pair, False)
        expected = np.minimum([measure[0] for measure in expected[:3]], 100)  # 300 dB is rounding
        np.testing.assert_allclose(np.minimum(found, 100), expected, atol=0.01)


def test_the_ideal_mask_is_above_the_mixture(bands):
    present = np.flatnonzero(bands.y[:, 0])[:3]
    net = unet()
    for row in present:
        x = torch.from_numpy(bands.x[[row]])
        mixture, source = net.sounds(x)
        spectra, of_source = net.spectra(x)
        ideal = net.sound((2 * of_source.abs() > spectra.abs()) * spectra, mixture.shape[1])
        pair = np.stack([source[0], mixture[0] - source[0]]).astype(float)
        found = bss_eval(pair, torch.cat([mixture, ideal]).double().numpy(), taps=64)
        assert found[1, 0] > found[0, 0] + 5


def test_a_mask_of_ones_gives_back_the_mixture():
    net, x = unet(), torch.randn(2, 32, 1024)
    spectra, of_source = net.spectra(x)
    for spectrum, sound in zip((spectra, of_source), net.sounds(x), strict=True):
        torch.testing.assert_close(net.sound(spectrum, sound.shape[1]), sound, atol=1e-5, rtol=0)


def test_the_network_reads_the_mixture_only_and_has_its_sizes():
    net, x = unet().eval(), torch.randn(2, 32, 1024)
    seen = net.separate(x)
    assert seen.mask.shape == (2, 513, 33)
    assert seen.h.shape == (2, 32, net.embed_dim)
    x[..., 512:] = 0
    torch.testing.assert_close(net.separate(x).mask, seen.mask)
    published = SeparationUNet(2048)
    assert published.embed_dim == 32  # 16 channels of 2 frequencies, as before their last layer
    assert [block.shortcut.in_channels for block in published.merge] == [80, 48, 16]


@pytest.mark.parametrize("sizes", [{"window": 1000}, {"window": 1024, "bins": 600}])
def test_sizes_that_do_not_fit_are_refused(sizes):
    with pytest.raises(InputError, match="change one of them"):
        SeparationUNet(1024, **sizes)


def test_the_median_filter_is_that_of_scipy():
    active = torch.rand(3, 60) < 0.5
    expected = np.stack([medfilt(row.astype(float), 7) for row in active.numpy()])
    inner = slice(3, -3)  # scipy has zeros beyond the ends
    assert (median_filtered(active, 7).numpy()[:, inner] == expected[:, inner]).all()


def test_bands_are_a_corpus_whose_activity_is_the_level_of_the_source(bands, tmp_path):
    assert check_corpus(bands).x.shape == (20, 63, 1024)
    levels = np.square(bands.x[:, :, 512:]).mean(axis=2)
    assert (bands.activity[..., 0] == (levels > 1e-5)).all()
    absent = bands.y[:, 0] == 0
    assert absent.any()
    assert not bands.x[absent][:, :, 512:].any()  # no clip has a faint trace of the source
    again = Bands(cache=str(tmp_path), **BANDS | {"num_clips": 10}).load()
    np.testing.assert_array_equal(again.x, bands.x[:10])


def test_musdb_is_read_as_it_is_unpacked(tmp_path):
    rng = np.random.default_rng(0)
    for song in ("train/A - One", "train/B - Two", "test/C - Three"):
        (tmp_path / song).mkdir(parents=True)
        for stem in ("mixture", "vocals"):
            sound = rng.uniform(-0.5, 0.5, (44_100, 2))
            sound[:22_050] *= stem == "mixture"  # vocals in the second half only
            soundfile.write(tmp_path / song / f"{stem}.wav", sound, 44_100)
    common = {"cache": str(tmp_path), "sample_rate": 22_050, "hop": 512, "clip_hops": 10}
    common |= {"floor_db": -50.0, "gap_seconds": 0.0}
    corpus = Musdb(source="vocals", root=str(tmp_path), max_songs=None, **common).load()
    assert corpus.split.tolist() == ["train"] * 8 + ["test"] * 4
    assert corpus.y[:4, 0].tolist() == [0, 0, 1, 1]
    sound, _ = soundfile.read(tmp_path / "test/C - Three/mixture.wav")
    middle = corpus.x[8:, :, :512].flatten()
    assert np.corrcoef(middle, sound.mean(axis=1)[::2][: len(middle)])[0, 1] > 0.5
    with pytest.raises(InputError, match=r"is vocals, drums, bass or other"):
        Musdb(source="flute", root=str(tmp_path), max_songs=None, **common).load()
    with pytest.raises(InputError, match=r"that of MUSDB18-HQ"):
        Musdb(source="vocals", root=str(tmp_path / "no"), max_songs=None, **common).load()


@pytest.mark.slow
def test_the_command_separates_better_than_nothing(tmp_path):
    chosen = ("method=iass", "dataset=bands", "trainer=cpu", "method.gate=false")
    small = ("dataset.num_clips=60", "trainer.max_steps=60", "data.steps_per_epoch=30")
    conf = ("--config-dir", str(ROOT / "examples/separation/conf"))
    result = shell(tmp_path, *conf, *chosen, *small)
    assert result.returncode == 0, result.stderr
    [metrics] = tmp_path.rglob("metrics.json")
    found = json.loads(metrics.read_text())["macro"]
    assert found["sdr_input"] + 1 < found["sdr"] < found["sdr_ideal"]
    assert (metrics.parent / "method.wav").is_file()
    refused = shell(tmp_path, *conf, *chosen[:3], *small, "method.activity_weight=0")
    assert "set method.gate=false" in refused.stderr
