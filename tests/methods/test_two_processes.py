"""Every method learns on two processes what it learns on one with the same global batches.

Some targets of the labelled clips are hidden at random, so that the ranks have different numbers of
them, and one rank has a validation batch more than the other.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

from tests.support.commands import ROOT, SEARCH_PATH
from tests.support.ranks import on_ranks
from tests.support.two_processes import Job, alone, as_rank

pytestmark = pytest.mark.slow

SMALL = (
    *(SEARCH_PATH, "dataset.num_clips=131", "trainer=cpu", "baselines=false"),
    *("trainer.max_epochs=3", "data.steps_per_epoch=null", "+trainer.enable_progress_bar=false"),
    *("optimizer=sgd", "optimizer.lr=0.01", "schedule=constant"),  # Adam's signs amplify rounding
    *("data.drop_labels=0.4", "views=none"),
)
NETWORK = ("encoder=fc_t", "pooling=mean")
HALF = (*NETWORK, "data.b_s=0.5", "data.p_s=0.3")
M2 = ("method.h1=16", "method.h2=16", "method.latent_dim=4")
VAE = ("autoencoder.hidden=[16]", "autoencoder.latent_dim=6")
CROPS = (*NETWORK, "projector.hidden=16", "projector.out_dim=8", "data.crop_seconds=null")


def job(method: str, *words: str, dataset: str = "tiny", teacher: str = "") -> Job:
    return Job((f"method={method}", f"dataset={dataset}", *SMALL, *words), teacher)


JOBS = {
    "att": job("att", *NETWORK, "data.b_s=null"),
    "att with batch norms": job("att", "data.b_s=null"),
    "supervised": job("supervised", *HALF),
    "mean_teacher": job("mean_teacher", *HALF),
    "pi_model": job("pi_model", *HALF),
    "temporal_ensembling": job("temporal_ensembling", *HALF),
    "fixmatch": job("fixmatch", *HALF),
    "fixmatch with freematch": job(
        *("fixmatch", *NETWORK, "data.b_s=null", "thresholds=freematch", "method.alignment=0.9")
    ),
    "simmatch": job("simmatch", *HALF, "data.drop_labels=0", dataset="one_class"),
    "simmatch with fairness": job(
        *("simmatch", *NETWORK, "data.b_s=null", "data.p_s=0.3", "data.drop_labels=0"),
        *("thresholds=freematch", "thresholds.fairness=0.5", "thresholds.momentum=0.9"),
        dataset="one_class",
    ),
    "noisy_student": job("noisy_student", *HALF, teacher="logits"),
    "distill": job("distill", *HALF, teacher="embeddings"),
    "east": job("east", *HALF, "method.kd_share=0.3", teacher="embeddings"),
    "strong": job("strong", "encoder=fc_t"),
    "label_enhancing": job("label_enhancing", *NETWORK, "method.teacher_epochs=1"),
    "dgm": job("dgm", *M2),
    "joint_dgm": job("joint_dgm", *M2, "data.b_s=0.5", "optimizer.lr=0.001"),
    "m1": job("m1", "method.hidden=[16]", "method.latent_dim=4"),
    "m1_m2": job(
        *("m1_m2", *M2, "method.m1_hidden=[16]", "method.m1_latent_dim=4", "method.m1_epochs=1")
    ),
    "vade": job(
        *("vade", "method.hidden=[16]", "method.latent_dim=4", "method.pretrain_epochs=1"),
        "optimizer.lr=0.001",
    ),
    "pitch_timbre": job(
        *("pitch_timbre", "~dataset.target", "method.num_frames=8", "method.units=16"),
        *("method.latent_dim=4", "data.p_s=0.3", "data.drop_labels=0", "optimizer.lr=0.0001"),
        dataset="tiny_notes",
    ),
    "beta_vae": job("beta_vae", *VAE),
    "annealed_vae": job("annealed_vae", *VAE),
    "ar_vae": job("ar_vae", *VAE, "data.b_s=1.0", "method.delta=1", "optimizer.lr=0.001"),
    "factor_vae": job("factor_vae", *VAE, "optimizer=adam"),
    "semisupcon": job("semisupcon", *CROPS, "data.b_s=0.5"),
    "simclr": job("simclr", *CROPS),
    "supcon": job("supcon", *CROPS),
    "vicreg": job("vicreg", *CROPS, "optimizer.lr=0.001"),
    "byol": job("byol", *CROPS),
}
WITHOUT_STEPS = {"baseline", "random_forest", "self_training"}
OTHERWISE = {  # as right as on one process, and not equal
    "factor_vae": "each rank trains the autoencoder with the first half of its own clips",
}
AMPLIFIED = {  # equal in the first step; rounding grows from step to step
    "east": "square roots of small distances have steep gradients",
}
EQUAL = sorted(JOBS.keys() - OTHERWISE)


class Trained(NamedTuple):
    """What one process left of a method, and what each of two."""

    alone: Mapping[str, Any]
    ranks: Sequence[Mapping[str, Any]]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two_processes")
    one = alone(folder / "alone", JOBS)
    pair = on_ranks(as_rank, folder / "ranks", folder / "pair", JOBS)
    return {name: Trained(one[name], [rank[name] for rank in pair]) for name in JOBS}


def distance(state: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> float:
    """Return the largest relative distance of a tensor, of those near 0 the absolute one."""
    assert state.keys() == expected.keys()
    pairs = [(state[name].double(), expected[name].double()) for name in expected]
    return max(
        (float((ours - theirs).norm() / theirs.norm().clamp_min(0.1)) for ours, theirs in pairs),
        default=0.0,
    )


def test_every_method_is_tried():
    methods = {file.stem for file in (ROOT / "conf" / "method").glob("*.yaml")}
    assert methods == {name.partition(" ")[0] for name in JOBS} | WITHOUT_STEPS


@pytest.mark.parametrize("name", JOBS)
def test_the_ranks_share_each_batch_and_each_validation_clip_counts_once(trained, name):
    one, pair = trained[name]
    assert len(one["clips"]) >= 20
    for whole, *parts in zip(one["clips"], *(rank["clips"] for rank in pair), strict=True):
        for clips, *shares in zip(whole, *parts, strict=True):
            assert len({len(share) for share in shares}) == 1
            assert Counter(clips) == Counter(chain(*shares))
    shares = [rank["validated"] for rank in pair]
    assert sorted(chain(*shares)) == sorted(one["validated"]) == sorted(one["val"])
    assert len({rank["validation_batches"] for rank in pair}) == 2


@pytest.mark.parametrize("name", JOBS)
def test_the_ranks_have_the_same_weights(trained, name):
    first, second = trained[name].ranks
    assert distance(first["weights"], second["weights"]) == 0
    assert distance(first["ensemble"], second["ensemble"]) == 0
    for ours, theirs in zip(first["metrics"], second["metrics"], strict=True):
        assert ours == pytest.approx(theirs, rel=0, abs=0, nan_ok=True)


@pytest.mark.parametrize("name", EQUAL)
def test_two_ranks_take_the_steps_of_one_process(trained, name):
    one, pair = trained[name]
    later = 1e-3 if name in AMPLIFIED else 1e-4
    losses = torch.stack([rank["losses"] for rank in pair]).mean(dim=0)
    torch.testing.assert_close(losses[0], one["losses"][0], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(losses, one["losses"], rtol=later, atol=later)
    assert distance(pair[0]["first"], one["first"]) < 1e-5
    assert distance(pair[0]["weights"], one["weights"]) < later
    assert distance(pair[0]["ensemble"], one["ensemble"]) < 1e-5
    for ours, theirs in zip(pair[0]["metrics"], one["metrics"], strict=True):
        assert ours == pytest.approx(theirs, rel=later, abs=later, nan_ok=True)


def test_an_ensemble_is_compared(trained):
    for name in ("temporal_ensembling", "simmatch"):
        assert trained[name].alone["ensemble"]["counts"].sum() > 20
