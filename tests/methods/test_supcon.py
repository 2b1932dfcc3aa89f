import pytest
import torch
from pytorch_metric_learning.losses import SupConLoss

from musicssl.errors import InputError
from musicssl.methods.semisupcon import SemiSupCon
from musicssl.methods.supcon import SupCon
from tests.support.contrastive import projections, seen
from tests.support.on_sound import trained_on_sound
from tests.support.training import representation_parts


def test_of_several_classes_it_is_the_papers_loss():
    """L_out of pytorch-metric-learning, which takes the class for all that two rows share."""
    classes = torch.tensor([0, 0, 1, 2, 2, 2, 1, 0]).repeat_interleave(2)
    batch = seen(num_labelled=8)._replace(y=torch.eye(3)[classes])
    z = projections(batch)
    subject = SupCon(**representation_parts(task="multi_class"), temperature=0.3)
    loss = subject.objective(batch, z).loss
    torch.testing.assert_close(loss, SupConLoss(temperature=0.3)(z, classes))


def test_it_learns_what_semisupcon_learns_from_labelled_batches(tmp_path):
    states = []
    for kind in (SupCon, SemiSupCon):
        subject, unmoved = trained_on_sound(tmp_path, kind, {"b_s": 1, "p_s": 0.5})
        assert not unmoved
        states.append(subject.state_dict())
    torch.testing.assert_close(*states, rtol=0, atol=0)


@pytest.mark.parametrize(("b_s", "share"), [(0.5, "0.5"), (0, "0"), (None, "null")])
def test_batches_with_unlabelled_clips_are_refused(tmp_path, b_s, share):
    with pytest.raises(InputError, match=rf"data\.b_s={share} draws others; set data\.b_s=1"):
        trained_on_sound(tmp_path, SupCon, {"b_s": b_s})
