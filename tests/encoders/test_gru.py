import pytest
import torch

from musicssl.batch import valid_instances
from musicssl.encoders.gru import GRUEncoder

LENGTHS = torch.tensor([6, 1, 4])


def encoder_and_clips(summary):
    torch.manual_seed(0)
    encoder = GRUEncoder(5, hidden=3, num_layers=2, dropout=0.0, summary=summary).double()
    return encoder, torch.randn(3, 6, 5, dtype=torch.float64)


def step(gru, suffix, x, h):
    """One step of a gated recurrent unit, from its equations (Cho et al. 2014, PyTorch's form)."""
    w_x, w_h, b_x, b_h = (
        getattr(gru, f"{name}_{suffix}")
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    )
    r_x, z_x, n_x = (w_x @ x + b_x).chunk(3)
    r_h, z_h, n_h = (w_h @ h + b_h).chunk(3)
    z = (z_x + z_h).sigmoid()
    new = (n_x + (r_x + r_h).sigmoid() * n_h).tanh()
    return (1 - z) * new + z * h


def read_by_hand(gru, clip):
    """Outputs, (T, D), and final states, (D,), of the last layer for one clip, (T, F)."""
    for layer in range(gru.num_layers):
        forward, backward = [], []
        for states, suffix, order in (
            (forward, f"l{layer}", clip),
            (backward, f"l{layer}_reverse", clip.flip(0)),
        ):
            h = torch.zeros(gru.hidden_size, dtype=clip.dtype)
            for x in order:
                h = step(gru, suffix, x, h)
                states.append(h)
        finals = torch.cat([forward[-1], backward[-1]])
        clip = torch.cat([torch.stack(forward), torch.stack(backward[::-1])], dim=1)
    return clip, finals


@pytest.mark.parametrize("lengths", [torch.tensor([6, 6, 6]), LENGTHS])
@pytest.mark.parametrize("summary", ["final", "last_frame", "frames"])
def test_every_summary_equals_reading_each_clip_by_hand(summary, lengths):
    encoder, x = encoder_and_clips(summary)
    valid = None if (lengths == 6).all() else valid_instances(lengths, 6)
    out, out_valid = encoder(x, valid)
    for clip, length in enumerate(lengths.tolist()):
        frames, finals = read_by_hand(encoder.gru, x[clip, :length])
        if summary == "frames":
            torch.testing.assert_close(out[clip, :length], frames)
        else:
            expected = finals if summary == "final" else frames[-1]
            torch.testing.assert_close(out[clip], expected[None])
    assert out_valid is (valid if summary == "frames" else None)


@pytest.mark.parametrize(("summary", "changes"), [("final", True), ("last_frame", False)])
def test_backwards_only_the_final_state_has_read_the_last_but_one_instance(summary, changes):
    """Why "final" is the default: the backward half of the last output knows one instance."""
    torch.manual_seed(0)
    encoder = GRUEncoder(5, hidden=3, num_layers=1, dropout=0.0, summary=summary)
    x = torch.randn(2, 6, 5)
    backward = encoder(x)[0][..., 3:]
    x[:, :5] += 1
    assert (not torch.equal(encoder(x)[0][..., 3:], backward)) is changes
