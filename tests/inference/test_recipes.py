"""The Python of docs/using_models.md runs as it is written."""

import re
import shutil

import numpy as np
import pytest

from tests.support.commands import ROOT

BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "docs/using_models.md").read_text(), re.DOTALL)


def test_a_model_in_python(of_instances, recordings, tmp_path, monkeypatch):
    [code] = [block for block in BLOCKS if "musicssl.load(" in block]
    monkeypatch.chdir(tmp_path)
    shutil.copytree(of_instances.path, tmp_path / "model")
    shutil.copy(recordings / "00.wav", tmp_path / "song.mp3")  # known by its content
    names = {"waveform": np.zeros(88_200, np.float32)}
    exec(code, names)
    assert names["h"].shape == (2, 63)
    assert names["times"].tolist() == [[0, 1], [1, 2]]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of Lightning, about workers of loaders
def test_ones_own_trainer(tmp_path, monkeypatch):
    [code] = [block for block in BLOCKS if "pl.Trainer(" in block]
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(code, names)
    assert names["scores"].shape == (40, 20)
