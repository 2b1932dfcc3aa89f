"""An exported folder predicts as the checkpoint does; damage is found."""

import hashlib
import json
import shutil

import numpy as np
import pytest
from safetensors.numpy import load_file

import musicssl
from musicssl.cli.export import main as export
from musicssl.documents import read_json, write_json
from musicssl.errors import InputError
from musicssl.inference.exported import CARD, CONFIG, WEIGHTS
from musicssl.runs.checkpoint import Checkpoint
from tests.support.tone_folder import CLASSES


@pytest.fixture(scope="module")
def folder(of_instances, tmp_path_factory):
    target = tmp_path_factory.mktemp("exported") / "new" / "model"
    export([str(of_instances.best), str(target), "--licence", "CC-BY-4.0"])
    return target


def test_scores_are_those_of_the_checkpoint(folder, of_instances, recordings):
    model, checkpoint = musicssl.load(folder), musicssl.load(of_instances.best)
    for clip in ("00.wav", "07.wav"):
        one, other = (m.predict(recordings / clip) for m in (model, checkpoint))
        assert (one.scores == other.scores).all()
        assert (one.timeline == other.timeline).all()
    assert model.decisions.plain() == checkpoint.decisions.plain()
    assert (model.classes, model.task, model.sample_rate) == (CLASSES, "multi_label", 8000)


def test_weights_are_open_to_others(folder, of_instances):
    """Oracle: safetensors for NumPy."""
    weights = Checkpoint.read(of_instances.best).weights
    for name, value in load_file(folder / WEIGHTS).items():
        assert (value == weights[f"classifier.{name}"].numpy()).all()


def test_the_folder_has_nothing_else_and_nothing_lies_beside_it(folder):
    assert {file.name for file in folder.iterdir()} == {CARD, CONFIG, WEIGHTS}
    assert [file.name for file in folder.parent.iterdir()] == ["model"]


def test_the_card_says_what_it_is_made_from(folder, of_instances):
    card = (folder / CARD).read_text()
    digest = hashlib.sha256(of_instances.best.read_bytes()).hexdigest()
    auroc = of_instances.result()["macro"]["auroc"]
    for said in ("license: CC-BY-4.0", "Method: att", "Corpus: audio_folder", digest):
        assert said in card
    assert f"| auroc | {auroc:.3f} | {auroc:.3f} | unknown from one seed | 1 |" in card
    assert "data.p_s=1.0 data.b_s=1.0 seed=0" in card


def test_the_card_may_be_edited(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy")
    (copy / CARD).write_text("mine")
    assert musicssl.load(copy).classes == CLASSES


def _flip(path):
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)


def _edit(**changes):
    def edit(folder):
        write_json(folder / CONFIG, read_json(folder / CONFIG) | changes)

    return edit


@pytest.mark.parametrize(
    ("damage", "cause"),
    [
        (lambda folder: (folder / WEIGHTS).unlink(), "model.safetensors is missing"),
        (lambda folder: _flip(folder / WEIGHTS), "differs from its checksum"),
        (lambda folder: (folder / CONFIG).write_text("{"), "config.json cannot be read"),
        (
            lambda folder: (folder / CONFIG).write_text(
                (folder / CONFIG).read_text().replace('"low"', '"bass"')
            ),
            "content differs from its checksum",
        ),
        (_edit(format=2), "reads format 1"),
        (_edit(classes="abc"), "does not say its classes"),
        (_edit(classes=["a"], decisions=None), "names 1 classes, but its network has 3"),
        (_edit(sha256={"../x": "0"}), "outside of the folder"),
        (_edit(sha256={}), "no checksum of model.safetensors"),
        (_edit(decisions={"thresholds": []}), "decision thresholds"),
        (_edit(task="harmony"), "does not say its sizes or its task"),
        (_edit(encoder={"_target_": "os.system", "command": "true"}), "wants to call os.system"),
        (_edit(features={"_target_": "musicssl.audio.decode.read_audio"}), "wants to call"),
    ],
)
def test_damage_is_one_sentence(folder, tmp_path, damage, cause):
    copy = shutil.copytree(folder, tmp_path / "copy")
    damage(copy)
    with pytest.raises(InputError, match=cause):
        musicssl.load(copy)


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"holds neither config\.json"):
        musicssl.load(tmp_path)
    with pytest.raises(InputError, match="there is no checkpoint"):
        musicssl.load(tmp_path / "nothing.ckpt")


def test_what_is_there_is_not_overwritten(of_instances, tmp_path, capsys):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(SystemExit) as stop:
        export([str(of_instances.best), str(tmp_path)])
    assert stop.value.code == 2
    assert "is not empty" in capsys.readouterr().err


def test_seeds_give_the_card_a_spread(of_instances, tmp_path):
    run = tmp_path / "p1.0_b1.0_s0"
    shutil.copytree(of_instances.path, run)
    metrics = read_json(run / "metrics.json")
    values = [metrics["macro"]["auroc"], 0.5, 0.9]
    for seed, value in enumerate(values[1:], 1):
        other = tmp_path / f"p1.0_b1.0_s{seed}"
        other.mkdir()
        write_json(other / "metrics.json", {"macro": {"auroc": value}})
    export([str(run), str(tmp_path / "model")])
    card = (tmp_path / "model" / CARD).read_text()
    mean, spread = np.mean(values), np.std(values, ddof=1)
    assert f"| auroc | {values[0]:.3f} | {mean:.3f} | {spread:.3f} | 3 |" in card
    assert json.loads((tmp_path / "model" / CONFIG).read_text())["format"] == 1
