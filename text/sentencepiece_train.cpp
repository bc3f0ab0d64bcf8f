#include "text/sentencepiece_train.h"

#include <ATen/core/Tensor.h>
#include <sentencepiece_trainer.h>

#include <algorithm>
#include <map>

#include "core/error.h"
#include "text/unicode.h"

namespace limn {

namespace {

constexpr std::int64_t kSpecial = 4;  // <pad> <unk> <s> </s>

class Sentences : public sentencepiece::SentenceIterator {
 public:
  explicit Sentences(const std::vector<std::string>& sentences) : sentences_(sentences) {}
  bool done() const override { return at_ >= sentences_.size(); }
  void Next() override { ++at_; }
  const std::string& value() const override { return sentences_[at_]; }
  sentencepiece::util::Status status() const override { return {}; }

 private:
  const std::vector<std::string>& sentences_;
  std::size_t at_ = 0;
};

/// The characters that make up the share `coverage` of the text, white space apart; the most frequent first. What ASCII
/// occurs is always among them: it is few characters, and a rare "!" should not be unknown.
std::u32string frequent_characters(const std::vector<std::u32string>& sentences, double coverage) {
  std::map<char32_t, std::int64_t> counts;
  std::int64_t all = 0;
  for (const std::u32string& sentence : sentences)
    for (const char32_t c : sentence)
      if (!is_space(c)) ++counts[c], ++all;
  std::vector<std::pair<char32_t, std::int64_t>> sorted(counts.begin(), counts.end());
  std::stable_sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  std::u32string kept;
  std::int64_t covered = 0;
  for (const auto& [c, count] : sorted) {
    if (static_cast<double>(covered) < coverage * static_cast<double>(all) || c < 0x80) kept.push_back(c);
    covered += count;
  }
  return kept;
}

/// One line of plain text: NFKC, control characters and white space as single spaces.
std::u32string prepared(const std::string& sentence) {
  std::u32string result;
  for (char32_t c : utf32(normalize(valid_utf8(sentence), Normal::nfkc))) {
    const bool reserved = c == 0x2581 || c == 0x2585;  // SentencePiece's own marks; it drops sentences that hold them
    if (is_space(c) || c < 0x20 || c == 0x7F || reserved) c = U' ';
    if (c != U' ' || (!result.empty() && result.back() != U' ')) result.push_back(c);
  }
  if (!result.empty() && result.back() == U' ') result.pop_back();
  return result;
}

std::string joined(const std::vector<std::string>& items) {
  std::string result;
  for (const std::string& item : items) result += (result.empty() ? "" : ",") + item;
  return result;
}

void check(const SentencePieceTrainOptions& options) {
  if (options.coverage < 0.98 || options.coverage > 1)  // SentencePiece's own bounds
    throw InputError(c10::str("tokenizer: coverage: got ", options.coverage, ", expected a share from 0.98 to 1"));
  for (const std::string& symbol : options.symbols)
    if (symbol.empty() || symbol.find_first_of(",\" \t\n") != std::string::npos)
      throw InputError("tokenizer: symbol: got \"" + symbol + "\", expected text without spaces, commas, quotes");
}

}  // namespace

std::string train_sentencepiece(const std::vector<std::string>& sentences, const SentencePieceTrainOptions& options) {
  check(options);
  std::vector<std::u32string> clean;
  for (const std::string& sentence : sentences)
    if (auto line = prepared(sentence); !line.empty()) clean.push_back(std::move(line));
  if (clean.empty()) throw InputError("tokenizer: there is no text to learn from");
  if (options.lower)
    for (std::u32string& line : clean) line = utf32(fold_case(utf8(line)));
  const std::u32string characters = frequent_characters(clean, options.coverage);
  const std::int64_t needed = static_cast<std::int64_t>(characters.size() + options.symbols.size()) + kSpecial;
  if (options.vocabulary <= needed)
    throw InputError(c10::str("tokenizer: vocabulary: got ", options.vocabulary, ", expected more than ", needed,
                              ", the single characters that cover ", options.coverage,
                              " of the text; lower the coverage or raise the vocabulary"));

  // Ideographs stand for themselves: the trainer sees gaps in their place, and is given each as a symbol.
  std::vector<std::string> lines, symbols = options.symbols;
  if (options.single_ideographs) {
    for (const char32_t c : characters)
      if (is_ideograph(c)) symbols.push_back(utf8({&c, 1}));
    for (std::u32string& line : clean) std::replace_if(line.begin(), line.end(), is_ideograph, U' ');
  }
  std::u32string ascii = characters;
  std::erase_if(ascii, [](char32_t c) { return c >= 0x80; });
  bool words = false;  // anything left to learn pieces of
  for (const std::u32string& line : clean) {
    words = words || std::any_of(line.begin(), line.end(), [](char32_t c) { return is_word(c); });
    lines.push_back(utf8(line));
  }
  if (!words) lines.push_back("a");

  const bool unigram = options.model == SentencePieceModel::unigram;
  const std::unordered_map<std::string, std::string> settings = {
      {"model_type", !words    ? "char"
                     : unigram ? "unigram"
                               : "bpe"},
      {"vocab_size", std::to_string(options.vocabulary)},
      {"character_coverage", c10::str(options.coverage)},
      {"required_chars", utf8(ascii)},
      {"user_defined_symbols", joined(symbols)},
      {"normalization_rule_name", options.lower ? "nmt_nfkc_cf" : "nmt_nfkc"},
      {"pad_id", "0"},
      {"unk_id", "1"},
      {"bos_id", "2"},
      {"eos_id", "3"},
      {"unk_surface", " \u2047 "},
      {"hard_vocab_limit", "false"},
      {"max_sentence_length", "65536"},
      {"num_threads", "4"},  // a part of the result: sums are made per thread
      {"minloglevel", "3"},
      {"model_prefix", ""},
  };
  Sentences iterator(lines);
  std::string model;
  const auto status = sentencepiece::SentencePieceTrainer::Train(settings, &iterator, &model);
  if (!status.ok()) throw InputError("tokenizer: training failed: " + status.ToString());
  return model;
}

}  // namespace limn
