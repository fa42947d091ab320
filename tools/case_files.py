"""Reading and writing the case files of the conformance run: safetensors, with the cases in the metadata.

Needs nothing but Python's standard library.
"""

import json
import struct


def read(path):
    """The metadata of a file, and for each tensor its type, shape and bytes."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        data = file.read()
    about = header.pop("__metadata__", {})
    tensors = {}
    for name, entry in header.items():
        start, end = entry["data_offsets"]
        tensors[name] = (entry["dtype"], entry["shape"], data[start:end])
    return about, tensors


def write(path, about, tensors):
    """Writes tensors, given as type, shape and bytes; the widest types first, so that all are aligned."""
    header, blocks, place = {"__metadata__": about}, [], 0
    width = {"F64": 8, "I64": 8, "F32": 4, "I32": 4}
    for name, (dtype, shape, data) in sorted(tensors.items(), key=lambda item: -width.get(item[1][0], 1)):
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [place, place + len(data)]}
        blocks.append(data)
        place += len(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(blocks))


def tensor_names(case):
    """The names of all tensors that belong to a case."""
    names = []

    def visit(argument):
        if "tensor" in argument:
            names.append(argument["tensor"])
        for item in argument.get("list", []):
            visit(item)

    for argument in [case["input"], *case["args"], *case["kwargs"].values()]:
        visit(argument)
    names += [*case.get("outputs", []), *case.get("upstream", []), *case.get("grads", {}).values()]
    return {name for name in names if name is not None}
