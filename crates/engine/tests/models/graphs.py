"""Rewrites of ONNX graphs: what other converters and tools make of the same network."""

import copy

import numpy as np
from onnx import TensorProto, helper, numpy_helper

F32 = TensorProto.FLOAT


def slim(model):
    """Without what exporters write for people: stack traces and paths of the machine they ran on."""
    model = copy.deepcopy(model)
    del model.metadata_props[:]
    graphs = [model.graph, *model.functions]
    for graph in graphs:
        graph.doc_string = ""
        del graph.metadata_props[:]
        for node in graph.node:
            node.doc_string = ""
            del node.metadata_props[:]
    for value in [*model.graph.input, *model.graph.output, *model.graph.value_info]:
        value.doc_string = ""
        del value.metadata_props[:]
    for tensor in model.graph.initializer:
        tensor.doc_string = ""
        del tensor.metadata_props[:]
    return model


def without_value_info(model):
    model = copy.deepcopy(model)
    del model.graph.value_info[:]
    return model


def short_names(model):
    """torch's names, as `/network/inception3a/branch2/branch2.0/conv/Conv_output_0`, in fewer bytes."""

    def short(name):
        for long, to in (
            ("/network/inception", "/"),
            ("/branch", "/b"),
            ("_output_0", ""),
            ("network.", ""),
            ("_QuantizeLinear", "_Q"),
            ("_DequantizeLinear", "_DQ"),
            ("_quantized", "_q"),
        ):
            name = name.replace(long, to)
        return name

    model = without_value_info(model)
    for node in model.graph.node:
        node.name = short(node.name)
        for names in (node.input, node.output):
            names[:] = [short(name) for name in names]
    for tensor in model.graph.initializer:
        tensor.name = short(tensor.name)
    for value in [*model.graph.input, *model.graph.output]:
        value.name = short(value.name)
    return model


def initializers(model):
    return {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}


def constants_as_nodes(model):
    """As PyTorch wrote weights before 0.4 and Paddle still writes them."""
    model = copy.deepcopy(model)
    nodes = []
    for tensor in model.graph.initializer:
        value = copy.deepcopy(tensor)
        value.ClearField("name")
        nodes.append(helper.make_node("Constant", [], [tensor.name], tensor.name + "/constant", value=value))
    nodes += model.graph.node
    del model.graph.initializer[:]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


def initializers_as_inputs(model):
    """As files before version 4 of the format list their weights."""
    model = copy.deepcopy(model)
    for tensor in model.graph.initializer:
        model.graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    return model


def gemm_as_matmul(model):
    """MatMul and Add, as TensorFlow's and Keras's converters write a dense layer."""
    model = copy.deepcopy(model)
    weights = initializers(model)
    nodes = []
    for node in model.graph.node:
        if node.op_type != "Gemm":
            nodes.append(node)
            continue
        transposed = any(a.name == "transB" and a.i for a in node.attribute)
        x, w, b = node.input
        value = weights[w].T if transposed else weights[w]
        model.graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(value), w + "/transposed"))
        stale = next(t for t in model.graph.initializer if t.name == w)
        model.graph.initializer.remove(stale)
        nodes.append(
            helper.make_node("MatMul", [x, w + "/transposed"], [node.output[0] + "/product"], node.name + "/MatMul")
        )
        nodes.append(helper.make_node("Add", [node.output[0] + "/product", b], list(node.output), node.name + "/Add"))
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


def module_as_function(model, belongs, name="Inception3a"):
    """The nodes for which `belongs` says so become one model-local function."""
    model = copy.deepcopy(model)
    inner = [node for node in model.graph.node if belongs(node)]
    assert inner
    written = [out for node in inner for out in node.output]
    reads = list(dict.fromkeys(i for node in inner for i in node.input if i and i not in written))
    others = [node for node in model.graph.node if not belongs(node)]
    leave = [out for out in written if any(out in node.input for node in others)]
    opset = [o for o in model.opset_import if o.domain == ""]
    model.functions.append(helper.make_function("local", name, reads, leave, inner, opset))
    model.opset_import.append(helper.make_opsetid("local", 1))
    model.ir_version = max(model.ir_version, 8)
    call = helper.make_node(name, reads, leave, name, domain="local")
    first = list(model.graph.node).index(inner[0])
    before = [n for n in list(model.graph.node)[:first]]
    after = [n for n in list(model.graph.node)[first:] if not belongs(n)]
    del model.graph.node[:]
    model.graph.node.extend([*before, call, *after])
    keep = [v for v in model.graph.value_info if v.name not in written or v.name in leave]
    del model.graph.value_info[:]
    model.graph.value_info.extend(keep)
    return model


def replace_input(model, name, data_type, shape, nodes, constants):
    """`nodes` make what the old input was from the new one; they write the old input's name."""
    model = copy.deepcopy(model)
    del model.graph.input[0]
    model.graph.input.insert(0, helper.make_tensor_value_info(name, data_type, shape))
    rest = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*nodes, *rest])
    model.graph.initializer.extend(numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items())
    return model


def nhwc_input(model, side, batch):
    """As tf2onnx writes a network whose image comes channels last."""
    old = model.graph.input[0].name
    node = helper.make_node("Transpose", ["image:0"], [old], "image_transpose", perm=[0, 3, 1, 2])
    return replace_input(model, "image:0", F32, [batch, side, side, 3], [node], {})


def u8_input(model, side, batch, mean, scale, nhwc=True):
    """Bytes in; the cast and the normalisation lie in the graph."""
    old = model.graph.input[0].name
    shape = [1, 3, 1, 1]
    constants = {"norm/mean": mean.reshape(shape), "norm/scale": scale.reshape(shape)}
    cast = "bytes/nchw" if nhwc else "image"
    nodes = [
        helper.make_node("Cast", [cast], ["bytes/f32"], "bytes/Cast", to=F32),
        helper.make_node("Sub", ["bytes/f32", "norm/mean"], ["norm/centred"], "norm/Sub"),
        helper.make_node("Mul", ["norm/centred", "norm/scale"], [old], "norm/Mul"),
    ]
    if nhwc:
        nodes.insert(0, helper.make_node("Transpose", ["image"], [cast], "bytes/Transpose", perm=[0, 3, 1, 2]))
    size = [batch, side, side, 3] if nhwc else [batch, 3, side, side]
    return replace_input(model, "image", TensorProto.UINT8, size, nodes, constants)


def f16_weights(model):
    """The weights in 16 bits, each with a Cast behind it; all arithmetic stays in 32 bits."""
    model = copy.deepcopy(model)
    casts, kept = [], []
    for tensor in model.graph.initializer:
        if tensor.data_type != F32 or len(tensor.dims) == 0:
            kept.append(tensor)
            continue
        value = numpy_helper.to_array(tensor).astype(np.float16)
        kept.append(numpy_helper.from_array(value, tensor.name + "/f16"))
        casts.append(helper.make_node("Cast", [tensor.name + "/f16"], [tensor.name], tensor.name + "/Cast", to=F32))
    kept = [copy.deepcopy(t) for t in kept]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*casts, *nodes])
    return model


class Writer:
    """Writes a graph node by node, in the manner of an old or another converter."""

    def __init__(self, opset, ir_version, producer):
        self.nodes, self.tensors, self.count = [], [], 0
        self.opset, self.ir_version, self.producer = opset, ir_version, producer

    def constant(self, value, name):
        self.tensors.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def __call__(self, operator, inputs, name, outputs=None, **attributes):
        inputs = [inputs] if isinstance(inputs, str) else inputs
        outputs = outputs or [name + ":0"]
        self.nodes.append(helper.make_node(operator, inputs, outputs, name, **attributes))
        return outputs[0]

    def model(self, inputs, outputs, name="graph", all_inputs=False):
        graph = helper.make_graph(self.nodes, name, inputs, outputs, self.tensors)
        opsets = [helper.make_opsetid("", self.opset)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=self.ir_version, producer_name=self.producer)
        return initializers_as_inputs(model) if all_inputs else model


def parameters(block):
    """Of a BasicConv2d: weights, gamma, beta, mean, variance."""
    of = lambda t: t.detach().numpy()
    bn = block.bn
    return of(block.conv.weight), of(bn.weight), of(bn.bias), of(bn.running_mean), of(bn.running_var)


def old_style(network, side, classes, batch=1):
    """Opset 7, as converters of 2018 wrote it: Dropout with a ratio, BatchNormalization with five
    inputs, no ceil_mode (a pixel of padding at the end instead), the shape of Reshape from a Constant
    node, weights among the inputs."""
    write = Writer(7, 3, "CNTK")

    def block(x, name, conv, stride=1, pad=0):
        w, gamma, beta, mean, variance = parameters(conv)
        k = w.shape[2]
        x = write(
            "Conv",
            [x, write.constant(w, name + "_w")],
            name,
            kernel_shape=[k, k],
            strides=[stride] * 2,
            pads=[pad] * 4,
            dilations=[1, 1],
            group=1,
        )
        names = ["scale", "bias", "mean", "var"]
        values = [write.constant(v, f"{name}_bn_{n}") for n, v in zip(names, (gamma, beta, mean, variance))]
        x = write("BatchNormalization", [x, *values], name + "_bn", epsilon=1e-3, momentum=0.9)
        return write("Relu", x, name + "_relu")

    def pool(x, name, kernel, stride, size, pad=0):
        ends = 0
        if stride > 1:
            out = -(-(size - kernel) // stride) + 1
            ends = (out - 1) * stride + kernel - size
            size = out
        pads = [pad, pad, pad + ends, pad + ends]
        return write("MaxPool", x, name, kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=pads), size

    def inception(x, name, module, size):
        one = block(x, name + "_1x1", module.branch1)
        three = block(block(x, name + "_3x3r", module.branch2[0]), name + "_3x3", module.branch2[1], pad=1)
        five = block(block(x, name + "_5x5r", module.branch3[0]), name + "_5x5", module.branch3[1], pad=1)
        pooled = block(pool(x, name + "_pool", 3, 1, size, pad=1)[0], name + "_proj", module.branch4[1])
        return write("Concat", [one, three, five, pooled], name + "_output", axis=1)

    x = block("data", "conv1", network.conv1, stride=2, pad=3)
    x, size = pool(x, "pool1", 3, 2, (side + 1) // 2)
    x = block(x, "conv2", network.conv2)
    x = block(x, "conv3", network.conv3, pad=1)
    x, size = pool(x, "pool2", 3, 2, size)
    for name in "3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b":
        if name == "4a":
            x, size = pool(x, "pool3", 3, 2, size)
        if name == "5a":
            x, size = pool(x, "pool4", 2, 2, size)
        x = inception(x, "inception_" + name, getattr(network, "inception" + name), size)
    x = write("AveragePool", x, "pool5", kernel_shape=[size, size], strides=[1, 1], pads=[0] * 4)
    x = write("Dropout", x, "dropout", ["dropout:0", "dropout:mask"], ratio=0.2)
    weights = network.fc.weight.detach().numpy()
    shape = helper.make_tensor("shape", TensorProto.INT64, [2], [batch, weights.shape[1]])
    to = write("Constant", [], "shape", value=shape)
    x = write("Reshape", [x, to], "flatten")
    bias = network.fc.bias.detach().numpy()
    x = write(
        "Gemm", [x, write.constant(weights, "fc_w"), write.constant(bias, "fc_b")], "fc", alpha=1.0, beta=1.0, transB=1
    )
    x = write("Softmax", x, "prob", ["prob"], axis=1)
    image = helper.make_tensor_value_info("data", F32, [batch, 3, side, side])
    prob = helper.make_tensor_value_info("prob", F32, [batch, classes])
    return write.model([image], [prob], "old", all_inputs=True)


def tensorflow_style(network, side, classes, style, batch="unk__1"):
    """Inception v1 as TensorFlow-slim and Keras have it, written as tf2onnx writes it.

    The weights are those of a torchvision network whose batch normalisations have a scale of 1. The
    padding is TensorFlow's SAME, which puts the odd pixel at the end: (2, 3) for the first convolution.

    style: "pads", "auto_pad": BatchNormalization, a 1x1 convolution as the last layer; "keras": Pad
    nodes before convolutions without padding, the batch normalisation as Mul and Add, MatMul and Add.
    """
    write = Writer(13, 8, "tf2onnx")
    scope = "InceptionV1/" if side > 64 else ""

    def same(x, name, size, kernel, stride, value=0.0):
        out = -(-size // stride)
        total = max((out - 1) * stride + kernel - size, 0)
        pads = [total // 2, total // 2, total - total // 2, total - total // 2]
        if style == "auto_pad":
            return x, {"auto_pad": "SAME_UPPER"}, out
        if style == "keras" and total and value == 0.0:
            whole = [0, 0, pads[0], pads[1], 0, 0, pads[2], pads[3]]
            whole = write.constant(np.array(whole, np.int64), name + "/pad/paddings")
            return write("Pad", [x, whole], name + "/pad"), {"pads": [0] * 4}, out
        return x, {"pads": pads}, out

    def block(x, name, conv, size, stride=1):
        w, gamma, beta, mean, variance = parameters(conv)
        k = w.shape[2]
        x, padding, size = same(x, name, size, k, stride)
        x = write(
            "Conv",
            [x, write.constant(w, name + "/weights")],
            name + "/Conv2D",
            kernel_shape=[k, k],
            strides=[stride] * 2,
            dilations=[1, 1],
            group=1,
            **padding,
        )
        if style == "keras":
            factor = (gamma / np.sqrt(variance + np.float32(1e-3))).reshape(1, -1, 1, 1)
            x = write("Mul", [x, write.constant(factor, name + "/batchnorm/mul")], name + "/batchnorm/mul_1")
            shift = beta.reshape(1, -1, 1, 1) - mean.reshape(1, -1, 1, 1) * factor
            x = write("Add", [x, write.constant(shift, name + "/batchnorm/sub")], name + "/batchnorm/add_1")
        else:
            values = {"Const": np.ones_like(gamma), "beta": beta, "moving_mean": mean, "moving_variance": variance}
            values = [write.constant(v, f"{name}/BatchNorm/{n}") for n, v in values.items()]
            x = write("BatchNormalization", [x, *values], name + "/BatchNorm/FusedBatchNormV3", epsilon=1e-3)
        return write("Relu", x, name + "/Relu"), size

    def pool(x, name, size, kernel, stride):
        x, padding, size = same(x, name, size, kernel, stride, value=-np.inf)
        return write("MaxPool", x, name + "/MaxPool", kernel_shape=[kernel] * 2, strides=[stride] * 2, **padding), size

    def inception(x, name, module, size):
        one, _ = block(x, name + "/Branch_0/Conv2d_0a_1x1", module.branch1, size)
        three, _ = block(x, name + "/Branch_1/Conv2d_0a_1x1", module.branch2[0], size)
        three, _ = block(three, name + "/Branch_1/Conv2d_0b_3x3", module.branch2[1], size)
        five, _ = block(x, name + "/Branch_2/Conv2d_0a_1x1", module.branch3[0], size)
        five, _ = block(five, name + "/Branch_2/Conv2d_0b_3x3", module.branch3[1], size)
        pooled, _ = pool(x, name + "/Branch_3/MaxPool_0a_3x3", size, 3, 1)
        pooled, _ = block(pooled, name + "/Branch_3/Conv2d_0b_1x1", module.branch4[1], size)
        return write("Concat", [one, three, five, pooled], name + "/concat", axis=1)

    x = write("Transpose", "input:0", "input__2", perm=[0, 3, 1, 2])
    x, size = block(x, scope + "Conv2d_1a_7x7", network.conv1, side, stride=2)
    x, size = pool(x, scope + "MaxPool_2a_3x3", size, 3, 2)
    x, _ = block(x, scope + "Conv2d_2b_1x1", network.conv2, size)
    x, _ = block(x, scope + "Conv2d_2c_3x3", network.conv3, size)
    x, size = pool(x, scope + "MaxPool_3a_3x3", size, 3, 2)
    for name, mixed in zip(
        ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b"), ("3b", "3c", "4b", "4c", "4d", "4e", "4f", "5b", "5c")
    ):
        if name == "4a":
            x, size = pool(x, scope + "MaxPool_4a_3x3", size, 3, 2)
        if name == "5a":
            x, size = pool(x, scope + "MaxPool_5a_2x2", size, 2, 2)
        x = inception(x, f"{scope}Mixed_{mixed}", getattr(network, "inception" + name), size)
    w, b = network.fc.weight.detach().numpy(), network.fc.bias.detach().numpy()
    logits = "InceptionV1/Logits/"
    if style == "keras":
        x = write("ReduceMean", x, logits + "global_average_pooling2d/Mean", axes=[2, 3], keepdims=0)
        x = write("MatMul", [x, write.constant(w.T, logits + "dense/kernel")], logits + "dense/MatMul")
        x = write("Add", [x, write.constant(b, logits + "dense/bias")], logits + "dense/BiasAdd")
    else:
        x = write("AveragePool", x, logits + "AvgPool_0a_7x7/AvgPool", kernel_shape=[size, size], strides=[1, 1])
        x = write(
            "Conv",
            [
                x,
                write.constant(w[:, :, None, None], logits + "Conv2d_0c_1x1/weights"),
                write.constant(b, logits + "Conv2d_0c_1x1/biases"),
            ],
            logits + "Conv2d_0c_1x1/BiasAdd",
            kernel_shape=[1, 1],
            strides=[1, 1],
        )
        x = write("Transpose", x, logits + "transpose", perm=[0, 2, 3, 1])
        axes = write.constant(np.array([1, 2], np.int64), logits + "SpatialSqueeze/axes")
        x = write("Squeeze", [x, axes], logits + "SpatialSqueeze")
    name = "InceptionV1/Logits/Predictions/Softmax:0"
    x = write("Softmax", x, name[:-2], [name], axis=-1)
    image = helper.make_tensor_value_info("input:0", F32, [batch, side, side, 3])
    prob = helper.make_tensor_value_info(name, F32, [batch, classes])
    return write.model([image], [prob], "tf2onnx")
