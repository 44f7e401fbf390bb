"""Golden values of the learning-rate schedules, from PyTorch 1.13's.

    python3 tests/golden/make_schedule.py > tests/golden/schedule.csv

Each line is a name and the learning rates of 30 epochs from a base rate of 0.5. The plateau sees the
metric METRIC[epoch] after each epoch."""
import math
import warnings

import torch
from torch.optim import lr_scheduler as lrs

warnings.simplefilter("ignore")
EPOCHS = 30
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
}


def rates(make):
    """The learning rate of each epoch."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=BASE)
    scheduler = make(optimizer)
    result = []
    for epoch in range(EPOCHS):
        result.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if isinstance(scheduler, lrs.ReduceLROnPlateau):
            scheduler.step(METRIC[epoch])
        else:
            scheduler.step()
    return result


for name, make_one in CASES.items():
    print(name + "," + ",".join(f"{rate:.17g}" for rate in rates(make_one)))
