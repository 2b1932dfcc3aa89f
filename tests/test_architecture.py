"""The import directions of the design, held by reading the source: denied unless listed here."""

import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.support.sources import imports

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "musicssl"

# The rooms in order, each with the rooms that it may import; every room may import the first ones.
GROUND = ("batch", "errors", "limits", "documents", "cache", "seeding", "schedules")
ROOMS: dict[str, tuple[str, ...]] = {
    "audio": (),
    "augment": (),
    "losses": (),
    "networks": (),
    "data": ("audio",),
    "encoders": ("audio", "networks"),
    "evaluation": ("augment", "losses", "networks"),
    "datasets": ("audio", "data"),
    "probing": ("data", "evaluation", "networks"),
    "methods": ("augment", "data", "evaluation", "losses", "networks", "probing"),
    "figures": ("audio", "data", "evaluation", "methods"),
    "runs": (
        *("audio", "augment", "data", "datasets", "encoders", "evaluation", "figures"),
        *("losses", "methods", "networks", "probing"),
    ),
    "inference": ("audio", "encoders", "evaluation", "figures", "networks", "runs"),
    "hear": ("inference",),
    "report": ("data", "evaluation", "figures", "probing", "runs"),
    "cli": (
        *("data", "datasets", "evaluation", "figures", "inference", "methods"),
        *("networks", "probing", "report", "runs"),
    ),
}
HYDRA_USERS = ("cli", "runs/checkpoint.py")
WANDB_USERS = ("runs/dashboard.py",)
# conf/GROUP/x.yaml <-> musicssl/FOLDER/x.py <-> tests/FOLDER/test_x.py
GROUPS = {"method": "methods", "encoder": "encoders", "dataset": "datasets", "probe": "probing"}
# Groups whose options are functions, classes or settings of one module, or of a library.
PARTS = {
    "augment": "musicssl.augment",
    "baseline": "sklearn",
    "features": "musicssl.audio",
    "autoencoder": "musicssl.methods.generative.autoencoders.",
    "likelihood": "musicssl.losses.likelihoods",
    "logger": None,
    "loss": "musicssl.losses",
    "mixing": "musicssl.augment.mixing",
    "optimizer": "torch.optim",
    "pooling": "musicssl.networks.pooling",
    "schedule": "musicssl.schedules",
    "similarity": "musicssl.losses.similarity",
    "thresholds": "musicssl.networks.thresholds",
    "trainer": "pytorch_lightning",
    "views": "musicssl.augment.views",
}
RECIPES = ("hydra", "experiment", "launcher", "sweep")  # settings, and nothing that is called
LINKS = {"unlabelled": "dataset"}  # the same options for another place
SUPPORT = ("support", "conf", "fixtures")


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def violations(path: Path) -> set[str]:
    """Return the rooms that a file imports and may not."""
    here = room(path)
    allowed = GROUND[: GROUND.index(here)] if here in GROUND else (*GROUND, *ROOMS[here])
    found = {name.split(".")[1] for name in imports(path) if name.startswith("musicssl.")}
    return found - {here, *allowed}


MODULES = sorted(
    path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE or path.stem[0] != "_"
)


def is_one_of(path: Path, users: tuple[str, ...]) -> bool:
    relative = path.relative_to(PACKAGE).as_posix()
    return any(relative == user or relative.startswith(f"{user}/") for user in users)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_run_one_way(path):
    assert not violations(path)
    libraries = {name.split(".")[0] for name in imports(path)}
    assert not libraries & {"hydra", "omegaconf"} or is_one_of(path, HYDRA_USERS)
    assert "wandb" not in libraries or is_one_of(path, WANDB_USERS)


def test_the_order_of_rooms_has_no_circle():
    """Oracle: each room imports only rooms that come before it."""
    names = [*GROUND, *ROOMS]
    for here, allowed in ROOMS.items():
        assert all(names.index(other) < names.index(here) for other in allowed), here


def test_no_modules_import_each_other_in_a_circle():
    names = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in MODULES}
    graph = {name: set() for name in names}
    for name, path in names.items():
        for found in imports(path):
            graph[name] |= {found, found.rpartition(".")[0]} & names.keys()
    assert len([*TopologicalSorter(graph).static_order()]) == len(names)  # or a CycleError
    graph["musicssl.errors"] = {"musicssl.cli.main"}
    with pytest.raises(CycleError):
        [*TopologicalSorter(graph).static_order()]


def test_every_folder_and_file_of_the_package_is_a_room():
    found = {
        path.name.removesuffix(".py") for path in PACKAGE.iterdir() if path.name[0] not in "_."
    }
    assert found == {*GROUND, *ROOMS}


def test_what_is_not_listed_is_denied(tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "PACKAGE", tmp_path)
    (tmp_path / "losses").mkdir()
    bad = tmp_path / "losses" / "bad.py"
    bad.write_text("def f():\n    from musicssl.methods.att import AttentionMIL\n")
    assert violations(bad) == {"methods"}
    bad.write_text("from musicssl.networks import pooling\n")
    assert violations(bad) == {"networks"}
    bad.write_text("from musicssl.batch import Batch\n")
    assert not violations(bad)
    (tmp_path / "new_room").mkdir()
    new = tmp_path / "new_room" / "new.py"
    new.write_text("from musicssl.batch import Batch\n")
    with pytest.raises(KeyError):
        violations(new)


def options(group: str) -> list[Path]:
    return sorted((ROOT / "conf" / group).glob("*.yaml"))


def target(path: Path) -> str | None:
    """Return what an option calls: its first target."""
    found = re.search(r"^\s*_target_: (\S+)", path.read_text(), re.MULTILINE)
    return found[1] if found else None


@pytest.mark.parametrize("group", GROUPS)
def test_one_name_three_places(group):
    folder = GROUPS[group]
    for config in options(group):
        assert (PACKAGE / folder / f"{config.stem}.py").is_file(), config
        assert (ROOT / "tests" / folder / f"test_{config.stem}.py").is_file(), config
        assert str(target(config)).startswith(f"musicssl.{folder}.{config.stem}."), config


@pytest.mark.parametrize("group", PARTS)
def test_an_option_is_a_part_of_its_module(group):
    for config in options(group):
        called, module = target(config), PARTS[group]
        assert module is None or called is None or called.startswith(module), config


def test_every_group_of_conf_is_known():
    groups = {path.name for path in (ROOT / "conf").iterdir() if path.is_dir()}
    assert groups == {*GROUPS, *PARTS, *RECIPES, *LINKS}
    for config in (file for group in RECIPES for file in options(group)):
        assert target(config) is None, config
    for link, group in LINKS.items():
        assert [f.name for f in options(link)] == [f.name for f in options(group)]


def test_tests_mirror_the_package():
    """A test of a room lies in its folder, those of pages and examples in theirs."""
    folders = {path.name for path in (ROOT / "tests").iterdir() if path.is_dir()} - {"__pycache__"}
    assert folders <= {*ROOMS, *SUPPORT, "docs", "examples"}
    for path in (ROOT / "tests").rglob("*.py"):
        inside = path.relative_to(ROOT / "tests")
        is_test = path.name.startswith("test_")
        assert is_test or path.name == "conftest.py" or inside.parts[0] in SUPPORT, path
        of_tests = [name for name in imports(path) if name.startswith("tests.")]
        assert not any(".test_" in name for name in of_tests), path
        if inside.parts[0] not in SUPPORT and len(inside.parts) > 1:
            at_root = inside.parts[0] in ("docs", "examples")
            assert ((ROOT if at_root else PACKAGE) / inside.parent).is_dir(), path
