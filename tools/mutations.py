"""Other calls made out of PyTorch's samples: ties, NaN and infinities, empty dimensions, numbers out of range.

Each function gives the changed arguments of a call, or None where there is nothing of its kind to change. What
PyTorch then says, a value or a refusal, is what the case files hold.
"""

import math

import torch

SPECIAL = [math.nan, math.inf, -math.inf, 0.0, -0.0, 1.0, -1.0]
INTEGERS = [-9, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 9, 2**31, 2**63 - 1, -(2**63)]
FLOATS = [0.0, -0.0, -1.0, 0.5, 1.0, 2.0, 3.0, math.inf, -math.inf, math.nan]


def over(call, change):
    """The call with every leaf of its arguments changed; the same tensor stays the same tensor."""
    done = {}

    def visit(value):
        if isinstance(value, (list, tuple)):
            return tuple(map(visit, value))
        if not isinstance(value, torch.Tensor):
            return change(value)
        if id(value) not in done:
            done[id(value)] = change(value)
        return done[id(value)]

    positional, named = call
    return visit(positional), {name: visit(value) for name, value in named.items()}


def leaves(call):
    """All arguments, those in lists one by one."""
    found = []
    over(call, lambda leaf: found.append(leaf))
    return found


def with_values(call, change):
    """The call with other numbers in its tensors of floats."""
    if not any(isinstance(leaf, torch.Tensor) and leaf.is_floating_point() for leaf in leaves(call)):
        return None

    def changed(leaf):
        if not isinstance(leaf, torch.Tensor) or not leaf.is_floating_point() or leaf.is_sparse:
            return leaf
        return change(leaf.detach().clone()).requires_grad_(leaf.requires_grad)

    return over(call, changed)


def ties(call, draw):
    """Small whole numbers: equal elements, kinks, zeros."""
    return with_values(call, lambda x: torch.tensor(
        [draw.choice([-2.0, -1.0, -0.0, 0.0, 1.0, 2.0]) for _ in range(x.numel())], dtype=x.dtype).reshape(x.shape))


def specials(call, draw):
    """A third of the elements NaN, infinite, zero or one."""
    def change(x):
        flat = [draw.choice(SPECIAL) if draw.random() < 0.34 else value for value in x.flatten().tolist()]
        return torch.tensor(flat, dtype=x.dtype).reshape(x.shape)
    return with_values(call, change)


def with_size(call, draw, size):
    """All dimensions of one size get another."""
    sizes = sorted({n for x in leaves(call) if isinstance(x, torch.Tensor) for n in x.shape if n != size})
    if not sizes:
        return None
    old = draw.choice(sizes)

    def changed(leaf):
        if not isinstance(leaf, torch.Tensor) or leaf.layout != torch.strided:
            return leaf
        x = leaf.detach()
        for dim, length in enumerate(x.shape):
            if length == old:
                x = x.narrow(dim, 0, min(size, length))
        return x.clone().requires_grad_(leaf.requires_grad)

    return over(call, changed)


def empty(call, draw):
    """A size becomes 0."""
    return with_size(call, draw, 0)


def single(call, draw):
    """A size becomes 1."""
    return with_size(call, draw, 1)


def number(call, draw):
    """One number or flag is another."""
    places = [i for i, leaf in enumerate(leaves(call)) if isinstance(leaf, (bool, int, float))]
    if not places:
        return None
    chosen, count = draw.choice(places), iter(range(10**6))

    def changed(leaf):
        if next(count) != chosen:
            return leaf
        if isinstance(leaf, bool):
            return not leaf
        return draw.choice(INTEGERS if isinstance(leaf, int) else FLOATS)

    return over(call, changed)


def index(call, draw):
    """One element of a tensor of integers is out of range, or negative."""
    def is_index(leaf):
        return isinstance(leaf, torch.Tensor) and leaf.dtype in (torch.int64, torch.int32) and leaf.numel() > 0
    if not any(map(is_index, leaves(call))):
        return None

    def changed(leaf):
        if not is_index(leaf):
            return leaf
        x = leaf.clone().flatten()
        x[draw.randrange(x.numel())] = draw.choice([-9, -2, -1, 0, 1, 9])
        return x.reshape(leaf.shape)

    return over(call, changed)


def without_dimensions(call, _draw):
    """The first tensor becomes a number."""
    positional, named = call
    first = positional[0]
    if not isinstance(first, torch.Tensor) or first.numel() == 0 or first.dim() == 0:
        return None
    scalar = first.detach().flatten()[0].clone().requires_grad_(first.requires_grad)
    return (scalar, *positional[1:]), named


ALL = [ties, specials, empty, single, number, number, index, without_dimensions]
