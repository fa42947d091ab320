#!/usr/bin/env python3
"""chainrule and PyTorch side by side: `python benches/compare.py` writes the table of the speed comparison.

Run it with a Python that has PyTorch (and torchvision, for AlexNet). It builds chainrule's side, runs each
workload of both in turn (A B A B ...) in processes of their own, and divides the medians. Options:

    --work NAME ...     only these workloads
    --rounds N          how often each side runs (3)
    --seconds S         how long a run measures (3)
    --threads N ...     numbers of threads (1, and all processors)
    --peer SCRIPT       PyTorch's side (benches/torch_bench.py)
    --output FILE       where the table goes (standard output)
    --load N            N other processes that are busy all the time: who copes with that?
    --quick             one round of half a second
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
RELEASE = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"


def run(command, **environment):
    """The JSON lines that a command prints, by nothing but their order; none where it fails."""
    environment = {**os.environ, **{name: str(value) for name, value in environment.items()}}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        print(f"  {' '.join(map(str, command))} failed: {done.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
        return []
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def ours(names, threads, seconds):
    return run([RELEASE / "compare", *names], CHAINRULE_THREADS=threads, BENCH_SECONDS=seconds)


def theirs(peer, name, threads, seconds):
    # Where another process takes a core, OpenMP's spinning threads stand in their own way.
    return run([sys.executable, peer, name], TORCH_THREADS=threads, BENCH_SECONDS=seconds)


def compared(name, threads, options):
    """Medians and peak memory of both sides, measured in turn."""
    sides = ([], [])
    for _ in range(options.rounds):
        # A replayed graph is compared with the same work on the other side.
        sides[0].extend(theirs(options.peer, name.removesuffix("_replay"), threads, options.seconds))
        sides[1].extend(ours([name], threads, options.seconds))
    median = lambda lines: statistics.median(line["ns"] for line in lines) if lines else None
    peak = lambda lines: max(line["peak_mib"] for line in lines) if lines else None
    line = sides[1][0] if sides[1] else {}
    return {
        "work": name,
        "threads": threads,
        "torch_ns": median(sides[0]),
        "ns": median(sides[1]),
        "torch_mib": peak(sides[0]),
        "mib": peak(sides[1]),
        "limit": line.get("limit"),
        "limit_ns": line.get("limit_ns"),
    }


def start_up(command, times):
    """Seconds from the start of a process to its end, the median of several."""
    samples = []
    for _ in range(times):
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        samples.append(time.perf_counter() - start)
    return statistics.median(samples)


def installed_bytes(package):
    """The size of an installed Python package with everything that it requires here."""
    from importlib import metadata
    import re

    sizes, todo = {}, [package]
    while todo:
        name = todo.pop()
        if name in sizes:
            continue
        try:
            found = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue
        files = (Path(found.locate_file(file)) for file in found.files or [])
        sizes[name] = sum(file.stat().st_size for file in files if file.is_file())
        todo += [re.match(r"[\w.-]+", need)[0] for need in found.requires or [] if "extra ==" not in need]
    return sum(sizes.values())


def duration(ns):
    if ns is None:
        return "-"
    for unit, size in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if ns >= size:
            return f"{ns / size:.3g} {unit}"
    return f"{ns:.3g} ns"


def size(bytes_):
    return f"{bytes_ / 1e9:.2f} GB" if bytes_ >= 1e9 else f"{bytes_ / 1e6:.2f} MB"


def table(header, rows):
    lines = ["| " + " | ".join(header) + " |", "| " + " | ".join("---" for _ in header) + " |"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def report(results, others, limits, options):
    import torch

    def row(r):
        ratio = f"{r['torch_ns'] / r['ns']:.2f}×" if r["torch_ns"] and r["ns"] else "-"
        memory = f"{r['torch_mib']} → {r['mib']} MiB" if r["torch_mib"] and r["mib"] else "-"
        share = f"{100 * r['limit_ns'] / r['ns']:.0f} % of {r['limit']}" if r["limit_ns"] and r["ns"] else "-"
        return [f"`{r['work']}`", str(r["threads"]), duration(r["torch_ns"]), duration(r["ns"]), ratio, memory, share]

    header = ["one step of", "threads", "PyTorch", "chainrule", "PyTorch ÷ chainrule", "peak memory", "share of the machine's limit"]
    text = [
        f"Measured on {processor()}, {os.cpu_count()} processors, {platform.system()}, with PyTorch {torch.__version__}: "
        f"medians of {options.rounds} runs of {options.seconds:g} s each, in turn, a process a run"
        + (f", beside {options.load} other busy processes." if options.load else "."),
        table(header, map(row, results)),
    ]
    if limits:
        text.append("The machine's limits, measured in the same run: " + "; ".join(
            f"{limit['per_ns']:.1f} {limit['unit']} {limit['limit']} on {limit['threads']} thread(s)" for limit in limits) + ".")
    if others:
        text.append(table(["", "PyTorch", "chainrule", "PyTorch ÷ chainrule"], others))
    return "\n\n".join(text) + "\n"


def processor():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def process_rows():
    """Start-up to the first gradient, and size on disk."""
    first_gradient = (
        "import torch; x, y, z = (torch.tensor(v, requires_grad=True) for v in (-2., 5., -4.)); "
        "((x + y) * z).backward(); print(x.grad.item())"
    )
    torch_seconds = start_up([sys.executable, "-c", first_gradient], 3)
    our_seconds = start_up([RELEASE / "compare", "--first-gradient"], 50)
    torch_size, our_size = installed_bytes("torch"), (RELEASE / "chainrule").stat().st_size
    return [
        ["start-up to the first gradient", duration(torch_seconds * 1e9), duration(our_seconds * 1e9),
         f"{torch_seconds / our_seconds:.0f}×"],
        ["size on disk (the `chainrule` program, everything included)", size(torch_size), size(our_size),
         f"{torch_size / our_size:.0f}×"],
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", nargs="+")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--threads", nargs="+", type=int, default=sorted({1, os.cpu_count() or 1}))
    parser.add_argument("--peer", default=HERE / "torch_bench.py")
    parser.add_argument("--output", type=Path)
    parser.add_argument("--load", type=int, default=0)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.seconds = 1, 0.5
    if not shutil.which("cargo"):
        sys.exit("cargo isn't on the PATH: it builds chainrule's side")
    subprocess.run(["cargo", "build", "--release", "-p", "compare", "-p", "chainrule-cli"], cwd=ROOT, check=True)
    names = options.work or subprocess.run(
        [RELEASE / "compare", "--list"], capture_output=True, text=True, check=True).stdout.split()
    limits = [limit for threads in options.threads for limit in ours(["--limits"], threads, options.seconds)]
    results = []
    load = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(options.load)]
    try:
        for name in names:
            for threads in options.threads:
                print(f"{name}, {threads} thread(s)", file=sys.stderr)
                results.append(compared(name, threads, options))
    finally:
        for process in load:
            process.kill()
    others = [] if options.work else process_rows()
    text = report(results, others, limits, options)
    if options.output:
        options.output.write_text(text)
    else:
        print(text)


main()
