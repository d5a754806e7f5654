"""The weights in each engine's form, made once from the same ONNX file."""

import json
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import photos


def openvino_int8(onnx: Path, calibration: Path, work: Path) -> Path:
    """Quantised by NNCF as OpenVINO's guide shows, with the photos that ours was calibrated with."""
    path = work / "openvino-int8.xml"
    if not path.exists():
        import nncf
        import openvino

        inputs = [photos.to_input(jpeg) for jpeg in photos.jpegs(calibration)]
        model = nncf.quantize(openvino.Core().read_model(onnx), nncf.Dataset(inputs), subset_size=len(inputs))
        openvino.save_model(model, path, compress_to_fp16=False)
    return path


def ncnn_f32(onnx: Path, work: Path) -> Path:
    folder = work / "ncnn"
    parameters = folder / "googlenet.ncnn.param"
    if not parameters.exists():
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(onnx, folder / "googlenet.onnx")
        program = Path(find_spec("pnnx").origin).parent / "pnnx"
        program.chmod(0o755)
        subprocess.run(
            [program, "googlenet.onnx", "inputshape=[1,3,224,224]", "fp16=0"],
            cwd=folder,
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    return parameters


def mnn_tool(name: str, *arguments):
    """A tool of MNN's, from its library: the programs in the package report each use over the network."""
    script = "import _tools, sys; getattr(_tools, sys.argv[1])(sys.argv[1:])"
    command = [sys.executable, "-c", script, name, *map(str, arguments)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def mnn_f32(onnx: Path, work: Path) -> Path:
    path = work / "googlenet.mnn"
    if not path.exists():
        mnn_tool("mnnconvert", "-f", "ONNX", "--modelFile", onnx, "--MNNModel", path, "--bizCode", "peers")
    return path


def mnn_int8(onnx: Path, calibration: Path, work: Path) -> Path:
    """Quantised with the photos that ours was calibrated with. For its time alone: of MNN's ways to find the
    scales, EMA is the only one that does not crash in 3.6.1, and its answers are far from f32's."""
    path = work / "googlenet-int8.mnn"
    if not path.exists():
        crops = work / "mnn-crops"
        photos.write_crops(calibration, crops)
        configuration = work / "mnn-int8.json"
        settings = {
            "format": "BGR",
            "mean": photos.MEAN.tolist(),
            "normal": [1.0, 1.0, 1.0],
            "width": 224,
            "height": 224,
            "path": f"{crops.resolve()}/",
            "used_image_num": len(list(crops.iterdir())),
            "batch_size": 1,
            "feature_quantize_method": "EMA",
            "weight_quantize_method": "MAX_ABS",
        }
        configuration.write_text(json.dumps(settings))
        mnn_tool("mnnquant", mnn_f32(onnx, work), path, configuration)
    return path
