#include "core/safetensors.h"

#include <fstream>

#include "tests/catch.h"
#include "tests/temporary.h"

using namespace limn;

namespace {

/// The bytes of a safetensors file with this header text.
std::string file_bytes(const std::string& header, const std::string& data) {
  std::string bytes(8, '\0');
  for (std::size_t i = 0; i < 8; ++i) bytes[i] = static_cast<char>(header.size() >> (8 * i) & 0xFF);
  return bytes + header + data;
}

}  // namespace

TEST_CASE("safetensors: what is written is read back, every dtype, shape and layout", "[safetensors]") {
  const TemporaryFolder folder;
  const auto file = folder / "x.safetensors";
  std::vector<std::pair<std::string, Tensor>> written;
  int count = 0;
  for (const at::ScalarType dtype : {at::kDouble, at::kFloat, at::kHalf, at::kBFloat16, at::kLong, at::kInt, at::kShort,
                                     at::kChar, at::kByte, at::kBool, at::kFloat8_e5m2, at::kFloat8_e4m3fn}) {
    const Tensor values = (at::arange(24, at::kFloat) - 3).reshape({2, 3, 4});
    for (const Tensor& shaped : {values, values[0][0][0], values.narrow(1, 0, 0), values.transpose(0, 2)})
      written.emplace_back("t" + std::to_string(count++), shaped.to(dtype));
  }
  written.emplace_back("strided \"name\" \\ \n\x01 \xe7\x8c\xab", at::arange(12, at::kInt).reshape({3, 4}).t());
  write_safetensors(file, written, {{"format", "pt"}, {"note", "\"quoted\" \xe7\x8c\xab\t"}});
  CHECK(safetensors_metadata(file) == std::map<std::string, std::string>{{"format", "pt"}, {"note", "\"quoted\" \xe7\x8c\xab\t"}});
  const TensorTable table = read_safetensors(file);
  REQUIRE(table.size() == written.size());
  for (const auto& [name, tensor] : written) {
    CAPTURE(name);
    const StoredTensor& stored = table.at(name);
    CHECK(at::IntArrayRef(stored.shape) == tensor.sizes());
    CHECK(stored.dtype == tensor.scalar_type());
    const Tensor loaded = stored.load();
    CHECK(loaded.scalar_type() == tensor.scalar_type());
    CHECK(at::equal(loaded.to(at::kDouble), tensor.to(at::kDouble)));
  }
}

TEST_CASE("safetensors: a header that lies is refused", "[safetensors]") {
  const TemporaryFolder folder;
  const auto file = folder / "x.safetensors";
  const std::string data(8, 'x');
  write_file(file, file_bytes(R"({"a":{"dtype":"F32","shape":[3],"data_offsets":[0,12]}})", data));
  CHECK_THROWS_WITH(read_safetensors(file), ContainsSubstring("tensor \"a\": data_offsets: got [0, 12]"));
}
