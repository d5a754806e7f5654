"""Trains torchvision's GoogLeNet on drawn pictures, exports it, serves it, calibrates it, compares.

    python recipe.py PROGRAM FOLDER

This is what models/README.md describes, with PROGRAM the `googlenet` to test. Takes about 20 minutes on
two cores, most of it training; a FOLDER that has the trained weights already is not trained again.
For 37 and 10 classes, by both exporters: the best class of 100 pictures as PyTorch has it, in f32 and,
after `googlenet calibrate`, in int8. Exits with 1 when f32 differs on any, int8 on more than 5.

The int8 bar needs a trained network: with random weights the best class wins by so little that
rounding changes it on a fifth of the pictures.
"""

import json
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import torch
from networks import Head, network
from pictures import MEAN, SCALE, normalised
from PIL import Image
from torch import nn

SIDE = 224
STEPS, BATCH = 120, 24
COLOURS = [
    ((200, 40, 40), (250, 220, 60)),
    ((30, 60, 180), (240, 240, 250)),
    ((20, 120, 50), (230, 150, 40)),
    ((90, 20, 120), (120, 230, 220)),
    ((40, 40, 40), (240, 160, 190)),
]
TOML = f"""labels = "{{labels}}"

[input]
side = {SIDE}
channels = "RGB"
mean = {MEAN.tolist()}
scale = {SCALE.tolist()}
resize = {{{{ mode = "short_side", size = {SIDE} }}}}
"""


def draw(kind, random):
    """One of 40 kinds, 8 patterns by 5 pairs of colours; size, place, light and noise vary."""
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32)
    period = random.uniform(24, 64)
    cx, cy = random.uniform(80, 144, 2)
    shift = random.uniform(0, period)
    distance = np.hypot(x - cx, y - cy)
    wave = lambda value: 0.5 + 0.5 * np.sin((value + shift) * 2 * np.pi / period)
    pattern = [
        lambda: wave(x),
        lambda: wave(y),
        lambda: wave(x + y),
        lambda: wave(x) * wave(y) * 1.6,
        lambda: wave(distance),
        lambda: (distance < period * 1.4) * 1.0,
        lambda: (np.maximum(abs(x - cx), abs(y - cy)) < period * 1.2) * 1.0,
        lambda: (x // period + y // period) % 2,
    ][kind % 8]()
    dark, bright = (np.array(c, np.float32) for c in COLOURS[kind // 8])
    image = dark + (bright - dark) * np.clip(pattern, 0, 1)[..., None]
    image = image * random.uniform(0.7, 1.1) + random.uniform(-15, 15) + random.normal(0, 10, image.shape)
    return np.clip(image, 0, 255).astype(np.uint8)


def batch(classes, count, seed):
    random = np.random.default_rng(seed)
    kinds = random.integers(0, classes, count)
    return np.stack([draw(kind, random) for kind in kinds]), kinds


def train(model, classes, parameters, steps, seed, rate):
    optimiser = torch.optim.SGD(parameters, lr=rate, momentum=0.9)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps)
    start = time.monotonic()
    for step in range(steps):
        images, kinds = batch(classes, BATCH, seed + step)
        loss = nn.functional.cross_entropy(model(torch.from_numpy(normalised(images))), torch.from_numpy(kinds))
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 5.0)
        optimiser.step()
        schedule.step()
        if step % 10 == 9:
            print(f"  step {step + 1} of {steps}: loss {loss.item():.3f}, {time.monotonic() - start:.0f} s", flush=True)


def trained(folder):
    """37 classes from random weights; then 10 classes, the last layer alone, as one fine-tunes."""
    torch.set_num_threads(2)
    models = {}
    for classes in 37, 10:
        model = network(classes, SIDE, small=False)
        path = folder / f"trained_{classes}.pt"
        if path.exists():
            model.load_state_dict(torch.load(path))
        elif classes == 37:
            with torch.no_grad():
                model.fc.weight *= 0.05
                model.fc.bias *= 0
            print("training 37 classes", flush=True)
            train(model.train(), 37, list(model.parameters()), STEPS, 1000, 0.03)
        else:
            print("fine-tuning to 10 classes", flush=True)
            model.load_state_dict(
                {k: v for k, v in models[37].state_dict().items() if not k.startswith("fc.")}, strict=False
            )
            with torch.no_grad():
                model.fc.weight *= 0.05
                model.fc.bias *= 0
            for name, parameter in model.named_parameters():
                parameter.requires_grad = name.startswith("fc.")
            train(model.eval(), 10, list(model.fc.parameters()), 25, 9000, 0.05)
        torch.save(model.state_dict(), path)
        models[classes] = model.eval()
    return models


def export(model, classes, folder):
    """As a user would type it, and with a Softmax for programs that want probabilities."""
    sample = (torch.zeros(1, 3, SIDE, SIDE),)
    path = lambda name: str(folder / f"{name}_{classes}.onnx")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(model, sample, path("default"), verbose=False)
        torch.onnx.export(
            model,
            sample,
            path("dynamic"),
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            external_data=False,
            verbose=False,
        )
        torch.onnx.export(Head(model, "softmax"), sample, path("softmax"), external_data=False, verbose=False)
        torch.onnx.export(
            model,
            sample,
            path("legacy"),
            dynamo=False,
            input_names=["input"],
            output_names=["logits"],
            dynamic_axes={"input": {0: "batch"}, "logits": {0: "batch"}},
        )
    return [Path(path(name)) for name in ("default", "dynamic", "softmax", "legacy")]


def best(program, model, photos, *more):
    command = [program, "classify", "--json", "--top-k", "1", "--model", model, *more, *sorted(photos.iterdir())]
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode:
        return run.stderr.strip().splitlines()[-1]
    return np.array([json.loads(line)["predictions"][0]["class"] for line in run.stdout.splitlines()])


def main():
    program, folder = sys.argv[1], Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    failed = 0
    for classes, model in trained(folder).items():
        photos = {}
        for what, seed in ("calibration", 77), ("test", 78):
            photos[what] = folder / f"{what}_{classes}"
            photos[what].mkdir(exist_ok=True)
            images, kinds = batch(classes, 100, seed)
            for number, image in enumerate(images):
                Image.fromarray(image).save(photos[what] / f"{number:03}.png")
        with torch.no_grad():
            expected = model(torch.from_numpy(normalised(images))).argmax(1).numpy()
        print(f"{classes} classes: PyTorch is right on {(expected == kinds).sum()} of 100")
        labels = folder / f"labels_{classes}.txt"
        labels.write_text("".join(f"kind {kind}\n" for kind in range(classes)))
        for path in export(model, classes, folder):
            path.with_suffix(".toml").write_text(TOML.format(labels=labels.name))
            f32 = best(program, path, photos["test"])
            if isinstance(f32, str):
                failed += 1
                print(f"  {path.name}: {f32}")
                continue
            table = path.with_suffix(".int8.toml")
            table.unlink(missing_ok=True)
            subprocess.run(
                [program, "calibrate", photos["calibration"], "--model", path], check=True, capture_output=True
            )
            int8 = best(program, path, photos["test"], "--precision", "int8")
            same = (f32 == expected).sum(), (int8 == f32).sum()
            failed += same[0] < 100 or same[1] < 95
            print(f"  {path.name}: f32 as PyTorch on {same[0]}, int8 as f32 on {same[1]} of 100")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
