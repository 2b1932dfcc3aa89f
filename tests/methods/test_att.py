from functools import partial

import pytest
import torch

from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.encoders.att import AttEmbedding
from musicssl.errors import InputError
from musicssl.evaluation.metrics import macro, per_class_metrics
from musicssl.losses.masked_bce import masked_bce
from musicssl.losses.partial_bce import partial_bce
from musicssl.methods.att import AttentionMIL
from tests.support.tiny import Tiny
from tests.support.training import quiet_trainer, supervised_parts


def att(lr=1e-2, loss=masked_bce):
    torch.manual_seed(0)
    still = partial(AttEmbedding, dropout=0.0)
    descent = partial(torch.optim.SGD, lr=lr)
    return AttentionMIL(**supervised_parts(encoder=still, loss=loss, optimizer=descent))


def fit(method, clips, folder, **settings):
    trainer = quiet_trainer(folder, **settings)
    trainer.fit(method, clips)
    return trainer


@pytest.mark.parametrize("loss", [masked_bce, partial_bce])
def test_a_run_takes_the_steps_of_a_bare_loop(tmp_path, loss):
    """The same batches through plain PyTorch end in the same weights and statistics."""
    clips = SemiSupervisedDataModule(Tiny(), p_s=0.3, b_s=0.5, batch_size=16)
    method, bare = att(loss=loss), att(loss=loss).classifier.train()
    trainer = fit(method, clips, tmp_path, max_epochs=2)

    clips = SemiSupervisedDataModule(Tiny(), p_s=0.3, b_s=0.5, batch_size=16)
    clips.setup()
    loader = clips.train_dataloader()
    losses = []
    for _ in range(2):
        losses.clear()
        for batch in loader:
            value = loss(bare(batch), batch.y, batch.mask)
            value.backward()
            losses.append(value.item())
            with torch.no_grad():
                for parameter in bare.parameters():
                    parameter -= 1e-2 * parameter.grad
                    parameter.grad = None
    torch.testing.assert_close(method.classifier.state_dict(), bare.state_dict())
    mean = sum(losses) / len(losses)
    assert trainer.callback_metrics["train/loss"].item() == pytest.approx(mean, rel=1e-5)


def test_training_without_labels_is_refused(tmp_path):
    clips = SemiSupervisedDataModule(Tiny(), p_s=0.5, b_s=0.0, batch_size=16)
    with pytest.raises(InputError, match=r"data\.b_s=0 hides the labels"):
        fit(att(), clips, tmp_path, max_steps=3)


def test_weak_labels_teach_when_a_class_sounds(tmp_path):
    """Tiny's classes light up features of their own, so clips and instances can be told apart."""
    clips = SemiSupervisedDataModule(Tiny(num_clips=600), batch_size=20)
    method = att(lr=0.2)
    fit(method, clips, tmp_path, max_epochs=30, limit_val_batches=0)
    test = clips.clips("test")
    method.eval()
    with torch.inference_mode():
        scores, instances = method.scores(test), method.instances(test).logits.sigmoid()
    assert macro(per_class_metrics(scores, test.y, test.mask))["auroc"] > 0.95
    activity = torch.from_numpy(clips.corpus.activity[clips.rows("test")]).flatten(0, 1)
    seen = torch.ones_like(activity)
    assert macro(per_class_metrics(instances.flatten(0, 1), activity.float(), seen))["auroc"] > 0.9
