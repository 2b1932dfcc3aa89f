"""musicssl latents as its users meet it."""

import csv
import json

import numpy as np
import pytest

from musicssl.cli.latents import main as latents
from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.evaluation.latents.estimators import Histogram
from musicssl.evaluation.latents.measures import measure_latents
from musicssl.runs.checkpoint import load_method
from tests.support import training_command
from tests.support.tiny import Tiny

TRUSTED = ("--trusted", "tests.support.tiny")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Of a run of m1 on tiny, in a folder that has what a run leaves."""
    parts = ("method=m1", "method.hidden=[16]", "method.latent_dim=4", "trainer.max_epochs=1")
    return training_command.run(tmp_path_factory.mktemp("run"), *parts, "dataset.num_clips=300")


def told(words, capsys, status=0):
    """Run the command; return what it printed and said on standard error."""
    try:
        latents([*map(str, words), *TRUSTED])
        code = 0
    except SystemExit as stop:
        code = stop.code
    out, err = capsys.readouterr()
    assert code == status, err
    return out, err


@pytest.mark.slow
def test_tables_are_those_of_the_measures(run, tmp_path, capsys):
    """Oracle: the measures of the embeddings of the test clips."""
    out, _ = told([run.best, "--out", tmp_path, "--estimator", "histogram"], capsys)
    assert "60 test clips, 4 latent dimensions; mutual information by: histogram" in out
    corpus = Tiny(num_clips=300).load()
    method, _ = load_method(run.best, ["tests.support.tiny"])
    batch = SemiSupervisedDataModule(Tiny(num_clips=300), b_s=0.5).clips("test")
    z = method.latent_means(batch).numpy()
    expected = measure_latents(z, corpus.y[corpus.split == "test"], estimator=Histogram())
    with (tmp_path / "latents.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["attribute"] for row in rows] == ["a", "b", "c"]
    assert [int(row["dimension"]) for row in rows] == expected.dimensions
    for name, values in expected.of_attributes.items():
        np.testing.assert_allclose([float(row[name]) for row in rows], values, atol=1e-5)
    document = json.loads((tmp_path / "latents.json").read_text())
    np.testing.assert_allclose(document["information"], expected.information.latents, atol=1e-5)
    assert document["means"]["mig_histogram"] == pytest.approx(expected.means()["mig_histogram"])
    assert document["estimator_settings"] == {"bins": 20}
    pictures = {path.name for path in tmp_path.glob("*.png")}
    assert pictures == {"latent_information.png", "latent_map.png", "traversals.png"}


@pytest.mark.slow
def test_a_folder_of_a_run_is_enough_and_gets_the_results(run, capsys):
    out, _ = told([run.path, "--split", "val", "--clips", "20"], capsys)
    assert "20 of 30 val clips" in out
    assert "dim: the latent dimension that tells most about the attribute." in out
    assert list(run.path.rglob("latents.json"))


@pytest.mark.slow
def test_a_method_without_latent_space_is_refused(tmp_path, capsys):
    att = training_command.run(tmp_path, "trainer.max_epochs=1")
    _, err = told([att.best], capsys, status=2)
    assert "is of method=att, which has no latent space" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere.ckpt"], "there is no checkpoint nowhere.ckpt"),
        (["x.ckpt", "--clips", "3"], "--clips is 10 or more, not 3."),
        (["x.ckpt", "--steps", "2"], "--steps is 3 or more, not 2."),
        (["x.ckpt", "--neighbours", "0"], "nearest neighbours is 1 or more"),
        (["x.ckpt", "--estimator", "histogram", "--bins", "1"], "2 bins or more"),
    ],
)
def test_a_mistake_is_one_sentence(words, said, capsys):
    out, err = told(words, capsys, status=2)
    assert said in err
    assert not out
