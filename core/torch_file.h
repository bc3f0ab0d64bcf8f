#pragma once

#include <filesystem>

#include "core/checkpoint.h"

namespace limn {

/// The tensors of a file that `torch.save` wrote (`.bin`, `.pt`, `.pth`, `.pth.tar`): the zip container of torch >= 1.6
/// and the older one. Nothing in the file is executed: its pickles are read as data, and the first function or class in
/// them that tensors do not need is refused by name.
///
/// Names: nested dicts and lists give dotted names ("encoder.0.weight"). Where the top level has exactly one dict of
/// tensors, under a usual name such as "state_dict" or "model", beside other things (epoch, optimiser), that dict is
/// the result. Numbers, texts and None are left out. A lone tensor is called "tensor". Strides, offsets and shared
/// storages are kept as saved; whatever device the tensors were on, they come to the CPU. Source:
/// torch/serialization.py (`_load`, `_legacy_load`), torch/_utils.py.
/// @throws CheckpointError naming the file, the tensor, what was found and what was expected
TensorTable read_torch_file(const std::filesystem::path& file);

}  // namespace limn
