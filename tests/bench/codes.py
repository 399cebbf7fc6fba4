"""What codes are worth by the byte: `POST /v1/encode` of real test images, as `PYTHONPATH=tests python -m bench.codes`.

    anytime serve &
    PYTHONPATH=tests python -m bench.codes --data FOLDER [--url http://localhost:8000] [--images 1000]

Sends the first test images of a folder with MNIST's files to a running server, one after another, and prints for every
number of codes the bytes that they take packed and the mean squared error of what they decode to; beside them the size
of the images as PNG, and what requests took.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import httpx
import numpy as np

from models.config import Media
from service.encode import encode
from training.data.idx import IdxFolder, read_idx


def main(arguments: Sequence[str]) -> None:
    """Measure and print."""
    options = _parse(arguments)
    (file,) = [path for path in options.data.glob("t10k-images*idx3-ubyte*") if IdxFolder.recognises(options.data)]
    images = read_idx(file, 3)[: options.images].numpy()
    media = Media(type="image", shape=(1, *images.shape[1:]))
    errors, sizes, took, points = [], [], [], []
    with httpx.Client(base_url=options.url, timeout=60) as client:
        for image in images:
            png = encode(media, image[None] / np.float32(255), "png")
            began = time.perf_counter()
            response = client.post("/v1/encode?curve=true", content=png, headers={"content-type": "image/png"})
            took.append(time.perf_counter() - began)
            points = response.raise_for_status().json()["curve"]
            errors.append([point["squared_error"] for point in points])
            sizes.append(len(png))
    print(f"{len(images)} images of {file.name}, {statistics.mean(sizes):.0f} bytes each as PNG")
    print(f"{1000 * statistics.median(took):.1f} ms each in the median, with every error, the first {took[0]:.1f} s")
    print("| codes | bytes | squared error | PSNR, dB |\n|---:|---:|---:|---:|")
    for point, error in zip(points, np.mean(errors, axis=0), strict=True):
        # Of the mean error, as the evaluation's report has it.
        print(f"| {point['codes']} | {point['bytes']} | {error:.2f} | {10 * np.log10(images[0].size / error):.1f} |")


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.codes", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", required=True, type=Path, help="folder with MNIST's files, as of Fashion-MNIST")
    parser.add_argument("--url", default="http://localhost:8000", help="of a running server with one model")
    parser.add_argument("--images", type=int, default=1000, help="how many test images")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
