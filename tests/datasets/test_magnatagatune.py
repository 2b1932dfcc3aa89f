import csv
import gzip
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from musicssl.audio.log_mel import LogMel
from musicssl.audio.waveform import Waveform
from musicssl.data.checks import check_corpus
from musicssl.datasets.magnatagatune import (
    ALL,
    BROKEN,
    PARTS,
    TABLES,
    TOP50,
    MagnaTagATune,
    download,
    main,
)
from musicssl.errors import InputError
from tests.support.made_once import made_once
from tests.support.publisher import Publisher, files_in, zip_of

FEATURES = LogMel(sample_rate=8_000, num_mels=16, n_fft=512)
# clip_id: path without its ending, tags
CLIPS = {
    "2": ("f/ann-album-01-song_a-30-59", ["guitar", "rock", "eerie"]),
    "6": ("0/bob-album-02-song_b-0-29", ["classical", "violin"]),
    "7": ("0/bob-album-02-song_b-29-58", []),
    "9": ("b/cy-album-01-song_c-0-29", ["techno"]),
    "14": ("c/dee-album-01-song_d-0-29", ["eerie"]),
    "19": ("c/dee-album-03-song_e-0-29", ["guitar"]),
    "35644": (BROKEN[0], ["slow"]),
}
CLIP_FILES = {"0/a-0-29.mp3": b"a", "f/b-30-59.mp3": bytes(range(256))}


def write_table(path, clips):
    """Tabs and double quotes around everything, as the original."""
    rows = [["clip_id", *ALL, "mp3_path"]]
    for clip_id, (stem, tags) in clips.items():
        rows.append([clip_id, *("1" if tag in tags else "0" for tag in ALL), f"{stem}.mp3"])
    with path.open("w", newline="") as file:
        csv.writer(file, delimiter="\t", quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(rows)


def write_audio(folder, ending=".mp3"):
    for stem, _ in CLIPS.values():
        if stem not in BROKEN:
            path = folder / f"{stem}{ending}"
            path.parent.mkdir(parents=True, exist_ok=True)
            sine = 0.3 * np.sin(np.arange(2 * 16_000) / 9)
            soundfile.write(path, sine, 16_000)
    broken = folder / f"{BROKEN[0]}{ending}"
    broken.parent.mkdir(exist_ok=True)
    broken.touch()


def tables(root):
    root.mkdir(parents=True, exist_ok=True)
    write_table(root / "annotations_final.csv", CLIPS)
    return root


def write_corpus(folder):
    write_audio(tables(folder) / "mp3")


@pytest.fixture
def root(tmp_path):
    return made_once(write_corpus, tmp_path / "mtat")


@pytest.fixture
def make(root, tmp_path):
    def make_dataset(**settings):
        defaults = {"root": root, "cache": tmp_path / "cache", "features": FEATURES}
        return MagnaTagATune(**(defaults | {"num_workers": 1} | settings))

    return make_dataset


def test_the_corpus_is_what_the_table_says(make):
    corpus = check_corpus_but_for_constant_classes(make().load())
    assert corpus.classes == TOP50
    assert corpus.clip_ids.tolist() == [f"{stem}.mp3" for stem, _ in list(CLIPS.values())[:-1]]
    given = [{TOP50[column] for column in np.flatnonzero(row)} for row in corpus.y]
    assert given == [
        {"guitar", "rock"}, {"classical", "violin"}, set(), {"techno"}, set(), {"guitar"},
    ]  # fmt: skip
    assert corpus.mask.all()
    assert corpus.split.tolist() == ["test", "train", "train", "train", "val", "val"]
    assert corpus.groups.tolist() == [
        "f/ann-album-01-song_a",
        "0/bob-album-02-song_b",
        "0/bob-album-02-song_b",
        "b/cy-album-01-song_c",
        "c/dee-album-01-song_d",
        "c/dee-album-03-song_e",
    ]
    assert corpus.x.shape == (6, 2, 16)


def check_corpus_but_for_constant_classes(corpus):
    """Six clips cannot make all fifty classes learnable; all else is checked."""
    with pytest.raises(InputError, match="no training clip is of class"):
        check_corpus(corpus)
    return corpus


def test_untagged_clips_are_dropped_on_request(make):
    corpus = make(untagged="drop").load()
    assert corpus.clip_ids.tolist() == [f"{CLIPS[clip][0]}.mp3" for clip in ("2", "6", "9", "19")]
    assert corpus.mask.all()


def test_untagged_clips_become_unlabelled_in_train_and_go_elsewhere(make):
    corpus = make(untagged="unlabelled").load()
    assert corpus.split.tolist() == ["test", "train", "train", "train", "val"]
    assert corpus.mask.all(axis=1).tolist() == [True, True, False, True, True]
    assert not corpus.mask[2].any()


def test_what_is_untagged_depends_on_the_tags(make):
    assert len(make(untagged="drop", tags="all").load().clip_ids) == 5
    corpus = make(tags="all").load()
    assert corpus.y.shape == (6, 188)
    assert corpus.y[4, ALL.index("eerie")] == 1


def test_the_second_table_groups_clips_by_artist(make, root):
    (root / "clip_info_final.csv").write_text(
        'clip_id\ttrack_number\ttitle\tartist\tmp3_path\n"1"\t1\tno clip\t"Zoe"\t""\n'
        + "".join(f'"{c}"\t1\ta "b" c\t"{"AABBCCX"[i]}"\tx\n' for i, c in enumerate(CLIPS))
    )
    assert make().load().groups.tolist() == list("AABBCC")


@pytest.mark.parametrize(
    ("place", "ending"),
    [("mp3", ".mp3"), ("", ".mp3"), ("wav", ".wav"), ("flac", ".flac"), ("../audio", ".ogg")],
)
def test_recordings_are_found_where_users_put_them(tmp_path, place, ending):
    root = tables(tmp_path / "mtat")
    write_audio(root / place, ending)
    dataset = MagnaTagATune(root, Waveform(16_000), tmp_path / "cache", num_workers=1)
    corpus = dataset.load()
    assert corpus.clip_ids.tolist()[0] == f"{CLIPS['2'][0]}{ending}"
    assert dataset.folder.resolve() == (root / place).resolve()
    assert corpus.x.read(np.array([0]), np.array([8_000]), 100).shape == (1, 100)
    samples, rate = dataset.audio(str(corpus.clip_ids[0]))
    assert rate == 16_000
    assert abs(len(samples) - 32_000) < 3_000  # an MP3 encoder pads


def test_recordings_may_be_anywhere(tmp_path):
    root = tables(tmp_path / "mtat")
    write_audio(root / "mp3")
    write_audio(tmp_path / "disk", ".wav")
    dataset = MagnaTagATune(
        root, Waveform(), tmp_path / "cache", num_workers=1,
        audio_root=tmp_path / "disk", ending=".wav",
    )  # fmt: skip
    assert dataset.load().x.lengths.tolist() == [32_000] * 6


def test_the_folder_above_will_do(make, tmp_path):
    assert make(root=tmp_path).load().clip_ids.tolist() == make().load().clip_ids.tolist()


def test_a_missing_recording_is_reported_or_left_out(make, root):
    (root / "mp3" / f"{CLIPS['9'][0]}.mp3").unlink()
    with pytest.raises(InputError, match=r"1 of 6 files .* b/cy-album-01-song_c-0-29\.mp3 is miss"):
        make().load()
    assert len(make(unreadable="skip").load().clip_ids) == 5


def test_the_command_shows_what_is_found(root, tmp_path, capsys):
    (root / "mp3" / f"{CLIPS['9'][0]}.mp3").unlink()
    (root / "mp3" / f"{CLIPS['6'][0]}.mp3").write_bytes(b"RIFF")
    (root / "mp3" / "0" / "nobody-album-01-song-0-29.mp3").touch()
    arguments = ["--root", str(root), "--cache", str(tmp_path / "c"), "--num-workers", "1"]
    assert main(arguments) == 0
    shown = capsys.readouterr().out
    assert "4 clips: 1 train, 2 val, 1 test" in shown
    assert "left out because they are broken or wrong: 3" in shown
    assert f"{BROKEN[0]}.mp3 is empty in the archive" in shown
    assert "annotated but missing: 1\n  b/cy-album-01-song_c-0-29.mp3 is missing" in shown
    assert "cannot be decoded: 1\n  0/bob-album-02-song_b-0-29.mp3" in shown
    assert "other audio files, not used: 1" in shown


def test_the_command_takes_the_options(root, tmp_path, capsys):
    arguments = ["--root", str(root), "--cache", str(tmp_path / "c"), "--num-workers", "1"]
    assert main([*arguments, "--untagged", "drop", "--audio-root", "mp3", "--tags", "all"]) == 0
    assert "5 clips: 2 train, 2 val, 1 test" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"root": None}, r"needs data\.root=DIR"),
        ({"tags": "top-50"}, r"dataset\.tags must be top50 or all, got 'top-50'"),
        ({"untagged": "zero"}, r"dataset\.untagged must be one of keep, drop, unlabelled"),
        ({"audio_root": "mp4"}, r"mp4 is not a folder; set dataset\.audio_root"),
        ({"ending": "wav"}, r"dataset\.ending must start with a dot, such as \.wav, got 'wav'"),
        ({"ending": ".wav"}, r"none of the 6 recordings .* not even f/ann-.*\.wav; put the audio"),
    ],
)
def test_a_wrong_setting_is_reported(make, settings, message):
    with pytest.raises(InputError, match=message):
        make(**settings).load()


def test_a_root_one_level_off_is_reported(make, root, tmp_path):
    with pytest.raises(InputError, match="mp3 is one level too low"):
        make(root=root / "mp3").load()
    root.rename(tmp_path / "tagatune")
    with pytest.raises(InputError, match=r"one level too high: magnatagatune is in .*tagatune"):
        make(root=tmp_path).load()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"6"\t"0"\t', '"6"\t"2"\t', r"line 3 of .*annotations_final\.csv is not a clip, 188 tags"),
        ('"6"\t"0"\t', '"6"\t', r"line 3 of .*annotations_final\.csv is not a clip"),
        ("0/bob-album-02-song_b-0-29", "bob-song-0-29", r"line 3 of .* is not a clip"),
        ("c/dee", "z/dee", r"line 6 of .* is not a clip"),
        ('"eerie"', '"spooky"', "has no column 'eerie' in its first line"),
        ("\t", ",", "has no column 'clip_id' in its first line"),
        ('"clip_id"', "version https://git-lfs.github.com/spec/v1\n", "is a git-LFS pointer"),
    ],
)
def test_a_malformed_table_is_reported(make, root, old, new, message):
    table = root / "annotations_final.csv"
    assert old in table.read_text()
    table.write_text(table.read_text().replace(old, new))
    with pytest.raises(InputError, match=message):
        make(tags="all").load()


def test_a_table_without_clips_is_reported(make, root):
    write_table(root / "annotations_final.csv", {})
    with pytest.raises(InputError, match=r"annotations_final\.csv names no clip"):
        make().load()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("clip_id\tartist\n2\tAnn\n", r"names no artist for 6 of 7 clips, 6 being the first"),
        ("clip_id\tartist\n2\n", r"line 2 of .*clip_info_final\.csv has 1 cells, not 2"),
        ("clip_id,artist\n", "has no column 'clip_id'"),
    ],
)
def test_a_malformed_table_of_artists_is_reported(make, root, content, message):
    (root / "clip_info_final.csv").write_text(content)
    with pytest.raises(InputError, match=message):
        make().load()


@pytest.fixture(scope="module")
def real(shared_data, tmp_path_factory):
    """The whole corpus without its sound: the tables are written from the real annotations."""
    annotations = shared_data / "annotations" / "mtat"
    root = tmp_path_factory.mktemp("real")
    with gzip.open(annotations / "all_25863_tags.tsv.gz", "rt") as file:
        rows = [line.rstrip("\n").split("\t") for line in file]
    clips = {row[0]: (row[1].removesuffix(".mp3"), row[2].split("|")) for row in rows}
    write_table(root / "annotations_final.csv", clips)
    (root / "mp3" / "0").mkdir(parents=True)
    return annotations, root


@pytest.fixture(scope="module")
def kept(real):
    return MagnaTagATune(real[1]).annotations()


def real_annotations(root, **options):
    return MagnaTagATune(root, **options).annotations()


def sizes(annotations):
    return [int((annotations.split == split).sum()) for split in ("train", "val", "test")]


def paths_of(annotations, split):
    return {p for p, s in zip(annotations.paths, annotations.split, strict=True) if s == split}


def test_real_class_orders_are_those_of_the_field(real):
    annotations, _ = real
    labels = (annotations / "musicnn_output_labels_mtt.txt").read_text()
    assert list(TOP50) == json.loads(labels.split("=")[1].replace("'", '"'))
    assert list(TOP50) == np.load(annotations / "marble_tags.npy").tolist()
    assert list(ALL) == (annotations / "tags188_column_order.txt").read_text().splitlines()


def test_real_clips_without_tags_kept(real, kept):
    annotations, _ = real
    assert sizes(kept) == [18_706, 1_825, 5_329]
    assert kept.mask.all()
    broken = {f"{stem}.mp3" for stem in BROKEN}
    assert set(kept.left_out) == broken
    for split, name in (("train", "train"), ("val", "valid"), ("test", "test")):
        marble = (annotations / f"marble_{name}.tsv").read_text().splitlines()
        assert paths_of(kept, split) == {line.split("\t")[1] for line in marble} - broken


def test_real_targets_are_those_of_musicnn(real, kept):
    annotations, _ = real
    with gzip.open(annotations / "all_25863_tags.tsv.gz", "rt") as file:
        id_of = {path: clip for clip, path, _ in (line.split("\t") for line in file)}
    row_of = {id_of[path]: row for row, path in enumerate(kept.paths)}
    for name, count in (("val", 1_825), ("test", 5_329)):
        lines = (annotations / f"musicnn_{name}_gt_mtt.tsv").read_text().splitlines()
        pairs = [line.split("\t") for line in lines]
        expected = np.array([json.loads(vector) for _, vector in pairs])
        assert len(expected) == count
        np.testing.assert_array_equal(kept.y[[row_of[clip] for clip, _ in pairs]], expected)
    assert kept.y.sum(axis=0)[TOP50.index("guitar")] == kept.y.sum(axis=0).max()


def test_real_clips_without_tags_dropped(real):
    annotations, root = real
    found = real_annotations(root, untagged="drop")
    assert sizes(found) == [15_247, 1_529, 4_332]
    for split, name, shorter in (("train", "train", 3), ("val", "valid", 0), ("test", "test", 0)):
        pickled = (annotations / f"jongpillee_{name}_list_pub.cP").read_text().splitlines()
        listed = {
            Path(line.split("'")[1]).with_suffix(".mp3").as_posix()
            for line in pickled
            if line.endswith(".npy'")
        }
        assert listed <= paths_of(found, split)
        assert len(paths_of(found, split) - listed) == shorter  # clips of less than 29.1 s


def test_real_clips_without_tags_unlabelled(real):
    _, root = real
    found = real_annotations(root, untagged="unlabelled")
    assert sizes(found) == [18_706, 1_529, 4_332]
    unlabelled = ~found.mask.any(axis=1)
    assert unlabelled.sum() == 3_459
    assert set(found.split[unlabelled]) == {"train"}


def test_real_clips_with_any_of_all_tags(real):
    _, root = real
    found = real_annotations(root, tags="all", untagged="drop")
    assert sizes(found) == [15_626, 1_551, 4_462]  # three more train in the table: the broken ones
    assert found.y.sum(axis=0).min() >= 1


def test_real_songs_and_artists(real, kept):
    annotations, root = real
    assert kept.groups.tolist() == [path.rsplit("-", 2)[0] for path in kept.paths]
    assert len(np.unique(kept.groups)) == 5_405
    in_split = [set(kept.groups[kept.split == split]) for split in ("train", "val", "test")]
    assert not in_split[0] & in_split[1] | in_split[0] & in_split[2] | in_split[1] & in_split[2]
    with gzip.open(annotations / "jukemir_magnatagatune.json.gz", "rt") as file:
        info = [clip["extra"] for clip in json.load(file).values()]
    with (root / "clip_info_final.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(info[0]), delimiter="\t", quoting=csv.QUOTE_ALL)
        writer.writeheader()
        writer.writerows(info)
    artists = real_annotations(root)
    (root / "clip_info_final.csv").unlink()
    assert len(info) == 31_382
    assert len(np.unique(artists.groups)) == 230
    shared = [set(artists.groups[artists.split == split]) for split in ("train", "val", "test")]
    assert len(shared[0] & shared[1] | shared[0] & shared[2] | shared[1] & shared[2]) == 56


def test_the_real_rows_at_hand_read_the_same(real):
    annotations, root = real
    whole = real_annotations(root, tags="all")
    targets = dict(zip(whole.paths, whole.y, strict=True))
    folder = root / "subset"
    folder.mkdir()
    source = annotations / "annotations_final.reconstructed_subset.csv"
    (folder / "annotations_final.csv").symlink_to(source)
    subset = real_annotations(folder, tags="all")
    assert len(subset.paths) == 960
    np.testing.assert_array_equal(subset.y, [targets[path] for path in subset.paths])


def test_the_parts_become_a_folder_of_clips(publisher: Publisher, tmp_path: Path) -> None:
    whole = zip_of(CLIP_FILES)
    cuts = (whole[:100], whole[100:150], whole[150:])
    parts = [publisher.file(f"mp3.zip.00{n}", cut, "sha256") for n, cut in enumerate(cuts, 1)]
    tables = [publisher.file("annotations_final.csv", b'"clip_id"\n', "sha256")]
    download(tmp_path, tables, parts)
    folder = tmp_path / "magnatagatune"
    assert (folder / "mp3.zip").read_bytes() == whole
    (folder / "mp3.zip").unlink()
    clips = {f"mp3/{name}": data for name, data in CLIP_FILES.items()}
    assert files_in(folder) == {"annotations_final.csv": b'"clip_id"\n', **clips}
    download(tmp_path, tables, parts)
    assert len(publisher.requests) == 4


def test_the_files_are_those_that_jukemir_verified(shared_data: Path) -> None:
    file = shared_data / "annotations" / "mtat" / "jukemir_assets_magnatagatune.json"
    assets = {Path(asset["url"]).name: asset for asset in json.loads(file.read_text()).values()}
    for archive in (*TABLES, *PARTS):
        assert archive.checksum == f"sha256:{assets[archive.name]['checksum']}"
