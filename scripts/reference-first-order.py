"""Points and success rates of attacks by gradient steps, by other libraries, on two small nets.

    python3 -m venv /tmp/reference && /tmp/reference/bin/pip install torch==2.2.2 'numpy<2' scipy packaging \
        foolbox==3.3.4 torchattacks==3.5.1 adversarial-robustness-toolbox==1.20.1 safetensors==0.8.0
    /tmp/reference/bin/python scripts/reference-first-order.py packages/attacks/test/data

Deterministic attacks: the very points they find, on a random 15-10-5 ReLU net, nine examples, radius 0.08 and five
steps. Auto-PGD: how many of 200 examples hold, on a 16-32-32-4 net trained on overlapping clusters. Everything is
seeded. What it writes, first-order.json and the nets as first-order-points.safetensors and
first-order-standing.safetensors, is test data of packages/attacks/test/first-order/reference.test.ts.
"""

import json
import sys
import warnings
from importlib.metadata import version
from pathlib import Path

import foolbox
import numpy as np
import torch
import torchattacks
from art import __version__ as art_version
from art.attacks.evasion import FastGradientMethod, MomentumIterativeMethod, ProjectedGradientDescent
from art.estimators.classification import PyTorchClassifier
from safetensors.torch import save_file

warnings.filterwarnings("ignore")
FOLDER = Path(sys.argv[1])
torch.set_num_threads(1)

RADIUS, STEPS, STEP = 0.08, 5, 0.02


def perceptron(*widths):
    layers = [torch.nn.Flatten()]
    for inputs, outputs in zip(widths, widths[1:]):
        layers += [torch.nn.Linear(inputs, outputs), torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1]).eval()


def numbers(values):
    return [float(f"{v:.8g}") for v in np.asarray(torch.as_tensor(values).detach(), dtype=np.float64).ravel()]


def art_of(net, dimension, classes, clip):
    return PyTorchClassifier(
        net, torch.nn.CrossEntropyLoss(), (dimension,), classes, clip_values=clip
    )


def deterministic():
    torch.manual_seed(1)
    net = perceptron(15, 10, 5)
    for layer in net:
        if hasattr(layer, "weight"):
            layer.weight.data *= 3
    x = torch.rand(9, 15)
    x[0, :5], x[1, :5] = 0, 1  # where the box binds
    y = torch.arange(9) % 5
    images = x.reshape(9, 1, 3, 5)
    boxed = foolbox.PyTorchModel(net, bounds=(0, 1))
    free = foolbox.PyTorchModel(net, bounds=(-10, 10))
    fb = foolbox.attacks
    art_boxed = art_of(net, 15, 5, (0, 1))
    art_free = art_of(net, 15, 5, None)
    labels = np.eye(5, dtype=np.float32)[y.numpy()]

    def by_foolbox(attack, model):
        return attack(model, x, y, epsilons=RADIUS)[1]

    def by_art(attack):
        return attack.generate(x.numpy(), labels)

    def by_torchattacks(attack):
        return attack(images, y)

    steps = dict(eps=RADIUS, eps_step=STEP, max_iter=STEPS, verbose=False)
    share = STEP / RADIUS
    found = {
        ("fgsm", "box-linf"): {
            "foolbox": by_foolbox(fb.LinfFastGradientAttack(), boxed),
            "art": by_art(FastGradientMethod(art_boxed, eps=RADIUS)),
            "torchattacks": by_torchattacks(torchattacks.FGSM(net, eps=RADIUS)),
        },
        ("fgsm", "l2"): {
            "foolbox": by_foolbox(fb.L2FastGradientAttack(), free),
            "art": by_art(FastGradientMethod(art_free, norm=2, eps=RADIUS)),
        },
        ("fgsm", "l1"): {"art": by_art(FastGradientMethod(art_free, norm=1, eps=RADIUS))},
        ("bim", "box-linf"): {
            "foolbox": by_foolbox(
                fb.LinfBasicIterativeAttack(rel_stepsize=share, steps=STEPS), boxed
            ),
            "torchattacks": by_torchattacks(torchattacks.BIM(net, eps=RADIUS, alpha=STEP, steps=STEPS)),
        },
        ("pgd", "box-linf"): {
            "foolbox": by_foolbox(
                fb.LinfPGD(rel_stepsize=share, steps=STEPS, random_start=False), boxed
            ),
            "art": by_art(ProjectedGradientDescent(art_boxed, norm=np.inf, **steps)),
            "torchattacks": by_torchattacks(
                torchattacks.PGD(net, eps=RADIUS, alpha=STEP, steps=STEPS, random_start=False)
            ),
        },
        ("pgd", "l2"): {
            "foolbox": by_foolbox(
                fb.L2PGD(rel_stepsize=share, steps=STEPS, random_start=False), free
            ),
            "art": by_art(ProjectedGradientDescent(art_free, norm=2, **steps)),
        },
        ("mim", "box-linf"): {
            "art": by_art(MomentumIterativeMethod(art_boxed, norm=np.inf, decay=1.0, **steps)),
            "torchattacks": by_torchattacks(
                torchattacks.MIFGSM(net, eps=RADIUS, alpha=STEP, steps=STEPS, decay=1.0)
            ),
        },
    }
    save_file(net.state_dict(), FOLDER / "first-order-points.safetensors")
    return {
        "x": numbers(x),
        "y": y.tolist(),
        "radius": RADIUS,
        "steps": STEPS,
        "stepSize": share,
        "points": [
            {"attack": attack, "set": kind, "library": library, "points": numbers(points)}
            for (attack, kind), by in found.items()
            for library, points in by.items()
        ],
    }


def clusters(n, seed):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 4, n)
    centres = 0.5 + 0.22 * np.sign(np.random.default_rng(7).normal(size=(4, 16)))
    x = np.clip(centres[y] + 0.2 * rng.normal(size=(n, 16)), 0, 1)
    return torch.tensor(x, dtype=torch.float32), torch.tensor(y)


def adaptive():
    torch.manual_seed(0)
    net = perceptron(16, 32, 32, 4).train()
    x, y = clusters(2000, 0)
    optimiser = torch.optim.Adam(net.parameters(), 5e-3)
    for _ in range(200):
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(net(x), y).backward()
        optimiser.step()
    net.eval()
    x, y = clusters(200, 1)
    images = x.reshape(200, 1, 4, 4)

    def standing(attack):
        found = attack(images, y)
        held = (net(images).argmax(1) == y) & (net(found).argmax(1) == y)
        return int(held.sum())

    def apgd(loss, norm, radius):
        return torchattacks.APGD(net, loss=loss, norm=norm, eps=radius, steps=100)

    def apgd_targeted(norm, radius):
        return torchattacks.APGDT(net, norm=norm, eps=radius, steps=100, n_classes=4)

    rows = []
    for kind, norm, radius in (("box-linf", "Linf", 0.1), ("box-linf", "Linf", 0.2), ("box-l2", "L2", 0.5)):
        for name, loss, attack in (
            ("apgd", "cross-entropy", apgd("ce", norm, radius)),
            ("apgd", "dlr", apgd("dlr", norm, radius)),
            ("apgd-targeted", "dlr", apgd_targeted(norm, radius)),
        ):
            held = standing(attack)
            rows.append({"attack": name, "loss": loss, "set": kind, "radius": radius, "standing": held})
    save_file(net.state_dict(), FOLDER / "first-order-standing.safetensors")
    return {"x": numbers(x), "y": y.tolist(), "standing": rows}


result = {
    "command": "scripts/reference-first-order.py packages/attacks/test/data",
    "versions": {
        "python": sys.version.split()[0],
        "torch": torch.__version__,
        "foolbox": foolbox.__version__,
        "torchattacks": version("torchattacks"),
        "art": art_version,
    },
    "deterministic": deterministic(),
    "adaptive": adaptive(),
}
(FOLDER / "first-order.json").write_text(json.dumps(result) + "\n")
