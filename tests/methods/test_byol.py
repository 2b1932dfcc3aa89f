from functools import partial

import pytest
import torch

from musicssl.batch import Batch
from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.methods.byol import BYOL
from musicssl.networks.projector import Projector
from musicssl.networks.teacher import Teacher
from tests.support.on_sound import trained_on_sound
from tests.support.tiny import Tiny
from tests.support.training import quiet_trainer, representation_parts

PARTS = {
    "teacher": partial(Teacher, decay=0.6, batch_norm="own"),
    "projector": partial(Projector, hidden=16, out_dim=8, batch_norm=True),
    "predictor": partial(Projector, embed_dim=8, hidden=16, out_dim=8, batch_norm=True),
    "num_crops": 2,
}


def method(kind=BYOL, **changes):
    torch.manual_seed(0)
    return kind(**representation_parts(**PARTS | changes))


def seen(count=12):
    x = torch.rand(2 * count, 5, 8, generator=torch.Generator().manual_seed(5))
    return Batch(x, torch.zeros(2 * count, 3), torch.zeros(2 * count, 3, dtype=torch.bool))


def test_each_crop_predicts_what_the_target_makes_of_the_other():
    """Equation 2, one ordered pair of crops after the other."""
    subject, batch = method(), seen()
    z = subject.projector(subject.classifier.clip_embeddings(batch))
    torch.manual_seed(1)
    loss = subject.objective(batch, z).loss
    torch.manual_seed(1)  # the target has dropout of its own
    predictions = torch.nn.functional.normalize(subject.predictor(z))
    targets = torch.nn.functional.normalize(subject.targets(batch))
    pairs = [(i, i + 1 if i % 2 == 0 else i - 1) for i in range(24)]
    squares = [(predictions[i] - targets[j]).square().sum() for i, j in pairs]
    torch.testing.assert_close(loss, torch.stack(squares).mean())


def test_the_target_starts_as_what_it_averages_and_no_gradient_reaches_it():
    subject, batch = method(teacher=partial(Teacher, batch_norm="own", dropout=False)), seen()
    subject.classifier.encoder.eval()
    z = subject.projector(subject.classifier.clip_embeddings(batch))
    subject.classifier.encoder.train()
    subject.target.average[0].encoder.eval()
    torch.testing.assert_close(subject.targets(batch), z)
    subject.objective(batch, z).loss.backward()
    assert not any(p.requires_grad or p.grad is not None for p in subject.target.parameters())
    trained = [
        *subject.classifier.encoder.parameters(),
        *subject.projector.parameters(),
        *subject.predictor.parameters(),
    ]
    assert all(p.grad.abs().max() > 0 for p in trained)


class Watched(BYOL):
    """Keeps the weights that the target averages, as they are after each optimizer step."""

    def optimizer_step(self, *args, **kwargs):
        super().optimizer_step(*args, **kwargs)
        self.seen = [*getattr(self, "seen", []), weights(self.classifier.encoder, self.projector)]


def weights(*modules):
    return [p.detach().clone() for module in modules for p in module.parameters()]


@pytest.mark.parametrize("batches", [1, 2])
def test_the_target_is_the_moving_average_once_an_optimizer_step(tmp_path, batches):
    """Two batches whose gradients accumulate are one step."""
    subject = method(Watched)
    average = weights(subject.classifier.encoder, subject.projector)
    clips = SemiSupervisedDataModule(Tiny(), batch_size=21, num_crops=2, b_s=0)  # 4 batches
    quiet_trainer(tmp_path, accumulate_grad_batches=batches).fit(subject, clips)
    assert len(subject.seen) == 4 / batches
    for step, latest in enumerate(subject.seen, start=1):
        share = max(1 / (step + 1), 0.4)  # the plain mean while it warms up
        average = [(1 - share) * a + share * b for a, b in zip(average, latest, strict=True)]
    classifier, projector = subject.target.average
    torch.testing.assert_close(weights(classifier.encoder, projector), average)
    torch.testing.assert_close(weights(subject.classifier.encoder, subject.projector), latest)


def test_two_steps_on_sound_move_all_that_is_trained_and_a_checkpoint_holds_the_target(tmp_path):
    subject, unmoved = trained_on_sound(tmp_path, BYOL, {"b_s": 0}, **PARTS)
    assert not unmoved
    saved = subject.state_dict()
    classifier, projector = subject.target.average
    for prefix, module in (("0.encoder", classifier.encoder), ("1", projector)):
        for name, value in module.state_dict().items():
            assert torch.equal(saved[f"target.average.{prefix}.{name}"], value)
    assert not torch.equal(weights(projector)[-1], weights(subject.projector)[-1])


def test_weights_to_start_from_are_the_targets_too():
    subject, other = method(), method()
    for parameter in other.parameters():
        torch.nn.init.constant_(parameter, 0.25)
    subject.start_from(other.state_dict())
    for network in (subject.classifier, subject.target.average[0]):
        assert all((p == 0.25).all() for p in network.parameters())
    subject.freeze_parts(["encoder"])
    subject.train()
    assert not subject.classifier.encoder.training
    assert not subject.target.average[0].encoder.training
