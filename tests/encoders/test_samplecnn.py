import numpy as np
import pytest
import torch
from torch import nn

from musicssl.batch import Batch
from musicssl.encoders.samplecnn import SampleCNN
from musicssl.errors import InputError
from musicssl.networks.classifier import Classifier
from musicssl.networks.pooling import MeanPooling

CONVOLUTIONS = [(1, 128, 3), (128, 128, 3), (128, 128, 3), (128, 256, 3)]
CONVOLUTIONS += [(256, 256, 3)] * 5 + [(256, 512, 3)]


def small(**settings):
    """Three blocks of width 8, 81 samples to an instance; batch norms that are not the identity."""
    torch.manual_seed(0)
    defaults = {"chunk_samples": 170, "num_blocks": 3, "width": 8, "dropout": 0.0}
    encoder = SampleCNN(**(defaults | settings)).double()
    for module in encoder.modules():
        if isinstance(module, nn.BatchNorm1d):
            nn.init.uniform_(module.weight, -2, 2)
            nn.init.uniform_(module.bias, -1, 1)
            nn.init.uniform_(module.running_mean, -0.1, 0.1)
            nn.init.uniform_(module.running_var, 0.5, 2)
        if isinstance(module, nn.Conv1d):
            nn.init.uniform_(module.bias, -0.1, 0.1)
    return encoder.eval()


def sound(*shape):
    return 2 * torch.rand(shape, dtype=torch.float64) - 1


def convolved(x, convolution, norm, stride=1):
    """Convolution, batch norm and ReLU of one clip, (channels, S), sample by sample."""
    weight, bias = (p.detach().numpy() for p in (convolution.weight, convolution.bias))
    taps = weight.shape[2]
    padded = np.pad(x, ((0, 0), (taps // 2, taps // 2))) if stride == 1 else x
    places = range(0, padded.shape[1] - taps + 1, stride)
    out = np.stack([np.tensordot(weight, padded[:, t : t + taps], 2) + bias for t in places], 1)
    scale = norm.weight.detach().numpy() / np.sqrt(norm.running_var.numpy() + norm.eps)
    shift = norm.bias.detach().numpy() - norm.running_mean.numpy() * scale
    return np.maximum(out * scale[:, None] + shift[:, None], 0)


@pytest.mark.parametrize("last_kernel", [1, 3])
def test_layers_follow_the_paper(last_kernel):
    encoder = small(last_kernel=last_kernel)
    convolutions = [m for m in encoder.modules() if isinstance(m, nn.Conv1d)]
    norms = [m for m in encoder.modules() if isinstance(m, nn.BatchNorm1d)]
    first, *blocks, last = zip(convolutions, norms, strict=True)
    assert [layer[0].in_channels for layer in (*blocks, last)] == [2, 2, 2, 8]
    chunks = sound(2, 170)
    for chunk, embedded in zip(chunks, encoder.embed(chunks), strict=True):
        hidden = convolved(chunk.numpy()[None], *first, stride=3)
        for block in blocks:
            hidden = convolved(hidden, *block)
            pooled = hidden.shape[1] // 3
            hidden = hidden[:, : 3 * pooled].reshape(len(hidden), pooled, 3).max(axis=2)
        expected = convolved(hidden, *last).T
        assert expected.shape == (2, 8)
        np.testing.assert_allclose(embedded.detach(), expected, rtol=1e-10)


@pytest.mark.parametrize(("last_kernel", "published"), [(1, 1_844_224), (3, 2_434_176 - 65_664)])
def test_it_has_the_published_number_of_parameters(last_kernel, published):
    layers = [*CONVOLUTIONS, (512, 512, last_kernel)]
    convolutions = sum(taps * fan_in * fan_out + fan_out for fan_in, fan_out, taps in layers)
    norms = sum(2 * fan_out for _, fan_out, _ in layers)
    encoder = SampleCNN(last_kernel=last_kernel)
    assert sum(p.numel() for p in encoder.parameters()) == convolutions + norms == published
    if last_kernel == 1:  # Table 1 of the paper, which leaves out batch norm: 1.9e6 with 50 classes
        assert convolutions + 50 * 513 == 1_863_986


def test_59049_samples_are_one_vector_of_512():
    encoder = SampleCNN().eval()
    assert encoder.embed_dim == 512
    with torch.no_grad():
        h, valid = encoder(torch.rand(2, 59_049))
    assert h.shape == (2, 1, 512)
    assert valid is None
    assert h.mean() > 0


@pytest.mark.parametrize(
    ("num_blocks", "samples", "instances"),
    [(3, 81, 1), (3, 161, 1), (3, 162, 2), (3, 900, 11), (4, 243, 1), (4, 728, 2), (5, 729, 1)],
)
def test_every_3_to_the_power_of_blocks_plus_one_samples_become_an_instance(
    num_blocks, samples, instances
):
    encoder = small(num_blocks=num_blocks, chunk_samples=samples)
    assert encoder.embed(sound(2, samples)).shape == (2, instances, 8)


def test_initial_weights_are_he_uniform():
    torch.manual_seed(0)
    for layer in SampleCNN().modules():
        if isinstance(layer, nn.Conv1d):
            bound = (6 / layer.weight[0].numel()) ** 0.5
            assert 0.97 * bound < layer.weight.abs().max() <= bound
            assert (layer.bias == 0).all()


def test_gradients_reach_every_parameter():
    encoder = small()
    encoder.embed(sound(8, 170)).square().sum().backward()
    for name, parameter in encoder.named_parameters():
        assert parameter.grad.abs().sum() > 0, name


def test_a_clip_is_judged_alike_alone_and_among_longer_ones():
    network = Classifier(
        lambda **sizes: small(**sizes), MeanPooling, num_features=1, num_instances=1, num_classes=3
    )
    network = network.double().eval()
    x, lengths = sound(4, 700), [700, 20, 170, 333]
    y = torch.zeros(4, 3)
    together = network(Batch(x, y, y.bool(), torch.tensor(lengths)))
    for clip, length in enumerate(lengths):
        alone = network(Batch(x[clip : clip + 1, :length], y[:1], y[:1].bool()))
        torch.testing.assert_close(together[clip : clip + 1], alone)


def test_it_works_in_bfloat16():
    encoder, chunks = small().float(), sound(4, 170).float()
    exact = encoder.embed(chunks)
    with torch.autocast("cpu", torch.bfloat16):
        rounded, _ = encoder(chunks)
    assert rounded.dtype == torch.bfloat16
    torch.testing.assert_close(rounded.float(), exact, atol=0.03 * exact.max().item(), rtol=0.03)


def test_dropout_acts_on_the_embedding_and_only_in_training():
    encoder, chunks = small(dropout=1.0), sound(4, 170)
    assert encoder(chunks)[0].abs().sum() > 0
    assert (encoder.train()(chunks)[0] == 0).all()


def test_one_instance_alone_is_refused_in_training():
    encoder = small(chunk_samples=81).train()
    with pytest.raises(InputError, match=r"on one chunk at a time.*data\.batch_size to at least"):
        encoder(sound(1, 81))
    assert encoder(sound(2, 81))[0].shape == (2, 1, 8)
    assert encoder.eval()(sound(1, 81))[0].shape == (1, 1, 8)
    assert small(chunk_samples=162).train()(sound(1, 162))[0].shape == (1, 2, 8)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"chunk_samples": 59_048}, r"=59048 is too short .* 9 blocks; set it to at least 59049"),
        ({"num_blocks": 2}, r"num_blocks=2 is too few; set it to at least 3"),
        ({"width": 6}, r"width=6 cannot be halved twice; choose a multiple of 4"),
        ({"width": 0}, r"width=0 cannot be halved twice"),
    ],
)
def test_invalid_sizes_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        SampleCNN(**settings)


def test_instances_are_refused_with_the_cure():
    with pytest.raises(InputError, match=r"encoder=samplecnn reads sound.*features=waveform"):
        small()(torch.rand(2, 10, 128))
