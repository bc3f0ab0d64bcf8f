#!/usr/bin/env python3
"""Photo search end to end, beside the pipeline that rclip has: Pillow, numpy, ONNX Runtime, a flat product.

    python3 -m venv V && V/bin/pip install torch transformers onnx onnxscript onnxruntime pillow
    V/bin/python tests/bench/peer_index.py PHOTOS --vocabulary FOLDER [--threads 2] [--count 1000] [--limn build/release/bin/limn]

Both get the same CLIP ViT-B/32 with random weights (the folder's vocab.json and merges.txt are CLIP's) and the same
`--count` photos, the given ones as often as it takes. Limn and the peer run in turn, each in a process of its
own; times are of whole processes, but for the queries: those are the peer's without its start, and Limn's with it.
"""
import argparse, json, os, pathlib, shutil, statistics, subprocess, sys, tempfile, time, warnings

warnings.filterwarnings("ignore")
root = pathlib.Path(__file__).resolve().parents[2]
parser = argparse.ArgumentParser()
parser.add_argument("photos")
parser.add_argument("--vocabulary", required=True, help="folder with CLIP's vocab.json and merges.txt")
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--count", type=int, default=1000)
parser.add_argument("--rounds", type=int, default=1)
parser.add_argument("--batch", type=int, default=8)
parser.add_argument("--limn", default=str(root / "build/release/bin/limn"))
parser.add_argument("--as-peer", help=argparse.SUPPRESS)
args = parser.parse_args()
os.environ["OMP_NUM_THREADS"] = str(args.threads)


def peer(work):
    """What rclip does: photos in batches of 8 through Pillow and one ONNX session; vectors of length one."""
    import numpy as np
    import onnxruntime as ort
    from PIL import Image

    mean = np.array([0.48145466, 0.4578275, 0.40821073], np.float32)
    deviation = np.array([0.26862954, 0.26130258, 0.27577711], np.float32)
    options = ort.SessionOptions()
    options.intra_op_num_threads = args.threads
    session = ort.InferenceSession(str(work / "pictures.onnx"), options, providers=["CPUExecutionProvider"])

    def pixels(file):
        image = Image.open(file).convert("RGB")
        scale = 224 / min(image.size)
        image = image.resize([max(224, round(side * scale)) for side in image.size], Image.BICUBIC)
        left, top = (image.width - 224) // 2, (image.height - 224) // 2
        image = image.crop((left, top, left + 224, top + 224))
        return ((np.asarray(image, np.float32) / 255 - mean) / deviation).transpose(2, 0, 1)

    files = sorted((work / "photos").iterdir())
    rows = []
    for first in range(0, len(files), args.batch):
        batch = np.stack([pixels(file) for file in files[first:first + args.batch]])
        rows.append(session.run(None, {"pixels": batch})[0])
    vectors = np.concatenate(rows)
    np.save(work / "peer.npy", vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def prepare(work):
    import torch
    from transformers import CLIPConfig, CLIPModel

    torch.manual_seed(1)
    model = CLIPModel(CLIPConfig()).eval()
    model.save_pretrained(work / "model")
    for name in ("vocab.json", "merges.txt"):
        shutil.copy(pathlib.Path(args.vocabulary) / name, work / "model")
    (work / "model/preprocessor_config.json").write_text(json.dumps({
        "crop_size": {"height": 224, "width": 224}, "do_center_crop": True, "do_convert_rgb": True, "do_normalize": True,
        "do_rescale": True, "do_resize": True, "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_processor_type": "CLIPImageProcessor", "image_std": [0.26862954, 0.26130258, 0.27577711], "resample": 3,
        "rescale_factor": 0.00392156862745098, "size": {"shortest_edge": 224}}))

    class Pictures(torch.nn.Module):
        def forward(self, pixels):
            return model.visual_projection(model.vision_model(pixel_values=pixels).pooler_output)

    pixels = torch.randn(args.batch, 3, 224, 224)
    torch.onnx.export(Pictures().eval(), (pixels,), str(work / "pictures.onnx"), input_names=["pixels"], dynamo=True,
                      dynamic_shapes={"pixels": {0: torch.export.Dim("batch")}}, verbose=False)
    photos = sorted(file for file in pathlib.Path(args.photos).iterdir() if file.suffix in (".jpg", ".png"))
    (work / "photos").mkdir()
    for i in range(args.count):
        source = photos[i % len(photos)]  # with a number behind its end: the same bytes are encoded once only
        (work / f"photos/{i:06d}{source.suffix}").write_bytes(source.read_bytes() + str(i).encode())


def timed(command):
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(done.stderr)
    return time.perf_counter() - start, done.stdout


def main():
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        prepare(work)
        again = [sys.executable, __file__, args.photos, "--vocabulary", args.vocabulary, "--threads", str(args.threads),
                 "--batch", str(args.batch), "--as-peer", folder]
        times = {"peer": [], "fp32": [], "int8": []}
        for _ in range(args.rounds):
            times["peer"].append(timed(again)[0])
            for dtype in ("fp32", "int8"):
                seconds, out = timed([args.limn, "index", folder + "/photos", "-o", f"{folder}/{dtype}.idx", "-m",
                                      folder + "/model", "--dtype", dtype, "-t", str(args.threads), "--rebuild", "--json",
                                      "-q"])
                times[dtype].append(seconds)
                print(dtype, out.strip().splitlines()[-1], flush=True)
        for name, values in times.items():
            middle = statistics.median(values)
            print(f"{name:5} {middle:7.1f} s for {args.count} photos, {args.count / middle:6.1f} photos/s")
        queries = [timed([args.limn, "search", f"{folder}/fp32.idx", "a dog on a beach", "-m", folder + "/model", "-q"])[0]
                   for _ in range(3)]
        print(f"search {statistics.median(queries):.2f} s, start of the program and of the model with it")


if args.as_peer:
    peer(pathlib.Path(args.as_peer))
else:
    main()
