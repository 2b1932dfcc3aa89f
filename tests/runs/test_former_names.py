from importlib.util import find_spec

from musicssl.runs.former_names import FORMER_MODULES, with_current_names


def test_every_former_module_has_moved_to_one_that_exists():
    for former, current in FORMER_MODULES.items():
        assert find_spec(current) is not None, former


def test_targets_are_renamed_at_any_depth_and_all_else_stays():
    former = {
        "_target_": "musicssl.methods.att.AttentionMIL",
        "pooling": {"_target_": "musicssl.pooling.MeanPooling", "note": "musicssl.pooling"},
        "views": [{"_target_": "musicssl.augment.gain.Gain", "low_db": -6.0}, None],
    }
    assert with_current_names(former) == {
        "_target_": "musicssl.methods.att.AttentionMIL",
        "pooling": {
            "_target_": "musicssl.networks.pooling.MeanPooling",
            "note": "musicssl.pooling",
        },
        "views": [{"_target_": "musicssl.augment.instances.gain.Gain", "low_db": -6.0}, None],
    }
