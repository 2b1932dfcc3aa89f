import math

import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from musicssl.batch import Batch
from musicssl.encoders.att import AttEmbedding
from musicssl.encoders.crnn import CRNN
from musicssl.errors import InputError
from musicssl.evaluation.tasks import task_named
from musicssl.methods.base.clip_regression import STRENGTH, clip_statistics
from musicssl.networks.classifier import Classifier
from musicssl.networks.clip_regression import ClipRegression
from musicssl.networks.pooling import AttentionPooling
from musicssl.probing.linear import fit_linear

F, C = 6, 3


def batch(count=40, instances=5):
    """Clips of one to five instances, whose padding is not finite, with some labels missing."""
    torch.manual_seed(0)
    x = torch.randn(count, instances, F) * torch.rand(count, 1, F) + torch.randn(count, 1, F)
    lengths = torch.randint(1, instances + 1, (count,))
    x[torch.arange(instances) >= lengths[:, None]] = torch.nan
    y = (x[:, 0, :C] + 0.3 * torch.randn(count, C) > 0).float()
    return Batch(x, y, torch.rand(count, C) < 0.8, lengths)


def network(regression):
    torch.manual_seed(1)
    return Classifier(
        lambda **sizes: AttEmbedding(**sizes),
        lambda **sizes: AttentionPooling(**sizes, regression=regression),
        num_features=F,
        num_instances=5,
        num_classes=C,
    ).eval()


def fitted(even_at, num_clips):
    parted, clips = network(even_at), batch()
    train = clip_statistics([clips])
    model = fit_linear(train, train, task_named("multi_label"), [STRENGTH], tolerance=1e-8)
    parted.regression.fit(model.weight, model.bias, num_clips)
    return parted, clips


def test_statistics_are_those_of_each_clip_alone():
    clips = batch()
    found = clip_statistics([clips.select(torch.arange(10)), clips.select(torch.arange(10, 40))])
    for row, x, length in zip(found.h, clips.x, clips.lengths, strict=True):
        own = x[:length]
        expected = torch.cat([own.mean(0), own.std(0, correction=0)])
        torch.testing.assert_close(row, expected)
    assert torch.equal(found.y, clips.y)
    assert torch.equal(found.mask, clips.mask)


def test_its_logits_are_those_of_scikit_learn():
    parted, clips = fitted(100, num_clips=100)
    h = clip_statistics([clips]).h.numpy()
    valid = torch.arange(5) < clips.lengths[:, None]
    found = parted.regression(clips.x, valid)
    for c in range(C):
        seen = clips.mask[:, c].numpy()
        model = make_pipeline(StandardScaler(), LogisticRegression(C=STRENGTH, tol=1e-10))
        # Our fit standardises by all labelled clips, scikit-learn's by those it is given.
        scaled = model[0].fit(h).transform(h)
        expected = model[1].fit(scaled[seen], clips.y[:, c].numpy()[seen]).decision_function(scaled)
        assert found[:, c].numpy() == pytest.approx(expected, abs=5e-4)


def test_predictions_mix_the_logits_of_instances_and_pool_them():
    parted, clips = fitted(100, num_clips=900)  # share 1 / (1 + sqrt 9)
    alone = network(0.0)  # the same weights
    instances = alone.instances(clips)
    own = parted.regression(clips.x, torch.arange(5) < clips.lengths[:, None])
    mixed = 0.75 * instances.logits + 0.25 * own[:, None]
    found = parted.instances(clips)
    for clip, length in enumerate(clips.lengths):
        torch.testing.assert_close(found.logits[clip, :length], mixed[clip, :length])
    weights = instances.log_weights.exp()
    probability = (weights * mixed.sigmoid()).where(weights > 0, 0).sum(1)
    torch.testing.assert_close(parted.predict(clips).sigmoid(), probability)


def test_the_network_learns_alone_and_predicts_alone_until_the_regression_is_fitted():
    parted, clips = fitted(100, num_clips=100)
    alone = network(0.0)
    assert torch.equal(parted(clips), alone(clips))
    assert torch.equal(network(100).predict(clips), alone(clips))
    assert alone.regression is None
    assert sum(p.numel() for p in parted.parameters()) == sum(p.numel() for p in alone.parameters())


@pytest.mark.parametrize(("num_clips", "share"), [(1, 10 / 11), (100, 1 / 2), (8100, 1 / 10)])
def test_the_share_falls_with_the_root_of_the_number_of_clips(num_clips, share):
    part = ClipRegression(F, C, even_at=100)
    part.fit(part.weight, part.bias, num_clips)
    assert part.share_with(num_clips) == pytest.approx(share)
    assert part.share.item() == pytest.approx(share)


def test_with_hardly_a_label_it_is_the_regression_itself_and_with_very_many_the_network():
    parted, clips = fitted(1e12, num_clips=1)
    own = parted.regression(clips.x, torch.arange(5) < clips.lengths[:, None])
    torch.testing.assert_close(parted.predict(clips), own, rtol=1e-4, atol=1e-4)
    parted, _ = fitted(1e-12, num_clips=100)
    torch.testing.assert_close(parted.predict(clips), network(0.0)(clips))


def test_a_clip_is_predicted_alike_with_and_without_padding():
    parted, clips = fitted(100, num_clips=100)
    together = parted.predict(clips)
    for clip, length in enumerate(clips.lengths[:8]):
        x = clips.x[clip : clip + 1, :length]
        alone = parted.predict(Batch(x, clips.y[:1], clips.mask[:1]))
        torch.testing.assert_close(alone[0], together[clip])


def test_encoders_of_sound_have_none():
    of_sound = Classifier(
        lambda **sizes: CRNN(**sizes, width=2, hidden=2),
        lambda **sizes: AttentionPooling(**sizes, regression=100),
        num_features=1,
        num_instances=16_000,
        num_classes=C,
    )
    assert of_sound.regression is None


def test_large_features_are_exact_under_autocast():
    part = ClipRegression(F, C, even_at=100)
    part.fit(torch.full((C, 2 * F), 100.0), torch.full((C,), 1e4), num_clips=1)
    x = torch.full((1, 3, F), -16.7)
    expected = part(x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(part(x), expected)


@pytest.mark.parametrize("even_at", [-1, math.inf, math.nan])
def test_a_number_of_clips_out_of_range_is_one_sentence(even_at):
    with pytest.raises(InputError, match=r"pooling\.regression must be 0 or more, got"):
        AttentionPooling(4, C, regression=even_at)
