#!/usr/bin/env python3
"""Counts the instructions of small workloads and shows what changed: `python benches/instructions.py`.

Times on a busy machine say little; instructions are the same in every run. The workloads run on one thread under
`valgrind --tool=callgrind`, once with few and once with more steps, so that what a step takes is left. The counts of
`benches/instructions.json` are those of the last `--update`; they hold for one processor family and compiler.

    --update        store the counts
    --tolerance P   changes beyond P percent count as such (2); more instructions end with exit code 1
    --work NAME ... only these workloads
"""

import argparse
import json
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STORE = ROOT / "benches" / "instructions.json"
COMPARE = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release" / "compare"

# Workloads, and how many steps the shorter and the longer run take. (Those with larger products take minutes under
# valgrind, which computes each fused multiply-add by itself.)
WORK = {
    "scalar_graph": (100, 1100),
    "sigmoid_neuron": (100, 1100),
    "scalar_chain_100k": (1, 3),
    "scalar_chain_100k_replay": (1, 3),
    "mlp_2_16_16_1_b1": (100, 600),
    "mlp_2_16_16_1_b1_replay": (100, 600),
    "softmax_regression_b128": (2, 12),
    "mlp_784_128_10_b32": (2, 12),
    "mlp_784_128_10_b32_replay": (2, 12),
    "lenet_b64": (1, 3),
    "elementwise_1m": (1, 3),
    "elementwise_1m_replay": (1, 3),
    "gradcheck_64_32_10_b8_f64": (1, 2),
}


def instructions(name, steps):
    environment = {**os.environ, "CHAINRULE_THREADS": "1", "CHAINRULE_STEPS": str(steps)}
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", COMPARE, name]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode or not found:
        sys.exit(f"{name} failed under valgrind:\n{done.stderr[-2000:]}")
    return int(found[1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--update", action="store_true")
    parser.add_argument("--tolerance", type=float, default=2.0)
    parser.add_argument("--work", nargs="+", choices=WORK, default=list(WORK))
    options = parser.parse_args()
    # With symbols callgrind can say where it goes. The link over all crates takes minutes, but much becomes vector code there.
    profile = {"CARGO_PROFILE_RELEASE_STRIP": "none", "CARGO_PROFILE_RELEASE_DEBUG": "1"}
    subprocess.run(["cargo", "build", "--release", "-p", "compare"], cwd=ROOT, check=True, env={**os.environ, **profile})
    stored = json.loads(STORE.read_text()) if STORE.exists() else {}
    counts, worse = dict(stored), []
    print(f"{'instructions of one step':32} {'stored':>14} {'now':>14}  change")
    for name in options.work:
        few, more = WORK[name]
        counts[name] = round((instructions(name, more) - instructions(name, few)) / (more - few))
        before = stored.get(name)
        change = 100 * (counts[name] / before - 1) if before else 0.0
        mark = "" if abs(change) <= options.tolerance else "  <-- more" if change > 0 else "  <-- fewer"
        print(f"{name:32} {before or '-':>14} {counts[name]:>14}  {change:+6.1f} %{mark}", flush=True)
        if change > options.tolerance:
            worse.append(name)
    if options.update:
        STORE.write_text(json.dumps(counts, indent=2) + "\n")
    elif worse:
        sys.exit(f"more instructions than stored: {', '.join(worse)}")


main()
