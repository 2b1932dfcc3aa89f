"""The example of performance assessment: its parts against loops, and its command."""

import csv
import json

import numpy as np
import pretty_midi
import pytest
import torch
from torch.nn.functional import cosine_similarity

from examples.score_informed.alignment import aligned, distances, pieces, warping_path
from examples.score_informed.method import mean_absolute_error, rating_contrast
from examples.score_informed.networks import ContourNet, Cosine, DistMatNet, JointEmbedNet
from examples.score_informed.performances import FRAME, Folder, Performances, played
from musicssl.data.checks import check_corpus
from musicssl.errors import InputError
from tests.support.commands import ROOT, shell


def cheapest(costs):
    """The sum of the cheapest path, by the recursion of its definition."""
    total = np.full(costs.shape, np.inf)
    for i in range(len(costs)):
        for j in range(costs.shape[1]):
            before = [
                total[a, b] for a, b in ((i - 1, j), (i, j - 1), (i - 1, j - 1)) if min(a, b) >= 0
            ]
            total[i, j] = costs[i, j] + (min(before) if before else 0)
    return total[-1, -1]


@pytest.mark.parametrize("shape", [(7, 7), (5, 9), (12, 4), (1, 6), (6, 1)])
def test_the_path_is_the_cheapest_and_has_single_steps(shape):
    costs = np.random.default_rng(0).random(shape)
    path = warping_path(costs)
    assert path[0].tolist() == [0, 0]
    assert path[-1].tolist() == [shape[0] - 1, shape[1] - 1]
    steps = np.diff(path, axis=0)
    assert ((steps >= 0) & (steps <= 1)).all()
    assert (steps.sum(axis=1) > 0).all()
    assert costs[tuple(path.T)].sum() == pytest.approx(cheapest(costs))


def test_distances_are_those_of_a_loop():
    contour, score = np.array([60.0, 0.0, 61.5]), np.array([60.0, 62.0])
    expected = [[abs(c - s) for s in score] for c in contour]
    np.testing.assert_array_equal(distances(contour, score), expected)


def test_a_performance_in_another_tempo_is_aligned_with_its_score():
    score = np.repeat([60.0, 64.0, 62.0, 67.0, 65.0], 40)
    contour = np.repeat([60.0, 64.0, 62.0, 67.0, 65.0], [30, 60, 20, 50, 40])
    warp = aligned(contour, score)
    assert (np.diff(warp) >= 0).all()
    assert (score[warp] == contour).mean() > 0.95
    found = pieces(contour, score, 100)
    assert found.shape == (2, 100, 3)
    np.testing.assert_allclose(found[:, :, 0].ravel() * 128, contour, rtol=1e-6)
    assert (found[0, :, 1] == found[0, :, 0]).mean() > 0.9
    np.testing.assert_allclose(found[0, [0, -1], 2] * 128, score[warp[[0, 99]]], rtol=1e-6)


def test_the_matrix_of_distances_is_that_of_a_loop():
    x = torch.rand(1, 300, 3)
    found = DistMatNet(3, size=100).matrix(x)[0]
    for i, j in ((0, 0), (3, 70), (99, 5)):
        expected = (x[0, 3 * i, 0] - x[0, 3 * j, 2]).abs()
        torch.testing.assert_close(found[i, j], expected)


def test_networks_see_what_they_may():
    x = torch.rand(2, 1000, 3)
    other = x.clone()
    other[..., 1:] = 0
    contour, informed, joint = ContourNet(3), ContourNet(3, with_score=True), JointEmbedNet(3)
    torch.testing.assert_close(contour(x)[0], contour(other)[0])
    assert (informed(x)[0] - informed(other)[0]).abs().max() > 1e-4
    h, _ = joint(x)
    prediction = Cosine(embed_dim=32, num_classes=1)(h)
    torch.testing.assert_close(prediction[:, 0], cosine_similarity(h[:, 0, :16], h[:, 0, 16:]))
    joint.of_score.load_state_dict(joint.of_contour.state_dict())
    same = x[..., :1].expand(-1, -1, 3)
    one = Cosine(embed_dim=32, num_classes=1)(joint(same)[0])
    torch.testing.assert_close(one, torch.ones(2, 1))  # equal inputs, equal encoders
    with pytest.raises(InputError, match="choose dataset=performances or fba"):
        ContourNet(2)


def test_the_contrast_is_that_of_a_loop():
    torch.manual_seed(0)
    h, ratings = torch.randn(6, 4), torch.tensor([[0.0], [0.1], [0.5], [0.55], [0.95], [1.0]])
    bins, total = [0, 0, 2, 2, 4, 4], 0.0
    for i in range(6):
        for j in range(i):
            d = float((h[i] - h[j]).norm())
            apart = abs(bins[i] - bins[j])
            total += d**2 / 2 if apart == 0 else max(0.0, 2.0 * apart - d) ** 2 / 2
    assert float(rating_contrast(h, ratings, 2.0)) == pytest.approx(total / 15, rel=1e-5)


def test_the_mean_absolute_error_leaves_out_what_was_not_observed():
    values, targets = torch.tensor([[1.0], [2.0], [9.0]]), torch.zeros(3, 1)
    mask = torch.tensor([[True], [True], [False]])
    assert mean_absolute_error(values, targets, mask).tolist() == [1.5]


def test_severity_is_heard_where_it_should_be():
    def played_with(*severity):
        return played(np.random.default_rng(3), *severity, 1500)

    clean, score = played_with(0, 0, 0)
    assert len(clean) == 1500
    assert set(np.unique(clean)) == set(np.unique(score))
    wrong, _ = played_with(0, 1, 0)
    trembling, _ = played_with(1, 0, 0)
    late, _ = played_with(0, 0, 1)
    assert 10 < (np.abs(wrong - clean) > 0.9).mean() * 100 < 80
    assert np.abs(np.diff(trembling)).mean() > 3 * np.abs(np.diff(clean)).mean()
    changes = [np.flatnonzero(np.diff(one)) for one in (clean, late)]
    assert changes[0].tolist() != changes[1].tolist()


def test_performances_are_a_corpus_that_a_larger_one_begins_with():
    settings = {"rating": "rhythm", "frames": 500, "seed": 1, "noise": 0.0}
    few = check_corpus(Performances(num_clips=20, **settings).load())
    assert few.x.shape == (20, 500, 3)
    assert few.task == "regression"
    more = Performances(num_clips=30, **settings).load()
    np.testing.assert_array_equal(more.x[:20], few.x)
    with pytest.raises(InputError, match="musicality, note_accuracy, rhythm"):
        Performances(num_clips=20, **settings | {"rating": "tone"}).load()


def test_a_folder_of_contours_and_scores_is_read(tmp_path):
    for place in ("contours", "scores"):
        (tmp_path / place).mkdir()
    rows = [["performance", "split", "musicality", "note_accuracy", "rhythm"]]
    for k, split in enumerate(["train", "train", "val", "test"]):
        rows.append([f"p{k}", split, 0.5, k / 4, 0.1])
        times = np.arange(0, 4, 0.01)
        hertz = np.where(times < 2, 440.0, np.where(times < 3, 880.0, -880.0))
        np.savetxt(tmp_path / f"contours/p{k}.csv", np.c_[times, hertz], delimiter=",")
        midi, melody = pretty_midi.PrettyMIDI(), pretty_midi.Instrument(0)
        for pitch, start, end in ((69, 0, 1), (81, 1, 2)):
            melody.notes.append(pretty_midi.Note(100, pitch, start, end))
        midi.instruments.append(melody)
        midi.write(str(tmp_path / f"scores/p{k}.mid"))
    with (tmp_path / "ratings.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    corpus = Folder(rating="note_accuracy", frames=300, root=str(tmp_path)).load()
    assert corpus.clip_ids[:3].tolist() == ["p0-00", "p0-01", "p1-00"]
    assert corpus.y[-1].tolist() == [0.75]
    pitch = corpus.x[0, :, 0] * 128
    np.testing.assert_allclose(pitch[: int(1.5 / FRAME)], 69, atol=1e-4)
    assert corpus.x[1, -1, 0] * 128 == pytest.approx(0 if 600 * FRAME > 3 else 81, abs=1e-4)
    with pytest.raises(InputError, match=r"ratings\.csv"):
        Folder(rating="rhythm", frames=300, root=str(tmp_path / "no")).load()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["pc_conv", "si_conv", "joint_embed", "dist_mat", "contrastive"])
def test_each_recipe_trains_by_its_command(name, tmp_path):
    conf = ("--config-dir", str(ROOT / "examples/score_informed/conf"))
    small = ["dataset.num_clips=40", "dataset.frames=600", "trainer=cpu", "trainer.max_epochs=2"]
    small += ["encoder.size=100"] if name == "dist_mat" else ["method.chunk_frames=500"]
    small += ["method.pretrain_epochs=1"] if name == "contrastive" else []
    result = shell(tmp_path, *conf, f"experiment={name}", "dataset=performances", *small)
    assert result.returncode == 0, result.stderr
    [metrics] = tmp_path.rglob("metrics.json")
    assert {"r2", "mae"} < json.loads(metrics.read_text())["macro"].keys()
    assert metrics.relative_to(tmp_path).parts[1:3] == (name, "performances")
