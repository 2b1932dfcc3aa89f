import dataclasses
from functools import partial

import pytest
import torch

from musicssl.augment.chain import Chain
from musicssl.augment.views import Views
from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.encoders.base.audio import AudioEncoder
from musicssl.encoders.fc import FullyConnected
from musicssl.encoders.fc_t import FullyConnectedPerInstance
from musicssl.errors import InputError
from musicssl.evaluation.metrics import macro, per_class_metrics
from musicssl.losses.masked_bce import masked_bce
from musicssl.methods.strong import StrongSupervision
from musicssl.networks.pooling import AttentionPooling, MaxPooling
from tests.support.tiny import Tiny
from tests.support.tiny_sound import RATE, TinySound
from tests.support.training import quiet_trainer, supervised_parts


class Spectrum(AudioEncoder):
    """One instance a second: the size of its spectrum."""

    def __init__(self, num_features, num_instances):
        super().__init__(chunk_samples=RATE, embed_dim=RATE // 2 + 1)

    def embed(self, chunks):
        return torch.fft.rfft(chunks).abs().div(RATE / 10)[:, None]


def build(encoder=FullyConnectedPerInstance, **changes):
    torch.manual_seed(0)
    return StrongSupervision(**supervised_parts(encoder=encoder, pooling=MaxPooling, **changes))


def sound_parts(module):
    return {name: module.sizes[name] for name in ("num_features", "num_instances", "num_classes")}


def datamodule(dataset, **settings):
    module = SemiSupervisedDataModule(
        dataset, batch_size=14, needs=StrongSupervision.needs, **settings
    )
    module.setup()
    return module


@pytest.mark.parametrize("variable", [False, True])
def test_the_loss_is_the_mean_over_instances_of_labelled_clips(variable):
    """The slow way: instance after instance, those past the end of a clip left out."""
    method = build(partial(FullyConnectedPerInstance, dropout=0.0))
    batch = next(iter(datamodule(Tiny(variable_lengths=variable)).train_dataloader()))
    batch.mask[5:] = False
    loss = masked_bce(*method._instances(batch))
    terms = []
    for clip in range(5):
        length = 5 if batch.lengths is None else int(batch.lengths[clip])
        for t in range(length):
            h, _ = method.classifier.encoder(batch.x[clip : clip + 1, t : t + 1])
            logits = method.classifier.pooling.classifier(h[0, 0])
            target = batch.activity[clip, t].float()
            terms.append(
                -(target * logits.sigmoid().log() + (1 - target) * (-logits).sigmoid().log())
            )
    torch.testing.assert_close(loss, torch.stack(terms).mean())


def test_the_student_view_is_what_it_learns_from():
    """Oracle: the loss on twice the sound, for views that double it."""
    louder = Chain(level=lambda x, lengths: 2 * x)
    louder.transforms["level"].of_sound = True
    module = datamodule(TinySound(), crop_seconds=3.0)
    parts = sound_parts(module)
    method = build(Spectrum, **parts, views=Views(louder, Chain()))
    batch = next(iter(module.train_dataloader()))
    expected = masked_bce(*method._instances(batch._replace(x=2 * batch.x)))
    torch.testing.assert_close(method.training_step(batch, 0), expected)


def test_only_the_classifier_of_instances_learns():
    """The weights of attention judge clips only, and no clip is judged in training."""
    method = StrongSupervision(
        **supervised_parts(encoder=FullyConnectedPerInstance, pooling=AttentionPooling)
    )
    batch = next(iter(datamodule(Tiny()).train_dataloader()))
    masked_bce(*method._instances(batch)).backward()
    for name, parameter in method.named_parameters():
        touched = parameter.grad is not None and bool(parameter.grad.any())
        assert touched == (".attention." not in name), name


@pytest.mark.parametrize("variable", [False, True])
def test_it_learns_who_plays_when_in_sound(tmp_path, variable):
    module = datamodule(TinySound(variable_lengths=variable), crop_seconds=3.0)
    method = build(Spectrum, **sound_parts(module))
    trainer = quiet_trainer(tmp_path, max_epochs=15)
    trainer.fit(method, module)
    assert trainer.callback_metrics["val/instance_auroc"] > 0.99


def test_instances_are_validated_over_the_whole_epoch(tmp_path):
    module = datamodule(Tiny(variable_lengths=True))
    method = build()
    trainer = quiet_trainer(tmp_path)
    trainer.fit(method, module)
    method.eval()
    logits, targets, mask = (
        torch.cat(parts)
        for parts in zip(*(method._instances(b) for b in module.batches("val")), strict=True)
    )
    expected = macro(per_class_metrics(logits.sigmoid(), targets, mask))["auroc"]
    assert trainer.callback_metrics["val/instance_auroc"].item() == pytest.approx(expected)


def test_a_corpus_without_activity_is_refused():
    class Silent(Tiny):
        def load(self):
            return dataclasses.replace(super().load(), activity=None)

    with pytest.raises(InputError, match="has no labels in time"):
        datamodule(Silent())


@pytest.mark.parametrize("task", ["multi_class", "regression"])
def test_tasks_whose_classes_do_not_sound_together_are_refused(task):
    with pytest.raises(InputError, match=f"of the kind {task}"):
        build(task=task)


def test_an_encoder_out_of_step_with_the_seconds_is_refused(tmp_path):
    """Chunks of 1.04 s make as many instances of these clips as there are seconds."""

    class Slow(Spectrum):
        def __init__(self, num_features, num_instances):
            super().__init__(num_features, num_instances)
            self.chunk_samples = round(1.04 * RATE)

    module = datamodule(TinySound(), crop_seconds=3.0)
    with pytest.raises(InputError, match="not a multiple of a label frame of 1 s"):
        quiet_trainer(tmp_path).fit(build(Slow, **sound_parts(module)), module)


def test_an_encoder_that_sums_a_clip_up_is_refused(tmp_path):
    with pytest.raises(InputError, match="1 instances of a clip of 5 label frames"):
        quiet_trainer(tmp_path).fit(build(FullyConnected), datamodule(Tiny()))
