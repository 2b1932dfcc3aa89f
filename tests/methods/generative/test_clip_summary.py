"""What is made of a clip's instances, against numpy."""

import numpy as np
import pytest
import torch

from musicssl.batch import Batch
from musicssl.errors import InputError
from musicssl.methods.generative.summary import ClipSummary

F, T = 4, 6


def clips(lengths=None, count=30):
    rng = np.random.default_rng(0)
    x = torch.from_numpy(
        (rng.normal(size=(count, T, F)) * [1, 5, 0.01, 100] + 3).astype(np.float32)
    )
    return batch_of(x, lengths)


def batch_of(x, lengths=None):
    lengths = None if lengths is None else torch.as_tensor(lengths)
    return Batch(x, torch.zeros(len(x), 1), torch.zeros(len(x), 1, dtype=torch.bool), lengths)


def of_numpy(batch, kind):
    rows = []
    for i, x in enumerate(batch.x.double().numpy()):
        valid = x if batch.lengths is None else x[: batch.lengths[i]]
        parts = {
            "mean": [valid.mean(axis=0)],
            "mean_std": [valid.mean(axis=0), valid.std(axis=0)],
            "flat": [valid.ravel()],
        }
        rows.append(np.concatenate(parts[kind]))
    return np.stack(rows)


@pytest.mark.parametrize(
    ("kind", "variable"), [("mean", 0), ("mean", 1), ("mean_std", 0), ("mean_std", 1), ("flat", 0)]
)
def test_summaries_are_numpys_raw_and_standardised(kind, variable):
    batch = clips(np.arange(30) % T + 1 if variable else None)
    expected = of_numpy(batch, kind)
    raw = ClipSummary(F, T, kind, standardised=False)
    raw.fit([batch])
    assert raw.dim == expected.shape[1]
    np.testing.assert_allclose(raw.of(batch), expected, rtol=1e-4, atol=1e-5)

    scaled = ClipSummary(F, T, kind)
    scaled.fit([batch.select(torch.arange(10)), batch.select(torch.arange(10, 30))])
    z_scores = (expected - expected.mean(axis=0)) / expected.std(axis=0)
    np.testing.assert_allclose(scaled.of(batch), z_scores, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(scaled.unscaled(scaled.of(batch)), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", ["mean", "mean_std"])
@pytest.mark.parametrize("filling", [0.0, 1e6, torch.nan])
def test_padding_counts_nothing(kind, filling):
    batch = clips(np.arange(30) % T + 1)
    summary = ClipSummary(F, T, kind)
    summary.fit([batch])
    expected = summary.of(batch)
    padded = batch.x.clone()
    for i, length in enumerate(batch.lengths.tolist()):
        padded[i, length:] = filling
    assert torch.equal(summary.of(batch._replace(x=padded)), expected)
    summary.fit([batch._replace(x=padded)])
    assert torch.equal(summary.of(batch), expected)


@pytest.mark.parametrize("kind", ["mean", "mean_std"])
def test_the_order_of_instances_does_not_matter(kind):
    batch = clips()
    summary = ClipSummary(F, T, kind)
    summary.fit([batch])
    for _ in range(3):
        shuffled = batch._replace(x=batch.x[:, torch.randperm(T)])
        torch.testing.assert_close(summary.of(shuffled), summary.of(batch), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", ["mean", "mean_std", "flat"])
def test_a_constant_feature_is_not_blown_up(kind):
    """Rounding differs with a clip's length; scaled to deviation 1 it would be noise."""
    x = clips().x
    x[..., 1] = -103.7  # as silence, in decibels
    batch = batch_of(x, None if kind == "flat" else np.arange(30) % T + 1)
    summary = ClipSummary(F, T, kind)
    summary.fit([batch])
    assert summary.of(batch)[:, 1::F].abs().max() < 1e-4
    assert torch.isfinite(summary.of(batch)).all()
    changed = x.clone()
    changed[..., 1] += 1  # in another corpus: by as much, and not by a million times that
    assert summary.of(batch._replace(x=changed))[:, 1::F].abs().max() < 1.01


def test_small_features_are_scaled_all_the_same():
    batch = clips()
    small = batch._replace(x=batch.x * 1e-5)
    summaries = []
    for some in (batch, small):
        summary = ClipSummary(F, T)
        summary.fit([some])
        summaries.append(summary.of(some))
    torch.testing.assert_close(*summaries, rtol=1e-3, atol=1e-3)


def test_clips_of_one_instance_have_no_deviation():
    batch = clips()._replace(x=clips().x[:, :1])
    summary = ClipSummary(F, 1, "mean_std", standardised=False)
    assert summary.dim == F
    assert torch.equal(summary.of(batch), batch.x[:, 0])


def test_what_is_flattened_keeps_its_place():
    batch = clips()
    summary = ClipSummary(F, T, "flat", standardised=False)
    assert torch.equal(summary.of(batch).view(30, T, F), batch.x)


@pytest.mark.parametrize("lengths", [[6, 5, 6], None])
def test_clips_of_several_lengths_are_not_flattened(lengths):
    batch = clips(count=3)
    batch = batch_of(batch.x, lengths) if lengths else batch._replace(x=batch.x[:, :5])
    with pytest.raises(
        InputError, match=r"method\.summary=flat needs clips of exactly 6 instances"
    ):
        ClipSummary(F, T, "flat").of(batch)


def test_sound_and_unknown_kinds_are_refused():
    sound = clips()._replace(x=torch.zeros(30, 1000))
    with pytest.raises(InputError, match="the data are sound; choose features=log_mel"):
        ClipSummary(1, 1000).fit([sound])
    with pytest.raises(InputError, match=r"method\.summary must be one of mean, mean_std, flat, g"):
        ClipSummary(F, T, "median")
