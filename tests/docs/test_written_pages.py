"""What pages say of the source: settings, defaults, sizes; oracles are Hydra and the networks."""

import inspect
import re
import shutil

import pytest
import yaml
from hydra.core.hydra_config import HydraConfig
from hydra.utils import get_object
from omegaconf import OmegaConf

from docs.scripts import choices, conf_files, encoders
from docs.scripts.conf_files import options, read
from docs.scripts.docstrings import arguments_of, text_of
from docs.scripts.menu import menu
from docs.scripts.pages import corpus_page, method_page, written_pages
from docs.scripts.tables import table
from musicssl.encoders.att import AttEmbedding
from musicssl.errors import InputError
from tests.support.composing import CONF, composed
from tests.support.documented import code_blocks, written
from tests.support.quick import slow_after

CHOICES = [
    f"{group}={name}" for group in ("method", "dataset", "encoder") for name in options(group)
]


@pytest.mark.parametrize("choice", slow_after(4, CHOICES))
def test_the_values_of_a_page_are_those_that_hydra_composes(choice):
    conf = read(*choice.split("="))
    config = composed(choice)
    literal = {
        setting.key: yaml.safe_load(setting.value.strip("`"))
        for setting in conf.settings.values()
        if setting.value.startswith("`") and "$" not in setting.value
    }
    for key, value in literal.items():
        found = OmegaConf.select(config, key)
        assert (OmegaConf.to_container(found) if OmegaConf.is_config(found) else found) == value
    if choice == "method=byol":
        assert literal["data.batch_size"] == 32
    for group, option in conf.chosen.items():
        assert HydraConfig.get().runtime.choices[group] == option


def test_settings_are_read_with_their_comments():
    conf = read("method", "byol")
    assert conf.base == "representation"
    assert conf.sentence.startswith("Predict an averaged network's projection of another crop")
    assert "Sets:" not in conf.sentence
    assert conf.settings["data.crop_seconds"].comment.startswith("one chunk of the larger encoders")
    assert conf.settings["data.b_s"].value == "`0.0`"
    assert conf.settings["method.predictor.hidden"].value == "that of `projector.hidden`"
    assert conf.settings["projector"].comment == "4096 and 256 in the paper"
    assert "method.encoder" not in conf.settings
    assert conf.chosen["encoder"] == "samplecnn"


@pytest.mark.parametrize(
    ("name", "pooling", "published"),
    [
        ("att", "attention", 55_336),
        ("fc", "mean", 986_772),
        ("fc_t", "mean", 52_116),
        ("gru", "mean", 226_068),
    ],
)
def test_sizes_are_those_that_the_paper_states(name, pooling, published):
    page = encoders._pooling_row(pooling)
    of_pooling = int(re.search(r"\| ([\d,]+) \|$", page)[1].replace(",", ""))
    assert encoders.measure(name).parameters + of_pooling == published


def test_the_size_of_att_is_the_sum_over_its_parameters():
    network = AttEmbedding(128, 10, num_layers=3, dropout=0.3, standardise=True)
    measured = encoders.measure("att")
    assert measured.parameters == sum(p.numel() for p in network.parameters())
    assert (measured.instances, measured.embed_dim) == (10, 128)
    assert f"| 10 | 128 | {measured.parameters:,} |" in encoders._encoder_row("att")


def test_an_encoder_of_sound_is_measured_on_its_crop():
    assert encoders.measure("mlp")[:3] == ("10 s at 16,000 Hz", 10, 128)


def test_an_encoder_that_needs_settings_has_no_size():
    with pytest.raises(InputError):
        encoders.measure("hear")
    assert "as its settings say" in encoders._encoder_row("hear")


@pytest.mark.parametrize("name", options("method"))
def test_the_page_of_a_method_has_its_idea_and_every_setting(name):
    page, conf = method_page(name), read("method", name)
    assert inspect.getdoc(get_object(conf.target)).splitlines()[0] in page
    for setting in conf.settings.values():
        [row] = [line for line in page.splitlines() if line.startswith(f"| `{setting.key}` |")]
        assert setting.comment.replace("|", "&#124;") in row


@pytest.mark.parametrize("name", options("dataset"))
def test_the_page_of_a_corpus_has_what_its_module_says(name):
    page = corpus_page(name)
    module = __import__(f"musicssl.datasets.{name}", fromlist=["x"])
    assert inspect.cleandoc(module.__doc__) in page
    assert f"dataset={name}" in page or f"unlabelled={name}" in page
    assert read("dataset", name).sentence


@pytest.mark.parametrize("name", sorted(written()))
def test_blocks_are_closed_and_rows_are_as_long_as_their_head(name):
    text = written()[name]
    assert len(re.findall(r"^```", text, re.MULTILINE)) % 2 == 0
    for _, content in code_blocks(text):
        text = text.replace(content, "")
    for block in re.findall(r"(?:^\|.*\|\n)+", text, re.MULTILINE):
        cells = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
        assert len(cells) == 1, block


def test_new_files_of_conf_appear_by_themselves(tmp_path, monkeypatch):
    conf = tmp_path / "conf"
    shutil.copytree(CONF, conf, symlinks=True)
    (conf / "method" / "mine.yaml").write_text(
        "# Something new.\n_target_: musicssl.methods.att.AttentionMIL\nweight: 2.5   # of it\n"
    )
    (conf / "experiment" / "mine.yaml").write_text("# @package _global_\n# A recipe of mine.\n")
    for module in (conf_files, choices):
        monkeypatch.setattr(module, "CONF", conf)
    found = written_pages()
    assert "| `method.weight` | `2.5` | of it |" in found["methods/mine.md"]
    assert "python train.py method=mine" in found["methods/mine.md"]
    assert "| [`mine`](mine.md) | Something new. |" in found["methods/index.md"]
    assert "| `mine` | A recipe of mine. |" in found["choices.md"]
    assert "methods/mine.md" in menu()


class Base:
    """A base.

    Args:
        first: What the base says.
        parts: Two lines of
            what it says.
    """


class Derived(Base):
    """One line.

    A paragraph with `code`.

    Args:
        first: What counts.

    Raises:
        ValueError: Never.
    """


def test_docstrings_are_divided_into_text_and_arguments():
    assert text_of(Derived.__doc__) == "One line.\n\nA paragraph with `code`."
    assert arguments_of(Derived) == {"first": "What counts.", "parts": "Two lines of what it says."}


def test_a_bar_in_a_cell_does_not_divide_it():
    assert table(("a", "b"), [("x|y", "")]) == "| a | b |\n| --- | --- |\n| x&#124;y |  |\n"
