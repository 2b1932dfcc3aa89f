"""Which runs of a sweep can be trained side by side."""

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

import musicssl.cli.resolvers  # noqa: F401 registers the resolvers of conf/
from musicssl.cli.stacking import together, why_alone
from tests.support.commands import ROOT
from tests.support.quick import slow_after


def settings(*overrides):
    """Compose settings without what only Hydra's run of a job knows."""
    fixed = ("name=x", "trainer.max_epochs=2", "dataset=synthband")
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        config = compose("train", [*fixed, *overrides])
    plain = OmegaConf.to_container(config, resolve=True)
    assert isinstance(plain, dict)
    return plain


def jobs_of(groups):
    return [group.jobs for group in groups]


def test_seeds_rates_and_label_shares_are_one_group():
    jobs = [
        settings("seed=1", "data.p_s=0.1"),
        settings("seed=2", "data.p_s=0.2", "optimizer.lr=0.1"),
        settings("encoder.dropout=0.1", "optimizer.weight_decay=0"),
    ]
    groups = together(jobs, most=16)
    assert jobs_of(groups) == [(0, 1, 2)]
    assert groups[0].said == "3 runs are trained side by side."


def test_runs_of_other_shapes_are_in_other_groups():
    jobs = [
        settings(),
        settings("method=mean_teacher"),
        settings("seed=1"),
        settings("encoder=fc_t"),
        settings("data.batch_size=8"),
        None,
        settings("method=mean_teacher", "seed=1"),
    ]
    assert jobs_of(together(jobs, most=16)) == [(0, 2), (1, 6), (3,), (4,), (5,)]


def test_shares_of_labels_that_decide_the_length_of_an_epoch_are_apart():
    by_labels = ("data.epoch_of=labelled", "data.steps_per_epoch=null")
    jobs = [settings(*by_labels, f"data.p_s={p}", f"seed={s}") for p in (0.1, 0.2) for s in (0, 1)]
    assert jobs_of(together(jobs, most=16)) == [(0, 1), (2, 3)]


def test_a_group_has_a_limit_and_no_run_twice():
    jobs = [settings(f"seed={seed}") for seed in (0, 1, 1, 2, 3)]
    assert jobs_of(together(jobs, most=2)) == [(0, 1), (2, 3), (4,)]


@pytest.mark.parametrize(
    ("override", "reason"),
    slow_after(
        4,
        [
            ("method=dgm", "only att, supervised and mean_teacher can be"),
            ("features=waveform", "reads sound"),
            ("trainer.devices=2", "trainer.devices=2; set it to 1"),
            ("compile=default", "compile=default; leave it out"),
            ("trainer.precision=16-mixed", "trainer.precision=16-mixed; choose one of auto"),
            ("trainer.accumulate_grad_batches=2", "accumulate_grad_batches; set it to 1"),
            ("+trainer.callbacks=[{_target_:x.Y}]", "trainer.callbacks"),
            ("finetune.frozen=[encoder]", "frozen parts"),
            ("++logger={_target_:musicssl.runs.dashboard.Dashboard}", "choose logger=csv"),
        ],
    ),
)
def test_what_cannot_be_trained_with_others_says_why_once(override, reason):
    jobs = [settings(override, f"seed={seed}") for seed in (0, 1)]
    groups = together(jobs, most=16)
    assert jobs_of(groups) == [(0,), (1,)]
    assert reason in groups[0].said
    assert groups[1].said == ""
    assert why_alone(settings()) is None
