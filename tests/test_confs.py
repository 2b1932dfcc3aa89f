"""Every file under conf/ composes and builds what it names; a new one is tested by existing."""

import contextlib
import re
import typing

import pytest
import torch
from hydra.errors import InstantiationException
from hydra.utils import get_object, instantiate
from omegaconf import OmegaConf

import musicssl.cli.resolvers  # noqa: F401 registers the resolvers of conf/
from musicssl.cli.run_data import build_datamodule
from musicssl.schedules import bound_to
from tests.support.composing import CONF, composed

SIZES = {"num_features": 128, "num_instances": 10, "num_classes": 20}
# views and augment: they vary samples, not instances
OF_SOUND = ("sound", "semisupcon", "pitch_shift", "semisupcon_published")
NEEDED = {
    "encoder=hear": ("encoder.module=tests.support.hear_sound",),  # what has no default
    "method=pitch_timbre": (f"method.num_frames={SIZES['num_instances']}",),
}
TASK_OF = {
    "loss=cross_entropy": "multi_class",
    "loss=squared_error": "regression",
    "method=pitch_timbre": "multi_class",
    "method=simmatch": "multi_class",
    "experiment=vade_semi_supervised": "multi_class",
}


def choices(*groups):
    return [
        f"{group}={path.stem}" for group in groups for path in sorted((CONF / group).glob("*.yaml"))
    ]


def of_instances(group):
    return [choice for choice in choices(group) if choice.partition("=")[2] not in OF_SOUND]


PARTS = ("method", "encoder", "pooling", "loss", "optimizer", "mixing")


@pytest.mark.parametrize("choice", choices(*PARTS))
def test_a_choice_builds_a_method(choice):
    config = composed(choice, *NEEDED.get(choice, ()))
    method = instantiate(config.method, **SIZES, task=TASK_OF.get(choice, "multi_label"))
    assert callable(method.scores)


@pytest.mark.parametrize("choice", choices("thresholds"))
def test_a_choice_builds_thresholds(choice):
    method = instantiate(
        composed("method=fixmatch", choice, "method.alignment=0.9").method, **SIZES
    )
    assert type(method.thresholds).__module__.endswith(f".{choice.partition('=')[2]}")
    assert method.alignment.momentum == 0.9


@pytest.mark.parametrize("choice", of_instances("views"))
def test_a_choice_builds_both_views(choice):
    method = instantiate(composed("method=mean_teacher", choice).method, **SIZES)
    x = torch.rand(4, 10, 128)
    strength = {"none": 0, "weak": 1, "strong": 2}
    student, _, target = choice.removeprefix("views=").rpartition("_")
    expected = {"student": strength[target], "target": strength[student or target]}
    for side, value in expected.items():
        view = getattr(method.views, side)
        assert (view(x) is x) == (value == 0)
        assert ("feature_mask" in view.transforms) == (value == 2)


@pytest.mark.parametrize("choice", of_instances("augment"))
def test_a_choice_of_augment_fits_either_view(choice):
    name = choice.removeprefix("augment=")
    config = composed("method=mean_teacher", f"augment@views.target={name}")
    assert instantiate(config.method, **SIZES).views.target(torch.rand(4, 10, 128)).shape == (
        4,
        10,
        128,
    )


@pytest.mark.parametrize("group", ["views", "augment@views.student"])
@pytest.mark.parametrize("name", OF_SOUND[:3])
def test_views_of_sound_vary_samples(group, name):
    method = instantiate(
        composed("method=mean_teacher", "views=sound", f"{group}={name}").method, **SIZES
    )
    torch.manual_seed(0)
    x = torch.randn(8, 4000)
    for view in (method.views.student, method.views.target):
        y = view(x)
        assert y.shape == x.shape
        assert not torch.equal(y, x)


def test_one_number_sets_how_much_both_published_views_change():
    config = composed("method=mean_teacher", "views=semisupcon", "views.severity=5")
    views = instantiate(config.method, **SIZES).views
    for view in (views.student, views.target):
        assert view.transforms["published"].probability == 1.0


def test_views_that_are_skipped_together_need_a_method_that_compares_crops():
    config = composed("method=mean_teacher", "views=semisupcon_published")
    with pytest.raises(InstantiationException, match="needs a method that compares crops"):
        instantiate(config.method, **SIZES)
    config = composed("method=simclr", "views=semisupcon_published")
    assert instantiate(config.method, **SIZES).views.changed == 0.8


def test_a_strength_can_be_set_from_the_command_line():
    config = composed("method=mean_teacher", "views=weak", "views.student.noise.std=0.3")
    views = instantiate(config.method, **SIZES).views
    assert views.student.transforms["noise"].std == 0.3
    assert views.target.transforms["noise"].std == 0.02


@pytest.mark.parametrize("choice", choices("dataset", "features"))
def test_a_choice_builds_a_datamodule(choice):
    assert build_datamodule(composed(choice)).batch_size == 32


@pytest.mark.parametrize("choice", choices("trainer", "logger", "schedule"))
def test_a_choice_composes(choice):
    config = composed(choice)
    assert config.trainer._target_ == "pytorch_lightning.Trainer"
    assert 0 < bound_to(100.0, instantiate(config.schedule))(60.0) <= 1


@pytest.mark.parametrize("choice", choices("experiment"))
def test_an_experiment_builds_all_its_parts(choice):
    config = composed(choice)
    recipe = choice.partition("=")[2]
    assert recipe.endswith(config.name) or config.name == config.hydra.runtime.choices.method
    task = TASK_OF.get(choice, "multi_label")
    assert callable(instantiate(config.method, **SIZES, task=task).scores)
    assert build_datamodule(config).p_s == config.data.p_s


def test_every_setting_of_the_datamodule_reaches_it():
    changed = {"p_s": 0.3, "b_s": 0.7, "batch_size": 7, "p_cells": 0.2, "stratified": True}
    changed |= {"val_fraction": 0.3, "split_seed": 4, "crop_seconds": 1.5}
    changed |= {"num_crops": 3, "adjacent_crops": True, "drop_labels": 0.1, "missing": "negative"}
    config = composed(*(f"data.{name}={value}" for name, value in changed.items()), "seed=9")
    built = build_datamodule(config)
    assert {name: getattr(built, name) for name in changed} == changed
    assert built.seed == 9


def test_the_published_recipe_reads_whole_chunks_of_the_published_encoder():
    config = composed("experiment=magnatagatune_semisupcon")
    method = instantiate(config.method, **SIZES)
    samples = round(config.data.crop_seconds * config.features.sample_rate)
    assert samples == method.classifier.encoder.chunk_samples == 59_049
    published = sum(p.numel() for p in method.classifier.encoder.parameters())
    assert published == 2_368_512
    steps_per_epoch = -(-18_706 // config.data.batch_size)
    assert 0 <= config.trainer.max_epochs * steps_per_epoch - 200_000 < steps_per_epoch


@pytest.mark.parametrize(
    ("choices_made", "epochs"),
    [
        (("method=att",), None),
        (("method=m1", "trainer=ddp"), 60),
        (("method=vade",), OmegaConf.load(CONF / "method" / "vade.yaml").trainer.max_epochs),
        (("method=vade", "trainer=debug"), 2),
        (("method=vade", "trainer.max_epochs=7"), 7),
    ],
)
def test_a_method_has_epochs_of_its_own_unless_the_trainer_is_chosen(choices_made, epochs):
    assert composed(*choices_made).trainer.max_epochs == epochs


def set_elsewhere(path):
    """Return what a file of conf/method or conf/encoder sets outside of its own section."""
    settings = OmegaConf.to_container(OmegaConf.load(path))
    own = "method" if path.is_relative_to(CONF / "method") else path.parent.name
    found = set()
    for default in settings.pop("defaults", []):
        if isinstance(default, dict):
            found |= {key.removeprefix("override ").lstrip("/") for key in default}
        elif default.startswith("base/"):
            found |= set_elsewhere(path.parent / f"{default}.yaml")
    for key, value in settings.items():
        if key != own and key[0] != "_":
            found |= {f"{key}.{name}" for name in value} if isinstance(value, dict) else {key}
    return found


GLOBAL = [
    path
    for group in ("method", "encoder")
    for path in sorted((CONF / group).rglob("*.yaml"))
    if path.read_text().startswith("# @package _global_")
]


@pytest.mark.parametrize("path", GLOBAL, ids=lambda path: str(path.relative_to(CONF)))
def test_a_choice_says_in_its_first_lines_what_else_it_sets(path):
    head = re.match(r"(?:#.*\n)+", path.read_text())[0].replace("\n#  ", "")
    said = re.search(r"# Sets: (.*)\.$", head, re.MULTILINE)[1]
    assert set(said.split(", ")) == set_elsewhere(path)


TYPED = {
    "dataset": "nsynth",
    "optimizer": "sgd",
    "schedule": "halving",
    "views": "strong",
    "autoencoder": "rnn",
    "features": "waveform",
    "pooling": "mean",
    "encoder": "cnn",
    "thresholds": "fixed",
}


@pytest.mark.slow
@pytest.mark.parametrize("path", GLOBAL, ids=lambda path: str(path.relative_to(CONF)))
def test_what_is_typed_always_wins(path):
    """Oracle: the word that was typed, before the choice and after it."""
    if path.parent.name == "base":
        return
    choice = f"{path.parent.name}={path.stem}"
    for key in set_elsewhere(path):
        if key in ("likelihood", "baseline", path.parent.name):
            continue
        word = f"{key}={TYPED.get(key, 7)}"
        for words in ([choice, word], [word, choice]):
            config = composed(*words)
            found = config.hydra.runtime.choices.get(key, OmegaConf.select(config, key))
            assert str(found) == str(TYPED.get(key, 7)), words


def targets(node, path=""):
    """Go through the sections of a configuration that name what they call."""
    if isinstance(node, dict):
        if "_target_" in node:
            yield path, node
        for key, value in node.items():
            yield from targets(value, f"{path}.{key}")


def annotations(called):
    """Return the kinds of the parameters of a function, or of a class and its bases."""
    family = [base.__init__ for base in called.__mro__] if isinstance(called, type) else [called]
    kinds = {}
    for function in family:
        with contextlib.suppress(NameError, TypeError):  # a library's, for type checkers alone
            kinds = typing.get_type_hints(function) | kinds
    return kinds


@pytest.mark.parametrize(
    "path", sorted(CONF.rglob("*.yaml")), ids=lambda p: str(p.relative_to(CONF))
)
def test_a_number_is_written_as_the_kind_that_its_parameter_has(path):
    """`check_kinds` takes its rules from the files: 3 asks for a whole number, 3.0 for any."""
    for section, node in targets(OmegaConf.to_container(OmegaConf.load(path))):
        kinds = annotations(get_object(node["_target_"]))
        for key, value in node.items():
            if key not in kinds or not isinstance(value, int | float):
                continue
            allowed = typing.get_args(kinds[key]) or (kinds[key],)
            assert type(value) in allowed or not {bool, int, float} & {*allowed}, (section, key)
