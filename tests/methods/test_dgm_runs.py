"""`dgm` in runs of train.py: what a run leaves, what it is good for, and what is refused."""

import json

import numpy as np
import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from musicssl.errors import InputError
from musicssl.runs.checkpoint import load_method
from musicssl.runs.history import read_history
from musicssl.runs.starting import Start, start_method
from tests.support import probing_command, training_command
from tests.support.arrays import arrays_in
from tests.support.dgm_training import data, dgm, fit
from tests.support.tiny import Tiny

SMALL = ("method=dgm", "method.h1=16", "method.h2=12", "method.latent_dim=4", "optimizer.lr=0.01")


@pytest.fixture(scope="module")
def a_run(tmp_path_factory):
    overrides = ("data.p_s=0.3", "dataset.variable_lengths=true", "trainer.max_epochs=4")
    return training_command.run(tmp_path_factory.mktemp("run"), *SMALL, *overrides)


def test_a_run_leaves_scores_that_its_checkpoint_agrees_with(a_run):
    saved = arrays_in(a_run.path / "predictions.npz")
    method, _ = load_method(a_run.best)
    datamodule = data(Tiny(variable_lengths=True))
    datamodule.setup()
    test = datamodule.clips("test")
    with torch.inference_mode():
        np.testing.assert_allclose(method.scores(test), saved["scores"], atol=1e-6)
    document = json.loads(a_run.metrics.read_text())
    rows = read_history(a_run.history)
    kept = rows[document["best_epoch"]]
    assert kept["val/loss"] == min(row["val/loss"] for row in rows)
    val = datamodule.clips("val")
    with torch.inference_mode():
        logits = method(val)[val.mask]
    loss = binary_cross_entropy_with_logits(logits, val.y[val.mask]).item()
    assert kept["val/loss"] == pytest.approx(loss, rel=1e-5)


def test_what_it_has_learnt_can_be_probed(tmp_path, a_run):
    probe = probing_command.run(
        tmp_path / "probe",
        *(f"checkpoint={a_run.best}", "dataset=tiny", "data.p_s=1.0", "baselines=[]"),
    )
    [fitted] = probe.document()["fits"]
    assert fitted["macro"]["auroc"] > 0.6


def test_the_baseline_runs_by_one_switch(tmp_path):
    folder = training_command.run(tmp_path, *SMALL, "method.generative=false", "data.p_s=0.3")
    method, _ = load_method(folder.best)
    assert method.generator is None


def test_another_run_starts_from_the_selected_classifiers(tmp_path, a_run):
    source, classes = load_method(a_run.best)
    method = dgm()
    start_method(method, Start.of_checkpoint(a_run.best), classes, {}, {})
    for network in (method.classifier, method.network):
        for name, value in source.network.state_dict().items():
            assert torch.equal(network.state_dict()[name], value), name

    with pytest.raises(InputError, match=r"a network for each class.*choose a method that"):
        start_method(dgm(), Start.of_checkpoint(a_run.best), classes[::-1], {}, {})

    method.freeze_parts(["encoder"])
    other = Tiny(seed=3)  # with means and deviations of its own
    fit(method, tmp_path, data(other), max_epochs=2)
    for name, value in source.network.encoder.state_dict().items():
        for network in (method.classifier, method.network):
            assert torch.equal(network.encoder.state_dict()[name], value), name
    head = source.network.pooling.classifier.weight
    assert not torch.equal(method.classifier.pooling.classifier.weight, head)


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (("select=val/rocauc",), "select=val/rocauc is not measured for each model; choose val/lo"),
        (("method.prior=known",), "method.prior must be uniform or labelled, got known"),
        (("method.beta=-1",), r"method\.beta must be 0 or more, got -1"),
        (("method.beta=null",), r"method\.beta must be 0 or more, got None"),
        (("method.latent_dim=0",), r"method\.latent_dim must be a whole number from 1 up, got 0"),
        (("method.h2=-4",), r"method\.h2 must be a whole number from 0 up, got -4"),
        (("method.h1=0", "method.h2=0"), "set method.h1 to 1 or more"),
        (("method.summary=median",), "method.summary must be one of mean, mean_std, flat"),
        (("likelihood.std=0",), "likelihood.std must be positive, got 0"),
        (("likelihood=bernoulli",), "likelihood=bernoulli needs features in .0, 1., but"),
        (
            ("dataset=tiny_sound", "features=waveform"),
            "the data are sound; choose features=log_mel",
        ),
        (
            ("method.summary=flat", "dataset.variable_lengths=true"),
            "method.summary=flat needs clips of exactly 5 instances; choose mean or mean_std",
        ),
        (("encoder=fc",), "encoder=fc has no effect on this method"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(tmp_path, overrides, sentence):
    with pytest.raises(InputError, match=sentence) as error:
        training_command.run(tmp_path, *SMALL, *overrides)
    assert str(error.value).count(". ") == 0
