"""PGD against a scalar network, three ways: by hand, by torchattacks, by foolbox.

Every attack starts at x and keeps its last iterate. By hand it ascends the Huber loss, as Saddle does; the libraries
ascend a cross-entropy of the two logits (-f/2, f/2), which is the logistic loss, and also clip points to [0, 1].
"""

import torch
import torch.nn.functional as F


def huber(outputs, labels):
    """Sum over examples of the Huber loss with k = 1."""
    return F.huber_loss(outputs, labels, reduction="sum", delta=1.0)


def by_hand(objective, x, y, kind, radius, step_size, steps):
    """`objective(x, y)`: the sum of losses. `step_size` in the units of x. Returns the last iterate."""
    point = x.clone()
    lower, upper = x - radius, x + radius
    for _ in range(steps):
        point.requires_grad_(True)
        (gradient,) = torch.autograd.grad(objective(point, y), point)
        with torch.no_grad():
            point = point.detach()
            if kind == "linf":
                point.add_(gradient.sign_(), alpha=step_size).clamp_(lower, upper)
                continue
            norms = torch.linalg.vector_norm(gradient, dim=1, keepdim=True).clamp_min_(1e-30)
            change = point.add_(gradient.div_(norms), alpha=step_size).sub_(x)
            lengths = torch.linalg.vector_norm(change, dim=1, keepdim=True).clamp_min_(1e-30)
            point = change.mul_((radius / lengths).clamp_max_(1.0)).add_(x)
    return point


class TwoLogits(torch.nn.Module):
    """A scalar network as a classifier of flat images: logits (-f/2, f/2)."""

    def __init__(self, forward):
        super().__init__()
        self.function = forward
        # A parameter: torchattacks finds the device by it.
        self.anchor = torch.nn.Parameter(torch.zeros(1), requires_grad=False)

    def forward(self, images):
        half = self.function(images.flatten(1)) / 2
        return torch.stack([-half, half], dim=1)


def by_torchattacks(forward, x, y, kind, radius, step_size, steps):
    import torchattacks

    attack = torchattacks.PGD if kind == "linf" else torchattacks.PGDL2
    pgd = attack(
        TwoLogits(forward).eval(), eps=radius, alpha=step_size, steps=steps, random_start=False
    )
    return pgd(x.view(len(x), 1, 1, -1), (y > 0).long()).flatten(1)


def by_foolbox(forward, x, y, kind, radius, step_size, steps):
    import foolbox

    attack = foolbox.attacks.LinfPGD if kind == "linf" else foolbox.attacks.L2PGD
    pgd = attack(abs_stepsize=step_size, steps=steps, random_start=False)
    model = foolbox.PyTorchModel(TwoLogits(forward).eval(), bounds=(0, 1), device="cpu")
    images = x.view(len(x), 1, 1, -1)
    # `run` is the search alone; calling the attack would add passes that judge its success.
    return pgd.run(model, images, (y > 0).long(), epsilon=radius).flatten(1)
