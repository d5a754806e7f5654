"""Makes small classifiers, each around one operator, with the answers of ONNX Runtime.

    pip install onnx onnxruntime numpy    # of the versions in requirements.txt
    python make_operators.py              # ../fixtures/models/operators
    python make_operators.py WORD ...     # only prints the cases with such names

Each `CASE.onnx` takes `x`, f32 [1, 3, 6, 6], and answers `y`, f32 [1, 5]: the operator, then Gemm
with random weights, then Softmax. `operators.json` holds for each case

    operator  its name in ONNX
    opset     of the file
    note      what is special about the case
    outputs   the answers to the two pictures

Picture p has at index i, in C order, the value ((i + 108 p) * 7919 % 1021) / 256 - 2, exact in f32.
ONNX Runtime answered without its optimisations. A case that it refuses is left out, and printed.
"""

import json
import sys
import zlib
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

FOLDER = Path(__file__).parent.parent / "fixtures" / "models" / "operators"
SHAPE = [1, 3, 6, 6]
CLASSES = 5
MOST_FEATURES = 60
SPREAD = 3.0
F32, F16, F64 = TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE
I8, I32, I64 = TensorProto.INT8, TensorProto.INT32, TensorProto.INT64
U8, U32, U64, BOOL = TensorProto.UINT8, TensorProto.UINT32, TensorProto.UINT64, TensorProto.BOOL
MICROSOFT = "com.microsoft"


def picture(p):
    indices = np.arange(108, dtype=np.int64) + 108 * p
    return (indices * 7919 % 1021 / 256.0 - 2.0).astype(np.float32).reshape(SHAPE)


def f32(value):
    return np.array(value, np.float32)


def i64(*values):
    return np.array(values, np.int64)


def some(*shape, seed=0, low=-1.0):
    """Values of 64ths from `low` to 1, exact in f32."""
    values = np.random.default_rng(seed + 1000).integers(int(low * 64), 65, shape)
    return (values / 64).astype(np.float32)


class Graph:
    """Writes nodes; arrays among their inputs become initialisers, None is an input left out."""

    def __init__(self, opset):
        self.nodes, self.tensors, self.opset, self.domains = [], [], opset, {""}

    def constant(self, value):
        name = f"c{len(self.tensors)}"
        self.tensors.append(
            numpy_helper.from_array(np.ascontiguousarray(value), name)
            if np.ndim(value)
            else numpy_helper.from_array(value, name)
        )
        return name

    def __call__(self, operator, *inputs, outputs=1, domain="", **attributes):
        named = lambda i: "" if i is None else i if isinstance(i, str) else self.constant(i)
        inputs = [named(i) for i in inputs]
        names = [f"t{len(self.nodes)}_{n}" for n in range(outputs)]
        self.domains.add(domain)
        self.nodes.append(helper.make_node(operator, inputs, names, domain=domain, **attributes))
        return names[0] if outputs == 1 else names

    def times(self, x, factor):
        return self("Mul", x, f32(factor))

    def whole(self, x, to=I64, factor=4.0):
        """Whole numbers from -2 to 2 times the factor."""
        return self("Cast", self("Floor", self.times(x, factor)), to=to)

    def signs(self, x):
        """Of type bool; half of them hold."""
        return self("Greater", x, f32(0.0))

    def shaped(self, x, *shape):
        return self("Reshape", x, i64(*shape))

    def model(self, outputs):
        version = {"": self.opset}
        opsets = [helper.make_opsetid(d, version.get(d, 1)) for d in sorted(self.domains)]
        x = helper.make_tensor_value_info("x", F32, SHAPE)
        graph = helper.make_graph(self.nodes, "g", [x], outputs, self.tensors)
        least = helper.find_min_ir_version_for(opsets, ignore_unknown=True)
        return helper.make_model(graph, opset_imports=opsets, ir_version=max(8, least))


def run(model):
    """The outputs for each picture."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return [session.run(None, {"x": picture(p)}) for p in range(2)]


def flat(graph, name, array):
    """As f32 [1, n]."""
    if array.dtype != np.float32:
        name = graph("Cast", name, to=F32)
    if array.ndim >= 2 and array.shape[0] == 1:
        return graph("Flatten", name, axis=1)
    return graph.shaped(name, 1, array.size)


def fewer(graph, name, size, rng):
    """Sums of some neighbours, each with its weight, so that the file stays small."""
    group = next(g for g in range(2, size + 1) if size % g == 0 and size // g <= MOST_FEATURES)
    weights = rng.integers(32, 128, (group, 1)) / 64
    parts = graph.shaped(name, 1, size // group, group)
    return graph("Flatten", graph("MatMul", parts, f32(weights)), axis=1)


def classifier(name, opset, build):
    """The model of a case, and what the last layer gets of each picture."""
    graph = Graph(opset)
    built = build(graph, "x")
    built = [built] if isinstance(built, str) else built
    results = run(graph.model([onnx.ValueInfoProto(name=b) for b in built]))[0]
    parts = [flat(graph, *pair) for pair in zip(built, results)]
    features = graph("Concat", *parts, axis=1) if len(parts) > 1 else parts[0]
    size = sum(result.size for result in results)
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    if size > MOST_FEATURES:
        features = fewer(graph, features, size, rng)
    found = run(graph.model([onnx.ValueInfoProto(name=features)]))
    seen = np.array([outputs[0][0] for outputs in found], np.float64)
    assert np.isfinite(seen).all(), (name, "not finite")
    weights = rng.standard_normal((CLASSES, seen.shape[1]))
    spread = np.ptp(seen @ weights.T, axis=1).mean()
    weights *= float(f"{SPREAD / spread:.3g}")
    bias = some(CLASSES, seed=9) / 4
    logits = graph("Gemm", features, f32(weights), bias, transB=1)
    graph.nodes.append(helper.make_node("Softmax", [logits], ["y"], axis=1))
    return graph.model([helper.make_tensor_value_info("y", F32, [1, CLASSES])]), seen


class Making:
    """Collects the cases; a call adds one."""

    def __init__(self, words):
        self.words, self.cases, self.models, self.refused = words, {}, {}, []

    def __call__(self, name, operator, opset, note, build, checked=True):
        assert name not in self.cases, name
        if self.words and not any(word in name for word in self.words):
            return
        try:
            model, seen = classifier(name, opset, build)
            if checked:  # but for what ONNX does not define, or no longer
                onnx.checker.check_model(model, full_check=True)
            outputs = [row[0][0] for row in run(model)]
        except Exception as error:  # of ONNX Runtime, of the checker: there are many types
            if isinstance(error, AssertionError):
                raise
            self.refused.append(f"{name}: {' '.join(str(error).split())[:160]}")
            return
        assert operator in [node.op_type for node in model.graph.node], name
        same = np.array_equal(seen[0], seen[1])
        if same or np.abs(outputs[0] - outputs[1]).max() < 1e-3:
            print("hardly depends on the picture:", name)
        rounded = [[float(f"{value:.8g}") for value in row] for row in outputs]
        self.cases[name] = {"operator": operator, "opset": opset, "note": note, "outputs": rounded}
        self.models[name] = model

    def save(self):
        FOLDER.mkdir(parents=True, exist_ok=True)
        for stale in FOLDER.glob("*.onnx"):
            stale.unlink()
        for name, model in self.models.items():
            (FOLDER / f"{name}.onnx").write_bytes(model.SerializeToString(deterministic=True))
        lines = [f"{json.dumps(k)}: {json.dumps(v)}" for k, v in sorted(self.cases.items())]
        (FOLDER / "operators.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


def attributed(case):
    """Functions of one number that have attributes."""
    rows = [
        ("elu", 7, {}),
        ("elu", 7, {"alpha": 0.3}),
        ("leaky_relu", 7, {}),
        ("leaky_relu", 16, {"alpha": 0.3}),
        ("selu", 7, {}),
        ("selu", 22, {"alpha": 1.5, "gamma": 0.7}),
        ("hard_sigmoid", 7, {}),
        ("hard_sigmoid", 22, {"alpha": 0.4, "beta": 0.3}),
        ("thresholded_relu", 10, {}),
        ("thresholded_relu", 22, {"alpha": 0.4}),
        ("shrink", 9, {}),
        ("shrink", 9, {"lambd": 0.7, "bias": 0.2}),
        ("gelu", 20, {}),
        ("gelu", 20, {"approximate": "tanh"}),
        ("gelu", 20, {"approximate": "none"}),
        ("swish", 24, {}),
        ("swish", 24, {"alpha": 1.7}),
        ("hard_swish", 14, {}),
        ("hard_swish", 22, {}),
    ]
    for n, (name, opset, attributes) in enumerate(rows):
        operator = "".join(part.capitalize() for part in name.split("_"))
        note = ", ".join(f"{k}={v}" for k, v in attributes.items()) or "as it is by default"
        before = sum(row[0] == name for row in rows[:n])
        case(f"{name}_{before + 1}", operator, opset, note, lambda g, x: g(operator, x, **attributes))


def functions(case):
    """Functions of one number, where needed after a step into their domain."""
    direct = {
        "Abs": 13,
        "Neg": 13,
        "Sigmoid": 13,
        "Tanh": 13,
        "Relu": 14,
        "Softplus": 7,
        "Softsign": 7,
        "Erf": 13,
        "Exp": 13,
        "Sin": 7,
        "Cos": 22,
        "Atan": 7,
        "Sinh": 9,
        "Cosh": 22,
        "Asinh": 9,
        "Ceil": 13,
        "Floor": 7,
        "Mish": 18,
        "Identity": 16,
    }
    for operator, opset in direct.items():
        case(operator.lower(), operator, opset, "of x", lambda g, x: g(operator, x))
    for operator in "Softplus", "Sigmoid", "Tanh", "Mish", "Exp":
        note = "of 12 x: where a naive formula overflows or saturates"
        case(f"{operator.lower()}_far", operator, 18, note, lambda g, x: g(operator, g.times(x, 12.0)))
    case("erf_far", "Erf", 9, "of 2.5 x", lambda g, x: g("Erf", g.times(x, 2.5)))
    for operator, opset in {"Log": 13, "Sqrt": 13, "Reciprocal": 7}.items():
        case(operator.lower(), operator, opset, "of Sigmoid", lambda g, x: g(operator, g("Sigmoid", x)))
    for operator, opset in {"Acos": 7, "Asin": 22, "Atanh": 9}.items():
        case(operator.lower(), operator, opset, "of 0.49 x", lambda g, x: g(operator, g.times(x, 0.49)))
    case("tan", "Tan", 7, "of 0.7 x", lambda g, x: g("Tan", g.times(x, 0.7)))
    case("acosh", "Acosh", 9, "of x x + 1", lambda g, x: g("Acosh", g("Add", g("Mul", x, x), f32(1.0))))
    case("sign", "Sign", 13, "with zeros", lambda g, x: g("Sign", g("Floor", g("Add", x, f32(0.5)))))
    case("sign_int", "Sign", 9, "int64", lambda g, x: g("Sign", g.whole(x, factor=2.0)))
    case("abs_int", "Abs", 13, "int32", lambda g, x: g("Abs", g.whole(x, I32)))
    case("neg_int", "Neg", 13, "int64", lambda g, x: g("Neg", g.whole(x)))
    case("relu_int", "Relu", 14, "int32", lambda g, x: g("Relu", g.whole(x, I32)))

    def rounded(g, x):
        x = g.times(x, 64.0)
        return g("Sub", g("Round", x), x)

    def infinite(g, x):
        """Both infinities among them: a half of the values lies between -1 and 1."""
        return g("Div", g("Add", x, f32(0.001)), g("Floor", g("Abs", x)))

    case("round", "Round", 11, "half to even, minus the number", rounded)
    case("is_nan", "IsNaN", 13, "square root of negative numbers", lambda g, x: g("IsNaN", g("Sqrt", x)))
    case("is_nan_opset_9", "IsNaN", 9, "logarithm", lambda g, x: g("IsNaN", g("Log", x)))
    case("is_inf", "IsInf", 10, "both signs", lambda g, x: g("IsInf", infinite(g, x)))
    case(
        "is_inf_positive", "IsInf", 10, "detect_negative=0", lambda g, x: g("IsInf", infinite(g, x), detect_negative=0)
    )
    case(
        "is_inf_negative", "IsInf", 20, "detect_positive=0", lambda g, x: g("IsInf", infinite(g, x), detect_positive=0)
    )
    case("not", "Not", 7, "of x > 0", lambda g, x: g("Not", g.signs(x)))


def arithmetic(case):
    """Functions of two numbers, with broadcasting."""
    other = {"Add": some(3, 1, 1), "Sub": some(6), "Mul": some(1, 3, 1, 6), "Div": some(6, 1, low=0.25)}
    for operator, value in other.items():
        name, shape = operator.lower(), list(value.shape)
        case(name, operator, 7, f"x and {shape}", lambda g, x: g(operator, x, value))
        case(
            f"{name}_left",
            operator,
            14,
            f"{shape} and x",
            lambda g, x: g(operator, value, g("Add", g("Abs", x), f32(0.5))),
        )
        case(
            f"{name}_grows",
            operator,
            13,
            "[6, 1] and [18] make [6, 18]",
            lambda g, x: g(operator, some(6, 1), g("Exp", g("ReduceMax", g.shaped(x, 18, 6), axes=[1], keepdims=0))),
        )
    case(
        "div_int32",
        "Div",
        14,
        "towards zero",
        lambda g, x: g("Div", g.whole(x, I32, 16.0), np.array([3, -5, 7, -2, 4, -1], np.int32)),
    )
    case("div_int64", "Div", 7, "towards zero", lambda g, x: g("Div", g.whole(x, I64, 16.0), i64(3)))
    case("mul_int64", "Mul", 13, "int64", lambda g, x: g("Mul", g.whole(x), i64(3, -5, 7, -2, 4, -1)))
    case("sub_int32", "Sub", 14, "int32", lambda g, x: g("Sub", np.int32(3) * np.ones(1, np.int32), g.whole(x, I32)))
    case("add_f64", "Add", 14, "double", lambda g, x: g("Add", g("Cast", x, to=F64), some(6).astype(np.float64)))
    case("add_f16", "Add", 14, "float16", lambda g, x: g("Add", g("Cast", x, to=F16), some(6).astype(np.float16)))
    by = np.array([3, -5, 7, -2, 4, -1])
    case(
        "mod_int64",
        "Mod",
        10,
        "the sign of the divisor",
        lambda g, x: g("Mod", g.whole(x, I64, 16.0), by.astype(np.int64)),
    )
    case(
        "mod_int32_fmod",
        "Mod",
        13,
        "fmod=1: the sign of the dividend",
        lambda g, x: g("Mod", g.whole(x, I32, 16.0), by.astype(np.int32), fmod=1),
    )
    case(
        "mod_f32_fmod",
        "Mod",
        13,
        "fmod=1: the sign of the dividend",
        lambda g, x: g("Mod", x, f32([0.75, -0.75, 0.3, -0.3, 1.5, -1.5]), fmod=1),
    )
    case("pow_2", "Pow", 7, "negative numbers squared", lambda g, x: g("Pow", x, f32(2.0)))
    case("pow_3", "Pow", 13, "negative numbers to the third", lambda g, x: g("Pow", x, f32([3.0])))
    case("pow_half", "Pow", 15, "to 0.5", lambda g, x: g("Pow", g("Abs", x), f32(0.5)))
    case(
        "pow_each",
        "Pow",
        13,
        "an exponent for each column",
        lambda g, x: g("Pow", g("Add", g("Abs", x), f32(0.5)), f32([2, 0, -1, 0.5, 1, -0.5])),
    )
    case("pow_base", "Pow", 13, "x is the exponent", lambda g, x: g("Pow", f32([2, 0.5, 3, 1, 1.5, 4]), x))
    case("pow_int_exponent", "Pow", 13, "float to int64", lambda g, x: g("Pow", x, i64(2, 3, 0, 1, 4, 5)))
    case("pow_int_base", "Pow", 15, "int64 to int64", lambda g, x: g("Pow", g.whole(x, I64, 2.0), i64(3)))
    case("pow_mixed", "Pow", 13, "int32 to float", lambda g, x: g("Pow", g.whole(x, I32, 4.0), f32(2.0)))


def several(case):
    """Operators of any number of inputs, and PRelu."""
    for operator in "Max", "Min", "Mean", "Sum":
        name = operator.lower()
        case(f"{name}_of_1", operator, 8, "one input", lambda g, x: g(operator, x))
        case(f"{name}_of_2", operator, 13, "broadcast [3, 1, 1]", lambda g, x: g(operator, some(3, 1, 1), x))
        case(
            f"{name}_of_3",
            operator,
            13,
            "x, [6], [6, 1]",
            lambda g, x: g(operator, x, some(6, seed=1), some(6, 1, seed=2)),
        )
    case("mean_same_shapes", "Mean", 8, "opset 8, three inputs", lambda g, x: g("Mean", x, g("Abs", x), g("Exp", x)))
    case("max_int", "Max", 12, "int64", lambda g, x: g("Max", g.whole(x), i64(1)))
    case("min_int", "Min", 13, "int32", lambda g, x: g("Min", g.whole(x, I32), np.array([-1], np.int32)))
    slopes = {"channel": some(3, 1, 1), "one": some(1), "column": some(6), "each": some(3, 6, 6)}
    for opset, (name, slope) in zip((7, 9, 16, 16), slopes.items()):
        case(f"prelu_{name}", "PRelu", opset, f"slope {list(slope.shape)}", lambda g, x: g("PRelu", x, slope))


def logic(case):
    """Comparisons, with ties, and what follows them."""
    for operator, old in {"Equal": 7, "Greater": 7, "Less": 9, "GreaterOrEqual": 12, "LessOrEqual": 16}.items():
        to, of = (I32, np.int32) if old == 7 and operator == "Equal" else (I64, np.int64)
        name = operator.lower().replace("orequal", "_or_equal")
        if operator != "Greater":
            case(
                f"{name}_int",
                operator,
                old,
                "int32" if to == I32 else "int64",
                lambda g, x: g(operator, g.whole(x, to, 1.0), np.array([0, 1, -1, -2, 0, 1], of)),
            )
        case(
            name,
            operator,
            max(13, old),
            "float, with ties, broadcast [3, 1, 1]",
            lambda g, x: g(operator, g("Floor", g.times(x, 2.0)), f32([[[0]], [[1]], [[-1]]])),
        )
        if operator in ("Greater", "Less"):
            case(f"{name}_opset_7", operator, 7, "float", lambda g, x: g(operator, x, f32(0.25)))
    case("equal_bool", "Equal", 13, "bool", lambda g, x: g("Equal", g.signs(x), np.array([True, False] * 3)))
    masks = np.array([True, False, False, True, True, False])
    for operator in "And", "Or", "Xor":
        case(operator.lower(), operator, 7, "broadcast [6]", lambda g, x: g(operator, g.signs(x), masks))
    case("where", "Where", 9, "x > 0, x, [6]", lambda g, x: g("Where", g.signs(x), x, some(6)))
    case(
        "where_broadcast",
        "Where",
        16,
        "the condition broadcast: [6, 1], [], x",
        lambda g, x: g("Where", masks.reshape(6, 1), f32(0.5), x),
    )
    case("where_int", "Where", 16, "int64", lambda g, x: g("Where", g.signs(x), g.whole(x), i64(3)))


def bits(case):
    """On whole numbers, bit by bit."""
    by8, by32 = np.array([0, 1, 2, 3, 4, 5], np.uint8), np.array([0, 1, 2, 3, 4, 31], np.uint32)
    absolute = lambda g, x, to: g("Cast", g("Floor", g.times(g("Abs", x), 60.0)), to=to)
    case(
        "bit_shift_left",
        "BitShift",
        11,
        "uint8: high bits are lost",
        lambda g, x: g("BitShift", absolute(g, x, U8), by8, direction="LEFT"),
    )
    case(
        "bit_shift_right",
        "BitShift",
        11,
        "uint32",
        lambda g, x: g("BitShift", absolute(g, x, U32), by32, direction="RIGHT"),
    )
    case(
        "bit_shift_u64",
        "BitShift",
        11,
        "uint64",
        lambda g, x: g("BitShift", absolute(g, x, U64), by8.astype(np.uint64), direction="LEFT"),
    )
    other = np.array([3, -5, 12, 6, -2, 9], np.int32)
    for operator in "BitwiseAnd", "BitwiseOr", "BitwiseXor":
        name = f"bitwise_{operator[7:].lower()}"
        case(name, operator, 18, "int32 with negative ones", lambda g, x: g(operator, g.whole(x, I32, 8.0), other))
        case(
            f"{name}_u8", operator, 18, "uint8", lambda g, x: g(operator, absolute(g, x, U8), np.array([21], np.uint8))
        )
    case("bitwise_not", "BitwiseNot", 18, "int32", lambda g, x: g("BitwiseNot", g.whole(x, I32)))
    case("bitwise_not_u8", "BitwiseNot", 18, "uint8", lambda g, x: g("BitwiseNot", absolute(g, x, U8)))


def casts(case):
    """To another type and back."""
    rows = {"int8": I8, "int32": I32, "int64": I64, "f16": F16, "f64": F64}
    for n, (name, to) in enumerate(rows.items()):
        case(
            f"cast_{name}",
            "Cast",
            (7, 9, 13, 19, 21)[n],
            "3 x: negative ones with a fraction among them",
            lambda g, x: g("Cast", g("Cast", g.times(x, 3.0), to=to), to=F32),
        )
    case("cast_uint8", "Cast", 13, "no negative ones", lambda g, x: g("Cast", g.times(g("Abs", x), 100.0), to=U8))
    case("cast_bool", "Cast", 13, "zero alone is false", lambda g, x: g("Cast", g("Floor", g("Abs", x)), to=BOOL))
    case("cast_bool_fraction", "Cast", 9, "0.3 is true", lambda g, x: g("Cast", g("Relu", x), to=BOOL))
    case("cast_int_bool", "Cast", 13, "int64 to bool", lambda g, x: g("Cast", g.whole(x, I64, 1.0), to=BOOL))
    case("cast_bool_int", "Cast", 13, "bool to int64", lambda g, x: g("Cast", g.signs(x), to=I64))
    case("cast_int_int8", "Cast", 13, "int32 to int8: wraps", lambda g, x: g("Cast", g.whole(x, I32, 100.0), to=I8))
    case("cast_like", "CastLike", 15, "int64", lambda g, x: g("CastLike", g.times(x, 3.0), i64(1)))
    case(
        "cast_like_bool", "CastLike", 19, "bool", lambda g, x: g("CastLike", g("Floor", g("Abs", x)), np.array([True]))
    )
    case("clip_attributes", "Clip", 7, "opset 7", lambda g, x: g("Clip", x, min=-0.5, max=0.75))
    case("clip_attribute_min", "Clip", 7, "min alone", lambda g, x: g("Clip", x, min=-0.5))
    case("clip_inputs", "Clip", 11, "inputs", lambda g, x: g("Clip", x, f32(-0.5), f32(0.75)))
    case("clip_max", "Clip", 13, "max alone", lambda g, x: g("Clip", x, None, f32(0.75)))
    case("clip_min", "Clip", 13, "min alone", lambda g, x: g("Clip", x, f32(0.25)))
    case(
        "clip_crossed",
        "Clip",
        13,
        "min above max: all are max, and x is added",
        lambda g, x: g("Add", x, g("Clip", x, f32(0.75), f32(-0.5))),
    )
    case(
        "clip_int",
        "Clip",
        12,
        "int64",
        lambda g, x: g("Clip", g.whole(x), np.int64(-3) * np.ones((), np.int64), np.int64(2) * np.ones((), np.int64)),
    )


def fusions(case):
    """Pairs that an optimiser may put together: a convolution with what is computed from it."""
    kernels = {
        "plain": ((4, 3, 3, 3), {"pads": [1, 1, 1, 1]}),
        "one": ((4, 3, 1, 1), {}),
        "strides": ((4, 3, 3, 3), {"pads": [1, 1, 1, 1], "strides": [2, 1]}),
        "dilations": ((4, 3, 3, 3), {"pads": [2, 2, 2, 2], "dilations": [2, 2]}),
        "uneven": ((4, 3, 3, 3), {"pads": [0, 1, 2, 1]}),
        "groups": ((6, 1, 3, 3), {"pads": [1, 1, 1, 1], "group": 3}),
    }
    for name, (shape, attributes) in kernels.items():
        bias, column = some(shape[0], seed=1), some(1, shape[0], 1, 1, seed=2)
        conv = lambda g, x: g("Conv", x, some(*shape), bias, **attributes)
        for operator in "Add", "Sub", "Mul", "Div", "Max", "Min":
            lower = operator.lower()
            away = (lambda g, y: g("Add", y, f32(20.0))) if operator == "Div" else (lambda g, y: y)
            case(
                f"conv_{name}_then_{lower}",
                operator,
                13,
                f"{operator}(Conv, channels)",
                lambda g, x: g(operator, conv(g, x), np.abs(column) + f32(0.5)),
            )
            case(
                f"conv_{name}_before_{lower}",
                operator,
                13,
                f"{operator}(channels, Conv)",
                lambda g, x: g(operator, column, away(g, conv(g, x))),
            )
        case(
            f"conv_{name}_from_mean",
            "Sub",
            13,
            "Sub(GlobalAveragePool(Conv), Conv)",
            lambda g, x: g("Sub", g("GlobalAveragePool", conv(g, x)), conv(g, x)),
        )
        case(
            f"conv_{name}_normalised",
            "BatchNormalization",
            15,
            "behind Conv",
            lambda g, x: g(
                "BatchNormalization",
                conv(g, x),
                np.abs(bias) + f32(0.5),
                bias,
                some(shape[0], seed=3),
                np.abs(some(shape[0], seed=4)) + f32(0.5),
            ),
        )
    case(
        "max_zero_grows_channels",
        "Max",
        13,
        "Max(Conv of one channel, zeros of four)",
        lambda g, x: g(
            "Add", g("Max", g("Conv", x, some(1, 3, 3, 3)), np.zeros((1, 4, 1, 1), np.float32)), some(1, 4, 4, 4)
        ),
    )
    case(
        "max_zero_grows_map",
        "Max",
        13,
        "Max(GlobalAveragePool, zeros of a map)",
        lambda g, x: g(
            "Add", g("Max", g("GlobalAveragePool", x), np.zeros((1, 1, 6, 6), np.float32)), some(1, 3, 6, 6)
        ),
    )
    case(
        "shuffle_before_gemm",
        "Transpose",
        13,
        "channels in another order before the last layer",
        lambda g, x: g(
            "Reshape",
            g(
                "Transpose",
                g("Reshape", g("GlobalAveragePool", g("Conv", x, some(6, 3, 3, 3))), i64(1, 2, 3)),
                perm=[0, 2, 1],
            ),
            i64(1, 6),
        ),
    )


REDUCERS = ["L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min", "Prod", "Sum", "SumSquare"]


def reductions(case):
    """The ten Reduce operators: axes as attribute, as input, none."""
    for reducer in REDUCERS:
        operator = f"Reduce{reducer}"
        name = "reduce_" + reducer.lower().replace("sumexp", "sum_exp")
        name = name.replace("logsum", "log_sum").replace("sumsquare", "sum_square")

        def reduced(g, x, *inputs, **attributes):
            x = g("Sigmoid", x) if reducer in ("LogSum", "Prod") else x
            x = g(operator, x, *inputs, **attributes)
            return g("Mul", x, some(3, 6, low=0.25)) if attributes.get("keepdims") == 0 else x

        case(
            f"{name}_opset_11", operator, 11, "axes=[-1], keepdims=0", lambda g, x: reduced(g, x, axes=[-1], keepdims=0)
        )
        if reducer == "Sum":
            case(f"{name}_opset_13", operator, 13, "axes as input: [1, 3]", lambda g, x: reduced(g, x, i64(1, 3)))
        else:
            case(f"{name}_opset_13", operator, 13, "axes=[1, 3]", lambda g, x: reduced(g, x, axes=[1, 3]))
        case(
            f"{name}_opset_18",
            operator,
            20 if reducer in ("Max", "Min") else 18,
            "axes as input: [-2], keepdims=0",
            lambda g, x: reduced(g, x, i64(-2), keepdims=0),
        )
    noop = "noop_with_empty_axes=1 and no axes"
    whole = {"sum": "Sum", "mean": "Mean", "l2": "L2", "log_sum_exp": "LogSumExp"}
    for n, (name, reducer) in enumerate(whole.items()):
        opset = (13, 18, 11, 18)[n]
        case(
            f"reduce_{name}_all",
            f"Reduce{reducer}",
            opset,
            "no axes: all, taken from x",
            lambda g, x: g("Sub", x, g(f"Reduce{reducer}", x)),
        )
    case(
        "reduce_sum_all_keepdims_0",
        "ReduceSum",
        13,
        "no axes, keepdims=0: a scalar, taken from x",
        lambda g, x: g("Sub", x, g("ReduceSum", x, keepdims=0)),
    )
    case("reduce_sum_noop", "ReduceSum", 13, noop, lambda g, x: g("ReduceSum", x, noop_with_empty_axes=1))
    case("reduce_mean_noop", "ReduceMean", 18, noop, lambda g, x: g("ReduceMean", x, noop_with_empty_axes=1))
    case(
        "reduce_sum_empty_axes",
        "ReduceSum",
        13,
        "axes are an empty tensor, noop_with_empty_axes=0",
        lambda g, x: g("Sub", x, g("ReduceSum", x, i64())),
    )
    case("reduce_sum_int", "ReduceSum", 13, "int64", lambda g, x: g("ReduceSum", g.whole(x), i64(2)))
    case("reduce_max_int", "ReduceMax", 13, "int32", lambda g, x: g("ReduceMax", g.whole(x, I32), axes=[2]))
    case("reduce_min_bool", "ReduceMin", 20, "bool", lambda g, x: g("ReduceMin", g("Greater", x, f32(-1.0)), i64(2)))
    case(
        "reduce_log_sum_exp_far",
        "ReduceLogSumExp",
        18,
        "of 100 x: where a naive formula overflows",
        lambda g, x: g("ReduceLogSumExp", g.times(x, 100.0), i64(3)),
    )


def softmaxes(case):
    """Before opset 13 over all axes from `axis` on, since then over that axis."""
    for operator in "Softmax", "LogSoftmax", "Hardmax":
        name = {"LogSoftmax": "log_softmax"}.get(operator, operator.lower())
        for opset, axis in (7, None), (11, 2), (11, -1), (13, None), (13, 1), (13, -2):
            attributes = {} if axis is None else {"axis": axis}
            label = "default" if axis is None else f"axis_{axis}".replace("-", "minus_")
            old = opset < 13
            note = f"axis={axis}" if attributes else "default axis"
            note += ": flattens" if old else ": one axis"

            def build(g, x):
                x = g(operator, x, **attributes)
                return g.times(x, 10.0) if operator == "Softmax" else x

            case(f"{name}_{opset}_{label}", operator, opset, note, build)
    case("softmax_far", "Softmax", 13, "of 100 x", lambda g, x: g("Softmax", g.times(x, 100.0), axis=1))


def choices(case):
    """Operators that pick the largest and smallest."""
    weigh = lambda g, x: g("Mul", g("Cast", x, to=F32), some(3, 6, low=0.25))
    for operator in "ArgMax", "ArgMin":
        name = {"ArgMax": "arg_max", "ArgMin": "arg_min"}[operator]
        case(name, operator, 7, "axis=0 by default, of [6, 18]", lambda g, x: g(operator, g.shaped(x, 6, 18)))
        case(
            f"{name}_flat",
            operator,
            11,
            "axis=-1, keepdims=0",
            lambda g, x: weigh(g, g(operator, x, axis=-1, keepdims=0)),
        )
        ties = lambda g, x: g("Floor", x)
        case(f"{name}_first", operator, 13, "ties: the first", lambda g, x: g(operator, ties(g, x), axis=2))
        case(
            f"{name}_last",
            operator,
            12,
            "ties: the last",
            lambda g, x: g(operator, ties(g, x), axis=2, select_last_index=1),
        )
        case(
            f"{name}_int",
            operator,
            13,
            "int32, axis=-2, keepdims=0",
            lambda g, x: weigh(g, g(operator, g.whole(x, I32, 50.0), axis=-2, keepdims=0)),
        )
    case("top_k_opset_10", "TopK", 10, "k as input", lambda g, x: g("TopK", x, i64(3), outputs=2))
    case("top_k_attribute", "TopK", 7, "k=2, axis=1", lambda g, x: g("TopK", x, outputs=2, k=2, axis=1))
    case(
        "top_k_smallest",
        "TopK",
        11,
        "largest=0, axis=2",
        lambda g, x: g("TopK", x, i64(2), outputs=2, largest=0, axis=2),
    )
    case(
        "top_k_values",
        "TopK",
        11,
        "the values alone, axis=-2",
        lambda g, x: g("TopK", x, i64(4), outputs=2, axis=-2)[0],
    )
    case(
        "top_k_ties",
        "TopK",
        11,
        "ties: the lower index first",
        lambda g, x: g("TopK", g("Floor", x), i64(4), outputs=2),
    )
    case("top_k_int", "TopK", 24, "int64", lambda g, x: g("TopK", g.whole(x, I64, 50.0), i64(3), outputs=2))
    case("hardmax_ties", "Hardmax", 13, "ties: the first", lambda g, x: g("Hardmax", g("Floor", x), axis=3))


def gathers(case):
    """Operators with indices."""
    index = np.random.default_rng(5).integers(-6, 6, (1, 3, 4, 6))
    case(
        "gather",
        "Gather",
        7,
        "axis=0 by default, of [6, 18]",
        lambda g, x: g("Gather", g.shaped(x, 6, 18), i64(4, 0, 3)),
    )
    case(
        "gather_negative",
        "Gather",
        13,
        "negative indices, int32, axis=-1",
        lambda g, x: g("Gather", x, np.array([[-1, 0, -6], [2, -3, 5]], np.int32), axis=-1),
    )
    case(
        "gather_scalar", "Gather", 13, "a scalar takes the axis away", lambda g, x: g("Gather", x, np.array(-2), axis=2)
    )
    case(
        "gather_elements",
        "GatherElements",
        11,
        "negative indices, axis=2",
        lambda g, x: g("GatherElements", x, index, axis=2),
    )
    case(
        "gather_elements_13",
        "GatherElements",
        13,
        "axis=-1, int32",
        lambda g, x: g("GatherElements", x, index.astype(np.int32), axis=-1),
    )
    case(
        "gather_nd",
        "GatherND",
        11,
        "whole rows",
        lambda g, x: g("GatherND", x, np.array([[0, 2, 1], [0, 0, -1], [0, 1, 3]])),
    )
    case(
        "gather_nd_batch",
        "GatherND",
        12,
        "batch_dims=1",
        lambda g, x: g("GatherND", g.shaped(x, 3, 6, 6), np.array([[1, 2], [5, 0], [3, -1]]), batch_dims=1),
    )
    near = np.array([[[[5, 1, 3, 0, 2, 4]], [[0, 2, 4, 1, 3, -1]]]])
    for opset, operator in (10, "Scatter"), (11, "ScatterElements"), (16, "ScatterElements"):
        name = f"{'scatter' if opset == 10 else 'scatter_elements'}_{opset}"
        case(name, operator, opset, "axis=2", lambda g, x: g(operator, x, abs(near), some(1, 2, 1, 6), axis=2))
    case(
        "scatter_elements_negative",
        "ScatterElements",
        13,
        "negative indices, axis=-1",
        lambda g, x: g("ScatterElements", x, -1 - abs(near), some(1, 2, 1, 6), axis=-1),
    )
    where = np.array([[0, 1, 2], [0, 2, -1], [0, 1, 2]])
    for n, reduction in enumerate(("add", "mul", "max", "min")):
        opset = 16 if n < 2 else 18
        case(
            f"scatter_elements_{reduction}",
            "ScatterElements",
            opset,
            f"reduction={reduction}, doubled indices",
            lambda g, x: g(
                "ScatterElements", x, np.zeros((1, 2, 2, 6), np.int64), some(1, 2, 2, 6), axis=2, reduction=reduction
            ),
        )
        case(
            f"scatter_nd_{reduction}",
            "ScatterND",
            opset,
            f"reduction={reduction}, doubled indices",
            lambda g, x: g("ScatterND", x, where, some(3, 6), reduction=reduction),
        )
    case(
        "scatter_nd",
        "ScatterND",
        11,
        "whole rows, a negative index",
        lambda g, x: g("ScatterND", x, where[:2], some(2, 6)),
    )
    case(
        "scatter_nd_x",
        "ScatterND",
        13,
        "x is written into a constant",
        lambda g, x: g(
            "ScatterND", some(1, 3, 6, 6), where[:2], g("ReduceMax", g.shaped(x, 2, 6, 9), axes=[2], keepdims=0)
        ),
    )


def counted(case):
    """OneHot, CumSum, ReverseSequence, Trilu."""
    onoff = f32([-0.5, 2.0])
    few = lambda g, x: g.whole(g("ReduceMax", x, axes=[3], keepdims=0), I64, 2.0)
    case(
        "one_hot",
        "OneHot",
        9,
        "depth 4; negative indices count from the end, others are off",
        lambda g, x: g("OneHot", few(g, x), np.array(4), onoff),
    )
    case(
        "one_hot_axis",
        "OneHot",
        11,
        "axis=1",
        lambda g, x: g("OneHot", g("Sub", few(g, x), i64(2)), i64(5), onoff, axis=1),
    )
    case(
        "one_hot_axis_negative",
        "OneHot",
        11,
        "axis=-2, int32",
        lambda g, x: g("OneHot", g("Cast", few(g, x), to=I32), np.array(4, np.int32), onoff, axis=-2),
    )
    for name, opset, axis, attributes in (
        ("cum_sum", 11, 3, {}),
        ("cum_sum_exclusive", 14, 2, {"exclusive": 1}),
        ("cum_sum_reverse", 14, -1, {"reverse": 1}),
        ("cum_sum_both", 14, 1, {"exclusive": 1, "reverse": 1}),
    ):
        case(
            name,
            "CumSum",
            opset,
            f"axis {axis} {attributes or ''}".strip(),
            lambda g, x: g("CumSum", x, np.array(axis), **attributes),
        )
    case("cum_sum_int", "CumSum", 14, "int64", lambda g, x: g("CumSum", g.whole(x), np.array(2)))
    case(
        "reverse_sequence",
        "ReverseSequence",
        10,
        "batch first",
        lambda g, x: g("ReverseSequence", g.shaped(x, 3, 36), i64(5, 36, 1), batch_axis=0, time_axis=1),
    )
    for name, opset, upper, k in (
        ("trilu_upper", 14, 1, None),
        ("trilu_lower", 14, 0, None),
        ("trilu_upper_k", 14, 1, 2),
        ("trilu_lower_k", 14, 0, -1),
        ("trilu_lower_wide", 14, 0, 3),
    ):
        offset = [] if k is None else [np.array(k)]
        case(name, "Trilu", opset, f"upper={upper}, k={k}", lambda g, x: g("Trilu", x, *offset, upper=upper))


def rearrangements(case):
    """Operators that move values and keep them."""
    for mode, opset in ("DCR", 11), ("CRD", 13):
        case(
            f"depth_to_space_{mode.lower()}",
            "DepthToSpace",
            opset,
            mode,
            lambda g, x: g("DepthToSpace", g.shaped(x, 1, 12, 3, 3), blocksize=2, mode=mode),
        )
    case(
        "depth_to_space_opset_7",
        "DepthToSpace",
        7,
        "no mode yet: DCR",
        lambda g, x: g("DepthToSpace", g.shaped(x, 1, 12, 3, 3), blocksize=2),
    )
    case("space_to_depth", "SpaceToDepth", 13, "blocks of 2", lambda g, x: g("SpaceToDepth", x, blocksize=2))
    case("space_to_depth_3", "SpaceToDepth", 7, "blocks of 3", lambda g, x: g("SpaceToDepth", x, blocksize=3))
    case("transpose", "Transpose", 7, "perm", lambda g, x: g("Transpose", x, perm=[0, 3, 1, 2]))
    case("transpose_default", "Transpose", 13, "no perm: all reversed", lambda g, x: g("Transpose", x))
    row = lambda g, x: g("Mul", x, some(9))
    case(
        "reshape_0",
        "Reshape",
        7,
        "0 keeps a dimension, -1 is what is left",
        lambda g, x: g("Softmax", g("Reshape", x, i64(0, 0, 4, -1)), axis=3),
    )
    case("reshape_minus_1", "Reshape", 13, "[-1, 9]", lambda g, x: row(g, g("Reshape", x, i64(-1, 9))))
    case(
        "reshape_allowzero",
        "Reshape",
        14,
        "allowzero=1 without a zero",
        lambda g, x: row(g, g("Reshape", x, i64(1, -1, 9), allowzero=1)),
    )
    rows = {"1": (7, None), "0": (9, 0), "2": (11, 2), "minus_1": (13, -1), "4": (13, 4)}
    for name, (opset, axis) in rows.items():
        attributes = {} if axis is None else {"axis": axis}

        def build(g, x):
            x = g("Flatten", g.shaped(x, 3, 1, 6, 6) if axis == 0 else x, **attributes)
            return g("Mul", x, g("Softmax", x, axis=1))

        case(f"flatten_{name}", "Flatten", opset, f"axis={1 if axis is None else axis}, seen by Softmax", build)
    case("concat", "Concat", 7, "axis=1", lambda g, x: g("Concat", x, some(1, 2, 6, 6), g("Neg", x), axis=1))
    case("concat_negative", "Concat", 13, "axis=-2", lambda g, x: g("Concat", some(1, 3, 2, 6), x, axis=-2))
    case("concat_one", "Concat", 13, "one input", lambda g, x: g("Concat", x, axis=3))
    case(
        "concat_int",
        "Concat",
        13,
        "int64",
        lambda g, x: g("Concat", g.whole(x), np.ones((1, 3, 6, 1), np.int64), axis=3),
    )


def axes(case):
    """Squeeze, Unsqueeze, Split."""
    tall = lambda g, x: g("ReduceMax", x, axes=[2])
    weigh = lambda g, x: g("Mul", x, some(3, 6))
    case("squeeze_attribute", "Squeeze", 7, "axes=[0, 2]", lambda g, x: weigh(g, g("Squeeze", tall(g, x), axes=[0, 2])))
    case("squeeze_negative", "Squeeze", 11, "axes=[-2]", lambda g, x: weigh(g, g("Squeeze", tall(g, x), axes=[-2])))
    case("squeeze_input", "Squeeze", 13, "axes as input", lambda g, x: weigh(g, g("Squeeze", tall(g, x), i64(-2, 0))))
    for name, axes in {"2_3": (2, 3), "3_2": (3, 2), "minus_2_minus_1": (-2, -1)}.items():
        case(
            f"squeeze_{name}",
            "Squeeze",
            13,
            f"axes={list(axes)} as input",
            lambda g, x: g("Squeeze", g("ReduceMax", x, axes=[2, 3]), i64(*axes)),
        )
    case("squeeze_all", "Squeeze", 13, "no axes: all of size 1", lambda g, x: weigh(g, g("Squeeze", tall(g, x))))
    stretch = lambda g, x: g("Mul", x, some(2, 1, 1, 1))
    flat = lambda g, x: g.shaped(x, 3, 36)
    case(
        "unsqueeze_attribute",
        "Unsqueeze",
        7,
        "axes=[0, 2]",
        lambda g, x: g("Mul", g("Unsqueeze", flat(g, x), axes=[0, 2]), some(1, 1, 2, 1)),
    )
    case(
        "unsqueeze_negative",
        "Unsqueeze",
        11,
        "axes=[-1, -4]: of the output",
        lambda g, x: stretch(g, g("Unsqueeze", flat(g, x), axes=[-1, -4])),
    )
    case(
        "unsqueeze_input",
        "Unsqueeze",
        13,
        "axes as input, out of order",
        lambda g, x: stretch(g, g("Unsqueeze", flat(g, x), i64(3, 0))),
    )

    def parts(g, names):
        return g("Concat", *(g.times(name, 1.0 + n) for n, name in enumerate(names)), axis=1)

    case("split_equal", "Split", 7, "axis=1", lambda g, x: parts(g, g("Split", x, outputs=3, axis=1)))
    case(
        "split_attribute",
        "Split",
        11,
        "split=[1, 2]",
        lambda g, x: parts(g, g("Split", x, outputs=2, axis=1, split=[1, 2])),
    )
    case(
        "split_first_axis",
        "Split",
        7,
        "axis=0 by default, of [6, 18]",
        lambda g, x: parts(g, g("Split", g.shaped(x, 6, 18), outputs=2)),
    )
    case(
        "split_input",
        "Split",
        13,
        "split as input, axis=-3",
        lambda g, x: parts(g, g("Split", x, i64(2, 1), outputs=2, axis=-3)),
    )
    case("split_equal_13", "Split", 13, "no split", lambda g, x: parts(g, g("Split", x, outputs=2, axis=2)))
    case(
        "split_num_outputs",
        "Split",
        18,
        "num_outputs=3",
        lambda g, x: parts(g, g("Split", x, outputs=3, axis=3, num_outputs=3)),
    )
    case(
        "split_uneven",
        "Split",
        18,
        "num_outputs=2 of 3 channels: 2 and 1",
        lambda g, x: parts(g, g("Split", x, outputs=2, axis=1, num_outputs=2)),
    )
    case(
        "split_input_18",
        "Split",
        18,
        "split as input, one part unused",
        lambda g, x: g("Split", x, i64(2, 3, 1), outputs=3, axis=2)[1],
    )


def slices(case):
    """Slice: attributes before opset 10, inputs since."""
    case(
        "slice_attributes",
        "Slice",
        7,
        "axes=[1, 3], an end beyond the size",
        lambda g, x: g("Slice", x, starts=[1, 2], ends=[3, 1000], axes=[1, 3]),
    )
    case(
        "slice_attributes_negative",
        "Slice",
        9,
        "negative starts and ends, no axes",
        lambda g, x: g("Slice", x, starts=[0, -2, -5], ends=[1, 3, -1]),
    )
    rows = {
        "inputs": (10, [1, 2], [3, 6], [1, 3], None),
        "no_axes": (13, [0, 1, 0, 3], [1, 3, 4, 6], None, None),
        "negative_axes": (11, [1, -4], [4, -1], [-1, -2], None),
        "steps": (13, [0, 1], [6, 6], [2, 3], [2, 3]),
        "negative_step": (13, [-1], [-100], [3], [-1]),
        "negative_steps": (11, [5, 4], [0, -7], [2, 3], [-2, -3]),
        "int_max": (10, [1], [2**63 - 1], [2], [1]),
        "int_min": (13, [2**31 - 1], [-(2**63)], [2], [-1]),
        "start_below": (13, [-100], [2], [3], None),
    }
    for name, (opset, starts, ends, of, steps) in rows.items():
        inputs = [None if i is None else i64(*i) for i in (starts, ends, of, steps)]
        while inputs[-1] is None:
            inputs.pop()
        note = f"starts {starts}, ends {ends}, axes {of}, steps {steps}"
        case(f"slice_{name}", "Slice", opset, note, lambda g, x: g("Slice", x, *inputs))
    case(
        "slice_int32",
        "Slice",
        13,
        "int32 inputs",
        lambda g, x: g("Slice", x, *(np.array([v], np.int32) for v in (-1, 0, 2, -2))),
    )


def pads(case):
    """Pad: attributes before opset 11, inputs since, axes since 18."""
    uneven = [0, 1, 0, 2, 0, 0, 1, 1]
    case("pad_attributes", "Pad", 7, "constant, value=0.5", lambda g, x: g("Pad", x, pads=uneven, value=0.5))
    case(
        "pad_attributes_reflect",
        "Pad",
        7,
        "reflect",
        lambda g, x: g("Pad", x, pads=uneven[:1] + [0] + uneven[2:], mode="reflect"),
    )
    case(
        "pad_attributes_negative",
        "Pad",
        7,
        "negative pads crop",
        lambda g, x: g("Pad", x, pads=[0, 0, -1, 2, 0, -1, 1, -2]),
    )
    case("pad_inputs", "Pad", 11, "constant, value as input", lambda g, x: g("Pad", x, i64(*uneven), f32(0.5)))
    case("pad_zero", "Pad", 13, "no value: zero", lambda g, x: g("Pad", x, i64(*uneven)))
    case(
        "pad_reflect",
        "Pad",
        11,
        "reflect, three axes",
        lambda g, x: g("Pad", x, i64(0, 2, 3, 1, 0, 1, 0, 4), mode="reflect"),
    )
    case("pad_edge", "Pad", 13, "edge", lambda g, x: g("Pad", x, i64(0, 1, 2, 3, 0, 0, 1, 0), mode="edge"))
    case("pad_wrap", "Pad", 19, "wrap", lambda g, x: g("Pad", x, i64(0, 0, 2, 3, 0, 0, 1, 4), mode="wrap"))
    case(
        "pad_negative",
        "Pad",
        13,
        "negative pads crop, value=-1",
        lambda g, x: g("Pad", x, i64(0, 0, -1, 2, 0, -1, 1, -2), f32(-1.0)),
    )
    case(
        "pad_edge_negative",
        "Pad",
        13,
        "edge, one side cropped",
        lambda g, x: g("Pad", x, i64(0, 0, -1, 2, 0, 0, 1, 0), mode="edge"),
    )
    case(
        "pad_axes",
        "Pad",
        18,
        "axes as input, out of order",
        lambda g, x: g("Pad", x, i64(1, 2, 0, 3), f32(0.5), i64(3, 2)),
    )
    case(
        "pad_axes_negative",
        "Pad",
        21,
        "negative axes, reflect",
        lambda g, x: g("Pad", x, i64(1, 2), None, i64(-1), mode="reflect"),
    )
    case("pad_int", "Pad", 13, "int64", lambda g, x: g("Pad", g.whole(x), i64(*uneven), np.array(7)))


def constants(case):
    """Constant, Shape, Size, Dropout."""
    value = lambda array: numpy_helper.from_array(array)
    case("constant_value", "Constant", 7, "value", lambda g, x: g("Mul", x, g("Constant", value=value(some(6)))))
    case(
        "constant_value_13",
        "Constant",
        13,
        "value, a scalar",
        lambda g, x: g("Max", x, g("Constant", value=value(f32(0.25)))),
    )
    case("constant_float", "Constant", 12, "value_float", lambda g, x: g("Max", x, g("Constant", value_float=0.25)))
    case(
        "constant_floats",
        "Constant",
        13,
        "value_floats",
        lambda g, x: g("Max", x, g("Constant", value_floats=[0.5, -0.5, 1.0, 0.0, -1.0, 2.0])),
    )
    case(
        "constant_int",
        "Constant",
        13,
        "value_int: a scalar takes the axis away",
        lambda g, x: g("Gather", x, g("Constant", value_int=-2), axis=2),
    )
    case(
        "constant_ints",
        "Constant",
        19,
        "value_ints",
        lambda g, x: g("Gather", x, g("Constant", value_ints=[4, 1]), axis=2),
    )

    def weighed(g, x, sizes, count):
        sizes = g("Cast", sizes, to=F32)
        return g("Add", g.shaped(x, 1, 108 // count, count), sizes)

    for name, opset, count, attributes in (
        ("shape", 7, 4, {}),
        ("shape_start", 15, 3, {"start": 1}),
        ("shape_negative", 15, 2, {"start": -3, "end": -1}),
        ("shape_end", 19, 2, {"end": 2}),
        ("shape_beyond", 21, 3, {"start": 1, "end": 100}),
    ):
        case(
            name,
            "Shape",
            opset,
            f"added to x; {attributes or 'all'}",
            lambda g, x: weighed(g, x, g("Shape", x, **attributes), count),
        )
    case("size", "Size", 13, "x / size", lambda g, x: g("Mul", some(6), g("Div", x, g("Cast", g("Size", x), to=F32))))
    case("dropout_attribute", "Dropout", 7, "ratio=0.4", lambda g, x: g("Dropout", x, ratio=0.4))

    def masked(g, x):
        y, mask = g("Dropout", x, outputs=2)
        return g("Add", y, g("Mul", g("Cast", mask, to=F32), some(6)))

    case("dropout_mask_10", "Dropout", 10, "the mask is used: all false", masked)
    case("dropout_mask_13", "Dropout", 13, "the mask is used: all true", masked)
    case("dropout_inputs", "Dropout", 12, "ratio as input", lambda g, x: g("Dropout", x, f32(0.4)))
    case(
        "dropout_training",
        "Dropout",
        13,
        "training_mode=false as input",
        lambda g, x: g("Dropout", x, f32(0.4), np.array(False)),
    )


def convolutions(case):
    """Conv."""
    w = lambda out, of, *kernel: some(out, of, *kernel, seed=out)
    rows = {
        "plain": (7, None, w(4, 3, 3, 3), True, {}),
        "kernel_shape": (11, None, w(4, 3, 2, 3), True, {"kernel_shape": [2, 3]}),
        "strides": (11, None, w(6, 3, 3, 3), False, {"strides": [2, 1], "pads": [1, 1, 1, 1]}),
        "pads": (11, None, w(4, 3, 3, 2), True, {"pads": [0, 1, 2, 3], "strides": [2, 2]}),
        "dilations": (22, None, w(6, 3, 3, 2), True, {"dilations": [2, 3]}),
        "dilations_pads": (11, None, w(4, 3, 2, 2), True, {"dilations": [3, 2], "pads": [1, 2, 0, 1]}),
        "same_upper": (11, None, w(5, 3, 4, 4), True, {"auto_pad": "SAME_UPPER", "strides": [2, 2]}),
        "same_lower": (11, None, w(5, 3, 4, 4), True, {"auto_pad": "SAME_LOWER", "strides": [2, 2]}),
        "same_upper_odd": (7, None, w(2, 3, 2, 3), True, {"auto_pad": "SAME_UPPER"}),
        "same_lower_odd": (22, None, w(2, 3, 2, 3), True, {"auto_pad": "SAME_LOWER"}),
        "valid": (11, None, w(4, 3, 3, 3), True, {"auto_pad": "VALID", "strides": [2, 1]}),
        "depthwise": (11, None, w(3, 1, 3, 3), True, {"group": 3, "pads": [1, 1, 1, 1]}),
        "depthwise_strides": (11, None, w(3, 1, 5, 5), True, {"group": 3, "pads": [2] * 4, "strides": [2, 1]}),
        "depthwise_doubled": (11, None, w(6, 1, 3, 3), False, {"group": 3}),
        "groups": (11, [1, 12, 3, 3], w(8, 3, 2, 2), True, {"group": 4}),
        "groups_pads": (11, [1, 12, 3, 3], w(4, 6, 3, 3), True, {"group": 2, "pads": [1, 1, 0, 1]}),
        "1x1": (11, None, w(3, 3, 1, 1), True, {}),
        "1x1_strides": (11, None, w(6, 3, 1, 1), False, {"strides": [2, 2]}),
        "1d": (11, [1, 6, 18], w(8, 6, 5), True, {"strides": [2], "pads": [1, 2]}),
        "3d": (11, [1, 3, 3, 3, 4], w(4, 3, 2, 2, 2), True, {}),
    }
    for name, (opset, shape, weights, biased, attributes) in rows.items():
        bias = [some(len(weights), seed=3)] if biased else []
        note = "".join(
            [
                f"of {shape}, " if shape else "",
                f"weights {list(weights.shape)}",
                "" if biased else ", no bias",
                *(f", {k}={v}" for k, v in attributes.items()),
            ]
        )
        case(
            f"conv_{name}",
            "Conv",
            opset,
            note,
            lambda g, x: g("Conv", g.shaped(x, *shape) if shape else x, weights, *bias, **attributes),
        )
    case(
        "conv_of_two",
        "Conv",
        11,
        "the weights come from the picture as well",
        lambda g, x: g("Conv", some(1, 3, 6, 6), g("Slice", g.shaped(x, 4, 3, 3, 3), i64(0), i64(2), i64(0))),
    )


def transposed(case):
    """ConvTranspose."""
    w = lambda of, out, *kernel: some(of, out, *kernel, seed=out)
    rows = {
        "plain": (7, [1, 12, 3, 3], w(12, 2, 3, 3), True, {}),
        "strides": (11, [1, 12, 3, 3], w(12, 2, 3, 2), True, {"strides": [2, 1]}),
        "output_padding": (
            11,
            [1, 12, 3, 3],
            w(12, 2, 3, 3),
            True,
            {"strides": [2, 2], "pads": [1, 1, 1, 1], "output_padding": [1, 0]},
        ),
        "pads": (11, [1, 12, 3, 3], w(12, 2, 3, 3), False, {"strides": [2, 2], "pads": [0, 1, 2, 0]}),
        "groups": (11, [1, 12, 3, 3], w(12, 2, 2, 2), True, {"group": 3}),
        "groups_strides": (22, [1, 12, 3, 3], w(12, 1, 3, 3), True, {"group": 4, "strides": [2, 2], "pads": [1] * 4}),
        "dilations": (11, [1, 12, 3, 3], w(12, 2, 2, 2), True, {"dilations": [2, 3]}),
        "depthwise": (11, None, w(3, 1, 3, 3), True, {"group": 3}),
        "same_upper": (11, [1, 12, 3, 3], w(12, 2, 3, 3), True, {"auto_pad": "SAME_UPPER", "strides": [2, 2]}),
        "same_lower": (11, [1, 12, 3, 3], w(12, 2, 3, 3), True, {"auto_pad": "SAME_LOWER", "strides": [2, 2]}),
        "valid": (11, [1, 12, 3, 3], w(12, 2, 3, 3), True, {"auto_pad": "VALID"}),
        "output_shape": (11, [1, 12, 3, 3], w(12, 2, 3, 3), True, {"strides": [2, 2], "output_shape": [6, 8]}),
        "1d": (11, [1, 6, 18], w(6, 3, 3), True, {"strides": [2]}),
    }
    for name, (opset, shape, weights, biased, attributes) in rows.items():
        bias = [some(weights.shape[1] * attributes.get("group", 1), seed=3)] if biased else []
        note = "".join(
            [
                f"of {shape}, " if shape else "",
                f"weights {list(weights.shape)}",
                "" if biased else ", no bias",
                *(f", {k}={v}" for k, v in attributes.items()),
            ]
        )
        case(
            f"conv_transpose_{name}",
            "ConvTranspose",
            opset,
            note,
            lambda g, x: g("ConvTranspose", g.shaped(x, *shape) if shape else x, weights, *bias, **attributes),
        )


WINDOWS = {
    "plain": (7, {"kernel_shape": [3, 2]}),
    "strides": (7, {"kernel_shape": [2, 3], "strides": [2, 1]}),
    "pads": (11, {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "strides": [2, 2]}),
    "pads_uneven": (11, {"kernel_shape": [3, 3], "pads": [0, 1, 2, 1], "strides": [1, 2]}),
    "ceil": (11, {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1}),
    "ceil_pads": (12, {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1], "ceil_mode": 1}),
    "ceil_pads_wide": (22, {"kernel_shape": [2, 3], "strides": [4, 3], "pads": [1, 1, 1, 1], "ceil_mode": 1}),
    "same_upper": (7, {"kernel_shape": [2, 4], "auto_pad": "SAME_UPPER", "strides": [1, 2]}),
    "same_lower": (11, {"kernel_shape": [2, 4], "auto_pad": "SAME_LOWER", "strides": [1, 2]}),
    "valid": (11, {"kernel_shape": [3, 3], "auto_pad": "VALID", "strides": [2, 2]}),
}


def pools(case):
    """AveragePool and MaxPool over windows, and over all."""
    note = lambda attributes: ", ".join(f"{k}={v}" for k, v in attributes.items())
    for name, (opset, attributes) in WINDOWS.items():
        case(f"max_pool_{name}", "MaxPool", opset, note(attributes), lambda g, x: g("MaxPool", x, **attributes))
        case(
            f"average_pool_{name}",
            "AveragePool",
            opset,
            note(attributes),
            lambda g, x: g("AveragePool", x, **attributes),
        )
        if "pad" in name or "same" in name:
            both = {**attributes, "count_include_pad": 1}
            case(
                f"average_pool_{name}_counted",
                "AveragePool",
                opset,
                note(both),
                lambda g, x: g("AveragePool", x, **both),
            )
    dilated = {"kernel_shape": [2, 3], "dilations": [3, 2], "pads": [1, 1, 1, 1]}
    case("max_pool_dilations", "MaxPool", 11, note(dilated), lambda g, x: g("MaxPool", x, **dilated))
    case(
        "max_pool_dilations_ceil",
        "MaxPool",
        12,
        "dilations=[2, 2], strides=[2, 2], ceil_mode=1",
        lambda g, x: g("MaxPool", x, kernel_shape=[2, 2], dilations=[2, 2], strides=[2, 2], ceil_mode=1),
    )
    case(
        "max_pool_negative",
        "MaxPool",
        11,
        "all below zero: pads are not zeros",
        lambda g, x: g("MaxPool", g("Sub", x, f32(3.0)), kernel_shape=[3, 3], pads=[1] * 4, strides=[2, 2]),
    )
    case(
        "max_pool_1d",
        "MaxPool",
        11,
        "of [1, 6, 18]",
        lambda g, x: g("MaxPool", g.shaped(x, 1, 6, 18), kernel_shape=[4], strides=[3], pads=[1, 2]),
    )
    case(
        "average_pool_1d",
        "AveragePool",
        11,
        "of [1, 6, 18]",
        lambda g, x: g("AveragePool", g.shaped(x, 1, 6, 18), kernel_shape=[4], strides=[3], pads=[1, 2]),
    )
    case(
        "max_pool_indices",
        "MaxPool",
        12,
        "values and indices",
        lambda g, x: g("MaxPool", x, outputs=2, kernel_shape=[2, 2], strides=[2, 2]),
    )
    for counted in 0, 1:
        attributes = {**dilated, "count_include_pad": counted}
        case(
            f"average_pool_dilations_{counted}",
            "AveragePool",
            19,
            note(attributes),
            lambda g, x: g("AveragePool", x, **attributes),
        )
    channels = lambda g, x: g.shaped(x, 1, 12, 3, 3)
    case(
        "global_average_pool",
        "GlobalAveragePool",
        7,
        "of [1, 12, 3, 3]",
        lambda g, x: g("GlobalAveragePool", channels(g, x)),
    )
    case("global_max_pool", "GlobalMaxPool", 22, "of [1, 12, 3, 3]", lambda g, x: g("GlobalMaxPool", channels(g, x)))
    for p in None, 1, 3:
        attributes = {} if p is None else {"p": p}
        case(
            f"global_lp_pool_{p or 2}",
            "GlobalLpPool",
            7,
            f"p={p or '2 by default'}",
            lambda g, x: g("GlobalLpPool", channels(g, x), **attributes),
        )


def normalisations(case):
    """BatchNormalization, LRN, InstanceNormalization."""
    statistics = lambda n: [some(n, seed=1), some(n, seed=2), some(n, seed=3), some(n, seed=4, low=0.25)]
    for opset in 7, 9, 14, 15:
        case(
            f"batch_normalization_{opset}",
            "BatchNormalization",
            opset,
            "epsilon=0.01",
            lambda g, x: g("BatchNormalization", x, *statistics(3), epsilon=0.01),
        )
    case(
        "batch_normalization_default",
        "BatchNormalization",
        15,
        "epsilon by default, a tiny variance",
        lambda g, x: g("BatchNormalization", x, *statistics(3)[:3], f32([1e-6, 1e-5, 1.0])),
    )
    case(
        "batch_normalization_2d",
        "BatchNormalization",
        9,
        "of [3, 36]",
        lambda g, x: g("BatchNormalization", g.shaped(x, 3, 36), *statistics(36)),
    )
    wide = [v.reshape(3, 6, 6) for v in statistics(108)]
    case(
        "batch_normalization_each",
        "BatchNormalization",
        7,
        "spatial=0: of each value",
        lambda g, x: g("BatchNormalization", x, *wide, spatial=0),
    )
    deep = lambda g, x: g.shaped(x, 1, 12, 3, 3)
    for name, size, attributes in (
        ("odd", 3, {}),
        ("odd_strong", 5, {"alpha": 0.9, "beta": 0.5, "bias": 2.0}),
        ("biased", 7, {"alpha": 0.9, "beta": 0.75, "bias": 1.5}),
        ("one", 1, {"alpha": 0.5}),
        ("wider", 15, {"alpha": 0.7, "beta": 1.0}),
    ):
        # ONNX Runtime refuses even sizes.
        case(
            f"lrn_{name}",
            "LRN",
            13 if attributes else 7,
            f"size={size} {attributes or ''}".strip(),
            lambda g, x: g("LRN", g.times(deep(g, x), 2.0), size=size, **attributes),
        )
    case(
        "instance_normalization",
        "InstanceNormalization",
        7,
        "epsilon=0.1",
        lambda g, x: g("InstanceNormalization", x, some(3), some(3, seed=1), epsilon=0.1),
    )
    case(
        "instance_normalization_default",
        "InstanceNormalization",
        22,
        "epsilon by default",
        lambda g, x: g("InstanceNormalization", g.times(x, 0.01), some(3), some(3, seed=1)),
    )


def groups(case):
    """Normalisation over layers, groups, vectors."""
    deep = lambda g, x: g.shaped(x, 1, 12, 3, 3)
    for name, shape, attributes in (
        ("last", (6,), {}),
        ("three", (3, 6, 6), {"axis": 1}),
        ("two", (6, 6), {"axis": -2, "epsilon": 0.1}),
    ):
        case(
            f"layer_normalization_{name}",
            "LayerNormalization",
            17,
            f"scale {list(shape)}, {attributes}",
            lambda g, x: g("LayerNormalization", x, some(*shape), some(*shape, seed=1), **attributes),
        )
    case(
        "layer_normalization_no_bias",
        "LayerNormalization",
        17,
        "no bias, axis=3",
        lambda g, x: g("LayerNormalization", g.times(x, 0.01), some(6), axis=3),
    )
    for name, opset, count in ("18", 18, 4), ("21", 21, 12):
        case(
            f"group_normalization_{name}",
            "GroupNormalization",
            opset,
            f"4 groups of 12 channels, scale [{count}]",
            lambda g, x: g("GroupNormalization", deep(g, x), some(count), some(count, seed=1), num_groups=4),
            opset != 18,
        )
    case(
        "group_normalization_epsilon",
        "GroupNormalization",
        21,
        "epsilon=0.5, 6 groups",
        lambda g, x: g("GroupNormalization", deep(g, x), some(12), some(12, seed=1), num_groups=6, epsilon=0.5),
    )
    case(
        "mean_variance_normalization",
        "MeanVarianceNormalization",
        9,
        "axes by default",
        lambda g, x: g("MeanVarianceNormalization", x),
    )
    case(
        "mean_variance_normalization_axes",
        "MeanVarianceNormalization",
        13,
        "axes=[1, 3]",
        lambda g, x: g("MeanVarianceNormalization", x, axes=[1, 3]),
    )
    for p, axis in (None, None), (1, 1), (2, 2):
        attributes = {} if p is None else {"p": p, "axis": axis}
        case(
            f"lp_normalization_{p or 'default'}",
            "LpNormalization",
            7,
            f"{attributes or 'by default'}",
            lambda g, x: g("LpNormalization", x, **attributes),
        )
    case("rms_normalization", "RMSNormalization", 23, "scale [6]", lambda g, x: g("RMSNormalization", x, some(6)))
    case(
        "rms_normalization_axis",
        "RMSNormalization",
        23,
        "axis=2, epsilon=0.5",
        lambda g, x: g("RMSNormalization", x, some(6, 6), axis=2, epsilon=0.5),
    )


def products(case):
    """Gemm, MatMul, Einsum."""
    rows = {
        "plain": (7, (9, 12), (9, 7), None, {}),
        "no_bias": (11, (9, 12), (12, 7), False, {}),
        "alpha_beta": (13, (9, 12), (12, 7), (7,), {"alpha": 0.3, "beta": 0.6}),
        "trans_a": (11, (12, 9), (12, 7), (9, 1), {"transA": 1}),
        "trans_b": (9, (9, 12), (7, 12), (9, 7), {"transB": 1}),
        "trans_both": (13, (12, 9), (7, 12), (1, 7), {"transA": 1, "transB": 1, "alpha": 2.0}),
        "scalar": (13, (9, 12), (12, 7), (1,), {"beta": 3.0}),
        "beta_0": (13, (9, 12), (12, 7), (7,), {"beta": 0.0}),
    }
    for name, (opset, a, b, c, attributes) in rows.items():
        b, c = ((12, 7), (7,)) if name == "plain" else (b, c)
        bias = [some(*c, seed=2)] if c else []
        note = f"C {list(c) if c else 'left out'}, {attributes or 'all by default'}"
        case(
            f"gemm_{name}", "Gemm", opset, note, lambda g, x: g("Gemm", g.shaped(x, *a), some(*b), *bias, **attributes)
        )
    rows = {
        "batched": ((1, 3, 6, 6), (3, 6, 4)),
        "one_matrix": ((1, 3, 6, 6), (6, 5)),
        "broadcast": ((3, 1, 6, 6), (1, 2, 6, 2)),
        "vector": ((3, 6, 6), (6,)),
        "wide": ((4, 27), (27, 5)),
    }
    for n, (name, (a, b)) in enumerate(rows.items()):
        case(
            f"mat_mul_{name}",
            "MatMul",
            (7, 9, 13, 13, 13)[n],
            f"{list(a)} by {list(b)}",
            lambda g, x: g("MatMul", g.shaped(x, *a), some(*b)),
        )
    case(
        "mat_mul_vector_left", "MatMul", 13, "[6] by [3, 6, 6]", lambda g, x: g("MatMul", some(6), g.shaped(x, 3, 6, 6))
    )
    case("mat_mul_left", "MatMul", 13, "[2, 6] by [1, 3, 6, 6]", lambda g, x: g("MatMul", some(2, 6), x))
    case(
        "mat_mul_itself",
        "MatMul",
        13,
        "x by its transpose",
        lambda g, x: g("MatMul", x, g("Transpose", x, perm=[0, 1, 3, 2])),
    )
    rows = {
        "product": ("nchw,wk->nchk", (6, 4)),
        "transposed": ("nchw->nwhc", None),
        "sum": ("nchw->nc", None),
        "channels": ("bchw,oc->bohw", (2, 3)),
        "diagonal": ("nchh->nch", None),
        "outer": ("nchw,k->nchk", (2,)),
        "implicit": ("nchw,wk", (6, 4)),
        "ellipsis": ("...hw,wk->...kh", (6, 4)),
        "elementwise": ("nchw,ch->nchw", (3, 6)),
    }
    for name, (equation, other) in rows.items():
        others = [some(*other)] if other else []
        case(f"einsum_{name}", "Einsum", 12, equation, lambda g, x: g("Einsum", x, *others, equation=equation))


def others(case):
    """GridSample, attention, and what ONNX Runtime has besides ONNX."""
    points = np.random.default_rng(3).integers(-112, 113, (1, 4, 5, 2))
    grid = (points / 64 + 0.003).astype(np.float32)
    for mode16, mode20 in ("bilinear", "linear"), ("nearest", "nearest"), ("bicubic", "cubic"):
        for n, padding in enumerate(("zeros", "border", "reflection")):
            opset, mode = (20, mode20) if n == 1 else (16, mode16)
            corners = int(n == 2)
            case(
                f"grid_sample_{mode20}_{padding}",
                "GridSample",
                opset,
                f"{mode}, align_corners={corners}",
                lambda g, x: g("GridSample", x, grid, mode=mode, padding_mode=padding, align_corners=corners),
            )
    case("grid_sample_default", "GridSample", 22, "attributes by default", lambda g, x: g("GridSample", x, grid))
    case(
        "grid_sample_corners",
        "GridSample",
        16,
        "bilinear, zeros, align_corners=1",
        lambda g, x: g("GridSample", x, grid, align_corners=1),
    )
    case("bias_gelu", "BiasGelu", 17, MICROSOFT, lambda g, x: g("BiasGelu", x, some(6), domain=MICROSOFT))
    case("fast_gelu", "FastGelu", 17, MICROSOFT, lambda g, x: g("FastGelu", x, domain=MICROSOFT))
    case("fast_gelu_bias", "FastGelu", 17, MICROSOFT, lambda g, x: g("FastGelu", x, some(6), domain=MICROSOFT))
    case(
        "quick_gelu",
        "QuickGelu",
        17,
        f"{MICROSOFT}, alpha=1.3",
        lambda g, x: g("QuickGelu", x, alpha=1.3, domain=MICROSOFT),
    )
    flat = lambda g, x: g.shaped(x, 1, 9, 12)
    for operator, name, more in (
        ("SkipLayerNormalization", "skip_layer_normalization", 2),
        ("SkipSimplifiedLayerNormalization", "skip_simplified_layer_normalization", 1),
    ):
        case(
            name,
            operator,
            17,
            MICROSOFT,
            lambda g, x: g(
                operator,
                flat(g, x),
                some(1, 9, 12),
                *(some(12, seed=n + 1) for n in range(more)),
                epsilon=0.01,
                domain=MICROSOFT,
            ),
        )
    case(
        "simplified_layer_normalization",
        "SimplifiedLayerNormalization",
        17,
        "ONNX Runtime's own",
        lambda g, x: g("SimplifiedLayerNormalization", x, some(6), axis=-1, epsilon=0.01),
        False,
    )
    angles = np.linspace(0.1, 1.6, 18).reshape(1, 6, 3)
    sides = lambda: (np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32))
    for interleaved in 0, 1:
        case(
            f"rotary_embedding_{interleaved}",
            "RotaryEmbedding",
            23,
            f"interleaved={interleaved}",
            lambda g, x: g("RotaryEmbedding", x, *sides(), interleaved=interleaved),
        )
    case("scaled_tanh", "ScaledTanh", 7, "of old", lambda g, x: g("ScaledTanh", x, alpha=1.2, beta=0.7), False)
    case(
        "parametric_softplus",
        "ParametricSoftplus",
        7,
        "of old",
        lambda g, x: g("ParametricSoftplus", x, alpha=1.2, beta=0.7),
        False,
    )


GROUPS = [
    attributed,
    functions,
    arithmetic,
    fusions,
    several,
    logic,
    bits,
    casts,
    reductions,
    softmaxes,
    choices,
    gathers,
    counted,
    rearrangements,
    axes,
    slices,
    pads,
    constants,
    convolutions,
    transposed,
    pools,
    normalisations,
    groups,
    products,
    others,
]


def main():
    case = Making(sys.argv[1:])
    for group in GROUPS:
        group(case)
    for line in case.refused:
        print("refused:", line)
    operators = {value["operator"] for value in case.cases.values()}
    size = sum(model.ByteSize() for model in case.models.values())
    print(f"{len(case.cases)} cases of {len(operators)} operators, {size} bytes")
    if case.words:
        for name, value in case.cases.items():
            print(name, json.dumps(value))
    else:
        case.save()


if __name__ == "__main__":
    main()
