"""Golden values of the optimisers: weights after 1, 10 and 50 steps of PyTorch 1.13's (of Lion: of
ten lines of our own).

    python3 tests/golden/make_optim.py > tests/golden/optim.csv

Weights start at w[i] = cos(i + 1); at step t (from 1) the gradient is
(w[i] - c[i]) * s[i] + 0.1 * sin(t + i), with c[i] = sin(2 i) and s[i] = 0.1 + 0.3 * i / COUNT; the
loss, for optimisers that ask, is sum (w - c)^2 s / 2 + 0.1 sin(t + i) w + quartic * (w - c)^4 / 4.

Options that are no optimiser's: clip_norm, clip_value; l1; groups=1 (the first three weights with a
fifth of the learning rate and ten times the decay, the next two frozen); max_norm (of the rows
w[3:5], w[5:7], w[7:9]); mean (weights are those of the running mean with this decay) and
warm_up=1; cycle=1 (momentum 0.85 + 0.1 cos(t)); quartic; fixed=1
(t in the gradient stays 1: L-BFGS amplifies rounding from step to step when the loss changes).

Each line is: dtype, step, the optimiser and its options as one text, the weights."""
import math

import torch
from torch.optim.swa_utils import AveragedModel

COUNT = 10
STEPS = (1, 10, 50)
SPECIAL = {"clip_norm", "clip_value", "l1", "ema", "groups", "max_norm", "mean", "warm_up", "cycle", "quartic", "fixed"}

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
    "adam lr=0.02 amsgrad=1",
    "adamw lr=0.02 amsgrad=1 beta2=0.9 weight_decay=0.1",
    "adadelta lr=1",
    "adadelta lr=0.5 rho=0.8 eps=1e-4 weight_decay=0.05",
    "adamax lr=0.02",
    "adamax lr=0.02 beta1=0.8 beta2=0.95 eps=1e-3 weight_decay=0.05",
    "nadam lr=0.02",
    "nadam lr=0.02 beta1=0.8 beta2=0.95 momentum_decay=0.02 weight_decay=0.05 eps=1e-5",
    "radam lr=0.02",
    "radam lr=0.02 beta1=0.8 beta2=0.95 weight_decay=0.05 eps=1e-5",
    "radam lr=0.02 beta2=0.5",
    "lion lr=0.01",
    "lion lr=0.01 beta1=0.8 beta2=0.95 weight_decay=0.5",
    "rprop lr=0.01",
    "rprop lr=0.05 eta1=0.4 eta2=1.5 step_size1=1e-3 step_size2=0.2",
    "asgd lr=0.1",
    "asgd lr=0.1 lambd=0.01 alpha=0.5 weight_decay=0.05",
    "asgd lr=0.1 mean=1",
    "lbfgs strong_wolfe=0 lr=0.1 max_iter=2 fixed=1",
    "lbfgs strong_wolfe=0 lr=0.2 history_size=2 max_iter=2 quartic=1 fixed=1",
    "lbfgs strong_wolfe=1 max_iter=1 fixed=1",
    "lbfgs strong_wolfe=1 max_iter=1 quartic=4 fixed=1",
    "lbfgs strong_wolfe=1 history_size=3 max_iter=3 max_eval=4 quartic=4 fixed=1",
    "lbfgs strong_wolfe=1 max_iter=1 quartic=40 lr=0.01 fixed=1",
    "sgd lr=0.1 momentum=0.9 weight_decay=0.01 groups=1",
    "adamw lr=0.02 groups=1",
    "adam lr=0.02 weight_decay=0.02 groups=1 clip_norm=0.2",
    "sgd lr=0.1 max_norm=0.6",
    "adam lr=0.02 max_norm=1",
    "adam lr=0.02 mean=0.9",
    "sgd lr=0.1 mean=0.99 warm_up=1",
    "sgd lr=0.1 mean=1",
    "sgd lr=0.1 momentum=0.9 cycle=1",
    "sgd lr=0.1 momentum=0.9 nesterov=1 cycle=1",
    "adam lr=0.02 cycle=1",
]


class Lion(torch.optim.Optimizer):
    """Chen et al. 2023, algorithm 2."""

    def __init__(self, params, lr=1e-4, betas=(0.9, 0.99), weight_decay=0.0):
        super().__init__(params, dict(lr=lr, betas=betas, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for w in group["params"]:
                m = self.state[w].setdefault("exp_avg", torch.zeros_like(w))
                first, second = group["betas"]
                update = torch.sign(first * m + (1 - first) * w.grad)
                w.sub_(group["lr"] * (update + group["weight_decay"] * w))
                m.mul_(second).add_(w.grad, alpha=1 - second)


CLASSES = {
    "sgd": torch.optim.SGD,
    "adagrad": torch.optim.Adagrad,
    "rmsprop": torch.optim.RMSprop,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "adadelta": torch.optim.Adadelta,
    "adamax": torch.optim.Adamax,
    "nadam": torch.optim.NAdam,
    "radam": torch.optim.RAdam,
    "lion": Lion,
    "rprop": torch.optim.Rprop,
    "asgd": torch.optim.ASGD,
    "lbfgs": torch.optim.LBFGS,
}


def make(name, options, parts):
    """The optimiser of a list of parts, with PyTorch's own spelling of the options."""
    groups = options.get("groups")
    options = {k: v for k, v in options.items() if k not in SPECIAL}
    for pair, defaults in {"beta": (0.9, 0.99 if name == "lion" else 0.999), "eta": (0.5, 1.2),
                           "step_size": (1e-6, 50)}.items():
        if pair + "1" in options or pair + "2" in options:
            options[pair + "s"] = tuple(options.pop(f"{pair}{i + 1}", defaults[i]) for i in range(2))
    for flag in ("nesterov", "centered", "amsgrad"):
        if flag in options:
            options[flag] = bool(options[flag])
    for count in ("max_iter", "max_eval", "history_size"):
        if count in options:
            options[count] = int(options[count])
    if name == "lbfgs":
        options["line_search_fn"] = "strong_wolfe" if options.pop("strong_wolfe") else None
    if name == "nadam":
        options["foreach"] = True  # without, version 1.13 takes one factor twice
    made = CLASSES[name](parts, **options)
    if groups:
        decay = 10 * made.defaults["weight_decay"]
        made = CLASSES[name]([{"params": parts[:1], "lr": options["lr"] / 5, "weight_decay": decay},
                              {"params": parts[2:]}], **options)
    return made


def limit_rows(part, limit):
    """Rows of two, whole ones only."""
    rows = part.detach()[:len(part) // 2 * 2].view(-1, 2)
    rows.copy_(torch.renorm(rows, 2, 0, limit))


def make_average(parts, options):
    """The running mean of the parts, as PyTorch's AveragedModel keeps it, or None."""
    decay = options.get("mean")
    if decay is None:
        return None

    def ema(mean, value, count):
        share = min(decay, (1 + count.item()) / (10 + count.item())) if options.get("warm_up") else decay
        return share * mean + (1 - share) * value

    model = torch.nn.Module()
    for i, part in enumerate(parts):
        model.register_parameter(f"part{i}", part)
    return AveragedModel(model, avg_fn=None if decay == 1 else ema), model


def trajectory(case, dtype):
    """Weights at each of STEPS."""
    name, *words = case.split()
    options = {key: float(value) for key, value in (word.split("=") for word in words)}
    torch.set_default_dtype(dtype)  # of NAdam's and ASGD's scalar states
    index = torch.arange(COUNT, dtype=torch.float64)
    pieces = (slice(0, 3), slice(3, 5), slice(5, COUNT))
    cut = lambda values: [values.to(dtype)[piece].clone() for piece in pieces]
    centres, slopes = cut(torch.sin(2 * index)), cut(0.1 + 0.3 * index / COUNT)
    parts = [torch.nn.Parameter(part) for part in cut(torch.cos(index + 1))]
    optimizer = make(name, options, parts)
    average = make_average(parts, options)
    quartic = options.get("quartic", 0)
    if options.get("ema"):
        # PyTorch has no such form; with a velocity that exists before the first step it is
        # dampening = momentum.
        group = optimizer.param_groups[0]
        group["dampening"] = group["momentum"]
        for part in parts:
            optimizer.state[part]["momentum_buffer"] = torch.zeros_like(part)
    active = [part for group in optimizer.param_groups for part in group["params"]]

    def evaluate(noises):
        loss = 0
        with torch.no_grad():
            for w, c, s, noise in zip(parts, centres, slopes, noises):
                w.grad = (w - c) * s + 0.1 * noise + quartic * (w - c) ** 3
                loss += ((w - c) ** 2 * s / 2 + 0.1 * noise * w + quartic * (w - c) ** 4 / 4).double().sum()
        return loss

    result = []
    for step in range(1, max(STEPS) + 1):
        noises = cut(torch.sin((1 if options.get("fixed") else step) + index))
        if name == "lbfgs":
            optimizer.step(lambda: evaluate(noises))
        else:
            evaluate(noises)
            if "clip_norm" in options:
                torch.nn.utils.clip_grad_norm_(active, options["clip_norm"])
            if "clip_value" in options:
                torch.nn.utils.clip_grad_value_(active, options["clip_value"])
            for part in active:
                if "l1" in options:
                    part.grad += options["l1"] * torch.sign(part.detach())
            for group in optimizer.param_groups if options.get("cycle") else []:
                momentum = 0.85 + 0.1 * math.cos(step)
                if "betas" in group:
                    group["betas"] = (momentum, group["betas"][1])
                else:
                    group["momentum"] = momentum
            optimizer.step()
        for part in parts[1:] if "max_norm" in options else []:
            limit_rows(part, options["max_norm"])
        if average:
            average[0].update_parameters(average[1])
        if step in STEPS:
            shown = average[0].parameters() if average else parts
            result.append((step, [w for part in shown for w in part.detach().tolist()]))
    return result


def main():
    for case in CASES:
        for dtype in (torch.float32, torch.float64):
            if dtype == torch.float32 and case.startswith("lbfgs"):
                continue  # with float32 sums its line search stops at points of no precision
            digits = 9 if dtype == torch.float32 else 17
            for step, weights in trajectory(case, dtype):
                assert all(math.isfinite(w) for w in weights)
                numbers = ",".join(f"{w:.{digits}g}" for w in weights)
                print(f"{str(dtype)[6:]},{step},{case},{numbers}")


main()
