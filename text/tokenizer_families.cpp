#include <algorithm>

#include "core/files.h"
#include "text/bpe.h"
#include "text/fix_text.h"
#include "text/html_entities.h"
#include "text/pipeline.h"
#include "text/sentencepiece.h"
#include "text/tokenizer_folder.h"
#include "text/unicode.h"
#include "text/wordpiece.h"

// The classic files, read as transformers 5.24 reads them (models/*/tokenization_*.py).
namespace limn {

namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kMostPieces = 1 << 24;

/// A text file's lines without their ends.
/// @throws CheckpointError when it is not UTF-8
std::vector<std::string> read_lines(const fs::path& file) {
  const std::string text = read_file(file);
  if (const std::size_t at = find_invalid_utf8(text); at != std::string::npos)
    throw CheckpointError(file.string() + ": byte " + std::to_string(at) + " is not UTF-8");
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    lines.push_back(text.substr(at, end - at));
    if (lines.back().ends_with('\r')) lines.back().pop_back();
    at = end + 1;
  }
  return lines;
}

void read_vocab_txt(const fs::path& file, TokenizerImpl& tokenizer) {
  std::int64_t id = 0;
  for (const std::string& line : read_lines(file)) {
    // bert-base-chinese has pieces twice: the last line counts, and the earlier id has no text.
    if (const std::int64_t earlier = tokenizer.find(line); earlier >= 0)
      tokenizer.pieces[static_cast<std::size_t>(earlier)].clear();
    tokenizer.add_piece(line, id++);
  }
  if (tokenizer.pieces.empty()) throw CheckpointError(file.string() + ": is empty, expected a piece on each line");
}

void read_vocab_json(const fs::path& file, TokenizerImpl& tokenizer) {
  for (const auto& [piece, id] : Json::read(file).members()) {
    const std::int64_t number = id.integer();
    if (number < 0 || number >= kMostPieces) id.fail("got " + std::to_string(number) + ", expected an id");
    const auto place = static_cast<std::size_t>(number);
    if (place < tokenizer.pieces.size() && !tokenizer.pieces[place].empty())
      id.fail("got " + std::to_string(number) + ", which \"" + tokenizer.pieces[place] + "\" has already");
    tokenizer.add_piece(piece, number);
  }
  if (tokenizer.pieces.empty()) throw CheckpointError(file.string() + ": is empty, expected pieces with their ids");
}

std::vector<std::pair<std::string, std::string>> read_merges_txt(const fs::path& file) {
  std::vector<std::pair<std::string, std::string>> merges;
  std::size_t number = 0;
  for (const std::string& line : read_lines(file)) {
    ++number;
    if (line.empty() || line.starts_with("#version")) continue;
    const std::size_t space = line.find(' ');
    if (space == std::string::npos || line.find(' ', space + 1) != std::string::npos)
      throw CheckpointError(file.string() + ": line " + std::to_string(number) + ": got \"" + line +
                            "\", expected two pieces with a space between");
    merges.emplace_back(line.substr(0, space), line.substr(space + 1));
  }
  return merges;
}

/// vocab.json and merges.txt; the files are named where they contradict each other.
TokenModel read_bpe(const TokenizerFolder& folder, BpeOptions options, TokenizerImpl& tokenizer) {
  tokenizer.bpe = true;
  read_vocab_json(folder.path / "vocab.json", tokenizer);
  options.merges = read_merges_txt(folder.path / "merges.txt");
  try {
    return bpe_model(tokenizer.by_piece, options);
  } catch (const CheckpointError& error) {
    throw CheckpointError((folder.path / "merges.txt").string() + ": " + error.what());
  }
}

/// The ids around a text, each of which must exist.
void set_around(const TokenizerFolder& folder, Role before, Role behind, TokenizerImpl& tokenizer) {
  tokenizer.before = {tokenizer.find(folder.token(before))};
  tokenizer.behind = {tokenizer.find(folder.token(behind))};
}

/// What classes without a fixed arrangement do: begin and end as the configuration asks.
void set_begin_end(const TokenizerFolder& folder, TokenizerImpl& tokenizer) {
  if (folder.config["add_bos_token"].boolean(false)) tokenizer.before = {tokenizer.find(folder.token(Role::begin))};
  if (folder.config["add_eos_token"].boolean(false)) tokenizer.behind = {tokenizer.find(folder.token(Role::end))};
}

/// Bytes, then </w> as a space, ends stripped.
Decoder clip_decoder() {
  const Decoder stripped = [](std::vector<std::string>& tokens) {
    for (std::string& token : tokens) token = python_strip(token);
  };
  return sequence_decoder({byte_level_decoder(), replace_decoder(Pattern::literal("</w>"), " "), stripped});
}

}  // namespace

std::shared_ptr<TokenizerImpl> read_bert(TokenizerFolder folder) {
  const bool mpnet = folder.family == "mpnet";
  folder.set_default(Role::unknown, {.text = "[UNK]"});
  folder.set_default(Role::sep, {.text = mpnet ? "</s>" : "[SEP]"});
  folder.set_default(Role::pad, {.text = mpnet ? "<pad>" : "[PAD]"});
  folder.set_default(Role::cls, {.text = mpnet ? "<s>" : "[CLS]"});
  folder.set_default(Role::mask, {.text = mpnet ? "<mask>" : "[MASK]", .lstrip = mpnet});

  auto tokenizer = std::make_shared<Pipeline>();
  const fs::path file = folder.path / "vocab.txt";
  read_vocab_txt(file, *tokenizer);
  BertNormalizerOptions options{.spaces_around_chinese = folder.config["tokenize_chinese_chars"].boolean(true),
                                .lower = folder.config["do_lower_case"].boolean(true)};
  if (folder.config["strip_accents"]) options.strip_accents = folder.config["strip_accents"].boolean();
  tokenizer->normalizer = bert_normalizer(options);
  tokenizer->pre_tokenizer = bert_pre_tokenizer();
  try {
    tokenizer->model = wordpiece_model(tokenizer->by_piece, {.unknown = folder.token(Role::unknown)});
  } catch (const CheckpointError& error) {
    throw CheckpointError(file.string() + ": " + error.what());
  }
  tokenizer->decoder = wordpiece_decoder("##", true);
  tokenizer->set_added(folder.added_tokens(*tokenizer));
  set_around(folder, Role::cls, Role::sep, *tokenizer);
  folder.finish(*tokenizer);
  return tokenizer;
}

std::shared_ptr<TokenizerImpl> read_clip(TokenizerFolder folder) {
  folder.set_default(Role::unknown, {.text = "<|endoftext|>"});
  folder.set_default(Role::begin, {.text = "<|startoftext|>"});
  folder.set_default(Role::end, {.text = "<|endoftext|>"});
  folder.set_default(Role::pad, {.text = "<|endoftext|>"});

  auto tokenizer = std::make_shared<Pipeline>();
  tokenizer->normalizer = sequence_normalizer(
      {unicode_normalizer("NFC"), replace_normalizer(Pattern::white_space(), " "), lowercase_normalizer()});
  tokenizer->pre_tokenizer = sequence_pre_tokenizer(
      {split_pre_tokenizer(Pattern::clip({"<|startoftext|>", "<|endoftext|>"}), Behavior::removed, true),
       byte_level_pre_tokenizer(false, true)});
  tokenizer->model = read_bpe(folder, {.unknown = folder.token(Role::unknown), .suffix = "</w>"}, *tokenizer);
  tokenizer->decoder = clip_decoder();
  tokenizer->set_added(folder.added_tokens(*tokenizer));
  set_around(folder, Role::begin, Role::end, *tokenizer);
  folder.finish(*tokenizer);
  return tokenizer;
}

/// open_clip 3.3, tokenizer.py, SimpleTokenizer with its default cleaning.
std::shared_ptr<TokenizerImpl> read_open_clip(const TokenizerFolder& folder) {
  static const std::string kBegin = "<start_of_text>", kEnd = "<end_of_text>";
  auto tokenizer = std::make_shared<Pipeline>();
  const TokenModel bpe = read_bpe(folder, {.suffix = "</w>"}, *tokenizer);
  const auto size = static_cast<std::int64_t>(tokenizer->pieces.size());
  if (size < 258) throw CheckpointError((folder.path / "vocab.json").string() + ": has too few pieces for CLIP");
  const std::int64_t begin = size - 2, end = size - 1;  // the last two, whatever the file calls them
  for (const std::int64_t id : {begin, end}) tokenizer->by_piece.erase(tokenizer->pieces[static_cast<std::size_t>(id)]);
  tokenizer->add_piece(kBegin, begin);
  tokenizer->add_piece(kEnd, end);
  tokenizer->normalizer = [](Normalized& value) {
    value.text = python_lower(joined_words(unescape_html(unescape_html(fix_text(value.text)))));
  };
  // Nothing matches U+0345: it is no letter, but where case does not count, it is a small iota to the reference.
  const std::string pieces = R"('s|'t|'re|'ve|'m|'ll|'d)|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}\x{345}]+)";
  tokenizer->pre_tokenizer = sequence_pre_tokenizer(
      {split_pre_tokenizer(Pattern::regex("(?i:" + kBegin + "|" + kEnd + "|" + pieces), Behavior::removed, true),
       byte_level_pre_tokenizer(false, false)});
  tokenizer->model = [bpe, begin, end](std::string_view piece, Ids& ids) {
    if (piece == kBegin || piece == kEnd) return ids.push_back(piece == kBegin ? begin : end);
    bpe(piece, ids);
  };
  tokenizer->decoder = clip_decoder();
  tokenizer->before = {begin};
  tokenizer->behind = {end};
  tokenizer->skipped = {begin, end};
  tokenizer->special.begin = begin;
  tokenizer->special.end = end;
  tokenizer->special.pad = 0;  // which is also "!"
  tokenizer->trims_padding = true;
  return tokenizer;
}

std::shared_ptr<TokenizerImpl> read_gpt2(TokenizerFolder folder) {
  for (const Role role : {Role::unknown, Role::begin, Role::end}) folder.set_default(role, {.text = "<|endoftext|>"});
  auto tokenizer = std::make_shared<Pipeline>();
  tokenizer->pre_tokenizer = byte_level_pre_tokenizer(folder.config["add_prefix_space"].boolean(false), true);
  tokenizer->model = read_bpe(folder, {}, *tokenizer);
  tokenizer->decoder = byte_level_decoder();
  tokenizer->set_added(folder.added_tokens(*tokenizer));
  set_begin_end(folder, *tokenizer);
  folder.finish(*tokenizer);
  return tokenizer;
}

std::shared_ptr<TokenizerImpl> read_roberta(TokenizerFolder folder) {
  folder.set_default(Role::begin, {.text = "<s>"});
  folder.set_default(Role::end, {.text = "</s>"});
  folder.set_default(Role::unknown, {.text = "<unk>"});
  folder.set_default(Role::sep, {.text = "</s>"});
  folder.set_default(Role::pad, {.text = "<pad>"});
  folder.set_default(Role::cls, {.text = "<s>"});
  folder.set_default(Role::mask, {.text = "<mask>"});
  auto tokenizer = std::make_shared<Pipeline>();
  tokenizer->pre_tokenizer = byte_level_pre_tokenizer(folder.config["add_prefix_space"].boolean(false), true);
  tokenizer->model = read_bpe(folder, {}, *tokenizer);
  tokenizer->decoder = byte_level_decoder();
  tokenizer->set_added(folder.added_tokens(*tokenizer));
  set_around(folder, Role::cls, Role::sep, *tokenizer);
  folder.finish(*tokenizer);
  return tokenizer;
}

}  // namespace limn
