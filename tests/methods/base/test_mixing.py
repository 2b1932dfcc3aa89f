import pytest
import torch

from musicssl.augment.mixing.add import Add
from musicssl.augment.mixing.mixup import Mixup
from musicssl.errors import InputError
from musicssl.evaluation.tasks import task_named
from musicssl.losses.masked_bce import masked_bce
from musicssl.methods.att import AttentionMIL
from musicssl.methods.base.mixing import NO_MIXING, check_mixing
from musicssl.methods.mean_teacher import MeanTeacher
from musicssl.methods.supervised import Supervised
from musicssl.methods.temporal_ensembling import TemporalEnsembling
from tests.support.semi_supervised import Seeds, data, mixed_batch
from tests.support.training import UNCHANGED, quiet_trainer, semi_supervised_parts, supervised_parts


def built(kind, **changes):
    torch.manual_seed(0)
    parts = supervised_parts if kind is AttentionMIL else semi_supervised_parts
    return kind(**parts(**changes))


def fitted(kind, folder, **changes):
    method = built(kind, **changes)
    quiet_trainer(folder, max_epochs=2, callbacks=[Seeds()]).fit(method, data())
    return method


@pytest.mark.parametrize("kind", [AttentionMIL, Supervised, MeanTeacher])
def test_the_loss_is_that_of_the_mixed_clips(kind, monkeypatch):
    views = {} if kind is AttentionMIL else {"views": UNCHANGED, "consistency_weight": 0.0}
    method = built(kind, mixing=Mixup(0.4), **views).eval()
    batch = mixed_batch()
    torch.manual_seed(3)
    mixed = Mixup(0.4)(batch)
    assert not torch.equal(mixed.x, batch.x)
    expected = masked_bce(method.classifier(mixed), mixed.y, mixed.mask)
    monkeypatch.setattr(
        kind, "trainer", type("Trainer", (), {"current_epoch": 0, "num_training_batches": 1})
    )
    torch.manual_seed(3)
    torch.testing.assert_close(method.training_step(batch, 0), expected)


@pytest.mark.parametrize("kind", [AttentionMIL, Supervised, MeanTeacher])
def test_mixing_changes_training_and_a_share_of_one_does_not(tmp_path, kind):
    plain = fitted(kind, tmp_path).state_dict()
    still = fitted(kind, tmp_path, mixing=Mixup(0.0)).state_dict()
    mixed = fitted(kind, tmp_path, mixing=Mixup(0.4)).state_dict()
    assert all(torch.equal(still[name], value) for name, value in plain.items())
    assert any(not torch.equal(mixed[name], value) for name, value in plain.items())


@pytest.mark.parametrize(
    ("task", "said"), [("multi_class", "the classes of both"), ("regression", "no target")]
)
def test_clips_are_only_added_where_the_sum_has_a_target(task, said):
    with pytest.raises(InputError, match=f"{said}.* choose mixing=mixup"):
        check_mixing(Add(6.0), task_named(task))
    mixing = Mixup(0.4)
    assert check_mixing(mixing, task_named(task)) is mixing
    assert check_mixing(NO_MIXING, task_named(task)) is NO_MIXING


def test_a_mix_has_no_earlier_predictions():
    with pytest.raises(InputError, match="a mix of two clips does not have; leave out mixing"):
        built(TemporalEnsembling, mixing=Mixup(0.4))
