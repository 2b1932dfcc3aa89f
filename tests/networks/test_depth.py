"""The blocks of encoders, against the order in which the input passes their layers."""

import pytest
import torch
from torch import nn

from musicssl.encoders.att import AttEmbedding
from musicssl.encoders.cnn import CNN
from musicssl.encoders.crnn import CRNN
from musicssl.encoders.fc import FullyConnected
from musicssl.encoders.mlp import MLP
from musicssl.encoders.musicnn import Musicnn
from musicssl.encoders.samplecnn import SampleCNN
from musicssl.encoders.short_chunk import ShortChunk
from musicssl.encoders.wide_resnet import WideResNet
from musicssl.networks.depth import blocks, by_distance

ENCODERS = {
    "att": (lambda: AttEmbedding(8), 3),
    "fc": (lambda: FullyConnected(8, 5), 3),
    "cnn": (CNN, 5),
    "crnn": (CRNN, 4),
    "mlp": (MLP, None),
    "musicnn": (Musicnn, 4),
    "samplecnn": (SampleCNN, None),
    "short_chunk": (lambda: ShortChunk(width=8), 7),
    "wide_resnet": (lambda: WideResNet(depth=10), 4),
}


@pytest.mark.parametrize("name", ENCODERS)
def test_each_parameter_is_in_one_block(name):
    build, count = ENCODERS[name]
    encoder = build()
    found = blocks(encoder)
    ids = [id(parameter) for block in found for parameter in block]
    assert sorted(ids) == sorted(id(parameter) for parameter in encoder.parameters())
    assert all(any(parameter.ndim > 1 for parameter in block) for block in found)
    assert count is None or len(found) == count


@pytest.mark.parametrize("name", ["att", "fc", "cnn", "mlp", "short_chunk", "wide_resnet"])
def test_blocks_are_in_the_order_in_which_the_input_passes_them(name):
    encoder, order = ENCODERS[name][0]().eval(), []
    place = {id(p): number for number, block in enumerate(blocks(encoder)) for p in block}
    for layer in encoder.modules():
        if isinstance(layer, nn.Linear | nn.Conv1d | nn.Conv2d):
            layer.register_forward_hook(lambda layer, *_: order.append(id(layer.weight)))
    sound = getattr(encoder, "of_sound", False)
    encoder(torch.randn(1, encoder.chunk_samples) if sound else torch.randn(2, 5, 8))
    numbers = [place[one] for one in order]
    assert numbers == sorted(numbers)
    assert set(numbers) == set(place.values())


def test_batch_norms_belong_to_the_layer_before_them_or_to_the_first():
    encoder = AttEmbedding(8, num_layers=2)
    first, second = blocks(encoder)
    layers = encoder.layers
    assert [id(p) for p in first] == [
        id(p) for part in (layers[0], layers[1], layers[2]) for p in part.parameters()
    ]
    assert [id(p) for p in second] == [id(p) for part in layers[5:7] for p in part.parameters()]


def test_what_is_not_in_the_encoder_is_the_top():
    network = nn.ModuleDict({"encoder": AttEmbedding(8), "pooling": nn.Linear(8, 3)})
    groups = by_distance(network.parameters(), network["encoder"])
    assert list(groups) == [0, 1, 2, 3]
    assert [id(p) for p in groups[0]] == [id(p) for p in network["pooling"].parameters()]
    farthest = [id(p) for p in groups[3]]
    assert id(network["encoder"].layers[0].weight) in farthest
