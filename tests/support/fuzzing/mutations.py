"""Ways to damage a file: by its bytes, its lines, its values, or the parts of an archive.

Each takes the content of a valid file and a generator and returns another content. What a checksum
guards is changed under a new checksum as well, or no damage would get beyond it.
"""

import csv
import io
import json
import random
import struct
import tarfile
from collections.abc import Callable
from typing import Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

import numpy as np
import yaml

Mutation = Callable[[bytes, random.Random], bytes]

TOKENS = (b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff\xff\xff\xff\xff", b"999999999999")
TEXTS = (b'"', b"\n", b",", b";", b"\0", b"../", b"\xff\xfe", b"[", b"'", b"1e999", b"-1")
CELLS = (
    *("", " ", "-1", "0", "1e999", "nan", "-inf", "1.5", "9" * 5_000, "٣", "²", "x" * 300),
    *(
        "../../etc/passwd",
        "../../../x",
        "/etc/passwd",
        "a/../../b",
        "C:\\x",
        "~/x",
        ".",
        "..",
        "a\\b",
        "\ufeff",
    ),
    *('"', '""', "'", "\0", "\x1b[2J", "\u202e", "\u2028", "é" * 40, "True", "None", "null", "[]"),
    *('["a"', "[[[", "{}", "__import__('os')", "=1+1", "${oc.env:HOME}", "!!python/name:os.system"),
)
VALUES: tuple[Any, ...] = (
    *(None, True, -1, 0, 1e400, 10**400, 2**63, -(2**31), 0.5, "", "\x1b[2J", "../x", "../../../x"),
    *([], {}, [[]], {"a": []}, [1, "x"], "x" * 1_000, [0] * 100),
)
NUMBERS = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def in_bytes(content: bytes, rng: random.Random) -> bytes:
    """Cut, flip, overwrite, move or fill some bytes."""
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        place = rng.randrange(max(1, len(data)))
        token = rng.choice(TOKENS + TEXTS)
        match rng.randrange(7):
            case 0:
                del data[place:]
            case 1 if data:
                data[place] ^= 1 << rng.randrange(8)
            case 2:
                data[place : place + len(token)] = token
            case 3:
                data[place:place] = token * rng.choice((1, 1, 300))
            case 4:
                del data[place : place + rng.choice((1, 8, 200))]
            case 5:
                length = rng.choice((4, 64, 600))
                data[place:place] = data[rng.randrange(max(1, len(data))) :][:length]
            case _:
                stop = min(len(data), place + rng.choice((4, 100)))
                data[place:stop] = bytes(max(0, stop - place))
    return bytes(data)


def in_head(content: bytes, rng: random.Random) -> bytes:
    """Put numbers of 1, 2, 4 or 8 bytes among the first hundred bytes, where headers are."""
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 4))):
        size, order = rng.choice((1, 2, 4, 8)), rng.choice(("big", "little"))
        place = rng.randrange(max(1, min(len(data), 100)))
        number = rng.choice((*NUMBERS, rng.randrange(1 << 16), len(data), len(data) + 1))
        data[place : place + size] = (number % (1 << 8 * size)).to_bytes(size, order)
    return bytes(data)


def in_cells(content: bytes, rng: random.Random) -> bytes:
    """Change the cells, rows, columns, quotes, line ends or encoding of a table, or of a list."""
    text = content.decode()
    delimiter = max("\t,", key=text.count)
    rows = list(csv.reader(io.StringIO(text), delimiter=delimiter))
    for _ in range(rng.choice((1, 1, 2, 3))):
        row = rng.randrange(max(1, len(rows)))
        match rng.randrange(8):
            case 0 if rows:
                del rows[row]
            case 1 if rows:
                rows.insert(rng.randrange(len(rows)), list(rows[row]))
            case 2 if rows:
                rows[row].insert(rng.randrange(len(rows[row]) + 1), rng.choice(CELLS))
            case 3 if rows and rows[row]:
                del rows[row][rng.randrange(len(rows[row]))]
            case 4 if rows:
                column, cell = rng.randrange(max(1, len(rows[0]))), rng.choice(CELLS)
                for other in rows[rng.randrange(2) :]:
                    other[column : column + 1] = [cell]
            case 5 if rows:
                rng.shuffle(rows)
            case _ if rows and rows[row]:
                rows[row][rng.randrange(len(rows[row]))] = rng.choice(CELLS)
    quoting = rng.choice((csv.QUOTE_MINIMAL, csv.QUOTE_MINIMAL, csv.QUOTE_ALL))
    file, end = io.StringIO(), rng.choice(("\n", "\n", "\r\n", "\r"))
    csv.writer(file, delimiter=delimiter, quoting=quoting, lineterminator=end).writerows(rows)
    encoding = rng.choice(("utf-8",) * 6 + ("utf-8-sig", "utf-16", "latin-1"))
    return file.getvalue().encode(encoding, errors="replace")


def mutated_values(node: Any, rng: random.Random) -> Any:
    """Put another value at a random place of nested values, or take a key away."""
    if isinstance(node, dict | list) and node and rng.random() < 0.8:
        keys = list(node) if isinstance(node, dict) else range(len(node))
        key = rng.choice(keys)
        if isinstance(node, dict) and rng.random() < 0.15:
            return {name: value for name, value in node.items() if name != key}
        if isinstance(node, list) and rng.random() < 0.15:
            return [*node, node[key]]
        changed = node.copy()
        changed[key] = mutated_values(node[key], rng)
        return changed
    return rng.choice(VALUES)


def in_json(content: bytes, rng: random.Random) -> bytes:
    """Change the values of a JSON file."""
    text = json.dumps(mutated_values(json.loads(content), rng))
    return text.replace('"x"', rng.choice(('"x"', r'"\udc80"', "NaN"))).encode()


BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{b}: &{b} [*{a},*{a},*{a},*{a},*{a},*{a},*{a},*{a},*{a}]\n"
    for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)
DOCUMENTS = {
    "empty": b"",
    "no UTF-8": b"\xff\xfe\x00name: \x80",
    "binary": bytes(range(256)),
    "alias bomb": BOMB.encode() + b"data:\n  p_s: 0.1\n",
    "deep": b"[" * 100_000,
    "deep flow": b'{"a":' * 20_000,
    "a list": b"[1, 2]\n",
    "a number": b"7\n",
    "null": b"null\n",
    "tag": b"name: !!python/object/apply:os.system [exit]\ndata: {p_s: 1}\n",
    "long number": b"name: a\nseed: " + b"9" * 10_000 + b"\n",
    "controls": b"name: \x1b[2J\x07\n",
}


def in_yaml(content: bytes, rng: random.Random) -> bytes:
    """Change the values of a YAML file."""
    values = mutated_values(yaml.load(content, yaml.CSafeLoader), rng)
    return yaml.dump(values, Dumper=yaml.CSafeDumper).encode()


def another_document(content: bytes, rng: random.Random) -> bytes:
    """Put in its place something that is no YAML or JSON, or none of ours."""
    return rng.choice([*DOCUMENTS.values()])


def in_parts(content: bytes, rng: random.Random) -> bytes:
    """Change the parts of a zip archive: their bytes, names, kinds and number."""
    with ZipFile(io.BytesIO(content)) as archive:
        parts = [(info, archive.read(info)) for info in archive.infolist()]
    for _ in range(rng.choice((1, 1, 2))):
        place = rng.randrange(len(parts))
        info, data = parts[place]
        match rng.randrange(6):
            case 0:
                info.filename = _name(rng)
            case 1:
                parts.insert(place, (info, data))
            case 2 if len(parts) > 1:
                del parts[place]
            case 3:
                info.external_attr = rng.choice((0o120777, 0o010644, 0o040755, 0)) << 16
            case _:
                parts[place] = info, rng.choice((in_bytes, in_head))(data, rng)
    return _zipped(parts, rng.choice((None, None, ZIP_STORED, ZIP_DEFLATED)))


def _name(rng: random.Random) -> str:
    return rng.choice((*CELLS, "a/" * 200, "x.npy", "data.pkl", "x/", "//x", "x/../../y"))[:300]


def _zipped(parts: list[tuple[ZipInfo, bytes]], compression: int | None) -> bytes:
    file = io.BytesIO()
    with ZipFile(file, "w") as archive:
        for info, data in parts:
            fresh = ZipInfo(info.filename)
            fresh.external_attr = info.external_attr
            kind = info.compress_type if compression is None else compression
            archive.writestr(fresh, data, kind)
    return file.getvalue()


def in_members(content: bytes, rng: random.Random) -> bytes:
    """Change the members of a tar archive: their names, kinds, links and number."""
    file = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(content)) as old,
        tarfile.open(fileobj=file, mode="w") as new,
    ):
        members = old.getmembers()
        chosen = rng.randrange(len(members))
        for number, member in enumerate(members):
            data = old.extractfile(member)
            if number == chosen:
                member.type = rng.choice([*(bytes([kind]) for kind in b"01234567xgLKSV"), b"0"])
                member.name = rng.choice((member.name, _name(rng)))
                member.linkname = rng.choice(("", _name(rng), members[0].name))
                member.mode = rng.choice((0o644, 0o4777, 0))
            new.addfile(member, data if member.isreg() else None)
    return file.getvalue()


def in_arrays(content: bytes, rng: random.Random) -> bytes:
    """Give arrays of a .npz file other kinds, shapes or values, or take one away."""
    with np.load(io.BytesIO(content)) as loaded:
        arrays = dict(loaded)
    for name in rng.sample(list(arrays), min(len(arrays), rng.choice((1, 1, 2)))):
        changed = _other_array(arrays.pop(name), rng)
        if changed is not None:
            arrays[rng.choice((name, name, name, "x"))] = changed
    file = io.BytesIO()
    rng.choice((np.savez, np.savez_compressed))(file, **arrays)
    return file.getvalue()


_ODD_NUMBERS: dict[str, tuple[Any, ...]] = {
    "f": (np.nan, np.inf, -1.0, 1e30),
    "i": (-1, 2**31 - 1, 0),
    "U": CELLS,
}


def _other_array(array: np.ndarray, rng: random.Random) -> np.ndarray | None:
    odd = array.copy()
    if odd.size and odd.dtype.kind in _ODD_NUMBERS:
        odd.flat[rng.randrange(odd.size)] = rng.choice(_ODD_NUMBERS[odd.dtype.kind])
    changes: tuple[Callable[[], np.ndarray | None], ...] = (
        lambda: None,
        lambda: odd,
        lambda: odd,
        lambda: array[..., None],
        lambda: np.atleast_1d(array)[:0],
        lambda: np.array([1, "x", None], dtype=object),
        lambda: array.astype("U9"),
        lambda: np.full(array.shape, np.nan),
        lambda: np.full(array.shape, -1),
        lambda: np.full(array.shape, 2**64 - 1, np.uint64),
        lambda: np.zeros(array.shape, np.complex128),
        lambda: np.zeros(array.shape, "M8[s]"),
        lambda: np.zeros(array.shape, [("a", "f4")]),
        lambda: array.ravel(),
        lambda: array.T,
        lambda: np.concatenate([np.atleast_1d(array)] * 2),
        lambda: np.zeros((0, 3, 0)),
        lambda: np.array(7),
    )
    return rng.choice(changes)()


def in_chunks(content: bytes, rng: random.Random) -> bytes:
    """Damage the bytes within chunks of a MIDI file, whose lengths are made to fit again."""
    chunks, start = [], 0
    while start + 8 <= len(content):
        stop = start + 8 + int.from_bytes(content[start + 4 : start + 8], "big")
        chunks.append((content[start : start + 4], content[start + 8 : stop]))
        start = stop
    place = rng.randrange(len(chunks))
    name, data = chunks[place]
    chunks[place] = name, rng.choice((in_bytes, in_head))(data, rng)
    return b"".join(name + struct.pack(">I", len(data)) + data for name, data in chunks)
