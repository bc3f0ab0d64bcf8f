#pragma once

#include "core/tensor.h"

namespace limn {

/// Where a model's weights live and in which type they compute.
struct Placement {
  at::Device device = at::kCPU;
  at::ScalarType dtype = at::kFloat;
  bool int8 = false;  ///< the layers' products in eight bits: core/layers.h; dtype is float then
};

/// The placement that a user's words name.
/// @param device  "auto", "cpu", "cuda" or "cuda:N"; auto is CUDA where a usable device is present
/// @param dtype   "auto", "fp32", "bf16", "fp16", "fp64" or "int8"; auto is bf16 on CUDA, fp32 on the CPU; int8 is
///   fp32 with the layers' matrices in eight bits, and in encoders what they multiply, too; on the CPU
/// @throws InputError on other words, where the device is absent, and for int8 on CUDA
Placement parse_placement(const std::string& device, const std::string& dtype);

/// "cpu, fp32"; "cpu, int8"
std::string describe(const Placement& placement);

}  // namespace limn
