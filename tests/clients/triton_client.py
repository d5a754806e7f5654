"""Tries the Open Inference Protocol with NVIDIA's own client, tritonclient.http.

Usage: triton_client.py HOST:PORT SHARED, where SHARED holds reference/ and photos/.
"""

import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput
from tritonclient.utils import InferenceServerException

MODEL = "googlenet"
# BVLC's preprocessing: blue, green, red.
MEAN = np.array([104, 117, 123], dtype=np.float32)
# The service and ONNX Runtime add in another order.
TOLERANCE = 1e-4


def tensor(path):
    """A crop as the network takes it: [1, 3, 224, 224]."""
    rgb = np.asarray(Image.open(path).convert("RGB"), dtype=np.float32)
    return np.ascontiguousarray((rgb[:, :, ::-1] - MEAN).transpose(2, 0, 1)[None])


def probes_and_metadata(client):
    assert client.is_server_live() and client.is_server_ready()
    assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
    metadata = client.get_model_metadata(MODEL)
    version = metadata["versions"][0]
    inputs = {i["name"]: (i["datatype"], i["shape"]) for i in metadata["inputs"]}
    assert inputs == {"data_0": ("FP32", [-1, 3, 224, 224]), "image": ("BYTES", [-1])}, inputs
    assert metadata["outputs"] == [{"name": "prob_1", "datatype": "FP32", "shape": [-1, 1000]}]
    assert "parameters" not in metadata, "the weights are not trained"
    assert client.is_model_ready(MODEL) and client.is_model_ready(MODEL, version)
    assert client.get_model_metadata(MODEL, version) == metadata
    assert not client.is_model_ready("resnet")


def tensors(client, shared):
    """Crops as FP32 in both forms, against ONNX Runtime's probabilities."""
    names = (shared / "reference/order.txt").read_text().split()
    expected = np.load(shared / "reference/probabilities.npy")
    batch = np.concatenate([tensor(shared / "reference" / name) for name in names[:4]])
    for binary_input, binary_output in [(True, True), (True, False), (False, True)]:
        data = InferInput("data_0", list(batch.shape), "FP32")
        data.set_data_from_numpy(batch, binary_data=binary_input)
        output = InferRequestedOutput("prob_1", binary_data=binary_output)
        result = client.infer(MODEL, [data], outputs=[output], request_id="seven")
        assert result.get_response()["id"] == "seven"
        worst = np.abs(result.as_numpy("prob_1") - expected[:4]).max()
        assert worst <= TOLERANCE, f"{worst} with {binary_input=}, {binary_output=}"
    for name, row in zip(names, expected):
        data = InferInput("data_0", [1, 3, 224, 224], "FP32")
        data.set_data_from_numpy(tensor(shared / "reference" / name))
        # Without outputs the client asks for all of them as raw bytes.
        answer = client.infer(MODEL, [data], model_version="1").as_numpy("prob_1")
        assert answer.shape == (1, 1000) and np.abs(answer[0] - row).max() <= TOLERANCE, name
    return len(names)


def photos(client, shared):
    """Encoded photos as BYTES, against the best class by ONNX Runtime."""
    reference = json.loads((shared / "reference/photos_top5.json").read_text())
    clear = sorted(name for name, top in reference.items() if top[0][1] >= 0.8)[:8]
    files = [(shared / "photos" / name).read_bytes() for name in clear]
    data = InferInput("image", [len(files)], "BYTES")
    data.set_data_from_numpy(np.array(files, dtype=np.object_))
    best = [reference[name][0][0] for name in clear]
    answer = client.infer(MODEL, [data]).as_numpy("prob_1")
    assert answer.argmax(axis=1).tolist() == best
    output = InferRequestedOutput("prob_1", class_count=3)
    answer = client.infer(MODEL, [data], outputs=[output]).as_numpy("prob_1")
    assert answer.shape == (len(files), 3)
    assert [int(row[0].split(b":")[1]) for row in answer] == best
    return len(files)


def errors(client):
    """A refusal reaches the client as a sentence."""
    data = InferInput("data_0", [1, 3, 2, 2], "FP32")
    data.set_data_from_numpy(np.zeros((1, 3, 2, 2), dtype=np.float32))
    try:
        client.infer(MODEL, [data])
    except InferenceServerException as error:
        assert error.status() == "400" and "shape" in error.message(), error
    else:
        raise AssertionError("a wrong shape was taken")


def main():
    address, shared = sys.argv[1], Path(sys.argv[2])
    client = InferenceServerClient(address)
    probes_and_metadata(client)
    crop_count = tensors(client, shared)
    photo_count = photos(client, shared)
    errors(client)
    client.close()
    print(f"tritonclient: {crop_count} crops within {TOLERANCE}, {photo_count} photos right")


main()
