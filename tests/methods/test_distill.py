import dataclasses

import pytest
import torch
from torch.distributions import Bernoulli, Categorical, kl_divergence
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.errors import InputError
from musicssl.methods.distill import Distill
from musicssl.networks.pooling import MeanPooling
from tests.support.kinds import OneClass, Values
from tests.support.teacher_table import table_of
from tests.support.tiny import Tiny
from tests.support.training import quiet_trainer, supervised_parts


def clips_of(dataset=None, kind="logits", **settings):
    clips = SemiSupervisedDataModule(dataset or Tiny(), batch_size=16, **settings)
    clips.add_teacher(table_of(clips.corpus, kind))
    return clips


def distill(**changes):
    torch.manual_seed(0)
    method = Distill(**supervised_parts(teacher_weight=0.6) | changes)
    for module in method.classifier.modules():
        if hasattr(module, "p"):
            module.p = 0.0
    return method


@pytest.mark.parametrize("distil", ["observed", "all"])
@pytest.mark.parametrize("tau", [1.0, 3.0])
def test_the_loss_is_the_sum_of_labels_and_answers(distil, tau):
    method = distill(distil=distil, temperature=tau)
    clips = clips_of(b_s=0.5)
    clips.serve(method.needs)
    batch = next(iter(clips.train_dataloader()))
    logits = method.classifier(batch)
    cells = batch.mask if distil == "observed" else torch.ones_like(batch.mask)
    s, t = Bernoulli(logits=logits / tau), Bernoulli(logits=batch.teacher / tau)
    kd = tau**2 * kl_divergence(t, s)[cells].mean()
    labels = binary_cross_entropy_with_logits(logits[batch.mask], batch.y[batch.mask])
    expected = 0.4 * labels + 0.6 * kd
    torch.testing.assert_close(method.training_step(batch, 0), expected)


@pytest.mark.parametrize("distil", ["observed", "all"])
def test_one_class_of_a_clip_is_distilled_by_a_softmax(distil):
    clips = clips_of(OneClass(), b_s=0.5)
    sizes = clips.sizes
    method = distill(distil=distil, loss=None, pooling=MeanPooling, **sizes)
    clips.serve(method.needs)
    batch = next(iter(clips.train_dataloader()))
    logits = method.classifier(batch)
    rows = batch.mask.all(1) if distil == "observed" else torch.ones(16, dtype=torch.bool)
    s, t = Categorical(logits=logits[rows] / 2), Categorical(logits=batch.teacher[rows] / 2)
    observed = batch.mask.all(1)
    assert 0 < observed.sum() < 16
    labels = cross_entropy(logits[observed], batch.y[observed].argmax(1))
    expected = 0.4 * labels + 0.6 * 4 * kl_divergence(t, s).mean()
    torch.testing.assert_close(method.training_step(batch, 0), expected)


def test_unlabelled_clips_are_compared_with_the_teacher_only(tmp_path):
    clips = clips_of(p_s=0.1, b_s=0.25)
    method = distill(teacher_weight=1.0, distil="all")
    quiet_trainer(tmp_path, max_epochs=20, limit_val_batches=0).fit(method, clips)
    test = clips.clips("test")
    logits = method.eval().classifier(test)
    assert ((logits > 0) == test.y.bool()).float().mean() > 0.85


def test_embeddings_answer_through_a_linear_probe(tmp_path):
    clips = clips_of(kind="embeddings", p_s=0.3, b_s=0.5)
    method = distill(distil="all")
    quiet_trainer(tmp_path, max_epochs=1, limit_val_batches=0).fit(method, clips)
    values, y, _ = clips.teacher_outputs("test")
    answers = values @ method.lr_weight.T + method.lr_bias
    assert ((answers > 0) == y.bool()).float().mean() > 0.9


def test_embeddings_without_labelled_clips_are_refused(tmp_path):
    corpus = Tiny().load()
    clips = SemiSupervisedDataModule(Tiny(), batch_size=16)
    clips.add_teacher(table_of(corpus, known=corpus.split == "train"))
    with pytest.raises(InputError, match="no labelled validation clip"):
        quiet_trainer(tmp_path).fit(distill(), clips)


def test_a_regression_is_refused(tmp_path):
    clips = SemiSupervisedDataModule(Values(), batch_size=16)
    table = table_of(clips.corpus)
    clips.add_teacher(dataclasses.replace(table, kind="embeddings"))
    method = distill(loss=None, pooling=MeanPooling, **clips.sizes)
    with pytest.raises(InputError, match="probabilities of classes"):
        quiet_trainer(tmp_path).fit(method, clips)
