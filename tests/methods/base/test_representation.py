import pytest
import torch

from musicssl.augment.views import Views
from musicssl.batch import Batch
from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.errors import InputError
from musicssl.methods.base.representation import Objective, RepresentationMethod
from tests.support.tiny import Tiny
from tests.support.training import quiet_trainer, representation_parts


class PullTogether(RepresentationMethod):
    """The simplest objective: the distance of a clip's two rows."""

    def objective(self, seen, z):
        return Objective((z[::2] - z[1::2]).square().mean(), {"distance": z.norm()})


def method(**changes):
    torch.manual_seed(0)
    return PullTogether(**representation_parts(**changes))


def trained(folder, **settings):
    defaults = {"batch_size": 28, "num_crops": 2, "b_s": 0.5}
    clips = SemiSupervisedDataModule(Tiny(variable_lengths=True), **(defaults | settings))
    trainer = quiet_trainer(folder, num_sanity_val_steps=0)
    trainer.fit(method(), clips)
    return trainer


def test_even_rows_are_seen_as_student_and_odd_ones_as_target():
    seen_lengths = []

    def add(amount):
        def view(x, lengths=None):
            seen_lengths.append(lengths.tolist())
            return x + amount

        return view

    subject = method(views=Views(add(1), add(10)))
    batch = Batch(torch.rand(5, 3, 8), None, None, torch.tensor([3, 1, 2, 3, 2]))
    before = batch.x.clone()
    change = subject.viewed(batch).x - batch.x
    torch.testing.assert_close(change[:, 0, 0], torch.tensor([1.0, 10, 1, 10, 1]))
    assert seen_lengths == [[3, 2, 2], [1, 3]]
    assert torch.equal(batch.x, before)


def test_all_crops_of_a_clip_are_augmented_together_or_not_at_all():
    torch.manual_seed(0)
    views = Views(lambda x, lengths: x + 1, lambda x, lengths: x + 10, changed=0.8)
    rows = torch.arange(1000).repeat_interleave(4)
    batch = Batch(torch.zeros(4000, 2, 8), None, None, None, rows)
    change = method(views=views).viewed(batch).x[:, 0, 0].reshape(1000, 4)
    whole = change == torch.tensor([1.0, 10, 1, 10])
    assert (whole.all(dim=1) | (change == 0).all(dim=1)).all()
    assert abs(int(whole.all(dim=1).sum()) - 800) < 5 * (1000 * 0.8 * 0.2) ** 0.5


def test_what_tells_healthy_from_collapsed_is_logged_with_the_notes_of_a_method(tmp_path):
    metrics = trained(tmp_path).callback_metrics
    assert {"train/loss", "train/distance", "val/effective_rank", "val/auroc"} < metrics.keys()
    assert 0 < metrics["train/alignment"] <= 4
    assert -8 <= metrics["train/uniformity"] < 0


def test_a_clip_in_one_crop_leaves_nothing_to_compare(tmp_path):
    with pytest.raises(InputError, match=r"data\.num_crops=1; set it to 2"):
        trained(tmp_path, num_crops=1)
