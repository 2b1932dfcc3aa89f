"""Oracle: settings written by hand."""

from musicssl.report.read.settings import differing, relevant_settings, telling
from tests.support.synthetic_runs import settings


def test_seed_label_fraction_and_what_has_no_bearing_do_not_count():
    here = settings(seed=0, p_s=0.1, threads=1)
    there = settings(seed=3, p_s=0.5, threads=2) | {"logger": {"_target_": "CSVLogger"}}
    assert relevant_settings(here) == relevant_settings(there)


def test_the_seed_of_the_corpus_counts():
    assert relevant_settings(settings(corpus_seed=0)) != relevant_settings(settings(corpus_seed=1))


def test_a_whole_number_is_the_same_with_and_without_a_point():
    assert relevant_settings(settings(dropout=1)) == relevant_settings(settings(dropout=1.0))
    assert relevant_settings(settings(dropout=1)) != relevant_settings(settings(dropout=True))


def test_the_run_that_a_fine_tuning_starts_from_counts_without_its_seed_and_fraction():
    runs = [
        settings(seed=s, p_s=p, checkpoint=f"runs/{start}/p{p}_b1.0_s{s}/checkpoints/best.ckpt")
        for start, p, s in [("att", 0.1, 1), ("att", 0.5, 2), ("fc", 0.1, 1)]
    ]
    first, second, third = map(relevant_settings, runs)
    assert first == second != third


def test_what_a_configuration_says_twice_is_named_once_and_briefly():
    pair = [relevant_settings(settings(dropout=0.6)), relevant_settings(settings(dropout=0.3))]
    assert differing(pair) == ["encoder.dropout"]


def test_the_shortest_list_that_tells_all_apart():
    three = [settings(dropout=d, b_s=b) for d, b in [(0.6, 1.0), (0.6, 0.5), (0.3, 0.5)]]
    assert telling(list(map(relevant_settings, three))) == [
        "data.b_s=1, encoder.dropout=0.6",
        "data.b_s=0.5, encoder.dropout=0.6",
        "data.b_s=0.5, encoder.dropout=0.3",
    ]
    assert telling(list(map(relevant_settings, three[1:]))) == [
        "encoder.dropout=0.6",
        "encoder.dropout=0.3",
    ]


def test_a_class_is_named_without_its_module_and_what_is_absent_is_null():
    assert telling([{"a": "1"}, {"b": "2"}]) == ["a=1", "a=null"]
    pair = [{"pooling._target_": f"musicssl.networks.pooling.{name}"} for name in ("Max", "Mean")]
    assert telling(pair) == ["pooling=Max", "pooling=Mean"]
