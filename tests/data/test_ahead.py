import threading

import pytest

from musicssl.data.loaders import made_ahead


def test_the_next_item_is_made_while_the_current_one_is_used():
    begun = [threading.Event() for _ in range(3)]

    def make(item):
        begun[item].set()
        return item

    for item in made_ahead(make, range(3)):
        if item < 2:
            assert begun[item + 1].wait(timeout=10)


def test_no_more_than_one_item_is_made_ahead():
    made = []
    following = made_ahead(lambda item: made.append(item) or item, range(10))
    assert next(following) == 0
    assert next(following) == 1
    assert set(made) <= {0, 1, 2}
    following.close()


def test_a_failure_comes_where_its_item_would():
    following = made_ahead(lambda item: 1 // item, [1, 0])
    assert next(following) == 1
    with pytest.raises(ZeroDivisionError):
        next(following)


def test_without_items_nothing_comes():
    assert list(made_ahead(abs, [])) == []
