#pragma once

#include <ATen/Context.h>
#include <ATen/core/dispatch/Dispatcher.h>

#include <optional>

namespace limn {

/// An operator of oneDNN's, which LibTorch's headers do not name, from LibTorch's operator table; nothing where this
/// LibTorch lacks it or oneDNN is switched off.
/// @param name  "mkldnn::_linear_pointwise". @tparam Signature  the operator's, as its schema says
template <typename Signature>
std::optional<c10::TypedOperatorHandle<Signature>> onednn_operator(const char* name) {
  const auto found = c10::Dispatcher::singleton().findSchema({name, ""});
  if (!found || !at::globalContext().userEnabledMkldnn()) return std::nullopt;
  return found->typed<Signature>();
}

}  // namespace limn
