"""Makes case files of PyTorch's operators from an installed PyTorch: python3 tools/make_cases.py FOLDER [OPERATOR…]

The samples are those with which PyTorch tests itself (OpInfo), run in float64. Every case is called as
`op(input, *args, **kwargs)`; the gradients are those of the sum over the outputs of upstream × output. PyTorch gets
what the file holds: contiguous tensors that share no memory. A case is left out where an argument can't be
written down, a type is none of the file format's, or two runs give different results (the operator draws random
numbers). Names of operators may be given to make only those.

Other cases than those of the repository come from `--seed` (other numbers), `--references` (the samples with
which PyTorch compares itself with NumPy: more shapes, extremal values), `--mutate` (special values and arguments out
of range: mutations.py) and `--dtype` (int64, int32, uint8, bool).
Needs `pip install torch expecttest scipy`.
"""

import argparse
import json
import math
import os
import pathlib
import random
import sys
import warnings
from unittest import mock

import torch
from torch.testing._internal.common_methods_invocations import op_db
from torch.testing._internal.opinfo.core import ErrorInput, SampleInput

import case_files
import mutations

DTYPES = {
    torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16",
    torch.int64: "I64", torch.int32: "I32", torch.uint8: "U8", torch.bool: "BOOL",
}
LARGEST_TENSOR = 500_000


class CannotWrite(Exception):
    """An argument or output has no form in the case files."""


class Writer:
    """Collects a case's tensors and turns its arguments into JSON."""

    def __init__(self, number):
        self.number, self.tensors, self.inputs, self.copies = number, {}, {}, {}

    def store(self, name, tensor):
        if tensor.dtype not in DTYPES or tensor.layout != torch.strided or tensor.is_meta:
            raise CannotWrite(f"{tensor.dtype}, {tensor.layout} on {tensor.device}")
        if tensor.numel() * tensor.element_size() > LARGEST_TENSOR:
            raise CannotWrite("a tensor too large")
        if tensor._is_zerotensor():  # zeros without memory
            tensor = torch.zeros(tensor.shape, dtype=tensor.dtype)
        flat = tensor.detach().resolve_conj().resolve_neg().clone(memory_format=torch.contiguous_format).reshape(-1)
        data = bytes(flat.view(torch.uint8).tolist()) if flat.numel() else b""
        self.tensors[name] = (DTYPES[tensor.dtype], list(tensor.shape), data)
        return name

    def argument(self, value):
        if isinstance(value, torch.Tensor):
            for name, known in self.inputs.items():
                if known is value:
                    break
            else:
                name = self.store(f"{self.number}.in{len(self.inputs)}", value)
                self.inputs[name] = value
            return {"tensor": name, "requires_grad": value.requires_grad}
        if isinstance(value, (list, tuple)):
            return {"list": [self.argument(item) for item in value]}
        if value is None or isinstance(value, (bool, int, str)):
            return {"value": value}
        if isinstance(value, float):
            special = {math.inf: "inf", -math.inf: "-inf"}.get(value, "nan" if math.isnan(value) else None)
            return {"value": {"float": special} if special else value}
        if isinstance(value, torch.dtype):
            return {"dtype": str(value).removeprefix("torch.")}
        if isinstance(value, slice):
            return {"slice": [value.start, value.stop, value.step]}
        if value is Ellipsis:
            return {"ellipsis": True}
        raise CannotWrite(repr(value))

    def again(self, value):
        """An argument as it is read back: its tensors are new, and share no memory."""
        if isinstance(value, torch.Tensor):
            name = self.argument(value)["tensor"]
            if name not in self.copies:
                copy = value.detach().resolve_conj().resolve_neg().clone(memory_format=torch.contiguous_format)
                self.copies[name] = copy.requires_grad_(value.requires_grad)
            return self.copies[name]
        if isinstance(value, (list, tuple)):
            return tuple(map(self.again, value))  # as an index, a list is something else
        return value

    def call(self, sample):
        """The call as JSON; the sample's arguments become what is read back."""
        call = {
            "id": self.number,
            "input": self.argument(sample.input),
            "args": [self.argument(value) for value in sample.args],
            "kwargs": {name: self.argument(value) for name, value in sample.kwargs.items()},
        }
        sample.input, sample.args = self.again(sample.input), self.again(sample.args)
        sample.kwargs = {name: self.again(value) for name, value in sample.kwargs.items()}
        return call


def name_of(op):
    """The operator's name, with its variant: `div.floor_rounding`."""
    return f"{op.name}.{op.variant_test_name}" if op.variant_test_name else op.name


def outputs_of(op, sample):
    """The operator's outputs as a list of tensors."""
    result = op.op(sample.input, *sample.args, **sample.kwargs)
    results = list(result) if isinstance(result, (list, tuple)) else [result]
    if not all(isinstance(x, torch.Tensor) for x in results):
        raise CannotWrite("an output that is no tensor")
    return results


def ordinary_case(op, sample, number, draw):
    """The case of a sample that PyTorch computes."""
    writer = Writer(number)
    case = writer.call(sample)
    results = outputs_of(op, sample)
    with mock.patch("torch.manual_seed"):  # some operators of the tests seed the stream that they draw from
        again = outputs_of(op, sample)
    if not all(torch.equal(a.nan_to_num(), b.nan_to_num()) for a, b in zip(results, again)):
        raise CannotWrite("a result that differs from run to run")
    leaves = {name: x for name, x in writer.copies.items() if x.requires_grad}
    upstream = [torch.randn(y.shape, dtype=y.dtype, generator=draw) if y.requires_grad else None for y in results]
    kept = [(y, g) for y, g in zip(results, upstream) if g is not None]
    grads = [None] * len(leaves)
    if kept and leaves:
        grads = torch.autograd.grad([y for y, _ in kept], list(leaves.values()), [g for _, g in kept], allow_unused=True)
    case["outputs"] = [writer.store(f"{number}.out{i}", y) for i, y in enumerate(results)]
    case["grad_fns"] = [y.grad_fn and y.grad_fn.name() for y in results]
    case["upstream"] = [g if g is None else writer.store(f"{number}.up{i}", g) for i, g in enumerate(upstream)]
    case["grads"] = {
        name: None if grad is None else writer.store(f"{name}.grad", grad) for name, grad in zip(leaves, grads)
    }
    return case, writer.tensors


def refused_case(op, error_input, number):
    """The case of inputs that PyTorch refuses."""
    writer = Writer(number)
    case = writer.call(error_input.sample_input)
    case["error"] = error_input.error_regex
    try:
        outputs_of(op, error_input.sample_input)
    except (CannotWrite, TypeError):  # a TypeError is Python's, about what may stand where
        raise CannotWrite("a call that Python refuses") from None
    except Exception:  # the refusal, of whatever type
        return case, writer.tensors
    raise CannotWrite("a refusal that PyTorch accepts")


def samples_of(op, options):
    """The operator's samples, thinned out evenly to as many as are wanted."""
    dtype = getattr(torch, options.dtype)
    inputs = op.reference_inputs if options.references else op.sample_inputs
    with_gradients = op.supports_autograd and dtype.is_floating_point
    torch.manual_seed(options.seed)
    samples = list(inputs("cpu", dtype, requires_grad=with_gradients, set_seed=options.seed == 0))
    if (options.seed == 0 and not options.mutate) or len(samples) <= options.most:
        return samples[: options.most]
    return [samples[i * len(samples) // options.most] for i in range(options.most)]


def mutated_cases(op, options):
    """Cases made out of the operator's samples: what PyTorch makes of them, be it a value or a refusal."""
    numbers, draw = random.Random(options.seed), torch.Generator().manual_seed(options.seed)
    cases, tensors, number = [], {}, 0
    for sample in samples_of(op, options):
        for change in mutations.ALL:
            call = change(((sample.input, *sample.args), sample.kwargs), numbers)
            if call is None:
                continue
            fresh = lambda: SampleInput(call[0][0], args=call[0][1:], kwargs=call[1])
            number += 1
            try:
                case, more = ordinary_case(op, fresh(), number, draw)
            except (CannotWrite, TypeError, NotImplementedError):
                continue
            except Exception as reason:
                if "implemented" in str(reason):
                    continue
                refusal = ErrorInput(fresh(), error_regex=str(reason).splitlines()[0][:200])
                try:
                    case, more = refused_case(op, refusal, number)
                except CannotWrite:
                    continue
            case["mutation"] = change.__name__
            cases.append(case)
            tensors.update(more)
    return cases, tensors


def cases_of(op, options):
    """All cases of an operator, with their tensors."""
    if options.mutate:
        return mutated_cases(op, options)
    draw = torch.Generator().manual_seed(options.seed)
    cases, tensors, number = [], {}, 0
    for sample in samples_of(op, options):
        try:
            case, more = ordinary_case(op, sample, number, draw)
            cases.append(case)
            tensors.update(more)
        except (CannotWrite, RuntimeError, NotImplementedError) as reason:
            print(f"{name_of(op)} {number}: left out: {reason}", file=sys.stderr)
        number += 1
    for error_input in op.error_inputs("cpu") if op.error_inputs_func else []:
        try:
            case, more = refused_case(op, error_input, number)
            cases.append(case)
            tensors.update(more)
        except CannotWrite as reason:
            print(f"{name_of(op)} {number}: left out: {reason}", file=sys.stderr)
        number += 1
    return cases, tensors


def write_operator(op, chosen):
    """Writes the file of an operator, where there are cases."""
    try:
        cases, tensors = cases_of(op, chosen)
    except Exception as reason:  # PyTorch's own samples need what isn't installed, or fail for this type
        print(f"{name_of(op)}: left out: {reason}", file=sys.stderr, flush=True)
        return
    if cases:
        about = {"op": name_of(op), "torch": torch.__version__, "cases": json.dumps(cases)}
        case_files.write(chosen.folder / f"{name_of(op)}.safetensors", about, tensors)


def options():
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description="Makes case files of PyTorch's operators.")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("operators", nargs="*", help="only these")
    parser.add_argument("--seed", type=int, default=0, help="0: the numbers that PyTorch's tests draw")
    parser.add_argument("--most", type=int, default=60, help="cases an operator")
    parser.add_argument("--dtype", default="float64")
    parser.add_argument("--references", action="store_true")
    parser.add_argument("--mutate", action="store_true")
    return parser.parse_intermixed_args()


def main():
    chosen = options()
    chosen.folder.mkdir(parents=True, exist_ok=True)
    warnings.filterwarnings("ignore")
    index = {"torch": torch.__version__, "operators": {}}
    for op in op_db:
        if chosen.operators and name_of(op) not in chosen.operators:
            continue
        if not op.supports_dtype(getattr(torch, chosen.dtype), "cpu"):
            continue
        # PyTorch itself may crash on mutated calls, so that each operator has a process of its own.
        child = os.fork()
        if child == 0:
            write_operator(op, chosen)
            os._exit(0)
        if os.waitpid(child, 0)[1] != 0:
            print(f"{name_of(op)}: left out: PyTorch crashed", file=sys.stderr)
        path = chosen.folder / f"{name_of(op)}.safetensors"
        if path.exists():
            cases = json.loads(case_files.read(path)[0]["cases"])
            refusals = sum("error" in case for case in cases)
            index["operators"][name_of(op)] = {"cases": len(cases) - refusals, "refusals": refusals}
    (chosen.folder / "index.json").write_text(json.dumps(index, indent=1))


if __name__ == "__main__":
    main()
