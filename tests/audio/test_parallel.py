import pytest

from musicssl.audio.parallel import in_parallel


def inverse(number):
    return 1 / number


@pytest.mark.parametrize("chunk", [1, 3, 100])
def test_results_come_with_their_items_in_order(chunk):
    items = [5, 3, 1, 4, 2, 6, 7]
    done = list(in_parallel(inverse, items, num_workers=1, title="inverting", chunk=chunk))
    assert done == [(item, 1 / item) for item in items]


def test_a_failure_is_not_swallowed():
    with pytest.raises(ZeroDivisionError):
        list(in_parallel(inverse, [1, 0], num_workers=1, title="inverting", chunk=1))
