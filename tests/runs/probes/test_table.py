"""Oracle: a document whose every number is to be found in the text."""

import io

from rich.console import Console

from musicssl.runs.probes.table import comparisons, heading, probe_table, reading


def document(label, mean, interval=(0.5, 0.75)):
    few = {"p_s": 0.1, "labelled": 40, "mean": {"accuracy": mean / 2}}
    most = {"p_s": 1.0, "labelled": 400, "mean": {"accuracy": mean}}
    untrained, bound = {"with": "cnn, untrained"}, {"p": 2 / 1001, "p_is_bound": True}
    return {
        "source": {"label": label},
        "corpus": "gtzan",
        "probe": "linear",
        "metric": "accuracy",
        "embed_dim": 64,
        "clips": {"train": 400, "val": 50, "test": 1290},
        "chance": {"accuracy": 0.125},
        "cells": [
            few | {"interval": {"accuracy": interval}},
            most | {"interval": {"accuracy": [None, None]}},
        ],
        "fits": [{"p_s": p_s, "chosen": {"strength": 1.0}} for p_s in (0.1, 0.1, 1.0)],
        "groups": None,
        "against": [
            untrained | few | {"difference": 9.0, "interval": [8, 9], "p": 1, "p_is_bound": False},
            {"with": "statistics", "difference": None} | few,
            untrained | most | {"difference": 0.25, "interval": [0.125, None]} | bound,
        ],
    }


def text(renderable):
    console = Console(width=100, file=io.StringIO())
    console.print(renderable)
    return console.file.getvalue()


def test_every_number_is_in_its_place():
    lines = text(probe_table([document("att [x]", 0.5), document("other", 0.25)], "accuracy"))
    rows = [" ".join(line.split()) for line in lines.splitlines()]
    assert "att [x] 64 0.250 (0.500–0.750) 0.500" in rows
    assert "other 64 0.125 (0.500–0.750) 0.250" in rows
    assert "chance 0.125 0.125" in rows
    assert "embeddings size 40 clips 400 clips" in rows


def test_intervals_stand_beneath_where_the_names_would_not_fit():
    many = document("log-mel statistics", 0.5)
    many["cells"] = [many["cells"][0] | {"p_s": p_s} for p_s in (0.01, 0.05, 0.1, 0.4)]
    lines = text(probe_table([many], "accuracy", width=100)).splitlines()
    row = next(number for number, line in enumerate(lines) if "log-mel" in line)
    assert lines[row].split() == ["log-mel", "statistics", "64", *["0.250"] * 4]
    assert lines[row + 1].split() == ["(0.500–0.750)"] * 4
    assert max(map(len, lines)) <= 100


def test_what_the_numbers_are_is_said_once():
    one = document("att", 0.5)
    assert heading(one, "accuracy") == (
        "Accuracy of 1,290 test clips of gtzan; linear probes, "
        "strength chosen on 50 validation clips"
    )
    assert heading(one, "auroc").startswith("AUROC of")
    nothing = one | {"probe": "prototypes", "fits": [fit | {"chosen": {}} for fit in one["fits"]]}
    assert heading(nothing, "auroc") == "AUROC of 1,290 test clips of gtzan; prototypes probes"
    of_clips = "in brackets 95 % intervals over test clips."
    assert reading(one) == f"Means over 2 draws of labels (of all there is one); {of_clips}"
    assert reading(one | {"fits": one["fits"][1:]}) == of_clips
    in_groups = one | {"fits": one["fits"][1:], "groups": 30}
    assert reading(in_groups).endswith("over the 30 groups of test clips.")


def test_a_fraction_that_a_baseline_lacks_is_left_empty():
    less = document("other", 0.25)
    less["cells"] = less["cells"][1:]
    assert "other 64 0.250" in " ".join(
        text(probe_table([document("a", 0.5), less], "accuracy")).split()
    )


def test_baselines_are_compared_at_each_fraction_of_the_labels():
    assert comparisons(document("att", 0.5)) == [
        "accuracy less that of cnn, untrained (paired bootstrap over test clips):",
        "  10 % of the labels: +9.000 (+8.000 to +9.000), p = 1.000",
        "  100 % of the labels: +0.250 (+0.125 to undefined), p ≤ 0.002",
    ]


def test_brackets_and_controls_in_a_name_are_shown_letter_by_letter():
    printed = text(probe_table([document("[bold]x[/x]\x1b[2J", 0.5)], "accuracy"))
    assert r"[bold]x[/x]\x1b[2J" in printed
    assert "\x1b" not in printed
