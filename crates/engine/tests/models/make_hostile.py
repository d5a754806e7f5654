"""Makes models that must not be served: broken, malicious, or with answers that mean nothing.

    python make_hostile.py            # ../fixtures/models/hostile, with hostile.json that says why

Most are a convolution, an average pool and a dense layer: 64 x 64 pixels, 10 classes.
"""

import json
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper

HERE = Path(__file__).parent.parent / "fixtures" / "models" / "hostile"
SIDE, CLASSES = 64, 10
F32, I64 = TensorProto.FLOAT, TensorProto.INT64


def numbers(shape, seed):
    """In -1..1, as in ../fixtures/operators/make_fixtures.py."""
    index = np.arange(np.prod(shape), dtype=np.int64)
    whole = ((index * 7919 + seed * 104_729) % 2003).astype(np.float32)
    return (whole / np.float32(1001.5) - np.float32(1)).reshape(shape)


class Net:
    """A network that works; each case breaks one thing."""

    def __init__(self):
        self.tensors = {
            "conv_w": numbers((8, 3, 3, 3), 1),
            "conv_b": numbers((8,), 2),
            "fc_w": 3 * numbers((CLASSES, 8), 3),
        }
        # Centred on what the pool gives for the drawn pictures, so that their best classes differ.
        mean = np.array([2.2, 1.05, 1.84, 1.09, 1.5, 1.34, 1.63, 1.13], np.float32)
        self.tensors["fc_b"] = -self.tensors["fc_w"] @ mean
        self.raw = []
        self.inputs = [("image", F32, [1, 3, SIDE, SIDE])]
        self.outputs = [("prob", F32, [1, CLASSES])]
        self.functions = []
        self.opsets = {"": 13}
        self.nodes = [
            self.node("Conv", ["image", "conv_w", "conv_b"], ["conv"], strides=[2, 2], pads=[1] * 4),
            self.node("Relu", ["conv"], ["relu"]),
            self.node("GlobalAveragePool", ["relu"], ["pool"]),
            self.node("Flatten", ["pool"], ["flat"]),
            self.node("Gemm", ["flat", "fc_w", "fc_b"], ["fc"], transB=1),
            self.node("Softmax", ["fc"], ["prob"], axis=1),
        ]

    @staticmethod
    def node(operator, inputs, outputs, **attributes):
        return helper.make_node(operator, inputs, outputs, name=outputs[0] + "_node", **attributes)

    def after(self, what, *nodes):
        """Puts nodes behind the one that writes `what`; the next one reads what the last of them writes."""
        at = next(i for i, node in enumerate(self.nodes) if what in node.output) + 1
        if at < len(self.nodes):
            following = self.nodes[at]
            following.input[:] = [nodes[-1].output[0] if i == what else i for i in following.input]
        self.nodes[at:at] = nodes

    def model(self):
        info = lambda v: helper.make_tensor_value_info(*v)
        tensors = [numpy_helper.from_array(np.asarray(v), k) for k, v in self.tensors.items()] + self.raw
        graph = helper.make_graph(
            self.nodes, "g", [info(v) for v in self.inputs], [info(v) for v in self.outputs], tensors
        )
        opsets = [helper.make_opsetid(*o) for o in self.opsets.items()]
        return helper.make_model(graph, opset_imports=opsets, ir_version=8, functions=self.functions)

    def declared(self, name, dims, **location):
        """A tensor that says its dims and holds nothing, or lies in another file."""
        self.tensors.pop(name, None)
        tensor = TensorProto(name=name, data_type=F32, dims=dims)
        if location:
            tensor.data_location = TensorProto.EXTERNAL
            for key, value in location.items():
                tensor.external_data.add(key=key, value=str(value))
        self.raw.append(tensor)


CASES = {}


def case(expect, why):
    def add(change):
        CASES[change.__name__] = (expect, why, change)
        return change

    return add


def external(name, why, **location):
    def change(net):
        net.declared("conv_w", [8, 3, 3, 3], **location)

    CASES["external_" + name] = ("refused", why, change)


external("parent", "external data outside the folder", location="../../../../../../../../etc/passwd")
external("parent_backslash", "external data outside the folder, on Windows", location="..\\..\\secret.bin")
external("absolute", "external data at an absolute path", location="/etc/passwd")
external("device", "external data that never ends", location="/dev/zero")
external("folder", "external data in a folder below", location="inner/weights.data")
external("missing", "external data that is not there", location="not_there.data")
external("beyond", "offset and length beyond the file", location="external.data", offset=1 << 40, length=864)
external("longer", "length beyond the end of the file", location="external.data", offset=0, length=1 << 40)
external("short", "length is less than the dims need", location="external.data", offset=0, length=16)
external("overflow", "offset + length overflows 64 bits", location="external.data", offset=(1 << 64) - 8, length=864)
external("negative", "a negative offset", location="external.data", offset=-8, length=864)
external("no_number", "an offset that is not a number", location="external.data", offset="0x10", length=864)
external("no_location", "external data without a location", offset=0)
external("empty_location", "external data with an empty location", location="")
external("itself", "external data in the ONNX file itself", location="external_itself.onnx", offset=0, length=864)
external("nul", "a NUL in the location", location="external.data\0.txt")


@case("refused", "two nodes read each other's output")
def cycle(net):
    net.nodes[1].input[0] = "again"
    net.nodes.insert(1, net.node("Add", ["conv", "relu"], ["again"]))


@case("refused", "a node reads its own output")
def self_loop(net):
    net.after("conv", net.node("Add", ["conv", "loop"], ["loop"]))


@case("served", "nodes in an order in which some read what is written later: ONNX forbids it, some tools write it")
def unsorted(net):
    net.nodes.reverse()


@case("refused", "two nodes write the same value")
def written_twice(net):
    net.after("conv", net.node("Relu", ["conv"], ["relu"]))


@case("refused", "a node reads a value that nothing writes")
def nothing_writes(net):
    net.nodes[1].input[0] = "nowhere"


@case("refused", "weights of 4 TiB declared, none given")
def huge_weights(net):
    net.declared("fc_w", [1 << 20, 1 << 20])


@case("refused", "the product of the dims overflows to 0, as many bytes as are given")
def overflowing_dims(net):
    net.declared("fc_w", [1 << 32, 1 << 32])


@case("refused", "negative dims")
def negative_dims(net):
    net.declared("fc_w", [-10, -8])


@case("refused", "more dims than data")
def missing_data(net):
    net.tensors.pop("fc_w")
    net.raw.append(helper.make_tensor("fc_w", F32, [1], [1.0]))
    net.raw[-1].dims[:] = [CLASSES, 8]


@case("refused", "an input of a million pixels a side")
def huge_input(net):
    net.inputs = [("image", F32, [1, 3, 1 << 20, 1 << 20])]


@case("refused", "a constant of 4 TiB is computed at load")
def huge_constant_of_shape(net):
    net.tensors["shape"] = np.array([1 << 20, 1 << 20], np.int64)
    net.tensors["axes"] = np.array([0, 1], np.int64)
    net.nodes[:0] = [
        net.node("ConstantOfShape", ["shape"], ["zeros"]),
        net.node("ReduceSum", ["zeros", "axes"], ["sum"], keepdims=0),
    ]
    net.after("fc", net.node("Add", ["fc", "sum"], ["fc_sum"]))


@case("refused", "Expand to 4 TiB, summed up again")
def huge_expand(net):
    net.tensors["shape"] = np.array([1, 8, 1 << 19, 1 << 18], np.int64)
    net.after(
        "pool", net.node("Expand", ["pool", "shape"], ["wide"]), net.node("GlobalAveragePool", ["wide"], ["narrow"])
    )


@case("refused", "Tile to 4 TiB")
def huge_tile(net):
    net.tensors["repeats"] = np.array([1, 1, 1 << 15, 1 << 15], np.int64)
    net.after("relu", net.node("Tile", ["relu", "repeats"], ["wide"]))


@case("refused", "padding of a billion pixels")
def huge_pad(net):
    net.tensors["pads"] = np.array([0, 0, 1 << 30, 1 << 30, 0, 0, 0, 0], np.int64)
    net.after("relu", net.node("Pad", ["relu", "pads"], ["wide"]))


@case("refused", "a convolution with padding of a million pixels")
def huge_conv_pads(net):
    net.nodes[0] = net.node("Conv", ["image", "conv_w", "conv_b"], ["conv"], pads=[1 << 20] * 4)


@case("refused", "Resize by a factor of 100,000")
def huge_resize(net):
    net.tensors["scales"] = np.array([1, 1, 1e5, 1e5], np.float32)
    net.after("relu", net.node("Resize", ["relu", "", "scales"], ["wide"], mode="nearest"))


@case("refused", "Range of 2^60 numbers")
def huge_range(net):
    for name, value in (("start", 0), ("limit", 1 << 60), ("step", 1)):
        net.tensors[name] = np.array(value, np.int64)
    net.tensors["zero"] = np.array(0, np.int64)
    net.nodes[:0] = [
        net.node("Range", ["start", "limit", "step"], ["many"]),
        net.node("Gather", ["many", "zero"], ["first"]),
        net.node("Cast", ["first"], ["first_f32"], to=F32),
    ]
    net.after("fc", net.node("Add", ["fc", "first_f32"], ["fc_sum"]))


@case("refused", "a Loop of 2^62 rounds")
def endless_loop(net):
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["go_on"]), helper.make_node("Add", ["x", "x"], ["y"])],
        "body",
        [
            helper.make_tensor_value_info("i", I64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("x", F32, [1, CLASSES]),
        ],
        [
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("y", F32, [1, CLASSES]),
        ],
    )
    net.tensors["rounds"] = np.array(1 << 62, np.int64)
    net.tensors["yes"] = np.array(True)
    net.after("fc", net.node("Loop", ["rounds", "yes", "fc"], ["looped"], body=body))


@case("refused", "a stride of 0")
def stride_0(net):
    net.nodes[0] = net.node("Conv", ["image", "conv_w", "conv_b"], ["conv"], strides=[0, 0])


@case("refused", "a negative stride")
def stride_negative(net):
    net.nodes[0] = net.node("Conv", ["image", "conv_w", "conv_b"], ["conv"], strides=[-1, -1])


@case("refused", "3 groups for 8 filters")
def groups(net):
    net.nodes[0] = net.node("Conv", ["image", "conv_w", "conv_b"], ["conv"], group=3)


@case("refused", "a kernel larger than the map")
def huge_kernel(net):
    net.nodes[2] = net.node("AveragePool", ["relu"], ["pool"], kernel_shape=[1 << 20, 1 << 20])


@case("refused", "weights of another number of channels")
def wrong_channels(net):
    net.tensors["conv_w"] = numbers((8, 4, 3, 3), 1)


@case("refused", "an operator that does not exist")
def unknown_operator(net):
    net.nodes[1] = net.node("Rleu", ["conv"], ["relu"])


@case("refused", "an operator of somebody's own domain")
def unknown_domain(net):
    net.nodes[1] = helper.make_node("FancyRelu", ["conv"], ["relu"], name="fancy", domain="com.example")
    net.opsets["com.example"] = 1


@case("refused", "an opset that does not exist")
def opset_999(net):
    net.opsets = {"": 999}


@case("refused", "a function that calls itself")
def recursive_function(net):
    inner = helper.make_node("F", ["x"], ["y"], domain="local")
    net.functions = [helper.make_function("local", "F", ["x"], ["y"], [inner], [helper.make_opsetid("local", 1)])]
    net.opsets["local"] = 1
    net.after("fc", helper.make_node("F", ["fc"], ["called"], name="call", domain="local"))


@case("refused", "40 functions, each calls the next one twice: 2^40 nodes when inlined")
def function_bomb(net):
    imports = [helper.make_opsetid("local", 1), helper.make_opsetid("", 13)]
    for level in range(40):
        call = lambda a, b: helper.make_node(f"F{level + 1}", [a], [b], domain="local")
        net.functions.append(
            helper.make_function("local", f"F{level}", ["x"], ["z"], [call("x", "y"), call("y", "z")], imports)
        )
    net.functions.append(
        helper.make_function("local", "F40", ["x"], ["z"], [helper.make_node("Identity", ["x"], ["z"])], imports)
    )
    net.opsets["local"] = 1
    net.after("fc", helper.make_node("F0", ["fc"], ["called"], name="call", domain="local"))


@case("refused", "a NaN among the weights of the dense layer")
def nan_weights(net):
    net.tensors["fc_w"][3, 5] = np.nan


@case("refused", "a NaN that no answer shows: Relu behind it makes it 0 in some engines")
def nan_hidden(net):
    net.tensors["conv_w"][2, 1, 1, 1] = np.nan


@case("refused", "an infinite weight")
def infinite_weights(net):
    net.tensors["fc_w"][3, 5] = np.inf


@case("refused", "weights so large that the logits overflow")
def overflowing_weights(net):
    net.tensors["conv_w"] *= np.float32(1e30)
    net.tensors["fc_w"] *= np.float32(1e30)


@case("refused", "the same answer for every picture: the dense layer's weights are 0")
def constant_output(net):
    net.tensors["fc_w"][:] = 0


@case("refused", "the same answer for every picture: the output does not depend on the input")
def constant_branch(net):
    net.tensors["fixed"] = numbers((1, CLASSES), 9)
    net.nodes[-1].input[0] = "fixed"


@case("warning", "class 3 has more than 0.99 for every picture")
def same_class(net):
    net.tensors["fc_b"][3] += 60


@case("served", "logits that lie in 0..1; refused if a TOML calls them probabilities: the sum is about 5")
def logits_in_0_1(net):
    del net.nodes[-1]
    net.outputs = [("fc", F32, [1, CLASSES])]
    for name in ("fc_w", "fc_b"):
        net.tensors[name] *= np.float32(0.01)
    net.tensors["fc_b"] += np.float32(0.5)


@case("refused", "a Sigmoid at the end: a score per class, not probabilities that sum to 1")
def sigmoid_end(net):
    net.nodes[-1] = net.node("Sigmoid", ["fc"], ["prob"])


@case("refused", "Softmax over the batch: every class has 1.0")
def softmax_over_batch(net):
    net.nodes[-1] = net.node("Softmax", ["fc"], ["prob"], axis=0)


@case("served", "two Softmaxes, one after the other: valid, though hardly meant")
def softmax_twice(net):
    net.nodes[-1] = net.node("Softmax", ["fc"], ["once"], axis=1)
    net.nodes.append(net.node("Softmax", ["once"], ["prob"], axis=1))


@case("refused", "the number of the best class in place of probabilities")
def arg_max(net):
    net.nodes[-1] = net.node("ArgMax", ["fc"], ["best"], axis=1, keepdims=1)
    net.outputs = [("best", I64, [1, 1])]


@case("refused", "one class")
def one_class(net):
    net.tensors["fc_w"], net.tensors["fc_b"] = net.tensors["fc_w"][:1], net.tensors["fc_b"][:1]
    net.outputs = [("prob", F32, [1, 1])]


@case("refused", "the declared output has another number of classes than the graph gives")
def wrong_declaration(net):
    net.outputs = [("prob", F32, [1, 12])]


@case("refused", "two inputs")
def two_inputs(net):
    net.inputs.append(("mask", F32, [1, CLASSES]))
    net.after("fc", net.node("Mul", ["fc", "mask"], ["masked"]))


@case("refused", "two outputs, the first of 5 classes: refused with 10 labels unless the TOML names `prob`")
def outputs_of_other_counts(net):
    net.tensors["coarse_w"] = numbers((5, 8), 7)
    net.nodes += [
        net.node("Gemm", ["flat", "coarse_w"], ["coarse_fc"], transB=1),
        net.node("Softmax", ["coarse_fc"], ["coarse"], axis=1),
    ]
    net.outputs.insert(0, ("coarse", F32, [1, 5]))


@case("refused", "no output")
def no_output(net):
    net.outputs = []


@case("refused", "grey pictures: one channel")
def one_channel(net):
    net.inputs = [("image", F32, [1, 1, SIDE, SIDE])]
    net.tensors["conv_w"] = net.tensors["conv_w"][:, :1]


@case("refused", "noise in every answer: Dropout in training mode")
def dropout_in_training(net):
    net.tensors["ratio"], net.tensors["training"] = np.float32(0.5), np.array(True)
    net.after("flat", net.node("Dropout", ["flat", "ratio", "training"], ["dropped"]))


@case("refused", "noise in every answer: RandomNormalLike")
def random_normal(net):
    net.after("fc", net.node("RandomNormalLike", ["fc"], ["noise"]), net.node("Add", ["fc", "noise"], ["noisy"]))


@case("refused", "batch normalisation in training mode: an answer depends on the other pictures of the batch")
def batch_normalisation_in_training(net):
    net.opsets = {"": 15}
    for name, value in (("scale", 1), ("shift", 0), ("mean", 0), ("var", 1)):
        net.tensors[name] = np.full(8, value, np.float32)
    net.after(
        "conv",
        net.node(
            "BatchNormalization",
            ["conv", "scale", "shift", "mean", "var"],
            ["bn", "new_mean", "new_var"],
            training_mode=1,
        ),
    )
    net.nodes[2].input[0] = "bn"


@case("served", "logits of two classes that lie closer together than 1")
def two_close_logits(net):
    net.tensors["fc_w"], net.tensors["fc_b"] = net.tensors["fc_w"][:2] / 8, np.array([-0.7, 0.1], np.float32)
    net.nodes.pop()
    net.outputs = [("fc", F32, [1, 2])]


@case("refused", "the logarithms of a softmax, cut off at -2: no logarithms of probabilities")
def log_softmax_cut(net):
    net.tensors["least"] = np.float32(-2)
    net.nodes[-1:] = [net.node("LogSoftmax", ["fc"], ["log"], axis=1), net.node("Clip", ["log", "least"], ["prob"])]


@case("served", "the logarithms of a softmax, cut off at 0 and -100, which changes nothing")
def log_softmax_guarded(net):
    net.tensors["least"], net.tensors["most"] = np.float32(-100), np.float32(0)
    net.nodes[-1:] = [
        net.node("LogSoftmax", ["fc"], ["log"], axis=1),
        net.node("Clip", ["log", "least", "most"], ["prob"]),
    ]


@case("refused", "logits for each pixel of a map")
def segmentation(net):
    net.nodes = net.nodes[:2]
    net.outputs = [("relu", F32, [1, 8, SIDE // 2, SIDE // 2])]


@case("served", "a gate, x * sigmoid(x), behind the last layer: its sigmoid gives no probabilities")
def gated_logits(net):
    net.nodes[-1:] = [net.node("Sigmoid", ["fc"], ["gate"]), net.node("Mul", ["fc", "gate"], ["prob"])]


@case("served", "an operator that is not run, in a branch whose output is not used")
def unused_operator(net):
    net.nodes.append(net.node("Celu", ["fc"], ["other"]))
    net.outputs.append(("other", F32, [1, CLASSES]))


@case("served", "the network that the others break")
def works(net):
    pass


# make_models.py makes these, from the small GoogLeNet.
MADE_WITH_TORCH = {
    "training_export": {
        "expect": "refused",
        "why": "torch.onnx.export(training=TRAINING): Dropout and batch normalisation in training mode, three outputs",
    },
    "dead_module": {
        "expect": "refused",
        "why": "inception 4b gives zeros, so that every picture gets the same answer; the message should name it",
    },
    "dead_branch": {
        "expect": "warning",
        "why": "the 3x3 branch of inception 4b gives zeros; the warning should name it",
    },
}


def main():
    HERE.mkdir(parents=True, exist_ok=True)
    (HERE / "external.data").write_bytes(numbers((8, 3, 3, 3), 1).tobytes())
    described = {}
    for name, (expect, why, change) in CASES.items():
        net = Net()
        change(net)
        (HERE / f"{name}.onnx").write_bytes(net.model().SerializeToString())
        described[name] = {"expect": expect, "why": why}
    described |= MADE_WITH_TORCH
    rows = ",\n".join(f" {json.dumps(name)}: {json.dumps(row)}" for name, row in described.items())
    (HERE / "hostile.json").write_text(f"{{\n{rows}\n}}\n")
    total = sum(f.stat().st_size for f in HERE.iterdir())
    print(f"{len(CASES)} files, {total} bytes")


if __name__ == "__main__":
    main()
