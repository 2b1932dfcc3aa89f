"""Oracle: the functions of the module, called by hand."""

import copy
import importlib

import numpy as np
import pytest
import torch

from musicssl.encoders.hear import HearEncoder
from musicssl.errors import InputError
from tests.support.hear_modules import write_module

RATE = 16_000


@pytest.fixture
def written(tmp_path, monkeypatch):
    return lambda change: write_module(tmp_path, change, monkeypatch)


def noise(num_clips=3, seconds=1.5):
    random = torch.Generator().manual_seed(0)
    return torch.rand(num_clips, int(seconds * RATE), generator=random) - 0.5


def by_hand(name, kind, x):
    module = importlib.import_module(name)
    torch.manual_seed(0)
    model = module.load_model()
    with torch.no_grad():
        if kind == "scene":
            return module.get_scene_embeddings(x, model)[:, None]
        return module.get_timestamp_embeddings(x, model)[0]


@pytest.mark.parametrize("kind", ["scene", "timestamps"])
def test_embeddings_are_those_of_the_module(written, kind):
    name, x = written("good"), noise()
    encoder = HearEncoder(module=name, embeddings=kind)
    h, valid = encoder(x)
    assert valid is None
    assert encoder.embed_dim == h.shape[2]
    assert torch.equal(h, by_hand(name, kind, x))


@pytest.mark.parametrize("kind", ["scene", "timestamps"])
def test_padding_does_not_change_embeddings(written, kind):
    """Each clip is embedded as long as it is; clips of the same length together."""
    encoder, x = HearEncoder(module=written("good"), embeddings=kind), noise(4)
    lengths = torch.tensor([24_000, 12_000, 24_000, 5000])
    valid = torch.arange(x.shape[1]) < lengths[:, None]
    h, known = encoder(x.masked_fill(~valid, 7.0), valid)
    for row, length in enumerate(lengths):
        alone, _ = encoder(x[row : row + 1, :length])
        count = alone.shape[1]
        torch.testing.assert_close(h[row : row + 1, :count], alone)
        assert not h[row, count:].any()
        assert known is None or known[row].sum() == count
    assert (known is None) == (kind == "scene")


def test_a_click_shows_at_its_timestamp(written):
    encoder = HearEncoder(module=written("good"), embeddings="timestamps")
    silent = torch.zeros(1, 3 * RATE)
    click = silent.clone()
    click[0, int(1.307 * RATE)] = 1.0
    (h, times), (quiet, _) = encoder.located(click), encoder.located(silent)
    loudest = int((h - quiet).abs().sum(dim=2).argmax())
    begin, end = times[loudest]
    assert begin <= 1.307 <= end
    assert (times[0, 0], times[-1, 1]) == (0, 3)
    assert np.array_equal(times[1:, 0], times[:-1, 1])  # no gap
    assert times[26].tolist() == pytest.approx([1.275, 1.325])  # around 1.3 s


def test_a_frozen_model_is_shared_and_its_weights_are_only_recognised(written, tmp_path):
    name, file = written("good"), tmp_path / "weights.pt"
    torch.save({"layer.weight": torch.ones(4, 2), "layer.bias": torch.zeros(4)}, file)
    encoder = HearEncoder(module=name, weights=str(file))
    assert not list(encoder.parameters())
    assert list(encoder.state_dict()) == ["weights_digest"]
    other = copy.deepcopy(encoder)
    assert torch.equal(other(noise())[0], encoder(noise())[0])
    other.load_state_dict(encoder.state_dict())
    torch.save({"layer.weight": torch.ones(4, 2), "layer.bias": torch.ones(4)}, file)
    changed = HearEncoder(module=name, weights=str(file))
    with pytest.raises(InputError, match="their SHA-256 differs"):
        changed.load_state_dict(encoder.state_dict())


def test_a_trainable_model_is_a_part_and_learns(written):
    name, x = written("good"), noise()
    encoder = HearEncoder(module=name, trainable=True)
    assert set(encoder.state_dict()) == {"model.layer.weight", "model.layer.bias"}
    student = copy.deepcopy(encoder)
    student(x)[0].square().sum().backward()
    with torch.no_grad():
        for parameter in student.parameters():
            parameter -= 0.1 * parameter.grad
    assert not torch.equal(student(x)[0], encoder(x)[0])
    assert torch.equal(encoder(x)[0], by_hand(name, "scene", x))  # the copy alone has changed
    encoder.load_state_dict(student.state_dict())
    assert torch.equal(student(x)[0], encoder(x)[0])


def test_what_cannot_be_trained_is_refused(written):
    with pytest.raises(InputError, match="embeds without gradients"):
        HearEncoder(module=written("no_grad"), trainable=True)


def test_settings_that_cannot_be_are_one_sentence(written):
    name = written("fast")
    assert HearEncoder.rate_of(name, None) == 48_000
    with pytest.raises(InputError, match="reads sound at 48000 Hz, got 16000; leave"):
        HearEncoder(module=name, sample_rate=16_000)
    with pytest.raises(InputError, match="needs the name of a HEAR module"):
        HearEncoder()
    with pytest.raises(InputError, match="must be scene or timestamps, got frames"):
        HearEncoder(module=name, embeddings="frames")
    with pytest.raises(InputError, match="reads sound, but the data are instances"):
        HearEncoder(module=name)(torch.zeros(2, 3, 4))
    with pytest.raises(TypeError, match="positional"):
        HearEncoder(None, None, name)
