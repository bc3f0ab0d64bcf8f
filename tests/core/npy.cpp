#include "core/npy.h"

#include "core/files.h"
#include "core/ops.h"
#include "tests/catch.h"
#include "tests/temporary.h"

using namespace limn;

namespace {

std::string npy_bytes(const std::string& header, const std::string& numbers) {
  return std::string("\x93NUMPY\x01\x00", 8) + static_cast<char>(header.size()) + '\0' + header + numbers;
}

}  // namespace

TEST_CASE("npy: header and numbers, as NumPy lays them out", "[npy]") {
  const TemporaryFolder folder;
  write_npy(folder / "a.npy", at::arange(6, at::kFloat).view({2, 3}));
  const std::string bytes = read_file(folder / "a.npy");
  CHECK(bytes.substr(0, 8) == std::string("\x93NUMPY\x01\x00", 8));
  CHECK((10 + static_cast<unsigned char>(bytes[8])) % 64 == 0);
  CHECK(bytes.find("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }") == 10);
  CHECK(bytes.size() == 128 + 6 * sizeof(float));
  CHECK(at::equal(read_npy(folder / "a.npy"), at::arange(6, at::kFloat).view({2, 3})));
  write_npy(folder / "a.npy", at::ones({4}, at::kDouble));
  CHECK(read_file(folder / "a.npy").find("'shape': (4,), }") != std::string::npos);
  CHECK(at::equal(read_npy(folder / "a.npy"), at::ones({4})));
  write_npy(folder / "a.npy", at::empty({0, 5}));
  CHECK(read_npy(folder / "a.npy").sizes() == at::IntArrayRef{0, 5});
  CHECK_THROWS_AS(write_npy(folder / "a.npy", Tensor()), InputError);
}

TEST_CASE("npy: half precision is read; what is no such file is refused", "[npy]") {
  const TemporaryFolder folder;
  const auto file = folder / "a.npy";
  const std::string half = "{'descr': '<f2', 'fortran_order': False, 'shape': (2,), }\n";
  write_file(file, npy_bytes(half, std::string("\x00\x3c\x00\xc0", 4)));
  CHECK(at::equal(read_npy(file), at::tensor({1.0f, -2.0f})));
  write_file(file, npy_bytes(half, std::string("\x00\x3c\x00", 3)));
  CHECK_THROWS_WITH(read_npy(file), Catch::Contains("has 3 bytes of numbers, expected 4"));
  write_file(file, npy_bytes("{'descr': '<i8', 'fortran_order': False, 'shape': (2,), }\n", ""));
  CHECK_THROWS_WITH(read_npy(file), Catch::Contains("expected rows of <f2 or <f4"));
  write_file(file, npy_bytes("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999, 99999999999), }", ""));
  CHECK_THROWS_WITH(read_npy(file), Catch::Contains("its shape is too large"));
  write_file(file, npy_bytes(half, "").substr(0, 20));
  CHECK_THROWS_WITH(read_npy(file), Catch::Contains("ends within its header"));
  write_file(file, "PK\x03\x04 something else");
  CHECK_THROWS_WITH(read_npy(file), Catch::Contains("is no .npy file"));
}
