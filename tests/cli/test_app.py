"""What a command reads from its settings: threads and device."""

import json

import pytest
import torch

from musicssl.cli.app import is_refusal, use_threads
from musicssl.cli.devices import device_named
from musicssl.errors import InputError


@pytest.fixture
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_torch_uses_the_threads_that_were_named(one_thread):
    use_threads(2)
    assert torch.get_num_threads() == 2
    use_threads(None)
    assert torch.get_num_threads() == 2


@pytest.mark.parametrize("threads", [0, -1, 1.5, True, "two"])
def test_other_than_a_count_of_threads_is_refused(one_thread, threads):
    with pytest.raises(
        InputError, match=f"^threads must be .* from 1 up, or null, got {threads}.$"
    ):
        use_threads(threads)
    assert torch.get_num_threads() == 1


@pytest.fixture
def gpus(monkeypatch):
    """Let torch find so many GPUs."""

    def found(count):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)

    return found


def test_auto_is_a_gpu_where_there_is_one(gpus):
    gpus(0)
    assert device_named("auto") == torch.device("cpu")
    gpus(1)
    assert device_named("auto") == torch.device("cuda")


def test_a_device_is_had_by_its_name(gpus):
    gpus(2)
    for name in ("cpu", "cuda", "cuda:0", "cuda:1"):
        assert device_named(name) == torch.device(name)


@pytest.mark.parametrize(("name", "count"), [("cuda", 0), ("cuda:0", 0), ("cuda:2", 2)])
def test_a_gpu_that_is_not_there_is_said(gpus, name, count):
    gpus(count)
    with pytest.raises(InputError, match=f"^device={name} needs a GPU that torch does not find; c"):
        device_named(name)


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:01", "cpu:0", "mps", "AUTO", 0, None])
def test_a_device_of_another_name_is_refused_with_the_choices(name):
    with pytest.raises(InputError) as raised:
        device_named(name)
    assert str(raised.value) == f"there is no device {name}; choose auto, cpu or cuda."


PARTS = """
def helper(width):
    return 1 + width

class Checks:
    def __init__(self, width):
        self.width = 1 + width

class ChecksInAMethod:
    def __init__(self, width):
        self.width = width
        self.check()

    def check(self):
        return 1 + self.width

class Delegates:
    def __init__(self, width):
        self.width = helper(width)

class CallsWrongly:
    def __init__(self, width):
        self.width = helper(with_=width)

class UsesALibrary:
    def __init__(self, width):
        self.width = json.loads(width)
"""


@pytest.mark.parametrize(
    ("part", "arguments", "refused"),
    [
        ("Checks", {"width": "a"}, True),
        ("Checks", {"wide": 1}, True),
        ("ChecksInAMethod", {"width": "a"}, True),
        ("UsesALibrary", {"width": 1}, True),
        ("Delegates", {"width": "a"}, False),
        ("CallsWrongly", {"width": 1}, False),
    ],
)
def test_what_fails_within_a_part_is_a_defect_and_no_refusal(part, arguments, refused):
    module = {"__name__": "musicssl.made_up", "json": json}
    exec(PARTS, module)
    with pytest.raises(TypeError) as caught:
        module[part](**arguments)
    assert is_refusal(caught.value) == refused
