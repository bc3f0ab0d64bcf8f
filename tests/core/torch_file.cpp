#include "core/torch_file.h"

#include <chrono>

#include "core/safetensors.h"
#include "tests/catch.h"
#include "tests/damage.h"
#include "tests/places.h"

using namespace limn;
using namespace std::string_literals;

namespace {

const std::filesystem::path kData = source_folder() / "tests/core/data";

std::string refusal(const std::filesystem::path& file) {
  try {
    read_tensor_file(file);
  } catch (const CheckpointError& error) {
    const std::string message = error.what(), where = file.string() + ": ";
    return message.starts_with(where) ? message.substr(where.size()) : "does not begin with the file: " + message;
  }
  return "accepted";
}

std::string refusal_of_bytes(const std::string& bytes) {
  const TemporaryFolder folder;
  write_quickly(folder / "x.pt", bytes);
  return refusal(folder / "x.pt");
}

std::string times(std::size_t count, const std::string& text) {
  std::string result;
  for (std::size_t i = 0; i < count; ++i) result += text;
  return result;
}

/// An older container whose object is this pickle (without protocol mark and STOP), followed by `rest`.
std::string legacy(const std::string& object, const std::string& rest = "\x80\x02]."s) {
  return "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."s + "\x80\x02M\xe9\x03."s + "\x80\x02}."s +
         "\x80\x02" + object + "." + rest;
}

/// A persistent reference to a float storage "k" of `count` elements.
std::string storage(const std::string& count) {
  return "(U\x07storagectorch\nFloatStorage\nU\x01kU\x03"
         "cpu" +
         count + "NtQ";
}

/// {"w": _rebuild_tensor_v2(storage, offset, size, stride, False, OrderedDict())}
std::string rebuilt(const std::string& count, const std::string& offset, const std::string& size,
                    const std::string& stride) {
  return "}U\x01wctorch._utils\n_rebuild_tensor_v2\n("s + storage(count) + offset + size + stride + "\x89"s +
         "ccollections\nOrderedDict\n)RtRs";
}

/// The storage list and storage "k" of `count` floats 0, 0, ...
std::string one_storage(std::uint8_t count) {
  return "\x80\x02]U\x01ka."s + static_cast<char>(count) + std::string(7 + 4 * std::size_t{count}, '\0');
}

}  // namespace

TEST_CASE("torch_file: every container gives what torch.load gives", "[torch_file]") {
  const auto [name, expected] = GENERATE(table<std::string, std::string>({
      {"values-zip.pt", "values"},
      {"values-zip-protocol5.bin", "values"},
      {"values-zip-deflated.pth", "values"},
      {"values-zip64.pt", "values"},
      {"values-legacy.pth.tar", "values"},
      {"values-legacy-protocol4.pth", "values"},
      {"net-zip.pt", "net"},
      {"net-training-zip.pt", "net"},
      {"net-training-legacy.pt", "net"},
      {"nested-zip.pt", "nested"},
      {"lone-zip.pt", "lone"},
  }));
  CAPTURE(name);
  const TensorTable got = read_tensor_file(kData / name),
                    wanted = read_safetensors(kData / (expected + ".safetensors"));
  CHECK(got.size() == wanted.size());
  for (const auto& [key, stored] : wanted) {
    CAPTURE(key);
    REQUIRE(got.contains(key));
    CHECK(got.at(key).shape == stored.shape);
    CHECK(got.at(key).dtype == stored.dtype);
    const Tensor tensor = got.at(key).load();
    CHECK(tensor.sizes() == at::IntArrayRef(stored.shape));
    REQUIRE(tensor.scalar_type() == stored.dtype);
    const auto wide = stored.dtype == at::kComplexFloat ? at::kComplexDouble : at::kDouble;
    CHECK(at::equal(tensor.to(wide), stored.load().to(wide)));
  }
}

TEST_CASE("torch_file: strides are kept and storages shared as saved", "[torch_file]") {
  TensorTable table = read_tensor_file(kData / "values-zip.pt");
  CHECK(table.at("transposed").load().strides() == at::IntArrayRef{1, 4, 12});
  CHECK(table.at("expanded").load().strides() == at::IntArrayRef{1, 0});
  CHECK(table.at("transposed").load().data_ptr() == table.at("every.other").load().const_data_ptr<float>() - 1);
  const Tensor tensor = table.at("row").load();
  table.clear();  // the tensor keeps the mapping alive
  CHECK(tensor[0].item<float>() == 15.0F);
}

TEST_CASE("torch_file: nothing but tensors is read, and the refusal says what was there", "[torch_file]") {
  CHECK(refusal(kData / "danger-zip.pt") == "pickle, byte 169: \"posix.system\" refused: only tensors are read");
  CHECK(refusal(kData / "danger-legacy.pt") == "pickle, byte 183: \"posix.system\" refused: only tensors are read");
  CHECK(refusal(kData / "danger-plain.pkl") == "pickle, byte 2: \"posix.system\" refused: only tensors are read");
  CHECK(refusal(kData / "module-zip.pt") ==
        "pickle, byte 2: \"torch.nn.modules.container.Sequential\" refused: only tensors are read");
  CHECK(refusal(kData / "numpy-scalar-zip.pt") ==
        "pickle, byte 172: \"numpy._core.multiarray.scalar\" refused: only tensors are read");
  CHECK(refusal(kData / "sparse-zip.pt") ==
        "pickle, byte 13: \"torch._utils._rebuild_sparse_tensor\" refused: only tensors are read");
  CHECK(refusal(kData / "conjugate-zip.pt") ==
        "tensor \"w\": is lazily conjugated or negated; save it after resolve_conj() and resolve_neg()");
  CHECK(refusal(kData / "big-endian-zip.pt") == "byteorder: got \"big\", expected \"little\"");
  CHECK(refusal(kData / "no-tensors-zip.pt") == "holds no tensors");
  CHECK(refusal_of_bytes("\x80\x02K\x01.") == "is a pickle, expected what torch.save writes");
  CHECK(refusal_of_bytes("\x80\x01.") == "pickle, byte 0: got protocol 1, expected 2 to 5");
  CHECK(refusal_of_bytes(std::string("PK\x05\x06", 4) + std::string(18, '\0')) ==
        "is a zip archive without data.pkl, expected what torch.save writes");
  for (const std::string op : {"\x81", "\x92", "i", "o", "\x82", "\x97", "\x8f", "I", "S", "V", "P"})
    CHECK_THAT(refusal_of_bytes("\x80\x02]]" + op + "."), ContainsSubstring("refused: only tensors are read"));
}

TEST_CASE("torch_file: strings of Python 2 and OrderedDicts of pairs are read", "[torch_file]") {
  const TemporaryFolder folder;
  const std::string tensor = "ctorch._utils\n_rebuild_tensor\n("s + storage("K\x02") + "K\0K\x02\x85K\x01\x85tR"s;
  const std::string pairs = "ccollections\nOrderedDict\n]]U\x01wa"s + tensor + "aa\x85R";
  write_quickly(folder / "x", legacy(pairs, one_storage(2)));
  const TensorTable table = read_tensor_file(folder / "x");
  REQUIRE(table.size() == 1);
  CHECK(at::equal(table.at("w").load(), at::zeros({2})));
}

TEST_CASE("torch_file: windows that leave their storage are refused", "[torch_file]") {
  const std::string zero = "K\0"s, two = "K\x02", three = "K\x03";
  const auto object = [&](const std::string& count, const std::string& offset, const std::string& size,
                          const std::string& stride) {
    return refusal_of_bytes(legacy(rebuilt(count, offset, size, stride), one_storage(2)));
  };
  REQUIRE(object(two, zero, two + "\x85", "K\x01\x85") == "accepted");
  const std::string where = "tensor \"w\": ";
  CHECK(object(two, zero, three + "\x85", "K\x01\x85") ==
        where + "shape [3], strides [1], offset 0: reaches beyond its storage of 2 elements");
  CHECK(object(two, "K\x01", two + "\x85", "K\x01\x85") ==
        where + "shape [2], strides [1], offset 1: reaches beyond its storage of 2 elements");
  CHECK(object(two, zero, two + "\x85", two + "\x85") ==
        where + "shape [2], strides [2], offset 0: reaches beyond its storage of 2 elements");
  CHECK(object(two, "J\xff\xff\xff\xff", two + "\x85", "K\x01\x85") ==
        where + "storage offset: expected a non-negative integer");
  CHECK(object(two, zero, "J\xff\xff\xff\xff\x85", "K\x01\x85") ==
        where + "sizes or strides: expected non-negative integers");
  CHECK(object(two, zero, two + two + "\x86", "K\x01\x85") == where + "got 1 strides for shape [2, 2]");
  const std::string huge = "\x8a\x08\0\0\0\0\0\0\0\x40"s;
  CHECK(object(two, zero, huge + huge + "\x86", zero + zero + "\x86") ==
        where + "shape [4611686018427387904, 4611686018427387904]: its product overflows");
  CHECK_THAT(object(two, zero, two + "\x85", huge + "\x85"), ContainsSubstring("reaches beyond its storage"));
  CHECK_THAT(object(two, huge, two + "\x85", huge + "\x85"), ContainsSubstring("reaches beyond its storage"));
  CHECK_THAT(object(huge, zero, two + "\x85", "K\x01\x85"), ContainsSubstring("expected a number of elements"));
  CHECK_THAT(object(three, zero, two + "\x85", "K\x01\x85"),
             ContainsSubstring("storage \"k\": got 8 bytes, expected 12"));
  CHECK_THAT(refusal_of_bytes(legacy(rebuilt(two, zero, two + "\x85", "K\x01\x85"), one_storage(2).substr(0, 18))),
             ContainsSubstring("is the file truncated?"));
  CHECK_THAT(refusal_of_bytes(legacy(rebuilt(two, zero, two + "\x85", "K\x01\x85"))),
             ContainsSubstring("storage \"k\" is missing"));
}

TEST_CASE("torch_file: a small hostile file stays small and quick", "[torch_file]") {
  const auto started = std::chrono::steady_clock::now();
  // Lists in lists, a list that holds itself, thirty doublings, a dict copied again and again, endless values.
  CHECK_THAT(refusal_of_bytes(legacy(times(100'000, "]") + times(99'999, "a"))),
             ContainsSubstring("nested deeper than 32"));
  CHECK_THAT(refusal_of_bytes(legacy("]q\0h\0a"s)), ContainsSubstring("nested deeper than 32"));
  CHECK_THAT(refusal_of_bytes(legacy("]"s.append(times(30, "2\x86")))),
             ContainsSubstring("holds more than 2000000 values"));
  CHECK_THAT(refusal_of_bytes(legacy("("s.append(times(2'100'000, "N")) + "t")),
             ContainsSubstring("holds more than 2000000 values"));
  CHECK_THAT(refusal_of_bytes(legacy("N"s.append(times(2'100'000, "\x94")))),
             ContainsSubstring("holds more than 2000000 values"));
  const std::string copies = times(3000, "ccollections\nOrderedDict\nh\0\x85R0"s);
  CHECK_THAT(refusal_of_bytes(legacy("}(" + times(1000, "NN") + "uq\0"s + copies)),
             ContainsSubstring("holds more than 2000000 values"));
  CHECK(refusal_of_bytes(legacy("R")) == "pickle, byte 2: takes a value from an empty stack");
  CHECK_THAT(refusal_of_bytes(legacy("(t(t")), ContainsSubstring("got 2 values at the end, expected 1"));
  CHECK_THAT(refusal_of_bytes(legacy("e")), ContainsSubstring("looks for a mark that is not there"));
  CHECK_THAT(refusal_of_bytes(legacy("h\x07")), ContainsSubstring("recalls value 7, which was never remembered"));
  CHECK_THAT(refusal_of_bytes(legacy("NN"
                                     "a")),
             ContainsSubstring("fills something that is not a list"));
  CHECK(std::chrono::steady_clock::now() - started < std::chrono::seconds(10));
}

TEST_CASE("torch_file: any truncation is refused, any damaged byte is survived", "[torch_file]") {
  const auto [name, step] = GENERATE(table<std::string, std::size_t>({{"danger-legacy.pt", 1},
                                                                      {"net-training-legacy.pt", 1},
                                                                      {"nested-zip.pt", 1},
                                                                      {"values-zip-deflated.pth", 5},
                                                                      {"values-zip64.pt", 7}}));
  CAPTURE(name);
  CHECK(damage_everywhere(read_file(kData / name), "x.pt", step) == 0);
}
