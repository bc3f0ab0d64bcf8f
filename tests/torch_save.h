#pragma once

#include <zlib.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "core/ops.h"
#include "core/tensor.h"

// Writes float tensors as torch.save does, for loaders of published files that cannot be had here.
namespace limn {

enum class Container { legacy, zip };

using NamedTensors = std::vector<std::pair<std::string, Tensor>>;  // float32, contiguous

namespace torch_save_detail {

template <typename T>
std::string raw(T number) {
  std::string bytes(sizeof(T), '\0');
  std::memcpy(bytes.data(), &number, sizeof(T));
  return bytes;
}

inline std::string text(const std::string& word) {
  return raw('X') + raw(static_cast<std::uint32_t>(word.size())) + word;
}

inline std::string integer(std::int64_t number) { return raw('J') + raw(static_cast<std::int32_t>(number)); }

inline std::string tuple(at::IntArrayRef numbers) {
  std::string result = "(";
  for (const std::int64_t number : numbers) result += integer(number);
  return result + "t";
}

/// An OrderedDict of tensors with the attribute `_metadata`, as a module's state_dict is.
inline std::string state_dict(const NamedTensors& tensors, Container container) {
  const std::string empty = "ccollections\nOrderedDict\n)R";
  std::string pickle = "\x80\x02" + empty + "(";
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const Tensor& tensor = tensors[i].second;
    pickle += text(tensors[i].first) + "ctorch._utils\n_rebuild_tensor_v2\n((" + text("storage") +
              "ctorch\nFloatStorage\n" + text(std::to_string(i)) + text("cpu") + integer(tensor.numel()) +
              (container == Container::legacy ? "NtQ" : "tQ") + integer(0) + tuple(tensor.sizes()) +
              tuple(tensor.strides()) + "\x89" + empty + "tR";
  }
  return pickle + "u}" + text("_metadata") + empty + "sb.";
}

inline std::string_view bytes_of(const Tensor& tensor) {
  return {static_cast<const char*>(tensor.const_data_ptr()), tensor.nbytes()};
}

class ZipWriter {
 public:
  explicit ZipWriter(std::ofstream& out) : out_(out) {}
  void add(const std::string& name, std::string_view bytes) {
    const auto size = static_cast<std::uint32_t>(bytes.size());
    const auto sum = static_cast<std::uint32_t>(crc32(0, reinterpret_cast<const Bytef*>(bytes.data()), size));
    const std::string common = raw<std::uint16_t>(0) + raw<std::uint16_t>(0) + raw<std::uint32_t>(0) + raw(sum) +
                               raw(size) + raw(size) + raw(static_cast<std::uint16_t>(name.size())) +
                               raw<std::uint16_t>(0);
    directory_ += "PK\x01\x02" + raw<std::uint16_t>(20) + raw<std::uint16_t>(20) + common + std::string(10, '\0') +
                  raw(static_cast<std::uint32_t>(out_.tellp())) + name;
    out_ << "PK\x03\x04" + raw<std::uint16_t>(20) + common + name;
    out_.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    ++entries_;
  }
  void finish() {
    const auto begin = static_cast<std::uint32_t>(out_.tellp());
    out_ << directory_ + "PK\x05\x06" + std::string(4, '\0') + raw(entries_) + raw(entries_) +
                raw(static_cast<std::uint32_t>(directory_.size())) + raw(begin) + raw<std::uint16_t>(0);
  }

 private:
  std::ofstream& out_;
  std::string directory_;
  std::uint16_t entries_ = 0;
};

}  // namespace torch_save_detail

inline void torch_save(const std::filesystem::path& file, const NamedTensors& tensors, Container container) {
  using namespace torch_save_detail;
  using namespace std::string_literals;
  std::ofstream out(file, std::ios::binary);
  const std::string object = state_dict(tensors, container);
  if (container == Container::zip) {
    ZipWriter zip(out);
    zip.add("archive/data.pkl", object);
    for (std::size_t i = 0; i < tensors.size(); ++i)
      zip.add("archive/data/" + std::to_string(i), bytes_of(tensors[i].second));
    zip.add("archive/version", "3\n");
    return zip.finish();
  }
  out << "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."s + "\x80\x02M\xe9\x03."s + "\x80\x02}."s + object;
  out << "\x80\x02](";
  for (std::size_t i = 0; i < tensors.size(); ++i) out << text(std::to_string(i));
  out << "e.";
  for (const auto& [name, tensor] : tensors) out << raw(tensor.numel()) << bytes_of(tensor);
}

}  // namespace limn
