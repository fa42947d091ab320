"""PyTorch's side of the speed comparison: `python torch_bench.py [WORK ...]` prints a JSON line a workload.

The lines and the names are those of the program `compare` beside this file. TORCH_THREADS sets the number of
threads (all by default). Run each workload in a process of its own: peak memory only grows.
"""

import json
import os
import resource
import statistics
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn


def parameters(*values):
    return [torch.tensor(value, requires_grad=True) for value in values]


def scalar_graph():
    x, y, z = parameters(-2.0, 5.0, -4.0)

    def step():
        x.grad = y.grad = z.grad = None
        ((x + y) * z).backward()

    return step


def sigmoid_neuron():
    leaves = w0, x0, w1, x1, w2 = parameters(2.0, -1.0, -3.0, -2.0, -3.0)

    def step():
        for leaf in leaves:
            leaf.grad = None
        (1 / (1 + torch.exp(-(w0 * x0 + w1 * x1 + w2)))).backward()

    return step


def scalar_chain():
    (x,) = parameters(0.5)

    def step():
        x.grad = None
        y = x
        for _ in range(50_000):
            y = y * 1.0001
            y = y + 0.0001
        y.backward()

    return step


def training(net, x, classes, momentum=0.0):
    labels = torch.randint(classes, (x.shape[0],))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=momentum)

    def step():
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(net(x), labels).backward()
        optimizer.step()

    return step


def mlp(sizes, batch):
    torch.manual_seed(0)
    layers = []
    for inputs, outputs in zip(sizes, sizes[1:]):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return training(nn.Sequential(*layers[:-1]), torch.randn(batch, sizes[0]), sizes[-1])


def lenet():
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )
    return training(net, torch.randn(64, 1, 28, 28), 10, momentum=0.9)


def elementwise():
    x = torch.randn(1_000_000, requires_grad=True)

    def step():
        x.grad = None
        (torch.tanh(x) * torch.sigmoid(x) + torch.exp(-x * x)).sum().backward()

    return step


def attention():
    leaves = q, k, v = [torch.randn(8, 8, 256, 64, requires_grad=True) for _ in range(3)]

    def step():
        for leaf in leaves:
            leaf.grad = None
        (torch.softmax(q @ k.transpose(-1, -2) / 8.0, -1) @ v).sum().backward()

    return step


def alexnet():
    from torchvision.models import alexnet

    torch.manual_seed(0)
    return alexnet(weights=None).eval()


def alexnet_forward(batch):
    net, x = alexnet(), torch.randn(batch, 3, 227, 227)

    def step():
        with torch.no_grad():
            net(x)

    return step


def alexnet_step(batch):
    net, x = alexnet(), torch.randn(batch, 3, 227, 227, requires_grad=True)
    labels = torch.randint(1000, (batch,))

    def step():
        x.grad = None
        net.zero_grad(set_to_none=True)
        F.cross_entropy(net(x), labels).backward()

    return step


def gradcheck():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10)).double()
    x, labels = torch.randn(8, 64, dtype=torch.float64), torch.randint(10, (8,))
    leaves = tuple(p.detach().clone().requires_grad_(True) for p in net.parameters())

    def loss(w1, b1, w2, b2):
        return F.cross_entropy(F.linear(F.relu(F.linear(x, w1, b1)), w2, b2), labels)

    return lambda: torch.autograd.gradcheck(loss, leaves)


WORK = {
    "scalar_graph": scalar_graph,
    "sigmoid_neuron": sigmoid_neuron,
    "scalar_chain_100k": scalar_chain,
    "softmax_regression_b128": lambda: mlp([784, 10], 128),
    "mlp_2_16_16_1_b1": lambda: mlp([2, 16, 16, 2], 1),
    "mlp_784_128_10_b32": lambda: mlp([784, 128, 10], 32),
    "mlp_784_512_256_10_b128": lambda: mlp([784, 512, 256, 10], 128),
    "mlp_1024x4_b256": lambda: mlp([1024, 1024, 1024, 1024, 10], 256),
    "lenet_b64": lenet,
    "elementwise_1m": elementwise,
    "attention": attention,
    "alexnet_forward_b1": lambda: alexnet_forward(1),
    "alexnet_step_b1": lambda: alexnet_step(1),
    "alexnet_forward_b16": lambda: alexnet_forward(16),
    "alexnet_step_b16": lambda: alexnet_step(16),
    "gradcheck_64_32_10_b8_f64": gradcheck,
}


def timed(step, seconds):
    """Median and minimum of one step in nanoseconds, by samples of about 20 ms."""
    for _ in range(3):
        step()
    start = time.perf_counter_ns()
    step()
    inner = max(1, 20_000_000 // max(1, time.perf_counter_ns() - start))
    samples, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end or len(samples) < 5:
        start = time.perf_counter_ns()
        for _ in range(inner):
            step()
        samples.append((time.perf_counter_ns() - start) / inner)
    return round(statistics.median(samples)), round(min(samples))


def main():
    if threads := int(os.environ.get("TORCH_THREADS", "0")):
        torch.set_num_threads(threads)
    for name in sys.argv[1:] or WORK:
        if name not in WORK:
            sys.exit(f"there is no workload {name}")
        median, best = timed(WORK[name](), float(os.environ.get("BENCH_SECONDS", "3")))
        line = {
            "work": name,
            "peer": f"torch-{torch.__version__}",
            "threads": torch.get_num_threads(),
            "ns": median,
            "min_ns": best,
            "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        }
        print(json.dumps(line), flush=True)


main()
