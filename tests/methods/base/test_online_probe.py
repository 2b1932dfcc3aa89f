from functools import partial

import numpy as np
import pytest
import torch

from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.data.needs import Needs
from musicssl.errors import InputError
from musicssl.evaluation.monitors import effective_rank
from musicssl.evaluation.tasks import MULTI_LABEL
from musicssl.methods.base.method import Method
from musicssl.methods.base.online_probe import OnlineProbe
from musicssl.networks.pooling import AttentionPooling
from musicssl.probing.base import Embeddings
from musicssl.probing.linear import fit_linear
from tests.support.tiny import Tiny
from tests.support.training import probed_parts, quiet_trainer


class SpreadOut(Method):
    """The simplest objective: mean 0 and variance 1 of every dimension of the embeddings."""

    needs = Needs(labels=False)

    def __init__(self, *, probe_clips=1000, **parts):
        super().__init__(**parts)
        self.probe = OnlineProbe(self, probe_clips)

    def setup(self, stage):
        super().setup(stage)
        self.probe.check_data()

    def validation_outputs(self, batch):
        return self.classifier.clip_embeddings(batch)

    def evaluate(self, outputs, targets, mask):
        logits = self.probe.logits(Embeddings(outputs, targets, mask))
        self.log_metrics("val/", logits, targets, mask)
        self.log("val/effective_rank", effective_rank(outputs))

    def training_step(self, batch, batch_idx):
        h = self.classifier.clip_embeddings(batch)
        return h.mean(0).square().mean() + (h.var(0) - 1).square().mean()


class Indifferent(torch.nn.Linear):
    """An encoder of a bias, whatever it is given."""

    def __init__(self, num_features, num_instances):
        super().__init__(num_features, num_features)
        self.embed_dim = num_features

    def forward(self, x, valid=None):
        return super().forward(torch.zeros_like(x)), valid


def method(**changes):
    torch.manual_seed(0)
    return SpreadOut(**probed_parts(**changes))


def data(**settings):
    defaults = {"batch_size": 28, "b_s": 0.5}
    return SemiSupervisedDataModule(Tiny(variable_lengths=True), **(defaults | settings))


def trained(folder, subject, clips, **settings):
    trainer = quiet_trainer(folder, num_sanity_val_steps=0, **settings)
    trainer.fit(subject, clips)
    return trainer


def test_validation_judges_a_probe_fitted_to_labelled_training_clips(tmp_path):
    """The slow way: embed every clip alone, fit, decide."""
    # The classes are easily told apart, so that rounding alone moves the loss by some per cent.
    subject, clips = method(optimizer=partial(torch.optim.Adam, lr=1e-4)), data()
    trainer = trained(tmp_path, subject, clips)
    subject.eval()

    def embeddings(rows):
        parts = []
        for row in rows:
            batch = next(iter(clips.batches_of(np.array([row]))))
            h, _ = subject.classifier.embed(batch)
            parts.append(Embeddings(h.mean(1).detach(), batch.y, batch.mask))
        return Embeddings(*(torch.cat(part) for part in zip(*parts, strict=True)))

    val = embeddings(clips.rows("val"))
    probe = fit_linear(embeddings(clips.labelled()), val, MULTI_LABEL)
    logits = val.h @ probe.weight.T + probe.bias
    expected = MULTI_LABEL.metrics(logits.sigmoid(), val.y, val.mask).macro["auroc"]
    assert trainer.callback_metrics["val/auroc"].item() == pytest.approx(expected, abs=1e-3)
    expected = MULTI_LABEL.losses[0](logits, val.y, val.mask)
    torch.testing.assert_close(trainer.callback_metrics["val/loss"], expected, rtol=0.1, atol=0)


def test_the_probe_is_no_part_of_training(tmp_path):
    """Other labels make another probe, and the same encoder."""

    class Relabelled(Tiny):
        def load(self):
            corpus = super().load()
            return corpus.__class__(**(vars(corpus) | {"y": 1 - corpus.y}))

    subjects = []
    for corpus in (Tiny(), Relabelled()):
        subject = method()
        clips = SemiSupervisedDataModule(corpus, batch_size=28, b_s=0.5)
        trained(tmp_path, subject, clips, max_epochs=2)
        subjects.append(subject.state_dict())
    differing = {
        name for name in subjects[0] if not torch.equal(subjects[0][name], subjects[1][name])
    }
    probe = {f"classifier.pooling.classifier.{part}" for part in ("weight", "bias")}
    assert differing == probe | {"prior"}


def test_while_training_the_probe_may_see_fewer_clips_than_in_the_end(tmp_path):
    sizes = []
    subject, clips = method(probe_clips=10), data()
    fit = subject.probe.fit
    subject.probe.fit = lambda train, val: (sizes.append(len(train.h)), fit(train, val))
    trained(tmp_path, subject, clips)
    subject.probe.conclude(clips)
    assert sizes == [10, len(clips.labelled())]


def test_only_kept_labels_judge(tmp_path):
    clips = data(p_s=0.2)
    subject = method()
    trained(tmp_path, subject, clips)
    assert len(subject.probe.labelled(clips).h) == len(clips.labelled()) == round(0.2 * 84)


def test_embeddings_are_those_of_the_clips_and_the_weights_that_are_asked_for():
    subject, clips, other = method().eval(), data(), data(p_s=0.5)
    for module in (clips, other, clips):
        expected = subject.probe.embedded(module.batches_of(module.labelled()))
        assert torch.equal(subject.probe.labelled(module).h, expected.h)
    before = subject.probe.labelled(clips).h
    subject.load_state_dict({k: 2 * v for k, v in subject.state_dict().items()})
    subject.probe.conclude(clips)
    assert not torch.equal(subject.probe.labelled(clips).h, before)


def test_no_clips_have_embeddings_of_the_usual_shapes():
    clips = data()
    clips.setup()
    nothing = method().probe.embedded(clips.batches_of(np.zeros(0, np.int64)))
    some = method().probe.embedded(clips.batches_of(clips.labelled()))
    for part, usual in zip(nothing, some, strict=True):
        assert (part.shape, part.dtype) == ((0, *usual.shape[1:]), usual.dtype)


def test_in_mixed_precision_the_probe_learns_from_what_it_will_judge(tmp_path):
    """Validation embeds in bfloat16, and so must the training clips of the probe be."""
    seen = []
    subject, clips = method(), data()
    fit = subject.probe.fit
    subject.probe.fit = lambda train, val: (seen.append(train.h), fit(train, val))
    trained(tmp_path, subject, clips, precision="bf16-mixed")
    subject.eval()
    plain = subject.probe.embedded(clips.batches_of(clips.labelled())).h
    with torch.autocast("cpu", torch.bfloat16):
        expected = subject.probe.embedded(clips.batches_of(clips.labelled())).h
    assert torch.equal(seen[0], expected)
    assert not torch.equal(seen[0], plain)


def test_without_labels_in_batches_it_trains_all_the_same(tmp_path):
    subject = method()
    before = subject.classifier.encoder.state_dict()
    before = {name: value.clone() for name, value in before.items()}
    trained(tmp_path, subject, data(b_s=0))
    after = subject.classifier.encoder.state_dict()
    assert any(not torch.equal(value, after[name]) for name, value in before.items())


def test_an_encoder_that_says_the_same_of_every_clip_is_seen_to_have_collapsed(tmp_path):
    assert trained(tmp_path, method(), data()).callback_metrics["val/effective_rank"] > 1.5
    trainer = trained(tmp_path, method(encoder=Indifferent), data())
    assert trainer.callback_metrics["val/effective_rank"] == 1
    assert trainer.callback_metrics["val/auroc"] == 0.5  # nothing is made of its rounding


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pooling": AttentionPooling}, "set pooling=mean"),
        ({"probe_clips": 0}, "method.probe_clips must be 1 or more"),
    ],
)
def test_parts_that_cannot_be_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        method(**changes)


def test_data_that_leave_nothing_to_judge_by_are_refused(tmp_path):
    message = r"data\.p_s=0 leaves no labelled clip for the linear probe .*; raise data\.p_s\.$"
    with pytest.raises(InputError, match=message):
        trained(tmp_path, method(), data(p_s=0, b_s=0))
