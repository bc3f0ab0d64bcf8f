#include "core/checkpoint.h"

#include "core/safetensors.h"
#include "tests/catch.h"
#include "tests/damage.h"
#include "tests/places.h"

using namespace limn;
namespace fs = std::filesystem;

namespace {

const fs::path kData = source_folder() / "tests/core/data";

std::string refusal(const fs::path& folder) {
  try {
    read_weights(folder);
  } catch (const CheckpointError& error) {
    return error.what();
  }
  return "accepted";
}

}  // namespace

TEST_CASE("checkpoint: every usual file name is found, in a fixed order", "[checkpoint]") {
  const TemporaryFolder folder;
  const std::string base = folder.path.string();
  const std::string names =
      "model.safetensors, model.safetensors.index.json, open_clip_model.safetensors, pytorch_model.bin, "
      "pytorch_model.bin.index.json, open_clip_pytorch_model.bin";
  CHECK(refusal(folder.path) == base + ": holds no weights, expected one of: " + names);
  CHECK(refusal(folder / "absent") == base + "/absent: is not a folder, expected one of: " + names);
  const auto rank = [&] { return read_weights(folder.path).begin()->first; };
  fs::copy(kData / "nested-zip.pt", folder / "open_clip_pytorch_model.bin");
  CHECK(rank() == "decoder.0");
  fs::copy(kData / "lone-zip.pt", folder / "pytorch_model.bin");
  CHECK(rank() == "tensor");
  write_safetensors(folder / "open_clip_model.safetensors", {{"open", at::ones({1})}});
  CHECK(rank() == "open");
  write_safetensors(folder / "model.safetensors", {{"plain", at::ones({1})}});
  CHECK(rank() == "plain");
  CHECK(read_weights(folder / "pytorch_model.bin").begin()->first == "tensor");
}

TEST_CASE("checkpoint: formats are told by content, not by name", "[checkpoint]") {
  const TemporaryFolder folder;
  fs::copy(kData / "values-zip.pt", folder / "a.safetensors");
  fs::copy(kData / "values-legacy.pth.tar", folder / "b.safetensors");
  fs::copy(kData / "values.safetensors", folder / "c.bin");
  const std::size_t count = read_tensor_file(kData / "values.safetensors").size();
  for (const char* name : {"a.safetensors", "b.safetensors", "c.bin"})
    CHECK(read_tensor_file(folder / name).size() == count);
  // Header lengths whose bytes look like a pickle's or an archive's beginning.
  for (const std::size_t length : {0x80, 0x0480, 0x4B50}) {
    std::string header = R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})";
    header.resize(length, ' ');
    write_quickly(
        folder / "d.bin",
        std::string{static_cast<char>(length & 0xFF), static_cast<char>(length >> 8), 0, 0, 0, 0, 0, 0} + header + "x");
    CHECK(read_tensor_file(folder / "d.bin").contains("a"));
  }
}

TEST_CASE("checkpoint: files that are no weights are named for what they are", "[checkpoint]") {
  const TemporaryFolder folder;
  const auto says = [&](const std::string& name, const std::string& bytes, const std::string& message) {
    write_quickly(folder / name, bytes);
    CHECK_THROWS_WITH(read_tensor_file(folder / name), (folder / name).string() + message);
    CHECK_THROWS_AS(read_tensor_file(folder / name), CheckpointError);
  };
  says("model.safetensors", "", ": is empty, expected weights");
  says("model.bin", "<!doctype html>", ": is neither a safetensors file nor what torch.save writes");
  says("model.safetensors", "version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
       ": is a Git LFS pointer, not the weights; fetch them with `git lfs pull`");
  says("model.safetensors", "<!doctype html>",
       ": header length: got 8104636974849335612, expected at most 100000000; is this a safetensors file?");
  CHECK_THROWS_WITH(read_tensor_file(folder.path), folder.path.string() + ": is a folder, expected a file");
  CHECK_THROWS_AS(read_tensor_file(folder / "absent"), CheckpointError);
}

TEST_CASE("checkpoint: shards are joined by their index", "[checkpoint]") {
  const TemporaryFolder folder;
  write_safetensors(folder / "model-1.safetensors",
                    {{"a", at::ones({2})}, {"copy", at::zeros({1})}, {"extra", at::ones({1})}});
  fs::copy(kData / "lone-zip.pt", folder / "model-2.bin");
  write_safetensors(folder / "model-3.safetensors", {{"copy", at::ones({1})}});
  const fs::path index = folder / "model.safetensors.index.json";
  write_file(index,
             R"({"metadata": {"total_size": 1}, "weight_map": {"a": "model-1.safetensors", "tensor": "model-2.bin",
                      "copy": "model-3.safetensors"}})");
  const TensorTable table = read_weights(folder.path);
  CHECK(table.size() == 4);
  CHECK(table.at("copy").load()[0].item<float>() == 1.0F);
  CHECK(table.at("a").file.filename() == "model-1.safetensors");
}

TEST_CASE("checkpoint: an index that lies is refused", "[checkpoint]") {
  const TemporaryFolder folder;
  const fs::path index = folder / "model.safetensors.index.json";
  write_safetensors(folder / "s", {{"a", at::ones({2})}});
  const auto says = [&](const std::string& text, const std::string& message) {
    write_quickly(index, text);
    CHECK(refusal(folder.path) == index.string() + message);
  };
  says(R"({"weight_map": {"a": "s", "b": "s", "c": "s"}})",
       ": tensors that their shards do not hold:\n  b in s\n  c in s");
  says(R"({"weight_map": {"a": "s", "b": "t", "c": "u"}})", ": these shards are missing in its folder: t, u");
  says(R"({"weight_map": {"a": "../s"}})",
       ": weight_map.a: got \"../s\", expected the name of a file in the same folder");
  says(R"({"weight_map": {"a": "/etc/passwd"}})",
       ": weight_map.a: got \"/etc/passwd\", expected the name of a file in the same folder");
  says(R"({"weight_map": {"a": 1}})", ": weight_map.a: got 1, expected a text");
  says(R"({"weight_map": []})", ": weight_map: got [], expected an object");
  says(R"({})", ": weight_map: is missing");
  write_quickly(index, "{");
  CHECK_THAT(refusal(folder.path), ContainsSubstring("not valid JSON"));
}

TEST_CASE("checkpoint: int8 rows beside their scale become fp32", "[checkpoint]") {
  const TemporaryFolder folder;
  const Tensor conv = at::sin(at::arange(4 * 3 * 2 * 2, at::kFloat)).reshape({4, 3, 2, 2}),
               linear = conv.reshape({4, 12});
  const QuantizedRows full = quantize_rows(conv), half = quantize_rows(linear, at::kHalf);
  write_safetensors(folder / "model.safetensors", {{"conv.weight", full.values},
                                                   {"conv.weight.scale", full.scale},
                                                   {"linear.weight", half.values},
                                                   {"linear.weight.scale", half.scale},
                                                   {"other.scale", at::ones({2})},
                                                   {"bytes", at::ones({2}, at::kChar)}});
  const TensorTable table = read_weights(folder.path);
  REQUIRE(table.size() == 4);
  CHECK(table.at("bytes").dtype == at::kChar);
  CHECK(table.at("other.scale").dtype == at::kFloat);
  for (const auto& [name, original] : {std::pair{"conv.weight", conv}, {"linear.weight", linear}}) {
    CAPTURE(name);
    CHECK(table.at(name).dtype == at::kFloat);
    CHECK(at::IntArrayRef(table.at(name).shape) == original.sizes());
    const Tensor loaded = table.at(name).load();
    CHECK(loaded.scalar_type() == at::kFloat);
    CHECK(at::allclose(loaded, original, 0, 0.51 / 127));
  }
  CHECK(at::equal(table.at("conv.weight").load(), full.values.to(at::kFloat) * full.scale.reshape({4, 1, 1, 1})));
  CHECK(read_tensor_file(folder / "model.safetensors").size() == 6);  // as stored
}

TEST_CASE("checkpoint: a scale that does not fit its rows is refused", "[checkpoint]") {
  const TemporaryFolder folder;
  const fs::path file = folder / "model.safetensors";
  const Tensor values = at::ones({3, 2}, at::kChar);
  const auto says = [&](const Tensor& scale, const std::string& got) {
    write_safetensors(file, {{"w", values}, {"w.scale", scale}});
    CHECK(refusal(folder.path) == file.string() + ": tensor \"w.scale\": got " + got +
                                      ", expected fp32 or fp16 of one number per row of \"w\" [3, 2]");
  };
  says(at::ones({2}), "Float [2]");
  says(at::ones({3, 1}), "Float [3, 1]");
  says(at::ones({3}, at::kDouble), "Double [3]");
}
