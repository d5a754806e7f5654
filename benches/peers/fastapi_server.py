"""The Python stack that the service is measured beside: FastAPI and OpenVINO, one process a core.

    fastapi_server.py MODEL PORT WORKERS
"""

import os
import sys

import numpy as np
import openvino
import uvicorn
from fastapi import FastAPI, Request

import photos

app = FastAPI()
MODEL = os.environ.get("PEER_MODEL")
if MODEL:
    core = openvino.Core()
    settings = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": 1,
        "INFERENCE_PRECISION_HINT": "f32",
    }
    request = core.compile_model(core.read_model(MODEL), "CPU", settings).create_infer_request()


@app.get("/readyz")
async def ready():
    return {}


@app.post("/classify")
async def classify(body: Request):
    probabilities = request.infer([photos.to_input(await body.body())])[0].ravel()
    best = np.argsort(probabilities)[-5:][::-1]
    return {
        "predictions": [
            {"class": int(index), "probability": float(probabilities[index])} for index in best
        ]
    }


if __name__ == "__main__":
    os.environ["PEER_MODEL"] = sys.argv[1]
    uvicorn.run(
        "fastapi_server:app", port=int(sys.argv[2]), workers=int(sys.argv[3]), log_level="warning",
        app_dir=os.path.dirname(__file__),
    )
