"""The Python stack that the service is measured beside: FastAPI and OpenVINO, one process a core, each
on a port of its own, so that the clients are spread evenly.

    fastapi_server.py MODEL PORT
"""

import sys

import cv2
import numpy as np
import openvino
import photos
import uvicorn
from fastapi import FastAPI, Request

app = FastAPI()
core = openvino.Core()
settings = {
    "PERFORMANCE_HINT": "LATENCY",
    "INFERENCE_NUM_THREADS": 1,
    "INFERENCE_PRECISION_HINT": "f32",
    # Every process would pin its thread to the same core.
    "ENABLE_CPU_PINNING": False,
}
model = core.compile_model(core.read_model(sys.argv[1]), "CPU", settings)
request = model.create_infer_request()


@app.get("/readyz")
async def ready():
    return {}


@app.post("/classify")
async def classify(body: Request):
    probabilities = request.infer([photos.to_input(await body.body())])[0].ravel()
    best = np.argsort(probabilities)[-5:][::-1]
    return {"predictions": [{"class": int(index), "probability": float(probabilities[index])} for index in best]}


if __name__ == "__main__":
    cv2.setNumThreads(1)
    uvicorn.run(app, port=int(sys.argv[2]), log_level="warning")
