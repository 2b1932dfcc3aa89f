"""train.py with a teacher: from a file, from a checkpoint, and what is refused."""

import json

import numpy as np
import pytest
import torch

from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.errors import InputError
from musicssl.runs.checkpoint import load_method, read_checkpoint
from musicssl.runs.teachers import read_teacher
from tests.support.quick import slow_after
from tests.support.tiny import Tiny
from tests.support.tone_folder import INSTANCES, train_on, write_folder
from tests.support.training_command import run


def saved(path, corpus=None, **changes):
    """Write embeddings in which classes can be told apart."""
    corpus = corpus or Tiny().load()
    noise = 0.1 * np.random.default_rng(0).normal(size=(len(corpus.y), 5))
    values = np.concatenate([corpus.y, 1 - corpus.y[:, :2]], axis=1) + noise
    arrays = {"embeddings": values.astype(np.float32), "clip_ids": corpus.clip_ids} | changes
    np.savez(path, **arrays)
    return path


@pytest.mark.parametrize("share", slow_after(1, [0.3, 0.0]))
def test_a_method_trains_with_a_file_of_the_teacher(tmp_path, share):
    file = saved(tmp_path / "t.npz")
    folder = run(
        *(tmp_path / "run", "method=east", f"teacher_embeddings={file}"),
        f"method.kd_share={share}",
    )
    assert json.loads(folder.metrics.read_text())["macro"]["auroc"] > 0
    history = folder.history.read_text()
    assert "train/teacher_loss" in history
    assert ("train/kd_loss" in history) == (share > 0)
    load_method(folder.best)  # needs no teacher


@pytest.mark.slow
def test_logits_of_a_checkpoint_are_computed_once_and_added_to_batches(tmp_path, monkeypatch):
    """Oracle: the checkpoint's own logits of whole clips."""
    teacher = run(tmp_path / "teacher")
    given = []
    add_teacher = SemiSupervisedDataModule.add_teacher

    def watched(self, table):
        given.append((table, self.corpus))
        add_teacher(self, table)

    monkeypatch.setattr(SemiSupervisedDataModule, "add_teacher", watched)
    words = ("method=distill", f"finetune.teacher={teacher.best}", f"data.cache={tmp_path}/cache")
    run(tmp_path / "run", *words)
    files = {path: path.stat().st_mtime_ns for path in tmp_path.glob("cache/embeddings/*/*")}
    run(tmp_path / "again", *words)
    assert files
    assert files == {p: p.stat().st_mtime_ns for p in tmp_path.glob("cache/embeddings/*/*")}
    [(table, corpus), _] = given
    method, _ = load_method(teacher.best)
    with torch.inference_mode():
        logits = method.classifier.pooling(*method.classifier.encoder(torch.tensor(corpus.x)))
    np.testing.assert_allclose(table.values, logits, atol=1e-5)


@pytest.mark.slow
def test_another_teacher_of_the_same_path_is_another_run(tmp_path):
    file = saved(tmp_path / "t.npz")
    words = (tmp_path / "run", "method=east", f"teacher_embeddings={file}")
    run(*words)
    run(*words)
    saved(file, embeddings=np.random.default_rng(1).normal(size=(120, 5)).astype(np.float32))
    with pytest.raises(InputError, match="teacher"):
        run(*words)


def test_embeddings_in_time_are_averaged_and_layers_refused(tmp_path):
    """Oracle: the mean of the valid instances of each clip, by a loop."""
    values, lengths = np.random.default_rng(0).random((2, 3, 4)), np.array([3, 2])
    arrays = {"embeddings": values.astype(np.float32), "clip_ids": np.array(["a", "b"])}
    file = tmp_path / "t.npz"
    np.savez(file, **arrays, lengths=lengths)
    table = read_teacher(file, "embeddings", ("x",), None)
    expected = [clip[:length].mean(axis=0) for clip, length in zip(values, lengths, strict=True)]
    np.testing.assert_allclose(table.values, expected, rtol=1e-5)
    np.savez(file, **arrays, layers=np.array(["1", "2", "3"]))
    with pytest.raises(InputError, match="has 3 layers of each clip"):
        read_teacher(file, "embeddings", ("x",), None)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("method=east",), r"learns from a teacher.*teacher_embeddings=FILE\."),
        (("method=distill",), r"finetune\.teacher=FILE"),
        (("method=noisy_student",), r"a file of its logits, with finetune\.teacher=FILE\."),
        (("method=noisy_student", "teacher_embeddings={file}"), "learns from logits.*gives emb"),
        (("method=att", "teacher_embeddings={file}"), "no effect on this method; method=east"),
        (("method=att", "finetune.teacher={file}"), r"finetune\.teacher=.* has no effect"),
        (
            ("method=distill", "finetune.teacher={file}", "teacher_embeddings={file}"),
            "are two teachers",
        ),
        (("method=distill", "finetune.teacher={file}"), "has 5 values of each clip.*must be the 3"),
        (("method=east", "finetune.teacher={file}", "dataset.num_classes=5"), "gives logits"),
        (("method=east", "teacher_embeddings=none.npz"), "no file of embeddings"),
        (("method=east", "teacher_embeddings=none.ckpt"), "there is no checkpoint none.ckpt"),
        (("method=east", "teacher_embeddings=[a,b]"), "must be the path of a file"),
    ],
)
def test_what_cannot_teach_is_refused(tmp_path, words, said):
    file = saved(tmp_path / "t.npz")
    with pytest.raises(InputError, match=said):
        run(tmp_path / "run", *(word.format(file=file) for word in words))


@pytest.mark.slow
def test_a_checkpoint_for_other_classes_is_refused(tmp_path):
    teacher = run(tmp_path / "teacher", "dataset.num_classes=2")
    with pytest.raises(InputError, match="answers about other classes"):
        run(tmp_path / "run", "method=distill", f"finetune.teacher={teacher.best}")
    run(tmp_path / "other", "method=east", f"teacher_embeddings={teacher.best}")


@pytest.mark.slow
@pytest.mark.parametrize("encoder", ["cp_resnet", "mobile_fcn"])
def test_a_teacher_of_instances_teaches_a_student_of_sound(tmp_path, encoder):
    recordings = write_folder(tmp_path / "recordings", num_clips=15)
    teacher = train_on(recordings, tmp_path / "teacher", *INSTANCES)
    sizes = {
        "cp_resnet": ("encoder.width=4", "encoder.chunk_samples=16000"),
        "mobile_fcn": ("encoder.chunk_samples=30720",),
    }
    student = train_on(
        *(recordings, tmp_path / "student", f"encoder={encoder}", "pooling=mean"),
        *("method=east", f"teacher_embeddings={teacher.best}", "method.stages=all"),
        *sizes[encoder],
    )
    state = read_checkpoint(student.best)["state_dict"]
    assert all(value.isfinite().all() for value in state.values())


@pytest.mark.slow
def test_a_student_is_the_teacher_of_the_next_round(tmp_path):
    """Each round is a run; another teacher makes another run, and the same one the same."""
    before = run(tmp_path / "teacher", "data.p_s=0.3")
    words = ("method=noisy_student", "data.p_s=0.3", f"data.cache={tmp_path}/cache")
    first = run(tmp_path / "first", *words, f"finetune.teacher={before.best}")
    second = run(tmp_path / "second", *words, f"finetune.teacher={first.best}")
    histories = [folder.history.read_text() for folder in (first, second)]
    assert "train/consistency_loss" in histories[0]
    assert histories[0] != histories[1]
    again = run(tmp_path / "again", *words, f"finetune.teacher={first.best}")
    assert again.metrics.read_text() == second.metrics.read_text()
    with pytest.raises(InputError, match="teacher"):
        run(tmp_path / "second", *words, f"finetune.teacher={before.best}")
