import json
import tracemalloc
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hydra.utils import instantiate
from omegaconf import OmegaConf
from scipy.signal import resample_poly

from musicssl.audio.log_mel import LogMel
from musicssl.audio.waveform import Waveform
from musicssl.data.checks import check_corpus
from musicssl.data.corpus import Corpus
from musicssl.datasets.base.command import corpus_command
from musicssl.datasets.base.download import Archive
from musicssl.datasets.formats.openmic import SCALINGS
from musicssl.datasets.openmic import CLASSES, OpenMIC, OpenMICAudio, download, openmic
from musicssl.errors import InputError
from tests.support.openmic_folder import (
    CODES,
    KEYS,
    MASK,
    NUM_CLIPS,
    RELEVANCE,
    TEST_KEYS,
    TRAIN_KEYS,
    write_labels,
    write_metadata,
    write_npz,
    write_openmic,
    write_partitions,
)
from tests.support.publisher import Publisher, files_in

LOG_MEL = {"_target_": "musicssl.audio.log_mel.LogMel"}
WAVEFORM = {"_target_": "musicssl.audio.waveform.Waveform"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_openmic(tmp_path / "openmic-2018")
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
    with pytest.raises(InputError, match=f"{absent} is not a folder.*--root DIR --download"):
        OpenMIC(absent).load()
    with pytest.raises(InputError, match=f"{tmp_path} does not contain openmic"):
        OpenMIC(tmp_path).load()


def test_a_level_too_high_or_too_low_is_reported(root: Path) -> None:
    folder = root / "openmic-2018"
    with pytest.raises(InputError, match=rf"too low: .*; set data\.root={folder}"):
        OpenMIC(folder / "partitions").load()
    folder.rename(root / "copy")
    with pytest.raises(InputError, match=rf"too high: .*; set data\.root={root / 'copy'}"):
        OpenMIC(root).load()


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
    with pytest.raises(InputError, match=f"incomplete, it lacks {name}; move .*--root DIR --down"):
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
        case "csv a pointer":
            labels.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
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
        ("npz shorter", "has 29 clips, but the partitions have 30"),
        ("npz of floats", r"X is float64 of shape \(30, 10, 128\), not integer"),
        ("npz not bytes", "X has values outside of 0 to 255"),
        ("npz with NaN", "Y_true has values outside of 0 to 1"),
        ("npz of 19 classes", r"Y_true is float64 of shape \(30, 19\)"),
        ("rows in another order", r"are in another order than the partitions(?!.*dataset\.labels)"),
        ("another relevance", r"disagree in .* labels.*or use .* dataset\.labels=npz"),
        ("a label less", f"disagree in 1 labels, .* of clip '{KEYS[-1]}'"),
        ("csv cut", r"line \d+ of .* has [123] cells, not 4"),
        ("csv without its head", "no column 'sample_key'"),
        ("csv a pointer", "labels.csv is a git-LFS pointer"),
        ("csv with a space", "line .*'mallet percussion'"),
        ("csv of another range", r"relevance in \[0, 1\], got .*'-"),
        ("csv in UTF-16", "cannot be read"),
        ("class map cut", "class-map.json is damaged"),
        ("class map of another corpus", "class-map.json does not hold the 20 classes"),
        ("no train clip", "split01_train.csv is empty"),
        ("a clip in both", f"names clip '{TRAIN_KEYS[0]}', which is already used"),
        ("a head", "has 30 clips, but the partitions have 31"),
        ("metadata cut", f"no artist for 10 of 30 clips, the first is '{KEYS[20]}'"),
        ("metadata of another kind", "metadata.csv has no column 'sample_key'"),
    ],
)
def test_a_damaged_corpus_is_one_sentence(root: Path, how: str, sentence: str) -> None:
    _damage(root, how)
    with pytest.raises(InputError, match=sentence) as caught:
        OpenMIC(root).load()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("array", [np.array(7), CODES.astype("m8[s]")])
def test_an_array_of_another_kind_is_one_sentence(root: Path, array: np.ndarray) -> None:
    write_npz(root / "openmic-2018", X=array)
    with pytest.raises(InputError, match=r"X is .* of shape \(.*\), not"):
        OpenMIC(root).load()


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


def composed(root: Path, features: dict, *overrides: str) -> OpenMIC | OpenMICAudio:
    conf = OmegaConf.load(Path(__file__).parents[2] / "conf" / "dataset" / "openmic.yaml")
    dataset = OmegaConf.merge(conf, OmegaConf.from_dotlist(list(overrides)))
    data = {"root": str(root), "cache": str(root / "cache")}
    config = OmegaConf.create({"data": data, "features": features, "dataset": dataset})
    return instantiate(config.dataset)


def test_the_conf_makes_the_dataset(root: Path) -> None:
    dataset = composed(root, LOG_MEL)
    assert dataset == OpenMIC(str(root))  # the defaults of conf and code are the same
    dataset.prepare()
    assert_whole(dataset.load())


@pytest.mark.parametrize(
    ("features", "expected", "source"),
    [(WAVEFORM, Waveform(), "auto"), (WAVEFORM, Waveform(), "audio"), (LOG_MEL, LogMel(), "audio")],
)
def test_the_conf_makes_the_dataset_of_its_audio(
    root: Path, features: dict, expected: Waveform | LogMel, source: str
) -> None:
    cache = str(root / "cache")
    made = composed(root, features, f"source={source}")
    assert made == OpenMICAudio(str(root), features=expected, cache=cache)


def test_the_source_of_the_instances_is_a_choice(root: Path) -> None:
    assert openmic(root) == openmic(root, source="vggish", features=LogMel()) == OpenMIC(root)
    with pytest.raises(InputError, match=r"source=vggish has no sound.*encoder=att"):
        openmic(root, source="vggish", features=Waveform())
    with pytest.raises(InputError, match="source is auto, vggish or audio, not 'ogg'"):
        openmic(root, source="ogg")


def test_audio_without_its_file_is_one_sentence(root: Path) -> None:
    with pytest.raises(
        InputError, match=f"'{KEYS[0]}' has no sound, .*{KEYS[0][:3]}/{KEYS[0]}.ogg"
    ):
        OpenMIC(root).audio(KEYS[0])


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


@pytest.mark.slow
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


@pytest.fixture
def published(publisher: Publisher, tmp_path_factory: pytest.TempPathFactory) -> Archive:
    """The synthetic corpus, without audio, as an archive."""
    folder = tmp_path_factory.mktemp("corpus") / "openmic-2018"
    write_openmic(folder)
    members = {f"openmic-2018/{name}": data for name, data in files_in(folder).items()}
    return publisher.tar("openmic.tgz", members)


def test_download_gets_the_corpus_once(
    published: Archive, publisher: Publisher, tmp_path: Path
) -> None:
    download(tmp_path, published)
    assert OpenMIC(tmp_path).load().clip_ids.tolist() == KEYS
    (tmp_path / "openmic.tgz").unlink()
    download(tmp_path, published)
    assert publisher.requests == ["openmic.tgz"]


def command(root: Path, archive: Archive) -> int:
    arguments = ["--root", str(root), "--download", "--cache", str(root / "cache")]
    return corpus_command(OpenMICAudio, arguments, partial(download, archive=archive))


def test_download_leaves_an_incomplete_folder_to_its_owner(
    published: Archive, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_openmic(tmp_path / "openmic-2018")
    (tmp_path / "openmic-2018" / "openmic-2018.npz").unlink()
    with pytest.raises(SystemExit, match="2"):
        command(tmp_path, published)
    assert "lacks openmic-2018.npz; move the folder away" in capsys.readouterr().err
    assert not (tmp_path / "openmic-2018" / "openmic-2018.npz").exists()
    assert not (tmp_path / "openmic.tgz").exists()


def test_a_wrong_archive_ends_with_2(
    published: Archive, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = Archive(published.url, f"md5:{'0' * 32}")
    with pytest.raises(SystemExit, match="2"):
        command(tmp_path / "new", wrong)
    assert "error: " in capsys.readouterr().err
    assert list((tmp_path / "new").iterdir()) == []
