"""The sentiment example: tokens, the mLSTM, the sparse probe, and a run from outside."""

import csv
import json

import numpy as np
import pytest
import torch

from examples.sentiment.corpora import VGMIDI, MajorMinor, compose
from examples.sentiment.events import FIRST, Note, decode, encode, read_midi, transposed, write_midi
from examples.sentiment.generation import is_major
from examples.sentiment.method import sparse_regression
from examples.sentiment.mlstm import MLSTM
from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.errors import InputError
from musicssl.probing.base import Embeddings
from tests.support.examples import train

NOTES = [Note(0, 4, 60, 64), Note(0, 4, 64, 64), Note(4, 2, 67, 80), Note(40, 8, 72, 80)]


@pytest.fixture
def mlstm():
    torch.manual_seed(0)
    return MLSTM(1, width=5, hidden=7, summary="final")


def test_tokens_give_their_notes_back(tmp_path):
    tokens = encode(NOTES, 100)
    assert decode(tokens) == (NOTES, 100)
    write_midi(tmp_path / "a.mid", tokens)
    assert read_midi(tmp_path / "a.mid") == tokens


def test_a_file_that_is_no_midi_is_named(tmp_path):
    (tmp_path / "a.mid").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"a\.mid cannot be read as MIDI"):
        read_midi(tmp_path / "a.mid")


def test_transposing_moves_notes_alone_or_nothing():
    low = encode([Note(0, 4, 2, 64)] * 4, 100)
    tokens = torch.tensor([encode(NOTES, 100)[: len(low)], low])
    moved = transposed(tokens, torch.tensor([3, -3]))
    assert decode(moved[0].tolist())[0][0] == Note(0, 4, 63, 64)
    notes = tokens[0] >= FIRST["n"]
    assert torch.equal(moved[0][~notes], tokens[0][~notes])
    assert torch.equal(moved[1], tokens[1])


def test_the_mlstm_is_its_two_equations(mlstm):
    """A slow loop of scalars: m = (W_mx x) * (W_mh h), then an LSTM that reads m instead of h."""
    tokens = torch.tensor([[3, 200, 17, 3]])
    outputs, cells = mlstm.read(tokens)
    parts = {k: v.detach().numpy().astype(float) for k, v in mlstm.named_parameters()}
    h = c = np.zeros(7)
    for t, token in enumerate(tokens[0].tolist()):
        x = parts["embedding.weight"][token]
        m = (parts["m_x.weight"] @ x) * (parts["m_h.weight"] @ h)
        gates = parts["gates_x.weight"] @ x + parts["gates_x.bias"] + parts["gates_m.weight"] @ m
        new_h, new_c = np.zeros(7), np.zeros(7)
        for k in range(7):
            i, f, o = (1 / (1 + np.exp(-gates[gate * 7 + k])) for gate in range(3))
            new_c[k] = f * c[k] + i * np.tanh(gates[21 + k])
            new_h[k] = o * np.tanh(new_c[k])
        h, c = new_h, new_c
        np.testing.assert_allclose(cells[0, t].detach(), c, atol=1e-6)
        np.testing.assert_allclose(outputs[0, t].detach(), h, atol=1e-6)


def test_steps_are_the_whole_and_padding_is_not_read(mlstm):
    tokens = torch.randint(1, 200, (3, 6))
    state = mlstm.start(3)
    for t in range(6):
        state = mlstm.step(tokens[:, t], state)
    h, _ = mlstm(tokens[..., None].float())
    torch.testing.assert_close(h[:, 0], state.c.tanh())
    valid = torch.arange(6) < torch.tensor([6, 4, 1])[:, None]
    short, _ = mlstm(tokens[..., None].float(), valid)
    torch.testing.assert_close(short[1], mlstm(tokens[1:2, :4, None].float())[0][0])
    mlstm.summary = "mean"
    everything, of_tokens = mlstm(tokens[..., None].float(), valid)
    torch.testing.assert_close(everything[:, -1:], h)
    assert of_tokens is valid


def test_forced_cells_have_their_values(mlstm):
    forced = (torch.tensor([2, 5]), torch.tensor([[0.5, -0.25]] * 3))
    state = mlstm.step(torch.tensor([3, 4, 5]), mlstm.start(3), forced)
    torch.testing.assert_close(state.c[:, [2, 5]].tanh(), forced[1])


def test_the_sparse_probe_finds_the_one_unit_that_counts():
    rng = np.random.default_rng(0)
    h = torch.from_numpy(rng.normal(size=(200, 20))).float()
    y = (h[:, 7:8] > 0).float()
    both = Embeddings(h, y, torch.ones(200, 1, dtype=torch.bool))
    weight, _ = sparse_regression(both, both)
    assert abs(weight[0]).argmax() == 7
    unlabelled = both._replace(mask=torch.arange(200)[:, None] < 100)
    half = sparse_regression(unlabelled, both)[0]
    expected = sparse_regression(Embeddings(h[:100], y[:100], both.mask[:100]), both)[0]
    np.testing.assert_array_equal(half, expected)


def test_the_judge_of_modes_agrees_with_the_rule():
    rng = np.random.default_rng(1)
    right = [is_major(compose(rng, bool(n % 2), 8)) == bool(n % 2) for n in range(60)]
    assert np.mean(right) > 0.85


def write_vgmidi(folder):
    rng = np.random.default_rng(0)
    for name in ("labelled/phrases", "unlabelled/train"):
        (folder / name).mkdir(parents=True)
    for split, pieces in (("train", range(8)), ("test", range(8, 12))):
        with (folder / f"labelled/vgmidi_sent_{split}.csv").open("w", newline="") as file:
            table = csv.writer(file)
            table.writerow(("label", "id", "filepath"))
            for piece in pieces:
                for phrase in range(3):
                    path = f"phrases/Game_{piece}_{phrase}"
                    write_midi(folder / f"labelled/{path}.mid", compose(rng, piece % 2 == 1, 2))
                    table.writerow((1 if piece % 2 else -1, f"piece{piece}", path))
    write_midi(folder / "unlabelled/train/Other.mid", compose(rng, True, 4))
    return folder


def test_vgmidi_as_it_unpacks_never_divides_a_piece(tmp_path):
    corpus = VGMIDI(str(write_vgmidi(tmp_path)), clip_tokens=32).load()
    assert corpus.mask[:, 0].sum() < len(corpus.mask)
    labelled = corpus.mask[:, 0]
    numbers = np.char.lstrip(corpus.groups[labelled], "piece").astype(int)
    np.testing.assert_array_equal(corpus.y[labelled, 0], numbers % 2)
    data = SemiSupervisedDataModule(VGMIDI(str(tmp_path), clip_tokens=32), val_fraction=0.3)
    data.setup()
    groups = [set(data.corpus.groups[data.rows(split)]) for split in ("train", "val", "test")]
    assert all(groups)
    assert not groups[0] & groups[1]
    assert not groups[0] & groups[2]


def test_a_wrong_folder_is_explained(tmp_path):
    with pytest.raises(InputError, match="is no copy of VGMIDI"):
        VGMIDI(str(tmp_path)).load()


def test_the_rule_is_independent_of_the_order_of_splits():
    corpus = MajorMinor(unlabelled=3, labelled=4, validation=2, test=2).load()
    assert corpus.split.tolist() == ["train"] * 4 + ["val"] * 2 + ["test"] * 2 + ["train"] * 3
    assert corpus.y[corpus.mask[:, 0], 0].tolist() == [0, 1] * 4


@pytest.mark.slow
@pytest.mark.parametrize("real", [False, True])
def test_a_run_from_outside(tmp_path, real):
    dataset = ["dataset=vgmidi", f"data.root={tmp_path}/vgmidi"]
    if real:
        write_vgmidi(tmp_path / "vgmidi")
    else:
        dataset = ["dataset=major_minor", "dataset.unlabelled=20", "dataset.test=20"]
    document = train(tmp_path, "sentiment", "method=sentiment", *dataset, "encoder.hidden=16")
    means = document["macro"]
    assert 0 < means["nll"] < np.log(244) + 1
    assert 0 <= means["token_counts_accuracy"] <= 1
    assert 0 <= document["forced_music"]["major_positive"] <= 1
    [run] = (tmp_path / "runs").rglob("generated")
    assert len(list(run.glob("*.mid"))) == 15
    assert decode(read_midi(run / "free0.mid"))[0]
    assert json.dumps(document)


@pytest.mark.slow
def test_the_supervised_baseline_of_the_paper_is_method_supervised(tmp_path):
    small = ["dataset=major_minor", "dataset.unlabelled=20", "dataset.test=20", "encoder.hidden=16"]
    supervised = ["method=supervised", "encoder=mlstm", "pooling=mean", "data.b_s=1"]
    document = train(tmp_path, "sentiment", *supervised, *small, "baselines=false")
    assert "nll" not in document["macro"]
