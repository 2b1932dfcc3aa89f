"""P values as text for tables and sentences."""

from math import ceil


def p_text(p: float, *, is_bound: bool = False) -> str:
    """Format a p value for a table; an upper bound is rounded up.

    >>> p_text(0.0004), p_text(0.0312), p_text(1), p_text(0.0312, is_bound=True)
    ('< 0.001', '0.031', '1.000', '≤ 0.032')
    """
    if p < 0.001:
        return "< 0.001"
    return f"≤ {ceil(1000 * p - 1e-9) / 1000:.3f}" if is_bound else f"{p:.3f}"


def p_equation(p: float, *, is_bound: bool = False) -> str:
    """Format a p value for a sentence.

    >>> p_equation(0.0004), p_equation(0.0312), p_equation(2 / 1001, is_bound=True)
    ('p < 0.001', 'p = 0.031', 'p ≤ 0.002')
    """
    text = p_text(p, is_bound=is_bound)
    return f"p {text}" if text[0] in "<≤" else f"p = {text}"
