#!/usr/bin/env python3
"""MNIST trained by PyTorch and by chainrule: `python benches/mnist.py MNIST_DIR target/release/chainrule` prints a table.

PyTorch's side does just what `chainrule train --arch lenet` (or mlp) does: the same layers, initial distributions,
optimiser, batches, schedule, and a look at the test part after every epoch; its pixels lie in memory and are cut into
batches by index, without a loader's overhead. Each side runs in a process of its own, in turn; the time is that of the
whole process, and its processors' seconds say more where others use the machine. `lenet` or `mlp` behind the arguments
measures that network alone, EPOCHS=2 takes fewer than 10, THREADS=1 another number of threads than there are processors.
"""

import gzip
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

EPOCHS, BATCH = int(os.environ.get("EPOCHS", 10)), 64
THREADS = os.environ.get("THREADS", str(os.cpu_count() or 1))


def idx(folder, name):
    path = folder / name
    packed = not path.exists()
    with gzip.open(f"{path}.gz") if packed else open(path, "rb") as file:
        data = file.read()
    sizes = [int.from_bytes(data[4 + 4 * i : 8 + 4 * i], "big") for i in range(data[3])]
    return torch.frombuffer(bytearray(data[4 + 4 * len(sizes) :]), dtype=torch.uint8).reshape(sizes)


def lenet():
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )


def mlp():
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10))


def train(arch, folder, seed=0):
    torch.manual_seed(seed)
    images, labels = idx(folder, "train-images-idx3-ubyte"), idx(folder, "train-labels-idx1-ubyte").long()
    tests, truth = idx(folder, "t10k-images-idx3-ubyte"), idx(folder, "t10k-labels-idx1-ubyte").long()
    mean, deviation = images.float().mean() / 255, images.float().std() / 255
    ready = lambda x: ((x.float() / 255 - mean) / deviation).unsqueeze(1)
    images, tests = ready(images), ready(tests)
    net = {"lenet": lenet, "mlp": mlp}[arch]()
    optimizer = torch.optim.Adam(net.parameters(), lr={"lenet": 2e-3, "mlp": 1e-3}[arch])
    steps = EPOCHS * -(-len(labels) // BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)

    def accuracy():
        net.eval()
        with torch.no_grad():
            parts = zip(tests.split(1000), truth.split(1000))
            return sum((net(x).argmax(1) == y).sum().item() for x, y in parts) / len(truth)

    for epoch in range(EPOCHS):
        net.train()
        for batch in torch.randperm(len(labels)).split(BATCH):
            optimizer.zero_grad()
            F.cross_entropy(net(images[batch]), labels[batch]).backward()
            optimizer.step()
            schedule.step()
        right = accuracy()
    return right


def measured(side, command, place):
    start, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    run = subprocess.run(command, text=True, cwd=place, capture_output=True)
    if run.returncode:
        sys.exit(f"{side}: {run.stderr.strip() or run.stdout.strip()}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    busy = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    [accuracy] = re.findall(r"^test accuracy ([0-9.]+)", run.stdout, re.MULTILINE)
    print(f"| {side} | {accuracy} % | {time.monotonic() - start:.1f} s | {busy:.1f} s |", flush=True)


def main():
    if sys.argv[1:2] == ["--torch"]:
        torch.set_num_threads(int(THREADS))
        print(f"test accuracy {100 * train(sys.argv[2], Path(sys.argv[3])):.2f}")
        return
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    folder, program = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    print(f"{EPOCHS} epochs, {THREADS} threads, PyTorch {torch.__version__}\n")
    print("| | test accuracy | time | processors' time |\n| --- | ---: | ---: | ---: |", flush=True)
    for arch in sys.argv[3:] or ["lenet", "mlp"]:
        own = [program, "train", "--arch", arch, "--data", folder, "--epochs", str(EPOCHS), "--threads", THREADS]
        other = [sys.executable, Path(__file__).resolve(), "--torch", arch, folder]
        with tempfile.TemporaryDirectory() as place:
            measured(f"chainrule, `{arch}`", [*own, "--out", "run"], place)
            measured(f"PyTorch, `{arch}`", other, place)


if __name__ == "__main__":
    main()
