"""Oracle: each similarity, written for one pair of rows at a time."""

import math
from functools import partial
from pathlib import Path

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf

from musicssl.errors import InputError
from musicssl.losses.similarity import (
    Labels,
    dice,
    kernel,
    of_targets,
    same_class,
    same_clip,
    shared_labels,
    similarity_of,
    union,
)

CONF = Path(__file__).parents[2] / "conf" / "similarity"


def draw(count, seed, num_classes=6, binary=True):
    """Draw labels, partly observed: some rows wholly, one not at all; the rest are NaN or lies."""
    generator = torch.Generator().manual_seed(seed)
    y = torch.rand(count, num_classes, generator=generator)
    mask = torch.rand(count, num_classes, generator=generator) < 0.7
    mask[0], mask[1], mask[2] = False, True, True
    y = (y < 0.5).float() if binary else y
    return Labels(hidden(y, mask), mask)


def hidden(y, mask):
    """Let targets that were not observed hold NaN in one half of the columns, 1 in the other."""
    lies = torch.tensor([math.nan, 1.0]).repeat_interleave(y.shape[1] // 2)
    return y.where(mask, lies)


def one_hot(count, seed, num_classes=4):
    classes = torch.randint(num_classes, (count,), generator=torch.Generator().manual_seed(seed))
    y = torch.nn.functional.one_hot(classes, num_classes).float()
    mask = torch.ones_like(y, dtype=torch.bool)
    mask[0], mask[3, 1], mask[4, 2] = False, False, False
    return Labels(hidden(y, mask), mask)


def observed_in_both(a, b):
    """Return the pairs of targets that were observed in both of two rows."""
    cells = zip(*(part.tolist() for part in (*a, *b)), strict=True)
    return [(x, y) for x, seen, y, also_seen in cells if seen and also_seen]


def shared_by_hand(a, b, threshold=1):
    return sum(x == y == 1 for x, y in observed_in_both(a, b)) >= threshold


def dice_by_hand(a, b):
    pairs = observed_in_both(a, b)
    sizes = sum(x for x, _ in pairs) + sum(y for _, y in pairs)
    return 2 * sum(x * y for x, y in pairs) / sizes if sizes else 0


def same_class_by_hand(a, b):
    pairs = observed_in_both(a, b)
    return len(pairs) == len(a.y) and all(x == y for x, y in pairs)


def kernel_by_hand(a, b, width=0.1):
    squares = [(x - y) ** 2 for x, y in observed_in_both(a, b)]
    return math.exp(-sum(squares) / len(squares) / (2 * width**2)) if squares else 0


CASES = {
    "shared_labels": (shared_labels, shared_by_hand, draw),
    "two_shared_labels": (
        partial(shared_labels, threshold=2),
        partial(shared_by_hand, threshold=2),
        draw,
    ),
    "dice": (dice, dice_by_hand, draw),
    "same_class": (same_class, same_class_by_hand, one_hot),
    "kernel": (
        partial(kernel, width=0.3),
        partial(kernel_by_hand, width=0.3),
        partial(draw, binary=False),
    ),
}


@pytest.mark.parametrize(("similarity", "by_hand", "labels"), CASES.values(), ids=CASES)
def test_each_pair_of_rows_is_as_alike_as_by_hand(similarity, by_hand, labels):
    a, b = labels(9, seed=0), labels(14, seed=1)
    found = similarity(a, b)
    expected = torch.tensor(
        [
            [by_hand(Labels(*one), Labels(*other)) for other in zip(*b, strict=True)]
            for one in zip(*a, strict=True)
        ]
    )
    assert found.dtype == torch.float32
    assert 0.02 < expected.float().mean() < 0.9
    torch.testing.assert_close(found, expected.float())
    assert (found[0] == 0).all()  # not labelled: like nothing, not even itself
    assert (found[:, 0] == 0).all()


@pytest.mark.parametrize(("similarity", "_", "labels"), CASES.values(), ids=CASES)
def test_rows_of_the_whole_are_the_whole_of_the_rows(similarity, _, labels):
    a = labels(9, seed=0)
    whole = similarity(a, a)
    assert torch.equal(whole, whole.T)
    rows = slice(3, 7)
    assert torch.equal(similarity(Labels(a.y[rows], a.mask[rows]), a), whole[rows])


@pytest.mark.parametrize(("similarity", "_", "labels"), CASES.values(), ids=CASES)
def test_autocast_does_not_round(similarity, _, labels):
    a = labels(9, seed=0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = similarity(a, a)
    assert torch.equal(rounded, similarity(a, a))


def test_many_shared_labels_are_counted_exactly_under_autocast():
    a = Labels(torch.ones(2, 301), torch.ones(2, 301, dtype=torch.bool))
    a.y[1, 0] = 0  # 300 in common: bfloat16 knows 300, and 302 next
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert shared_labels(a, a, threshold=301).tolist() == [[1, 0], [0, 0]]


def test_where_all_is_observed_dice_is_that_of_the_sets():
    a, b = draw(6, seed=0).mask, draw(7, seed=1).mask
    everything = torch.ones_like(a), torch.ones_like(b)
    found = dice(Labels(a.float(), everything[0]), Labels(b.float(), everything[1]))
    both, sizes = (a[:, None] & b).sum(dim=2), a.sum(dim=1)[:, None] + b.sum(dim=1)
    torch.testing.assert_close(found, (2 * both / sizes).nan_to_num())


def test_a_kernel_tells_large_targets_apart_by_small_differences():
    tempi = torch.tensor([[120.0], [120.1], [120.2]])
    labels = Labels(tempi, torch.ones_like(tempi, dtype=torch.bool))
    found = kernel(labels, labels, width=0.1)[0]
    assert found.tolist() == pytest.approx([1, math.exp(-0.5), math.exp(-2)], rel=1e-3)


def test_a_custom_function_gets_only_fully_observed_rows():
    a, b = draw(9, seed=0), draw(14, seed=1)

    def mine(y, other):
        assert not torch.cat([y, other]).isnan().any()
        return y @ other.T + 0.25

    found = of_targets(a, b, mine)
    known = torch.outer(a.mask.all(dim=1), b.mask.all(dim=1))
    assert 0 < known.sum() < known.numel()
    expected = (a.y[:, None] * b.y).sum(dim=2) + 0.25
    torch.testing.assert_close(found, expected.where(known, 0))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (partial(shared_labels, threshold=0), "similarity.threshold must be 1 or more .* got 0"),
        (partial(kernel, width=0.0), "similarity.width must be positive, got 0"),
        (partial(kernel, width=math.nan), "similarity.width must be positive, got nan"),
        (partial(of_targets, function=lambda y, _: y), r"shape \(5, 4\), but returned \(5, 6\)"),
        (partial(of_targets, function=lambda y, _: [1]), "but returned list"),
        (partial(of_targets, function=lambda y, other: y @ -other.T), "numbers of 0 or more"),
        (
            partial(of_targets, function="nolab.alike"),
            r"nolab.alike cannot be imported \(No",
        ),
        (partial(of_targets, function="torch.alike"), "torch.alike cannot be imported"),
        (partial(of_targets, function="alike"), "alike cannot be imported"),
        (partial(of_targets, function="torch.pi"), "torch.pi is not a function"),
    ],
)
def test_invalid_settings_are_refused_in_a_sentence(build, message):
    with pytest.raises(InputError, match=message):
        build(draw(5, seed=0), draw(4, seed=1))


def test_a_function_is_as_good_by_its_dotted_name():
    a, b = draw(9, seed=0), draw(7, seed=1)
    chosen = OmegaConf.load(CONF / "of_targets.yaml")
    chosen.function = "torch.cdist"
    assert torch.equal(instantiate(chosen)(a, b), of_targets(a, b, torch.cdist))


def test_crops_of_a_clip_are_alike_and_a_union_is_at_most_1():
    views = same_clip(torch.tensor([7, 3]), torch.tensor([3, 7, 5, 7]))
    assert views.tolist() == [[0, 1, 0, 1], [1, 0, 0, 0]]
    labels = torch.tensor([[0.5, 0.5, 0.25, 1.0], [0, 0, 1, 0.0]])
    assert union(views, labels).tolist() == [[0.5, 1, 0.25, 1], [1, 0, 1, 0]]
    assert views.tolist() == [[0, 1, 0, 1], [1, 0, 0, 0]]


FITTING = {
    "multi_label": (dice, shared_labels),
    "multi_class": (same_class,),
    "regression": (kernel,),
}


@pytest.mark.parametrize("task", FITTING)
def test_a_task_has_its_similarity_takes_those_for_it_and_refuses_those_for_others(task):
    assert similarity_of(task, None) is FITTING[task][0]
    for similarity in (dice, shared_labels, same_class, kernel):
        for chosen in (similarity, partial(similarity)):  # as Hydra builds it
            if similarity in FITTING[task]:
                assert similarity_of(task, chosen) is chosen
            else:
                refusal = f"^similarity={similarity.__name__} is not for .* kind {task}, .* choose"
                with pytest.raises(InputError, match=refusal):
                    similarity_of(task, chosen)


def test_a_custom_similarity_is_accepted_for_every_task():
    for mine in (partial(of_targets, function=torch.cdist), lambda a, b: a.y @ b.y.T):
        assert similarity_of("regression", mine) is mine


OURS = sorted(path for path in CONF.glob("*.yaml") if path.stem != "of_targets")


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.stem)
def test_a_choice_is_the_function_of_its_name_with_the_same_defaults(path):
    functions = {f.__name__: f for f in (shared_labels, dice, same_class, kernel)}
    chosen, a = instantiate(OmegaConf.load(path)), draw(9, seed=0)
    assert torch.equal(chosen(a, a), functions[path.stem](a, a))
