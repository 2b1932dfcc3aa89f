"""Oracle: what is drawn, read back from the artists of the figure, is what was given."""

from itertools import pairwise
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import _pylab_helpers
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure
from matplotlib.image import imread
from numpy.typing import NDArray
from torchaudio.functional import melscale_fbanks

from musicssl.errors import InputError
from musicssl.figures.bars import draw_per_class_bars
from musicssl.figures.curves import draw_training_curves
from musicssl.figures.style import save_png
from musicssl.figures.timeline import draw_attention_timeline
from tests.support.pictures import BAD_MATH, PNG, text_beyond_the_edge

NAN = float("nan")


def labels(axes: Axes) -> list[str]:
    return [label.get_text() for label in axes.get_yticklabels()]


def lines(axes: Axes) -> dict[str, NDArray[np.float64]]:
    return {str(line.get_label()): np.asarray(line.get_xydata()) for line in axes.lines}


# --- per-class bars


def test_bars_below_0_go_left_of_it_down_to_1_and_keep_their_numbers() -> None:
    [axes] = draw_per_class_bars(["a", "b", "c"], {"R²": [0.5, -0.3, -7.0]}, "title").axes
    assert axes.get_xlim() == pytest.approx((-1, 1.06))
    assert axes.get_xticks() == pytest.approx(np.linspace(-1, 1, 11))
    assert [text.get_text() for text in axes.texts] == ["0.50", "-0.30", "-7.00"]
    assert [text.get_position()[0] for text in axes.texts] == pytest.approx([0.508, 0.008, 0.008])
    [axes] = draw_per_class_bars(["a", "b"], {"R²": [0.5, -0.25]}, "title").axes
    assert axes.get_xlim() == pytest.approx((-0.4, 1.06))


def test_bars_are_as_long_as_the_values_and_the_best_class_comes_first() -> None:
    values = {"F1": [0.2, 0.9, 0.5], "AUROC": [0.7, 0.6, 0.8]}
    [axes] = draw_per_class_bars(["a", "b", "c"], values, "title").axes
    assert labels(axes) == ["b", "c", "a"]
    assert axes.yaxis_inverted()  # the first is on top
    f1, auroc = ([bar.get_width() for bar in bars] for bars in axes.containers)
    assert f1 == [0.9, 0.5, 0.2]
    assert auroc == [0.6, 0.8, 0.7]


def test_a_bar_lies_beside_its_label_and_no_bar_upon_another() -> None:
    values = {"F1": [0.2, 0.9], "AUROC": [0.7, 0.6]}
    [axes] = draw_per_class_bars(["a", "b"], values, "title").axes
    bars = [bar for container in axes.containers for bar in container]
    for bar, tick in zip(bars, [0, 1, 0, 1], strict=True):
        assert tick - 0.5 < bar.get_y() < bar.get_y() + bar.get_height() < tick + 0.5
    spans = sorted((bar.get_y(), bar.get_y() + bar.get_height()) for bar in bars)
    assert all(end <= start for (_, end), (start, _) in pairwise(spans))


def test_an_undefined_class_is_marked_comes_last_and_is_left_out_of_the_macro_mean() -> None:
    [axes] = draw_per_class_bars(["a", "b", "c"], {"F1": [NAN, 0.4, 0.8]}, "title").axes
    assert labels(axes) == ["c", "b", "a"]
    assert [text.get_text() for text in axes.texts] == ["0.80", "0.40", "undefined"]
    assert [round(text.get_position()[1]) for text in axes.texts] == [0, 1, 2]
    [(name, points)] = lines(axes).items()
    assert name == "macro mean of F1: 0.600"
    np.testing.assert_allclose(points[:, 0], 0.6)


def test_a_metric_that_is_nowhere_defined_has_no_mean() -> None:
    [axes] = draw_per_class_bars(["a"], {"F1": [NAN]}, "title").axes
    assert not axes.lines


def test_the_number_of_positives_stays_with_its_class() -> None:
    [axes] = draw_per_class_bars(["a", "b"], {"F1": [0.1, 0.2]}, "title", positives=[12, 7]).axes
    assert labels(axes) == ["b (7)", "a (12)"]


def test_many_long_names_fit_and_do_not_overlap() -> None:
    names = [f"a long name of instrument {i} that has {BAD_MATH} in it" for i in range(20)]
    figure = draw_per_class_bars(names, {"F1": [0.5] * 20}, f"A long title of {BAD_MATH} " * 8)
    assert text_beyond_the_edge(figure) == []
    boxes = [label.get_window_extent() for label in figure.axes[0].get_yticklabels()]
    assert all(above.y0 >= below.y1 for above, below in pairwise(boxes))
    assert BAD_MATH in labels(figure.axes[0])[0].replace("\n", " ")


# --- the attention timeline

TIMES, ROWS = 10, 3


def timeline(**changes: object) -> Figure:
    rng = np.random.default_rng(0)
    given: dict[str, object] = {
        "spectrogram": rng.random((201, 64)),
        "clip_seconds": 5.0,
        "classes": ["violin", "drums", "voice"],
        "attention": rng.random((TIMES, ROWS)) / TIMES,
        "scores": rng.random((TIMES, ROWS)),
        "activity": rng.random((TIMES, ROWS)) < 0.5,
        "instance_seconds": 0.5,
        "title": "a clip",
    }
    return draw_attention_timeline(**(given | changes))  # type: ignore[arg-type]


def strips(axes: Axes) -> dict[str, QuadMesh]:
    meshes = [artist for artist in axes.collections if isinstance(artist, QuadMesh)]
    return dict(zip(labels(axes), meshes, strict=True))


def edges(strip: QuadMesh) -> NDArray[np.float64]:
    return strip.get_coordinates()[0, :, 0]


def test_each_row_shows_the_values_of_its_class() -> None:
    rng = np.random.default_rng(1)
    attention, scores = rng.random((2, TIMES, ROWS))
    activity = rng.random((TIMES, ROWS)) < 0.5
    figure = timeline(attention=attention, scores=scores, activity=activity)
    for row, name in enumerate(["violin", "drums", "voice"]):
        axes = figure.axes[row + 1]
        assert axes.get_title(loc="left") == name
        strip = strips(axes)
        assert list(strip) == ["attention", "probability", "truth"]
        np.testing.assert_array_equal(strip["attention"].get_array()[0], attention[:, row])
        np.testing.assert_array_equal(strip["probability"].get_array()[0], scores[:, row])
        np.testing.assert_array_equal(strip["truth"].get_array()[0] == 1, activity[:, row])


def test_strips_lie_at_their_labels_from_top_to_bottom() -> None:
    axes = timeline().axes[1]
    for tick, strip in zip(axes.get_yticks(), strips(axes).values(), strict=True):
        low, high = strip.get_coordinates()[[0, 1], 0, 1]
        assert low < tick < high
    assert axes.yaxis_inverted()


def test_spectrogram_and_strips_share_the_seconds_of_the_clip() -> None:
    spectrogram = np.random.default_rng(2).random((201, 64))
    figure = timeline(spectrogram=spectrogram)
    top, *rows = figure.axes[: ROWS + 1]
    [image] = top.images
    np.testing.assert_array_equal(image.get_array(), spectrogram.T)
    assert image.origin == "lower"
    assert image.get_extent()[:2] == [0, 5]
    for axes in rows:
        assert axes.get_xlim() == top.get_xlim() == (0, 5)
        left, right = axes.get_position().intervalx
        np.testing.assert_allclose([left, right], top.get_position().intervalx)
        for strip in strips(axes).values():
            np.testing.assert_allclose(edges(strip), np.arange(11) * 0.5)


def test_a_last_instance_that_is_cut_ends_with_the_clip() -> None:
    strip = strips(timeline(clip_seconds=4.8).axes[1])["truth"]
    np.testing.assert_allclose(edges(strip)[-2:], [4.5, 4.8])


def test_a_rest_of_the_clip_without_an_instance_stays_empty() -> None:
    axes = timeline(clip_seconds=5.2).axes[1]
    assert edges(strips(axes)["truth"])[-1] == 5
    assert axes.get_xlim() == (0, 5.2)


def test_colours_mean_the_same_in_every_row() -> None:
    attention = np.full((TIMES, ROWS), 0.1)
    attention[3, 2] = 0.4
    rows = [strips(axes) for axes in timeline(attention=attention).axes[1 : ROWS + 1]]
    assert {row["attention"].get_clim() for row in rows} == {(0, 0.4)}
    assert {row["probability"].get_clim() for row in rows} == {(0, 1)}
    violin, voice = rows[0]["attention"], rows[2]["attention"]
    assert violin.to_rgba(0.1) == voice.to_rgba(0.1) != voice.to_rgba(0.4)


def test_the_key_of_the_truth_has_the_colours_of_the_truth() -> None:
    figure = timeline()
    plays, silent = figure.axes[-1].get_legend().get_patches()
    truth = strips(figure.axes[1])["truth"]
    assert plays.get_facecolor() == truth.to_rgba(1)
    assert silent.get_facecolor() == truth.to_rgba(0)


def test_what_is_not_known_is_left_out() -> None:
    figure = timeline(scores=None, activity=None)
    assert list(strips(figure.axes[1])) == ["attention"]
    assert len(figure.axes) == 1 + ROWS + 1  # and one key
    assert figure.axes[-1].get_xlabel() == "attention weight"


def test_frequencies_stand_at_the_bands_that_hold_them() -> None:
    axes = timeline(spectrogram=np.zeros((20, 64)), sample_rate=16_000).axes[0]
    assert axes.get_ylabel() == "frequency (Hz)"
    assert labels(axes) == ["125", "500", "2000", "8000"]
    filters = melscale_fbanks(4001, 0, 8000, 64, 16_000).numpy()  # (2 Hz bins, bands)
    for hertz, position in zip([500, 2000], axes.get_yticks()[1:3], strict=True):
        response = filters[hertz // 2]
        centroid = (response * (np.arange(64) + 0.5)).sum() / response.sum()
        assert position == pytest.approx(centroid, abs=0.1)


def test_without_a_sample_rate_the_axis_counts_bands() -> None:
    assert timeline().axes[0].get_ylabel() == "mel band"


@pytest.mark.parametrize(("num_instances", "num_rows"), [(1, 1), (60, 20)])
def test_nothing_is_cut_off(num_instances: int, num_rows: int) -> None:
    shape = (num_instances, num_rows)
    figure = timeline(
        classes=[f"{BAD_MATH}_{row}" for row in range(num_rows)],
        attention=np.full(shape, 1 / num_instances),
        scores=np.full(shape, 0.5),
        activity=np.zeros(shape, dtype=np.bool_),
        clip_seconds=num_instances * 0.5,
        title=f"A long title of {BAD_MATH} " * 8,
        sample_rate=44_100,
    )
    assert text_beyond_the_edge(figure) == []
    *rows, _, _, _ = figure.axes
    heights = [round(axes.get_position().height * figure.get_figheight(), 6) for axes in rows]
    assert heights == [1.9, *[0.51] * num_rows]  # inches, however many rows there are


# --- training curves

HISTORY = {
    "train/loss": ([0, 1, 2], [0.9, 0.7, 0.6]),
    "val/loss": ([0, 1, 2], [0.8, NAN, 0.75]),
    "val/auroc": ([1, 2], [0.6, 0.7]),
}


def test_losses_and_metrics_have_their_own_panels_over_the_same_epochs() -> None:
    losses, metrics = draw_training_curves(HISTORY, "title").axes
    drawn = {**lines(losses), **lines(metrics)}
    assert list(lines(losses)) == ["train/loss", "val/loss"]
    assert list(lines(metrics)) == ["val/auroc"]
    for name, (steps, values) in HISTORY.items():
        np.testing.assert_array_equal(drawn[name], np.column_stack([steps, values]))
    assert losses.get_xlim() == metrics.get_xlim()


def test_the_best_epoch_is_the_callers() -> None:
    for axes in draw_training_curves(HISTORY, "title", best_epoch=2).axes:
        np.testing.assert_array_equal(lines(axes)["kept epoch: 2"][:, 0], 2)
    assert not any("kept" in name for name in lines(draw_training_curves(HISTORY, "title").axes[0]))


def test_a_panel_without_curves_is_left_out() -> None:
    assert len(draw_training_curves({"train/loss": ([0], [1.0])}, "title").axes) == 1
    both = {"train/cross_entropy": ([0], [1.0]), "val/latest_loss": ([0], [2.0])}
    assert len(draw_training_curves(both, "title").axes) == 1
    empty = {"train/loss": ([0], [1.0]), "val/auroc": ([], [])}
    assert len(draw_training_curves(empty, "title").axes) == 1


def test_curves_can_be_told_apart_even_when_there_are_many() -> None:
    many = {f"val/{i}": ([0, 1], [i, i]) for i in range(10)}
    [axes] = draw_training_curves(many, "title").axes
    assert len({(line.get_color(), line.get_linestyle()) for line in axes.lines}) == 10


def test_ticks_are_whole_epochs_even_if_there_is_one() -> None:
    figure = draw_training_curves({"train/loss": ([0], [1.0])}, "title")
    figure.draw_without_rendering()
    [axes] = figure.axes
    low, high = axes.get_xlim()
    assert [tick for tick in axes.get_xticks() if low <= tick <= high] == [0]


@pytest.mark.parametrize("history", [{}, {"train/loss": ([], [])}])
def test_no_curves_are_refused(history: dict[str, tuple[list[float], list[float]]]) -> None:
    with pytest.raises(InputError, match="no curves"):
        draw_training_curves(history, "title")


# --- files


def test_each_function_writes_a_picture_and_returns_its_path(tmp_path: Path) -> None:
    ones = np.ones((2, 1))
    folder = tmp_path / "run" / "pictures"
    bars = save_png(folder / "bars.png", draw_per_class_bars(["a"], {"F1": [0.5]}, "title", [3]))
    curves = save_png(folder / "curves.png", draw_training_curves(HISTORY, "title", 1))
    attention = save_png(
        folder / "attention.png",
        draw_attention_timeline(
            np.ones((9, 8)), 2.0, ["a"], ones, None, None, 1.0, "title", 16_000
        ),
    )
    assert {bars, curves, attention} == set(folder.iterdir())
    for path in (bars, curves, attention):
        assert path.read_bytes().startswith(PNG)
        assert imread(path)[..., :3].std() > 0.05  # something is on the page


def test_drawing_leaves_no_figure_and_no_setting_behind(tmp_path: Path) -> None:
    before = dict(mpl.rcParams)
    save_png(tmp_path / "bars.png", draw_per_class_bars(["a"], {"F1": [0.5]}, "title"))
    assert dict(mpl.rcParams) == before
    assert not _pylab_helpers.Gcf.figs
