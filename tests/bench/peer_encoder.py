#!/usr/bin/env python3
"""The default model's picture encoder in OpenVINO, ONNX Runtime and torch, in turn with limn-bench.

    python3 -m venv V && V/bin/pip install torch safetensors onnx onnxscript onnxruntime openvino
    V/bin/python tests/bench/peer_encoder.py [--threads 2] [--rounds 5] [--batch 1] [--bench build/release/bin/limn-bench]

Reads models/limn-small, builds the same network in torch, converts it, and times all of them round by round, so that
what else the machine does strikes all alike. Prints milliseconds (median over rounds of each round's best) and the
quotient ours / theirs.
"""
import argparse, json, os, pathlib, statistics, subprocess, tempfile, time, warnings

warnings.filterwarnings("ignore")
root = pathlib.Path(__file__).resolve().parents[2]
parser = argparse.ArgumentParser()
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--rounds", type=int, default=5)
parser.add_argument("--batch", type=int, default=1)
parser.add_argument("--bench", default=str(root / "build/release/bin/limn-bench"))
parser.add_argument("--model", default=str(root / "models/limn-small"))
args = parser.parse_args()
os.environ["OMP_NUM_THREADS"] = str(args.threads)
import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F

torch.set_num_threads(args.threads)
torch.set_grad_enabled(False)
config = json.load(open(args.model + "/config.json"))["vision"]
stored = load_file(args.model + "/model.safetensors")
weights = {}
for name, tensor in stored.items():
    if name.endswith(".scale"):
        continue
    scale = stored.get(name + ".scale")
    weights[name] = tensor.float() if scale is None else tensor.float() * scale.float().view(-1, *[1] * (tensor.dim() - 1))


def take(name):
    return nn.Parameter(weights.pop("vision." + name))


class Conv(nn.Module):
    """A convolution padded as TensorFlow's SAME."""
    def __init__(self, name, stride, depthwise, relu6):
        super().__init__()
        self.weight, self.bias = take(name + ".weight"), take(name + ".bias")
        self.stride, self.groups, self.relu6 = stride, self.weight.shape[0] if depthwise else 1, relu6

    def forward(self, x):
        k, s = self.weight.shape[2], self.stride
        total = [max((-(-n // s) - 1) * s + k - n, 0) for n in x.shape[2:]]
        x = F.pad(x, (total[1] // 2, total[1] - total[1] // 2, total[0] // 2, total[0] - total[0] // 2))
        y = F.conv2d(x, self.weight, self.bias, s, 0, 1, self.groups)
        return F.relu6(y) if self.relu6 else y


class Bottleneck(nn.Module):
    def __init__(self, name, expand, stride, residual):
        super().__init__()
        self.expand = Conv(name + ".expand", 1, False, True) if expand != 1 else nn.Identity()
        self.depthwise, self.project = Conv(name + ".depthwise", stride, True, True), Conv(name + ".project", 1, False, False)
        self.residual = residual

    def forward(self, x):
        y = self.project(self.depthwise(self.expand(x)))
        return x + y if self.residual else y


class Block(nn.Module):
    def __init__(self, name):
        super().__init__()
        self.p = nn.ParameterDict({part.replace(".", "_"): take(f"{name}.{part}") for part in (
            f"{layer}.{kind}" for layer in ("self_norm", "self.qkv", "self.out", "mlp_norm", "up", "down")
            for kind in ("weight", "bias"))})

    def forward(self, x):
        p, D, A = self.p, config["dim"], config["heads"]
        B, T = x.shape[:2]
        y = F.layer_norm(x, (D,), p["self_norm_weight"], p["self_norm_bias"], config["eps"])
        q, k, v = F.linear(y, p["self_qkv_weight"], p["self_qkv_bias"]).view(B, T, 3, A, D // A).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(B, T, D)
        x = x + F.linear(y, p["self_out_weight"], p["self_out_bias"])
        y = F.layer_norm(x, (D,), p["mlp_norm_weight"], p["mlp_norm_bias"], config["eps"])
        return x + F.linear(F.gelu(F.linear(y, p["up_weight"], p["up_bias"])), p["down_weight"], p["down_bias"])


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, blocks, width = Conv("stem.stem", 2, False, True), [], config["stem"]["stem_channels"]
        for expand, kernel, stride, repeats, out in config["stem"]["stages"]:
            for i in range(repeats):
                s = stride if i == 0 else 1
                blocks.append(Bottleneck(f"stem.blocks.{len(blocks)}", expand, s, s == 1 and width == out))
                width = out
        self.bottlenecks, self.head = nn.Sequential(*blocks), Conv("stem.head", 1, False, True)
        self.project = nn.ParameterList([take("project.weight"), take("project.bias")])
        self.positions = take("positions")
        self.blocks = nn.Sequential(*[Block(f"blocks.{i}") for i in range(config["layers"])])
        self.norm = nn.ParameterList([take("norm.weight"), take("norm.bias")])

    def forward(self, pixels):
        x = self.head(self.bottlenecks(self.stem(pixels))).flatten(2).transpose(1, 2)
        x = self.blocks(F.linear(x, *self.project) + self.positions)
        return F.layer_norm(x, (config["dim"],), *self.norm, config["eps"])


model = Encoder().eval()
left = [name for name in weights if name.startswith("vision.")]
assert not left, left
print(f"{sum(p.numel() for p in model.parameters()):,} parameters, {args.threads} threads, batch {args.batch}")
x = torch.randn(args.batch, 3, config["image_size"], config["image_size"])
expected = model(x)
runs = {"torch": lambda: model(x)}
with tempfile.TemporaryDirectory() as folder:
    path = folder + "/encoder.onnx"
    torch.onnx.export(model, (x,), path, input_names=["pixels"], dynamo=True, verbose=False)
    import onnxruntime, openvino
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = args.threads
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    runs["onnxruntime"] = lambda: session.run(None, {"pixels": x.numpy()})[0]
    request = openvino.Core().compile_model(path, "CPU", {
        "INFERENCE_NUM_THREADS": args.threads, "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32"}).create_infer_request()
    runs["openvino"] = lambda: request.infer({0: x.numpy()})[0]
    for name, run in runs.items():
        error = (torch.as_tensor(run()) - expected).abs().max().item()
        assert error < 1e-2, (name, error)

    times = {name: [] for name in [*runs, "limn"]}
    for _ in range(args.rounds):
        for name, run in runs.items():
            best = 1e9
            for _ in range(20):
                start = time.perf_counter()
                run()
                best = min(best, time.perf_counter() - start)
            times[name].append(best * 1e3)
        told = subprocess.run([args.bench, "--json", "--threads", str(args.threads), "--repeat", "20", "--only",
                               "house:picture encoder of the default, fp32"], capture_output=True, text=True, check=True).stdout
        times["limn"].append(next(row["best_ms"] for row in json.loads(told)["rows"]
                                  if row["dtype"] == "fp32" and row["batch"] == args.batch))
for name, values in times.items():
    quotient = "" if name == "limn" else f"   limn / {name}: {statistics.median(a / b for a, b in zip(times['limn'], values)):.2f}"
    print(f"{name:12} {statistics.median(values):8.2f} ms{quotient}")
