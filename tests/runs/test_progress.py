import io

import pytest
import pytorch_lightning as pl
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from rich.console import Console
from rich.text import Text

from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.runs.progress import EpochProgress
from tests.support.composing import CONF
from tests.support.tiny import Tiny


def shown(tmp_path, epochs, overrides=(), width=120, **console):
    """Train on the tiny corpus with progress on a console of our own; return what it shows."""
    progress, text = EpochProgress(), io.StringIO()
    progress._console = Console(file=text, width=width, **console)
    datamodule = SemiSupervisedDataModule(Tiny(), batch_size=16)
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("train", ["data.root=none", *overrides])
    datamodule.setup()
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=epochs,
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        default_root_dir=tmp_path,
        callbacks=[progress],
    )
    trainer.fit(instantiate(config.method, **datamodule.sizes), datamodule)
    return text.getvalue()


@pytest.mark.parametrize(("epochs", "lines"), [(3, 3), (20, 10)])
def test_a_log_file_gets_a_line_for_each_tenth(tmp_path, epochs, lines):
    text = shown(tmp_path, epochs).splitlines()
    assert len(text) == lines
    assert text[-1].startswith(f"epoch {epochs - 1}/{epochs - 1}  train/loss 0.")
    assert "val/auroc " in text[-1]


def test_a_terminal_gets_one_bar_that_ends_full(tmp_path):
    text = shown(tmp_path, 2, force_terminal=True)
    assert "epoch 1/1" in text
    assert "left" in text
    assert "0:00:00" in text  # nothing is left to do


EMBEDDINGS = {"overrides": ["method=semisupcon", "encoder=att", "views=none"]}


def test_of_embeddings_a_second_line_says_how_they_spread_and_neither_is_broken(tmp_path):
    first, second = shown(tmp_path, 1, **EMBEDDINGS, width=80).splitlines()
    assert first.startswith("epoch 0/0  train/loss ")
    names = [word for word in second.split() if word.isalpha()]
    assert names == ["alignment", "uniformity", "positives", "effective", "rank"]


@pytest.mark.parametrize("width", [80, 120])
def test_a_terminal_shows_the_bar_and_the_time_left_above_the_numbers(tmp_path, width):
    text = shown(tmp_path, 1, **EMBEDDINGS, width=width, force_terminal=True)
    plain = Text.from_ansi(text).plain
    bar, first, second = plain[: plain.rindex("effective rank")].rstrip().splitlines()[-3:]
    assert "\N{BOX DRAWINGS HEAVY HORIZONTAL}" in bar
    assert bar.rstrip().endswith("left 0:00:00")
    assert first.startswith("epoch 0/0  train/loss ")
    assert "val/auroc" in first
    assert second.startswith("  alignment")
    assert max(map(len, plain.splitlines())) <= width
