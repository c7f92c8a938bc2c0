"""Distances and success rates of minimum-norm and query-only attacks by other libraries, on one small net.

    python3 -m venv /tmp/reference && /tmp/reference/bin/pip install torch==2.15.0 numpy==2.4.6 scipy==1.17.1 packaging \
        foolbox==3.3.4 torchattacks==3.5.1 adversarial-robustness-toolbox==1.20.1 safetensors==0.8.0
    /tmp/reference/bin/python scripts/reference-minimum-norm.py packages/attacks/test/data

A 16-32-32-4 ReLU net is trained on four overlapping clusters in [0, 1]^16, read as 4 x 4 images where an attack wants
images. For every attack: the distance from each of the examples to the adversarial point found (null if none), or for
attacks at a fixed radius the success. L-BFGS, which none of the three libraries offers, is SciPy's L-BFGS-B on the
same objective. Everything is seeded. What it writes, minimum-norm.json and the net as minimum-norm.safetensors, is test
data of packages/attacks/test/minimum-norm/reference.test.ts.
"""

import copy
import json
import sys
import time
import warnings
from pathlib import Path

import foolbox
import numpy as np
import scipy
import scipy.optimize
import torch
import torchattacks
from art import __version__ as art_version
from art.attacks.evasion import HopSkipJump
from art.estimators.classification import PyTorchClassifier
from safetensors.torch import save_file

warnings.filterwarnings("ignore")
torch.set_num_threads(1)
torch.manual_seed(0)
rng = np.random.default_rng(0)

COUNT, DIMENSION, CLASSES = 48, 16, 4


def clusters(n):
    labels = rng.integers(0, CLASSES, n)
    centres = 0.5 + 0.22 * np.sign(np.random.default_rng(7).normal(size=(CLASSES, DIMENSION)))
    points = centres[labels] + 0.2 * rng.normal(size=(n, DIMENSION))
    return np.clip(points, 0, 1).astype(np.float32), labels


def trained():
    net = torch.nn.Sequential(
        torch.nn.Flatten(),
        torch.nn.Linear(DIMENSION, 32), torch.nn.ReLU(),
        torch.nn.Linear(32, 32), torch.nn.ReLU(),
        torch.nn.Linear(32, CLASSES),
    )
    x, y = clusters(2000)
    x, y = torch.tensor(x), torch.tensor(y)
    optimiser = torch.optim.Adam(net.parameters(), 5e-3)
    for _ in range(200):
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(net(x), y).backward()
        optimiser.step()
    return net.eval()


net = trained()
points, labels = clusters(400)
right = net(torch.tensor(points)).argmax(1).numpy() == labels
points, labels = points[right][:COUNT], labels[right][:COUNT]
x, y = torch.tensor(points), torch.tensor(labels)
images = x.reshape(COUNT, 1, 4, 4)
double = copy.deepcopy(net).double()


def distances(found, order):
    """Of every example, null where the point found is not adversarial."""
    found = torch.as_tensor(np.asarray(found), dtype=torch.float32).reshape(COUNT, DIMENSION)
    moved = (found - x).numpy().astype(np.float64)
    length = np.abs(moved).max(1) if order == "linf" else np.sqrt((moved**2).sum(1))
    wrong = (net(found).argmax(1) != y).numpy()
    return [float(f"{d:.7g}") if w else None for d, w in zip(length, wrong)]


def by_foolbox(attack, order):
    model = foolbox.PyTorchModel(net, bounds=(0, 1))
    torch.manual_seed(0)
    np.random.seed(0)
    raw, _, _ = attack(model, x, y, epsilons=None)
    return distances(raw.detach().numpy(), order)


def by_torchattacks(attack, order):
    torch.manual_seed(0)
    return distances(attack(images, y).detach().numpy(), order)


def by_art(attack, order):
    np.random.seed(0)
    return distances(attack.generate(points.copy(), labels), order)


def by_scipy(searches=9, steps=100, initial=0.01):
    """Szegedy et al. with L-BFGS-B: |d|^2 + c CE(x + d, likeliest wrong class), c as Carlini and Wagner search for it."""
    found = points.copy()
    for i in range(COUNT):
        scores = net(x[i : i + 1])[0].detach().numpy().copy()
        scores[labels[i]] = -np.inf
        target = torch.tensor([int(scores.argmax())])
        best, lower, upper, c = np.inf, 0.0, np.inf, initial

        def objective(p):
            at = torch.tensor(p, dtype=torch.float64).requires_grad_()
            loss = ((at - x[i].double()) ** 2).sum()
            loss = loss + c * torch.nn.functional.cross_entropy(double(at[None]), target)
            loss.backward()
            return loss.item(), at.grad.numpy()

        for _ in range(searches):
            p, _, _ = scipy.optimize.fmin_l_bfgs_b(
                objective, points[i].astype(np.float64), bounds=[(0, 1)] * DIMENSION, maxiter=steps
            )
            if net(torch.tensor(p[None], dtype=torch.float32)).argmax() != labels[i]:
                upper = min(upper, c)
                if np.linalg.norm(p - points[i]) < best:
                    best, found[i] = np.linalg.norm(p - points[i]), p
            else:
                lower = max(lower, c)
            c = (lower + upper) / 2 if np.isfinite(upper) else 10 * c
    return distances(found, "l2")


def flat(tensor):
    return [float(f"{v:.9g}") for v in tensor.detach().numpy().reshape(-1)]


class AsFloat32(torch.nn.Module):
    """The net for ART, whose walks are float64 where NumPy is 2."""

    def forward(self, x):
        return net(x.float())


def main():
    classifier = PyTorchClassifier(
        AsFloat32(), torch.nn.CrossEntropyLoss(), (DIMENSION,), CLASSES, clip_values=(0, 1)
    )
    attacks = foolbox.attacks
    jobs = {
        "deepfool-l2": lambda: by_foolbox(attacks.L2DeepFoolAttack(), "l2"),
        "deepfool-linf": lambda: by_foolbox(attacks.LinfDeepFoolAttack(), "linf"),
        "ddn-l2": lambda: by_foolbox(attacks.DDNAttack(steps=100), "l2"),
        "carlini-wagner-l2": lambda: by_foolbox(attacks.L2CarliniWagnerAttack(steps=500), "l2"),
        "boundary-l2": lambda: by_foolbox(attacks.BoundaryAttack(steps=4000), "l2"),
        "hop-skip-jump-l2": lambda: by_foolbox(attacks.HopSkipJumpAttack(steps=24), "l2"),
        "fab-l2": lambda: by_torchattacks(torchattacks.FAB(net, norm="L2", eps=2.0, steps=100), "l2"),
        "fab-linf": lambda: by_torchattacks(torchattacks.FAB(net, norm="Linf", eps=1.0, steps=100), "linf"),
        "lbfgs-l2": by_scipy,
        "hop-skip-jump-linf": lambda: by_art(
            HopSkipJump(
                classifier, norm=np.inf, max_iter=12, max_eval=10000, init_eval=100, verbose=False
            ),
            "linf",
        ),
    }
    results = {}
    for name, job in jobs.items():
        begun = time.time()
        results[name] = job()
        print(f"{name}: {time.time() - begun:.1f} s", file=sys.stderr, flush=True)
    for radius in (0.08, 0.12):
        attack = torchattacks.Square(net, norm="Linf", eps=radius, n_queries=1000, p_init=0.8)
        results[f"square-linf-{radius}"] = by_torchattacks(attack, "linf")
    folder = Path(sys.argv[1])
    save_file(net.state_dict(), folder / "minimum-norm.safetensors")
    with open(folder / "minimum-norm.json", "w") as file:
        json.dump(
            {
                "command": "scripts/reference-minimum-norm.py packages/attacks/test/data",
                "versions": {
                    "torch": torch.__version__, "foolbox": foolbox.__version__,
                    "torchattacks": torchattacks.__version__, "art": art_version, "scipy": scipy.__version__,
                    "numpy": np.__version__,
                },
                "x": flat(x),
                "y": [int(v) for v in labels],
                "distances": results,
            },
            file,
        )
        file.write("\n")
    for name, values in results.items():
        hit = [v for v in values if v is not None]
        print(f"{name:24s} {len(hit)}/{COUNT} median {np.median(hit) if hit else float('nan'):.5f}", file=sys.stderr)


main()
