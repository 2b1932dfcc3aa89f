"""How alike two embeddings arrange the same clips, by loops over the definitions."""

import math


def distance_correlation(x, y, unbiased=False):
    """The squared distance correlation by loops over its definition, in double precision."""
    n = len(x)

    def centred(points):
        a = [[math.dist(p, q) for q in points] for p in points]
        rows = [sum(row) for row in a]
        total = sum(rows)
        if unbiased:
            near, far = n - 2, (n - 1) * (n - 2)
            return [
                [
                    0 if i == j else a[i][j] - (rows[i] + rows[j]) / near + total / far
                    for j in range(n)
                ]
                for i in range(n)
            ]
        return [
            [a[i][j] - (rows[i] + rows[j]) / n + total / n**2 for j in range(n)] for i in range(n)
        ]

    def inner(a, b):
        return sum(a[i][j] * b[i][j] for i in range(n) for j in range(n))

    a, b = centred(x.double().tolist()), centred(y.double().tolist())
    return inner(a, b) / math.sqrt(inner(a, a) * inner(b, b))


def cosine_difference(x, y):
    """The mean difference of the cosines of all pairs of clips."""
    x, y = x.double().tolist(), y.double().tolist()
    pairs = [(i, j) for i in range(len(x)) for j in range(len(x))]
    return sum(abs(_cosine(x[i], x[j]) - _cosine(y[i], y[j])) for i, j in pairs) / len(pairs)


def _cosine(p, q):
    return sum(a * b for a, b in zip(p, q, strict=True)) / (math.hypot(*p) * math.hypot(*q))
