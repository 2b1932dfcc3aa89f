import csv
import hashlib
from collections import Counter
from functools import cache

import numpy as np
import pytest
import yaml

from musicssl.audio.log_mel import LogMel
from musicssl.audio.waveform import Waveform
from musicssl.datasets.medleydb import (
    BLEEDING_STEMS,
    CLASSES,
    EXCLUDED,
    UNNAMED,
    MedleyDB,
    main,
)
from musicssl.errors import InputError
from tests.support.medleydb_folder import METADATA, song_metadata, write_audio, write_package

FEATURES = LogMel(sample_rate=8_000, num_mels=16, n_fft=512)


@pytest.fixture(scope="session")
def repository(shared_data):
    return shared_data / "annotations" / "medleydb"


@pytest.fixture(scope="session")
def real(repository, tmp_path_factory):
    folder = tmp_path_factory.mktemp("real") / "MedleyDB"
    (folder / "Audio").mkdir(parents=True)
    (folder.parent / "medleydb").symlink_to(repository)

    @cache
    def annotations(**settings):
        return MedleyDB(root=folder, **settings).annotations()

    return annotations


@pytest.fixture(scope="session")
def songs(repository):
    """The metadata of V1 and of V2, by song."""
    package = repository / "medleydb"
    return {
        version: {
            song: yaml.load(
                (package / f"data/Metadata/{song}_METADATA.yaml").read_text(), yaml.CSafeLoader
            )
            for song in (package / f"resources/tracklist_{version}.txt").read_text().split()
        }
        for version in ("v1", "v2")
    }


def counted(annotations):
    counts = annotations.y.sum(axis=0).astype(int).tolist()
    return dict(zip(annotations.classes, counts, strict=True))


def hashed(text):
    return int(hashlib.sha1(text.encode()).hexdigest(), 16)


def song_of(path):
    return path.split("/")[1]


def test_the_classes_are_the_twenty_most_frequent_instruments(songs):
    stems = Counter(
        stem["instrument"]
        for version in songs.values()
        for song in version.values()
        for stem in song["stems"].values()
    )
    assert (len(stems), stems.total()) == (84, 1284)
    named = sorted((-count, name) for name, count in stems.items() if name not in EXCLUDED)
    assert tuple(name for _, name in named[:20]) == CLASSES
    assert named[19][0] < named[20][0]  # no tie decides who is in


def test_real_stems(real, songs):
    annotations = real()
    assert annotations.task == "multi_class"
    assert annotations.y.sum(axis=1).tolist() == [1] * 888
    assert len(annotations.left_out) == 1284 - 888
    assert counted(annotations)["drum set"] == 107
    assert counted(annotations)["viola"] == 16
    causes = Counter(annotations.left_out.values())
    assert causes["is labelled 'Main System', which names no instrument"] == 50
    assert causes["is labelled 'fx/processed sound', which names no instrument"] == 43
    assert causes["is labelled 'bassoon', which is too rare to be a class"] == 14
    for path, y in zip(annotations.paths, annotations.y, strict=True):
        song, file = song_of(path), path.split("/")[3]
        metadata = songs["v1"].get(song) or songs["v2"][song]
        number = "S" + file.removesuffix(".wav").rpartition("_")[2]
        assert path == f"Audio/{song}/{song}_STEMS/{song}_STEM_{number[1:]}.wav"
        assert metadata["stems"][number]["instrument"] == CLASSES[int(y.argmax())]


def test_real_splits_keep_artists_together_and_each_class_on_both_sides(real):
    stems, mixes = real(), real(what="mixes")
    for annotations in (stems, mixes):
        tests = annotations.split == "test"
        assert not set(annotations.groups[tests]) & set(annotations.groups[~tests])
    of_mix = {song_of(p): s for p, s in zip(mixes.paths, mixes.split, strict=True)}
    assert all(of_mix[song_of(p)] == s for p, s in zip(stems.paths, stems.split, strict=True))
    shares = []
    for number in range(18):  # what the docstring says of the salt: the last is the first that fits
        tests = [hashed(f"medleydb-{number}:{artist}") % 10 < 2 for artist in stems.groups]
        shares.append(stems.y[tests].sum(axis=0) / stems.y.sum(axis=0))
    assert [share.min() > 1 / 20 and share.max() < 1 / 2 for share in shares] == [False] * 17 + [
        True
    ]
    assert tests == (stems.split == "test").tolist()
    assert ((mixes.split == "test").sum(), len(mixes.split)) == (33, 196)


def test_real_versions(real, songs):
    for version, count in (("v1", 122), ("v2", 74)):
        paths = real(what="mixes", versions=version).paths
        assert len(paths) == count
        assert {song_of(path) for path in paths} == set(songs[version])


def test_real_bleed(real, songs, repository):
    bleeding = [
        song
        for version in songs.values()
        for song, metadata in version.items()
        if metadata["has_bleed"] == "yes"
    ]
    assert len(bleeding) == 28 + 52
    mixes = real(what="mixes", bleed="leave_out")
    assert {song_of(path) for path in mixes.left_out} == set(bleeding)
    assert len(mixes.paths) == 196 - 80
    stems = real(bleed="leave_out")
    assert not {song_of(path) for path in stems.paths} & set(bleeding)
    assert not {path.split("/")[3] for path in stems.paths} & set(BLEEDING_STEMS)
    errata = (repository / "ERRATA.md").read_text().splitlines()
    first = [line.split("`")[1] for line in errata if "STEM" in line and line.endswith("| 1 |")]
    assert tuple(first) == BLEEDING_STEMS


def test_in_real_mixes_the_possible_content_of_unnamed_stems_is_not_observed(real, songs):
    annotations = real(what="mixes")
    assert annotations.task == "multi_label"
    assert counted(annotations)["drum set"] == 106
    assert counted(annotations)["tabla"] == 11
    observed = annotations.mask.all(axis=1)
    assert (~observed).sum() == 69
    for row, path in enumerate(annotations.paths):
        metadata = songs["v1"].get(song_of(path)) or songs["v2"][song_of(path)]
        names = {stem["instrument"] for stem in metadata["stems"].values()}
        assert observed[row] == (not names & set(UNNAMED))
        present = [name in names for name in CLASSES]
        assert annotations.y[row].tolist() == present
        if not observed[row]:
            assert annotations.mask[row].tolist() == present


@pytest.mark.parametrize("threshold", [0.3, 0.5])
@pytest.mark.parametrize("kind", ["original", "v2"])
def test_real_confidences_say_which_seconds_are_active(real, songs, repository, kind, threshold):
    annotations = real(what="mixes", activity=kind, threshold=threshold)
    assert len(annotations.paths) == 3
    assert len(annotations.left_out) == 193
    for path, active in zip(annotations.paths, annotations.activity, strict=True):
        song = song_of(path)
        folder = repository / "medleydb/data/Annotations/Activation_Confidence" / kind
        stems = songs["v1"][song]["stems"]
        expected = set()
        with (folder / f"{song}_ACTIVATION_CONF.lab").open() as file:
            for frame in csv.DictReader(file):
                second = int(float(frame.pop("time")))
                for stem, confidence in frame.items():
                    name = stems[stem]["instrument"]
                    if float(confidence) >= threshold and name in CLASSES:
                        expected.add((second, CLASSES.index(name)))
        assert {(int(t), int(c)) for t, c in np.argwhere(active)} == expected
    assert (annotations.activity.any(axis=1) <= (annotations.y > 0)).all()


def test_real_source_ids_say_which_seconds_are_active(real, songs, repository):
    annotations = real(what="mixes", activity="source_id")
    assert {song_of(path) for path in annotations.paths} == set(songs["v1"])
    assert {song_of(path) for path in annotations.left_out} == set(songs["v2"])
    assert annotations.activity.shape == (122, 1053, 20)
    assert (annotations.activity.any(axis=1) <= (annotations.y > 0)).all()
    row = [song_of(path) for path in annotations.paths].index("AClassicEducation_NightOwl")
    bass = annotations.activity[row, :, CLASSES.index("electric bass")]
    # 0.7430 to 18.9475, 19.8763 to 37.8950, 38.9631 to 57.0746, 58.3285 to 167.7410 s
    assert np.flatnonzero(bass).tolist() == [*range(58), *range(58, 168)]


@pytest.mark.parametrize("kind", ["original", "v2"])
def test_real_confidences_and_source_ids_agree(real, kind):
    frames = real(what="mixes", activity=kind)
    intervals = real(what="mixes", activity="source_id")
    rows = [intervals.paths.index(path) for path in frames.paths]
    length = frames.activity.shape[1]
    np.testing.assert_array_equal(intervals.activity[rows, :length], frames.activity)
    assert not intervals.activity[rows, length:].any()


@pytest.fixture
def package(tmp_path):
    package = tmp_path / "data" / "medleydb" / "medleydb"
    write_package(package)
    return package


@pytest.fixture
def root(package):
    folder = package.parents[1] / "MedleyDB"
    for song, (_, instruments) in METADATA.items():
        write_audio(folder / "Audio" / song, song, len(instruments))
    return folder


@pytest.fixture
def make(root, tmp_path):
    def make_corpus(**settings):
        defaults = {"root": root, "cache": tmp_path / "cache", "num_workers": 1}
        return MedleyDB(**(defaults | {"features": FEATURES} | settings))

    return make_corpus


def test_a_corpus_of_stems(make):
    corpus = make().load()
    found = {
        clip.rpartition("/")[2]: CLASSES[int(row.argmax())]
        for clip, row in zip(corpus.clip_ids, corpus.y, strict=True)
    }
    assert found == {
        "Ann_One_STEM_01.wav": "drum set",
        "Ann_One_STEM_02.wav": "electric bass",
        "Ann_One_STEM_03.wav": "drum set",
        "Ann_Two_STEM_01.wav": "piano",
        "Bob_Red_STEM_01.wav": "electric bass",
    }
    assert corpus.task == "multi_class"
    assert corpus.activity is None
    assert sorted(corpus.groups) == ["Ann"] * 4 + ["Bob"]
    assert make().annotations().left_out == {
        "Audio/Ann_One/Ann_One_STEMS/Ann_One_STEM_04.wav": (
            "is labelled 'Main System', which names no instrument"
        ),
        "Audio/Ann_Two/Ann_Two_STEMS/Ann_Two_STEM_02.wav": (
            "is labelled 'oboe', which is too rare to be a class"
        ),
    }


def test_a_corpus_of_sound(make):
    corpus = make(features=Waveform(8_000), what="mixes").load()
    assert corpus.clip_ids.tolist() == [
        "Audio/Ann_One/Ann_One_MIX.wav",
        "Audio/Ann_Two/Ann_Two_MIX.wav",
        "Audio/Bob_Red/Bob_Red_MIX.wav",
    ]
    assert corpus.x.lengths.tolist() == [25_600] * 3
    assert corpus.task == "multi_label"


def test_activity_fits_the_instances_of_a_mix(make):
    corpus = make(what="mixes", activity="v2").load()
    assert corpus.clip_ids.tolist() == ["Audio/Ann_One/Ann_One_MIX.wav"]
    seconds = corpus.x.shape[1]
    assert corpus.activity.shape == (1, seconds, 20)
    active = {(int(t), CLASSES[c]) for t, c in np.argwhere(corpus.activity[0])}
    assert active == {(0, "electric bass"), (1, "drum set"), (2, "drum set")}
    assert corpus.instance_seconds == 1.0


def test_intervals_of_instruments_without_a_stem_are_skipped(make):
    annotations = make(what="mixes", activity="source_id").annotations()
    active = {(int(t), CLASSES[c]) for t, c in np.argwhere(annotations.activity[0])}
    assert active == {(0, "drum set"), (1, "drum set"), (2, "electric bass")}
    assert (
        list(annotations.left_out.values())
        == ["has no activity annotation of the kind source_id"] * 2
    )


@pytest.mark.parametrize(
    "places",
    [
        ("Audio", "Audio"),
        ("V1", "V2"),
        ("MedleyDB_V1/V1", "MedleyDB_V2/V2"),
    ],
)
def test_songs_are_found_in_each_layout(make, root, places):
    aside = (root / "Audio").rename(root / "aside")
    for song, base in (("Ann_One", 0), ("Ann_Two", 0), ("Bob_Red", 1)):
        (root / places[base]).mkdir(parents=True, exist_ok=True)
        (aside / song).rename(root / places[base] / song)
    corpus = make(what="mixes").load()
    assert corpus.clip_ids.tolist() == [
        f"{places[0]}/Ann_One/Ann_One_MIX.wav",
        f"{places[0]}/Ann_Two/Ann_Two_MIX.wav",
        f"{places[1]}/Bob_Red/Bob_Red_MIX.wav",
    ]


def test_the_repository_is_found_in_the_corpus_beside_it_or_where_it_is_said_to_be(
    make, root, package, tmp_path
):
    expected = make().annotations().paths
    repository = package.parent.rename(root / "medleydb")
    assert make().annotations().paths == expected
    repository = repository.rename(tmp_path / "elsewhere")
    for metadata in (repository, repository / "medleydb", repository / "medleydb" / "data"):
        assert make(metadata=str(metadata)).annotations().paths == expected
    with pytest.raises(InputError, match=r"no data/Metadata of .* is in .*dataset\.metadata=DIR"):
        make().annotations()


def test_bleeding_stems_are_left_out_on_request(make, package):
    metadata = song_metadata("LizNelson_ImComingHome", "no", ["piano", "vocalists"])
    path = package / "data/Metadata/LizNelson_ImComingHome_METADATA.yaml"
    path.write_text(yaml.safe_dump(metadata))
    (package / "resources/tracklist_v1.txt").write_text("Ann_Two\nLizNelson_ImComingHome\n")
    annotations = make(bleed="leave_out", versions="v1").annotations()
    assert [path.rpartition("/")[2] for path in annotations.paths] == [
        "LizNelson_ImComingHome_STEM_01.wav"
    ]
    bleeding = [path for path, cause in annotations.left_out.items() if cause == "bleeds"]
    assert [path.rpartition("/")[2] for path in bleeding] == [
        "Ann_Two_STEM_01.wav",
        "LizNelson_ImComingHome_STEM_02.wav",
    ]


def test_the_command_has_the_options_and_counts(root, tmp_path, capsys):
    (root / "Audio/Bob_Red/Bob_Red_MIX.wav").unlink()
    arguments = ["--root", str(root), "--cache", str(tmp_path / "c"), "--num-workers", "1"]
    assert main([*arguments, "--what", "mixes", "--sample-rate", "8000"]) == 0
    shown = capsys.readouterr().out
    assert "2 clips: " in shown
    assert "annotated but missing: 1" in shown
    assert "Audio/Bob_Red/Bob_Red_MIX.wav is missing" in shown
    assert "other audio files, not used: 7" in shown  # the stems


def test_a_root_a_level_off_is_reported(make, root, tmp_path):
    with pytest.raises(InputError, match=f"one level too low.*data.root={root}"):
        make(root=root / "Audio").load()
    above = root.rename(tmp_path / "data" / "mine").parent
    with pytest.raises(InputError, match=r"one level too high.*mine"):
        make(root=above).load()


def test_a_missing_recording_stops_the_run(make, root):
    (root / "Audio/Ann_One/Ann_One_MIX.wav").unlink()
    with pytest.raises(InputError, match=r"1 of 3 files .*Ann_One_MIX\.wav is missing"):
        make(what="mixes").load()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"what": "raw"}, "dataset.what must be one of stems, mixes, got 'raw'"),
        ({"versions": "v3"}, "dataset.versions must be one of v1, v2, all, got 'v3'"),
        ({"bleed": "no"}, "dataset.bleed must be one of keep, leave_out"),
        ({"activity": "v1"}, "dataset.activity must be one of none, original, v2, source_id"),
        ({"activity": "v2"}, r"only mixes have activity; set dataset\.what=mixes"),
        ({"threshold": 1.0}, r"dataset\.threshold must be above 0 and below 1, got 1\."),
        ({"what": "mixes", "activity": "original"}, "no mix of medleydb is left with"),
        (
            {"what": "mixes", "activity": "source_id", "versions": "v2"},
            "no mix of medleydb is left with",
        ),
    ],
)
def test_wrong_options_are_reported(make, settings, message):
    with pytest.raises(InputError, match=message):
        make(**settings).annotations()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("has_bleed: 'no'", "has_bleed: no", r"has_bleed must be 'yes' or 'no', not False"),
        ("stems:", "steams:", r"Ann_One_METADATA\.yaml is malformed \('stems'\)"),
        ("stems:", "stems: [", r"Ann_One_METADATA\.yaml is malformed \(while parsing"),
        ("stems:", "stems: " + "[" * 10**5 + "]" * 10**5, "its sections are nested too deeply"),
        ("stems:", "a: &a [x]\nb: [*a, *a]\nstems:", r"malformed \(it has YAML aliases"),
        ("instrument: electric bass", "instrument: [a, b]", r"of S02 must be one name, not \['a'"),
        ("has_bleed", "version https://git-lfs.github.com/spec/v1\nx", "is a git-LFS pointer"),
    ],
)
def test_malformed_metadata_is_reported_in_one_line(make, package, old, new, message):
    path = package / "data/Metadata/Ann_One_METADATA.yaml"
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(InputError, match=message) as caught:
        make().annotations()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["../Ann_One", "Ann\0One"])
def test_a_list_that_names_no_song_is_refused(make, package, name):
    (package / "resources/tracklist_v2.txt").write_text(name)
    with pytest.raises(InputError, match=r"resources lists '.*', which is no song"):
        make().annotations()


@pytest.mark.parametrize(
    ("name", "message"),
    [("../../../x.wav", r"name Audio/.*x\.wav, which is not below"), ("x" * 300, "x is missing")],
)
def test_a_recording_elsewhere_or_that_cannot_be_is_refused(make, package, name, message):
    path = package / "data/Metadata/Ann_One_METADATA.yaml"
    path.write_text(path.read_text().replace("Ann_One_MIX.wav", name))
    with pytest.raises(InputError, match=message):
        make(what="mixes").load()


def test_a_listed_song_without_metadata_is_reported(make, package):
    (package / "data/Metadata/Bob_Red_METADATA.yaml").unlink()
    with pytest.raises(InputError, match=r"Bob_Red_METADATA\.yaml is missing; put it there"):
        make().annotations()


@pytest.mark.parametrize(
    ("kind", "file"),
    [
        ("v2", "Activation_Confidence/v2/Ann_One_ACTIVATION_CONF.lab"),
        ("source_id", "Source_ID/Ann_One_SOURCEID.lab"),
    ],
)
def test_malformed_activity_is_reported(make, package, kind, file):
    (package / "data/Annotations" / file).write_text("1,2,3\n")
    with pytest.raises(InputError, match=rf"{file} .*; get the annotations again from https"):
        make(what="mixes", activity=kind).annotations()


def test_the_possible_content_of_an_unnamed_stem_is_not_observed(make):
    """Ann_One has a stem "Main System": what its other stems name is there, the rest is unknown."""
    annotations = make(what="mixes").annotations()
    for path, y, mask in zip(annotations.paths, annotations.y, annotations.mask, strict=True):
        if song_of(path) == "Ann_One":
            assert mask.tolist() == (y > 0).tolist()
        else:
            assert mask.all()
    assert {song_of(path) for path in annotations.paths} == set(METADATA)
