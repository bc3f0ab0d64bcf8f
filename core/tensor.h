#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <string>

#include "core/error.h"

namespace limn {

// Dimension key used in comments and messages:
//   B batch   C H W image   N patches   T query tokens   S source tokens   D width   F MLP width
//   A heads   K head size   V vocabulary   L layers   E embedding
using at::Tensor;

/// "[2, 3, 224, 224]"
std::string shape_text(at::IntArrayRef shape);

[[noreturn]] void throw_rank(const Tensor& tensor, const char* what);

/// The sizes of a tensor that must have N dimensions, for structured bindings at a function's door.
/// @param what  "Vit: pixels [B C H W]"; begins the message
/// @throws InputError when undefined or of another rank
template <std::size_t N>
std::array<std::int64_t, N> dims(const Tensor& tensor, const char* what) {
  if (!tensor.defined() || tensor.dim() != static_cast<std::int64_t>(N)) throw_rank(tensor, what);
  std::array<std::int64_t, N> sizes;
  for (std::size_t i = 0; i < N; ++i) sizes[i] = tensor.size(static_cast<std::int64_t>(i));
  return sizes;
}

}  // namespace limn
