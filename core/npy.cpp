#include "core/npy.h"

#include <algorithm>
#include <array>
#include <regex>
#include <sstream>

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

Tensor read_npy(const std::filesystem::path& file) {
  const std::string bytes = read_file(file);
  const auto fail = [&](const std::string& what) { throw InputError(file.string() + ": " + what); };
  const auto byte = [&](std::size_t at) { return static_cast<std::size_t>(static_cast<unsigned char>(bytes[at])); };
  constexpr std::string_view kMagic = "\x93NUMPY";
  if (bytes.size() < 12 || !bytes.starts_with(kMagic)) fail("is no .npy file");
  const std::size_t length_bytes = byte(6) == 1 ? 2 : 4, before = 8 + length_bytes;
  std::size_t length = 0;
  for (std::size_t i = 0; i < length_bytes; ++i) length |= byte(8 + i) << (8 * i);
  if (length > bytes.size() - before) fail("ends within its header");
  const std::string header = bytes.substr(before, length);
  static const std::regex kHeader(R"(\{'descr': '<f([24])', 'fortran_order': False, 'shape': \(([0-9, ]*)\), \}\s*)");
  std::smatch parts;
  if (!std::regex_match(header, parts, kHeader))
    fail("its header is " + header + ", expected rows of <f2 or <f4, not in Fortran's order");
  std::vector<std::int64_t> shape;
  std::istringstream sizes(parts[2].str());
  for (std::string size; std::getline(sizes, size, ',');)
    if (size.find_first_of("0123456789") != std::string::npos) {
      if (size.size() > 12) fail("its shape is (" + parts[2].str() + ")");
      shape.push_back(std::stoll(size));
    }
  const at::ScalarType type = parts[1] == "2" ? at::kHalf : at::kFloat;
  std::size_t expected = c10::elementSize(type);
  for (const std::int64_t size : shape)
    if (__builtin_mul_overflow(expected, static_cast<std::size_t>(size), &expected)) fail("its shape is too large");
  const std::size_t got = bytes.size() - before - length;
  if (got != expected) fail("has " + std::to_string(got) + " bytes of numbers, expected " + std::to_string(expected));
  Tensor stored = at::empty(shape, type);
  std::copy_n(bytes.data() + before + length, got, static_cast<char*>(stored.mutable_data_ptr()));
  return stored.to(at::kFloat);
}

}  // namespace limn
