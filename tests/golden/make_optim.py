"""Golden values of the optimisers: weights after 1, 10 and 50 steps of PyTorch 1.13's.

    python3 tests/golden/make_optim.py > tests/golden/optim.csv

Weights start at w[i] = cos(i + 1); at step t (from 1) the gradient is
(w[i] - c[i]) * s[i] + 0.1 * sin(t + i), with c[i] = sin(2 i) and s[i] = 0.1 + 0.3 * i / COUNT.
Each line is: dtype, step, the optimiser and its options as one text, the weights."""
import math

import torch

COUNT = 10
STEPS = (1, 10, 50)
SPECIAL = {"clip_norm", "clip_value", "l1", "ema"}

CASES = [
    "sgd lr=0.1",
    "sgd lr=0.1 weight_decay=0.05",
    "sgd lr=0.1 l1=0.03",
    "sgd lr=0.1 momentum=0.9",
    "sgd lr=0.1 momentum=0.9 weight_decay=0.01",
    "sgd lr=0.1 momentum=0.9 dampening=0.4",
    "sgd lr=0.1 momentum=0.8 nesterov=1 weight_decay=0.01",
    "sgd lr=0.1 momentum=0.9 ema=1",
    "sgd lr=0.1 clip_norm=0.3",
    "sgd lr=0.1 clip_value=0.1",
    "adagrad lr=0.1",
    "adagrad lr=0.1 lr_decay=0.05 weight_decay=0.02 initial_accumulator_value=0.1",
    "rmsprop lr=0.01",
    "rmsprop lr=0.01 alpha=0.9 weight_decay=0.02 eps=1e-5",
    "rmsprop lr=0.01 momentum=0.7",
    "rmsprop lr=0.01 centered=1",
    "rmsprop lr=0.01 centered=1 momentum=0.7 l1=0.01",
    "adam lr=0.02",
    "adam lr=0.02 beta1=0.8 beta2=0.95 eps=1e-4 weight_decay=0.05",
    "adam lr=0.02 clip_norm=0.2",
    "adamw lr=0.02",
    "adamw lr=0.02 beta1=0.7 weight_decay=0.3",
]

CLASSES = {
    "sgd": torch.optim.SGD,
    "adagrad": torch.optim.Adagrad,
    "rmsprop": torch.optim.RMSprop,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
}


def make(name, options, weights):
    """The optimiser, with PyTorch's own spelling of the options."""
    options = {k: v for k, v in options.items() if k not in SPECIAL}
    if "beta1" in options or "beta2" in options:
        options["betas"] = (options.pop("beta1", 0.9), options.pop("beta2", 0.999))
    for flag in ("nesterov", "centered"):
        if flag in options:
            options[flag] = bool(options[flag])
    return CLASSES[name]([weights], **options)


def trajectory(case, dtype):
    """Weights at each of STEPS."""
    name, *words = case.split()
    options = {key: float(value) for key, value in (word.split("=") for word in words)}
    index = torch.arange(COUNT, dtype=torch.float64)
    centre, slope = torch.sin(2 * index).to(dtype), (0.1 + 0.3 * index / COUNT).to(dtype)
    weights = torch.cos(index + 1).to(dtype).requires_grad_()
    optimizer = make(name, options, weights)
    if options.get("ema"):
        # PyTorch has no such form; with a velocity that exists before the first step it is
        # dampening = momentum.
        group = optimizer.param_groups[0]
        group["dampening"] = group["momentum"]
        optimizer.state[weights]["momentum_buffer"] = torch.zeros(COUNT, dtype=dtype)
    result = []
    for step in range(1, max(STEPS) + 1):
        with torch.no_grad():
            noise = torch.sin(step + index).to(dtype)
            weights.grad = (weights - centre) * slope + 0.1 * noise
        if "clip_norm" in options:
            torch.nn.utils.clip_grad_norm_([weights], options["clip_norm"])
        if "clip_value" in options:
            torch.nn.utils.clip_grad_value_([weights], options["clip_value"])
        if "l1" in options:
            weights.grad += options["l1"] * torch.sign(weights.detach())
        optimizer.step()
        if step in STEPS:
            result.append((step, weights.detach().tolist()))
    return result


def main():
    for case in CASES:
        for dtype in (torch.float32, torch.float64):
            digits = 9 if dtype == torch.float32 else 17
            for step, weights in trajectory(case, dtype):
                assert all(math.isfinite(w) for w in weights)
                numbers = ",".join(f"{w:.{digits}g}" for w in weights)
                print(f"{str(dtype)[6:]},{step},{case},{numbers}")


main()
