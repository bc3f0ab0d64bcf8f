#include "apps/tokenizer_train.h"

#include <fstream>
#include <sstream>

#include "core/files.h"
#include "core/json.h"
#include "tests/catch.h"
#include "text/tokenizer.h"
#include "text/unicode.h"

using namespace limn;
namespace fs = std::filesystem;

namespace {

struct Scratch {
  fs::path path = fs::temp_directory_path() / ("limn-tokenizer-" + std::to_string(std::rand()));
  Scratch() { fs::create_directories(path); }
  ~Scratch() { fs::remove_all(path); }
};

void write(const fs::path& file, const std::string& text) { std::ofstream(file) << text; }

/// Caption lines with enough words for some pieces.
std::string caption_lines() {
  const char* who[] = {"dog", "child", "woman in a red dress", "man", "cat!"};
  const char* what[] = {"runs on the beach", "jumps over a fence", "sits in the grass", "plays with a ball"};
  const char* zh_who[] = {"一只狗", "小孩", "穿红裙子的女人", "男人", "猫"};
  const char* zh_what[] = {"在沙滩上跑。", "跳过围栏。", "坐在草地上。", "玩球。"};
  std::string lines;
  for (int i = 0; i < 5; ++i)
    for (int j = 0; j < 4; ++j)
      lines += std::string(R"({"image": "x.jpg", "captions": {"en": ["A )") + who[i] + " " + what[j] +
               R"("], "zh": [")" + zh_who[i] + zh_what[j] + "\"]}}\n";
  return lines;
}

}  // namespace

TEST_CASE("tokenizer train: same input, same files; ideographs stand alone; language symbols", "[tokenizer]") {
  const Scratch scratch;
  write(scratch.path / "train.jsonl", caption_lines());
  const auto model = GENERATE(SentencePieceModel::unigram, SentencePieceModel::bpe);
  std::ostringstream out;
  for (const char* name : {"a", "b"}) {
    TokenizerTrainOptions options;
    options.inputs = {scratch.path / "train.jsonl"};
    options.out = scratch.path / name;
    options.vocabulary = 120;
    options.model = model;
    options.lower = true;
    options.json = true;
    REQUIRE(tokenizer_train(options, out) == 0);
  }
  CHECK(read_file(scratch.path / "a" / "tokenizer.model") == read_file(scratch.path / "b" / "tokenizer.model"));

  const Tokenizer tokenizer = open_tokenizer(scratch.path / "a");
  for (std::int64_t id = 0; id < tokenizer.size(); ++id) {
    const std::u32string piece = utf32(tokenizer.piece(id));
    CAPTURE(tokenizer.piece(id));
    if (std::any_of(piece.begin(), piece.end(), is_ideograph)) CHECK(piece.size() == 1);
  }
  CHECK(tokenizer.special.pad == 0);
  CHECK(tokenizer.special.unknown == 1);
  CHECK(tokenizer.special.begin == 2);
  CHECK(tokenizer.special.end == 3);
  CHECK(tokenizer.id("<en>") == 4);
  CHECK(tokenizer.id("<zh>") == 5);

  const auto zh = tokenizer.encode("<zh>一只狗。");
  CHECK(zh.size() == 7);  // <s> <zh> 一 只 狗 。 </s>: no lone space in front
  CHECK(tokenizer.decode(zh) == "一只狗。");
  CHECK(tokenizer.decode(zh, false) == "<s><zh>一只狗。</s>");
  CHECK(tokenizer.decode(tokenizer.encode("<en>A Dog jumps over 一只狗 cat!")) == "a dog jumps over 一只狗 cat!");
  CHECK(tokenizer.encode("dog", {.max_length = 6, .pad_to = 6}).back() == 0);
}

TEST_CASE("tokenizer train: text files, Chinese alone, refusals", "[tokenizer]") {
  const Scratch scratch;
  write(scratch.path / "zh.txt", "一只狗\n两只猫\n\n");
  std::ostringstream out;
  TokenizerTrainOptions options;
  options.inputs = {scratch.path / "zh.txt"};
  options.out = scratch.path / "zh";
  options.vocabulary = 50;
  REQUIRE(tokenizer_train(options, out) == 0);
  const Tokenizer tokenizer = open_tokenizer(scratch.path / "zh");
  CHECK(tokenizer.decode(tokenizer.encode("两只狗")) == "两只狗");
  CHECK_THAT(out.str(), ContainsSubstring("0.000 % unknown"));

  options.vocabulary = 6;
  CHECK_THROWS_WITH(tokenizer_train(options, out),
                    "tokenizer: vocabulary: got 6, expected more than 9, the single characters that cover 0.9995 of "
                    "the text; lower the coverage or raise the vocabulary");
  options.vocabulary = 50;
  options.coverage = 2;
  CHECK_THROWS_WITH(tokenizer_train(options, out), ContainsSubstring("coverage: got 2"));
  write(scratch.path / "empty.txt", " \n\n");
  options.inputs = {scratch.path / "empty.txt"};
  options.coverage = 1;
  CHECK_THROWS_WITH(tokenizer_train(options, out), "tokenizer: there is no text to learn from");
  write(scratch.path / "bad.jsonl", "{\"captions\": [\"a\"]}\n{\"image\": \"x\"}\n");
  options.inputs = {scratch.path / "bad.jsonl"};
  CHECK_THROWS_WITH(tokenizer_train(options, out), ContainsSubstring("bad.jsonl:2"));
  write(scratch.path / "en.jsonl", "{\"captions\": {\"en\": [\"a\"]}}\n");
  options.inputs = {scratch.path / "en.jsonl"};
  options.languages = {"zh"};
  CHECK_THROWS_WITH(tokenizer_train(options, out),
                    ContainsSubstring("got \"zh\", of which the inputs have no caption"));
}
