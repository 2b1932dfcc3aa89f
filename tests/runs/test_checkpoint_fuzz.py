"""Settings from a grammar of attacks, in checkpoints and in folders of runs.

Oracles: a file that an attack would leave, and the modules that are imported.
"""

import io
import json
import pickle
import random
import sys
from collections import OrderedDict
from importlib import import_module
from pathlib import Path

import pytest
import torch
import yaml
from hydra.utils import instantiate

from musicssl.errors import InputError
from musicssl.methods.base.method import Method
from musicssl.report.read.files import read_config
from musicssl.runs.checkpoint import Checkpoint, read_checkpoint
from musicssl.runs.folder import RunFolder
from musicssl.runs.probes.folder import ProbeFolder
from musicssl.runs.trust import METHOD_PARTS
from tests.support.quick import slow_after

RUNS = Path(__file__).parents[1] / "fixtures" / "runs_of_0_1"
OF_TARGETS = "musicssl.losses.similarity.of_targets"
EFFECTS = [  # each would leave the canary, given its path or a command
    *("os.mkdir", "os.system", "os.makedirs", "os.mkfifo", "posix.mkdir", "subprocess.call"),
    *("subprocess.run", "subprocess.Popen", "subprocess.check_output", "pathlib.Path.touch"),
    *("pathlib.Path.mkdir", "pathlib.os.mkdir", "builtins.exec", "builtins.eval", "builtins.open"),
    *("io.open", "shutil.os.mkdir", "asyncio.run", "asyncio.create_subprocess_shell", "runpy"),
    *("runpy.run_path", "code.interact", "pty.spawn", "importlib.import_module", "pickle.loads"),
    *("joblib.load", "torch.load", "torch.save", "torch.hub.load", "numpy.save", "numpy.load"),
    *("torch.utils.cpp_extension.load", "hydra.utils.call", "hydra.utils.instantiate"),
    *("hydra.utils.get_method", "functools.partial", "operator.methodcaller"),
    *(
        "musicssl.documents.write_atomically",
        "musicssl.cache.build_once",
        "musicssl.cache.os.mkdir",
    ),
    *("musicssl.methods.base.method.torch.load", "musicssl.losses.similarity.import_module"),
    *("musicssl.methods.att.AttentionMIL.__init__.__globals__", "torch.optim.adam.torch.save"),
    *("torch.optim.Adam.__init__.__builtins__", "musicssl.datasets.base.download.fetch"),
    *("musicssl.datasets.gtzan.main", "musicssl.runs.folder.shutil.rmtree"),
    *("musicssl.methods.base.method.Method.load_from_checkpoint",),
]
TRUSTED = [
    *("musicssl.methods.att.AttentionMIL", "musicssl.encoders.att.AttEmbedding", OF_TARGETS),
    *("musicssl.networks.pooling.MeanPooling", "torch.optim.Adam", "torch.optim.SGD"),
    *("musicssl.losses.balanced_bce.balanced_bce", "musicssl.schedules.constant"),
    *("musicssl.augment.chain.Chain", "musicssl.datasets.synthband.Synthband"),
]
LAZY = ("torch", "musicssl", "encodings")  # what is trusted imports more of these later


@pytest.fixture(scope="module")
def made():
    return Checkpoint.read(RUNS / "att" / "checkpoints" / "best.ckpt")


class Attacks:
    """Draws settings that hold calls of what would leave a file."""

    def __init__(self, seed: int, canary: Path, names: list[str]):
        self.random = random.Random(seed)
        self.canary = str(canary)
        self.names = names

    def target(self):
        r = self.random
        kind = r.randrange(8)
        if kind < 3:
            return r.choice(EFFECTS)
        if kind < 4:
            return f"canary_{r.randrange(20)}.Part"
        if kind < 5:
            return r.choice(self.names)
        if kind < 6:
            return r.choice(TRUSTED)
        if kind < 7:
            return f"{r.choice(TRUSTED)}.{r.choice(['__init__', '__globals__', 'x', '__class__'])}"
        return r.choice(["", ".", "os", "..", "${oc.env:HOME}", "???", 7, None, ["os.mkdir"], True])

    def leaf(self):
        r = self.random
        commands = [f"touch {self.canary}", f"open({self.canary!r}, 'w')", self.canary]
        plain = [0, 1, -1, 2.5, None, True, "", "x", "???", "cpu", *commands]
        special = ["${a}", "${oc.env:HOME}", "${oc.create:{a: 1}}", "\\${a}", *EFFECTS]
        return r.choice(plain * 3 + special + [f"canary_{r.randrange(20)}.Part"])

    def call(self, depth):
        r = self.random
        settings = {r.choice(["_target_"] * 9 + ["_target_ ", "target"]): self.target()}
        arguments = {
            "_args_": lambda: [self.leaf() for _ in range(r.randrange(3))],
            "_partial_": lambda: r.choice([True, False, "true", None]),
            "_recursive_": lambda: r.choice([True, False]),
            "_convert_": lambda: r.choice(["all", "none", "object", "partial", "x"]),
            "function": lambda: r.choice([*EFFECTS, self.leaf(), "canary_1.Part"]),
            "name": lambda: self.target(),
            "path": lambda: self.canary,
            "args": lambda: ["touch", self.canary],
            r.choice("abc"): lambda: self.node(depth - 1),
        }
        for key in r.sample(list(arguments), r.randrange(4)):
            settings[key] = arguments[key]()
        return settings

    def node(self, depth):
        r = self.random
        if depth <= 0:
            return r.choice([self.leaf, lambda: self.call(0)])()
        kind = r.randrange(10)
        items = [self.node(depth - 1) for _ in range(r.randrange(1, 3))]
        if kind < 4:
            return self.call(depth)
        if kind < 6:
            return items
        if kind < 7:
            return {r.choice(["a", "${b}", "_target_", "x.y"]): item for item in items}
        if kind < 8:
            return tuple(items)
        if kind < 9:
            return OrderedDict(a=items[0])
        return r.choice([{"os.mkdir"}, frozenset({"x"}), b"x", 1j, torch.Size([1])])

    def config(self, settings):
        """Put an attack at a random place of settings, which are changed."""
        r, node = self.random, settings
        while True:
            key = r.choice(list(node)) if node and r.randrange(8) else r.choice(["new", "betas"])
            if isinstance(node.get(key), dict) and r.randrange(4):
                node = node[key]
                continue
            node[key] = self.node(r.randrange(4))
            return


def names_of_trusted_modules():
    """List all that can be named through the modules of parts, and through classes there."""
    modules = [
        module
        for name, module in sorted(sys.modules.items())
        if any(name == part or name.startswith(f"{part}.") for part in METHOD_PARTS)
    ]
    names = [f"{module.__name__}.{name}" for module in modules for name in vars(module)]
    within = [
        f"{module.__name__}.{name}.{member}"
        for module in modules
        for name, value in list(vars(module).items())
        if isinstance(value, type)
        for member in vars(value)
    ]
    return names + within


def use(checkpoint, dataset=True):
    """Do with a checkpoint all that musicssl does with it that could call something."""
    method = checkpoint.method(trained=False)
    assert isinstance(method, Method)
    if dataset:
        instantiate(checkpoint.corpus_parts("dataset"))


@pytest.mark.parametrize(
    "count",
    [*slow_after(1, [60, 1_000]), pytest.param(100_000, marks=pytest.mark.fuzz)],
)
@pytest.mark.filterwarnings("ignore")
def test_no_attack_in_a_checkpoint_has_an_effect(made, tmp_path, monkeypatch, say, recwarn, count):
    """Most go through the object, every hundredth through a file."""
    canary = tmp_path / "canary"
    modules = tmp_path / "modules"
    modules.mkdir()
    for number in range(20):
        (modules / f"canary_{number}.py").write_text(
            f"import pathlib\npathlib.Path({str(canary)!r}).touch()\nPart = dict\n"
        )
        monkeypatch.delitem(sys.modules, f"canary_{number}", raising=False)  # of another case
    monkeypatch.syspath_prepend(modules)
    monkeypatch.chdir(tmp_path)
    use(made)
    content = read_checkpoint(made.path)
    attacks = Attacks(count, canary, names_of_trusted_modules())
    before, files = set(sys.modules), set(tmp_path.rglob("*"))
    built, fired = 0, []
    for number in range(count):
        stored = {
            "config": json.loads(json.dumps(made.config)),
            "classes": list(made.classes),
            "sizes": dict(made.sizes),
            "version": made.version,
        }
        place = attacks.random.choice(["method", "method", "dataset", "features", "sizes", "all"])
        node = {"all": stored, "sizes": stored["sizes"]}.get(place, stored["config"].get(place))
        attacks.config(node)
        try:
            checkpoint = stored_as(attacks.random, stored, content, tmp_path, number)
            use(checkpoint, dataset=place in ("dataset", "all"))
            checkpoint.corpus_parts("features")
            built += 1
        except InputError:
            pass  # one sentence
        except Exception:  # noqa: BLE001 what a corpus refuses is no matter of safety
            assert place in ("dataset", "all"), stored
        new = set(sys.modules) - before
        imported = {name for name in new if name.partition(".")[0] not in LAZY}
        left = set(tmp_path.iterdir()) - files - {tmp_path / "attack.ckpt"}
        if imported or left:
            fired.append((stored, imported, left))
            break
    say(f"attacks in checkpoints: {count} tried, {built} harmless, {len(fired)} fired")
    assert not fired
    assert 0 < built < count
    import_module("canary_3")
    assert canary.exists()  # the trap is real


def stored_as(draw, stored, content, folder, number):
    """Return the checkpoint, as JSON text if that can be, or else as 0.1 had it."""
    try:
        if draw.randrange(2):
            stored = json.dumps(stored)
    except TypeError:
        pass  # a set, for which JSON has nothing
    path = folder / "attack.ckpt"
    if number % 100 == 0:
        torch.save(content | {"musicssl": stored}, path)
        return Checkpoint.read(path)
    return Checkpoint.of(content | {"musicssl": stored}, "", path)


SETTINGS = {"name": "a", "seed": 0, "dataset": {"x": 1}, "data": {"p_s": 1.0}}
TAGS = ["!!python/object/apply:os.system", "!!python/name:os.system", "!!python/object/new:dict"]


@pytest.mark.parametrize("count", [pytest.param(300), pytest.param(20_000, marks=pytest.mark.fuzz)])
def test_no_attack_in_the_settings_of_a_folder_has_an_effect(tmp_path, monkeypatch, say, count):
    canary, folder = tmp_path / "canary", tmp_path / "run"
    folder.mkdir()
    monkeypatch.chdir(tmp_path)
    attacks = Attacks(count, canary, ["os.mkdir"])
    before, read = set(sys.modules), 0
    for _ in range(count):
        settings = json.loads(json.dumps(SETTINGS))
        attacks.config(settings)
        text = yaml.dump(settings)
        if not attacks.random.randrange(3):
            text = text.replace("\n", f"\nx: {attacks.random.choice(TAGS)} [touch canary]\n", 1)
        (folder / "config.yaml").write_text(text)
        for reader in (
            lambda: read_config(folder / "config.yaml"),
            lambda: RunFolder(folder).check(SETTINGS),
            lambda: ProbeFolder(folder).check(SETTINGS),
            lambda: RunFolder(folder).embedding_map,
        ):
            try:
                reader()
                read += 1
            except InputError:
                pass  # one sentence
    fired = int(canary.exists())
    say(f"attacks in config.yaml: {count} tried, {read} of {4 * count} read, {fired} fired")
    assert not canary.exists()
    assert {name.partition(".")[0] for name in set(sys.modules) - before} <= {"musicssl"}
    assert 0 < read < 4 * count


CONTAINERS = [
    lambda value: {"state_dict": value},
    lambda value: {"musicssl": value},
    lambda value: {"musicssl": {"config": [value]}},
    lambda value: {"extra": (value,)},
    lambda value: value,
]


@pytest.mark.parametrize("contained", CONTAINERS)
@pytest.mark.parametrize("protocol", range(2, 5))
@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_no_pickle_has_an_effect(tmp_path, contained, protocol):
    canary = tmp_path / "canary"
    for file in (tmp_path / "zip.ckpt", tmp_path / "pickle.ckpt", tmp_path / "bare.ckpt"):
        content, zipped = contained(Touch(canary)), file.stem == "zip"
        if file.stem == "bare":
            file.write_bytes(pickle.dumps(content, protocol=protocol))
        else:
            torch.save(
                content, file, pickle_protocol=protocol, _use_new_zipfile_serialization=zipped
            )
        with pytest.raises(InputError, match=rf"{file.name} (is damaged|was not written)"):
            Checkpoint.read(file)
    assert not canary.exists()
    pickle.load(io.BytesIO(pickle.dumps(content)))  # the trap is real
    assert canary.exists()


class Touch:
    """Unpickling this leaves a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)
