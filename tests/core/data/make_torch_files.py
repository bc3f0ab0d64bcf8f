#!/usr/bin/env python3
"""Writes the torch.save containers of this folder, and what torch.load finds in them as safetensors.

  python3 make_torch_files.py               the files of this folder (torch 2.13, safetensors 0.8)
  python3 make_torch_files.py --random N D  N random containers r0000.pt ... in folder D, each with its .safetensors
"""
import argparse
import collections
import io
import os
import pickle
import random
import struct
import sys
import zipfile
import zlib

import numpy
import torch
from safetensors.torch import save_file

DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16, torch.int8,
          torch.uint8, torch.bool, torch.uint16, torch.float8_e4m3fn, torch.float8_e5m2, torch.complex64]


def values():
    base = torch.arange(24, dtype=torch.float32).reshape(2, 3, 4) - 5
    table = collections.OrderedDict((f"dtype.{str(d)[6:]}", base[:, :2].clone().to(d)) for d in DTYPES)
    table["scalar"] = torch.tensor(2.5)
    table["empty"] = torch.empty(3, 0, 2)
    table["transposed"] = base.transpose(0, 2)
    table["every.other"] = base[:, ::2, 1::2]
    table["row"] = base[1, 2]
    table["expanded"] = torch.tensor([[1.0], [2.0]]).expand(2, 5)
    table["channels_last"] = base.reshape(1, 2, 3, 4).to(memory_format=torch.channels_last)
    table["half.view"] = base.half().reshape(-1)[3:7]
    table["parameter"] = torch.nn.Parameter(base[0].clone())
    table["名前"] = torch.tensor([7])
    return table


def expect(table, file):
    # Stretched tensors become plain ones; safetensors stores no views.
    save_file({k: v.detach().clone(memory_format=torch.contiguous_format) for k, v in table.items()}, file)


def rezip(data, method, file, replace=None, zip64=False):
    """The same entries, otherwise packed."""
    replace = replace or {}
    with zipfile.ZipFile(io.BytesIO(data)) as source:
        entries = [(i.filename, replace.get(i.filename.split("/")[-1], source.read(i))) for i in source.infolist()]
    if zip64:
        return write_zip64(entries, file)
    with zipfile.ZipFile(file, "w", method) as out:
        for name, content in entries:
            out.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), content, compress_type=method)


def write_zip64(entries, file):
    """Every number in zip64 fields, as archives beyond 4 GB have them."""
    body, directory, far, many = b"", b"", 0xFFFFFFFF, 0xFFFF
    for name, content in entries:
        encoded, crc = name.encode(), zlib.crc32(content)
        extra = struct.pack("<HHQQ", 1, 16, len(content), len(content))
        central = struct.pack("<HHQQQ", 1, 24, len(content), len(content), len(body))
        directory += struct.pack("<IHHHHHHIIIHHHHHII", 0x02014B50, 45, 45, 0, 0, 0, 33, crc, far, far, len(encoded),
                                 len(central), 0, 0, 0, 0, far) + encoded + central
        body += struct.pack("<IHHHHHIIIHH", 0x04034B50, 45, 0, 0, 0, 33, crc, far, far, len(encoded),
                            len(extra)) + encoded + extra + content
    end = struct.pack("<IQHHIIQQQQ", 0x06064B50, 44, 45, 45, 0, 0, len(entries), len(entries), len(directory), len(body))
    end += struct.pack("<IIQI", 0x07064B50, 0, len(body) + len(directory), 1)
    end += struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, many, many, far, far, 0)
    with open(file, "wb") as out:
        out.write(body + directory + end)


def saved(value, **options):
    buffer = io.BytesIO()
    torch.save(value, buffer, **options)
    return buffer.getvalue()


def write(file, data):
    with open(file, "wb") as out:
        out.write(data)


class Danger:
    def __reduce__(self):
        return os.system, ("echo this must never be printed",)


def fixed_files():
    torch.manual_seed(8)
    table = values()
    plain = saved(table)
    expect(table, "values.safetensors")
    write("values-zip.pt", plain)
    write("values-zip-protocol5.bin", saved(table, pickle_protocol=5))
    rezip(plain, zipfile.ZIP_DEFLATED, "values-zip-deflated.pth")
    rezip(plain, zipfile.ZIP_STORED, "values-zip64.pt", zip64=True)
    write("values-legacy.pth.tar", saved(table, _use_new_zipfile_serialization=False))
    write("values-legacy-protocol4.pth", saved(table, _use_new_zipfile_serialization=False, pickle_protocol=4))

    net = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    net[0].weight.note = "a Parameter with an attribute"
    adam = torch.optim.AdamW(net.parameters())
    net(torch.randn(4, 3)).sum().backward()
    adam.step()
    expect(net.state_dict(), "net.safetensors")
    write("net-zip.pt", saved(net.state_dict(keep_vars=True)))
    training = {"epoch": 3, "state_dict": net.state_dict(), "optimizer": adam.state_dict(), "best": 0.5, "name": "x",
                "milestones": collections.Counter([30, 60]), "device": torch.device("cpu"), "dtype": torch.float16}
    write("net-training-zip.pt", saved(training))
    write("net-training-legacy.pt", saved({"model": net.state_dict(), "epoch": 3, "sizes": torch.Size([1, 2])},
                                          _use_new_zipfile_serialization=False))

    a, b = torch.tensor([1.0, 2.0]), torch.tensor([3])
    expect({"encoder.w": a, "decoder.0": b, "decoder.1": a}, "nested.safetensors")
    write("nested-zip.pt", saved({"encoder": {"w": a}, "decoder": [b, a], "step": 7}))
    expect({"tensor": a}, "lone.safetensors")
    write("lone-zip.pt", saved(a))

    refused = {"danger-zip.pt": {"w": a, "x": Danger()}, "module-zip.pt": net,
               "numpy-scalar-zip.pt": {"w": a, "best": numpy.float64(1.5)},
               "sparse-zip.pt": {"w": torch.eye(2).to_sparse()}, "conjugate-zip.pt": {"w": torch.tensor([1j]).conj()},
               "no-tensors-zip.pt": {"epoch": 3}}
    for name, value in refused.items():
        write(name, saved(value))
    write("danger-legacy.pt", saved({"w": a, "x": Danger()}, _use_new_zipfile_serialization=False))
    write("danger-plain.pkl", pickle.dumps(Danger(), protocol=2))
    rezip(saved({"w": a}), zipfile.ZIP_STORED, "big-endian-zip.pt", {"byteorder": b"big"})


def random_tensor(rng, shared):
    dtype = rng.choice(DTYPES)
    shape = [rng.randint(0 if rng.random() < 0.1 else 1, 5) for _ in range(rng.randint(0, 5))]
    if shared and rng.random() < 0.4:  # a window on a storage that others use too
        base = rng.choice(shared)
        for d in range(base.dim()):
            if base.size(d) > 0 and rng.random() < 0.6:
                lo = rng.randrange(base.size(d))
                base = base.narrow(d, lo, rng.randint(1, base.size(d) - lo))
        if base.dim() > 1 and rng.random() < 0.5:
            base = base.transpose(0, base.dim() - 1)
        if base.dim() and rng.random() < 0.2:
            base = base[..., ::2]
        return base
    t = (torch.randn(shape) * 50).to(dtype)
    if rng.random() < 0.2:
        t = t.unsqueeze(0).expand(3, *t.shape)
    shared.append(t)
    return torch.nn.Parameter(t) if t.is_floating_point() and t.element_size() > 1 and rng.random() < 0.2 else t


def random_files(count, folder):
    os.makedirs(folder, exist_ok=True)
    rng = random.Random(8)
    torch.manual_seed(8)
    for i in range(count):
        shared = []
        table = {f"{rng.choice('abc')}.{j}.weight": random_tensor(rng, shared) for j in range(rng.randint(1, 12))}
        file = os.path.join(folder, f"r{i:04}")
        expect(table, file + ".safetensors")
        ordered = collections.OrderedDict(table) if rng.random() < 0.5 else table
        value = {rng.choice(["state_dict", "model"]): ordered, "epoch": i, "lr": [0.1, {"x": None}]} if rng.random() < 0.4 else ordered
        legacy = rng.random() < 0.4
        data = saved(value, _use_new_zipfile_serialization=not legacy, pickle_protocol=rng.randint(2, 5))
        if not legacy and rng.random() < 0.3:
            rezip(data, zipfile.ZIP_DEFLATED, file + ".pt")
        else:
            write(file + ".pt", data)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--random", nargs=2, metavar=("N", "D"))
    random_set = parser.parse_args().random
    if random_set:
        random_files(int(random_set[0]), random_set[1])
    else:
        os.chdir(os.path.dirname(os.path.abspath(__file__)))
        fixed_files()
