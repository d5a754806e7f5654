"""Writes tiny networks with every layer that a plan knows: seeds for the target `onnx`.

python3 make_onnx.py FOLDER     # needs the packages onnx and numpy
"""

import sys
from pathlib import Path

import numpy
from onnx import TensorProto, helper, numpy_helper

SIDE = 16
CLASSES = 5


class Network:
    """Nodes in data-flow order, each of which reads what the one before gives."""

    def __init__(self, normalised: bool):
        self.nodes, self.tensors = [], []
        self.random = numpy.random.default_rng(7)
        self.normalised = normalised

    def tensor(self, values) -> str:
        name = f"t{len(self.tensors)}"
        self.tensors.append(numpy_helper.from_array(values.astype(numpy.float32), name))
        return name

    def weights(self, *shape) -> str:
        return self.tensor(self.random.uniform(-0.1, 0.1, shape))

    def node(self, operator: str, *inputs: str, **attributes) -> str:
        output = f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output

    def convolution(self, x: str, channels: int, to: int, kernel: int, stride: int = 1) -> str:
        window = {"kernel_shape": [kernel] * 2, "pads": [kernel // 2] * 4, "strides": [stride] * 2}
        weights = self.weights(to, channels, kernel, kernel)
        if self.normalised:
            x = self.node("Conv", x, weights, **window)
            each = [self.tensor(numpy.full(to, value)) for value in (0.9, 0.1, 0.2, 1.1)]
            x = self.node("BatchNormalization", x, *each)
        else:
            x = self.node("Conv", x, weights, self.weights(to), **window)
        return self.node("Relu", x)

    def max_pool(self, x: str, stride: int) -> str:
        pads = [1] * 4 if stride == 1 else [0, 0, 1, 1]
        return self.node("MaxPool", x, kernel_shape=[3, 3], strides=[stride] * 2, pads=pads)

    def inception(self, x: str, channels: int) -> str:
        return self.node(
            "Concat",
            self.convolution(x, channels, 2, 1),
            self.convolution(self.convolution(x, channels, 2, 1), 2, 3, 3),
            self.convolution(self.convolution(x, channels, 1, 1), 1, 2, 5),
            self.convolution(self.max_pool(x, 1), channels, 1, 1),
            axis=1,
        )

    def build(self):
        x = self.max_pool(self.convolution("x", 3, 4, 7, 2), 2)
        x = self.node("LRN", x, size=5, alpha=1e-4, beta=0.75, bias=1.0)
        x = self.inception(self.convolution(x, 4, 8, 3), 8)
        x = self.node("Flatten", self.node("GlobalAveragePool", x), axis=1)
        x = self.node("Gemm", x, self.weights(CLASSES, 8), self.weights(CLASSES), transB=1)
        self.nodes.append(helper.make_node("Softmax", [x], ["y"], axis=1))
        of = lambda name, *shape: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        graph = helper.make_graph(self.nodes, "g", [of("x", "N", 3, SIDE, SIDE)], [of("y", "N", CLASSES)], self.tensors)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 12)], ir_version=7)


folder = Path(sys.argv[1])
for name, normalised in (("plain", False), ("normalised", True)):
    (folder / name).write_bytes(Network(normalised).build().SerializeToString())
