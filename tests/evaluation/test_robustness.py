"""Oracles: the metrics of clips corrupted by hand, and what the method was given to hear."""

import pytest
import torch
from sklearn.metrics import roc_auc_score

from musicssl.batch import Batch
from musicssl.errors import InputError
from musicssl.evaluation.metrics import multi_label_metrics
from musicssl.evaluation.robustness import robustness
from musicssl.evaluation.robustness_table import read_robustness

N, S = 24, 50


class Loudness:
    """Classes for clips that are loud, and for those that begin loud; it keeps what it heard."""

    def __init__(self, restless=False):
        self.heard, self.restless = [], restless

    def scores(self, batch):
        if self.restless:
            torch.rand(7)
        self.heard.append(batch.x.clone())
        level = torch.stack([batch.x.abs().mean(1), batch.x[:, :5].abs().mean(1)], dim=1)
        return level.sigmoid()


class Noise:
    of_sound = True

    def __init__(self, severity):
        self.severity = severity

    def __call__(self, x, lengths=None):
        return x + 0.3 * self.severity * torch.randn_like(x)


class Fading:
    """Each clip is turned down the more the later it comes."""

    of_sound = True

    def __init__(self, severity):
        self.severity = severity

    def __call__(self, x, lengths=None):
        return x * torch.linspace(1, 1 - self.severity / 5, len(x))[:, None]


CORRUPTIONS = {"noise": Noise, "fading": Fading}


def batches(size=10):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(N, S, generator=generator)
    y = torch.stack([x.abs().mean(1), x[:, :5].abs().mean(1)], dim=1)
    y = (y + 0.2 * torch.randn(N, 2, generator=generator) > 0.8).float()
    mask = torch.rand(N, 2, generator=generator) < 0.8
    whole = Batch(x, y, mask)
    return [whole.select(places) for places in torch.arange(N).split(size)]


def judged(method=None, clips=None, corruptions=CORRUPTIONS, severities=(1.0, 4.0), **settings):
    return robustness(
        Loudness() if method is None else method,
        batches() if clips is None else clips,
        corruptions,
        measure=multi_label_metrics,
        severities=severities,
        **settings,
    )


def auroc(parts):
    """Mean AUROC of what a fresh method says of clips, on what was observed."""
    scores = torch.cat([Loudness().scores(batch) for batch in parts])
    y, mask = (torch.cat([getattr(batch, name) for batch in parts]) for name in ("y", "mask"))
    return sum(roc_auc_score(y[m, c], scores[m, c]) for c, m in enumerate(mask.T)) / 2


def test_metrics_are_those_of_all_corrupted_clips_at_once():
    found = judged()
    assert found.severities == (1.0, 4.0)
    assert list(found.corrupted) == ["noise", "fading"]
    assert found.clean["auroc"] == pytest.approx(auroc(batches()), abs=1e-6)
    for place, severity in enumerate((1.0, 4.0)):
        by_hand = [batch.augmented(Fading(severity)) for batch in batches()]
        expected = auroc(by_hand)
        assert found.corrupted["fading"][place]["auroc"] == pytest.approx(expected, abs=1e-6)
    assert found.curve("fading", "auroc")[2] != found.clean["auroc"]


def draws(method):
    """What `Noise` drew for the first clip of each batch, in the order in which it was heard."""
    clips = [batch.x for batch in batches() for _ in (1.0, 4.0)]
    factors = [0.3 * severity for _ in batches() for severity in (1.0, 4.0)]
    heard = [method.heard[3 + place :][: len(clips)] for place in range(0, 12, len(clips))]
    return [
        tuple(((noisy - x) / factor)[0].round(decimals=3).tolist())
        for part in heard
        for x, noisy, factor in zip(clips, part, factors, strict=True)
    ]


def test_every_method_hears_the_same_and_no_two_corruptions_severities_batches_or_seeds_do():
    one, other, reseeded = Loudness(), Loudness(restless=True), Loudness()
    twice = {"noise": Noise, "hiss": Noise}
    judged(one, corruptions=twice)
    judged(other, corruptions=dict(reversed(twice.items())))
    judged(reseeded, corruptions=twice, seed=1)
    assert len(set(draws(one))) == 2 * 2 * 3  # corruptions, severities, batches
    assert set(draws(one)) == set(draws(other))
    assert draws(one)[:6] == draws(other)[6:]  # whatever the order of the corruptions
    assert not set(draws(one)) & set(draws(reseeded))


def test_clips_are_heard_as_they_are_once_and_the_callers_random_numbers_stay():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    method = Loudness()
    judged(method)
    assert torch.equal(torch.rand(3), expected)
    assert len(method.heard) == 3 * (1 + 2 * 2)  # batches, clean and corruptions by severities
    for batch, heard in zip(batches(), method.heard[:3], strict=True):
        assert torch.equal(batch.x, heard)


def test_a_stopped_study_goes_on_where_it_stopped(tmp_path):
    path = tmp_path / "robustness.csv"

    class Broken:
        def __init__(self, severity):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        judged(corruptions={"noise": Noise, "fading": Broken}, path=path)
    method = Loudness()
    resumed = judged(method, path=path)
    assert len(method.heard) == 3 * 2  # of fading alone
    whole = judged()
    assert resumed.curve("noise", "auroc") == whole.curve("noise", "auroc")
    assert resumed.curve("fading", "auroc") == whole.curve("fading", "auroc")
    again = Loudness()
    only_noise = judged(again, corruptions={"noise": Noise}, path=path)
    assert not again.heard
    assert list(only_noise.corrupted) == ["noise"]
    assert "fading" in path.read_text()


@pytest.mark.parametrize(
    ("before", "asked", "heard"),
    [
        ((1.0, 2.0, 3.0, 4.0, 5.0), (1.0, 5.0), []),
        ((1.0, 5.0), (2.0, 5.0), [2.0]),
        ((2.0,), (1.0, 3.0), [1.0, 3.0]),
    ],
)
def test_only_severities_that_a_table_lacks_are_judged(tmp_path, before, asked, heard):
    path = tmp_path / "robustness.csv"
    judged(severities=before, path=path)
    method = Loudness()
    found = judged(method, severities=asked, path=path)
    assert found == judged(severities=asked)
    assert found.severities == asked
    assert len(method.heard) == 3 * len(CORRUPTIONS) * len(heard)  # batches
    whole = read_robustness(path)
    assert whole == judged(severities=sorted({*before, *asked}))


def test_corruptions_may_have_severities_of_their_own(tmp_path):
    path = tmp_path / "robustness.csv"
    judged(corruptions={"noise": Noise}, severities=(1.0, 5.0), path=path)
    judged(corruptions={"fading": Fading}, severities=(2.0,), path=path)
    method = Loudness()
    assert judged(method, severities=(1.0, 2.0), path=path).severities == (1.0, 2.0)
    assert len(method.heard) == 3 * 2  # batches; noise at 2 and fading at 1
    assert set(read_robustness(path).judged) == {
        *(("noise", 1.0), ("noise", 2.0), ("noise", 5.0), ("fading", 1.0), ("fading", 2.0)),
    }


def test_where_nothing_is_left_no_progress_is_shown(tmp_path, capsys):
    path = tmp_path / "robustness.csv"
    judged(path=path)
    assert "corrupting" in capsys.readouterr().err
    judged(path=path)
    assert capsys.readouterr().err == ""


def test_a_damaged_table_is_left_as_it_is(tmp_path):
    path = tmp_path / "robustness.csv"
    path.write_text("corruption,severity,auroc\nnone,0,high\n")
    with pytest.raises(InputError, match="is damaged"):
        judged(path=path)
    assert path.read_text() == "corruption,severity,auroc\nnone,0,high\n"


@pytest.mark.parametrize("severities", [(), (0.0, 1.0), (2.0, 1.0), (1.0, 1.0)])
def test_severities_that_do_not_ascend_from_above_0_are_refused(severities):
    with pytest.raises(InputError, match="above 0 and ascending"):
        judged(severities=severities)


def test_clips_of_instances_are_refused():
    clips = [batch._replace(x=batch.x[..., None].expand(-1, -1, 5)) for batch in batches()]
    with pytest.raises(InputError, match="of sound"):
        judged(clips=clips)
