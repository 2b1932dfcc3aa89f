"""Oracle: curves that can be read backwards by hand."""

from math import inf, isnan, nan

import numpy as np
import pytest

from musicssl.report.analysis.grouping import baseline_first, group
from musicssl.report.analysis.labels_needed import Match, labels_needed, match_all
from musicssl.report.read.runs import read_runs
from musicssl.report.write.verdicts import match_sentence
from tests.support.synthetic_runs import write_sweep

CLIPS = np.array([10.0, 100.0, 1000.0])


@pytest.mark.parametrize(
    ("curve", "target", "needed"),
    [
        ([0.5, 0.6, 0.8], 0.6, 100),
        ([0.5, 0.6, 0.8], 0.55, 10**1.5),
        ([0.5, 0.6, 0.8], 0.65, 10**2.25),
        ([0.5, 0.6, 0.8], 0.8, 1000),
        ([0.5, 0.6, 0.8], 0.5, 10),
        ([0.5, 0.6, 0.8], 0.49, 0),
        ([0.5, 0.6, 0.8], 0.81, inf),
        ([0.5, 0.7, 0.6], 0.65, 10**1.75),  # the first crossing, not the way down
        ([0.7, 0.6, 0.8], 0.75, 10**2.75),  # falls, then rises
        ([0.5, 0.5, 0.5], 0.5, 10),
    ],
)
def test_a_curve_is_read_backwards(curve, target, needed):
    [ours] = labels_needed(CLIPS, np.array([curve]), np.array([target]))
    assert ours == pytest.approx(needed)


def test_reading_backwards_undoes_interpolation():
    rng = np.random.default_rng(0)
    curves = np.sort(rng.random((50, 3)), axis=1)
    clips = np.exp(rng.uniform(np.log(10), np.log(1000), 50))
    targets = [np.interp(np.log(n), np.log(CLIPS), c) for n, c in zip(clips, curves, strict=True)]
    np.testing.assert_allclose(labels_needed(CLIPS, curves, np.array(targets)), clips)


def read(root):
    return baseline_first(group(read_runs([root]).runs), "att")


def test_each_method_is_matched_at_each_fraction_over_the_means(tmp_path):
    write_sweep(tmp_path, {"att": 0.6, "b": 0.7})
    methods = read(tmp_path)
    att, b = methods
    clips = np.array([cell.labelled for cell in att.cells.values()])
    curve = np.array([cell.spread("auroc").mean for cell in att.cells.values()])
    matches = match_all(methods, "auroc")
    assert [(match.method, match.p_s) for match in matches] == [("b", p) for p in (0.02, 0.1, 0.5)]
    for match in matches:
        target = np.array([b.cells[match.p_s].spread("auroc").mean])
        assert match.needed == pytest.approx(labels_needed(clips, curve[None], target)[0])
        assert match.low <= match.needed <= match.high
        assert match.labelled == round(1000 * match.p_s)


def test_the_interval_is_that_of_all_redraws_of_the_seeds(tmp_path):
    """Of two seeds there are four redraws: twice the one, twice the other, or both in two ways."""
    write_sweep(tmp_path, {"att": 0.6, "b": 0.7}, seeds=(0, 1))
    methods = read(tmp_path)
    [match] = [match for match in match_all(methods, "auroc") if match.p_s == 0.1]
    clips = np.array([20.0, 100.0, 500.0])
    single = []
    for seed in (0, 1):
        curve = [cell.runs[seed].metrics["auroc"] for cell in methods[0].cells.values()]
        target = [methods[1].cells[0.1].runs[seed].metrics["auroc"]]
        single.append(labels_needed(clips, np.array([curve]), np.array(target))[0])
    assert sorted((*single, match.needed)) == pytest.approx([match.low, match.needed, match.high])


def test_seeds_that_are_not_everywhere_count_where_they_are(tmp_path):
    write_sweep(tmp_path, {"att": 0.6}, seeds=(0, 1))
    write_sweep(tmp_path, {"b": 0.7}, seeds=(5, 6))
    methods = read(tmp_path)
    match = match_all(methods, "auroc")[1]
    assert match.low <= match.needed <= match.high


def test_one_seed_has_no_interval_and_one_fraction_no_match(tmp_path):
    write_sweep(tmp_path / "one", {"att": 0.6, "b": 0.7}, seeds=(0,))
    assert all(isnan(match.low) for match in match_all(read(tmp_path / "one"), "auroc"))
    write_sweep(tmp_path / "two", {"att": 0.6, "b": 0.7}, fractions=(0.1,))
    assert match_all(read(tmp_path / "two"), "auroc") == []


@pytest.mark.parametrize(
    ("needed", "low", "high", "parts"),
    [
        (410, 360, 480, ["410", "(360 to 480)", "2.4 ×"]),
        (410, nan, nan, ["410", "2.4 ×"]),
        (inf, 900, inf, ["more than 1,000", "(900 to more than 1,000)"]),
        (inf, inf, inf, ["more than 1,000"]),
        (0, 0, 90, ["fewer than 10", "(fewer than 10 to 90)"]),
    ],
)
def test_words(needed, low, high, parts):
    match = Match("b", 0.02, 168, needed, low, high, (10, 1000))
    assert match.parts == parts
    text = f"b at 2 % (168 clips) = att with this many clips: {' '.join(parts)}"
    assert match_sentence(match, "att") == text
