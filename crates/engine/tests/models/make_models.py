"""Makes GoogLeNets as PyTorch, ONNX Runtime and other tools write them, with the answers of ONNX Runtime.

    pip install -r requirements.txt
    python make_models.py full FOLDER     # torchvision's network, 224 x 224, 27 MB each: not committed
    python make_models.py small           # a thirty-second of the channels, 64 x 64: ../fixtures/models

README.md lists the variants. `NAME.json` beside `NAME.onnx` holds what was expected:

    kind      "logits", "probabilities" or "log_probabilities": what the outputs are
    input     the name, the type, the shape for all pictures, and the file that holds the values
    output    the output's name
    outputs   one list per picture
    classes   length of each list
    note      what is special about the file

With arguments after the folder, only the variants are made whose names contain one of them.
"""

import argparse
import contextlib
import copy
import io
import json
import logging
import sys
import warnings
from pathlib import Path

import graphs
import numpy as np
import onnx
import onnxruntime
import torch
from answers import probabilities
from networks import CALIBRATION, Aux, Head, MapHead, network
from onnxconverter_common import float16
from onnxruntime import quantization
from onnxruntime.quantization import QuantFormat, QuantType
from pictures import MEAN, SCALE, normalised, pictures, tensorflow

SMALL = Path(__file__).parent.parent / "fixtures" / "models"
U8, S8 = QuantType.QUInt8, QuantType.QInt8
LEVELS = onnxruntime.GraphOptimizationLevel


class Making:
    """One folder of variants."""

    def __init__(self, folder, small, only):
        self.folder, self.small, self.only = folder, small, only
        self.side = 64 if small else 224
        self.count = 4 if small else 8
        self.classes = 10 if small else 1000
        self.networks, self.models = {}, {}
        folder.mkdir(parents=True, exist_ok=True)
        pixels = self.pixels = pictures(range(self.count), self.side)
        self.layouts = {
            "nchw": normalised(pixels),
            "nhwc": normalised(pixels).transpose(0, 2, 3, 1),
            "tensorflow": tensorflow(pixels),
            "u8_nhwc": pixels,
            "u8_nchw": pixels.transpose(0, 3, 1, 2),
            "f16_nchw": normalised(pixels).astype(np.float16),
        }

    # What the variants are made of.

    def network(self, classes=None, **options):
        classes = classes or self.classes
        key = (classes, *sorted((k, str(v)) for k, v in options.items()))
        if key not in self.networks:
            self.networks[key] = network(classes, self.side, self.small, **options)
        return copy.deepcopy(self.networks[key])

    def export(self, module, dynamo, dynamic=(), path=None, **options):
        """By torch.onnx.export, read back from a file in memory unless a path is given."""
        sample = torch.from_numpy(self.layouts["nchw"][: 2 if dynamo and dynamic else 1])
        if dynamo:
            axes = {axis: torch.export.Dim.DYNAMIC if axis else torch.export.Dim("batch") for axis in dynamic}
            shapes = {"dynamic_shapes": (axes,)} if dynamic else {}
            options = {"external_data": False, **shapes, **options}
        else:
            names = {0: "batch", 2: "height", 3: "width"}
            options = {
                "input_names": ["input"],
                "dynamic_axes": {"input": {a: names[a] for a in dynamic}} if dynamic else None,
                **options,
            }
            if dynamic:
                options.setdefault("output_names", ["output"])
                for output in options["output_names"]:
                    options["dynamic_axes"][output] = {0: "batch"}
        target = path or self.folder / ".export.onnx"
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            torch.onnx.export(module, (sample,), str(target), dynamo=dynamo, **options)
        model = onnx.load(target)
        if not path:
            target.unlink()
            Path(f"{target}.data").unlink(missing_ok=True)
        return graphs.slim(model) if self.small else model

    def legacy(self, kind="softmax"):
        """The export that most rewrites start from."""
        if kind not in self.models:
            module = self.network() if kind == "logits" else Head(self.network(), kind)
            self.models[kind] = self.export(module, dynamo=False, opset_version=17)
        return copy.deepcopy(self.models[kind])

    def via_files(self, model, rewrite):
        """For tools that read one file and write another."""
        source, target = self.folder / ".source.onnx", self.folder / ".target.onnx"
        onnx.save(model, source)
        rewrite(str(source), str(target))
        model = onnx.load(target)
        source.unlink(), target.unlink()
        return model

    def quantised(self, model, quant_format, activations=U8, weights=S8, per_channel=False, **options):
        class Reader(quantization.CalibrationDataReader):
            def __init__(reader, name, images):
                reader.feeds = iter([{name: image[None]} for image in images])

            def get_next(reader):
                return next(reader.feeds, None)

        images = normalised(pictures(CALIBRATION, self.side))
        reader = Reader(model.graph.input[0].name, images)
        model = self.via_files(
            model,
            lambda source, target: quantization.quantize_static(
                source,
                target,
                reader,
                quant_format=quant_format,
                activation_type=activations,
                weight_type=weights,
                per_channel=per_channel,
                **options,
            ),
        )
        return graphs.short_names(model) if self.small else model

    def optimised(self, model, level):
        def rewrite(source, target):
            options = onnxruntime.SessionOptions()
            options.graph_optimization_level = level
            options.optimized_model_filepath = target
            options.log_severity_level = 3
            onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])

        return self.via_files(model, rewrite)

    # What is written.

    def session(self, path, level=LEVELS.ORT_ENABLE_ALL):
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = level
        options.log_severity_level = 3
        options.intra_op_num_threads = 2
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def output(self, session):
        names = [o.name for o in session.get_outputs()]
        return "logits" if "logits" in names else names[0]

    def run(self, path, values, level=LEVELS.ORT_ENABLE_ALL):
        """The first output, or that called `logits`, for each picture alone."""
        session = self.session(path, level)
        output = self.output(session)
        name = session.get_inputs()[0].name
        rows = [session.run([output], {name: np.ascontiguousarray(value[None])})[0] for value in values]
        return np.concatenate(rows).astype(np.float32).reshape(len(values), -1)

    def write(self, name, kind, layout, note, model):
        path = self.folder / f"{name}.onnx"
        if model is not None:
            onnx.save(model, path)
        values = self.layouts[layout]
        outputs = self.run(path, values)
        assert np.isfinite(outputs).all(), name
        plain = self.run(path, values, LEVELS.ORT_DISABLE_ALL)
        session = self.session(path)
        described = {
            "kind": kind,
            "note": note,
            "input": {
                "name": session.get_inputs()[0].name,
                "type": str(values.dtype),
                "layout": layout,
                "shape": list(values.shape),
                "file": f"inputs_{layout}.bin",
            },
            "output": self.output(session),
            "all_outputs": [o.name for o in session.get_outputs()],
            "classes": outputs.shape[1],
            "opset": max(
                o.version for o in onnx.load(path, load_external_data=False).opset_import if o.domain in ("", "ai.onnx")
            ),
            # Between ONNX Runtime's optimised and plain run of the same file.
            "runtime_difference": float(abs(probabilities(outputs, kind) - probabilities(plain, kind)).max()),
            "outputs": [[float(f"{v:.8g}") for v in row] for row in outputs.tolist()],
        }
        text = json.dumps({k: v for k, v in described.items() if k != "outputs"}, indent=1)
        rows = ",\n".join("  " + json.dumps(row) for row in described["outputs"])
        path.with_suffix(".json").write_text(f'{text[:-2]},\n "outputs": [\n{rows}\n ]\n}}\n')
        spread = outputs.max(1) - outputs.min(1)
        best = probabilities(outputs, kind)
        print(
            f"{name:32} {path.stat().st_size:9} {kind:18} spread {spread.min():8.3f} "
            f"best {best.argmax(1).tolist()} {best.max(1).min():.3f}..{best.max(1).max():.3f} "
            f"difference {described['runtime_difference']:.1e}",
            flush=True,
        )

    def write_inputs(self):
        """Small: the bytes and one f32 file; the other layouts follow from the bytes."""
        for layout, values in self.layouts.items():
            if not self.small or layout in ("nchw", "u8_nhwc"):
                values = np.ascontiguousarray(values)
                (self.folder / f"inputs_{layout}.bin").write_bytes(
                    values.astype(values.dtype.newbyteorder("<")).tobytes()
                )
        described = {
            layout: {"file": f"inputs_{layout}.bin", "type": str(values.dtype), "shape": list(values.shape)}
            for layout, values in self.layouts.items()
        }
        described["normalisation"] = {
            "formula": "(byte - mean) * scale in f32; tensorflow: (byte - 127.5) * (1 / 127.5)",
            "mean": [float(f"{v:.8g}") for v in MEAN],
            "scale": [float(f"{v:.8g}") for v in SCALE],
        }
        if self.small:
            described["note"] = "Only nchw and u8_nhwc are files; the others are made of u8_nhwc by the formula."
        (self.folder / "inputs.json").write_text(json.dumps(described, indent=1) + "\n")

    def make_hostile(self):
        """What make_hostile.py cannot make without torch."""

        def dead(model, *names):
            for name, module in model.named_modules():
                if isinstance(module, torch.nn.BatchNorm2d) and name.startswith(names):
                    torch.nn.init.constant_(module.weight, 0)
                    torch.nn.init.constant_(module.bias, -1)
            return self.export(Head(model, "softmax"), False)

        training = self.network(aux_logits=True).train()
        mode = torch.onnx.TrainingMode.TRAINING
        for name, model in {
            "training_export": self.export(
                training, False, (0,), training=mode, do_constant_folding=False, output_names=["logits", "aux2", "aux1"]
            ),
            "dead_module": dead(self.network(), "inception4b"),
            "dead_branch": dead(self.network(), "inception4b.branch2"),
        }.items():
            onnx.save(graphs.without_value_info(model), self.folder / "hostile" / f"{name}.onnx")

    def make(self):
        if self.small and (not self.only or "hostile" in self.only):
            (self.folder / "hostile").mkdir(exist_ok=True)
            self.make_hostile()
        self.write_inputs()
        for name, kind, layout, note, build in variants(self):
            if self.only and not any(part in name for part in self.only):
                continue
            try:
                self.write(name, kind, layout, note, build())
            except Exception as error:  # One tool's refusal must not keep the others from being made.
                print(f"{name:32} NOT MADE: {type(error).__name__}: {str(error).strip().splitlines()[-1:]}", flush=True)


def variants(make):
    """(name, kind, layout, note, what builds it)"""
    side, small, export, net = make.side, make.small, make.export, make.network
    soft = lambda **options: Head(net(**options), "softmax")
    P, L, LOG = "probabilities", "logits", "log_probabilities"

    # torch.onnx.export, dynamo.
    yield (
        "dynamo_logits",
        L,
        "nchw",
        "torch.onnx.export's default but for external_data=False: torchvision gives logits",
        lambda: export(net(), True),
    )
    if not small:
        yield "dynamo_softmax", P, "nchw", "", lambda: export(soft(), True)
    if not small:
        yield (
            "dynamo_dynamic_logits",
            L,
            "nchw",
            "symbolic batch; value_info speaks of it",
            lambda: export(net(), True, (0,)),
        )
    yield (
        "dynamo_dynamic_softmax",
        P,
        "nchw",
        "symbolic batch; value_info speaks of it",
        lambda: export(soft(), True, (0,)),
    )
    yield (
        "dynamo_dynamic_all_softmax",
        P,
        "nchw",
        "symbolic batch, height and width",
        lambda: export(soft(), True, (0, 2, 3)),
    )

    def external():
        path = make.folder / "dynamo_external.onnx"
        export(net(), True, path=path, external_data=True)
        if small:
            data = Path(f"{path}.data")
            model = graphs.slim(onnx.load(path, load_external_data=False))
            assert data.exists() and all(
                i.value == data.name for t in model.graph.initializer for i in t.external_data if i.key == "location"
            )
            path.write_bytes(model.SerializeToString())

    yield "dynamo_external", L, "nchw", "torch.onnx.export's default: weights in dynamo_external.onnx.data", external

    def external_dynamic():
        path = make.folder / "dynamo_dynamic_external.onnx"
        export(soft(), True, (0,), path=path, external_data=True)

    if not small:
        yield "dynamo_dynamic_external", P, "nchw", "symbolic batch, weights outside", external_dynamic
    yield (
        "dynamo_transform_input",
        P,
        "nchw",
        "transform_input=True: per channel x * a + b before the first convolution",
        lambda: export(soft(transform_input=True), True),
    )
    yield (
        "dynamo_aux",
        L,
        "nchw",
        "three outputs: logits, aux2, aux1; layers in evaluation mode",
        lambda: export(Aux(net(aux_logits=True)), True),
    )
    if not small:
        yield "dynamo_log_softmax", LOG, "nchw", "", lambda: export(Head(net(), "log_softmax"), True)
    if not small:
        yield "dynamo_dynamic_transform_input", P, "nchw", "", lambda: export(soft(transform_input=True), True, (0,))
        for opset in (18, 20, 21, 22, 23, 24, 25):
            yield f"dynamo_opset_{opset}", P, "nchw", "", lambda opset=opset: export(soft(), True, opset_version=opset)
        for classes in (10, 37):
            yield f"dynamo_{classes}_classes", L, "nchw", "", lambda classes=classes: export(net(classes), True, (0,))
            yield (
                f"legacy_{classes}_classes",
                P,
                "nchw",
                "",
                lambda classes=classes: export(soft(classes=classes), False),
            )

    # torch.onnx.export, TorchScript.
    yield "legacy_logits", L, "nchw", "", lambda: export(net(), False)
    yield "legacy_softmax", P, "nchw", "", lambda: export(soft(), False)
    yield "legacy_dynamic_softmax", P, "nchw", "symbolic batch", lambda: export(soft(), False, (0,))
    if not small:
        yield "legacy_dynamic_logits", L, "nchw", "symbolic batch", lambda: export(net(), False, (0,))
        yield (
            "legacy_dynamic_all_softmax",
            P,
            "nchw",
            "symbolic batch, height and width",
            lambda: export(soft(), False, (0, 2, 3)),
        )
        for opset in (9, 10, 11, 12, 13, 14, 15, 16, 18, 19, 20):
            yield f"legacy_opset_{opset}", P, "nchw", "", lambda opset=opset: export(soft(), False, opset_version=opset)
    keep = dict(training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False)
    yield (
        "legacy_batch_normalisation",
        P,
        "nchw",
        "PRESERVE, no folding: batch normalisation kept apart",
        lambda: export(soft(), False, **keep),
    )
    yield "legacy_transform_input", P, "nchw", "transform_input=True", lambda: export(soft(transform_input=True), False)

    def aux_last():
        model = graphs.without_value_info(export(Aux(net(aux_logits=True)), False, **aux))
        first = model.graph.output.pop(0)
        model.graph.output.append(first)
        return model

    aux = dict(output_names=["logits", "aux2", "aux1"])
    yield (
        "legacy_aux",
        L,
        "nchw",
        "three outputs: logits, aux2, aux1; layers in evaluation mode",
        lambda: export(Aux(net(aux_logits=True)), False, **aux),
    )
    if not small:
        yield (
            "legacy_aux_last",
            L,
            "nchw",
            "three outputs, the main one last (the JSON's `output`): a TOML must name it",
            aux_last,
        )
    yield "legacy_log_softmax", LOG, "nchw", "", lambda: make.legacy("log_softmax")
    yield "legacy_exp", P, "nchw", "Exp, ReduceSum, Div in place of Softmax", lambda: make.legacy("exp")
    yield (
        "legacy_exp_max",
        P,
        "nchw",
        "ReduceMax, Sub, Exp, ReduceSum, Div in place of Softmax",
        lambda: make.legacy("exp_max"),
    )
    yield (
        "legacy_map_softmax",
        P,
        "nchw",
        "last layer a 1x1 convolution, Softmax over axis 1 of 4 dimensions, then Flatten",
        lambda: export(MapHead(net()), False, opset_version=17),
    )

    # Other converters, and rewrites.
    yield (
        "old_opset_7",
        P,
        "nchw",
        "opset 7: Dropout with ratio, BatchNormalization 7, Reshape by a Constant node, weights among the inputs",
        lambda: graphs.old_style(net(), side, make.classes),
    )
    yield (
        "constants_as_nodes",
        P,
        "nchw",
        "every weight is a Constant node",
        lambda: graphs.constants_as_nodes(make.legacy()),
    )
    yield "matmul_add", L, "nchw", "MatMul and Add for Gemm", lambda: graphs.gemm_as_matmul(make.legacy("logits"))

    def function():
        model = graphs.without_value_info(make.legacy())
        return graphs.module_as_function(model, lambda node: "/inception3a/" in node.name)

    yield "function", P, "nchw", "inception 3a is a model-local function", function
    yield (
        "nhwc",
        P,
        "nhwc",
        "NHWC input with a Transpose behind it, as tf2onnx writes",
        lambda: graphs.nhwc_input(graphs.without_value_info(make.legacy()), side, 1),
    )
    yield (
        "u8_nhwc",
        P,
        "u8_nhwc",
        "NHWC bytes in; Transpose, Cast, Sub, Mul in the graph",
        lambda: graphs.u8_input(graphs.without_value_info(make.legacy()), side, 1, MEAN, SCALE),
    )
    if not small:
        yield (
            "u8_nchw",
            P,
            "u8_nchw",
            "NCHW bytes in; Cast, Sub, Mul in the graph",
            lambda: graphs.u8_input(graphs.without_value_info(make.legacy()), side, 1, MEAN, SCALE, nhwc=False),
        )
    tf_classes = 11 if small else 1001
    tf_net = lambda: net(
        tf_classes,
        unit_scale=True,
        normalise=lambda pixels: np.ascontiguousarray(tensorflow(pixels).transpose(0, 3, 1, 2)),
    )
    for style, note in (
        ("pads", "SAME as explicit pads (2, 3), BatchNormalization without scale, background class"),
        ("auto_pad", "auto_pad=SAME_UPPER, BatchNormalization without scale, background class"),
        ("keras", "Pad nodes, batch normalisation as Mul and Add, ReduceMean, MatMul and Add"),
    ):
        yield (
            f"tensorflow_{style}",
            P,
            "tensorflow",
            note,
            lambda style=style: graphs.tensorflow_style(tf_net(), side, tf_classes, style),
        )

    # 16 bits.
    yield (
        "f16_weights",
        P,
        "nchw",
        "f16 weights, each with a Cast; f32 arithmetic",
        lambda: graphs.f16_weights(make.legacy()),
    )
    yield (
        "f16_keep_io",
        P,
        "nchw",
        "onnxconverter_common, keep_io_types=True",
        lambda: float16.convert_float_to_float16(make.legacy(), keep_io_types=True),
    )
    yield (
        "f16_all",
        P,
        "f16_nchw",
        "onnxconverter_common: f16 in and out",
        lambda: float16.convert_float_to_float16(make.legacy()),
    )

    # 8 bits, by ONNX Runtime.
    q, QDQ, QOP = make.quantised, QuantFormat.QDQ, QuantFormat.QOperator
    yield "qdq_u8s8", P, "nchw", "quantize_static, QDQ", lambda: q(make.legacy(), QDQ)
    yield "qdq_u8s8_per_channel", P, "nchw", "", lambda: q(make.legacy(), QDQ, per_channel=True)
    yield (
        "qdq_s8s8_per_channel_logits",
        L,
        "nchw",
        "ends in logits",
        lambda: q(make.legacy("logits"), QDQ, S8, per_channel=True),
    )
    if not small:
        yield "qdq_logits", L, "nchw", "QDQ, U8S8, ends in logits", lambda: q(make.legacy("logits"), QDQ)
    if not small:
        yield "qdq_s8s8", P, "nchw", "", lambda: q(make.legacy(), QDQ, S8)
        yield "qdq_s8s8_per_channel", P, "nchw", "", lambda: q(make.legacy(), QDQ, S8, per_channel=True)
        yield "qdq_u8u8", P, "nchw", "", lambda: q(make.legacy(), QDQ, U8, U8)
        yield "qdq_from_dynamo", P, "nchw", "", lambda: q(export(soft(), True), QDQ)
    yield (
        "qdq_without_softmax",
        P,
        "nchw",
        "QDQ, U8S8, the Softmax left in f32",
        lambda: q(make.legacy(), QDQ, nodes_to_exclude=[softmax(make.legacy())]),
    )
    yield "qoperator_u8s8", P, "nchw", "quantize_static, QOperator", lambda: q(make.legacy(), QOP)
    yield "qoperator_u8s8_per_channel", P, "nchw", "", lambda: q(make.legacy(), QOP, per_channel=True)

    def dynamic(weights):
        model = make.via_files(make.legacy(), lambda a, b: quantization.quantize_dynamic(a, b, weight_type=weights))
        return graphs.short_names(model) if small else model

    yield (
        "quantised_dynamically",
        P,
        "nchw",
        "quantize_dynamic, U8 weights: ConvInteger, MatMulInteger",
        lambda: dynamic(U8),
    )

    # ONNX Runtime's optimiser, saved.
    if not small:
        yield (
            "ort_basic",
            P,
            "nchw",
            "constants folded, batch normalisation fused",
            lambda: make.optimised(make.legacy(), LEVELS.ORT_ENABLE_BASIC),
        )
    yield (
        "ort_extended",
        P,
        "nchw",
        "com.microsoft FusedConv",
        lambda: make.optimised(make.legacy(), LEVELS.ORT_ENABLE_EXTENDED),
    )
    if not small:
        yield (
            "ort_all",
            P,
            "nchw",
            "com.microsoft.nchwc: for this machine's processor alone",
            lambda: make.optimised(make.legacy(), LEVELS.ORT_ENABLE_ALL),
        )


def softmax(model):
    """The name of the last node."""
    return model.graph.node[-1].name


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("size", choices=["full", "small"])
    parser.add_argument("folder", type=Path, nargs="?", help="of `full`; `small` writes to ../fixtures/models")
    parser.add_argument("only", nargs="*")
    arguments = parser.parse_args()
    if arguments.size == "full" and not arguments.folder:
        parser.error("`full` needs a folder")
    logging.disable(logging.WARNING)
    torch.set_num_threads(2)
    small = arguments.size == "small"
    folder = arguments.folder or SMALL
    Making(folder, small, arguments.only).make()


if __name__ == "__main__":
    sys.exit(main())
