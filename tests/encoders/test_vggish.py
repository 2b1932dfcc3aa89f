"""A small network with the layers of VGGish stands for it: widths are the constants of its file."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from musicssl.batch import Batch
from musicssl.encoders import vggish
from musicssl.encoders.base.audio import instance_times
from musicssl.encoders.vggish import VGGish
from musicssl.errors import InputError
from musicssl.networks.classifier import Classifier
from musicssl.networks.pooling import MeanPooling

EXAMPLE, REACH = 15_360, 240  # samples


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(vggish, "_FILTERS", ((3,), (4,), (4, 5), (5, 6)))
    monkeypatch.setattr(vggish, "_HIDDEN", 16)
    torch.manual_seed(0)


def noise(samples, clips=1):
    generator = torch.Generator().manual_seed(1)
    return 0.2 * torch.randn(clips, samples, generator=generator)


def test_parameters_are_those_of_the_authors():
    """Filters h x w: h w weights of each input and a bias."""
    widths = (1, 64, 128, 256, 256, 512, 512)
    convolutions = sum((9 * i + 1) * o for i, o in pairwise(widths))
    dense = (6 * 4 * 512 + 1) * 4096 + (4096 + 1) * 4096 + (4096 + 1) * 128
    assert sum(p.numel() for p in VGGish().parameters()) == convolutions + dense == 72_141_184


@pytest.mark.usefixtures("small")
def test_ten_seconds_are_ten_examples_of_096_s():
    encoder = VGGish().eval()
    with torch.no_grad():
        embedded, valid = encoder(noise(160_000))
    assert embedded.shape == (1, 10, 128)
    assert valid is None
    begin, end = instance_times(encoder, 160_000, torch.device("cpu"))
    np.testing.assert_allclose(begin / 16_000, 0.96 * np.arange(10))
    np.testing.assert_allclose(end - begin, EXAMPLE)


@pytest.mark.usefixtures("small")
@torch.no_grad()
def test_an_example_includes_the_240_samples_that_follow():
    """Oracle: the spectra of the whole clip, cut into 96 frames, as the authors do it."""
    encoder, sound = VGGish().eval(), noise(10 * EXAMPLE + 1000)
    spectra = encoder.frontend(sound)[0]  # (64, T)
    examples = torch.stack([spectra[:, 96 * i : 96 * (i + 1)] for i in range(10)])
    maps = encoder.features(examples.unsqueeze(1))
    expected = encoder.embeddings(maps.permute(0, 3, 2, 1).flatten(1))
    torch.testing.assert_close(encoder(sound)[0][0], expected)
    changed = sound.clone()
    changed[0, EXAMPLE : EXAMPLE + REACH] += 0.5
    moved = (encoder(changed)[0] - encoder(sound)[0])[0].abs().amax(dim=1) > 0
    assert moved[:2].all()
    assert not moved[2:].any()
    late = sound.clone()
    late[0, EXAMPLE + REACH] += 0.5
    assert torch.equal(encoder(late)[0][0, 0], encoder(sound)[0][0, 0])


@pytest.mark.usefixtures("small")
@torch.no_grad()
def test_clips_of_other_lengths_and_padding():
    encoder = VGGish().eval()
    assert encoder(noise(4000))[0].shape == (1, 1, 128)
    assert encoder(noise(EXAMPLE + 8000))[0].shape == (1, 2, 128)  # of more than half an example
    sound = noise(40_000, clips=2)
    valid = torch.arange(40_000) < torch.tensor([[40_000], [33_000]])
    both, known = encoder(sound, valid)
    assert known.tolist() == [[True, True, True], [True, True, False]]
    for clip, length, count in ((0, 40_000, 3), (1, 33_000, 2)):
        alone = encoder(sound[clip : clip + 1, :length])[0]
        torch.testing.assert_close(both[clip, :count], alone[0])


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("relu", [True, False])
def test_the_last_relu_is_a_choice(relu):
    with torch.no_grad():
        embedded = VGGish(relu=relu).eval()(noise(80_000))[0]
    assert (embedded >= 0).all().item() == relu


@pytest.mark.usefixtures("small")
def test_published_bytes_are_projected_clipped_and_truncated(tmp_path):
    """Oracle: the authors' steps in NumPy."""
    rng = np.random.default_rng(0)
    vectors, means = rng.normal(0, 1, (128, 128)), rng.normal(0, 0.05, 128)
    file = tmp_path / "pca.npz"
    np.savez(file, pca_eigen_vectors=vectors, pca_means=means)
    plain = VGGish().eval()
    encoder = VGGish(postprocess=True, pca=file).eval()
    encoder.load_state_dict(plain.state_dict(), strict=False)
    with torch.no_grad():
        raw, published = (network(noise(160_000))[0][0].double() for network in (plain, encoder))
    projected = np.dot(vectors, raw.numpy().T - means[:, None]).T
    clipped = np.clip(projected, -2.0, 2.0)
    scaled = (clipped + 2.0) * (255.0 / 4.0)
    safe = np.abs(scaled - scaled.round()) > 1e-3  # of single precision
    codes = (published.numpy() * 255).round()
    assert safe.mean() > 0.4
    assert (codes[safe] == scaled.astype(np.uint8)[safe]).all()
    assert len(np.unique(codes)) > 50


@pytest.mark.usefixtures("small")
def test_a_state_brings_the_projection_along(tmp_path):
    file = tmp_path / "pca.npz"
    np.savez(file, pca_eigen_vectors=np.eye(128), pca_means=np.ones(128))
    first = VGGish(postprocess=True, pca=file).eval()
    second = VGGish(postprocess=True).eval()
    with pytest.raises(InputError, match=r"encoder\.pca=/path/vggish_pca_params\.npz"):
        second(noise(EXAMPLE))
    second.load_state_dict(first.state_dict())
    with torch.no_grad():
        assert torch.equal(first(noise(EXAMPLE))[0], second(noise(EXAMPLE))[0])


@pytest.mark.usefixtures("small")
def test_what_cannot_be_is_refused():
    with pytest.raises(InputError, match="16000 Hz, got 22050"):
        VGGish(sample_rate=22_050)
    with pytest.raises(InputError, match=r"finetune\.frozen=\[encoder\]"):
        VGGish(postprocess=True).train()(noise(EXAMPLE))


@pytest.mark.usefixtures("small")
def test_it_trains_as_an_encoder():
    network = Classifier(VGGish, MeanPooling, 1, 1, num_classes=2)
    sound = noise(2 * EXAMPLE, clips=2)
    empty = torch.zeros(2, 0)
    network(Batch(sound, empty, empty.bool())).sum().backward()
    assert network.encoder.features[0].weight.grad.abs().sum() > 0
