"""Networks of every kind of targets, alone and together."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from musicssl.encoders.att import AttEmbedding
from musicssl.errors import InputError
from musicssl.evaluation.decisions import Decisions
from musicssl.inference.description import Description
from musicssl.inference.ensemble import Ensemble
from musicssl.inference.model import Model
from musicssl.inference.parts import described
from musicssl.inference.picture import draw_prediction
from musicssl.networks.classifier import Classifier
from musicssl.networks.pooling import MeanPooling
from tests.support.tone_folder import RATE, tones

FEATURES = {
    "_target_": "musicssl.audio.log_mel.LogMel",
    "sample_rate": RATE,
    "num_mels": 8,
}


def model(task="multi_label", seed=0, decisions=None, classes=("a", "b", "c")):
    encoder = partial(AttEmbedding, num_layers=1)
    sizes = {"num_features": 8, "num_instances": 5, "num_classes": len(classes)}
    torch.manual_seed(seed)
    network = Classifier(encoder, MeanPooling, *sizes.values())
    return Model(
        Description(
            path=Path(f"{task}.ckpt"),
            encoder=described(encoder),
            pooling=described(MeanPooling),
            features=FEATURES,
            sizes=sizes,
            task=task,
            classes=classes,
            weights=network.state_dict(),
            decisions=decisions,
            origin={},
        )
    )


def logits(subject, audio):
    h = torch.from_numpy(subject.embed(audio, RATE).h)
    with torch.inference_mode():
        return subject.network.pooling.classifier(h).mean(0)


@pytest.mark.parametrize(
    ("task", "scores"),
    [
        ("multi_label", torch.sigmoid),
        ("multi_class", lambda z: torch.softmax(z, 0)),
        ("regression", lambda z: z),
    ],
)
def test_scores_are_those_of_the_task(task, scores):
    """Oracle: mean pooling written out."""
    audio, _ = tones(np.random.default_rng(0), 4.0)
    subject = model(task)
    found = subject.predict(audio, RATE)
    assert found.scores == pytest.approx(scores(logits(subject, audio)).numpy(), abs=1e-6)


def test_an_ensemble_is_the_mean_of_scores_and_of_thresholds(recordings):
    chosen = [Decisions(np.full(3, x), np.full(3, 2 * x), 10 + i) for i, x in enumerate((0.2, 0.6))]
    models = [model(seed=seed, decisions=chosen[seed]) for seed in (0, 1)]
    both = Ensemble(models)
    clip = recordings / "00.wav"
    one, two = (m.predict(clip) for m in models)
    [(path, found)] = both.predict_files([clip])
    assert path == clip
    assert found.scores == pytest.approx((one.scores + two.scores) / 2)
    assert found.timeline == pytest.approx((one.timeline + two.timeline) / 2)
    assert both.decisions.thresholds == pytest.approx([0.4] * 3)
    assert both.decisions.temperatures == pytest.approx([0.8] * 3)
    assert both.decisions.num_clips == 10
    assert Ensemble([models[0], model()]).decisions is None


def test_faults_are_outcomes(recordings, tmp_path):
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"")
    for models in ([model()], [model(), model(seed=1)]):
        outcomes = dict(Ensemble(models).predict_files([bad, recordings / "01.wav"]))
        assert outcomes[bad] == "is empty (0 bytes)"
        assert len(outcomes[recordings / "01.wav"].scores) == 3


def test_other_classes_or_tasks_are_refused():
    for other in (model(classes=("a", "b", "d")), model("multi_class")):
        with pytest.raises(InputError, match="was trained for other classes"):
            Ensemble([model(), other])


def test_the_picture_of_a_recording(recordings, tmp_path):
    clip = recordings / "00.wav"
    for task in ("multi_label", "regression"):
        found = model(task).predict(clip)
        picture = draw_prediction(tmp_path / task / "a.png", clip, found)
        assert picture.stat().st_size > 10_000
