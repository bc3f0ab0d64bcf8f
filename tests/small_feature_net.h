#pragma once

#include "core/ops.h"
#include "core/safetensors.h"

namespace limn {

/// A file with SqueezeNet 1.1's names and shapes and random weights.
inline void write_random_squeezenet(const std::filesystem::path& file) {
  std::vector<std::pair<std::string, Tensor>> tensors;
  const auto add = [&](const std::string& name, std::int64_t in, std::int64_t out, std::int64_t kernel) {
    const double deviation = std::sqrt(2.0 / static_cast<double>(in * kernel * kernel));
    tensors.emplace_back(name + ".weight", at::randn({out, in, kernel, kernel}) * deviation);
    tensors.emplace_back(name + ".bias", at::zeros({out}));
  };
  at::manual_seed(11);
  add("conv1", 3, 64, 3);
  constexpr std::int64_t squeeze[] = {16, 16, 32, 32, 48, 48, 64, 64};
  std::int64_t width = 64;
  for (std::int64_t n = 2; n <= 9; ++n) {
    const std::int64_t s = squeeze[n - 2];
    const std::string fire = "fire" + std::to_string(n) + "/";
    add(fire + "squeeze1x1", width, s, 1);
    add(fire + "expand1x1", s, 4 * s, 1);
    add(fire + "expand3x3", s, 4 * s, 3);
    width = 8 * s;
  }
  add("conv10", 512, 1000, 1);
  write_safetensors(file, tensors);
}

}  // namespace limn
