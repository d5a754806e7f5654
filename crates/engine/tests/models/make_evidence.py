"""Writes ../fixtures/evidence.json: for the reference crops, where ONNX Runtime finds the evidence for the best class.

    python make_evidence.py SHARED

SHARED has models/googlenet.onnx and reference/*.png. The last map is that of ONNX Runtime, made an output of the graph.
The squares' shares are summed here, in double precision, from it and the weights of the file. `against` is the second
best class.
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper
from PIL import Image

CROPS = 8
MEAN = np.array([104, 117, 123], dtype=np.float32)


def last_layers(graph: onnx.GraphProto) -> tuple[str, str, np.ndarray, np.ndarray]:
    """The tensor that the average pooling reads, the logits, and the weights `[classes, channels]` and bias between."""
    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    pooling = [node for node in graph.node if node.op_type in ("AveragePool", "GlobalAveragePool")][-1]
    layer = [node for node in graph.node if node.op_type == "Gemm"][-1]
    assert {a.name: a.i for a in layer.attribute}.get("transB", 0) == 1
    return pooling.input[0], layer.output[0], values[layer.input[1]], values[layer.input[2]]


def normalised(path: Path) -> np.ndarray:
    """`[1, 3, 224, 224]`, BGR, as BVLC trained."""
    rgb = np.asarray(Image.open(path).convert("RGB"), dtype=np.float32)
    return (rgb[:, :, ::-1] - MEAN).transpose(2, 0, 1)[np.newaxis]


def main(shared: Path) -> None:
    model = onnx.load(shared / "models/googlenet.onnx")
    last_map, logits, weights, bias = last_layers(model.graph)
    known = {output.name for output in model.graph.output}
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in (last_map, logits) if name not in known)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    crops = []
    for name in (shared / "reference/order.txt").read_text().split()[:CROPS]:
        image = normalised(shared / "reference" / name)
        features, scores = session.run([last_map, logits], {session.get_inputs()[0].name: image})
        features, scores = features[0].astype(np.float64), scores[0].astype(np.float64)
        best, second = (int(index) for index in np.argsort(-scores)[:2])
        grids = np.tensordot(weights[[best, second]].astype(np.float64), features, 1) / features[0].size
        residual = scores[[best, second]] - bias[[best, second]] - grids.sum(axis=(1, 2))
        assert np.abs(residual).max() < 1e-3, residual
        crops.append(
            {
                "crop": name,
                "class": best,
                "against": second,
                "logits": [round(float(scores[index]), 5) for index in (best, second)],
                "grids": np.round(grids, 5).tolist(),
            }
        )
    target = Path(__file__).parent / "../fixtures/evidence.json"
    rows = ",\n".join(json.dumps(crop, separators=(",", ":")) for crop in crops)
    target.write_text(f'{{"onnxruntime": "{onnxruntime.__version__}", "crops": [\n{rows}\n]}}\n')


if __name__ == "__main__":
    main(Path(sys.argv[1]))
