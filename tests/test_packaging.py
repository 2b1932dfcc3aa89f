"""A wheel, installed in a folder of its own, and a clone that is not shadowed by its own folder."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TINY = [f"hydra.searchpath=[file://{ROOT}/tests/conf]", "dataset=tiny", "trainer=cpu", "threads=1"]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "-w", str(folder), str(ROOT)], check=True, timeout=300)
    return next(folder.glob("musicssl-*.whl"))


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """The wheel unpacked as pip does it, beside the packages of this environment."""
    folder = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def run(installed, folder, *arguments):
    code = "import sys; from musicssl.cli.main import main; main(sys.argv[1:])"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": f"{installed}{os.pathsep}{folder}"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_the_wheel_carries_every_file_of_conf(wheel):
    """Oracle: the files of conf/, its link `unlabelled` included."""
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if name.startswith("musicssl/conf/")}
    here = {
        f"musicssl/conf/{path.relative_to(ROOT / 'conf')}" for path in yaml_files(ROOT / "conf")
    }
    assert packed == here


def yaml_files(folder):
    for path in folder.iterdir():
        if path.is_dir():
            yield from yaml_files(path)
        else:
            yield path


def test_from_a_wheel_it_trains_probes_and_reports(installed, tmp_path):
    support = tmp_path / "tests"
    support.symlink_to(ROOT / "tests")  # the tiny corpus, as a user's own package
    trained = run(installed, tmp_path, "train", *TINY, "trainer.max_epochs=1", "data.batch_size=16")
    assert trained.returncode == 0, trained.stderr
    best = next((tmp_path / "runs").rglob("best.ckpt"))
    assert best.parents[1].name == "p1.0_b1.0_s0"
    asked = ["seeds=1", "data.p_s=1", "baselines=[untrained]", "trusted=[tests]", "device=cpu"]
    probed = run(installed, tmp_path, "probe", f"checkpoint={best}", *TINY[:1], *asked)
    assert probed.returncode == 0, probed.stderr
    reported = run(installed, tmp_path, "report", "runs")
    assert reported.returncode == 0, reported.stderr
    assert (tmp_path / "report" / "index.html").is_file()


def test_own_configs_are_found(installed, tmp_path):
    own = tmp_path / "mine" / "method"
    own.mkdir(parents=True)
    text = (ROOT / "conf" / "method" / "att.yaml").read_text()
    (own / "mine.yaml").write_text(text)
    shown = run(installed, tmp_path, "train", "--config-dir", "mine", "method=mine", "--cfg", "job")
    assert shown.returncode == 0, shown.stderr
    assert "musicssl.methods.att.AttentionMIL" in shown.stdout


def test_a_clone_is_found_from_the_folder_that_holds_it(tmp_path):
    """Oracle: the file that a fresh interpreter imports there."""
    (tmp_path / "musicssl").symlink_to(ROOT)
    code = "import musicssl; print(musicssl.__file__)"
    shown = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert Path(shown.stdout.strip()).resolve() == ROOT / "musicssl" / "__init__.py"


def test_a_missing_package_of_an_extra_is_one_sentence(installed, tmp_path):
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "soundfile.py").write_text("raise ModuleNotFoundError('gone', name='soundfile')\n")
    shown = run(f"{installed}{os.pathsep}{broken}", tmp_path, "data", "gtzan", "--root", ".")
    assert shown.returncode == 2
    assert shown.stderr == (
        "error: this needs the package soundfile; pip install 'musicssl[train]'.\n"
    )
