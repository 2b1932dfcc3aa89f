"""Oracle: a forward pass in NumPy from the formulas of the authors' code, in their layout."""

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from musicssl.encoders.musicnn import Musicnn
from musicssl.encoders.pretrained import musicnn as published
from musicssl.encoders.pretrained.musicnn import PUBLISHED, Published, fill, read_weights
from musicssl.errors import InputError
from tests.support.tensor_bundles import bundle

FOLDER = os.environ.get("MUSICSSL_MUSICNN")  # of the package musicnn 0.1.0
SHAPES = [
    *((7, 38, 1, 204), (7, 67, 1, 204)),
    *((frames, 1, 1, 51) for frames in (128, 64, 32)),
    *((7, 561, 1, 64), (7, 64, 1, 64), (7, 64, 1, 64)),
]


def layer(kind, number):
    return f"{kind}_{number}" if number else kind


@pytest.fixture(scope="module")
def tensors():
    rng = np.random.default_rng(0)
    found = {"batch_normalization/gamma": [0.3], "batch_normalization/beta": [-0.2]}
    found |= {"batch_normalization/moving_mean": [1.5], "beta1_power": np.array(0.0)}
    found |= {"batch_normalization/moving_variance": [1.7], "conv2d/bias/Adam": np.zeros(204)}
    for number, shape in enumerate(SHAPES):
        name, norm = layer("conv2d", number), layer("batch_normalization", number + 1)
        found[f"{name}/kernel"] = rng.normal(0, 0.05, shape)
        found[f"{name}/bias"] = rng.normal(0, 0.1, shape[-1])
        for part, low, high in (("gamma", -1, 1), ("beta", -1, 1), ("moving_mean", 0, 1)):
            found[f"{norm}/{part}"] = rng.uniform(low, high, shape[-1])
        found[f"{norm}/moving_variance"] = rng.uniform(0, 0.1, shape[-1])  # eps 1e-3 matters
    return {name: np.asarray(values, np.float32) for name, values in found.items()}


@pytest.fixture
def package(tensors, tmp_path, monkeypatch):
    """A package whose files are known by their checksums."""
    index, data = bundle(tensors)
    folder = tmp_path / "musicnn" / "MTT_musicnn"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").write_text("raise RuntimeError('it was imported')")
    (folder / ".index").write_bytes(index)
    (folder / ".data-00000-of-00001").write_bytes(data)
    digests = (hashlib.sha256(part).hexdigest() for part in (index, data))
    monkeypatch.setitem(PUBLISHED, "mtt", Published("MTT_musicnn", *digests))
    return folder.parent


def theirs(tensors, spectrum):
    """Embed a spectrum, (T, F) -> (T, 753), in double precision."""
    tensors = {name: values.astype(np.float64) for name, values in tensors.items()}

    def norm(x, number):
        name = layer("batch_normalization", number)
        mean, variance = tensors[f"{name}/moving_mean"], tensors[f"{name}/moving_variance"]
        scaled = (x - mean) / np.sqrt(variance + 1e-3)
        return tensors[f"{name}/gamma"] * scaled + tensors[f"{name}/beta"]

    def answers(x, number):
        kernel = tensors[f"{layer('conv2d', number)}/kernel"][:, :, 0]  # (time, mel, out)
        before = (len(kernel) - 1) // 2
        padded = np.pad(x, ((before, len(kernel) - 1 - before), (0, 0)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, kernel.shape[:2])
        sums = np.tensordot(windows, kernel, 2) + tensors[f"{layer('conv2d', number)}/bias"]
        return norm(np.maximum(sums, 0), number + 1)  # (T, F', out)

    normalised = norm(spectrum[..., None], 0)[..., 0]
    front = np.concatenate([answers(normalised, n).max(axis=1) for n in range(5)], axis=1)
    first = answers(front, 5)[:, 0]
    second = first + answers(first, 6)[:, 0]
    third = second + answers(second, 7)[:, 0]
    return np.concatenate([front, first, second, third], axis=1)


def check_equal(encoder, tensors):
    spectrum = np.random.default_rng(1).uniform(0, 4, (20, 96))
    x = torch.from_numpy(spectrum.T).float()[None, None]
    with torch.no_grad():
        ours = encoder.embed_spectra(encoder.norm(x))[0].numpy()
    expected = theirs(tensors, spectrum)
    np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


def test_the_encoder_computes_what_the_published_model_does(tensors):
    encoder = Musicnn().eval()
    fill(encoder.norm, [*encoder.front, *encoder.mid], tensors)
    check_equal(encoder, tensors)


def test_weights_are_read_from_a_folder_or_from_the_package_which_is_not_imported(
    package, tensors, monkeypatch
):
    read = read_weights("mtt", package)
    assert read.keys() == {name for name in tensors if "/Adam" not in name and "/" in name}
    monkeypatch.syspath_prepend(package.parent)
    installed = Musicnn(weights="mtt")
    named = Musicnn(weights="mtt", weights_folder=package)
    for one, other in zip(installed.parameters(), named.parameters(), strict=True):
        assert torch.equal(one, other)
    check_equal(named.eval(), tensors)


def test_the_first_norm_keeps_its_statistics_in_training(package):
    encoder = Musicnn(weights="mtt", weights_folder=package).train()
    assert not encoder.norm.training
    assert encoder.mid.training
    assert Musicnn().train().norm.training


def test_files_that_are_missing_or_changed_are_refused(package, tmp_path, monkeypatch):
    with pytest.raises(InputError, match="cannot be read"):
        read_weights("mtt", tmp_path)
    with (package / "MTT_musicnn" / ".index").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(InputError, match="SHA-256 differs"):
        read_weights("mtt", package)
    monkeypatch.setattr(published, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install --no-deps musicnn==0\.1\.0"):
        read_weights("mtt")
    with pytest.raises(InputError, match="choose mtt or msd"):
        read_weights("vgg")


def test_tensors_that_do_not_fit_are_refused(tensors):
    for name, values in (
        ("conv2d_3/bias", np.zeros(50)),
        ("conv2d_3/kernel", np.zeros(3)),
        ("batch_normalization/gamma", np.array([-0.3])),
    ):
        encoder, changed = Musicnn(), tensors | {name: values.astype(np.float32)}
        with pytest.raises(InputError):
            fill(encoder.norm, [*encoder.front, *encoder.mid], changed)


@pytest.mark.parametrize(
    ("settings", "said"),
    [({"mid_filters": 512}, "mid_filters=64"), ({"sample_rate": 22_050}, "sample_rate=16000")],
)
def test_another_shape_is_refused(settings, said):
    with pytest.raises(InputError, match=said):
        Musicnn(weights="mtt", **settings)


@pytest.mark.skipif(FOLDER is None, reason="MUSICSSL_MUSICNN names no folder")
@pytest.mark.parametrize("name", PUBLISHED)
def test_the_published_files(name):
    assert FOLDER is not None
    encoder = Musicnn(weights=name, weights_folder=Path(FOLDER)).eval()
    assert sum(p.numel() for p in encoder.parameters()) == 472_295
    check_equal(encoder, read_weights(name, FOLDER))
