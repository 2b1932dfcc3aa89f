"""The script of docs/embeddings.md as it is written, and the commands that follow it.

Instead of transformers and MERT there is a small random model with the same interface.
"""

import re
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch
from torch import nn

from musicssl.cli import training
from musicssl.datasets.formats.embeddings_file import read_embeddings
from musicssl.runs.folder import RunFolder
from tests.support.commands import ROOT, composed
from tests.support.probing_command import run as probe
from tests.support.tone_folder import CLASSES, RATE, write_folder

[SCRIPT] = re.findall(r"```python\n(.*?)```", (ROOT / "docs/embeddings.md").read_text(), re.DOTALL)
HOP, WIDTH, LAYERS = 160, 6, 3


class StandIn(nn.Module):
    """Frames of HOP samples, and layers on them; returns what models of transformers return."""

    def __init__(self):
        super().__init__()
        self.config = SimpleNamespace(num_hidden_layers=LAYERS)
        self.front = nn.Conv1d(1, WIDTH, HOP, stride=HOP)
        self.blocks = nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in range(LAYERS))

    def forward(self, input_values, output_hidden_states=False):
        h = self.front(input_values[:, None]).transpose(1, 2)
        states = [h]
        for block in self.blocks:
            h = h + block(h).tanh()
            states.append(h)
        return SimpleNamespace(hidden_states=tuple(states) if output_hidden_states else None)


class Processor:
    """Turns sound into the input of the stand-in."""

    sampling_rate = RATE

    def __call__(self, sound, sampling_rate, return_tensors):
        assert (sampling_rate, return_tensors) == (RATE, "pt")
        return {"input_values": torch.from_numpy(sound)[None]}


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    folder = write_folder(tmp_path_factory.mktemp("album"))
    sound, _ = soundfile.read(folder / "00.wav", dtype="float32")
    soundfile.write(folder / "00.wav", np.tile(sound, 3), RATE, "FLOAT")  # 9.9 s: two pieces
    return folder


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return StandIn()


@pytest.fixture(scope="module")
def file(recordings, model, tmp_path_factory):
    """Run the script."""
    out = tmp_path_factory.mktemp("out") / "mert.npz"
    library = ModuleType("transformers")
    library.AutoModel = SimpleNamespace(from_pretrained=lambda path, trust_remote_code: model)
    library.Wav2Vec2FeatureExtractor = SimpleNamespace(from_pretrained=lambda path: Processor())
    (recordings / "broken.wav").touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "transformers", library)
        patch.setenv("HF_HUB_OFFLINE", "1")
        patch.setattr(sys, "argv", ["hidden_states.py", "weights", str(recordings), str(out)])
        exec(SCRIPT, {})
    (recordings / "broken.wav").unlink()
    return out


def test_the_file_has_all_hidden_states_averaged_over_about_a_second(file, recordings, model):
    saved = read_embeddings(file)
    assert saved.embeddings.shape == (30, LAYERS + 1, 10, WIDTH)
    assert saved.layers.tolist() == ["0", "1", "2", "3"]
    assert saved.clip_ids.tolist() == [f"{clip:02d}.wav" for clip in range(30)]
    assert saved.lengths.tolist() == [10] + [3] * 29
    sound, _ = soundfile.read(recordings / "07.wav", dtype="float32")
    with torch.inference_mode():
        states = model(torch.from_numpy(sound)[None], output_hidden_states=True).hidden_states
    frames = states[2][0].numpy()  # 165 of 20 ms
    by_hand = [frames[55 * i : 55 * (i + 1)].mean(0) for i in range(3)]
    np.testing.assert_allclose(saved.embeddings[7, 2, :3], by_hand, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(saved.times[7, :3], [[0, 1.1], [1.1, 2.2], [2.2, 3.3]])
    np.testing.assert_allclose(saved.times[0, [0, 4, 5, 9], 1], [0.99, 4.95, 5.94, 9.9])


def of_folder(recordings, cache):
    names = f"dataset.classes=[{','.join(CLASSES)}]"
    return (f"data.root={recordings}", f"data.cache={cache}"), names


@pytest.mark.slow
def test_its_layers_are_probed(file, recordings, tmp_path):
    places, names = of_folder(recordings, tmp_path / "cache")
    common = (f"embeddings={file}", "dataset=audio_folder", names, *places, "baselines=[]")
    few = ("data.p_s=1.0", f"features.sample_rate={RATE}", "dataset.num_workers=1")
    each = probe(tmp_path / "a" / "probe", *common, *few).document()
    assert each["layers"]["names"] == ["0", "1", "2", "3"]
    assert sum(each["layers"]["cells"][0]["chosen"]) == 1
    weighted = probe(tmp_path / "b" / "probe", *common, *few, "probe=weighted_layers").document()
    assert sum(weighted["layers"]["cells"][0]["weight"]) == pytest.approx(1)


@pytest.mark.slow
def test_att_is_trained_on_the_instances_of_a_layer(file, recordings, tmp_path):
    places, names = of_folder(recordings, tmp_path / "cache")
    labels = names.replace("dataset.", "dataset.labels.")
    settings = (
        *("method=att", "dataset=embeddings", f"dataset.path={file}", "dataset.layer=3"),
        *("dataset@dataset.labels=audio_folder", labels, *places),
        *("features=waveform", f"features.sample_rate={RATE}", "dataset.labels.num_workers=1"),
        *("trainer=cpu", "trainer.max_epochs=1", "data.batch_size=8"),
    )
    folder = RunFolder(tmp_path / "run")
    training.run(composed("train", folder.path, *settings), folder)
    assert folder.is_complete
