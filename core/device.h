#pragma once

#include "core/tensor.h"

namespace limn {

/// Where a model's weights live and in which type they compute.
struct Placement {
  at::Device device = at::kCPU;
  at::ScalarType dtype = at::kFloat;
};

/// The placement that a user's words name.
/// @param device  "auto", "cpu", "cuda" or "cuda:N"; auto is CUDA where a usable device is present
/// @param dtype   "auto", "fp32", "bf16", "fp16" or "fp64"; auto is bf16 on CUDA, fp32 on the CPU
/// @throws InputError on other words, or where the device is absent
Placement parse_placement(const std::string& device, const std::string& dtype);

/// "cpu, fp32"
std::string describe(const Placement& placement);

}  // namespace limn
