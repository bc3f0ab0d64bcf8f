#include "core/checkpoint.h"

#include <cstring>

#include "core/json.h"
#include "core/ops.h"
#include "core/safetensors.h"
#include "core/torch_file.h"

namespace limn {
namespace {

namespace fs = std::filesystem;

/// Rethrows what the JSON reader says of an index file as a fault of the checkpoint.
template <typename Read>
auto as_checkpoint(Read read) {
  try {
    return read();
  } catch (const InputError& error) {
    throw CheckpointError(error.what());
  }
}

/// "model.safetensors.index.json": which tensor lies in which shard.
TensorTable read_sharded(const fs::path& index) {
  std::map<std::string, std::string> shard_of;
  as_checkpoint([&] {
    const Json map = Json::read(index).at("weight_map");
    for (const auto& [name, shard] : map.members()) shard_of.emplace(name, shard.text());
  });
  std::map<std::string, TensorTable> shards;
  std::string absent;
  for (const auto& [name, shard] : shard_of) {
    if (shard.empty() || fs::path(shard).filename() != fs::path(shard) || shard == "." || shard == "..")
      throw CheckpointError(index.string() + ": weight_map." + name + ": got \"" + shard +
                            "\", expected the name of a file in the same folder");
    if (!shards.emplace(shard, TensorTable{}).second) continue;
    if (!fs::exists(index.parent_path() / shard)) absent += (absent.empty() ? "" : ", ") + shard;
  }
  if (!absent.empty()) throw CheckpointError(index.string() + ": these shards are missing in its folder: " + absent);

  TensorTable table;
  for (auto& [shard, tensors] : shards) {
    tensors = read_tensor_file(index.parent_path() / shard);
    for (const auto& [name, tensor] : tensors) {
      const auto mapped = shard_of.find(name);
      if (mapped == shard_of.end() || mapped->second == shard) table.emplace(name, tensor);
    }
  }
  std::string lost;
  for (const auto& [name, shard] : shard_of)
    if (!shards[shard].contains(name)) lost += "\n  " + name + " in " + shard;
  if (!lost.empty()) throw CheckpointError(index.string() + ": tensors that their shards do not hold:" + lost);
  return table;
}

/// Folds each int8 tensor and its "<name>.scale" into one fp32 tensor.
void resolve_int8(TensorTable& table) {
  std::vector<std::string> scales;
  for (auto& [name, tensor] : table) {
    const auto scale = table.find(name + ".scale");
    if (tensor.dtype != at::kChar || scale == table.end()) continue;
    const StoredTensor& factors = scale->second;
    const bool fits = tensor.shape.size() >= 2 && factors.shape == std::vector{tensor.shape[0]};
    if (!fits || (factors.dtype != at::kFloat && factors.dtype != at::kHalf))
      throw CheckpointError(factors.file.string() + ": tensor \"" + scale->first + "\": got " +
                            c10::toString(factors.dtype) + " " + shape_text(factors.shape) +
                            ", expected fp32 or fp16 of one number per row of \"" + name + "\" " +
                            shape_text(tensor.shape));
    tensor.load = [values = tensor.load, factors = factors.load, rank = tensor.shape.size()] {
      std::vector<std::int64_t> column(rank, 1);
      column[0] = -1;
      return values().to(at::kFloat) * factors().to(at::kFloat).view(column);
    };
    tensor.dtype = at::kFloat;
    scales.push_back(scale->first);
  }
  for (const std::string& scale : scales) table.erase(scale);
}

TensorTable read_stored(const fs::path& folder) {
  if (fs::is_regular_file(folder)) return read_tensor_file(folder);
  std::string looked_for;
  for (const char* name : {"model.safetensors", "model.safetensors.index.json", "open_clip_model.safetensors",
                           "pytorch_model.bin", "pytorch_model.bin.index.json", "open_clip_pytorch_model.bin"}) {
    const fs::path file = folder / name;
    if (fs::exists(file)) return file.extension() == ".json" ? read_sharded(file) : read_tensor_file(file);
    looked_for += (looked_for.empty() ? "" : ", ") + std::string(name);
  }
  throw CheckpointError(folder.string() + ": " + (fs::is_directory(folder) ? "holds no weights" : "is not a folder") +
                        ", expected one of: " + looked_for);
}

}  // namespace

TensorTable read_weights(const fs::path& folder) {
  TensorTable table = read_stored(folder);
  resolve_int8(table);
  return table;
}

TensorTable read_tensor_file(const fs::path& file) {
  const std::string where = file.string();
  const std::shared_ptr<const MappedFile> mapped = map_checkpoint(file);
  const std::string_view bytes = mapped->bytes();
  if (bytes.empty()) throw CheckpointError(where + ": is empty, expected weights");
  if (bytes.starts_with("version https://git-lfs"))
    throw CheckpointError(where + ": is a Git LFS pointer, not the weights; fetch them with `git lfs pull`");
  // In this order: a safetensors file may begin with any byte, its header's length; no other format has '{' there.
  if (bytes.size() > 8 && bytes[8] == '{') return read_safetensors(file);
  if (bytes.starts_with("PK") || bytes.starts_with("\x80")) return read_torch_file(file);
  // A file that calls itself safetensors gets that reader's own account of what is wrong with it.
  if (file.extension() == ".safetensors") return read_safetensors(file);
  throw CheckpointError(where + ": is neither a safetensors file nor what torch.save writes");
}

std::shared_ptr<const MappedFile> map_checkpoint(const fs::path& file) {
  return as_checkpoint([&] { return std::make_shared<const MappedFile>(file); });
}

Tensor tensor_over(std::string_view bytes, at::IntArrayRef shape, at::ScalarType dtype,
                   std::shared_ptr<const void> owner) {
  if (bytes.empty()) return at::empty(shape, dtype);
  void* const data = const_cast<char*>(bytes.data());
  if (dtype == at::kBool) {
    return at::from_blob(data, shape, at::kByte) != 0;
  }
  const std::size_t item = c10::elementSize(dtype);
  if (reinterpret_cast<std::uintptr_t>(data) % item == 0)
    return at::from_blob(
        data, shape, [owner = std::move(owner)](void*) {}, dtype);
  Tensor copy = at::empty(shape, dtype);
  std::memcpy(copy.data_ptr(), data, bytes.size());
  return copy;
}

std::int64_t byte_count(at::IntArrayRef shape, std::int64_t itemsize) {
  // A zero anywhere makes the product zero, but the others must still multiply without overflow: ATen computes strides.
  std::int64_t product = itemsize;
  bool zero = false;
  for (const std::int64_t size : shape) {
    if (size < 0 || (size != 0 && __builtin_mul_overflow(product, size, &product))) return -1;
    zero = zero || size == 0;
  }
  return zero ? 0 : product;
}

}  // namespace limn
