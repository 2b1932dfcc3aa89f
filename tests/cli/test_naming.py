"""A run is its values. Oracles: pairs of overrides that mean the same, or do not, by hand."""

import random
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig

import musicssl.cli.resolvers  # noqa: F401 registers the resolvers
from musicssl.cli.conf import conf_folder
from tests.support.quick import slow_after

# For each setting two values or more, each in the ways in which it can be typed. The first value is
# the default of method=att.
SETTINGS = {
    "p_s": [["", "data.p_s=1", "data.p_s=1.0", "++data.p_s=1"], ["data.p_s=0.1", "data.p_s=1e-1"]],
    "b_s": [["", "data.b_s=1"], ["data.b_s=null"], ["data.b_s=0.5", "data.b_s=.5"]],
    "seed": [["", "seed=0"], ["seed=1"], ["seed=12"]],
    "batch": [[""], ["data.batch_size=16", "++data.batch_size=16"]],
    "labelled": [["", "data.labelled_clips=32"], ["data.labelled_clips=8"]],
    "epochs": [["", "trainer.max_epochs=null"], ["trainer.max_epochs=6"]],
    "steps": [[""], ["trainer.max_steps=300", "++trainer.max_steps=300"]],
    "encoder": [
        ["", "encoder=att", "encoder._target_=musicssl.encoders.att.AttEmbedding"],
        ["encoder=gru"],
        ["encoder=fc_t"],
    ],
    "pooling": [
        ["", "pooling=attention"],
        [
            "pooling=max",
            "pooling._target_=musicssl.networks.pooling.MaxPooling pooling.statistics=0 "
            "pooling.regression=0",
        ],
    ],
    "dropout": [["encoder.dropout=0.25", "encoder.dropout=2.5e-1"], ["encoder.dropout=0.35"]],
    "rate": [["", "optimizer.lr=1e-3", "optimizer.lr=0.001"], ["optimizer.lr=0.0005"]],
    "loss": [[""], ["loss=partial_bce"], ["loss=partial_bce loss.alpha=0.123"]],
    "select": [["", "select=last"], ["select=val/auroc"]],
    "trainer": [["", "trainer=auto"], ["trainer=cpu", "trainer.accelerator=cpu trainer=cpu"]],
    "corpus": [["", "dataset=synthband"], ["dataset.num_clips=500"], ["dataset.seed=7"]],
}
WITHOUT_BEARING = ["threads=3", "logger=csv", "overwrite=true", "data.cache=/x", "runs=elsewhere"]


def folder(*overrides, command="train"):
    """Return the folder that a command names, below `runs`."""
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        config = compose(command, list(overrides), return_hydra_config=True)
        HydraConfig.instance().set_config(config)
        name = config.hydra.run.dir
    return str(Path(name)).removeprefix(f"{config.runs}/")


def typed(chosen, rng):
    """Write chosen values in one of the ways there are, in any order that Hydra allows."""
    words = [rng.choice(SETTINGS[name][value]) for name, value in chosen.items()]
    words += rng.sample(WITHOUT_BEARING, rng.randint(0, 2))
    rng.shuffle(words)
    return " ".join(words).split()


@pytest.mark.slow
@pytest.mark.parametrize("rounds", slow_after(1, [5, 60]))
def test_equal_values_are_one_folder_and_others_another(rounds):
    rng = random.Random(0)
    names = {}
    for _ in range(rounds):
        chosen = {name: rng.randrange(len(values)) for name, values in SETTINGS.items()}
        for name in rng.sample(sorted(SETTINGS), 9):  # most runs differ from the defaults in little
            chosen[name] = 0
        found = {folder(*typed(chosen, rng)) for _ in range(3)}
        assert len(found) == 1, (chosen, found)
        assert names.setdefault(found.pop(), chosen) == chosen
    assert len(names) > rounds // 2


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ([], "att/synthband/p1.0_b1.0_s0"),
        (["method=att", "data.p_s=1", "data.b_s=1"], "att/synthband/p1.0_b1.0_s0"),
        (["encoder=gru", "pooling=max"], "att/synthband/encoder-gru_pooling-max/p1.0_b1.0_s0"),
        (
            ["encoder=samplecnn", "encoder.width=8", "seed=3"],  # its features are not said twice
            "att/synthband/encoder-samplecnn_encoder.width-8/p1.0_b1.0_s3",
        ),
        (["method=byol", "projector.hidden=8"], "byol/synthband/projector.hidden-8/p1.0_b0.0_s0"),
        (
            ["method=byol", "projector.hidden=8", "method.predictor.hidden=8"],
            "byol/synthband/projector.hidden-8/p1.0_b0.0_s0",
        ),
        (["~encoder.dropout"], "att/synthband/~encoder.dropout-null/p1.0_b1.0_s0"),
        (["+optimizer.eps=1e-7"], "att/synthband/optimizer.eps-1e-07/p1.0_b1.0_s0"),
        (["name=mine", "loss=balanced_bce"], "mine/synthband/loss-balanced_bce/p1.0_b1.0_s0"),
        (
            ["dataset.sound_fonts=[/x/a.sf2,b.sf3]", "dataset.scores=/y/midi"],
            "att/synthband/dataset.scores-midi_dataset.sound_fonts-[a.sf2,b.sf3]/p1.0_b1.0_s0",
        ),
        (["dataset=embeddings", "dataset.path=/x/a.npz"], "att/embeddings/p1.0_b1.0_s0"),
        (
            ["dataset=embeddings", "dataset.path=[/x/a.npz,b.npz]"],
            "att/embeddings/dataset.path-[a.npz,b.npz]/p1.0_b1.0_s0",
        ),
        (
            ["dataset=gtzan", "data.root=/data", "+dataset.metadata2=/x/y"],  # a corpus of a user's
            "att/gtzan/p1.0_b1.0_s0",
        ),
        (
            ["method=fixmatch", "unlabelled=fma", "augment@views.student=none", "data.root=/x"],
            "fixmatch/synthband/augment@views.student-none_unlabelled-fma/p1.0_b0.333_s0",
        ),
    ],
)
def test_a_folder_says_what_differs_from_the_defaults(overrides, expected):
    assert folder(*overrides) == expected


@pytest.mark.slow
def test_a_recipe_is_its_values():
    recipe = folder("experiment=att_bl", "dataset=openmic", "data.root=/x")
    by_hand = ["name=att_bl", "loss=balanced_bce", "trainer.max_epochs=250", "data.batch_size=128"]
    by_hand += ["optimizer=adam", "schedule=constant", "features=log_mel_means", "select=val/loss"]
    by_hand += ["encoder.standardise=false", "encoder.dropout=0.6", "pooling.start=random"]
    by_hand += ["pooling.statistics=0.0", "pooling.regression=0.0"]
    assert folder(*by_hand, "dataset=openmic", "data.root=/x") == recipe


@pytest.mark.parametrize(
    "more", slow_after(1, [[], ["data.p_s=0.1", "seed=2"], ["encoder.dropout=0.3"]])
)
def test_fine_tuning_starts_from_the_run_of_the_same_command(more):
    common = ["dataset=openmic", "data.root=/x", *more]
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        words = ["experiment=att_bl_ft", "runs=/elsewhere", *common]
        config = compose("train", words, return_hydra_config=True)
        HydraConfig.instance().set_config(config)
        start = config.finetune.checkpoint
    before = folder("experiment=att", *common)
    assert start == f"/elsewhere/{before}/checkpoints/best.ckpt"


def test_probes_differ_by_their_settings_and_not_by_where_files_are():
    common = ["dataset=gtzan", "encoder=cnn"]
    plain = folder(*common, "data.root=/a", command="probe")
    assert plain.endswith("untrained_cnn/gtzan/linear")
    assert folder(*common, "data.root=/b", "device=cpu", "seeds=3", command="probe") == plain
    assert folder(*common, "seeds=5", "data.root=/a", command="probe") == f"{plain}/seeds-5"
    published = folder("dataset=gtzan", "encoder=musicnn", "encoder.weights=mtt", command="probe")
    assert published.endswith("probes/musicnn_mtt/gtzan/linear")
    theirs = ["dataset=gtzan", "encoder=hear", "encoder.module=mylab.passt"]
    assert "probes/pretrained_hear/gtzan/linear" in folder(*theirs, command="probe")


@pytest.mark.parametrize("length", slow_after(1, [121, 1, 120, 300]))
@pytest.mark.parametrize("letter", ["x", "ö"])
def test_every_part_of_a_folder_fits_a_file_system(tmp_path, length, letter):
    """Other names have other folders, and the same name the same one."""
    name = f"study/{letter * length}"
    found = folder(f'name="{name}"', "views=strong", "method=mean_teacher", "encoder.dropout=0.123")
    (tmp_path / found).mkdir(parents=True)
    parts = found.split("/")
    assert parts[0] == "study"
    assert parts[1].startswith(letter * min(length, 50))
    assert max(len(part.encode()) for part in parts) <= 120
    assert found == folder(
        f'name="{name}"', "views=strong", "method=mean_teacher", "encoder.dropout=0.123"
    )
    assert found.split("/")[1] != folder(f'name="{name}y"').split("/")[1]
    probe = folder("checkpoint=a.ckpt", f'name="{letter * length}"', command="probe")
    assert max(len(part.encode()) for part in probe.split("/")) <= 120
