from fractions import Fraction

import pytest
import torch
from torch.nn import functional

from musicssl.batch import valid_instances
from musicssl.encoders.base.audio import AudioEncoder, cut, used_instances, used_of_clip
from musicssl.errors import InputError

CHUNK = 12
LENGTHS = [1, 2, 5, 6, 11, 12, 13, 17, 18, 19, 24, 29, 31, 36, 41]


class Means(AudioEncoder):
    """The mean of each T'-th of a chunk, and what it was asked for."""

    def __init__(self, num_instances, chunk_samples=CHUNK):
        super().__init__(chunk_samples, embed_dim=1)
        self.num_instances = num_instances
        self.asked = []

    def embed(self, chunks):
        self.asked.append(len(chunks))
        return chunks.unflatten(1, (self.num_instances, -1)).mean(dim=2, keepdim=True)


def slow(clip, num_instances):
    """The instances of one clip, (S,), from the words of the rule, one by one."""
    duration = Fraction(CHUNK, num_instances)
    step = CHUNK // num_instances
    found, covered = [], 0
    while covered < len(clip):
        start = min(covered, max(0, len(clip) - CHUNK))
        chunk = torch.cat([clip, clip.new_zeros(CHUNK)])[start : start + CHUNK]
        for t in range(num_instances):
            centre = start + (t + Fraction(1, 2)) * duration
            if covered <= centre < len(clip) or (covered == 0 and t == 0):
                found.append(chunk[t * step : (t + 1) * step].mean())
        covered += CHUNK
    return torch.stack(found)[:, None]


def ragged(lengths):
    torch.manual_seed(0)
    lengths = torch.tensor(lengths)
    valid = valid_instances(lengths, int(lengths.max()))
    return torch.rand(valid.shape, dtype=torch.float64).masked_fill(~valid, torch.nan), valid


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("num_instances", [1, 2, 3, 4])
def test_clips_of_any_length_are_embedded_as_by_a_slow_loop(num_instances, training):
    x, valid = ragged(LENGTHS)
    x.requires_grad_()
    h, h_valid = Means(num_instances).train(training)(x, valid)
    expected = [slow(clip[:n], num_instances) for clip, n in zip(x, LENGTHS, strict=True)]
    assert h_valid.sum(dim=1).tolist() == [len(one) for one in expected]
    torch.testing.assert_close(h[h_valid], torch.cat(expected))
    assert (h[~h_valid] == 0).all()
    weights = torch.rand_like(h[h_valid])
    (ours,) = torch.autograd.grad((h[h_valid] * weights).sum(), x)
    (theirs,) = torch.autograd.grad((torch.cat(expected) * weights).sum(), x)
    torch.testing.assert_close(ours, theirs)  # and no NaN, although the padding is


def test_a_batch_of_one_chunk_each_is_embedded_as_it_is():
    x = torch.rand(3, CHUNK)
    h, valid = Means(4)(x)
    assert valid is None
    assert torch.equal(h[..., 0], x.unflatten(1, (4, 3)).mean(dim=2))
    through_cutting, valid = Means(4)(x, torch.ones(3, CHUNK, dtype=torch.bool))
    assert valid is None
    torch.testing.assert_close(through_cutting, h)


@pytest.mark.parametrize("lengths", [[18], [18, 18]])
def test_equal_lengths_need_no_mask(lengths):
    x, valid = ragged(lengths)
    h, h_valid = Means(2)(x)
    assert h_valid is None
    assert h.shape == (len(lengths), 3, 1)
    torch.testing.assert_close(h, Means(2)(x, valid)[0])


def test_a_clip_is_embedded_alike_alone_in_any_batch_and_with_any_padding():
    x, sounding = ragged(LENGTHS)
    together, valid = Means(3)(x, sounding)
    more = functional.pad(x.nan_to_num(1e6), (0, 30), value=-1e6)
    padded, padded_valid = Means(3)(more, functional.pad(sounding, (0, 30)))
    assert torch.equal(padded, together)
    assert torch.equal(padded_valid, valid)
    for clip, length in enumerate(LENGTHS):
        alone, _ = Means(3)(x[clip : clip + 1, :length])
        torch.testing.assert_close(alone[0], together[clip, valid[clip]])


@pytest.mark.parametrize("num_instances", [1, 2, 5])
def test_each_moment_of_a_clip_is_judged_once(num_instances):
    """Centres follow each other at the duration of an instance, and at the seam half of it off."""
    for length in range(CHUNK, 5 * CHUNK):
        chunks = cut(torch.tensor([length]), CHUNK)
        kept = used_instances(chunks, CHUNK, num_instances)
        duration = CHUNK / num_instances
        centres = chunks.start[:, None] + (torch.arange(num_instances) + 0.5) * duration
        edges = torch.cat([torch.tensor([-duration / 2]), centres[kept]])
        gaps = edges.diff() / duration
        assert ((gaps - 1).abs() <= 0.5 + 1e-6).all()
        unjudged = length - (centres[kept][-1].item() + duration / 2)
        assert -1e-4 <= unjudged < duration / 2 + 1e-4
        assert (chunks.start + CHUNK <= length).all()  # nothing but sound


def test_an_hour_needs_no_more_chunks_at_a_time_than_a_minute():
    rate = 50
    x = torch.rand(1, 3600 * rate)
    encoder = Means(1, chunk_samples=rate).eval()
    h, valid = encoder(x)
    assert valid is None
    torch.testing.assert_close(h[0, :, 0], x.view(3600, rate).mean(dim=1))
    assert max(encoder.asked) == AudioEncoder.slice_chunks
    assert sum(encoder.asked) == 3600


def test_many_clips_of_a_chunk_are_embedded_in_slices_in_evaluation_alone():
    x = torch.rand(70, CHUNK)
    evaluated, trained = Means(1).eval(), Means(1).train()
    torch.testing.assert_close(evaluated(x)[0], trained(x)[0])
    assert evaluated.asked == [32, 32, 6]
    assert trained.asked == [70]
    trained(torch.rand(50, 2 * CHUNK))
    assert trained.asked == [70, 100]


def test_instances_instead_of_sound_are_refused_with_the_cure():
    with pytest.raises(InputError, match=r"^encoder=test_audio reads sound.*features=waveform\.$"):
        Means(1)(torch.rand(2, 10, 128))


class Staged(Means):
    """Means, and two stages of other rates before them."""

    def embed_with_stages(self, chunks):
        stages = [chunks.unflatten(1, (n, -1)).mean(dim=2, keepdim=True) for n in (4, 2)]
        return self.embed(chunks), stages


@pytest.mark.parametrize("training", [True, False])
def test_each_stage_is_cut_and_joined_as_embeddings_are(training):
    x, valid = ragged(LENGTHS)
    embedded, stages = Staged(1).train(training).with_stages(x, valid)
    expected = [Means(n).train(training)(x, valid) for n in (1, 4, 2)]
    for found, wanted in zip([embedded, *stages], expected, strict=True):
        torch.testing.assert_close(found, wanted)


def test_an_encoder_without_stages_has_its_embedding():
    x, valid = ragged(LENGTHS)
    embedded, [stage] = Means(2).with_stages(x, valid)
    torch.testing.assert_close(embedded, stage)
    torch.testing.assert_close(embedded, Means(2)(x, valid))


@pytest.mark.parametrize("num_instances", [1, 2, 3, 7])
def test_the_instances_used_of_one_clip_are_those_of_a_batch(num_instances):
    for num_samples in (0, 1, 3, 5, 9, 10, 11, 14, 15, 19, 20, 25, 38, 40, 61):
        chunks = cut(torch.tensor([num_samples]), 10)
        expected = used_instances(chunks, 10, num_instances)
        ranges = used_of_clip(num_samples, 10, num_instances)
        found = torch.zeros_like(expected)
        for chunk, (first, end) in enumerate(ranges):
            found[chunk, first:end] = True
        assert torch.equal(found, expected), num_samples


@pytest.mark.parametrize("num_samples", [1, 4, 12, 15, 20, 24, 25, 38])
def test_clips_of_one_length_are_embedded_like_those_with_a_mask(num_samples):
    """With a mask they take the path of clips of unequal length."""
    encoder = Means(3).eval()
    x = torch.randn(3, num_samples)
    found, valid = encoder(x)
    expected, _ = encoder(x, torch.ones(3, num_samples, dtype=torch.bool))
    assert valid is None
    assert torch.equal(found, expected)
