from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.errors import ConfigCompositionException
from omegaconf import OmegaConf

from musicssl.cli.composed_settings import (
    check_corpus_files,
    check_kinds,
    check_parts,
    check_removed,
    check_use,
)
from musicssl.cli.overrides import nearest, override_errors
from musicssl.errors import InputError
from tests.support.quick import slow_after

CONF = Path(__file__).parents[2] / "conf"


def complaint(*overrides: str, root: str = "train") -> str:
    """What is said of a command line that Hydra refuses."""
    with (
        pytest.raises(InputError) as raised,
        override_errors(CONF, root, overrides),
        initialize_config_dir(str(CONF), version_base="1.3"),
    ):
        compose(root, list(overrides))
    assert "\n" not in str(raised.value)
    return str(raised.value)


@pytest.mark.parametrize(
    ("overrides", "said"),
    slow_after(
        8,
        [
            (["datta.p_s=1"], "there is no setting datta.p_s; did you mean data.p_s?"),
            (["p_s=0.1"], "there is no setting p_s; did you mean data.p_s?"),
            (["lr=0.1"], "there is no setting lr; did you mean optimizer.lr?"),
            (["epochs=3"], "there is no setting epochs; did you mean trainer.max_epochs?"),
            (["methd=att"], "there is no setting methd; did you mean method?"),
            (["encodr=gru"], "there is no setting encodr; did you mean encoder?"),
            (["zzzzz=1"], "there is no setting zzzzz; python train.py --help lists all settings."),
            (["seed=1", "data.ps=0.1"], "there is no setting data.ps; did you mean data.p_s?"),
            (
                ["trainer.strategy=ddp"],
                "there is no setting trainer.strategy; to hand it to pytorch_lightning.Trainer all "
                "the same, write +trainer.strategy=...",
            ),
            (
                ["trainer.max_epoch=3"],
                "there is no setting trainer.max_epoch; did you mean trainer.max_epochs?",
            ),
            (
                ["sweep=seeds", "datta.p_s=1", "seed=0,1"],
                "there is no setting datta.p_s; did you mean data.p_s?",
            ),
            (
                ["likelihood=bernoulli"],
                "likelihood=... has no effect here; it is a choice for method=annealed_vae or "
                "method=ar_vae or method=beta_vae or method=dgm or method=factor_vae or "
                "method=joint_dgm or method=m1 or method=m1_m2 or method=vade.",
            ),
            (["probe=mlp"], "probe=... is no choice of train.py; leave it out."),
            (
                ["jobs=2"],
                "there is no setting jobs; it is a setting of launcher=joblib or launcher=stacked.",
            ),
            (
                ["method=mean_teacher", "augment=strong"],
                "augment is chosen for each place by itself: augment@views.student=strong or "
                "augment@views.target=strong or views=strong for all.",
            ),
            (["+seed=1"], "seed is there already; change it without the plus sign, seed=..."),
            (
                ["name=jörg"],
                "name=jörg cannot be read as key=value; if the value is one piece of text, "
                "write \"name='jörg'\".",
            ),
            (
                ["dataset.path=[/jörg/a.npz,b.npz]"],
                "dataset.path=[/jörg/a.npz,b.npz] cannot be read as key=value; put quotes around "
                "each entry of the list, \"dataset.path=['...','...']\".",
            ),
            (["seed=0,1"], "seed=0,1 names several values; add -m to run them all as a sweep."),
            (
                ["dataset=embeddings", "dataset@dataset.labels=esc10", "dataset.path=a.npz,b.npz"],
                "dataset.path=a.npz,b.npz names several values; add -m to run them all as a sweep.",
            ),
            (
                ["hydra/launcher=joblb"],
                "the launcher joblb is not installed; docs/guides/sweeps.md says how.",
            ),
        ],
    ),
)
def test_a_mistyped_setting_is_named_with_the_nearest_one(overrides, said):
    assert complaint(*overrides) == said


def test_help_is_that_of_the_command():
    said = complaint("zzzzz=1", root="probe")
    assert said == "there is no setting zzzzz; python probe.py --help lists all settings."


PARTS = "set embeddings.file=..., embeddings.save=... one by one instead."


@pytest.mark.parametrize("value", ["g.npz", "null"])
def test_a_section_that_is_replaced_has_no_parts_to_set(value):
    said = complaint(f"embeddings={value}", "embeddings.save=x.npz", root="probe")
    assert said == (
        f"embeddings={value} replaces all settings of embeddings, embeddings.save among them; "
        f"{PARTS}"
    )


def checked_kinds(*overrides: str) -> None:
    """Check the kinds of a probe's settings as the command does."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("probe", list(overrides))
        settings = OmegaConf.to_container(config)
        made = OmegaConf.create({"hydra": [], "task": list(overrides)})
        check_kinds(settings, CONF, "probe", made)


def test_a_part_that_was_set_before_its_section_was_replaced_is_not_lost_in_silence():
    with pytest.raises(InputError, match=rf"^embeddings=g\.npz replaces all .*; {PARTS}"):
        checked_kinds("embeddings.save=x.npz", "embeddings=g.npz")
    checked_kinds("embeddings=g.npz")
    checked_kinds("embeddings={file: g.npz}", "embeddings.save=x.npz")
    checked_kinds("data.p_s=0.1", "~baselines", "logger=wandb", "logger.project=x")


def test_a_choice_of_a_group_is_not_taken_for_a_value_of_its_section():
    """The first job of the sweep has the setting, the second has not."""
    overrides = ["encoder=gru,crnn", "encoder.num_layers=2"]
    with (
        pytest.raises(InputError, match=r"^encoder\.num_layers is not a setting of every job"),
        override_errors(CONF, "train", overrides),
    ):
        raise ConfigCompositionException("Could not override 'encoder.num_layers'.")


@pytest.mark.parametrize("group", ["method", "encoder", "sweep"])
def test_an_unknown_choice_is_answered_with_the_choices_there_are(group):
    choices = sorted(path.stem for path in (CONF / group).glob("*.yaml"))
    said = complaint(f"{group}=zzzzz")
    assert said == f"there is no {group}=zzzzz; choose one of {', '.join(choices)}."
    slip = choices[0] + "z"
    assert f"there is no {group}={slip}; did you mean {choices[0]}?" in complaint(f"{group}={slip}")


def test_a_setting_of_another_choice_is_not_one_of_this():
    """att has no forest to grow; where the choice is made, the setting exists."""
    assert complaint("method=att", "method.num_trees=5").startswith("there is no setting")
    with initialize_config_dir(str(CONF), version_base="1.3"):
        names = compose("train", ["method=random_forest"]).method
    key = next(name for name in names if name != "_target_")
    assert f"did you mean method.{key}?" in complaint("method=random_forest", f"method.{key}x=5")


def test_what_no_override_is_to_blame_for_keeps_its_traceback():
    with pytest.raises(ConfigCompositionException), override_errors(CONF, "train", []):
        raise ConfigCompositionException("our own files contradict each other")


@pytest.mark.parametrize(
    ("key", "names", "expected"),
    [
        ("a.seed", ["seed", "data.split_seed"], "seed"),
        ("sed", ["seed", "name"], "seed"),
        ("unlike", ["seed", "name"], None),
    ],
)
def test_nearest(key, names, expected):
    assert nearest(key, names) == expected


@pytest.mark.parametrize(
    "override", ["views=strong", "views.student.noise.std=0.1", "augment@views.target=weak"]
)
def test_views_of_a_method_that_has_none_are_refused(override):
    with pytest.raises(InputError, match=f"^{override} has no effect on this method; method=super"):
        check_use({"loss": {}}, ["seed=1", override])
    check_use({"loss": {}, "views": {}}, ["seed=1", override])


def test_the_teacher_is_refused_alike_and_what_is_called_alike_is_not():
    with pytest.raises(InputError, match=r"teacher\.decay=0\.5 has no effect"):
        check_use({}, ["teacher.decay=0.5"])
    check_use({}, ["method=mean_teacher", "name=views", "dataset.views=3", "views=none"])


def test_a_similarity_is_refused_alike():
    for override in ("similarity=dice", "similarity.width=0.2"):
        with pytest.raises(InputError, match=f"^{override} has no effect on this method; .*supcon"):
            check_use({"views": {}}, [override])
    check_use({"similarity": None}, ["similarity=dice"])
    check_use({}, ["similarity=null"])


@pytest.mark.parametrize(
    "override", ["encoder=gru", "encoder.dropout=0.1", "pooling=mean", "loss=partial_bce"]
)
def test_parts_of_a_method_with_a_model_of_its_own_are_refused(override):
    with pytest.raises(
        InputError, match=f"^{override} has no effect on this method; .* its? .*own"
    ):
        check_use({"hidden": [256]}, ["seed=1", override])
    check_use({"encoder": {}, "pooling": {}, "loss": None}, ["seed=1", override])
    check_use({"hidden": [256]}, ["loss=null", "method.encoder=x", "name=encoder"])


@pytest.mark.parametrize(
    ("typed", "value", "dataset", "refused"),
    [
        ("data.root=/my", "/my", {"seed": 0}, True),  # else the embedded corpus would be trained on
        ("data.root=/my", "/my", {"root": "/my"}, False),
        ("data.root=/my", "/my", {"files": {"sound": "/my/audio"}}, False),
        ("data.root=[/a,/b]", ["/a", "/b"], {"root": ["/a", "/b"]}, False),
        ("data.root=[/a,/b]", ["/a", "/b"], {"root": None}, True),
        ("data.root=null", None, {}, False),
        ("dataset.root=/my", None, {}, False),
    ],
)
def test_files_that_no_corpus_reads_are_refused(typed, value, dataset, refused):
    settings = {"data": {"root": value, "labels": "labels.csv"}, "dataset": dataset}
    if refused:
        with pytest.raises(InputError, match=r"has no effect on this corpus.*dataset=audio_folder"):
            check_corpus_files(settings | {"unlabelled": None}, ["seed=1", typed])
        check_corpus_files(settings | {"unlabelled": {"root": value}}, [typed])
    else:
        check_corpus_files(settings | {"unlabelled": None}, ["seed=1", typed])


SUPERVISED = ["att", "strong", "supervised"]
SEMI_SUPERVISED = ["mean_teacher", "pi_model", "temporal_ensembling", "fixmatch", "noisy_student"]
REPRESENTATION = ["semisupcon", "simclr", "supcon", "vicreg", "byol"]


@pytest.mark.parametrize("method", SUPERVISED + SEMI_SUPERVISED + REPRESENTATION)
def test_methods_that_are_built_of_parts_take_them(method):
    chosen, loss = ["encoder=gru", "pooling=mean"], "loss=masked_bce"
    with initialize_config_dir(str(CONF), version_base="1.3"):
        settings = compose("train", [f"method={method}", *chosen, loss]).method
    check_use(settings, chosen)
    if method == "strong":  # whose loss is of instances
        with pytest.raises(InputError, match="no effect on this method; what it minimises is its"):
            check_use(settings, [loss])
    else:
        check_use(settings, [loss])


def test_a_name_too_long_for_a_folder_is_said(tmp_path):
    said = r"too long for the folder of a run; .*hydra\.run\.dir="
    with pytest.raises(InputError, match=said), override_errors(CONF, "train", []):
        (tmp_path / ("x" * 300)).mkdir()
    with pytest.raises(FileNotFoundError), override_errors(CONF, "train", []):
        (tmp_path / "none" / "x").mkdir()


class Base:
    """Stands for a part that takes no settings but its own."""

    def __init__(self, *, size):
        self.size = size


class Part(Base):
    """Hands on what it does not know."""

    def __init__(self, **parts):
        super().__init__(**parts)


def refusal(call, **settings):
    with pytest.raises(TypeError) as raised:
        call(**settings)
    return raised.value


def test_a_setting_that_a_part_does_not_know_is_told_from_a_defect():
    part = {"_target_": "tests.cli.test_overrides.Part", "size": 1, "depth": 2}
    settings = {"method": {"encoder": part}, "encoder": part, "other": {"depth": 3}}
    error = refusal(Part, size=1, depth=2)
    with pytest.raises(InputError) as raised:
        check_parts(error, settings, {"encoder": "deep"})
    assert str(raised.value) == (
        "encoder.depth is no setting of encoder=deep; leave it out with ~encoder.depth, or choose "
        "what it was meant for."
    )
    with pytest.raises(InputError, match=r"is no setting of tests\.cli\.test_overrides\.Part"):
        check_parts(error, {"method": {"ramp": part}}, {})
    check_parts(refusal(Part, size=1, width=2), settings, {})  # nobody configured a width
    check_parts(refusal(refusal, depth=2), settings, {})  # another function
    check_parts(
        ValueError("Part.__init__() got an unexpected keyword argument 'depth'"), settings, {}
    )
    check_parts(None, settings, {})


def test_the_second_corpus_of_an_experiment_can_be_taken_back():
    check_removed(["~unlabelled"])
    with pytest.raises(InputError, match="~dataset removes a setting"):
        check_removed(["~unlabelled", "~dataset"])
