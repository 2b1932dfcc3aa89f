"""The import directions of the design, held by reading the source."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "musicssl"

# The first part of a module's path, and what of musicssl it must not import.
FORBIDDEN = {
    "batch": {"*"},
    "errors": {"*"},
    "splits": {"*"} - {"errors"},
    "losses": {"methods", "encoders", "datasets", "datamodule", "pooling"},
    "encoders": {"methods", "datasets", "datamodule", "losses", "pooling"},
    "pooling": {"methods", "encoders", "datasets", "datamodule", "losses"},
    "datasets": {"methods", "encoders", "losses", "pooling", "splits", "datamodule", "streams"},
    "features": {"methods", "encoders", "losses", "datasets", "datamodule"},
    "audio": {"methods", "encoders", "losses", "datasets", "datamodule"},
    "frontends": {"methods", "encoders", "losses", "datasets", "datamodule", "pooling"},
    "annotations": {"*"},
    "recordings": {"methods", "encoders", "losses", "datasets", "datamodule", "splits"},
    "corpus_command": {"methods", "encoders", "losses", "datasets", "datamodule", "splits"},
    "places": {"methods", "encoders", "losses", "datasets", "datamodule"},
    "second_corpus": {"methods", "encoders", "losses", "datasets", "datamodule"},
    "clips": {"methods", "encoders", "losses", "datasets", "datamodule"},
    "openmic": {"methods", "encoders", "losses", "datasets", "datamodule"},
    "archives": {"methods", "encoders", "losses", "datasets", "datamodule"},
    "download": {"methods", "encoders", "losses", "datasets", "datamodule"},
    "unpack": {"methods", "encoders", "losses", "datasets", "datamodule"},
    "resolution": {"methods", "encoders", "datasets", "datamodule"},
    "augment": {"methods", "encoders", "losses", "datasets", "datamodule", "pooling"},
    "views": {"methods", "encoders", "losses", "datasets", "datamodule", "pooling"},
    "teacher": {"methods", "encoders", "losses", "datasets", "datamodule"},
    "ensemble": {"*"},
    "gathered": {"*"},
    "generative": {"methods", "encoders", "datasets", "datamodule"},
    "likelihoods": {"*"},
    "monitors": {"methods", "encoders", "datasets", "datamodule"},
    "projector": {"*"},
    "similarity": {"*"},
    "sync_batch_norm": {"methods", "encoders", "datasets", "datamodule"},
    "corruptions": {"methods", "encoders", "losses", "datasets", "datamodule", "pooling"},
    "finetuning": {"encoders", "datasets"},
    "embeddings": {"methods", "encoders", "datasets", "datamodule"},
    "probing": {"methods", "encoders", "datasets", "datamodule", "pooling"},
    "thresholds": {"*"},
    "schedules": {"*"},
    "synthband": {"methods", "encoders", "losses", "datasets", "datamodule"},
    "streams": {"methods", "encoders", "losses", "datasets"},
    "datamodule": {"methods", "encoders", "losses", "datasets"},
    "methods": {"encoders", "datasets", "datamodule", "checkpoint"},
    "metrics": {"methods", "encoders", "datasets", "datamodule"},
    "localisation": {"methods", "encoders", "datasets", "datamodule"},
}
ALLOWED_ANYWAY = {"errors"}
HYDRA_USERS = {
    "checkpoint.py",
    "composed.py",  # what train.py and probe.py read from what Hydra composed
    "overrides.py",  # says what Hydra could not make of the command line
    "sweep.py",  # is called back by Hydra around the jobs of a sweep
}


def imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def violations(path: Path) -> set[str]:
    forbidden = FORBIDDEN.get(room(path), set())
    found = {name.split(".")[1] for name in imports(path) if name.startswith("musicssl.")}
    found -= ALLOWED_ANYWAY | {room(path)}
    return found if "*" in forbidden else found & forbidden


MODULES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_run_one_way(path):
    assert not violations(path)
    packages = {name.split(".")[0] for name in imports(path)}
    if path.name not in HYDRA_USERS:
        assert not packages & {"hydra", "omegaconf"}
    if path.name != "dashboard.py":
        assert "wandb" not in packages


def test_a_loss_that_imported_a_method_would_be_caught(tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "PACKAGE", tmp_path)
    (tmp_path / "losses").mkdir()
    bad = tmp_path / "losses" / "bad.py"
    bad.write_text("from musicssl.methods.att import AttentionMIL\n")
    assert violations(bad) == {"methods"}


def test_every_module_has_a_test_and_every_choice_a_module():
    """One name, three places: conf/GROUP/x.yaml, musicssl/GROUPs/x.py, tests/GROUPs/test_x.py."""
    for group, folder in [("method", "methods"), ("encoder", "encoders"), ("dataset", "datasets")]:
        for config in (ROOT / "conf" / group).glob("*.yaml"):
            assert (PACKAGE / folder / f"{config.stem}.py").is_file(), config
            assert (ROOT / "tests" / folder / f"test_{config.stem}.py").is_file(), config
