#!/usr/bin/env python3
"""Rounding errors of chainrule and PyTorch in f32, against PyTorch in f64, on the same inputs: a table in Markdown.

Run it with a Python that has PyTorch and NumPy. It builds chainrule's side (`--program FILE`: uses this one), which
writes each gate's inputs, output and gradients to files. An error is the root of the mean square of what is wrong,
as a share of the exact result's; the largest one likewise, as a share of the largest exact number. The last column
is the larger of the two quotients. It ends with 1 where chainrule's errors are more than twice PyTorch's, or four
times where Winograd's method is used.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

ROOT = Path(__file__).resolve().parent.parent


def read(path):
    """Metadata and arrays of a safetensors file of f32."""
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    about = header.pop("__metadata__")
    part = lambda entry: data[8 + size + entry["data_offsets"][0] : 8 + size + entry["data_offsets"][1]]
    arrays = {name: np.frombuffer(part(e), "<f4").reshape(e["shape"]).copy() for name, e in header.items()}
    return about, arrays


def compute(gate, x):
    name, *numbers = gate.split()
    numbers = [int(n) for n in numbers]
    match name:
        case "matmul":
            return x[0] @ x[1]
        case "linear":
            return F.linear(*x)
        case "conv":
            return F.conv2d(*x, stride=numbers[0], padding=numbers[1])
        case "softmax" | "log_softmax":
            return getattr(x[0], name)(-1)
        case "logsumexp" | "var":
            return getattr(x[0], name)(-1)
        case "layer_norm":
            return F.layer_norm(x[0], x[1].shape, x[1], x[2])
        case "sum":
            return x[0].sum(*numbers)
        case "log":
            return x[0].abs().log()
        case "gelu" | "softplus":
            return getattr(F, name)(x[0])
        case "avg_pool":
            return F.avg_pool2d(x[0], 3, 2)
        case _:
            return getattr(x[0], name)()


def results(gate, arrays, dtype):
    count = sum(name.startswith("input") for name in arrays)
    x = [torch.tensor(arrays[f"input {i}"], dtype=dtype, requires_grad=True) for i in range(count)]
    y = compute(gate, x)
    y.backward(torch.tensor(arrays["upstream"], dtype=dtype).reshape(y.shape))
    named = {"output": y, **{f"gradient {i}": x.grad for i, x in enumerate(x)}}
    return {name: tensor.detach().double().numpy() for name, tensor in named.items()}


def errors(found, exact):
    wrong = found.astype(np.float64).reshape(exact.shape) - exact
    square = lambda x: np.sqrt(np.mean(np.square(x)))
    return square(wrong) / (square(exact) or 1), np.abs(wrong).max() / (np.abs(exact).max() or 1)


def main():
    program = sys.argv[2] if sys.argv[1:2] == ["--program"] else None
    if program is None:
        subprocess.run(["cargo", "build", "--release", "-p", "compare", "--bin", "accuracy"], cwd=ROOT, check=True)
        program = ROOT / "target/release/accuracy"
    too_large = 0
    print("| gate | of | chainrule | PyTorch | quotient |\n| --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run([program, directory], check=True)
        for path in sorted(Path(directory).iterdir()):
            about, arrays = read(path)
            exact, theirs = (results(about["gate"], arrays, dtype) for dtype in (torch.float64, torch.float32))
            for name in exact:
                ours = errors(arrays[name], exact[name])
                peer = errors(theirs[name], exact[name])
                # Exact results, and sums that happen to be right to the last bit, give no quotient.
                quotient = max(a / max(b, 6e-8) for a, b in zip(ours, peer))
                limit = 4 if "Winograd" in about["name"] else 2
                too_large += quotient > limit
                mark = " (too large)" if quotient > limit else ""
                print(f"| {about['name']} | {name} | {ours[0]:.1e} | {peer[0]:.1e} | {quotient:.2f}{mark} |")
    sys.exit(1 if too_large else 0)


if __name__ == "__main__":
    main()
