#include "core/npy.h"

#include <array>

#include "core/files.h"
#include "core/ops.h"

namespace limn {

void write_npy(const std::filesystem::path& file, const Tensor& tensor) {
  if (!tensor.defined()) throw InputError("write_npy: tensor: is undefined");
  const Tensor values = tensor.detach().to(at::kCPU, at::kFloat).contiguous();
  std::string shape;
  for (const std::int64_t size : values.sizes()) shape += std::to_string(size) + ", ";
  if (values.dim() > 1) shape.resize(shape.size() - 2);  // (3, 4), but (3,)
  if (values.dim() == 1) shape.pop_back();
  std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (" + shape + "), }";
  constexpr std::size_t kBefore = 10, kAlignment = 64;
  header.append((kAlignment - (kBefore + header.size() + 1) % kAlignment) % kAlignment, ' ').push_back('\n');
  std::string start("\x93NUMPY\x01\x00", 8);
  start += static_cast<char>(header.size() & 0xFF);
  start += static_cast<char>(header.size() >> 8);
  const std::string_view numbers(static_cast<const char*>(values.const_data_ptr()),
                                 static_cast<std::size_t>(values.numel()) * sizeof(float));
  write_file(file, std::array<std::string_view, 3>{start, header, numbers});
}

}  // namespace limn
