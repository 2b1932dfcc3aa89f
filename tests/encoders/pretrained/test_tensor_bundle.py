"""Oracle: bundles that the tests write from the description of the format."""

import numpy as np
import pytest

from musicssl.encoders.pretrained.tensor_bundle import Entry, read_index, read_tensor
from musicssl.errors import InputError
from tests.support.tensor_bundles import bundle, field

TENSORS = {
    "conv2d/bias": np.arange(3.0),
    "conv2d/kernel": np.arange(400.0).reshape(2, 100, 1, 2),
    "conv2d_1/bias": np.array(5.0),
}


def test_tensors_are_read_as_they_were_written():
    index, data = bundle(TENSORS)
    entries = read_index(index)
    assert entries.keys() == TENSORS.keys()
    for name, values in TENSORS.items():
        found = read_tensor(entries[name], data)
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, values)


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"header": field(1, 2)}, "do not lie in one file"),
        ({"header": field(1, 1) + field(2, 1)}, "big-endian"),
        ({"compression": 1}, "compressed"),
    ],
)
def test_other_kinds_are_refused(settings, why):
    with pytest.raises(InputError, match=why):
        read_index(bundle(TENSORS, **settings)[0])


def test_tensors_of_other_types_or_beyond_the_data_are_refused():
    index, data = bundle(TENSORS, dtype=3)
    with pytest.raises(InputError, match="type 3"):
        read_tensor(read_index(index)["conv2d/bias"], data)
    for entry in (Entry(1, (3,), len(data) - 8, 12), Entry(1, (3,), 0, 16)):
        with pytest.raises(InputError, match="within the data"):
            read_tensor(entry, data)


def test_damage_is_an_input_error_and_nothing_else():
    """Each byte of the index is changed, and the file is cut at each place."""
    index, _ = bundle(TENSORS)
    refused = 0
    for place in range(len(index)):
        for damaged in (
            index[:place],
            index[:place] + bytes([index[place] ^ 0xFF]) + index[place + 1 :],
        ):
            try:
                read_index(damaged)
            except InputError:
                refused += 1
    assert refused > len(index)
