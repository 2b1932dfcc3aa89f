"""HEAR modules in a folder on sys.path, made from a good one by one change each."""

import sys
from pathlib import Path

from tests.support import hear_sound

GOOD = Path(hear_sound.__file__).read_text()
TIMES = "torch.arange(windows.shape[1]) * 1000.0 * HOP / model.sample_rate"
CHANGES = {
    "good": ("", ""),
    "peaky": ("WINDOW // 2))\n", "WINDOW // 2)) / audio.abs().max()\n"),  # of the whole batch
    "in_seconds": ("* 1000.0", "* 1.0"),
    "backwards": (TIMES, f"({TIMES}).flip(0)"),
    "uneven": (TIMES, f"({TIMES}) ** 1.01"),
    "too_late": (TIMES, f"{TIMES} + 30"),
    "one_row": ("times.expand(len(audio), -1)", "times"),
    "no_scenes": ("def get_scene_embeddings", "def get_scene"),
    "no_load": ("def load_model", "def loaded"),
    "other_size": ("scene_embedding_size = 6", "scene_embedding_size = 7"),
    "no_size": ("timestamp_embedding_size = 4", "size = 4"),
    "text_rate": ("sample_rate = 16_000", "sample_rate = '16k'"),
    "double": (
        "return torch.cat([embedded",
        "embedded = embedded.double()\n    return torch.cat([embedded",
    ),
    "array": ("amax(dim=1)], dim=1)", "amax(dim=1)], dim=1).detach().numpy()"),
    "fails": ("windows = padded", "raise RuntimeError('too short')\n    windows = padded"),
    "no_grad": (
        "return torch.cat([embedded",
        "embedded = embedded.detach()\n    return torch.cat([embedded",
    ),
    "no_import": ("import torch\n", "import torch\nimport nowhere_to_be_found\n"),
    "fast": ("sample_rate = 16_000", "sample_rate = 48_000"),
}


def write_module(folder: Path, change: str, monkeypatch) -> str:
    """Write a module with one change to the good one; return its name."""
    name = f"hear_{change}_{abs(hash(str(folder)))}"  # others may have been imported before
    before, after = CHANGES[change]
    assert before in GOOD, change
    (folder / f"{name}.py").write_text(GOOD.replace(before, after) if before else GOOD)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, name, raising=False)
    return name
