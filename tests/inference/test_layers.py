"""Layers of encoders, against the modules themselves and averages by hand."""

import pytest
import torch
from torch import nn

from musicssl.encoders.att import AttEmbedding
from musicssl.encoders.cnn import CNN
from musicssl.encoders.crnn import CRNN
from musicssl.encoders.fc import FullyConnected
from musicssl.encoders.fc_t import FullyConnectedPerInstance
from musicssl.encoders.gru import GRUEncoder
from musicssl.encoders.log_mel_statistics import LogMelStatistics
from musicssl.encoders.mlp import MLP
from musicssl.encoders.musicnn import Musicnn
from musicssl.encoders.samplecnn import SampleCNN
from musicssl.encoders.short_chunk import ShortChunk
from musicssl.encoders.wide_resnet import WideResNet
from musicssl.errors import InputError
from musicssl.inference.layers import OUTPUT, block_names, with_layers

RATE = 8000
OF_SOUND = {"sample_rate": RATE, "chunk_samples": 34_000}
NUM_BLOCKS = [
    (AttEmbedding(8), 3),
    (FullyConnected(8, 5), 3),
    (FullyConnectedPerInstance(8), 3),
    (GRUEncoder(8), 1),
    (CNN(**OF_SOUND), 5),
    (CRNN(**OF_SOUND), 4),
    (MLP(**OF_SOUND), 3),
    (Musicnn(sample_rate=16_000, chunk_samples=48_000), 8),
    (SampleCNN(), 11),
    (ShortChunk(**OF_SOUND, width=4), 7),
    (WideResNet(**OF_SOUND, depth=10, widen=1), 3),
]


def name_of(value):
    return type(value).__name__ if isinstance(value, nn.Module) else None


@pytest.mark.parametrize(("encoder", "count"), NUM_BLOCKS, ids=name_of)
def test_every_encoder_has_layers_and_the_last_one_is_its_embedding(encoder, count):
    encoder.eval()
    torch.manual_seed(0)
    of_sound = getattr(encoder, "of_sound", False)
    x = 0.1 * torch.randn(1, int(2.3 * encoder.chunk_samples)) if of_sound else torch.randn(1, 5, 8)
    with torch.inference_mode():
        expected, _ = encoder(x)
        layered, layers = with_layers(encoder)
        h, valid = layered.eval()(x)
    assert len(block_names(encoder)) == count
    assert layers.names == [*block_names(encoder), OUTPUT]
    assert valid is None
    assert h.shape == (*expected.shape[:2], sum(layers.widths))
    assert torch.equal(h[..., -expected.shape[2] :], expected)
    assert h.isfinite().all()


def part(h, layers, name):
    end = sum(layers.widths[: layers.names.index(name) + 1])
    return h[..., end - layers.widths[layers.names.index(name)] : end]


def test_instances_of_att_are_the_outputs_of_its_layers():
    encoder = AttEmbedding(8, num_layers=2).eval()
    x = torch.randn(1, 6, 8, generator=torch.Generator().manual_seed(0))
    layered, layers = with_layers(encoder)
    h, _ = layered.eval()(x)
    first = encoder.layers[:4](x[0])  # batch norm, linear, batch norm, ReLU
    torch.testing.assert_close(part(h, layers, "layers.3")[0], first, rtol=0, atol=0)
    second = encoder.layers(x[0])
    torch.testing.assert_close(part(h, layers, "layers.7")[0], second, rtol=0, atol=0)


def test_maps_are_averaged_over_bands_and_over_the_time_of_an_instance():
    encoder = ShortChunk(sample_rate=RATE, chunk_samples=2 * 128 * 256, width=4).eval()
    x = 0.1 * torch.randn(1, 2 * 128 * 256, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        spectra = encoder.norm(encoder.frontend(x)[..., : encoder.num_frames].unsqueeze(1))
        maps = encoder.blocks[:3](spectra)  # (1, 4, 16, 32): eight frames in one
        layered, layers = with_layers(encoder, ["blocks.2"])
        h, _ = layered.eval()(x)
    expected = maps.mean(2).unflatten(2, (2, 16)).mean(3).transpose(1, 2)  # (1, 2, D)
    assert h.shape[1] == 2
    torch.testing.assert_close(part(h, layers, "blocks.2"), expected)


def test_a_recurrent_layer_over_time_is_averaged_where_the_encoder_sums_up():
    encoder = GRUEncoder(8, hidden=3).eval()
    x = torch.randn(1, 6, 8, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        outputs, _ = encoder.gru(x)
        layered, layers = with_layers(encoder)
        h, _ = layered.eval()(x)
    assert h.shape[1] == 1
    torch.testing.assert_close(part(h, layers, "gru")[0, 0], outputs[0].mean(0))


class Transformer(nn.Module):
    """An encoder of one's own, whose sequences are (B, T, D)."""

    def __init__(self):
        super().__init__()
        self.embed_dim = 8
        layer = {"d_model": 8, "nhead": 2, "dim_feedforward": 16, "batch_first": True}
        self.blocks = nn.ModuleList(nn.TransformerEncoderLayer(**layer) for _ in range(3))

    def forward(self, x, valid=None):
        for block in self.blocks:
            x = block(x)
        return x, valid


def test_a_transformer_of_ones_own_has_its_blocks_as_layers():
    encoder = Transformer().eval()
    x = torch.randn(1, 6, 8, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        one = encoder.blocks[0](x)
        layered, layers = with_layers(encoder)
        h, _ = layered.eval()(x)
    assert layers.names == ["blocks.0", "blocks.1", "blocks.2", "output"]
    torch.testing.assert_close(part(h, layers, "blocks.0"), one)
    torch.testing.assert_close(part(h, layers, "blocks.2"), part(h, layers, "output"))


def test_layers_that_cannot_be_are_named():
    with pytest.raises(InputError, match=r"no layer 'blocks\.9'; it has .*layers\.0"):
        with_layers(AttEmbedding(8), ["blocks.9"])
    with pytest.raises(InputError, match="has no blocks; name layers of it, --layer"):
        with_layers(LogMelStatistics(sample_rate=RATE, chunk_samples=RATE))
