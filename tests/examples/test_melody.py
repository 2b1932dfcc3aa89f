"""The melody example: songs, networks and their conditions, MGEval, and a run from outside."""

import csv
import math

import numpy as np
import pytest
import torch
from scipy.stats import norm

from examples.melody.generation import generate, notes_of
from examples.melody.method import Melody
from examples.melody.mgeval import FEATURES, compare, likeness
from examples.melody.networks import CONDITIONS, ConditionedRNN, MelodyNetworks
from examples.melody.songs import (
    BAR,
    COLUMNS,
    DURATIONS,
    LOWEST,
    Songs,
    after,
    chord_named,
    compose,
)
from musicssl.batch import Batch
from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.errors import InputError
from musicssl.networks.pooling import MeanPooling
from tests.support.commands import ROOT, shell
from tests.support.examples import SMALL, train

ABC = 'X:1\nT:One\nM:4/4\nL:1/4\nK:G\n"G"GABc|"D7"d2 z2|"Em"efg2|]\n'


@pytest.fixture
def clips():
    corpus = Songs(songs=12, window=20).load()
    return torch.from_numpy(corpus.x[:8])


def method_of(conditions=CONDITIONS):
    torch.manual_seed(0)

    def encoder(num_features, num_instances):
        return MelodyNetworks(num_features, num_instances, conditions, hidden=8)

    sizes = {"num_features": COLUMNS, "num_instances": 20, "num_classes": 1}
    parts = {"optimizer": torch.optim.Adam, "schedule": lambda epoch: 1.0}
    return Melody(encoder=encoder, pooling=MeanPooling, **parts, **sizes).eval()


@pytest.mark.parametrize(
    ("name", "root", "classes"),
    [
        ("C", 0, {0, 4, 7}),
        ("F#m", 6, {6, 9, 1}),
        ("Bb7", 10, {10, 2, 5, 8}),
        ("Am7/G", 9, {9, 0, 4, 7}),
        ("Gmaj7", 7, {7, 11, 2, 6}),
        ("Dmin", 2, {2, 5, 9}),
    ],
)
def test_chords(name, root, classes):
    assert chord_named(name) == (root, frozenset(classes))


def test_names_that_are_no_chords():
    assert chord_named("slowly") is None
    assert chord_named("") is None


def test_abc_becomes_notes(tmp_path):
    (tmp_path / "a.abc").write_text(ABC)
    corpus = Songs(root=str(tmp_path), window=16).load()
    pitch, duration, position = corpus.x[0, :9, :3].T.astype(int)
    keys = [67, 69, 71, 72, 74, None, 76, 78, 79]
    assert pitch.tolist() == [88 if key is None else key - LOWEST for key in keys]
    quarters = [DURATIONS[d] / 24 for d in duration]
    assert quarters == [1, 1, 1, 1, 2, 2, 1, 1, 2]
    assert position.tolist() == [0, 24, 48, 72, 0, 48, 0, 24, 48]
    assert corpus.x[0, :9, 3].tolist() == [7] * 4 + [2] * 2 + [4] * 3
    assert corpus.x[0, :9, 16].tolist() == [2] * 4 + [4] * 5  # the last chord follows itself
    assert (corpus.y[0, 0], corpus.lengths[0]) == (1, 9)


def test_a_folder_without_chords_is_explained(tmp_path):
    (tmp_path / "a.abc").write_text(ABC.replace('"G"', "").replace('"D7"', "").replace('"Em"', ""))
    with pytest.raises(InputError, match="chord symbols"):
        Songs(root=str(tmp_path)).load()


def test_the_chord_after_is_the_next_other_one():
    a, b, c = (chord_named(name) for name in "ABC")
    assert after([a, a, b, b, c]) == [b, b, c, c, c]


def test_songs_by_rule_have_bars_without_gaps():
    song = compose(np.random.default_rng(0), "one")
    ends = [note.position + DURATIONS[note.duration] for note in song.notes]
    starts = [note.position for note in song.notes]
    assert all(
        end == start or (end == BAR and start == 0)
        for end, start in zip(ends, starts[1:], strict=False)
    )
    strong = [note for note in song.notes if note.position % 48 == 0]
    hits = np.mean([(note.pitch + LOWEST) % 12 in note.chord.classes for note in strong])
    assert hits > 0.75


@pytest.mark.parametrize("divide", ["songs", "windows"])
def test_songs_are_never_split_unless_asked_for(divide):
    data = SemiSupervisedDataModule(Songs(songs=40, window=32, divide=divide))
    data.setup()
    names = [
        {clip.partition(":")[0] for clip in data.corpus.clip_ids[data.rows(split)]}
        for split in ("train", "val", "test")
    ]
    shared = (names[0] & names[1]) | (names[0] & names[2]) | (names[1] & names[2])
    assert bool(shared) == (divide == "windows")


@pytest.mark.parametrize("predicts", ["pitch", "duration"])
@pytest.mark.parametrize("condition", CONDITIONS)
def test_a_network_reads_its_conditions_and_no_others(clips, predicts, condition):
    own, other = (0, 1) if predicts == "pitch" else (1, 0)
    columns = {"inter": [other], "chord": [*range(3, 16)], "next_chord": [*range(16, 29)]}
    columns["bar_position"] = [2]
    for given in CONDITIONS:
        torch.manual_seed(0)
        network = ConditionedRNN(predicts, [given], hidden=8).eval()
        changed = clips.clone()
        changed[:, 3, columns[condition]] = (clips[:, 3, columns[condition]] + 1) % 2
        before = network(clips[:, :-1], clips[:, 1:])[0]
        after_change = network(changed[:, :-1], changed[:, 1:])[0]
        assert torch.equal(before, after_change) == (given != condition)
        first = 3 if condition == "inter" else 2  # logits of note t + 1 stand at t
        torch.testing.assert_close(before[:, :first], after_change[:, :first])
    changed = clips.clone()
    changed[:, 5:, own] = 0
    before, found = (network(x[:, :-1], x[:, 1:])[0] for x in (clips, changed))
    torch.testing.assert_close(before[:, :5], found[:, :5])  # nothing of what is predicted is read


def test_the_nll_is_that_of_a_loop_and_of_no_padding(clips):
    method = method_of()
    lengths = torch.tensor([20, 7, 20, 20, 2, 20, 20, 20])
    batch = Batch(clips, torch.zeros(8, 1), torch.ones(8, 1, dtype=torch.bool), lengths)
    found = method.nll(batch)
    for column, name in enumerate(("pitch", "duration")):
        network = method.classifier.encoder.get_submodule(name)
        expected = []
        for clip, length in zip(clips, lengths.tolist(), strict=True):
            state = None
            for t in range(length - 1):
                x, ahead = clip[None, t : t + 1], clip[None, t + 1 : t + 2]
                logits, _, state = network(x, ahead, state)
                shares = logits[0, 0].softmax(0)
                expected.append(-shares[int(clip[t + 1, column])].log())
        torch.testing.assert_close(found[name], torch.stack(expected), rtol=1e-4, atol=1e-4)


def test_an_unknown_condition_is_explained():
    with pytest.raises(InputError, match="there is no tempo; choose of inter, chord"):
        ConditionedRNN("pitch", ["tempo"])


def test_generated_notes_follow_each_other_with_the_chords_of_their_bars(clips):
    drawn = generate(method_of(), clips)
    assert torch.equal(drawn[:, 0], clips[:, 0])
    for given, clip in zip(clips, drawn, strict=True):
        position, duration = clip[:, 2].long(), torch.tensor(DURATIONS)[clip[:, 1].long()]
        now = position[0] + duration.cumsum(0)
        assert torch.equal(position[1:], now[:-1] % BAR)
        bars = torch.cat([torch.zeros(1), now[:-1] // BAR])
        of_given = (given[:, 2].diff(prepend=given[:1, 2]) < 0).cumsum(0)
        for bar in range(int(of_given.max()) + 1):
            of_bar = clip[bars == bar][1 if bar == 0 else 0 :, 3:]
            assert (of_bar == given[of_given == bar][0, 3:]).all()


def pieces(seed, count=12, high=80):
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        lengths = rng.choice([1.0, 2, 4], rng.integers(8, 30))
        starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
        found.append(np.stack([starts, lengths, rng.integers(60, high, len(lengths))], axis=1))
    return found


def test_mgeval_of_a_set_with_itself_is_the_same_everywhere():
    for found in compare(pieces(0), pieces(0)).values():
        assert found.overlap == pytest.approx(1, abs=0.01)
        assert found.kl == pytest.approx(0, abs=1e-9)


def test_mgeval_of_other_pieces_overlaps_less():
    alike, other = compare(pieces(0), pieces(1)), compare(pieces(0), pieces(1, high=128))
    assert alike["pitch range"].overlap > 2 * other["pitch range"].overlap
    assert alike["pitch range"].kl < other["pitch range"].kl


def test_likeness_of_normal_distances_is_the_closed_form():
    """KL of N(0, 1) from N(1, 1) is 1 / 2, their overlap 2 Phi(-1 / 2)."""
    values = norm.ppf((np.arange(4000) + 0.5) / 4000)
    found = likeness(values, values + 1)
    assert found.kl == pytest.approx(0.5, rel=0.1)
    assert found.overlap == pytest.approx(2 * norm.cdf(-0.5), rel=0.03)
    assert math.isnan(likeness(np.ones(5), values).overlap)


def test_features_of_a_piece_that_can_be_counted():
    piece = np.array([[0, 4, 60], [4, 4, 64], [8, 8, 60], [16, 2, 72]], float)
    found = {name: feature(piece) for name, feature in FEATURES.items()}
    assert found["pitch count"] == 3
    assert found["note count"] == 4
    assert found["pitch range"] == 12
    assert found["mean interval"] == pytest.approx((4 + 4 + 12) / 3)
    assert found["mean inter-onset interval"] == pytest.approx(16 / 3)
    assert found["pitch-class histogram"].tolist() == [0.75, 0, 0, 0, 0.25] + [0] * 7
    transitions = found["pitch-class transitions"].reshape(12, 12)
    assert (transitions[0, 4], transitions[4, 0], transitions[0, 0]) == (1, 1, 1)
    assert transitions.sum() == 3
    assert found["note-length histogram"].max() == 0.5


def test_rests_are_silent():
    clip = torch.zeros(3, COLUMNS)
    clip[:, 0] = torch.tensor([39, 88, 40])
    clip[:, 1] = DURATIONS.index(24)
    assert notes_of(clip).tolist() == [[0, 4, 60], [8, 4, 61]]


@pytest.mark.slow
@pytest.mark.parametrize("real", [False, True])
def test_a_run_from_outside(tmp_path, real):
    dataset = ["dataset=songs", "dataset.songs=20"]
    if real:
        folder = tmp_path / "abc"
        folder.mkdir()
        for number in range(20):
            mode = "G" if number % 2 else "Gm"
            (folder / f"{number}.abc").write_text(ABC.replace("K:G", f"K:{mode}"))
        dataset = ["dataset=abc_songs", f"data.root={folder}", "dataset.window=16"]
    small = ["encoder.hidden=8", "encoder.conditions=[chord]"]
    document = train(tmp_path, "melody", "method=melody", *dataset, *small)
    means = document["macro"]
    assert means["nll"] == pytest.approx(means["pitch_nll"] + means["duration_nll"])
    assert 0 < means["pitch_nll"] < math.log(89) + 1
    [table] = (tmp_path / "runs").rglob("mgeval.csv")
    with table.open() as file:
        assert len(list(csv.DictReader(file))) == len(FEATURES)
    conf = ("--config-dir", str(ROOT / "examples/melody/conf"), "trainer=cpu")
    again = shell(tmp_path, "-m", *conf, *SMALL, "method=melody", *dataset, *small)
    assert f"NLL per note {means['nll']:.3f}  (was complete)" in again.stdout
    assert (table.parent / "generated" / "melody0.mid").stat().st_size > 20
