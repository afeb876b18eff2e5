# Reads what a formatter has written with parsers that know nothing of it, and says what came out of them, one line a record, in a notation
# that keeps types apart: n null, t true, f false, i… integer, d… double (bits), s… text (UTF-8 in hex), b… bytes (hex), m… moment (ns), [ ] { }.
import json
import struct
import sys


def say(value):
    if value is None:
        return "n"
    if value is True:
        return "t"
    if value is False:
        return "f"
    if isinstance(value, int):
        return "i%d" % value
    if isinstance(value, float):
        return "d%016x" % struct.unpack(">Q", struct.pack(">d", value))[0]
    if isinstance(value, str):
        return "s" + value.encode().hex()
    if isinstance(value, bytes):
        return "b" + value.hex()
    if isinstance(value, Pairs):
        keys = [key for key, _ in value]
        if len(set(keys)) != len(keys):
            raise ValueError("a key is there twice: %r" % keys)
        return "{" + ",".join(key.encode().hex() + ":" + say(item) for key, item in value) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(say, value)) + "]"
    if hasattr(value, "to_unix_nano"):
        return "m%d" % value.to_unix_nano()
    raise ValueError("what is %r" % value)


class Pairs(list):
    pass


def refuse(text):
    raise ValueError("not JSON: " + text)


def read_json(data):
    for line in data.decode().split("\n")[:-1]:
        yield json.loads(line, object_pairs_hook=Pairs, parse_constant=refuse)


def read_msgpack(data):
    import msgpack

    yield from msgpack.Unpacker(
        data and __import__("io").BytesIO(data), object_pairs_hook=Pairs, timestamp=0, raw=False, strict_map_key=True, max_buffer_size=0
    )


def read_logfmt(data):
    """The grammar of LogfmtText.swift, read by hand."""
    for line in data.decode().split("\n")[:-1]:
        pairs = Pairs()
        at = 0
        while at < len(line):
            end = line.index("=", at)
            key = line[at:end]
            assert key and not any(c in key for c in ' "\\') and key.isprintable(), key
            at = end + 1
            if line[at : at + 1] == '"':
                value, length = json.JSONDecoder().raw_decode(line[at:])
                at += length
            else:
                end = line.find(" ", at)
                end = len(line) if end < 0 else end
                word = line[at:end]
                assert word and '"' not in word and "=" not in word, line
                value = plain(word)
                at = end
            pairs.append((key, value))
            if at < len(line):
                assert line[at] == " ", line
                at += 1
        yield pairs


def plain(word):
    if word in ("true", "false", "null"):
        return {"true": True, "false": False, "null": None}[word]
    if word[0] in "+-.0123456789" or word in ("nan", "inf"):
        try:
            return int(word)
        except ValueError:
            pass
        try:
            return float(word)
        except ValueError:
            return word
    return word


reader = {"json": read_json, "msgpack": read_msgpack, "logfmt": read_logfmt}[sys.argv[1]]
sys.stdin.reconfigure(errors="strict")
for record in reader(sys.stdin.buffer.read()):
    print(say(record))
