"""The networks of the paper in PyTorch, from the matrices that Saddle wrote.

Each form has `weights` (what is trained), `forward(x) -> [n]`, `reset()` to its start, and `descend(gradients, ...)`:
W <- W - step * G, then the projection onto B(R). Written as a good user would: in place, no temporaries that can be
avoided, the gradient's memory used again.
"""

import math
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F


class Files:
    """The raw float32 files of a problem, by name, as tensors of a device."""

    def __init__(self, problem, device="cpu"):
        self.folder = Path(problem["folder"])
        self.shapes = problem["shapes"]
        self.device = device

    def __call__(self, name):
        data = np.fromfile(self.folder / f"{name}.f32", dtype=np.float32)
        return torch.from_numpy(data.reshape(self.shapes[name])).to(self.device)


def project(weights, start, change, limit):
    """W <- W_0 + c (W - W_0), c = min(1, limit/|W - W_0|); `change` is room for the difference."""
    torch.sub(weights, start, out=change)
    norm = torch.linalg.vector_norm(change).item()
    if norm > limit:
        torch.add(start, change, alpha=limit / norm, out=weights)


class PaperForm:
    """Equation (1) as printed: x -> A x, then relu(W x) for every trained W (m x m), then a.

    A and W(1) are drawn given what Saddle holds, U and F of W(1) A = U F, so that both compute the same function:
    with Q (m x d) of orthonormal columns, A = Q F and W(1) = G (I - Q Q^T) + U Q^T, the entries of G of N(0, 2/m).
    Needs m >= d.
    """

    def __init__(self, problem, files):
        width, depth = problem["width"], problem["depth"]
        first_files = files("layers.1.initial").cpu(), files("input").cpu()
        a_matrix, first = (t.to(files.device) for t in self._unfold(*first_files, width))
        self.first_map = a_matrix
        self.start = [first] + [files(f"layers.{h}.initial") for h in range(2, depth + 1)]
        self.output = files("output")[:, 0].contiguous()
        self.limit = 1 / math.sqrt(width)
        self.reset()

    @staticmethod
    def _unfold(u, f, width):
        generator = torch.Generator().manual_seed(1)
        draw = lambda *shape: torch.randn(*shape, generator=generator, dtype=torch.float64)
        q, _ = torch.linalg.qr(draw(width, u.shape[1]))
        g = draw(width, width).mul_(math.sqrt(2 / width))
        first = g.addmm_(u.double() - g @ q, q.T)
        return (q @ f.double()).float(), first.float()

    def reset(self):
        self.weights = [w.clone() for w in self.start]

    def forward(self, x):
        h = F.linear(x, self.first_map)
        for w in self.weights:
            h = F.relu(F.linear(h, w))
        return h @ self.output

    def descend(self, gradients, step_size, radius):
        for w, start, g in zip(self.weights, self.start, gradients):
            w.add_(g, alpha=-step_size)
            project(w, start, g, radius * self.limit)


class FoldedForm(PaperForm):
    """Equation (1) with our folding: U (m x d) and F (d x d) in place of W(1) and A."""

    @staticmethod
    def _unfold(u, f, width):
        return f, u


class PairsForm:
    """Equation (4): both halves of the neurons in one matrix [m, d], their signs in the output."""

    def __init__(self, problem, files):
        halves = lambda kind: torch.cat([files(f"layers.1{s}.{kind}") for s in "+-"])
        self.start = [halves("initial")]
        a = files("output")[:, 0]
        self.output = torch.cat([a, -a]) / math.sqrt(problem["width"])
        self.weights = [halves("weights")]

    def reset(self):
        self.weights[0].copy_(self.start[0])

    def forward(self, x):
        return F.relu(F.linear(x, self.weights[0])) @ self.output

    def descend(self, gradients, step_size, radius):
        self.weights[0].add_(gradients[0], alpha=-step_size)
        project(self.weights[0], self.start[0], gradients[0], radius)
