#pragma once

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>

#include "core/checkpoint.h"
#include "tests/catch.h"
#include "tests/temporary.h"

namespace limn {

/// Writes without the flush to disk that write_file makes: damage tests write thousands of files.
inline void write_quickly(const std::filesystem::path& file, std::string_view bytes) {
  std::ofstream(file, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

/// Reads a damaged file and loads its tensors. True when it was accepted; a CheckpointError is the only way to refuse.
inline bool accepts(const std::filesystem::path& file) {
  try {
    for (const auto& [name, stored] : read_tensor_file(file)) {
      const Tensor tensor = stored.load();
      if (tensor.numel() > 0 && tensor.numel() < 100'000) static_cast<void>(tensor.contiguous());
    }
    return true;
  } catch (const CheckpointError&) {
    return false;
  }
}

/// Truncated at every `step`-th length, and every `step`-th byte replaced, a file must be refused with a
/// CheckpointError or read in bounds. Returns how many truncations were accepted.
inline int damage_everywhere(const std::string& bytes, const std::string& name, std::size_t step = 1) {
  const TemporaryFolder folder;
  const std::filesystem::path file = folder / name;
  int accepted = 0;
  std::string damaged = bytes;
  for (std::size_t i = 0; i < bytes.size(); i += step) {
    write_quickly(file, bytes.substr(0, i));
    accepted += accepts(file);
    const int values[] = {0x00, 0xFF, bytes[i] ^ 1, bytes[i] ^ 0x80, int{'9'}};
    damaged[i] = static_cast<char>(values[i / step % 5]);
    write_quickly(file, damaged);
    accepts(file);
    damaged[i] = bytes[i];
  }
  return accepted;
}

}  // namespace limn
