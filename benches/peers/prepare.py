"""The weights in each engine's form, made once from the same ONNX file."""

import shutil
import subprocess
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
        )
    return parameters
