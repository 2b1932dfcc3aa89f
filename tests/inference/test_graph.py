"""The graph from sound to scores: the same numbers as the model, in torch.export and ONNX too."""

import numpy as np
import pytest
import torch

import musicssl
from musicssl.cli.export import main as export
from musicssl.errors import InputError
from musicssl.inference.graph import SoundToScores
from musicssl.inference.graph_files import ONNX, TORCH_EXPORT
from tests.support.quick import slow_after
from tests.support.tone_folder import RATE, tones, train_on


@pytest.fixture(params=["of_instances", "of_sound"])
def run(request):
    return request.getfixturevalue(request.param)


def clips(seconds, count=2):
    return np.stack([tones(np.random.default_rng(seed), seconds)[0] for seed in range(count)])


@pytest.mark.parametrize("seconds", slow_after(2, [1.6, 2.0, 3.24, 3.26, 5.49, 7.51]))
def test_the_graph_scores_as_the_model(run, seconds):
    model = musicssl.load(run.best)
    graph = SoundToScores(model).eval()
    sound = clips(seconds)
    with torch.inference_mode():
        scores, timeline = graph(torch.from_numpy(sound))
    for clip, row in enumerate(sound):
        found = model.predict(row, RATE)
        assert scores[clip].numpy() == pytest.approx(found.scores, abs=1e-4)
        assert timeline[clip].numpy() == pytest.approx(found.timeline, abs=1e-4)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of the tracer and the runtime
def test_files_for_others_score_as_the_model(run, tmp_path):
    """Oracle: onnxruntime, and torch.export.load, with other sizes than those traced."""
    runtime = pytest.importorskip("onnxruntime", reason="pip install 'musicssl[export]'")
    pytest.importorskip("onnxscript", reason="pip install 'musicssl[export]'")
    folder = tmp_path / "model"
    export([str(run.best), str(folder), "--onnx", "--torch-export"])
    model = musicssl.load(folder)
    session = runtime.InferenceSession(str(folder / ONNX))
    program = torch.export.load(folder / TORCH_EXPORT).module()
    for seconds, count in ((1.9, 1), (4.3, 3), (11.0, 2)):
        sound = clips(seconds, count)
        traced = session.run(None, {"sound": sound})
        exported = [part.numpy() for part in program(torch.from_numpy(sound))]
        for scores, timeline in (traced, exported):
            for clip, row in enumerate(sound):
                found = model.predict(row, RATE)
                assert scores[clip] == pytest.approx(found.scores, abs=1e-4)
                assert timeline[clip] == pytest.approx(found.timeline, abs=1e-4)
    (folder / ONNX).write_bytes(b"other")
    with pytest.raises(InputError, match=r"model.onnx differs from its checksum"):
        musicssl.load(folder)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_network_without_a_graph_is_named(recordings, tmp_path, capsys):
    settings = (
        "encoder=gru",
        "encoder.hidden=4",
        "features.num_mels=8",
        "features.num_coefficients=3",
    )
    run = train_on(recordings, tmp_path / "run", *settings)
    with pytest.raises(SystemExit):
        export([str(run.best), str(tmp_path / "model"), "--torch-export"])
    assert "the encoder GRUEncoder cannot be written as a graph" in capsys.readouterr().err
    assert not (tmp_path / "model").exists()


@pytest.mark.slow
def test_instances_of_a_fraction_of_frames_have_no_graph(recordings, tmp_path):
    settings = (
        "features.num_mels=8",
        "features.num_coefficients=3",
        "features.instance_seconds=0.77",
        "encoder.num_layers=1",
    )
    model = musicssl.load(train_on(recordings, tmp_path / "run", *settings).best)
    with pytest.raises(InputError, match=r"instances of 30.8 frames, 0.77 s apart, have no"):
        SoundToScores(model)


@pytest.mark.slow
def test_the_graph_of_kaldi_spectra_scores_as_the_model(recordings, tmp_path):
    settings = ("encoder=mobile_fcn", "pooling=mean", "encoder.chunk_samples=30720")
    model = musicssl.load(train_on(recordings, tmp_path / "run", *settings).best)
    graph = SoundToScores(model).eval()
    sound = clips(9.3)
    with torch.inference_mode():
        scores, _ = graph(torch.from_numpy(sound))
    for clip, row in enumerate(sound):
        assert scores[clip].numpy() == pytest.approx(model.predict(row, RATE).scores, abs=1e-4)
