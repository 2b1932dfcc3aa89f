"""Configurations that are composed quickly are those that Hydra composes."""

from hydra import compose, initialize_config_dir
from hydra._internal import defaults_list
from hydra._internal.config_repository import ConfigRepository

import musicssl.cli.resolvers  # noqa: F401 registers the resolvers of conf/
from tests.support import quick_composing
from tests.support.composing import CONF


def composed(folder, *overrides):
    with initialize_config_dir(str(folder), version_base="1.3"):
        return compose("train", [*overrides], return_hydra_config=True)


def test_a_configuration_is_the_one_that_is_read_each_time(monkeypatch):
    """Oracle: Hydra's own way; twice, as the first may not change what the second is given."""
    words = ("method=mean_teacher", "views=weak", "method.consistency_weight=2")
    kept = [composed(CONF, *words) for _ in range(2)]
    monkeypatch.setattr(ConfigRepository, "load_config", quick_composing._read)
    monkeypatch.setattr(defaults_list, "_create_interpolation_map", quick_composing._all_choices)
    read = composed(CONF, *words)
    assert kept[0] == kept[1] == read


def test_a_default_may_refer_to_a_choice(tmp_path):
    for option in ("a", "b", "c_b"):
        (tmp_path / "one").mkdir(exist_ok=True)
        (tmp_path / "one" / f"{option}.yaml").write_text(f"value: {option}\n")
    (tmp_path / "train.yaml").write_text("defaults: [_self_, one: a, one@two: 'c_${one}']\n")
    assert composed(tmp_path, "one=b").two.value == "c_b"


def test_a_file_that_changes_is_read_again(tmp_path):
    (tmp_path / "train.yaml").write_text("value: 1\n")
    assert composed(tmp_path).value == 1
    (tmp_path / "train.yaml").write_text("value: 25\n")
    assert composed(tmp_path).value == 25
