"""Chooses a small, even sample of a folder of case files: python3 tools/sample_cases.py FROM TO [BYTES]

Of every operator as many cases (and refusals) are taken, evenly spaced among those that are small enough; the
number is the largest with which the files stay within BYTES (3 MB, if not told).
"""

import json
import pathlib
import sys

import case_files

LARGEST_CASE = 16_000


def evenly(items, count):
    """`count` of the items (all, where there are fewer), spread from the first to the last."""
    if count >= len(items):
        return items
    step = (len(items) - 1) / max(count - 1, 1)
    return [items[round(i * step)] for i in range(count)]


def sample(path, count):
    """The file's cases, thinned out; None where it holds none."""
    about, tensors = case_files.read(path)
    if "cases" not in about:
        return None
    cases = json.loads(about["cases"])
    size = lambda case: sum(len(tensors[name][2]) for name in case_files.tensor_names(case) if name in tensors)
    small = [case for case in cases if size(case) <= LARGEST_CASE]
    chosen = evenly([case for case in small if "error" not in case], count)
    chosen += evenly([case for case in small if "error" in case], count)
    names = set().union(*map(case_files.tensor_names, chosen))
    about["cases"] = json.dumps(sorted(chosen, key=lambda case: case["id"]), separators=(",", ":"))
    return about, {name: tensor for name, tensor in tensors.items() if name in names}


def main():
    source, target = map(pathlib.Path, sys.argv[1:3])
    most = int(sys.argv[3]) if len(sys.argv) > 3 else 3_000_000
    target.mkdir(parents=True, exist_ok=True)
    paths = sorted(source.glob("*.safetensors"))
    best = None
    for count in range(1, 100):
        total = 0
        files = {path.name: sample(path, count) for path in paths}
        for name, content in files.items():
            if content and json.loads(content[0]["cases"]):
                case_files.write(target / name, *content)
                total += (target / name).stat().st_size
        if total > most:
            break
        best = count
    if best is None:
        sys.exit(f"one case an operator is {total} bytes already")
    for old in target.glob("*.safetensors"):
        old.unlink()
    for path in paths:
        content = sample(path, best)
        if content and json.loads(content[0]["cases"]):
            case_files.write(target / path.name, *content)
    print(f"{best} cases an operator, {sum(p.stat().st_size for p in target.glob('*.safetensors'))} bytes")


if __name__ == "__main__":
    main()
