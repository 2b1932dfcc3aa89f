"""Which cases of a test are quick ones."""

from collections.abc import Iterable
from typing import Any

import pytest


def slow_after(count: int, cases: Iterable[Any]) -> list[Any]:
    """Return the cases of a parametrised test, all but the first ones marked slow.

    Args:
        count: How many are left as they are.
        cases: Values, or tuples of the values of several parameters.
    """
    later = [pytest.mark.slow]
    return [
        pytest.param(
            *(case if isinstance(case, tuple) else (case,)), marks=later if number >= count else ()
        )
        for number, case in enumerate(cases)
    ]
