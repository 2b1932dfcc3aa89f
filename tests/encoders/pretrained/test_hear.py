"""Oracle: a good module, and the same one with one thing changed that the API does not allow."""

import os
import re
import sys
from types import ModuleType, SimpleNamespace

import pytest
import torch

from musicssl.encoders.pretrained.hear import (
    HearModule,
    frozen_module,
    weights_identity,
    wrong_times,
)
from musicssl.errors import InputError
from tests.support.commands import ROOT
from tests.support.hear_modules import write_module

PAGE = ROOT / "docs" / "pretrained_encoders.md"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)


@pytest.fixture
def written(tmp_path, monkeypatch):
    return lambda change: write_module(tmp_path, change, monkeypatch)


@pytest.mark.parametrize("kind", ["scene", "timestamps"])
def test_a_good_module_passes(written, kind):
    hear = HearModule(written("good"))
    assert (hear.sample_rate, hear.scene_size, hear.timestamp_size) == (16_000, 6, 4)
    hear.check(kind)


@pytest.mark.parametrize(
    ("change", "kind", "why"),
    [
        ("peaky", "scene", "embeds a clip otherwise in a batch with another clip than alone"),
        ("peaky", "timestamps", "embeds a clip otherwise in a batch with another clip than alone"),
        ("in_seconds", "timestamps", r"end at 1\.05 ms in a clip of 1070 ms"),
        ("backwards", "timestamps", "timestamps that do not ascend"),
        ("uneven", "timestamps", "several different intervals"),
        ("too_late", "timestamps", "end at 1080 ms in a clip of 1070 ms"),
        ("one_row", "timestamps", r"timestamps of the shape \(22,\), not \(2, 22\)"),
        ("other_size", "scene", r"the shape \(2, 6\), not \(2, 7\)"),
        ("double", "scene", r"returns torch\.float64, not torch\.float32"),
        ("array", "scene", "returns a ndarray, not a tensor of torch"),
        ("fails", "scene", r"fails on 2 clips of 2\.74 s \(RuntimeError: too short\)"),
    ],
)
def test_what_the_api_does_not_allow_is_one_sentence(written, change, kind, why):
    with pytest.raises(InputError, match=why):
        HearModule(written(change)).check(kind)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("no_scenes", "has no function get_scene_embeddings, so it is no HEAR module"),
        ("no_load", "has no function load_model"),
        ("no_size", "timestamp_embedding_size is None"),
        ("text_rate", "sample_rate is '16k'"),
        ("no_import", "cannot be imported .*nowhere_to_be_found"),
    ],
)
def test_what_is_missing_is_said(written, change, why):
    with pytest.raises(InputError, match=why):
        HearModule(written(change))


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("not_there.base", "there is no module not_there.base; install its package"),
        ("torch.not_there", "there is no module torch.not_there"),
        ("../evil", "is no name of a module"),
    ],
)
def test_a_module_that_is_missing_is_one_sentence(name, why):
    with pytest.raises(InputError, match=why):
        HearModule(name)


def test_timestamps_of_a_last_window_that_is_moved_back_are_allowed(written):
    """As those of our own encoders of chunks."""
    assert wrong_times(torch.tensor([[500.0, 1500.0, 2500.0, 3250.0]]), 3750) is None
    assert wrong_times(torch.tensor([[500.0, 1500.0, 2250.0, 3250.0, 3350.0]]), 3750) is not None
    assert wrong_times(torch.tensor([[1845.0]]), 1070) is None  # alone: a window of its own length


def test_weights_are_given_and_what_is_drawn_is_drawn_alike(written, tmp_path):
    name, file = written("good"), tmp_path / "weights.pt"
    torch.manual_seed(3)
    state = {"layer.weight": torch.randn(4, 2), "layer.bias": torch.randn(4)}
    torch.save(state, file)
    loaded = HearModule(name, file)
    assert torch.equal(loaded.model.layer.weight, state["layer.weight"])
    before = torch.get_rng_state()
    one, other = HearModule(name), HearModule(name)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(one.model.layer.weight, other.model.layer.weight)
    assert one.digest() == other.digest() != loaded.digest()
    with pytest.raises(InputError, match="there is no such file or folder"):
        HearModule(name, tmp_path / "nothing.pt")
    file.write_text("no weights")
    with pytest.raises(InputError, match=r"load_model fails with encoder\.weights="):
        HearModule(name, file)


def test_a_frozen_module_is_loaded_again_only_for_other_weights(written, tmp_path):
    name, file = written("good"), tmp_path / "weights.pt"
    torch.save({"layer.weight": torch.ones(4, 2), "layer.bias": torch.zeros(4)}, file)
    first = frozen_module(name, str(file))
    assert frozen_module(name, str(file)) is first
    identity = weights_identity(file)
    torch.save({"layer.weight": torch.ones(4, 2), "layer.bias": torch.ones(4)}, file)
    os.utime(file, ns=(0, 0))
    assert frozen_module(name, str(file)) is not first
    assert weights_identity(file) != identity


class Cnn14(torch.nn.Module):
    """In place of the network: level and roughness, 2048 wide."""

    def __init__(self, *settings):
        super().__init__()
        self.layer = torch.nn.Linear(2, 2048)

    def forward(self, audio):
        parts = [audio.square().mean(dim=1), audio.diff(dim=1).abs().mean(dim=1)]
        return {"embedding": self.layer(torch.stack(parts, dim=1))}


class MuQ(torch.nn.Module):
    """In place of the network: 25 frames a second, 1024 wide."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(1, 1024)

    @classmethod
    def from_pretrained(cls, path, local_files_only):
        assert local_files_only
        return cls()

    def forward(self, audio):
        level = audio.unfold(1, 960, 960).square().mean(dim=2, keepdim=True)
        return SimpleNamespace(last_hidden_state=self.layer(level))


@pytest.mark.parametrize(("package", "size"), [("panns_inference.models", 2048), ("muq", 1024)])
def test_the_modules_of_the_documentation_keep_to_the_api(package, size, tmp_path, monkeypatch):
    """What the page adds to a package; the networks are small ones in their place."""
    [code] = [block for block in BLOCKS if f"from {package} import" in block]
    for name in {package.partition(".")[0], package}:
        module = ModuleType(name)
        module.Cnn14, module.MuQ = Cnn14, MuQ
        monkeypatch.setitem(sys.modules, name, module)
    (tmp_path / "recipe_of_page.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "recipe_of_page", raising=False)
    torch.save({"model": Cnn14().state_dict()}, tmp_path / "weights.pt")
    hear = HearModule("recipe_of_page", tmp_path / "weights.pt")
    for kind in ("scene", "timestamps"):
        hear.check(kind)
    assert hear.scene_size == hear.timestamp_size == size


def test_libraries_are_told_not_to_download_unless_the_user_says_otherwise(written, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.delenv("TRANSFORMERS_OFFLINE", raising=False)
    HearModule(written("good"))
    assert (os.environ["HF_HUB_OFFLINE"], os.environ["TRANSFORMERS_OFFLINE"]) == ("0", "1")
