"""Loads what `saddle export` wrote into PyTorch and compares outputs with Saddle's own.

    node benchmarks/export-outputs.mjs RUN_FOLDER OUT_FOLDER
    python benchmarks/peers/check_export.py OUT_FOLDER

The first command writes OUT_FOLDER/weights.safetensors with `saddle export`, and x.f32 and outputs.f32: points, and the
network's outputs at them by `network.forward`. This one builds Linear layers without bias, loads the file as a state
dict, and compares. Exits with 1 if the relative difference is above 1e-4.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file

TOLERANCE = 1e-4


class Perceptron(torch.nn.Module):
    """f(x) = V relu(W_H ... relu(W_1 x)), layers named as in the file."""

    def __init__(self, state):
        super().__init__()
        linear = lambda w: torch.nn.Linear(w.shape[1], w.shape[0], bias=False)
        depth = len(state) - 1
        self.layers = torch.nn.ModuleDict(
            {str(h): linear(state[f"layers.{h}.weight"]) for h in range(1, depth + 1)}
        )
        self.output = linear(state["output.weight"])
        self.load_state_dict(state, strict=True)

    def forward(self, x):
        for layer in self.layers.values():
            x = torch.relu(layer(x))
        return self.output(x)


def main(folder):
    file = folder / "weights.safetensors"
    with safe_open(file, framework="pt") as opened:
        metadata = opened.metadata()
    if metadata["activation"] != "relu":
        sys.exit(f"this script knows relu only, and the network has {metadata['activation']}")
    facts = json.loads((folder / "points.json").read_text())
    read = lambda name, cols: np.fromfile(folder / name, dtype=np.float32).reshape(-1, cols)
    network = Perceptron(load_file(file))
    expected = read("outputs.f32", facts["outputs"])
    with torch.no_grad():
        found = network(torch.from_numpy(read("x.f32", facts["inputs"]))).numpy()
    difference = np.linalg.norm(found - expected) / np.linalg.norm(expected)
    shapes = {name: tuple(w.shape) for name, w in network.state_dict().items()}
    print(f"{shapes}\n{len(found)} points: relative difference {difference:.1e}, allowed {TOLERANCE:.0e}")
    sys.exit(0 if difference <= TOLERANCE else 1)


main(Path(sys.argv[1]))
