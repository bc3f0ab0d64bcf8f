#include "core/safetensors.h"

#include "tests/catch.h"
#include "tests/damage.h"
#include "tests/places.h"

using namespace limn;

namespace {

/// The bytes of a safetensors file with this header text.
std::string file_bytes(const std::string& header, const std::string& data) {
  std::string bytes(8, '\0');
  for (std::size_t i = 0; i < 8; ++i) bytes[i] = static_cast<char>(header.size() >> (8 * i) & 0xFF);
  return bytes + header + data;
}

std::string refusal(const std::string& bytes) {
  const TemporaryFolder folder;
  const auto file = folder / "x.safetensors";
  write_quickly(file, bytes);
  try {
    read_safetensors(file);
  } catch (const CheckpointError& error) {
    const std::string message = error.what(), where = file.string() + ": ";
    return message.starts_with(where) ? message.substr(where.size()) : "does not begin with the file: " + message;
  }
  return "accepted";
}

/// The refusal of a file with this header and 8 bytes of data.
std::string header_refusal(const std::string& header) { return refusal(file_bytes(header, std::string(8, 'x'))); }

const std::string kSound = R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";

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
      written.emplace_back(std::string("t").append(std::to_string(count++)), shaped.to(dtype));
  }
  written.emplace_back("strided \"name\" \\ \n\x01 \xe7\x8c\xab", at::arange(12, at::kInt).reshape({3, 4}).t());
  const std::map<std::string, std::string> metadata = {{"format", "pt"}, {"note", "\"quoted\" \xe7\x8c\xab\t"}};
  write_safetensors(file, written, metadata);
  CHECK(safetensors_metadata(file) == metadata);
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

TEST_CASE("safetensors: the bytes depend on names and values only, and are the reference library's", "[safetensors]") {
  const TemporaryFolder folder;
  const Tensor a = at::arange(2, at::kFloat), b = at::ones({3}, at::kByte);
  write_safetensors(folder / "1", {{"a", a}, {"b", b}});
  write_safetensors(folder / "2", {{"b", b}, {"a", a.clone()}});
  CHECK(read_file(folder / "1") == read_file(folder / "2"));
  // The reference library wrote values.safetensors; its tensors, written again, give its bytes.
  const std::filesystem::path reference = source_folder() / "tests/core/data/values.safetensors";
  std::vector<std::pair<std::string, Tensor>> tensors;
  for (const auto& [name, stored] : read_safetensors(reference)) tensors.emplace_back(name, stored.load());
  write_safetensors(folder / "3", tensors);
  CHECK(read_file(folder / "3") == read_file(reference));
}

TEST_CASE("safetensors: loads are views of the file where aligned, copies elsewhere", "[safetensors]") {
  const TemporaryFolder folder;
  const std::string data("\x00\x00\x80\x3f\x00\x00\x00\x40", 8);  // 1.0, 2.0
  for (const std::size_t padding : {0, 1, 2, 3}) {
    std::string header = kSound;
    header.resize((kSound.size() + 7) / 8 * 8 + padding, ' ');
    write_quickly(folder / "x", file_bytes(header, data));
    TensorTable table = read_safetensors(folder / "x");
    const Tensor once = table.at("a").load(), twice = table.at("a").load();
    table.clear();  // the tensors keep the mapping alive
    CHECK(once[0].item<float>() == 1.0F);
    CHECK(twice[1].item<float>() == 2.0F);
    CHECK((once.data_ptr() == twice.data_ptr()) == (padding == 0));
  }
}

TEST_CASE("safetensors: each kind of lie has its message", "[safetensors]") {
  const auto tensor = [](const std::string& dtype, const std::string& shape, const std::string& offsets) {
    return R"({"a":{"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}}";
  };
  REQUIRE(header_refusal(kSound) == "accepted");
  CHECK(refusal("") == "got 0 bytes, expected a safetensors file, which begins with an 8-byte header length");
  CHECK(refusal("not a model, just some text") ==
        "header length: got 8029109312199880558, expected at most 100000000; is this a safetensors file?");
  CHECK(refusal(std::string("\x10\0\0\0\0\0\0\0{}", 10)) ==
        "header length: got 16, expected at most 2 (the rest of the file); is the file truncated?");
  CHECK(refusal(std::string("\0\0\0\0\0\0\0\0", 8)) ==
        "header: got its end at byte 0, expected '{' as the header's first byte");
  CHECK(header_refusal(" " + kSound) == "header: got ' ' at byte 0, expected '{' as the header's first byte");
  CHECK(header_refusal(kSound + "x") ==
        "header: got 'x' at byte 54, expected nothing but spaces after the header's object");
  CHECK(header_refusal("{\"\xff\":1}") == "header: invalid UTF-8 at byte 2");
  CHECK(header_refusal(tensor("F32", "[2]", "[0,8]").substr(0, 40)) == "header: got its end at byte 40, expected '\"'");
  CHECK(header_refusal(tensor("F31", "[2]", "[0,8]"))
            .starts_with("tensor \"a\": dtype: got F31, expected one of: BOOL, U8, "));
  CHECK(header_refusal(tensor("F32", "[-2]", "[0,8]")) ==
        "header: got '-' at byte 29, expected a non-negative integer");
  CHECK(header_refusal(tensor("F32", "[2.0]", "[0,8]")) == "header: got '.' at byte 30, expected ']'");
  CHECK(header_refusal(tensor("F32", "[99999999999999999999]", "[0,8]")) ==
        "header: got '9' at byte 47, expected an integer below 2^63");
  CHECK(header_refusal(tensor("F32", "[4294967296,4294967296]", "[0,8]")) ==
        "tensor \"a\": shape [4294967296, 4294967296]: its product overflows");
  CHECK(header_refusal(tensor("F32", "[0,9223372036854775807,9223372036854775807]", "[0,0]")) ==
        "tensor \"a\": shape [0, 9223372036854775807, 9223372036854775807]: its product overflows");
  CHECK(header_refusal(tensor("F32", "[3]", "[0,8]")) ==
        "tensor \"a\": data_offsets: got [0, 8], expected 12 bytes for F32 [3]");
  CHECK(header_refusal(tensor("F32", "[2]", "[8,0]")) ==
        "tensor \"a\": data_offsets: got [8, 0], expected 8 bytes for F32 [2]");
  CHECK(header_refusal(tensor("F32", "[3]", "[0,12]")) ==
        "tensor \"a\": data_offsets: got [0, 12], expected an end within the file's 8 bytes of data; is the file "
        "truncated?");
  CHECK(header_refusal(tensor("F32", "[1]", "[0,4]")) ==
        "got 8 bytes of data, expected 4 (the end of the last tensor)");
  CHECK(header_refusal(tensor("F32", "[1]", "[4,8]")) ==
        "tensor \"a\": data_offsets: got [4, 8], expected a begin of 0; the data has a hole");
  CHECK(header_refusal(tensor("F32", "[2]", "[0]")) == "tensor \"a\": data_offsets: got 1 numbers, expected 2");
  CHECK(
      header_refusal(
          R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})") ==
      "tensor \"b\": data_offsets: got [4, 8], expected a begin of 8; the data has an overlap");
  CHECK(header_refusal(kSound.substr(0, kSound.size() - 1) + "," + kSound.substr(1)) == "header: \"a\" occurs twice");
  CHECK(header_refusal(R"({"a":{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}})") ==
        "tensor \"a\": dtype occurs twice");
  CHECK(header_refusal(R"({"a":{"dtype":"F32","shape":[2]}})") == "tensor \"a\": data_offsets is missing");
  CHECK(header_refusal(R"({"a":{"dtype":"F32","shape":[2],"offsets":[0,8]}})") ==
        "tensor \"a\": got key \"offsets\", expected dtype, shape, data_offsets");
  CHECK(header_refusal(R"({"__metadata__":{"a":1}})") == "header: got '1' at byte 21, expected '\"'");
  CHECK(header_refusal(R"({"\ud800":{}})") == "header: got '\"' at byte 8, expected a surrogate pair");
  CHECK(header_refusal(R"({"\q":{}})") == "header: got 'q' at byte 3, expected an escape sequence");
}

TEST_CASE("safetensors: any truncation and any rest is refused, any damaged byte is survived", "[safetensors]") {
  const TemporaryFolder folder;
  write_safetensors(folder / "x", {{"first", at::ones({2, 3})}, {"second", at::ones({3}, at::kHalf)}}, {{"k", "v"}});
  const std::string bytes = read_file(folder / "x");
  CHECK(damage_everywhere(bytes, "x.safetensors") == 0);
  CHECK(refusal(bytes + "x") == "got 31 bytes of data, expected 30 (the end of the last tensor)");
}

TEST_CASE("safetensors: a header of a hundred thousand names takes linear time", "[safetensors]") {
  std::string header = "{";
  for (int i = 0; i < 100'000; ++i) {
    if (i > 0) header += ',';
    header.append("\"").append(std::to_string(i)).append(R"(":{"dtype":"U8","shape":[0],"data_offsets":[0,0]})");
  }
  CHECK(refusal(file_bytes(header + "}", "")) == "accepted");
}

TEST_CASE("safetensors: escapes in names are read", "[safetensors]") {
  const TemporaryFolder folder;
  const std::string header = R"({"\u732b \ud83d\ude00 \"\\\/\n":{"dtype":"U8","shape":[],"data_offsets":[0,1]}})";
  write_quickly(folder / "x", file_bytes(header, "x"));
  CHECK(read_safetensors(folder / "x").begin()->first == "\xe7\x8c\xab \xf0\x9f\x98\x80 \"\\/\n");
}

TEST_CASE("safetensors: what cannot be written is refused before anything is", "[safetensors]") {
  const TemporaryFolder folder;
  const auto file = folder / "x";
  const Tensor one = at::ones({1});
  CHECK_THROWS_WITH(write_safetensors(file, {{"a", one}, {"a", one}}), "write_safetensors: tensor \"a\": occurs twice");
  CHECK_THROWS_WITH(write_safetensors(file, {{"a", Tensor()}}), "write_safetensors: tensor \"a\": is undefined");
  CHECK_THROWS_AS(write_safetensors(file, {{"\xff", one}}), InputError);
  CHECK_THROWS_AS(write_safetensors(file, {{"__metadata__", one}}), InputError);
  CHECK_THROWS_AS(write_safetensors(file, {{"a", one.to(at::kComplexDouble)}}), InputError);
  CHECK_THROWS_AS(write_safetensors(file, {{"a", one}}, {{"k", "\xff"}}), InputError);
  CHECK_FALSE(std::filesystem::exists(file));
  CHECK_THROWS_AS(write_safetensors(folder / "no/x", {{"a", one}}), WriteError);
}

TEST_CASE("quantize_rows: half a step is the largest error, zero rows stay zero", "[safetensors]") {
  const auto scale_dtype = GENERATE(at::kFloat, at::kHalf);
  const Tensor tensor = at::sin(at::arange(5 * 2 * 7, at::kFloat)).reshape({5, 2, 7}) *
                        at::pow(10.0, at::arange(5, at::kFloat) - 3).reshape({5, 1, 1});
  tensor[2].zero_();
  const QuantizedRows rows = quantize_rows(tensor, scale_dtype);
  CHECK(rows.values.scalar_type() == at::kChar);
  CHECK(rows.values.sizes() == tensor.sizes());
  CHECK(rows.scale.scalar_type() == scale_dtype);
  CHECK(rows.scale.sizes() == at::IntArrayRef{5});
  CHECK(at::equal(rows.values[2], at::zeros({2, 7}, at::kChar)));
  const Tensor scale = rows.scale.to(at::kFloat).reshape({5, 1, 1});
  // A scale rounded down to half precision clips the largest value by up to 127 * 2^-11 steps.
  CHECK(((rows.values.to(at::kFloat) * scale - tensor).abs() <= scale * 0.51).all().item<bool>());
  CHECK(rows.values.abs().amax({1, 2}).to(at::kInt)[0].item<int>() == 127);
}

TEST_CASE("quantize_rows: refuses what it cannot represent", "[safetensors]") {
  CHECK_THROWS_WITH(quantize_rows(at::ones({3})), "quantize_rows: got [3], expected floating point of rank >= 2");
  CHECK_THROWS_AS(quantize_rows(at::ones({3, 3}, at::kInt)), InputError);
  CHECK_THROWS_AS(quantize_rows(at::full({2, 2}, std::numeric_limits<double>::quiet_NaN())), InputError);
  CHECK_THROWS_AS(quantize_rows(at::full({2, 2}, 1e8), at::kHalf), InputError);
  CHECK(quantize_rows(at::ones({0, 3})).scale.numel() == 0);
}
