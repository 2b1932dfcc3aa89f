"""A small MedleyDB as its authors ship it: their repository, and recordings beside it."""

import numpy as np
import soundfile
import yaml

METADATA = {
    "Ann_One": ("no", ["drum set", "electric bass", "drum set", "Main System"]),
    "Ann_Two": ("yes", ["piano", "oboe"]),
    "Bob_Red": ("no", ["electric bass"]),
}


def song_metadata(song, has_bleed, instruments):
    stems = {
        f"S{n:02d}": {"filename": f"{song}_STEM_{n:02d}.wav", "instrument": name, "raw": {}}
        for n, name in enumerate(instruments, 1)
    }
    return {
        "has_bleed": has_bleed,
        "mix_filename": f"{song}_MIX.wav",
        "stem_dir": f"{song}_STEMS",
        "stems": stems,
    }


def write_audio(folder, song, num_stems):
    rng = np.random.default_rng(0)
    stems = folder / f"{song}_STEMS"
    stems.mkdir(parents=True)
    files = [stems / f"{song}_STEM_{n + 1:02d}.wav" for n in range(num_stems)]
    for path in (folder / f"{song}_MIX.wav", *files):
        soundfile.write(path, rng.uniform(-0.5, 0.5, (25_600, 2)), 8_000)  # 3.2 s


def write_package(package):
    """Write the authors' repository, with V1 of two songs and V2 of one."""
    for folder in ("resources", "data/Metadata", "data/Annotations/Source_ID"):
        (package / folder).mkdir(parents=True)
    confidences = package / "data/Annotations/Activation_Confidence"
    (confidences / "v2").mkdir(parents=True)
    (package / "resources/tracklist_v1.txt").write_text("Ann_One\nAnn_Two")
    (package / "resources/tracklist_v2.txt").write_text("Bob_Red\n")
    for song, (has_bleed, instruments) in METADATA.items():
        text = yaml.safe_dump(song_metadata(song, has_bleed, instruments))
        (package / f"data/Metadata/{song}_METADATA.yaml").write_text(text)
    (confidences / "v2/Ann_One_ACTIVATION_CONF.lab").write_text(
        "time,S01,S03,S02\n0.0,0.1,0.2,0.9\n0.9,0.49,0.1,0.1\n1.0,0.5,0.1,0.1\n2.5,0.1,0.8,0.1\n"
    )
    (package / "data/Annotations/Source_ID/Ann_One_SOURCEID.lab").write_text(
        "start_time,end_time,instrument_label\n0.5,1.5,drum set\n2.0,2.0,electric bass\n0,3,piano\n"
    )
