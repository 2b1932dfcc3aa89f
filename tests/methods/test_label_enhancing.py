from functools import partial

import pytest
import torch

from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.encoders.att import AttEmbedding
from musicssl.errors import InputError
from musicssl.losses.masked_bce import masked_bce
from musicssl.methods.label_enhancing import LabelEnhancing, doubtful
from musicssl.schedules import halving
from tests.support.kinds import OneClass
from tests.support.tiny import Tiny
from tests.support.training import quiet_trainer, supervised_parts


def data(**changes):
    return SemiSupervisedDataModule(Tiny(), **({"batch_size": 28, "drop_labels": 0.5} | changes))


def method(**changes):
    torch.manual_seed(0)
    encoder = partial(AttEmbedding, dropout=0.0)
    return LabelEnhancing(
        **supervised_parts(encoder=encoder, **({"teacher_epochs": 2, "pruned": 0.4} | changes))
    )


class Watched(LabelEnhancing):
    """Keeps the weights of both networks at the start of each epoch."""

    def on_train_epoch_start(self):
        super().on_train_epoch_start()
        for name in ("teacher", "classifier"):
            values = [p.detach().clone() for p in self.get_submodule(name).parameters()]
            self.__dict__.setdefault("seen", {}).setdefault(name, []).append(values)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.4, 1.0])
def test_doubtful_labels_are_the_missing_ones_with_the_highest_scores(share):
    """Oracle: class by class, the highest taken out one at a time."""
    torch.manual_seed(0)
    scores, missing = torch.rand(30, 4), torch.rand(30, 4) < 0.6
    missing[:, 3] = False
    expected = torch.zeros(30, 4, dtype=torch.bool)
    for c in range(4):
        left = [(float(scores[n, c]), n) for n in range(30) if missing[n, c]]
        for _ in range(int(len(left) * share + 0.5)):
            best = max(left)
            left.remove(best)
            expected[best[1], c] = True
    assert torch.equal(doubtful(scores, missing, share), expected)


def test_each_phase_trains_its_own_network(tmp_path):
    torch.manual_seed(0)
    subject = Watched(**supervised_parts(teacher_epochs=2, pruned=0.4))
    quiet_trainer(tmp_path, max_epochs=4).fit(subject, data())
    teacher, student = subject.seen["teacher"], subject.seen["classifier"]

    def equal(a, b):
        return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))

    assert not equal(teacher[0], teacher[1])
    assert equal(teacher[2], teacher[3])
    assert equal(teacher[2], list(subject.teacher.parameters()))
    assert equal(student[0], student[1])
    assert equal(student[1], student[2])
    assert not equal(student[2], student[3])
    assert not equal(teacher[0], student[0])  # from scratch, and apart


def test_the_student_learns_from_observed_labels_and_sure_negatives(tmp_path):
    """Oracle: masks and losses written out, from the teacher's scores of the whole clips."""
    subject, module = method(), data()
    quiet_trainer(tmp_path, max_epochs=3).fit(subject, module)
    rows = module.labelled()
    y, mask = module.labels("train")  # all of these are labelled
    clips = module.clips("train")
    subject.eval()
    with torch.no_grad():
        scores = subject.teacher(clips)
    hidden = doubtful(scores, ~mask, 0.4)
    assert hidden.any()
    assert not (hidden & mask).any()
    assert torch.equal(subject._used[torch.from_numpy(rows)], ~hidden)
    batch = next(iter(module.train_dataloader()))
    places = torch.searchsorted(torch.from_numpy(rows), batch.rows)
    filled = torch.where(batch.mask, y[places], torch.zeros(()))
    expected = masked_bce(subject.classifier(batch), filled, ~hidden[places])
    subject.phases.pretrain_epochs = 0  # as in the second phase
    torch.testing.assert_close(subject.training_step(batch, 0), expected)
    subject.phases.pretrain_epochs = 99  # as in the first
    expected = masked_bce(subject.teacher(batch), filled, torch.ones_like(batch.mask))
    torch.testing.assert_close(subject.training_step(batch, 0), expected)


def test_the_schedule_starts_again_with_the_student(tmp_path):
    subject = method(schedule=partial(halving, every_epochs=1.0))
    trainer = quiet_trainer(tmp_path, max_epochs=4)
    rates = []
    subject.on_train_epoch_end = lambda: rates.append(trainer.optimizers[0].param_groups[0]["lr"])
    trainer.fit(subject, data())
    assert rates == pytest.approx([1e-2 / 2, 1e-2, 1e-2 / 2, 1e-2 / 4])


def test_the_mask_is_the_same_after_a_resumption(tmp_path):
    """Oracle: the run that was not interrupted."""
    whole = method()
    quiet_trainer(tmp_path / "whole", max_epochs=3).fit(whole, data())
    resumed = method()
    resumed.load_state_dict(whole.state_dict())
    trainer = quiet_trainer(tmp_path / "resumed", max_epochs=3)
    trainer.fit_loop.epoch_progress.current.processed = 2
    trainer.fit_loop.epoch_progress.current.completed = 2
    trainer.fit(resumed, data())
    assert torch.equal(resumed._used, whole._used)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pruned": 1.5}, r"method\.pruned must be in \[0, 1\]"),
        ({"teacher_epochs": 0}, r"method\.teacher_epochs must be 1 or more"),
        ({"task": "multi_class", "loss": None}, "clips that may have several labels"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        method(**settings)


@pytest.mark.parametrize(
    ("settings", "epochs", "message"),
    [
        ({"missing": "negative"}, 3, r"leave data\.missing=negative out"),
        ({}, 2, "leaves none of the"),
        ({"b_s": 0.5}, 3, r"set data\.b_s=1"),
    ],
)
def test_data_without_a_meaning_for_it_are_refused(tmp_path, settings, epochs, message):
    with pytest.raises(InputError, match=message):
        quiet_trainer(tmp_path, max_epochs=epochs).fit(method(), data(**settings))


def test_the_corpus_has_several_classes_a_clip(tmp_path):
    with pytest.raises(InputError, match="each clip of this corpus has one class"):
        SemiSupervisedDataModule(OneClass(), drop_labels=0.5).setup()
