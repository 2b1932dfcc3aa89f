import numpy as np
import pytest
import torch
from torch.distributions import Bernoulli, kl_divergence
from torch.nn.functional import binary_cross_entropy_with_logits

from musicssl.augment.mixing.mixup import Mixup
from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.encoders.att import AttEmbedding
from musicssl.errors import InputError
from musicssl.methods.att import AttentionMIL
from musicssl.methods.east import EAsT
from tests.support.relations import cosine_difference, distance_correlation
from tests.support.teacher_table import table_of
from tests.support.tiny import Tiny
from tests.support.training import quiet_trainer, supervised_parts


def clips_of(table=None, **settings):
    clips = SemiSupervisedDataModule(Tiny(), batch_size=16, **settings)
    clips.add_teacher(table or table_of(clips.corpus))
    return clips


def east(**changes):
    torch.manual_seed(0)
    return EAsT(**supervised_parts(teacher_weight=0.8) | changes)


def batch_with_teacher(method, clips=None):
    """Return a batch with what the teacher says, and prepare the method as the trainer does."""
    clips = clips or clips_of()
    clips.serve(method.needs)
    return next(iter(clips.train_dataloader()))


def still(method):
    for module in method.modules():
        if hasattr(module, "p"):
            module.p = 0.0
    return method


@pytest.mark.parametrize("mixing", [None, Mixup(0.3)])
def test_without_weight_the_steps_are_those_of_the_baseline_to_the_bit(tmp_path, mixing):
    ends = []
    for kind, settings in ((AttentionMIL, {}), (EAsT, {"teacher_weight": 0.0})):
        torch.manual_seed(0)
        mixed = {} if mixing is None else {"mixing": mixing}
        method = kind(**supervised_parts(**settings, **mixed))
        clips = clips_of(p_s=0.4, b_s=0.5)
        torch.manual_seed(1)
        quiet_trainer(tmp_path, max_epochs=2, limit_val_batches=0).fit(method, clips)
        ends.append(method.classifier.state_dict())
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])


@pytest.mark.parametrize(
    ("compare", "published"),
    [
        ("distance_correlation", lambda x, y: 1 - distance_correlation(x, y)),
        ("unbiased_distance_correlation", lambda x, y: 1 - distance_correlation(x, y, True)),
        ("cosine", cosine_difference),
    ],
)
def test_the_loss_is_the_published_sum(compare, published):
    """Oracle: the definitions in loops, and the cross-entropy of torch on the observed cells."""
    method = still(east(compare=compare))
    batch = batch_with_teacher(method, clips_of(b_s=0.5))
    loss = method.training_step(batch, 0)
    logits = method.classifier(batch)
    features = method.classifier.clip_embeddings(batch)
    supervised = binary_cross_entropy_with_logits(logits[batch.mask], batch.y[batch.mask])
    expected = 0.2 * supervised.item() + 0.8 * published(features, batch.teacher)
    assert loss.item() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("compare", ["distance_correlation", "cosine"])
def test_a_teacher_equal_to_the_students_features_gives_loss_0(compare):
    method = still(east(compare=compare))
    batch = batch_with_teacher(method)
    batch = batch._replace(teacher=method.classifier.clip_embeddings(batch).detach())
    _, teacher_loss, _ = method.teacher_loss(batch)
    assert teacher_loss.item() == pytest.approx(0, abs=1e-6)


def test_all_stages_of_an_encoder_with_one_are_its_last():
    losses = []
    for stages in ("final", "all"):
        method = still(east(stages=stages))
        losses.append(method.teacher_loss(batch_with_teacher(method))[1])
    assert torch.equal(*losses)


class TwoStages(AttEmbedding):
    def with_stages(self, x, valid=None):
        embedded = self(x, valid)
        return embedded, [(x.tanh(), valid), embedded]


def test_the_loss_of_all_stages_is_their_mean():
    method = still(east(stages="all", encoder=TwoStages))
    batch = batch_with_teacher(method)
    first = distance_correlation(batch.x.tanh().mean(dim=1), batch.teacher)
    last = distance_correlation(method.classifier.clip_embeddings(batch), batch.teacher)
    expected = 1 - (first + last) / 2
    assert method.teacher_loss(batch)[1].item() == pytest.approx(expected, abs=1e-5)


def test_gradients_reach_the_student_alone():
    method = east(kd_share=0.3)
    clips = clips_of()
    batch = batch_with_teacher(method, clips)
    method.lr_weight, method.lr_bias = torch.randn(3, 6).requires_grad_(), torch.zeros(3)
    teacher = batch.teacher.requires_grad_()
    method.training_step(batch, 0).backward()
    assert method.lr_weight.grad is None
    assert teacher.grad is None
    assert all(p.grad is not None and p.grad.isfinite().all() for p in method.parameters())


def test_clips_without_an_embedding_are_left_out_of_the_teacher_loss():
    known = np.arange(120) % 3 > 0
    clips = clips_of(table_of(Tiny().load(), known=known))
    method = still(east())
    batch = batch_with_teacher(method, clips)
    features = method.classifier.clip_embeddings(batch)[batch.teacher_mask]
    assert 4 < len(features) < 16
    expected = 1 - distance_correlation(features, batch.teacher[batch.teacher_mask])
    assert method.teacher_loss(batch)[1].item() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("compare", ["distance_correlation", "unbiased_distance_correlation"])
def test_too_few_clips_with_embeddings_give_loss_0(compare):
    method = still(east(compare=compare))
    batch = batch_with_teacher(method)
    batch = batch._replace(teacher_mask=torch.arange(16) < 1)
    _, teacher_loss, _ = method.teacher_loss(batch)
    teacher_loss.backward()
    assert teacher_loss.item() == 0


def test_east_kd_is_both_losses_with_teacher_lr_fitted_to_visible_labels(tmp_path):
    method = still(east(kd_share=0.3, distil="all"))
    clips = clips_of(p_s=0.5, b_s=0.5)
    quiet_trainer(tmp_path, max_epochs=1, limit_val_batches=0).fit(method, clips)
    batch = next(iter(clips.train_dataloader()))
    logits, teacher_loss, notes = method.teacher_loss(batch)
    teacher = batch.teacher @ method.lr_weight.T + method.lr_bias
    kd = 4 * kl_divergence(Bernoulli(logits=teacher / 2), Bernoulli(logits=logits / 2)).mean()
    relations = 1 - distance_correlation(method.classifier.clip_embeddings(batch), batch.teacher)
    torch.testing.assert_close(notes["kd_loss"], kd)
    assert notes["relations_loss"].item() == pytest.approx(relations, abs=1e-5)
    assert teacher_loss.item() == pytest.approx(0.3 * kd.item() + 0.7 * relations, abs=1e-5)
    test = clips.teacher_outputs("test")
    right = ((test[0] @ method.lr_weight.T + method.lr_bias) > 0) == test[1].bool()
    assert right.float().mean() > 0.9
    assert "lr_weight" not in method.state_dict()


@pytest.mark.slow
def test_training_brings_distances_of_the_student_closer_to_the_teachers(tmp_path):
    clips = clips_of(b_s=0.5)
    method = still(east(compare="unbiased_distance_correlation", teacher_weight=0.9))
    whole, values = clips.clips("train"), clips.teacher_outputs("train")[0]

    def difference():
        with torch.no_grad():
            features = method.eval().classifier.clip_embeddings(whole)
            return 1 - distance_correlation(features, values, unbiased=True)

    before = difference()
    quiet_trainer(tmp_path, max_epochs=60, limit_val_batches=0).fit(method.train(), clips)
    assert difference() < before - 0.2


def test_without_a_teacher_training_is_refused(tmp_path):
    clips = SemiSupervisedDataModule(Tiny(), batch_size=16)
    with pytest.raises(InputError, match=r"learns from a teacher.*teacher_embeddings=FILE"):
        quiet_trainer(tmp_path).fit(east(), clips)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"teacher_weight": 1.5}, r"teacher_weight must be in \[0, 1\], got 1.5"),
        ({"teacher_weight": 1}, "nothing that trains the classifier"),
        ({"temperature": 0.0}, "temperature must be above 0"),
        ({"distil": "some"}, "distil must be observed or all"),
        ({"compare": "euclid"}, "compare must be one of distance_correlation"),
        ({"stages": "first"}, "stages must be final or all"),
        ({"kd_share": -1.0}, r"kd_share must be in \[0, 1\]"),
    ],
)
def test_settings_out_of_range_are_refused(setting, said):
    with pytest.raises(InputError, match=said):
        east(**setting)
