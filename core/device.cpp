#include "core/device.h"

#include <ATen/Context.h>
#include <ATen/DeviceAccelerator.h>

#include "core/ops.h"

namespace limn {

namespace {

int cuda_devices() { return at::hasCUDA() ? static_cast<int>(at::accelerator::deviceCount()) : 0; }

at::Device parse_device(const std::string& text) {
  const int present = cuda_devices();
  if (text == "auto") return present > 0 ? at::Device(at::kCUDA, 0) : at::Device(at::kCPU);
  if (text == "cpu") return at::kCPU;
  if (text == "cuda" || text.rfind("cuda:", 0) == 0) {
    int index = 0;
    if (text != "cuda") {
      const std::string digits = text.substr(5);
      if (digits.empty() || digits.size() > 3 || digits.find_first_not_of("0123456789") != std::string::npos)
        throw InputError("device: got \"" + text + "\", expected cuda:N with a number N");
      index = std::stoi(digits);
    }
    if (present == 0)
      throw InputError("device: got \"" + text + "\", but no usable CUDA device is present; use --device cpu");
    if (index >= present)
      throw InputError("device: got \"" + text + "\", but there are only " + std::to_string(present) + " CUDA devices");
    return at::Device(at::kCUDA, static_cast<at::DeviceIndex>(index));
  }
  throw InputError("device: got \"" + text + "\", expected auto, cpu, cuda or cuda:N");
}

}  // namespace

Placement parse_placement(const std::string& device, const std::string& dtype) {
  Placement placement{parse_device(device), at::kFloat};
  if (dtype == "auto") {
    placement.dtype = placement.device.is_cuda() ? at::kBFloat16 : at::kFloat;
  } else if (dtype == "bf16") {
    placement.dtype = at::kBFloat16;
  } else if (dtype == "fp16") {
    placement.dtype = at::kHalf;
  } else if (dtype == "fp64") {
    placement.dtype = at::kDouble;
  } else if (dtype == "int8") {
    if (placement.device.is_cuda()) throw InputError("dtype: int8 is for the CPU; use --device cpu, or bf16 on CUDA");
    placement.int8 = true;
  } else if (dtype != "fp32") {
    throw InputError("dtype: got \"" + dtype + "\", expected auto, fp32, bf16, fp16, fp64 or int8");
  }
  return placement;
}

std::string describe(const Placement& placement) {
  const char* name = placement.int8                     ? "int8"
                     : placement.dtype == at::kFloat    ? "fp32"
                     : placement.dtype == at::kBFloat16 ? "bf16"
                     : placement.dtype == at::kHalf     ? "fp16"
                                                        : "fp64";
  return placement.device.str() + ", " + name;
}

}  // namespace limn
