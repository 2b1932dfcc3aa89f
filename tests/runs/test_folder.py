import copy
import shutil
from pathlib import Path

import pytest
import yaml

from musicssl.documents import write_atomically
from musicssl.errors import InputError
from musicssl.runs.folder import RunFolder

SETTINGS = {
    "seed": 0,
    "method": {"_target_": "some.Method", "optimizer": {"lr": 1e-5, "betas": [0.9, 0.999]}},
    "data": {"p_s": 0.1, "b_s": None, "cache": "cache"},
    "trainer": {"devices": 1, "max_epochs": 3},
    "overwrite": False,
}


def changed(path, value):
    settings = copy.deepcopy(SETTINGS)
    *parents, last = path.split(".")
    node = settings
    for parent in parents:
        node = node[parent]
    node[last] = value
    return settings


@pytest.fixture
def claimed(tmp_path):
    folder = RunFolder(tmp_path / "runs" / "one")
    folder.claim(SETTINGS)
    return folder


def test_a_free_folder_fits_any_settings(tmp_path):
    folder = RunFolder(tmp_path / "nothing")
    folder.check(SETTINGS)
    assert not folder.path.exists()  # a check claims nothing


def test_a_folder_is_taken_up_again_with_the_same_settings(claimed):
    assert yaml.safe_load(claimed.config.read_text()) == SETTINGS
    claimed.check(SETTINGS)


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("seed", 1, "seed: 0 there, 1 here"),
        ("data.p_s", 0.2, r"data.p_s: 0.1 there, 0.2 here"),
        ("data.b_s", 0.5, r"data.b_s: null there, 0.5 here"),
        ("method.optimizer.lr", 2e-5, r"method.optimizer.lr: 1e-05 there, 2e-05 here"),
        ("method.optimizer.betas", [0.9, 0.99], r"method.optimizer.betas: \[0.9,0.999\] there"),
        ("method.dropout", 0.5, "method.dropout: null there, 0.5 here"),
        ("trainer.max_epochs", 4, "trainer.max_epochs: 3 there, 4 here"),
    ],
)
def test_other_settings_are_refused_by_name(claimed, path, value, said):
    with pytest.raises(InputError, match=rf"other settings \({said}.*overwrite=true"):
        claimed.check(changed(path, value))


def test_all_differences_up_to_three_are_named(claimed):
    other = changed("seed", 1) | {"data": {"p_s": 1, "b_s": 1, "cache": "cache"}, "new": 1}
    with pytest.raises(InputError, match=r"\(data\.b_s: .*, data\.p_s: .*, new: [^,]*, 1 here\);"):
        claimed.check(other)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("overwrite", True),
        ("data.cache", "/elsewhere"),
        ("method.num_workers", 2),
        ("threads", 2),
        ("logger", {"a": 1}),
    ],
)
def test_what_has_no_part_in_the_result_may_differ(claimed, path, value):
    claimed.check(changed(path, value))
    assert yaml.safe_load(claimed.config.read_text()) == SETTINGS


def test_claiming_again_keeps_what_an_interrupted_run_left(claimed):
    claimed.last.parent.mkdir()
    claimed.last.write_text("state")
    claimed.claim(SETTINGS)
    assert claimed.last.read_text() == "state"


def test_overwriting_removes_the_earlier_run_and_nothing_beside_it(claimed):
    beside = claimed.path.parent / "two"
    beside.mkdir()
    claimed.metrics.write_text("{}")
    assert claimed.is_complete
    claimed.claim(changed("seed", 1), overwrite=True)
    assert not claimed.is_complete
    assert beside.is_dir()
    claimed.check(changed("seed", 1))


def test_overwriting_removes_the_probes_of_the_earlier_run(claimed):
    probe = claimed.path / "probes" / "gtzan" / "linear"
    probe.mkdir(parents=True)
    (probe / "probe.json").write_text("{}")
    claimed.claim(SETTINGS)
    assert (probe / "probe.json").is_file()
    claimed.claim(SETTINGS, overwrite=True)
    assert not (claimed.path / "probes").exists()


def test_a_run_whose_removal_is_interrupted_is_not_complete(claimed, monkeypatch):
    """Otherwise it would count as a result whose checkpoint is gone."""
    claimed.best.parent.mkdir()
    claimed.best.touch()
    claimed.metrics.write_text("{}")

    def killed(folder):
        raise KeyboardInterrupt

    monkeypatch.setattr(shutil, "rmtree", killed)
    with pytest.raises(KeyboardInterrupt):
        claimed.claim(SETTINGS, overwrite=True)
    assert not claimed.is_complete


def test_overwriting_spares_a_folder_that_holds_no_run(tmp_path):
    (tmp_path / "thesis.txt").write_text("irreplaceable")
    (tmp_path / "config.yaml").write_text("theirs: 1")
    RunFolder(tmp_path).claim(SETTINGS, overwrite=True)
    assert (tmp_path / "thesis.txt").read_text() == "irreplaceable"


def test_a_text_that_cannot_be_written_whole_leaves_the_earlier_one(tmp_path):
    write_atomically(tmp_path / "metrics.json", "earlier")
    with pytest.raises(UnicodeEncodeError):
        write_atomically(tmp_path / "metrics.json", "half \ud800")
    assert (tmp_path / "metrics.json").read_text() == "earlier"
    write_atomically(tmp_path / "metrics.json", "later")
    assert (tmp_path / "metrics.json").read_text() == "later"
    assert [path.name for path in tmp_path.iterdir() if not path.name.startswith(".")] == [
        "metrics.json"
    ]


def run_of_0_1(tmp_path, name="encoder.num_layers-1_features.num_mels-16"):
    """Copy a stored run to where version 0.1 laid it; return it and its settings of today."""
    stored = Path(__file__).parents[1] / "fixtures" / "runs_of_0_1" / "att"
    folder = tmp_path / "att" / "synthband" / name / "p1.0_b1.0_s0"
    shutil.copytree(stored, folder)
    settings = yaml.safe_load((folder / "config.yaml").read_text())
    del settings["datamodule"]
    settings["data"]["_target_"] = "musicssl.data.datamodule.SemiSupervisedDataModule"
    settings["encoder"]["_target_"] = "musicssl.elsewhere.AttEmbedding"
    return folder, settings | {"runs": str(tmp_path)}


def test_a_run_of_0_1_in_its_folder_is_that_run(tmp_path):
    folder, settings = run_of_0_1(tmp_path)
    RunFolder(folder).check(settings)
    settings["encoder"]["dropout"] = 0.123
    with pytest.raises(
        InputError, match=r"other settings \(encoder.dropout: 0.6 there, 0.123 here"
    ):
        RunFolder(folder).check(settings)


def test_a_run_of_0_1_read_means(tmp_path):
    folder, settings = run_of_0_1(tmp_path)
    RunFolder(folder).check(settings | {"features": {"statistics": ["mean"]}})
    with pytest.raises(InputError, match=r"statistics: \[mean\] there, \[mean,std\] here"):
        RunFolder(folder).check(settings | {"features": {"statistics": ["mean", "std"]}})


def test_a_run_of_0_1_with_another_name_is_named_with_the_command_that_moves_it(tmp_path):
    folder, settings = run_of_0_1(tmp_path, "encoder-att_trainer-cpu")
    now = RunFolder(tmp_path / "att" / "synthband" / "trainer-cpu" / "p1.0_b1.0_s0")
    with pytest.raises(InputError, match=f"mv {folder} {now.path}, or set overwrite"):
        now.check(settings)
    now.check(settings | {"seed": 1})  # another run
