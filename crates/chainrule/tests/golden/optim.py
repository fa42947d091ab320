"""Writes optim.json: what PyTorch's optimisers, schedules and clipping do. Needs torch; run in this folder."""
import json
import warnings

import torch
from torch.optim import lr_scheduler as ls

warnings.simplefilter("ignore")
START = [[0.5, -1.25, 2.0], [3.0, -0.125]]


def gradient(step, group):
    """The gradients of a step; the second parameter has none in steps 0 and 3."""
    if group == 1 and step in (0, 3):
        return None
    return torch.tensor([((7 * step + 3 * group + 5 * i) % 11 - 5) * 0.3 + 0.05 for i in range(len(START[group]))],
                        dtype=torch.float64)


def optimizer(name, options, second):
    make = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW,
            "rmsprop": torch.optim.RMSprop, "adagrad": torch.optim.Adagrad}[name]
    p = [torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in START]
    groups = [{"params": [p[0]]}, {"params": [p[1]], **second}]
    return p, make(groups, **options)


def run(name, options, second={}):
    p, opt = optimizer(name, options, second)
    values = []
    for step in range(6):
        for group in range(2):
            p[group].grad = gradient(step, group)
        opt.step()
        values.append([v for t in p for v in t.tolist()])
    return {"optimizer": name, "options": options, "second": second, "values": values}


def schedule(name, make, steps, optimizer_name="sgd", **options):
    p, opt = optimizer(optimizer_name, {"lr": 0.8, **options}, {"lr": 0.2})
    sch = make(opt)
    rates, momenta = [], []
    for _ in range(steps):
        rates.append([g["lr"] for g in opt.param_groups])
        g = opt.param_groups[0]
        momenta.append(g["momentum"] if "momentum" in g else g["betas"][0])
        opt.step()
        sch.step()
    return {"schedule": name, "rates": rates, "momenta": momenta}


METRICS = [5.0, 4.0, 4.0, 3.9999, 4.1, 3.0, 3.0, 3.0, float("nan"), 3.0, 2.9, 2.95, 2.95, 2.95, 2.95, 2.95, 2.95, 2.95,
           1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]


def plateau(**options):
    p, opt = optimizer("sgd", {"lr": 0.8}, {"lr": 0.2})
    sch = ls.ReduceLROnPlateau(opt, **options)
    rates = []
    for m in METRICS:
        sch.step(m)
        rates.append([g["lr"] for g in opt.param_groups])
    return {"options": options, "rates": rates}


def clip(norm=None, order=2.0, value=None):
    p = [torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in START]
    for group in range(2):
        p[group].grad = gradient(1, group)
    total = None
    if value is not None:
        torch.nn.utils.clip_grad_value_(p, value)
    else:
        total = torch.nn.utils.clip_grad_norm_(p, norm, order).item()
    return {"norm": norm, "order": str(order), "value": value, "total": total, "gradients": [v for t in p for v in t.grad.tolist()]}


out = {
    "torch": torch.__version__,
    "optimizers": [
        run("sgd", {"lr": 0.1}),
        run("sgd", {"lr": 0.1, "momentum": 0.9, "dampening": 0.25, "weight_decay": 0.05}, {"lr": 0.03, "weight_decay": 0.0}),
        run("sgd", {"lr": 0.1, "momentum": 0.8, "nesterov": True, "weight_decay": 0.01}),
        run("adam", {"lr": 0.05}),
        run("adam", {"lr": 0.05, "betas": [0.4, 0.95], "eps": 1e-3, "weight_decay": 0.1}, {"lr": 0.5, "weight_decay": 0.0}),
        run("adam", {"lr": 0.05, "betas": [0.9, 0.5], "amsgrad": True}),
        run("adamw", {"lr": 0.05}),
        run("adamw", {"lr": 0.05, "weight_decay": 0.2, "amsgrad": True}, {"weight_decay": 0.0}),
        run("rmsprop", {"lr": 0.01}),
        run("rmsprop", {"lr": 0.01, "alpha": 0.9, "momentum": 0.7, "weight_decay": 0.1, "eps": 1e-4}),
        run("rmsprop", {"lr": 0.01, "alpha": 0.9, "centered": True}, {"lr": 0.02}),
        run("rmsprop", {"lr": 0.01, "alpha": 0.8, "centered": True, "momentum": 0.5}),
        run("adagrad", {"lr": 0.1}),
        run("adagrad", {"lr": 0.1, "lr_decay": 0.1, "weight_decay": 0.05, "initial_accumulator_value": 0.5, "eps": 1e-3}),
    ],
    "schedules": [
        schedule("step", lambda o: ls.StepLR(o, 3, 0.5), 10),
        schedule("multi-step", lambda o: ls.MultiStepLR(o, [2, 5, 5, 7], 0.5), 10),
        schedule("exponential", lambda o: ls.ExponentialLR(o, 0.9), 10),
        schedule("cosine", lambda o: ls.CosineAnnealingLR(o, 6, 0.05), 16),
        schedule("linear", lambda o: ls.LinearLR(o, 0.25, 0.75, 5), 9),
        schedule("warm-up", lambda o: ls.SequentialLR(o, [ls.LinearLR(o, 0.1, 1.0, 4), ls.CosineAnnealingLR(o, 8)], [4]), 12),
        schedule("one-cycle", lambda o: ls.OneCycleLR(o, [0.8, 0.2], total_steps=12), 12, momentum=0.9),
        schedule("one-cycle-adam", lambda o: ls.OneCycleLR(o, [0.8, 0.2], total_steps=12), 12, "adam"),
        schedule("one-cycle-linear", lambda o: ls.OneCycleLR(o, [0.8, 0.2], total_steps=20, pct_start=0.4, div_factor=10,
                 final_div_factor=100, anneal_strategy="linear", three_phase=True, base_momentum=0.8, max_momentum=0.9), 20, momentum=0.9),
    ],
    "metrics": [None if m != m else m for m in METRICS],
    "plateaus": [
        plateau(factor=0.5, patience=2),
        plateau(factor=0.1, patience=1, cooldown=2, min_lr=0.01),
        plateau(factor=0.5, patience=1, threshold=0.2, threshold_mode="abs", eps=0.1),
        plateau(mode="max", factor=0.5, patience=3, threshold=0.01),
        plateau(mode="max", factor=0.5, patience=3, threshold=0.5, threshold_mode="abs"),
    ],
    "clips": [clip(1.0), clip(100.0), clip(0.5, 1.0), clip(0.7, 3.0), clip(0.9, float("inf")), clip(value=0.4)],
}
json.dump(out, open("optim.json", "w"), indent=None, separators=(",", ":"))
