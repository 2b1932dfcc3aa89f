"""Files of embeddings with time and layers, written clip by clip and read again."""

import tracemalloc

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from musicssl.datasets.formats.embeddings_file import read_embeddings, saved_embeddings
from musicssl.datasets.formats.embeddings_writer import EmbeddingsWriter
from musicssl.errors import InputError

LENGTHS = (3, 1, 4)
L, D = 2, 5
suffixes = pytest.mark.parametrize("suffix", [".npz", ".parquet"])
kinds = pytest.mark.parametrize(("time", "layers"), [(0, 0), (1, 0), (0, 1), (1, 1)])


def clips(time, layers):
    """Return an embedding of each clip, and the times of its instances."""
    rng = np.random.default_rng(0)
    found = []
    for length in LENGTHS:
        shape = (*([L] if layers else []), *([length] if time else []), D)
        h = rng.standard_normal(shape).astype(np.float32)
        found.append((h, np.sort(rng.random((length, 2)) * 9, axis=1) if time else None))
    return found


def written(path, time, layers, widths=None):
    with EmbeddingsWriter(path, bool(time), ["low", "hög"] if layers else None) as file:
        file.widths = widths
        for number, (h, times) in enumerate(clips(time, layers)):
            file.append(f"clip {number}", h, times)
    return read_embeddings(path)


@suffixes
@kinds
def test_clips_are_read_bit_for_bit_with_zeros_after_them(tmp_path, suffix, time, layers):
    saved = written(tmp_path / f"h{suffix}", time, layers)
    assert saved.has_time == bool(time)
    assert saved.embeddings.ndim == 2 + time + layers
    assert saved.clip_ids.tolist() == ["clip 0", "clip 1", "clip 2"]
    assert (saved.layers is None) == (not layers)
    if layers:
        assert saved.layers.tolist() == ["low", "hög"]
    for number, (h, times) in enumerate(clips(time, layers)):
        row = saved.embeddings[number]
        if not time:
            assert row.tobytes() == h.tobytes()
            continue
        length = LENGTHS[number]
        assert saved.lengths.tolist() == list(LENGTHS)
        np.testing.assert_array_equal(row[..., :length, :], h)
        assert not row[..., length:, :].any()
        assert saved.times[number, :length].tobytes() == times.tobytes()
        assert not saved.times[number, length:].any()
    assert [path.name for path in tmp_path.iterdir()] == [f"h{suffix}"]


@suffixes
def test_widths_of_layers_are_kept(tmp_path, suffix):
    saved = written(tmp_path / f"h{suffix}", 1, 1, widths=[4, 5])
    assert saved.widths.tolist() == [4, 5]
    assert isinstance(saved.embeddings, np.memmap) == (suffix == ".npz")


def write_two(path, name, h):
    with EmbeddingsWriter(path, has_time=True) as file:
        file.append("a", np.ones((2, D), np.float32))
        file.append(name, h)


@suffixes
def test_a_clip_that_does_not_fit_leaves_the_file_that_was_there(tmp_path, suffix):
    path = tmp_path / f"h{suffix}"
    written(path, 1, 0)
    before = path.read_bytes()
    nan = np.full((2, D), np.nan, np.float32)
    wrong = [
        (("b", np.ones((2, D + 1), np.float32)), r"b has shape \(2, 6\), which does not fit"),
        (("b", np.ones(D, np.float32)), r"b has shape \(5,\)"),
        (("b", nan), "the embedding of b is NaN or infinite"),
        (("a", np.ones((1, D), np.float32)), "clip a occurs twice"),
    ]
    for (name, h), message in wrong:
        with pytest.raises(InputError, match=message):
            write_two(path, name, h)
    with EmbeddingsWriter(path):
        pass  # no clip could be read
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_memory_does_not_grow_with_the_number_of_clips(tmp_path):
    """240 clips of 256 kB: the file has 63 MB, and neither writing nor reading takes 16."""
    one = np.ones((128, 512), np.float32)
    tracemalloc.start()
    try:
        with EmbeddingsWriter(tmp_path / "h.npz", has_time=True) as file:
            for number in range(240):
                file.append(str(number), one)
        saved = read_embeddings(tmp_path / "h.npz")
        assert isinstance(saved.embeddings, np.memmap)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (tmp_path / "h.npz").stat().st_size > 60e6
    assert peak < 16e6


def of_lists(path, cells, kind):
    table = pa.table({"clip_id": ["a", "b"], "embedding": pa.array(cells, kind)})
    pq.write_table(table, path)
    return path


@pytest.mark.parametrize("outer", [pa.list_, pa.large_list])
def test_lists_of_lists_of_other_writers_are_embeddings_with_time(tmp_path, outer):
    kind = outer(pa.list_(pa.float64(), 2))
    cells = [[[1.0, 2.0]], [[3.0, 4.0], [5.0, 6.0]]]
    saved = read_embeddings(of_lists(tmp_path / "h.parquet", cells, kind))
    assert saved.lengths.tolist() == [1, 2]
    np.testing.assert_array_equal(saved.embeddings, [[[1, 2], [0, 0]], [[3, 4], [5, 6]]])


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ([[[1.0]], [[1.0, 2.0]]], "lists of 'embedding' differ in length"),
        ([[[1.0]], [None]], "'embedding' has empty cells"),
        ([[[1.0]], []], "lengths has 0 for 'b'; they are from 1 to 1"),
        ([[[[1.0]]], [[[1.0], [2.0]], [[1.0]]]], "differ in length"),
        ([[[[1.0]], [[2.0]]], [[[1.0], [2.0]], [[1.0]]]], "layers of a clip .* differ"),
    ],
)
def test_lists_that_are_no_array_are_refused(tmp_path, cells, message):
    with pytest.raises(InputError, match=message):
        read_embeddings(of_lists(tmp_path / "h.parquet", cells, None))


def arrays(**changes):
    whole = {"embeddings": np.ones((3, 4, 2), np.float32), "clip_ids": np.array(list("abc"))}
    return whole | changes


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lengths": np.array([1, 2])}, r"lengths has shape \(2,\), but .* need \(3,\)"),
        ({"lengths": np.array([1, 5, 0])}, "lengths has 5 for 'b'; they are from 1 to 4"),
        ({"lengths": np.array([1.0, 2, 3])}, "lengths is float64; make it int64"),
        ({"layers": np.array(["x"])}, r"layers has shape \(1,\), but .* 4 layers need \(4,\)"),
        ({"times": np.ones((3, 4))}, r"times has shape \(3, 4\), but .* need \(3, 4, 2\)"),
        (
            {"layers": np.array(list("wxyz")), "lengths": np.array([1, 1, 1])},
            r"has 'lengths' and 'layers', but .* shape \(3, 4, 2\); with time they are",
        ),
        ({"layers": np.array(list("wxyx"))}, "two of the layers have one name: w, x, y, x"),
        ({"widths": np.array([1, 2, 2, 2])}, "has 'widths' without 'layers'"),
        (
            {"embeddings": np.ones((3, 2)), "lengths": np.array([1, 1, 1])},
            r"has 'lengths', but embeddings have shape \(3, 2\)",
        ),
        (
            {"embeddings": np.ones((3, 2)), "layers": np.array(["x"])},
            r"names layers, but embeddings have shape \(3, 2\)",
        ),
    ],
)
def test_axes_that_do_not_fit_are_refused(tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        saved_embeddings(tmp_path / "h.npz", arrays(**changes))


def test_one_nan_names_its_clip(tmp_path):
    h = np.ones((3, 4, 2), np.float32)
    h[1, 3, 0] = np.nan
    with pytest.raises(InputError, match="clip 'b' is NaN or infinite, in its instances or in"):
        saved_embeddings(tmp_path / "h.npz", arrays(embeddings=h, lengths=np.array([4, 3, 4])))


def test_layers_of_four_axes_are_numbered():
    saved = saved_embeddings("h.npz", arrays(embeddings=np.ones((3, 2, 4, 5))))
    assert saved.layers.tolist() == ["0", "1"]
    assert saved.has_time
