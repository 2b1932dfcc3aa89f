import json
import os
import pickle
from functools import partial
from importlib.metadata import version
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from hydra.utils import instantiate
from pytorch_lightning.callbacks import ModelCheckpoint

from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.encoders.att import AttEmbedding
from musicssl.errors import InputError
from musicssl.runs.checkpoint import Checkpoint, load_method, read_checkpoint
from musicssl.runs.checkpoint_writing import AtomicCheckpointIO, DescribeCheckpoint
from musicssl.runs.starting import Start
from musicssl.runs.trust import homes
from tests.support.tiny import Tiny

CLASSES = ("a", "b", "c")
SIZES = {"num_features": 8, "num_instances": 5, "num_classes": 3}


def part(target, **settings):
    return {"_target_": target, "_partial_": True, **settings}


METHOD = {
    "_target_": "musicssl.methods.att.AttentionMIL",
    "encoder": part("musicssl.encoders.att.AttEmbedding", num_layers=2, dropout=0.5),
    "pooling": part("musicssl.networks.pooling.AttentionPooling"),
    "loss": part("musicssl.losses.balanced_bce.balanced_bce"),
    "optimizer": part("torch.optim.Adam", lr=1e-2),
    "schedule": part("musicssl.schedules.constant"),
}


def build(method=METHOD, **sizes):
    return instantiate(method, **(SIZES | sizes))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A short run: its trained method, its data and its checkpoint."""
    folder = tmp_path_factory.mktemp("run")
    torch.manual_seed(0)
    method, clips = build(), SemiSupervisedDataModule(Tiny(), batch_size=16)
    trainer = pl.Trainer(
        max_epochs=2,
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
        callbacks=[
            DescribeCheckpoint({"method": METHOD, "seed": 0}, CLASSES, SIZES),
            ModelCheckpoint(folder, filename="best", monitor="val/loss"),
        ],
        plugins=[AtomicCheckpointIO()],
    )
    trainer.fit(method, clips)
    trainer.save_checkpoint(folder / "last.ckpt")
    return method.eval(), clips, folder / "last.ckpt"


def test_a_checkpoint_alone_gives_back_the_trained_method(run):
    method, clips, path = run
    rng = torch.get_rng_state()
    loaded, classes = load_method(path)
    test = clips.clips("test")
    assert classes == CLASSES
    assert not loaded.training
    assert torch.equal(loaded(test), method(test))
    assert torch.equal(loaded.prior, method.prior)
    torch.set_rng_state(rng)
    assert not torch.equal(build().eval()(test), method(test))  # it is not the initialisation


def test_a_checkpoint_opens_as_tensors_and_plain_values(run):
    _, _, path = run
    for file in (path, path.with_name("best.ckpt")):
        content = torch.load(file, weights_only=True)
        assert json.loads(content["musicssl"]) == {
            "config": {"method": METHOD, "seed": 0},
            "classes": ["a", "b", "c"],
            "sizes": SIZES,
            "version": version("musicssl"),
        }
    assert {file.name for file in path.parent.iterdir()} == {"best.ckpt", "last.ckpt"}


def test_a_missing_checkpoint_is_named(tmp_path):
    for read in (read_checkpoint, load_method):
        with pytest.raises(InputError, match=r"there is no checkpoint .*none\.ckpt; runs keep"):
            read(tmp_path / "none.ckpt")
        with pytest.raises(InputError, match="the path of a checkpoint is empty; runs keep"):
            read(Path())


@pytest.mark.parametrize("share", [0.0, 0.001, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_checkpoint_is_refused(run, tmp_path, share):
    whole = run[2].read_bytes()
    path = tmp_path / "cut.ckpt"
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(InputError, match=r"cut\.ckpt is damaged or is not a checkpoint"):
        read_checkpoint(path)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize(
    "content",
    [
        b"seed: 0\nmethod: att\n",
        b"RIFF\x24\x00\x00\x00WAVEfmt ",
        b"\x89PNG\r\n\x1a\n" + bytes(100),
        b"PK\x03\x04" + bytes(100),
        bytes(1000),
        pickle.dumps({"state_dict": {}}),
        pickle.dumps([1.0, "text"], protocol=0),
    ],
)
def test_another_file_is_refused(tmp_path, content):
    path = tmp_path / "other.ckpt"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"other\.ckpt"):
        read_checkpoint(path)


@pytest.mark.parametrize("content", [{"state_dict": {}}, [1, 2], torch.zeros(3)])
def test_a_checkpoint_of_another_program_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "theirs.ckpt")
    with pytest.raises(InputError, match="was not written by musicssl"):
        read_checkpoint(tmp_path / "theirs.ckpt")


class Malicious:
    """Unpickling this makes a folder."""

    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize(
    "save", [torch.save, partial(torch.save, _use_new_zipfile_serialization=False)]
)
@pytest.mark.parametrize(
    "read", [read_checkpoint, load_method, AtomicCheckpointIO().load_checkpoint]
)
def test_code_in_a_pickle_is_refused_and_not_run(run, tmp_path, save, read):
    pwned = tmp_path / "pwned"
    content = torch.load(run[2], weights_only=True) | {"extra": Malicious(pwned)}
    save(content, tmp_path / "evil.ckpt")
    said = "is damaged or is not a checkpoint, or it holds code, which is never run; train the run"
    with pytest.raises(InputError, match=said):
        read(tmp_path / "evil.ckpt")
    assert not pwned.exists()
    torch.load(tmp_path / "evil.ckpt", weights_only=False)  # the trap itself is real
    assert pwned.exists()


class Unwritable:
    def __reduce__(self):
        raise OSError("disk full")


def test_a_checkpoint_that_fails_half_way_leaves_the_earlier_one(tmp_path):
    path = tmp_path / "checkpoints" / "last.ckpt"
    io = AtomicCheckpointIO()
    io.save_checkpoint({"musicssl": {}, "weights": torch.ones(1000)}, path)
    with pytest.raises(OSError, match="disk full"):
        io.save_checkpoint({"weights": torch.zeros(1000), "bad": Unwritable()}, path)
    assert torch.equal(read_checkpoint(path)["weights"], torch.ones(1000))
    io.save_checkpoint({"musicssl": {}, "weights": torch.zeros(3)}, path)
    assert torch.equal(read_checkpoint(path)["weights"], torch.zeros(3))
    assert [file.name for file in path.parent.iterdir()] == ["last.ckpt"]


def changed(run, tmp_path, change):
    """Write the run's checkpoint again after a change of what it holds."""
    content = torch.load(run[2], weights_only=True)
    content["musicssl"] = json.loads(content["musicssl"])
    change(content)
    torch.save(content, tmp_path / "changed.ckpt")
    return tmp_path / "changed.ckpt"


def altered(run, tmp_path, change):
    """Write the run's checkpoint again with another configuration of its method."""
    return changed(run, tmp_path, lambda content: change(content["musicssl"]["config"]["method"]))


@pytest.mark.parametrize(
    "target",
    [
        "pathlib.Path.write_text",
        "joblib.load",
        "musicssl.documents.write_atomically",
        "musicssl.methods.base.method.torch.load",  # through a module of ours
        "torch.optim.adam.torch.load",
    ],
)
@pytest.mark.parametrize("place", ["method", "encoder"])
def test_a_checkpoint_that_would_call_anything_else_is_refused(run, tmp_path, target, place):
    def change(config):
        (config if place == "method" else config[place])["_target_"] = target

    with pytest.raises(InputError, match=f"wants to call {target}"):
        load_method(altered(run, tmp_path, change))


@pytest.mark.parametrize(
    "similarity",
    [
        part("musicssl.losses.similarity.of_targets", function="os.mkdir"),
        part("musicssl.losses.similarity.of_targets", _args_=[None, None, "os.mkdir"]),
    ],
)
def test_a_function_by_name_is_a_call_like_any_other(run, tmp_path, similarity):
    path = altered(run, tmp_path, lambda config: config.update(similarity=similarity))
    with pytest.raises(InputError, match=r"wants to call os\.mkdir"):
        load_method(path)


def test_a_call_in_a_tuple_is_refused_and_not_made(run, tmp_path):
    """Hydra takes tuples for lists, and calls what is in them."""
    call = {"_target_": "pathlib.os.mkdir", "path": str(tmp_path / "pwned")}
    path = altered(run, tmp_path, lambda config: config["encoder"].update(sizes=(call,)))
    with pytest.raises(InputError, match="holds a tuple among its settings"):
        load_method(path)
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize(
    "sizes",
    [
        {"num_classes": {"_target_": "pathlib.os.mkdir", "path": "pwned"}},
        {"_target_": "pathlib.os.mkdir", "path": "pwned"},
        {"similarity": {"function": "pathlib.os.mkdir"}},  # Hydra would merge it into the settings
        {"num_classes": 3.5},
        {"num_classes": None},
    ],
)
def test_sizes_are_whole_numbers_and_call_nothing(run, tmp_path, sizes):
    path = changed(run, tmp_path, lambda content: content["musicssl"]["sizes"].update(sizes))
    with pytest.raises(InputError, match="among the sizes of its method, which are numbers and"):
        load_method(path)


def test_a_size_is_no_name_of_a_function(run, tmp_path):
    def change(content):
        content["musicssl"]["sizes"] = {"function": "pathlib.os.mkdir"}
        similarity = part("musicssl.losses.similarity.of_targets", function="musicssl.nothing")
        content["musicssl"]["config"]["method"] = similarity

    with pytest.raises(InputError, match=r"wants to call pathlib\.os\.mkdir"):
        load_method(changed(run, tmp_path, change))


def test_a_part_that_is_no_method_is_refused(run, tmp_path):
    def change(content):
        content["musicssl"]["config"]["method"] = part("torch.optim.Adam")
        content["musicssl"]["sizes"] = {}

    with pytest.raises(InputError, match="its settings build no method here; use another copy"):
        load_method(changed(run, tmp_path, change))


@pytest.mark.parametrize("weights", [{0: torch.zeros(1)}, [1], None])
def test_weights_have_names(run, tmp_path, weights):
    path = changed(run, tmp_path, lambda content: content.update(state_dict=weights))
    for read in (load_method, Start.of_checkpoint):
        with pytest.raises(InputError, match="it has no weights; use another copy"):
            read(path)


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, '{"config": {}} more'])
def test_a_description_that_is_no_json_is_damage(run, tmp_path, text):
    path = changed(run, tmp_path, lambda content: content.update(musicssl=text))
    with pytest.raises(InputError, match="is damaged, it does not say how it was made"):
        load_method(path)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"a": (1, 2)}, "holds a tuple among its settings"),
        ({"a": [partial(dict)]}, "holds a partial among its settings"),
        ({"a": {1: 2}}, "has settings whose names are no text"),
        ({"a": "${b}"}, r"is not resolved, it holds '\$\{b\}'"),
    ],
)
def test_only_plain_settings_are_written(config, said):
    with pytest.raises(InputError, match=f"the configuration {said}"):
        DescribeCheckpoint(config, CLASSES, SIZES)


def test_an_epoch_that_is_missing_is_named(run, tmp_path):
    made = Checkpoint.read(changed(run, tmp_path, lambda content: content.pop("epoch")))
    with pytest.raises(InputError, match="it does not say its epoch"):
        _ = made.epoch


def test_a_method_of_another_version_is_refused_with_both_versions(run, tmp_path):
    def change(content):
        content["musicssl"]["version"] = "9.9"
        del content["state_dict"]["classifier.encoder.layers.0.weight"]

    here = version("musicssl").replace(".", r"\.")
    with pytest.raises(InputError, match=rf"musicssl 9\.9 and does not fit this one, {here}"):
        load_method(changed(run, tmp_path, change))
    path = altered(run, tmp_path, lambda config: config.update(a_later_setting=1))
    said = "does not fit this one, .*: its settings build no method here; use another copy, or tr"
    with pytest.raises(InputError, match=said):
        load_method(path)


def without(*keys):
    """Return a change that takes out what lies under some keys, one within the other."""

    def change(content):
        for key in keys[:-1]:
            content = content[key]
        del content[keys[-1]]

    return change


@pytest.mark.parametrize("part", ["config", "classes", "sizes"])
@pytest.mark.parametrize("old", [True, False])
def test_a_description_that_lacks_a_part_is_refused_with_both_versions(run, tmp_path, part, old):
    def change(content):
        without("musicssl", part)(content)
        content["musicssl"] |= {"version": "0.0.9"} if old else {}

    path, here = changed(run, tmp_path, change), version("musicssl")
    cure = "load it with that version" if old else "use another copy"
    for read in (Checkpoint.read, load_method, Start.of_checkpoint):
        with pytest.raises(InputError) as raised:
            read(path)
        assert str(raised.value) == (
            f"{path} was written by musicssl {'0.0.9' if old else here} and does not fit this one, "
            f"{here}: it does not say its {part}; {cure}, or train it again."
        )


@pytest.mark.parametrize("made", [None, 3, {"config": [], "classes": [], "sizes": {}}])
def test_a_description_of_another_kind_is_refused(run, tmp_path, made):
    path = changed(run, tmp_path, lambda content: content.update(musicssl=made))
    with pytest.raises(InputError, match=r"musicssl of an unknown version and .* say its config;"):
        Checkpoint.read(path)


def test_settings_are_asked_for_by_their_path(run, tmp_path):
    made = Checkpoint.read(run[2])
    assert made.setting("method") == METHOD
    assert made.setting("method.optimizer.lr") == 1e-2
    here = version("musicssl")
    for key in ("features", "data.crop_seconds", "seed.of", "method.optimizer.lr.x"):
        with pytest.raises(InputError) as raised:
            made.setting(key)
        assert str(raised.value) == (
            f"{run[2]} was written by musicssl {here} and does not fit this one, {here}: it does "
            f"not say what {key} was; use another copy, or train it again."
        )


def test_a_checkpoint_without_a_method_or_its_class_is_refused(run, tmp_path):
    for keys in (("method",), ("method", "_target_")):
        path = changed(run, tmp_path, without("musicssl", "config", *keys))
        Checkpoint.read(path)
        with pytest.raises(InputError, match=r"it does not say what method\._target_ was;"):
            load_method(path)


def test_a_checkpoint_without_weights_is_refused_where_they_are_needed(run, tmp_path):
    path = changed(run, tmp_path, without("state_dict"))
    for read in (load_method, Start.of_checkpoint):
        with pytest.raises(InputError, match=r"does not fit this one, .*: it has no weights;"):
            read(path)
    load_method(path, trained=False)


WEIGHT = "classifier.encoder.layers.0.weight"


@pytest.mark.parametrize(
    "change",
    [
        without("state_dict", WEIGHT),
        lambda content: content["state_dict"].update({WEIGHT: torch.zeros(1, 2)}),
        lambda content: content["state_dict"].update(another=torch.zeros(1)),
    ],
)
def test_weights_of_another_network_are_not_put_down_to_the_version(run, tmp_path, change):
    path = changed(run, tmp_path, change)
    with pytest.raises(InputError) as raised:
        load_method(path)
    assert str(raised.value) == (
        f"{path} holds weights that are not those of the network that its settings build; "
        "use another copy, or train it again."
    )
    load_method(path, trained=False)


def test_a_method_can_be_had_as_it_was_before_it_learnt(run):
    _, clips, path = run
    torch.manual_seed(3)
    rebuilt, _ = load_method(path, trained=False)
    torch.manual_seed(3)
    assert torch.equal(rebuilt(clips.clips("test")), build().eval()(clips.clips("test")))


def test_a_checkpoint_with_an_interpolation_is_refused(run, tmp_path):
    path = altered(run, tmp_path, lambda config: config.update(encoder="${oc.env:HOME}"))
    with pytest.raises(InputError, match="is not resolved"):
        load_method(path)


class TheirEncoder(AttEmbedding):
    """An encoder from outside musicssl."""


def test_parts_of_others_load_when_they_are_trusted(run, tmp_path):
    theirs = part("tests.runs.test_checkpoint.TheirEncoder", num_layers=2)
    path = altered(run, tmp_path, lambda config: config.update(encoder=theirs))
    home = r"trusted=\['tests.runs.test_checkpoint'\]"
    said = rf"so: {home} to probe.py, load_method\(path, {home}\) in Python"
    with pytest.raises(InputError, match=said):
        load_method(path)
    own = homes({"method": METHOD | {"encoder": theirs}, "seed": 0})
    assert set(own) - {home for home in own if home.startswith(("musicssl.", "torch."))} == {
        "tests.runs.test_checkpoint"
    }
    load_method(path, trusted=own)
    method, _ = load_method(path, trusted=["tests"])
    assert type(method.classifier.encoder).__name__ == "TheirEncoder"
