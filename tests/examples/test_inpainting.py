"""The inpainting example: tunes, MeasureVAE, LatentRNN, and a run from outside."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn.functional import cross_entropy

from examples.inpainting.method import GAPS, Inpainting, frequency_nll
from examples.inpainting.networks import LatentRNN, MeasureDecoder, MeasureEncoder
from examples.inpainting.tunes import (
    BARS,
    LOWEST,
    REST,
    TICKS,
    TOKENS,
    Tunes,
    compose,
    notes_of,
    tokens_of,
)
from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.datasets.formats.abc_notation import read_abc
from musicssl.errors import InputError
from musicssl.networks.pooling import MeanPooling
from tests.support.examples import train

HEAD = "X:1\nT:One\nM:4/4\nL:1/4\nK:C\n"


@pytest.fixture
def bars():
    rng = np.random.default_rng(0)
    return torch.from_numpy(np.stack([compose(rng)[1] for _ in range(4)])).view(4, BARS, TICKS)


@pytest.fixture
def decoder():
    torch.manual_seed(0)
    return MeasureDecoder(width=5, hidden=6, latent_dim=3, dropout=0.0)


def method_of(context="both"):
    torch.manual_seed(0)

    def encoder(num_features, num_instances):
        return MeasureEncoder(num_features, num_instances, width=5, hidden=6, latent_dim=3)

    parts = {"optimizer": torch.optim.Adam, "schedule": lambda epoch: 1.0}
    sizes = {"num_features": 1, "num_instances": BARS * TICKS, "num_classes": 1}
    settings = {"vae_epochs": 1, "latent_rnn": 4, "context": context}
    return Inpainting(encoder=encoder, pooling=MeanPooling, **settings, **parts, **sizes).eval()


def test_bars_of_abc(tmp_path):
    (tmp_path / "a.abc").write_text(HEAD + "C D/E/ (3F/G/A/ z|c4|G2|C4|]")
    [tune] = read_abc(tmp_path / "a.abc")
    found = tokens_of(tune)
    assert found.shape == (3, TICKS)  # the third bar is not full
    expected = [(0, 60), (6, 62), (9, 64), (12, 65), (14, 67), (16, 69)]
    onsets = [(tick, int(found[0, tick]) + LOWEST) for tick in np.flatnonzero(found[0] > REST)]
    assert onsets == expected
    assert found[0, 18] == REST
    assert [key for *_, key in notes_of(found.ravel())] == [60, 62, 64, 65, 67, 69, 72, 60]
    third = notes_of(found.ravel())[4]
    assert third[:2] == pytest.approx((0.5 + 1 / 12, 1 / 12))


def test_other_metres_and_keys_out_of_range_give_no_bars(tmp_path):
    for text in (HEAD.replace("4/4", "6/8") + "C3|", HEAD + "C,,,4|"):
        (tmp_path / "a.abc").write_text(text)
        assert len(tokens_of(read_abc(tmp_path / "a.abc")[0])) == 0
    with pytest.raises(InputError, match=r"no \.abc file with a tune of 16 bars"):
        Tunes(root=str(tmp_path)).load()


def test_two_bars_take_turns_in_each_half_of_a_tune(bars):
    for tune in bars:
        halves = tune[:8], tune[8:]
        for half in halves:
            assert torch.equal(half[2:], half[:6])
        assert not torch.equal(*halves)


def test_settings_of_a_tune_are_never_split(tmp_path):
    for number in range(12):
        text = HEAD.replace("One", f"Tune {number % 6}") + f"{'CDEFGABc'[number % 8]}4|" * 32
        (tmp_path / f"{number}.abc").write_text(text)
    data = SemiSupervisedDataModule(Tunes(root=str(tmp_path)), val_fraction=0.3)
    corpus = data.dataset.load()
    assert len(corpus.x) == 24
    for group in np.unique(corpus.groups):
        assert len(np.unique(corpus.split[corpus.groups == group])) == 1


def test_the_decoder_reads_tokens_before_a_tick_only(decoder, bars):
    z, tokens = torch.randn(4, 3), bars[:, 0]
    logits = decoder(z, tokens)
    changed = tokens.clone()
    changed[:, 9] = (changed[:, 9] + 1) % TOKENS
    found = decoder(z, changed)
    torch.testing.assert_close(found[:, :10], logits[:, :10])
    assert not torch.equal(found[:, 10], logits[:, 10])


def test_decoding_one_token_after_the_other_is_decoding_what_it_finds(decoder):
    z = torch.randn(4, 3)
    logits = decoder(z)
    torch.testing.assert_close(decoder(z, logits.argmax(-1)), logits)


def test_latent_rnn_with_the_true_latents_gives_the_loss_of_the_vae(bars):
    method = method_of()
    means = method.encoder.posterior(bars).mean
    expected = []
    for first, count in GAPS:
        for clip in range(len(bars)):
            for row in range(first, first + count):
                logits = method.decoder(means[clip, row : row + 1], bars[clip, row : row + 1])
                expected.append(cross_entropy(logits[0], bars[clip, row], reduction="none"))
    torch.testing.assert_close(method.missing_nll(bars, "true"), torch.cat(expected))

    class Knows(LatentRNN):
        def step(self, before, state):
            self.row += 1
            return means[:, self.row - 1], state

    method.rnn.__class__ = Knows
    parts = []
    for first, count in GAPS:
        method.rnn.row = first
        filled = method.filled(means, None, first, count)
        gap = bars[:, first : first + count]
        parts.append(method.decoder.nll(filled.flatten(0, 1), gap.flatten(0, 1)).flatten())
    torch.testing.assert_close(torch.cat(parts), method.missing_nll(bars, "true"))


@pytest.mark.parametrize("context", ["both", "past", "none"])
def test_only_what_is_context_is_read(bars, context):
    method = method_of(context)
    z = method.encoder.posterior(bars).mean
    filled = method.filled(z, None, 5, 4)
    for rows, read in (
        (slice(5, 9), False),  # the missing bars themselves
        (slice(0, 5), context != "none"),
        (slice(9, 16), context == "both"),
    ):
        other = z.clone()
        other[:, rows] += 1
        assert torch.equal(method.filled(other, None, 5, 4), filled) != read
    forced = z.clone()
    forced[:, 6] += 1
    same = torch.equal(method.filled(forced, bars, 5, 4), method.filled(z, bars, 5, 4))
    assert same == (context == "none")


def test_frequencies_are_counted():
    train_bars = torch.zeros(1, 3, TICKS, dtype=torch.long)
    found = frequency_nll([train_bars], torch.zeros(2, TICKS, dtype=torch.long))
    assert found == pytest.approx(np.log((3 + TOKENS) / 4))
    found = frequency_nll([train_bars], torch.ones(2, TICKS, dtype=torch.long))
    assert found == pytest.approx(np.log(3 + TOKENS))


@pytest.mark.slow
@pytest.mark.parametrize("real", [False, True])
def test_a_run_from_outside(tmp_path, real):
    dataset = ["dataset=tunes", "dataset.tunes=24"]
    if real:
        for number in range(24):
            key = "C" if number % 2 else "Cm"
            body = "".join(f"{'CDEFGABc'[(number + bar) % 8]}4|" for bar in range(16))
            text = HEAD.replace("One", f"Tune {number}").replace("K:C", f"K:{key}") + body
            (tmp_path / f"{number}.abc").write_text(text)
        dataset = ["dataset=abc_tunes", f"data.root={tmp_path}"]
    small = ["encoder.hidden=8", "encoder.latent_dim=4", "method.latent_rnn=4"]
    small += ["method.vae_epochs=1"]
    document = train(tmp_path, "inpainting", "method=inpainting", *dataset, *small)
    means = document["macro"]
    assert 0 < means["nll"] < np.log(TOKENS) + 1
    assert 0 < means["true_latents_nll"] < np.log(TOKENS) + 1
    [picture] = (tmp_path / "runs").rglob("inpainted_0.png")
    with Image.open(picture) as image:
        assert image.size[0] > 500
    assert (picture.parents[1] / "inpainted" / "0.mid").is_file()
