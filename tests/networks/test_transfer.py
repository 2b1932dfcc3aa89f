"""What a classifier takes from one of other classes; the oracle is the row by its class's name."""

from functools import partial

import pytest
import torch
from torch import nn

from musicssl.batch import Batch
from musicssl.encoders.att import AttEmbedding
from musicssl.networks.classifier import Classifier
from musicssl.networks.pooling import (
    AttentionPooling,
    AutoPooling,
    GatedAttentionPooling,
    MaxPooling,
    MeanPooling,
)
from musicssl.networks.transfer import part_of, transferred

THEIRS, OURS = ("a", "b", "c"), ("d", "c", "a", "e", "f")
COLUMNS = [None, 2, 0, None, None]
BATCH = Batch(torch.rand(4, 5, 8), torch.zeros(4, 3), torch.ones(4, 3).bool())


def classifier(classes, pooling=AttentionPooling, seed=0, **encoder):
    torch.manual_seed(seed)
    network = Classifier(partial(AttEmbedding, **encoder), pooling, 8, 5, len(classes))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.rand_like(parameter))
    return network.eval()


@pytest.mark.parametrize(
    ("pooling", "by_class"),
    [
        (MeanPooling, {"classifier.weight", "classifier.bias"}),
        (MaxPooling, {"classifier.weight", "classifier.bias"}),
        (AutoPooling, {"classifier.weight", "classifier.bias", "alpha"}),
        (GatedAttentionPooling, {"classifier.weight", "classifier.bias"}),
        (
            AttentionPooling,
            {"classifier.weight", "classifier.bias", "attention.weight", "attention.bias"},
        ),
    ],
)
def test_classes_keep_their_rows_and_all_that_has_no_row_is_loaded(pooling, by_class):
    theirs, ours = classifier(THEIRS, pooling), classifier(OURS, pooling, seed=1)
    before = {name: value.clone() for name, value in ours.state_dict().items()}
    weights = theirs.state_dict()
    taken = transferred(ours, weights, COLUMNS)
    for name, value in taken.state.items():
        if name.removeprefix("pooling.") not in by_class:
            assert torch.equal(value, weights[name]), name
            continue
        for row, class_name in enumerate(OURS):
            expected = (
                weights[name][THEIRS.index(class_name)]
                if class_name in THEIRS
                else before[name][row]
            )
            assert torch.equal(value[row], expected), (name, class_name)
    assert taken.new == ()
    for name, value in ours.state_dict().items():
        assert torch.equal(value, before[name])  # it is not changed
    ours.load_state_dict(taken.state)
    assert torch.equal(ours.clip_embeddings(BATCH), theirs.clip_embeddings(BATCH))
    kept = ours(BATCH)[:, [1, 2]]
    torch.testing.assert_close(kept, theirs(BATCH)[:, [2, 0]])  # the same classes, the same logits


def test_as_many_classes_with_other_names_are_not_taken_for_the_same():
    theirs, ours = classifier(THEIRS), classifier(THEIRS, seed=1)
    taken = transferred(ours, theirs.state_dict(), [None, None, None])
    for name, value in taken.state.items():
        source = theirs if name.startswith("encoder.") else ours
        assert torch.equal(value, source.state_dict()[name]), name
    assert taken.by_class == ()
    assert taken.new == ("pooling.attention", "pooling.classifier")


def test_the_same_classes_are_the_whole_state():
    theirs, ours = classifier(THEIRS), classifier(THEIRS, seed=1)
    taken = transferred(ours, theirs.state_dict())
    assert (taken.by_class, taken.new) == ((), ())
    torch.testing.assert_close(taken.state, dict(theirs.state_dict()), rtol=0, atol=0)


def test_another_pooling_takes_the_classifier_and_is_new_otherwise():
    theirs, ours = classifier(THEIRS, MeanPooling), classifier(THEIRS, AttentionPooling, seed=1)
    taken = transferred(ours, theirs.state_dict())
    assert taken.new == ("pooling.attention",)
    assert torch.equal(taken.state["pooling.classifier.weight"], theirs.pooling.classifier.weight)
    assert torch.equal(taken.state["pooling.attention.weight"], ours.pooling.attention.weight)


@pytest.mark.parametrize("encoder", [{"num_layers": 2}, {"num_layers": 4}, {"standardise": True}])
def test_encoders_that_differ_are_not_mixed(encoder):
    with pytest.raises(RuntimeError, match=r"encoder\.\S+ is .* there and .* here"):
        transferred(classifier(THEIRS, **encoder), classifier(THEIRS).state_dict())


def test_the_state_of_a_part_is_that_of_the_submodule():
    whole = nn.ModuleDict({"a": nn.Linear(2, 3), "ab": nn.Linear(2, 3)})
    found = part_of(whole.state_dict(), "a")
    assert found.keys() == {"weight", "bias"}
    assert torch.equal(found["weight"], whole["a"].weight)
