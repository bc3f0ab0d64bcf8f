#pragma once

#include <array>
#include <optional>

#include "core/activation.h"

namespace limn {

// Our own kernels hold a function for each activation in this order, the first for none.
constexpr std::size_t kNone = 0, kGelu = 1, kGeluTanh = 2, kQuickGelu = 3, kRelu = 4, kSilu = 5;
static_assert(std::size_t(Activation::gelu) + 1 == kGelu && std::size_t(Activation::silu) + 1 == kSilu);

constexpr std::size_t kernel_index(std::optional<Activation> activation) {
  return activation ? static_cast<std::size_t>(*activation) + 1 : kNone;
}

}  // namespace limn
