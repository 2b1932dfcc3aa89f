"""Oracle: a forward pass in NumPy from the formulas of the authors' code, in their layout."""

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from musicssl.encoders.musicnn_vgg import MusicnnVGG
from musicssl.encoders.pretrained.musicnn import (
    PUBLISHED_VGG,
    Published,
    fill_vgg,
    read_weights,
)
from musicssl.errors import InputError
from tests.support.tensor_bundles import bundle

FOLDER = os.environ.get("MUSICSSL_MUSICNN")  # of the package musicnn 0.1.0
POOLINGS = [((4, 1), 2), ((2, 2), 2), ((2, 2), 2), ((2, 2), 2), ((4, 4), 4)]  # (time, frequency)


def norm_name(number):
    return f"batch_normalization_{number}" if number else "batch_normalization"


@pytest.fixture(scope="module")
def tensors():
    rng = np.random.default_rng(0)
    found = {f"{norm_name(0)}/{k}": [v] for k, v in (("gamma", 0.3), ("beta", -0.2))}
    found |= {f"{norm_name(0)}/moving_mean": [1.5], f"{norm_name(0)}/moving_variance": [1.7]}
    for number in range(1, 6):
        width = 1 if number == 1 else 128
        found[f"{number}CNN/kernel"] = rng.normal(0, 0.5 / width**0.5, (3, 3, width, 128))
        found[f"{number}CNN/bias"] = rng.normal(0, 0.1, 128)
        for part, low, high in (("gamma", -1, 1), ("beta", -1, 1), ("moving_mean", 0, 1)):
            found[f"{norm_name(number)}/{part}"] = rng.uniform(low, high, 128)
        found[f"{norm_name(number)}/moving_variance"] = rng.uniform(0, 0.1, 128)  # eps matters
    found["dense/kernel"] = rng.normal(size=(256, 50))
    return {name: np.asarray(values, np.float32) for name, values in found.items()}


def theirs(tensors, patch):
    """Embed a patch, (187, 96) -> (256,), in double precision."""

    def norm(x, number):
        gamma, beta, mean, variance = (
            tensors[f"{norm_name(number)}/{part}"].astype(np.float64)
            for part in ("gamma", "beta", "moving_mean", "moving_variance")
        )
        return gamma * (x - mean) / np.sqrt(variance + 1e-3) + beta

    x = norm(patch[..., None], 0)  # (time, frequency, channels)
    for number, (size, stride) in enumerate(POOLINGS, start=1):
        kernel = tensors[f"{number}CNN/kernel"].astype(np.float64)
        padded = np.pad(x, ((1, 1), (1, 1), (0, 0)))
        total = np.zeros((*x.shape[:2], 128)) + tensors[f"{number}CNN/bias"]
        for t in range(3):
            for f in range(3):
                total += padded[t : t + x.shape[0], f : f + x.shape[1]] @ kernel[t, f]
        x = norm(np.maximum(total, 0), number)
        windows = np.lib.stride_tricks.sliding_window_view(x, size, axis=(0, 1))
        x = windows[::stride, ::stride].max(axis=(-2, -1))
    return x.reshape(-1)


def check_equal(encoder, tensors):
    patch = np.random.default_rng(1).uniform(0, 4, (187, 96))
    x = torch.from_numpy(patch.T).float()[None, None]
    with torch.no_grad():
        ours = encoder.embed_spectra(encoder.norm(x))[0, 0].numpy()
    expected = theirs(tensors, patch)
    assert expected.shape == (256,)
    np.testing.assert_allclose(ours, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())


def test_the_encoder_computes_what_the_published_model_does(tensors):
    encoder = MusicnnVGG().eval()
    fill_vgg(encoder.norm, [*encoder.blocks], tensors)
    check_equal(encoder, tensors)


def test_weights_are_read_from_a_folder(tensors, tmp_path, monkeypatch):
    index, data = bundle(tensors)
    folder = tmp_path / "MTT_vgg"
    folder.mkdir()
    (folder / ".index").write_bytes(index)
    (folder / ".data-00000-of-00001").write_bytes(data)
    digests = (hashlib.sha256(part).hexdigest() for part in (index, data))
    monkeypatch.setitem(PUBLISHED_VGG, "mtt", Published("MTT_vgg", *digests))
    encoder = MusicnnVGG(weights="mtt", weights_folder=tmp_path)
    check_equal(encoder.eval(), tensors)
    assert not encoder.train().norm.training  # which holds their gain and offset
    assert encoder.blocks.training
    with pytest.raises(InputError, match=r"MSD_vgg/\.index cannot be read"):
        MusicnnVGG(weights="msd", weights_folder=tmp_path)


def test_what_does_not_fit_is_refused(tensors):
    with pytest.raises(InputError, match="sample_rate=16000, got 22050"):
        MusicnnVGG(weights="mtt", sample_rate=22_050)
    with pytest.raises(InputError, match="choose mtt or msd"):
        MusicnnVGG(weights="vgg")
    for name, values in (("2CNN/bias", np.zeros(50)), ("2CNN/kernel", np.zeros(3))):
        encoder, changed = MusicnnVGG(), tensors | {name: values.astype(np.float32)}
        with pytest.raises(InputError):
            fill_vgg(encoder.norm, [*encoder.blocks], changed)


@pytest.mark.skipif(FOLDER is None, reason="MUSICSSL_MUSICNN names no folder")
@pytest.mark.parametrize("name", PUBLISHED_VGG)
def test_the_published_files(name):
    assert FOLDER is not None
    encoder = MusicnnVGG(weights=name, weights_folder=Path(FOLDER)).eval()
    check_equal(encoder, read_weights(name, FOLDER, PUBLISHED_VGG))
