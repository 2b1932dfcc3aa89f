"""Oracle: a module that leaves a file behind when it is imported, and names known to be safe."""

import re
import sys
from collections import OrderedDict
from functools import partial
from pathlib import Path

import pytest
import torch
from hydra.errors import InstantiationException
from hydra.utils import instantiate

import musicssl
from musicssl.errors import InputError
from musicssl.runs.trust import CORPUS_PARTS, METHOD_PARTS, check_parts, homes

OF_TARGETS = "musicssl.losses.similarity.of_targets"
HEAR = "musicssl.encoders.hear.HearEncoder"
METHOD = {
    "_target_": "musicssl.methods.att.AttentionMIL",
    "encoder": {"_target_": "musicssl.encoders.att.AttEmbedding", "_partial_": True},
    "optimizer": {"_target_": "torch.optim.Adam", "_partial_": True, "lr": 1e-3, "fused": None},
}


def check(config, trusted=METHOD_PARTS):
    check_parts(config, trusted, "their.ckpt")


@pytest.fixture
def trap(tmp_path, monkeypatch):
    """A module whose import leaves a file, as foreign code would."""
    (tmp_path / "trap.py").write_text(
        f"import pathlib\npathlib.Path({str(tmp_path / 'sprung')!r}).touch()\n"
        "class Part:\n    @classmethod\n    def made(cls): return cls()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "trap", raising=False)
    return tmp_path / "sprung"


@pytest.mark.parametrize(
    "config",
    [
        {"_target_": "trap.Part"},
        {"encoder": {"_target_": "trap.Part.made"}},
        [{"a": [{"_target_": "trap.Part", "_partial_": True}]}],
        {"_target_": OF_TARGETS, "function": "trap.Part"},
        {"_target_": OF_TARGETS, "_args_": [None, None, "trap.Part"]},
        {"_target_": OF_TARGETS, "_args_": [None, {"deep": ["trap.Part"]}]},
        {"_target_": "musicssl.losses.similarity._imported", "name": "trap.Part"},
        {"_target_": "musicssl.losses.similarity.import_module", "name": "trap"},
        {"_target_": OF_TARGETS, "function": "trap"},
        {"_target_": HEAR, "module": "trap"},
        {"method": {"encoder": {"_target_": HEAR, "_partial_": True, "module": "trap"}}},
        {"_target_": f"{HEAR}.rate_of", "module": "trap", "weights": None},
        {"_target_": "musicssl.encoders.hear.HearModule", "name": "trap"},
        {"_target_": "musicssl.encoders.hear.frozen_module", "_args_": ["trap", None]},
        {"_target_": "musicssl.encoders.pretrained.hear.HearModule", "_args_": ["trap"]},
    ],
)
def test_what_is_not_trusted_is_not_even_imported(trap, config):
    with pytest.raises(InputError, match="wants to call "):
        check(config)
    assert not trap.exists()


def test_a_hear_module_is_trusted_by_its_name(trap):
    """A position in the call has no name, and is none that a module could be given in."""
    encoder = {"_target_": HEAR, "_partial_": True, "module": "trap"}
    check(encoder, (*METHOD_PARTS, "trap"))
    check(encoder | {"module": "musicssl.hear", "weights": "model/"})
    check(encoder | {"module": None})
    assert "trap" in homes(METHOD | {"encoder": encoder})
    assert not trap.exists()  # whoever builds it imports it
    with pytest.raises(InstantiationException, match="positional"):
        instantiate({"_target_": HEAR, "_args_": [None, None, "trap"]})
    assert not trap.exists()


def test_what_is_trusted_is_found_through_its_module_or_a_class_there(trap):
    for name in ("trap.Part", "trap.Part.made"):
        check({"_target_": name}, ("trap",))
        assert trap.exists()  # the trap is real
    assert homes({"a": [{"_target_": "trap.Part"}]}) == ["trap"]
    check({"_target_": "os.path.join"}, ("os", "posixpath"))  # a module by its second name


@pytest.mark.parametrize(
    "target",
    [
        "musicssl.methods.base.method.torch.load",
        "musicssl.methods.base.torch.load",
        "musicssl.methods.att.AttentionMIL.load_from_checkpoint",
        "musicssl.methods.att.AttentionMIL.__init__.__globals__",
        "musicssl.losses.similarity",
        "musicssl.losses.similarity.Similarity",
        "musicssl.losses.similarity.FITTING",
        "musicssl.losses.similarity.nothing",
        "musicssl.methodsmore.Part",
        "musicssl.methods",
        "torch.optim.adam.torch.load",
        "torch.load",
        "os.system",
        "",
        ".",
        "musicssl.methods..att",
        None,
        7,
        ["os.system"],
    ],
)
def test_a_name_that_is_no_part_is_refused(target):
    with pytest.raises(InputError, match=r"wants to call "):
        check({"_target_": target})


@pytest.mark.parametrize("parts", [METHOD_PARTS, CORPUS_PARTS])
@pytest.mark.parametrize(
    "target",
    [
        "musicssl.datasets.gtzan.main",
        "musicssl.datasets.irmas.download",
        "musicssl.datasets.base.download.fetch",
        "musicssl.datasets.formats.embeddings_file.save_embeddings",
        "musicssl.documents.write_atomically",
    ],
)
def test_what_downloads_or_writes_is_no_part(parts, target):
    with pytest.raises(InputError, match=f"wants to call {re.escape(target)}"):
        check({"_target_": target}, parts)


def test_every_part_that_musicssl_configures_may_be_called():
    named = {
        match
        for file in (Path(musicssl.__file__).parents[1] / "conf").rglob("*.yaml")
        for match in re.findall(r"_target_: *([\w.]+)", file.read_text())
    }
    methods = {name for name in named if name.startswith(METHOD_PARTS)}
    corpora = {name for name in named if name.startswith(CORPUS_PARTS)}
    assert len(methods) > 60
    assert len(corpora) > 15
    for name in methods:
        check({"_target_": name})
    for name in corpora:
        check({"_target_": name}, CORPUS_PARTS)


def test_a_function_by_name_is_trusted_as_any_part_is():
    alike = {
        "_target_": OF_TARGETS,
        "_partial_": True,
        "_convert_": "all",
        "function": "torch.cdist",
    }
    with pytest.raises(InputError, match=r"wants to call torch\.cdist; .*trusted=\['torch'\]"):
        check(alike)
    with pytest.raises(InputError, match=r"wants to call torch\.cdist; .*\['torch.functional'\]"):
        check(alike, (*METHOD_PARTS, "torch.cdist"))
    check(alike, (*METHOD_PARTS, "torch"))
    check(alike, homes(alike))
    assert homes(alike) == ["musicssl.losses.similarity", "torch", "torch.functional"]


def test_no_other_part_imports_by_name():
    """A part that does belongs to the table in trust.py."""
    root = Path(musicssl.__file__).parents[1]
    files = [
        file
        for part in (*METHOD_PARTS, *CORPUS_PARTS)
        for place in [root / part.replace(".", "/")]
        for file in [*place.rglob("*.py"), place.with_suffix(".py")]
        if file.is_file()
    ]
    assert len(files) > 150
    by_name = re.compile(r"import_module|__import__|get_object|locate\(|\beval\([^)]|exec\(|runpy")
    places = {
        file.relative_to(root).as_posix() for file in files if by_name.search(file.read_text())
    }
    assert places == {"musicssl/encoders/pretrained/hear.py", "musicssl/losses/similarity.py"}


def test_settings_of_a_method_pass_with_all_kinds_of_plain_values():
    plain = [1, 2.5, True, None, "x", {}, []]
    check(METHOD | {"a": plain, "1": {"2": 0.5}})
    with pytest.raises(InputError, match=r"wants to call os\.mkdir"):
        check(METHOD | {"a": [*plain, {"_target_": "os.mkdir"}], "1": {"2": 0.5}})


@pytest.mark.parametrize(
    "value",
    [
        ({"_target_": "os.mkdir", "path": "x"},),
        OrderedDict(_target_="os.mkdir"),
        {"os.mkdir"},
        torch.zeros(1),
        b"os.mkdir",
        1j,
        torch.Size([1]),
    ],
)
def test_only_lists_dicts_and_plain_values_are_settings(value):
    for config in (value, {"a": [value]}, {"_target_": OF_TARGETS, "_args_": [None, value]}):
        with pytest.raises(InputError, match=r"do not use this file|wants to call os\.mkdir"):
            check(config)


def test_a_tuple_would_be_called(tmp_path):
    """Why other containers are refused: Hydra makes lists of them."""
    made = tmp_path / "made"
    instantiate({"_target_": "builtins.dict", "a": ({"_target_": "os.mkdir", "path": str(made)},)})
    assert made.is_dir()


def test_a_key_is_no_interpolation_and_no_container():
    for key in ("${a}", ("a",), 2, None, True):
        with pytest.raises(InputError, match="do not use this file"):
            check({"a": {key: 1}})


def bomb(depth):
    """Lists that refer to the next one twice: 2^depth values in a few bytes."""
    node = ["x"]
    for _ in range(depth):
        node = [node, node]
    return node


def test_settings_without_an_end_are_refused_at_once():
    endless, deep = [], []
    endless.append({"a": endless})
    for _ in range(10_000):
        deep = [deep]
    for config in (endless, deep, bomb(40), ["x"] * 200_000):
        with pytest.raises(InputError, match="holds more settings, or deeper ones"):
            check({"a": config})


def test_partial_settings_are_not_plain():
    with pytest.raises(InputError, match="holds a partial"):
        check({"encoder": partial(dict)})
