import torch

from musicssl.methods.semisupcon import SemiSupCon
from musicssl.methods.simclr import SimCLR
from tests.support.contrastive import projections, seen
from tests.support.on_sound import trained_on_sound
from tests.support.training import representation_parts


def test_its_loss_is_semisupcons_without_labels_whatever_the_batch_holds():
    z = projections(seen())
    unlabelled, labelled = seen(num_labelled=0), seen(num_labelled=8)
    expected = SemiSupCon(**representation_parts()).objective(unlabelled, z).loss
    subject = SimCLR(**representation_parts())
    assert torch.equal(subject.objective(labelled, z).loss, expected)
    assert SemiSupCon(**representation_parts()).objective(labelled, z).loss != expected
    chunked = SimCLR(**representation_parts(), chunk_rows=3).objective(labelled, z).loss
    torch.testing.assert_close(chunked, expected)


def test_it_learns_what_semisupcon_learns_from_unlabelled_batches(tmp_path):
    states = []
    for kind in (SimCLR, SemiSupCon):
        subject, unmoved = trained_on_sound(tmp_path, kind, {"b_s": 0})
        assert not unmoved
        states.append(subject.state_dict())
    torch.testing.assert_close(*states, rtol=0, atol=0)
