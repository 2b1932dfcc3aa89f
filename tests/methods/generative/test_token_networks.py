"""Oracles: sizes counted by hand from the papers, and loops over ticks."""

from itertools import pairwise

import pytest
import torch

from musicssl.errors import InputError
from musicssl.losses.likelihoods import FixedGaussian
from musicssl.methods.generative.autoencoders import AutoPair, CnnPair, MlpPair, RnnPair
from musicssl.methods.generative.tokens import token_nats
from musicssl.methods.generative.vae import GaussianEncoder

TOKENS, TICKS = 62, 16


def built(pair, num_tokens=TOKENS, num_ticks=TICKS):
    torch.manual_seed(0)
    encoder = pair.encoder(1, num_ticks, num_tokens)
    return encoder, pair.decoder(encoder)


def rows(count=5, num_ticks=TICKS):
    return torch.randint(TOKENS, (count, num_ticks), generator=torch.Generator().manual_seed(0))


def count(module):
    return sum(p.numel() for p in module.parameters())


def test_the_cnn_has_the_layers_of_the_benchmark():
    encoder, decoder = built(CnnPair())
    widths = (10, 16, 32, 64, 128)
    layers = sum(4 * a * b + b for a, b in pairwise(widths))
    heads = 2 * (128 * 64 + 64 + 64 * 32 + 32)
    assert count(encoder) == 62 * 10 + layers + heads
    widths = (32, 128, 64, 32, 16)
    layers = sum(4 * a * b + b for a, b in pairwise(widths))
    assert count(decoder) == layers + 16 * 62 + 62
    assert decoder.logits(torch.randn(3, 32)).shape == (3, 16, 62)


def gru(inputs, units, layers=2, directions=1):
    widths = [inputs] + [directions * units] * (layers - 1)
    return sum(directions * 3 * (width * units + units**2 + 2 * units) for width in widths)


@pytest.mark.parametrize("units", [64, 128])
def test_the_rnn_has_the_layers_of_the_papers(units):
    encoder, decoder = built(RnnPair(units=units))
    heads = 2 * (4 * units * 2 * units + 2 * units + 2 * units * 32 + 32)
    assert count(encoder) == 62 * 10 + gru(10, units, directions=2) + heads
    of_z = 32 * 2 * units + 2 * units
    of_beats = units * 2 * units + 2 * units + units * units + units
    inputs = 1 + 10 + 62 * 10
    recurrent = gru(1, units) + gru(10 + units, units)
    assert count(decoder) == of_z + of_beats + inputs + recurrent + units * 62 + 62


@pytest.mark.parametrize("pair", [CnnPair(), RnnPair()])
def test_the_deviation_is_the_exponential_of_the_second_head(pair):
    encoder, _ = built(pair)
    encoder.eval()
    tokens = rows()
    q, summary = encoder.posterior(tokens), encoder.summarised(tokens)
    torch.testing.assert_close(q.mean, encoder.mean(summary))
    deviation = (0.5 * q.log_variance).exp()
    torch.testing.assert_close(deviation, encoder.log_deviation(summary).exp())
    torch.testing.assert_close(encoder(tokens)[0][:, 0], q.mean)


@pytest.mark.parametrize("pair", [CnnPair(), RnnPair()])
def test_weights_are_drawn_as_glorot_and_bengio(pair):
    encoder, decoder = built(pair)
    for module in (encoder, decoder):
        weight = module.embedding.weight if hasattr(module, "embedding") else module.output.weight
        expected = (2 / sum(weight.shape)) ** 0.5
        assert weight.std().item() == pytest.approx(expected, rel=0.1)


def test_decoding_without_tokens_is_decoding_given_the_tokens_decoded():
    _, decoder = built(RnnPair(units=16))
    decoder.eval()
    with torch.no_grad():
        for parameter in decoder.parameters():
            parameter.mul_(3)  # so that the token before matters
    z = torch.randn(4, 32)
    logits = decoder.logits(z)
    torch.testing.assert_close(decoder.logits_after(z, logits.argmax(dim=2)), logits)
    assert not torch.allclose(decoder.logits_after(z, rows(4)), logits)
    assert (logits >= 0).all()
    torch.testing.assert_close(decoder.decoded(z), logits.argmax(dim=2))


def test_a_token_depends_on_those_before_it_and_on_no_later_one():
    _, decoder = built(RnnPair(units=16))
    decoder.eval()
    z, tokens = torch.randn(1, 32), rows(1)
    changed = tokens.clone()
    changed[0, 9] = (tokens[0, 9] + 1) % TOKENS
    difference = (decoder.logits_after(z, tokens) - decoder.logits_after(z, changed)).abs().sum(2)
    assert (difference[0, :10] == 0).all()
    assert (difference[0, 10:] > 0).all()


@pytest.mark.parametrize("probability", [0.0, 1.0])
def test_training_is_given_the_right_tokens_with_a_probability(probability):
    _, decoder = built(RnnPair(units=16, dropout=0.0, teacher_forcing=probability))
    z, tokens = torch.randn(4, 32), rows(4)
    expected = decoder.logits_after(z, tokens) if probability else decoder.logits(z)
    torch.testing.assert_close(decoder.negative_log(z, tokens), token_nats(expected, tokens))
    decoder.eval()
    free = token_nats(decoder.logits(z), tokens)
    torch.testing.assert_close(decoder.negative_log(z, tokens), free)


def test_nats_are_those_of_each_token_in_a_loop():
    logits, tokens = torch.randn(3, TICKS, TOKENS), rows(3)
    expected = [
        -sum(logits[n, t].log_softmax(0)[tokens[n, t]] for t in range(TICKS)) for n in range(3)
    ]
    torch.testing.assert_close(token_nats(logits, tokens), torch.stack(expected))


def test_auto_is_the_cnn_for_tokens_and_the_mlp_for_instances():
    auto = AutoPair(FixedGaussian(), latent_dim=7)
    encoder, decoder = built(auto)
    assert count(encoder) == count(built(CnnPair(latent_dim=7))[0])
    assert decoder.logits(torch.randn(2, 7)).shape == (2, 16, 62)
    encoder = auto.encoder(8, 5, None)
    assert isinstance(encoder, GaussianEncoder)
    assert auto.decoder(encoder).decoded(torch.randn(2, 7)).shape == (2, 16)


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: CnnPair().encoder(1, 24, 62), "is for rows of 16 tokens, but .* have 24"),
        (lambda: CnnPair().encoder(8, 16, None), "choose autoencoder=mlp"),
        (lambda: RnnPair().encoder(8, 16, None), "choose autoencoder=mlp"),
        (lambda: RnnPair(ticks_per_beat=6).encoder(1, 16, 62), "ticks_per_beat=6 does not divide"),
        (lambda: MlpPair(FixedGaussian()).encoder(1, 16, 62), "choose autoencoder=cnn or"),
        (lambda: CnnPair(latent_dim=0), r"autoencoder\.latent_dim must be a whole number"),
        (lambda: CnnPair(channels=()), r"autoencoder\.channels must be a list"),
        (lambda: RnnPair(units=0), r"autoencoder\.units must be"),
        (lambda: MlpPair(FixedGaussian(), hidden=(0,)), r"autoencoder\.hidden must be a list"),
    ],
)
def test_pairs_that_cannot_be_are_refused(build, words):
    with pytest.raises(InputError, match=words):
        build()
