import pytest
import torch

from musicssl.augment.sound.splice_out import SpliceOut
from musicssl.errors import InputError

RATE = 1000  # Hz, a sample is a millisecond
FADE = 5


def ramp(num_clips=1, num_samples=600):
    """Sound of which each sample says where it was."""
    return torch.arange(num_samples, dtype=torch.float64).expand(num_clips, -1)


def by_hand(x, cuts):
    """The clip, cut sample by sample."""
    for start, width in cuts:
        behind = x[start + width :]
        fading = x[start : start + FADE]
        shares = [min(1.0, (place + 1) / FADE) for place in range(len(behind))]
        faded = [
            share * new + (1 - share) * (fading[place] if place < len(fading) else 0.0)
            for place, (share, new) in enumerate(zip(shares, behind, strict=True))
        ]
        x = x[:start] + faded
    return x


def cuts_of(seed, num, most, num_samples):
    """What is drawn for one clip: where its cuts begin and how long they are."""
    torch.manual_seed(seed)
    left = num_samples
    for _ in range(num):
        width, start = torch.rand(2).tolist()
        width = int(width * (min(left // 2, most) + 1))
        yield int(start * (left - width + 1)), width
        left -= width


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("num_samples", [600, 60])
def test_it_agrees_with_a_slow_loop(seed, num_samples):
    cuts = list(cuts_of(seed, 4, 100, num_samples))
    kept = by_hand(ramp(1, num_samples)[0].tolist(), cuts)
    torch.manual_seed(seed)
    y = SpliceOut(4, 100, RATE)(ramp(1, num_samples))[0].tolist()
    assert y[: len(kept)] == pytest.approx(kept)
    assert y[len(kept) :] == pytest.approx((kept * num_samples)[: num_samples - len(kept)])


def test_cuts_have_all_lengths_up_to_the_longest():
    """One cut of w leaves a clip of S - w, after which the first sample comes again."""
    torch.manual_seed(0)
    y = SpliceOut(1, 100, RATE)(ramp(3000) + 1000)
    fell = (y.diff(dim=1) < 0).int()
    lengths = torch.where(fell.any(dim=1), fell.argmax(dim=1) + 1, 600)
    widths = 600 - lengths
    counts = widths.bincount(minlength=101)
    assert len(counts) == 101
    assert counts.min() > 5
    assert counts.max() < 65  # of 30 expected


def test_a_clip_is_never_cut_away():
    torch.manual_seed(0)
    y = SpliceOut(8, 10_000, RATE)(ramp(50, 1000) + 1)
    assert (y > 0).all()


@pytest.mark.parametrize("off", [SpliceOut(0, 100, RATE), SpliceOut(4, 0, RATE)])
def test_without_cuts_nothing_changes(off):
    assert torch.equal(off(ramp()), ramp())


@pytest.mark.parametrize(
    ("numbers", "name"), [((-1, 1, RATE), "num"), ((1, -1, RATE), "max_ms"), ((1, 1, 0), "sample")]
)
def test_an_invalid_number_is_refused(numbers, name):
    with pytest.raises(InputError, match=rf"splice_out\.{name}"):
        SpliceOut(*numbers)
