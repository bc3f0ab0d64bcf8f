#pragma once

#include <ATen/core/Tensor.h>

namespace limn {

/// f with a null pointer to the C++ type of float, bfloat16 or half numbers; what f returns. A value-initialised one
/// for any other type.
template <typename F>
auto by_float_type(at::ScalarType type, const F& f) {
  switch (type) {
    case at::kFloat:
      return f(static_cast<float*>(nullptr));
    case at::kBFloat16:
      return f(static_cast<at::BFloat16*>(nullptr));
    case at::kHalf:
      return f(static_cast<at::Half*>(nullptr));
    default:
      return decltype(f(static_cast<float*>(nullptr)))();
  }
}

inline bool is_float_type(at::ScalarType type) {
  return by_float_type(type, [](auto*) { return true; });
}

}  // namespace limn
