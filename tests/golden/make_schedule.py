"""Golden values of the learning-rate schedules, from PyTorch 1.13's.

    python3 tests/golden/make_schedule.py > tests/golden/schedule.csv

Each line is a name and the learning rates of 50 epochs from a base rate of 0.5; where a schedule drives
momentum, too, a second line, name_momentum, has that. The plateau sees the metric METRIC[epoch] after
each epoch."""
import math
import warnings

import torch
from torch.optim import lr_scheduler as lrs

warnings.simplefilter("ignore")
EPOCHS = 50
BASE = 0.5
METRIC = [2 + math.cos(0.7 * i) - 0.02 * i for i in range(EPOCHS)]

CASES = {
    "step": lambda o: lrs.StepLR(o, 7, 0.3),
    "milestones": lambda o: lrs.MultiStepLR(o, [3, 10, 11], 0.5),
    "exponential": lambda o: lrs.ExponentialLR(o, 0.9),
    "cosine": lambda o: lrs.CosineAnnealingLR(o, EPOCHS, 0.01),
    "warmup": lambda o: lrs.LinearLR(o, 0.2, 1.0, 6),
    "plateau": lambda o: lrs.ReduceLROnPlateau(o, "min", 0.5, 2, 0.01, "rel", 1, 0.05),
    "plateau_max": lambda o: lrs.ReduceLROnPlateau(o, "max", 0.3, 1),
    "constant": lambda o: lrs.ConstantLR(o, 0.3, 7),
    "linear": lambda o: lrs.LinearLR(o, 0.2, 0.7, 20),
    "polynomial": lambda o: lrs.PolynomialLR(o, 35, 1.7),
    "multiplicative": lambda o: lrs.MultiplicativeLR(o, lambda k: 0.9 + 0.1 * math.cos(k)),
    "restarts": lambda o: lrs.CosineAnnealingWarmRestarts(o, 6, 2, 0.01),
    "restarts_even": lambda o: lrs.CosineAnnealingWarmRestarts(o, 9),
    "sequence": lambda o: lrs.SequentialLR(o, [lrs.LinearLR(o, 0.1, 1, 5), lrs.ExponentialLR(o, 0.9),
                                               lrs.StepLR(o, 4, 0.5)], [5, 20]),
    "chain": lambda o: lrs.ChainedScheduler([lrs.ConstantLR(o, 0.1, 4), lrs.ExponentialLR(o, 0.95)]),
    "one_cycle": lambda o: lrs.OneCycleLR(o, 0.8, EPOCHS),
    "one_cycle_linear": lambda o: lrs.OneCycleLR(o, BASE, EPOCHS, pct_start=0.25, anneal_strategy="linear",
                                                 base_momentum=0.6, max_momentum=0.9, div_factor=10,
                                                 final_div_factor=100, three_phase=True),
    "cyclic": lambda o: lrs.CyclicLR(o, BASE, 2, 7),
    "cyclic_halved": lambda o: lrs.CyclicLR(o, BASE, 2, 5, 3, "triangular2", base_momentum=0.5,
                                            max_momentum=0.7),
    "cyclic_decayed": lambda o: lrs.CyclicLR(o, BASE, 3, 6, None, "exp_range", 0.97, cycle_momentum=False),
}
MOMENTUM = {"one_cycle", "one_cycle_linear", "cyclic", "cyclic_halved"}


def values(make):
    """Learning rate and momentum of each epoch."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=BASE, momentum=0.9)
    scheduler = make(optimizer)
    rates, momenta = [], []
    for epoch in range(EPOCHS):
        rates.append(optimizer.param_groups[0]["lr"])
        momenta.append(optimizer.param_groups[0]["momentum"])
        optimizer.step()
        if isinstance(scheduler, lrs.ReduceLROnPlateau):
            scheduler.step(METRIC[epoch])
        else:
            scheduler.step()
    return rates, momenta


for name, make_one in CASES.items():
    found = values(make_one)
    for suffix, numbers in zip(("", "_momentum"), found):
        if not suffix or name in MOMENTUM:
            print(name + suffix + "," + ",".join(f"{number:.17g}" for number in numbers))
