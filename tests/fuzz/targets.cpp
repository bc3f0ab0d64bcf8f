#include "tests/fuzz/targets.h"

#include <fstream>
#include <iostream>
#include <sstream>

#include "apps/evaluate/ptb_tokenizer.h"
#include "apps/train/config.h"
#include "apps/train/data.h"
#include "core/ops.h"
#include "core/safetensors.h"
#include "core/safetensors_header.h"
#include "core/torch_file.h"
#include "core/torch_tensors.h"
#include "fusion/model.h"
#include "fusion/normalise.h"
#include "tests/places.h"
#include "tests/temporary.h"
#include "text/tokenizer.h"
#include "vision/image.h"
#include "vision/lettering.h"
#include "vision/preprocess.h"

namespace limn::fuzz {

namespace {

namespace fs = std::filesystem;

template <typename Read>
void attempt(const Read& read) {
  try {
    read();
  } catch (const InputError&) {
  } catch (const CheckpointError&) {
  }
}

// A folder of this process for readers that want files.
const fs::path& scratch() {
  static const TemporaryFolder folder;
  return folder.path;
}

fs::path file_of(const char* name, std::string_view bytes) {
  fs::path file = scratch() / name;
  std::ofstream(file, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  return file;
}

void load(const TensorTable& table) {
  for (const auto& [name, stored] : table) {
    attempt([&, &stored = stored] {
      const std::int64_t size = byte_count(stored.shape, static_cast<std::int64_t>(c10::elementSize(stored.dtype)));
      if (size >= 0 && size < 1'000'000) static_cast<void>(stored.load().clone());
    });
  }
}

void safetensors(std::string_view bytes) {
  attempt([&] { parse_safetensors_header(bytes, "header"); });
  attempt([&] { load(read_safetensors(file_of("model.safetensors", bytes))); });
}

void torch_file(std::string_view bytes) {
  attempt([&] { read_pickle(bytes, "pickle", admitted_in_checkpoint); });
  attempt([&] { load(read_torch_file(file_of("model.bin", bytes))); });
}

// Every reader of a model folder's JSON on the same text, beside a checkpoint that fits none.
void config(std::string_view bytes) {
  static const fs::path folder = [] {
    fs::create_directories(scratch() / "model");
    write_safetensors(scratch() / "model" / "model.safetensors", {{"some.weight", at::ones({2, 3})}});
    return scratch() / "model";
  }();
  file_of("model/config.json", bytes);
  attempt([&] { open_model(folder); });
  attempt([&] {
    const Json json = Json::parse(bytes, "preprocessor_config.json");
    attempt([&] { read_open_clip_preprocess(json); });
    for (const char* otherwise : {"", "BlipImageProcessor", "CLIPImageProcessor"}) {
      attempt([&] {
        const Preprocess preprocess = read_preprocess(json, otherwise);
        const Image image{.width = 7, .height = 5, .pixels = at::zeros({5, 7, 3}, at::kByte)};
        const auto size = preprocess.output_size();
        const auto resized = preprocess.resized_size(image.height, image.width);
        if (size && (*size)[0] < 300 && (*size)[1] < 300 && resized[0] < 300 && resized[1] < 300)
          preprocess.normalise(preprocess(image).unsqueeze(0));
      });
    }
  });
}

// One input is a whole folder: "=== name", a line's end, the file's content, and so on.
void write_folder(const fs::path& folder, std::string_view bytes) {
  constexpr const char* names[] = {"tokenizer.json",
                                   "vocab.txt",
                                   "vocab.json",
                                   "merges.txt",
                                   "tokenizer.model",
                                   "spiece.model",
                                   "tokenizer_config.json",
                                   "added_tokens.json",
                                   "special_tokens_map.json",
                                   "config.json",
                                   "open_clip_config.json"};
  fs::create_directories(folder);
  for (const char* name : names) fs::remove(folder / name);
  constexpr std::string_view mark = "=== ";
  for (std::size_t at = bytes.starts_with(mark) ? 0 : bytes.size(); at < bytes.size();) {
    const std::size_t line = std::min(bytes.find('\n', at), bytes.size() - 1);
    const std::string_view name = bytes.substr(at + mark.size(), line - std::min(line, at + mark.size()));
    const std::size_t next = bytes.find("\n=== ", line);
    const std::string_view content = bytes.substr(line + 1, next == bytes.npos ? next : next - line - 1);
    for (const char* known : names)
      if (name == known) std::ofstream(folder / known, std::ios::binary) << content;
    at = next == bytes.npos ? bytes.size() : next + 1;
  }
}

void use(const Tokenizer& tokenizer, std::string_view text) {
  const auto ids = tokenizer.encode(text, {.special = true, .max_length = 64});
  for (const std::int64_t id : ids) {
    if (id < 0 || id >= tokenizer.size()) throw Error("an id outside the vocabulary: " + std::to_string(id));
    static_cast<void>(tokenizer.piece(id));
  }
  tokenizer.decode(ids);
  tokenizer.decode(ids, false);
  const std::vector<std::int64_t> spread{0, 1, tokenizer.size() / 2, tokenizer.size() - 1};
  if (tokenizer.size() > 1) tokenizer.decode(spread, false);
}

void tokenizer_files(std::string_view bytes) {
  const fs::path folder = scratch() / "tokenizer";
  write_folder(folder, bytes);
  const auto both = [](const Tokenizer& tokenizer) {
    attempt([&] { use(tokenizer, "A dog's  two 12 \u72d7 caf\u00e9 \U0001F600<s></s>\n"); });
  };
  attempt([&] { both(open_tokenizer(folder)); });
  if (fs::exists(folder / "merges.txt")) attempt([&] { both(open_clip_tokenizer(folder)); });
  if (fs::exists(folder / "tokenizer.model")) attempt([&] { both(open_sentencepiece(folder / "tokenizer.model")); });
}

// Every tokenizer of the seeds, made once.
const std::vector<Tokenizer>& tokenizers() {
  static const std::vector<Tokenizer> all = [] {
    std::vector<Tokenizer> opened;
    for (const auto& seed : fs::directory_iterator(source_folder() / "tests/fuzz/corpus/tokenizer_files")) {
      const std::string bytes = read_file(seed.path());
      write_folder(scratch() / "seed", bytes);
      attempt([&] { opened.push_back(open_tokenizer(scratch() / "seed")); });
    }
    if (opened.size() < 5) throw Error("tests/fuzz/corpus/tokenizer_files: fewer than five tokenizers open");
    return opened;
  }();
  return all;
}

void text(std::string_view bytes) {
  for (const Tokenizer& tokenizer : tokenizers()) use(tokenizer, bytes);
  joined_caption(plain_caption(bytes));
  ptb_tokenize(bytes);
  cjk_tokenize(bytes);
  static const Lettering lettering(10);
  if (bytes.size() > 400) return;
  static Tensor canvas = at::zeros({16, 60, 3}, at::kByte);
  for (const std::string& line : lettering.wrap(bytes, 60)) lettering.draw(canvas, line, 1, 1);
  lettering.draw(canvas, bytes, 1, 1);
}

void pictures(std::string_view bytes) {
  const std::span file(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  std::ostringstream printed;  // by OpenCV: the library must not print
  std::streambuf* const before = std::cerr.rdbuf(printed.rdbuf());
  attempt([&] { decode(file, "picture", {.max_pixels = 1 << 18}); });
  attempt([&] { decode(file, "picture", {.orientation = false, .alpha = Alpha::over_white, .max_pixels = 1 << 18}); });
  std::cerr.rdbuf(before);
  // OpenCV lets damaged JPEG 2000 data say so itself; nothing short of another decoder stops it.
  if (!printed.str().empty() && printed.str().find("OpenJPEG2000") == std::string::npos)
    throw Error("printed: " + printed.str());
}

void data(std::string_view bytes) {
  attempt([&] { read_train_config(file_of("train.toml", bytes)); });
  attempt([&] { read_captions(file_of("captions.jsonl", bytes)); });
  attempt([&] { read_captions(file_of("captions.json", bytes)); });
}

constexpr Target kTargets[] = {{"safetensors", safetensors},
                               {"torch_file", torch_file},
                               {"config", config},
                               {"tokenizer_files", tokenizer_files},
                               {"text", text},
                               {"pictures", pictures},
                               {"data", data}};

}  // namespace

std::span<const Target> targets() { return kTargets; }

}  // namespace limn::fuzz
