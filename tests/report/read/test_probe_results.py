"""Oracle: the folder that was written; what is broken is named."""

import hashlib
import json

import numpy as np
import pytest

from musicssl.errors import InputError
from musicssl.report.read.probe_results import read_probe, read_probes
from musicssl.report.read.runs import read_runs
from musicssl.runs.folder import RunFolder
from tests.support import synthetic_runs
from tests.support.arrays import arrays_in
from tests.support.synthetic_probes import (
    STATISTICS,
    UNTRAINED,
    document,
    settings,
    source,
    truth,
    write_probe,
)


def rewrite(folder, **changes):
    (folder / "probe.json").write_text(json.dumps(document(folder) | changes))


def test_a_result_is_read_as_it_was_written(tmp_path):
    folder = write_probe(tmp_path / "a", source("byol", 3))
    result, written = read_probe(folder), document(folder)
    assert (result.folder, result.name, result.kind, result.seed) == (
        *(folder, "byol", "checkpoint"),
        3,
    )
    assert (result.corpus, result.probe, result.metric) == ("gtzan", "linear", "auroc")
    assert result.fits == tuple(
        (fit["p_s"], fit["seed"], fit["macro"]["auroc"]) for fit in written["fits"]
    )
    assert result.rows(1.0) == [2, 3]
    assert result.chance["auroc"] == 0.5
    for cell in written["cells"]:
        read = result.cells[cell["p_s"]]
        assert read.labelled == cell["labelled"]
        assert read.mean == cell["mean"]
        assert read.interval["auroc"] == tuple(cell["interval"]["auroc"])
    np.testing.assert_array_equal(result.scores(), arrays_in(folder / "predictions.npz")["scores"])
    targets, mask = truth()
    np.testing.assert_array_equal(result.test_set.targets, targets)
    np.testing.assert_array_equal(result.test_set.mask, mask)
    assert result.groups is None
    assert result.credit is None


def test_groups_and_credit_are_read_where_they_are_known(tmp_path):
    folder = write_probe(tmp_path / "a")
    arrays = arrays_in(folder / "predictions.npz")
    groups, credit = np.array(["x", "y"] * 40), np.eye(3, dtype=np.float32)
    np.savez(folder / "predictions.npz", **arrays, groups=groups, credit=credit)
    result = read_probe(folder)
    np.testing.assert_array_equal(result.groups, groups)
    np.testing.assert_array_equal(result.credit, credit)


def test_undefined_metrics_are_nan(tmp_path):
    folder = write_probe(tmp_path / "a")
    cells = document(folder)["cells"]
    cells[0]["mean"]["auroc"], cells[0]["interval"]["auroc"] = None, [None, None]
    rewrite(folder, cells=cells)
    read = read_probe(folder).cells[0.1]
    assert np.isnan([read.mean["auroc"], *read.interval["auroc"]]).all()


def test_the_settings_of_the_training_are_those_beside_the_probe(tmp_path):
    run = synthetic_runs.write_run(tmp_path / "run", synthetic_runs.settings("simclr", dropout=0.3))
    own = read_probe(write_probe(run / "probes" / "gtzan" / "p")).settings
    assert own["encoder.dropout"] == "0.3"
    assert (own["p_s"], own["b_s"], own["trained_on"]) == ("1", "0.5", "synthband")
    assert own["file"] == "best.ckpt"
    baseline = read_probe(write_probe(run / "probes" / "u" / "p", UNTRAINED)).settings
    assert "encoder.dropout" not in baseline


def test_what_is_of_no_run_is_told_by_its_path(tmp_path):
    foreign = read_probe(write_probe(tmp_path / "f", source() | {"run": None})).settings
    assert foreign["file"] == "runs/simclr/checkpoints/best.ckpt"
    saved = read_probe(write_probe(tmp_path / "e", source("mine", kind="embeddings"))).settings
    assert saved["file"] == "mine.npz"
    assert read_probe(write_probe(tmp_path / "u", UNTRAINED)).settings["file"] == "null"


def test_networks_that_learnt_nothing_are_told_by_their_encoder(tmp_path):
    config = settings() | {"encoder": {"_target_": "musicssl.encoders.cnn.CNN", "width": 8}}
    untrained = read_probe(write_probe(tmp_path / "u", UNTRAINED, config=config)).settings
    assert untrained["encoder.width"] == "8"
    statistics = read_probe(write_probe(tmp_path / "s", STATISTICS, config=config)).settings
    assert not any(key.startswith("encoder") for key in statistics)


def test_probes_are_no_runs_and_runs_no_probes(tmp_path):
    run = synthetic_runs.write_run(tmp_path / "run", synthetic_runs.settings())
    write_probe(run / "probes" / "done")
    started = write_probe(run / "probes" / "started")
    (started / "probe.json").unlink()
    found = read_probes([tmp_path])
    assert [result.folder for result in found.results] == [run / "probes" / "done"]
    assert found.unfinished == [started]
    found_runs = read_runs([tmp_path])
    assert [one.folder for one in found_runs.runs] == [run]
    assert (found_runs.unfinished, found_runs.left_out) == ([], [])


def test_probes_of_a_checkpoint_that_was_replaced_are_left_out(tmp_path):
    run = synthetic_runs.write_run(tmp_path / "run", synthetic_runs.settings())
    best = RunFolder(run).best
    best.parent.mkdir(exist_ok=True)
    best.write_bytes(b"first training")
    judged = source() | {"checkpoint": hashlib.sha256(b"first training").hexdigest()}
    probe = write_probe(run / "probes" / "gtzan" / "linear", judged)
    older = write_probe(run / "probes" / "irmas" / "linear")  # of a version that kept no hash
    found = read_probes([tmp_path])
    results, outdated = found.results, found.outdated
    assert {result.folder for result in results} == {probe, older}
    assert outdated == []
    best.write_bytes(b"other training")
    found = read_probes([tmp_path])
    results, outdated = found.results, found.outdated
    assert [result.folder for result in results] == [older]
    assert outdated == [probe]
    best.unlink()  # a folder that was copied without its checkpoints
    found = read_probes([tmp_path])
    results, outdated = found.results, found.outdated
    assert len(results) == 2
    assert outdated == []


def test_results_that_compare_share_their_truth(tmp_path):
    targets, mask = truth()
    flipped = targets.copy()
    flipped[np.flatnonzero(mask[:, 0])[0], 0] += 1 - 2 * flipped[np.flatnonzero(mask[:, 0])[0], 0]
    other_root = settings(root="/elsewhere", features={"num_mels": 128})
    write_probe(tmp_path / "1")
    write_probe(tmp_path / "2", STATISTICS, config=other_root)
    write_probe(tmp_path / "3", test=(flipped, mask))
    write_probe(tmp_path / "4", config=settings(effects=0.5))
    write_probe(tmp_path / "5", probe="mlp")
    truths = [result.test_set for result in read_probes([tmp_path]).results]
    assert truths[0] is truths[1]
    assert len({id(one) for one in truths}) == 4


@pytest.mark.parametrize("name", ["config.yaml", "probe.json", "predictions.npz"])
@pytest.mark.parametrize("damage", ["empty", "half", "noise"])
def test_a_damaged_file_is_named_with_the_cure(tmp_path, name, damage):
    file = write_probe(tmp_path / "a") / name
    whole = file.read_bytes()
    broken = {"empty": b"", "half": whole[: len(whole) // 2], "noise": b"\x93{:\x00" + whole}
    file.write_bytes(broken[damage])
    with pytest.raises(InputError, match=f"{name} is missing or damaged .*run probe.py again"):
        read_probe(file.parent)


def test_files_that_do_not_belong_together_are_noticed(tmp_path):
    folder = write_probe(tmp_path / "a")
    fits = document(folder)["fits"]
    rewrite(folder, fits=fits[:-1])
    with pytest.raises(InputError, match="not as many scores as fits"):
        read_probe(folder)
    rewrite(folder, fits=fits[:2])
    with pytest.raises(InputError, match="of different fractions of labels"):
        read_probe(folder)
