#pragma once

#include <string>

#include "core/tensor.h"

namespace limn {

enum class Activation { gelu, gelu_tanh, quick_gelu, relu, silu };

/// The name that public configurations use, e.g. "gelu", "gelu_new", "gelu_pytorch_tanh", "quick_gelu".
/// @throws InputError listing the known names
Activation parse_activation(const std::string& name);

Tensor activate(const Tensor& x, Activation activation);
/// The same, into x itself where no gradient is wanted.
Tensor activate_in_place(Tensor x, Activation activation);

}  // namespace limn
