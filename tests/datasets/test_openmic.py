import csv
import functools
import hashlib
import json
import subprocess
import sys
import tarfile
import tracemalloc
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
import soundfile
from hydra.utils import instantiate
from omegaconf import OmegaConf
from scipy.signal import resample_poly

from musicssl.corpus import Corpus, check_corpus
from musicssl.datasets.openmic import CLASSES, SCALINGS, OpenMIC, main
from musicssl.download import Archive
from musicssl.errors import InputError

NUM_CLIPS = 30
KEYS = [f"{17 * n + 46:06d}_{3840 * n}" for n in range(NUM_CLIPS)]
TEST_KEYS = KEYS[::4]
TRAIN_KEYS = [key for key in KEYS if key not in TEST_KEYS]

rng = np.random.default_rng(0)
CODES = rng.integers(0, 256, (NUM_CLIPS, 10, 128))
MASK = rng.random((NUM_CLIPS, 20)) < 0.4
RELEVANCE = np.where(MASK, rng.integers(0, 5, MASK.shape) / 4 + 0.0, 0.5)  # 0.5 also observed


class Bomb:
    """A sample key whose unpickling makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[Path], None], tuple[Path]]:
        return Path.touch, (self.path,)


def write_npz(folder: Path, **changes: np.ndarray) -> None:
    members = {"X": CODES, "Y_true": RELEVANCE, "Y_mask": MASK, **changes}
    bombs = np.array([Bomb(folder.parent / "exploded")], dtype=object)
    np.savez(folder / "openmic-2018.npz", sample_key=bombs, **members)


def write_labels(folder: Path, keys: list[str], relevance: np.ndarray, mask: np.ndarray) -> None:
    with (folder / "openmic-2018-aggregated-labels.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["sample_key", "instrument", "relevance", "num_responses"])
        for row, column in np.argwhere(mask).tolist():
            writer.writerow([keys[row], CLASSES[column], relevance[row, column], 3])


def write_partitions(folder: Path, pattern: str = "split01_{}.csv") -> None:
    (folder / "partitions").mkdir()
    for split, keys in (("train", TRAIN_KEYS), ("test", TEST_KEYS)):
        (folder / "partitions" / pattern.format(split)).write_text("\n".join(keys) + "\n")


def write_metadata(folder: Path, keys: list[str]) -> None:
    lines = [f"{int(key[:6])},{n % 7},'name',\"a, b\nc\",{key}" for n, key in enumerate(keys)]
    head = "track_id,artist_id,artist_name,track_title,sample_key"
    (folder / "openmic-2018-metadata.csv").write_text("\n".join([head, *lines]) + "\n")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "openmic-2018"
    folder.mkdir()
    (folder / "class-map.json").write_text(json.dumps({n: i for i, n in enumerate(CLASSES)}))
    write_npz(folder)
    write_labels(folder, KEYS, RELEVANCE, MASK)
    write_partitions(folder)
    return tmp_path


def assert_whole(corpus: Corpus) -> None:
    """The corpus is what the module's constants say, cell by cell."""
    assert corpus.classes == CLASSES
    assert corpus.clip_ids.tolist() == KEYS
    assert corpus.split.tolist() == ["test" if key in TEST_KEYS else "train" for key in KEYS]
    np.testing.assert_array_equal(corpus.mask, MASK)
    for row, column in np.ndindex(*MASK.shape):
        present = MASK[row, column] and RELEVANCE[row, column] >= 0.5
        assert corpus.y[row, column] == float(present)
    np.testing.assert_allclose(corpus.x, CODES / 255, rtol=1e-6)
    assert (corpus.x.dtype, corpus.y.dtype, corpus.mask.dtype) == (np.float32, np.float32, bool)
    assert corpus.instance_seconds == 0.96
    assert check_corpus(corpus) is corpus


@pytest.mark.parametrize("labels", ["csv", "npz"])
def test_load_gives_what_was_written(root: Path, labels: str) -> None:
    assert_whole(OpenMIC(root, labels=labels).load())


def test_the_root_may_be_the_folder_itself(root: Path) -> None:
    assert_whole(OpenMIC(str(root / "openmic-2018")).load())


def test_npz_labels_need_no_csv(root: Path) -> None:
    (root / "openmic-2018" / "openmic-2018-aggregated-labels.csv").unlink()
    assert_whole(OpenMIC(root, labels="npz").load())


def test_partitions_may_have_the_name_of_the_readme(root: Path) -> None:
    for split in ("train", "test"):
        (root / "openmic-2018" / "partitions" / f"split01_{split}.csv").unlink()
    (root / "openmic-2018" / "partitions").rmdir()
    write_partitions(root / "openmic-2018", "{}01.txt")
    assert_whole(OpenMIC(root).load())


@pytest.mark.parametrize("labels", ["csv", "npz"])
def test_the_pickled_keys_are_never_executed(root: Path, labels: str) -> None:
    OpenMIC(root, labels=labels).load()
    assert not (root / "exploded").exists()
    with np.load(root / "openmic-2018" / "openmic-2018.npz", allow_pickle=True) as npz:
        assert npz["sample_key"].shape == (1,)
    assert (root / "exploded").exists()  # the bomb was live


def test_scalings_are_those_of_their_sources(root: Path) -> None:
    codes = np.resize(np.arange(256), CODES.shape)
    write_npz(root / "openmic-2018", X=codes)
    assert set(SCALINGS) == {"unit", "centred"}
    unit = OpenMIC(root).load().x
    np.testing.assert_array_equal(unit, codes.astype(np.float32) / np.float32(255))
    centred = OpenMIC(root, scaling="centred").load().x
    np.testing.assert_array_equal(centred, (codes - 128) / 256)  # exact in binary
    assert (unit.min(), unit.max()) == (0, 1)
    assert (centred.min(), centred.max()) == (-0.5, 127 / 256)


def test_threshold_counts_observed_cells_only(root: Path) -> None:
    corpus = OpenMIC(root, threshold=0.75).load()
    np.testing.assert_array_equal(corpus.y, ((RELEVANCE >= 0.75) & MASK).astype(np.float32))


def test_the_later_of_two_ratings_counts(root: Path) -> None:
    row, column = np.argwhere(MASK)[0]
    path = root / "openmic-2018" / "openmic-2018-aggregated-labels.csv"
    head, rest = path.read_text().split("\n", maxsplit=1)
    other = 1 - RELEVANCE[row, column] if RELEVANCE[row, column] != 0.5 else 0.0
    path.write_text(f"{head}\n{KEYS[row]},{CLASSES[column]},{other},3\n{rest}")
    assert_whole(OpenMIC(root).load())


def test_artists_are_groups(root: Path) -> None:
    assert OpenMIC(root).load().groups is None
    write_metadata(root / "openmic-2018", KEYS)
    groups = OpenMIC(root).load().groups
    assert groups is not None
    assert groups.tolist() == [str(n % 7) for n in range(NUM_CLIPS)]


def test_no_second_copy_of_the_bytes(root: Path) -> None:
    codes = np.zeros((NUM_CLIPS * 100, 10, 128), dtype=np.int64)
    folder = root / "openmic-2018"
    write_npz(folder, X=codes, Y_true=np.tile(RELEVANCE, (100, 1)), Y_mask=np.tile(MASK, (100, 1)))
    keys = [f"{n:06d}_0" for n in range(len(codes))]
    (folder / "partitions" / "split01_train.csv").write_text("\n".join(keys[:-9]))
    (folder / "partitions" / "split01_test.csv").write_text("\n".join(keys[-9:]))
    size = codes.nbytes
    del codes
    tracemalloc.start()
    corpus = OpenMIC(root, labels="npz").load()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert corpus.x.nbytes == size / 2
    assert peak < 1.5 * size + 6e6  # int64, float32, and the labels


def test_no_root_and_no_corpus_name_the_command(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"needs data\.root=DIR.*openmic --root DIR --download"):
        OpenMIC(None).load()
    absent = tmp_path / "absent"
    with pytest.raises(InputError, match=f"no openmic-2018 in {absent}.*--root {absent} --downl"):
        OpenMIC(absent).load()
    with pytest.raises(InputError, match=f"no openmic-2018 in {tmp_path}"):
        OpenMIC(tmp_path).load()


@pytest.mark.parametrize(
    "name",
    [
        "class-map.json",
        "openmic-2018.npz",
        "openmic-2018-aggregated-labels.csv",
        "partitions/split01_train.csv",
        "partitions/split01_test.csv",
    ],
)
def test_a_missing_file_is_named(root: Path, name: str) -> None:
    (root / "openmic-2018" / name).unlink()
    with pytest.raises(InputError, match=f"incomplete, it lacks {name}; move .*--root {root} --do"):
        OpenMIC(root).load()


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2 + 3])


def _damage(root: Path, how: str) -> None:
    folder = root / "openmic-2018"
    npz, labels = folder / "openmic-2018.npz", folder / "openmic-2018-aggregated-labels.csv"
    train, test = (folder / "partitions" / f"split01_{split}.csv" for split in ("train", "test"))
    match how:
        case "npz cut":
            _cut(npz)
        case "npz empty":
            npz.write_bytes(b"")
        case "npz a web page":
            npz.write_text("<html>log in</html>")
        case "npz flipped":
            content = bytearray(npz.read_bytes())
            content[1000] ^= 255
            npz.write_bytes(content)
        case "npz without labels":
            np.savez(npz, X=CODES)
        case "npz shorter":
            write_npz(folder, X=CODES[:-1])
        case "npz of floats":
            write_npz(folder, X=CODES / 255)
        case "npz not bytes":
            write_npz(folder, X=CODES - 128)
        case "npz with NaN":
            write_npz(folder, Y_true=np.where(MASK, np.nan, 0.5))
        case "npz of 19 classes":
            write_npz(folder, Y_true=RELEVANCE[:, :19], Y_mask=MASK[:, :19])
        case "rows in another order":
            write_npz(folder, Y_true=RELEVANCE[::-1], Y_mask=MASK[::-1])
        case "another relevance":
            write_labels(folder, KEYS, RELEVANCE * 0.9, MASK)
        case "a label less":
            labels.write_text(labels.read_text().rstrip("\n").rsplit("\n", maxsplit=1)[0] + "\n")
        case "csv cut":
            text = labels.read_text()
            labels.write_text(text[: text.index(",", len(text) // 2)])
        case "csv without its head":
            labels.write_text(labels.read_text().split("\n", maxsplit=1)[1])
        case "csv with a space":
            labels.write_text(labels.read_text().replace("mallet_percussion", "mallet percussion"))
        case "csv of another range":
            write_labels(folder, KEYS, RELEVANCE * 2 - 1, MASK)
        case "csv in UTF-16":
            labels.write_text(labels.read_text(), encoding="utf-16")
        case "class map cut":
            _cut(folder / "class-map.json")
        case "class map of another corpus":
            (folder / "class-map.json").write_text('{"piano": 0}')
        case "no train clip":
            train.write_text("\n")
        case "a clip in both":
            test.write_text(test.read_text() + TRAIN_KEYS[0] + "\n")
        case "a head":
            train.write_text("sample_key\n" + train.read_text())
        case "metadata cut":
            write_metadata(folder, KEYS[:20])
        case "metadata of another kind":
            (folder / "openmic-2018-metadata.csv").write_text("a,b\n1,2\n")


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        ("npz cut", "npz is damaged .*get the corpus again"),
        ("npz empty", "npz is damaged .*get the corpus again"),
        ("npz a web page", "npz is damaged .*get the corpus again"),
        ("npz flipped", "npz is damaged .*get the corpus again"),
        ("npz without labels", "npz is damaged .*Y_true"),
        ("npz shorter", "holds 29 clips where the partitions name 30"),
        ("npz of floats", r"X is float64 of shape \(30, 10, 128\), not integer"),
        ("npz not bytes", "X has values outside of 0 to 255"),
        ("npz with NaN", "Y_true has values outside of 0 to 1"),
        ("npz of 19 classes", r"Y_true is float64 of shape \(30, 19\)"),
        ("rows in another order", "disagree in .* labels"),
        ("another relevance", "disagree in .* labels"),
        ("a label less", f"disagree in 1 labels, .* of clip '{KEYS[-1]}'"),
        ("csv cut", "line .* has no known clip, .*None"),
        ("csv without its head", "no column 'instrument'"),
        ("csv with a space", "line .*'mallet percussion'"),
        ("csv of another range", r"relevance in \[0, 1\] but .*'-"),
        ("csv in UTF-16", "cannot be read"),
        ("class map cut", "class-map.json is damaged"),
        ("class map of another corpus", "class-map.json does not hold the 20 classes"),
        ("no train clip", "split01_train.csv is empty"),
        ("a clip in both", f"names clip '{TRAIN_KEYS[0]}', which is already used"),
        ("a head", "holds 30 clips where the partitions name 31"),
        ("metadata cut", f"no artist for 10 of 30 clips, '{KEYS[20]}'"),
        ("metadata of another kind", "no column 'artist_id'"),
    ],
)
def test_a_damaged_corpus_is_one_sentence(root: Path, how: str, sentence: str) -> None:
    _damage(root, how)
    with pytest.raises(InputError, match=sentence) as caught:
        OpenMIC(root).load()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"scaling": "/255"}, "scaling is unit or centred, not '/255'"),
        ({"labels": "json"}, "labels is csv or npz, not 'json'"),
        ({"threshold": 50}, r"threshold is a relevance in \(0, 1\], not 50"),
        ({"threshold": 0}, r"threshold is a relevance in \(0, 1\], not 0"),
    ],
)
def test_an_unknown_option_is_one_sentence(root: Path, options: dict, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        OpenMIC(root, **options).load()


def test_the_conf_makes_the_dataset(root: Path) -> None:
    conf = Path(__file__).parents[2] / "conf" / "dataset" / "openmic.yaml"
    config = OmegaConf.create({"data": {"root": str(root)}, "dataset": OmegaConf.load(conf)})
    dataset = instantiate(config.dataset)
    assert dataset == OpenMIC(str(root))  # the defaults of conf and code are the same
    dataset.prepare()
    assert_whole(dataset.load())


def test_audio_without_its_file_is_one_sentence(root: Path) -> None:
    with pytest.raises(
        InputError, match=f"'{KEYS[0]}' has no sound, .*{KEYS[0][:3]}/{KEYS[0]}.ogg"
    ):
        OpenMIC(root).audio(KEYS[0])


def test_show_counts_the_corpus(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    audio = root / "openmic-2018" / "audio" / KEYS[1][:3] / f"{KEYS[1]}.ogg"
    audio.parent.mkdir(parents=True)
    audio.touch()
    main(["--root", str(root)])
    out = capsys.readouterr().out
    train = np.isin(KEYS, TRAIN_KEYS)
    present = MASK & (RELEVANCE >= 0.5)
    for name, column in [("accordion", 0), ("voice", 19), ("all", slice(None))]:
        counts = [
            cells[rows][:, column].sum() for rows in (train, ~train) for cells in (MASK, present)
        ]
        (line,) = [line for line in out.splitlines() if name in line.split()]
        assert [int(word) for word in line.split() if word.isdigit()] == counts
    assert f"clips: {len(TRAIN_KEYS)} train, {len(TEST_KEYS)} test" in out
    assert "artists: unknown, openmic-2018-metadata.csv is missing" in out
    assert "audio: 1 of 30 clips" in out


def test_the_command_ends_with_2_and_one_line(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "musicssl.datasets.openmic", "--root", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert ended.stderr.startswith(f"error: there is no openmic-2018 in {tmp_path}; download it")
    assert ended.stderr.count("\n") == 1


@pytest.fixture
def published(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    """The synthetic corpus as an archive on a server of this machine."""
    folder = tmp_path_factory.mktemp("published")
    with tarfile.open(folder / "openmic.tgz", "w:gz") as tar:
        tar.add(root / "openmic-2018", "openmic-2018")
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        md5 = hashlib.md5((folder / "openmic.tgz").read_bytes()).hexdigest()
        yield Archive(f"http://127.0.0.1:{server.server_port}/openmic.tgz", md5)
        server.shutdown()
        thread.join()


def test_download_gets_the_corpus_once(
    published: Archive, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    new = tmp_path / "new"
    main(["--root", str(new), "--download"], published)
    assert_whole(OpenMIC(new).load())
    (new / "openmic.tgz").unlink()
    main(["--root", str(new), "--download"], published)
    assert capfd.readouterr().err.count("GET /openmic.tgz") == 1


def test_download_leaves_an_incomplete_folder_to_its_owner(
    published: Archive, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "openmic-2018" / "openmic-2018.npz").unlink()
    with pytest.raises(SystemExit, match="2"):
        main(["--root", str(root), "--download"], published)
    assert "lacks openmic-2018.npz; move the folder away" in capsys.readouterr().err
    assert not (root / "openmic-2018" / "openmic-2018.npz").exists()
    assert not (root / "openmic.tgz").exists()


def test_a_wrong_archive_ends_with_2(
    published: Archive, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = Archive(published.url, "0" * 32)
    with pytest.raises(SystemExit, match="2"):
        main(["--root", str(tmp_path / "new"), "--download"], wrong)
    assert "error: " in capsys.readouterr().err
    assert list((tmp_path / "new").iterdir()) == []


@pytest.fixture
def real(shared_data: Path) -> Path:
    return shared_data / "annotations" / "openmic-2018"


def test_classes_are_those_of_the_real_class_map(real: Path) -> None:
    class_map = json.loads((real / "class-map.json").read_text())
    assert sorted(class_map, key=class_map.__getitem__) == list(CLASSES)


def test_a_real_clip_is_heard(real: Path) -> None:
    sound, sample_rate = OpenMIC(real).audio("000046_3840")
    assert sample_rate == 16_000
    assert sound.shape == (160_000,)  # 10 s
    stereo, rate = soundfile.read(real / "audio" / "000" / "000046_3840.ogg")
    assert rate == 44_100
    expected = resample_poly(stereo.mean(axis=1), 160, 441)
    assert np.corrcoef(sound, expected)[0, 1] > 0.999


def test_the_real_folder_without_features_is_incomplete(real: Path) -> None:
    with pytest.raises(InputError, match=r"lacks openmic-2018\.npz, openmic-2018-aggregated-label"):
        OpenMIC(real).load()


def test_the_real_partitions_order_the_rows(real: Path, tmp_path: Path) -> None:
    folder = tmp_path / "openmic-2018"
    folder.mkdir()
    (folder / "partitions").symlink_to(real / "partitions")
    (folder / "class-map.json").symlink_to(real / "class-map.json")
    # What the authors' notebook prints of the real npz: row 40 is clip 000385_249600, of which only
    # column 5 is observed, at 0.15055.
    mask = np.zeros((20_000, 20), dtype=bool)
    mask[:, [2, 12]] = np.random.default_rng(0).random((20_000, 2)) < 0.5
    mask[40] = np.arange(20) == 5
    relevance = np.where(mask, 0.75, 0.5)
    relevance[40, 5] = 0.15055
    codes = np.zeros((20_000, 10, 128), dtype=np.int64)
    codes[40] = 51
    np.savez_compressed(folder / "openmic-2018.npz", X=codes, Y_true=relevance, Y_mask=mask)
    keys = sorted(
        key
        for split in ("train", "test")
        for key in (real / "partitions" / f"split01_{split}.csv").read_text().splitlines()
    )
    write_labels(folder, keys, relevance, mask)

    corpus = OpenMIC(tmp_path).load()

    assert len(corpus.indices("train")) == 14_915
    assert len(corpus.indices("test")) == 5_085
    assert len(set(corpus.clip_ids)) == 20_000
    assert corpus.clip_ids[40] == "000385_249600"
    assert corpus.x[40].tolist() == np.full((10, 128), np.float32(0.2)).tolist()
    assert corpus.mask[40].tolist() == [column == 5 for column in range(20)]
    assert corpus.y[40].sum() == 0
