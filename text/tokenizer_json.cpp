#include "text/tokenizer_json.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "core/json.h"
#include "text/bpe.h"
#include "text/precompiled.h"
#include "text/unicode.h"
#include "text/unigram.h"
#include "text/wordpiece.h"

namespace limn {

namespace {

constexpr std::int64_t kMostPieces = 1 << 24;  // ids beyond it would only exhaust memory

[[noreturn]] void unknown_component(const Json& component, const char* what) {
  component["type"].fail(std::string("got ") + component["type"].dump() + ", which is no " + what + " known here");
}

template <typename Item, typename Read>
std::vector<Item> read_each(const Json& list, Read read) {
  std::vector<Item> result;
  for (const Json& item : list.items()) result.push_back(read(item));
  return result;
}

/// {"String": text} or {"Regex": expression}; in old files a text alone.
Pattern read_pattern(const Json& pattern) {
  if (pattern.is_text()) return Pattern::literal(pattern.text());
  if (pattern.has("String")) return Pattern::literal(pattern["String"].text());
  try {
    return Pattern::regex(pattern.at("Regex").text());
  } catch (const InputError& error) {
    pattern.fail(error.what());
  }
}

Normalizer read_normalizer(const Json& json) {
  const std::string type = json.at("type").text();
  if (type == "Sequence") return sequence_normalizer(read_each<Normalizer>(json.at("normalizers"), read_normalizer));
  if (type == "NFC" || type == "NFD" || type == "NFKC" || type == "NFKD") return unicode_normalizer(type);
  if (type == "Lowercase") return lowercase_normalizer();
  if (type == "Strip") return strip_normalizer(json["strip_left"].boolean(true), json["strip_right"].boolean(true));
  if (type == "StripAccents") return strip_accents_normalizer();
  if (type == "Nmt") return nmt_normalizer();
  if (type == "Replace") return replace_normalizer(read_pattern(json.at("pattern")), json.at("content").text());
  if (type == "Prepend") return prepend_normalizer(json.at("prepend").text());
  if (type == "ByteLevel") return byte_level_normalizer();
  if (type == "Precompiled") {
    try {
      return precompiled_normalizer(base64_bytes(json.at("precompiled_charsmap").text()));
    } catch (const InputError& error) {
      json.fail(error.what());
    }
  }
  if (type == "BertNormalizer" || type == "Bert") {
    BertNormalizerOptions options{.clean_text = json["clean_text"].boolean(true),
                                  .spaces_around_chinese = json["handle_chinese_chars"].boolean(true),
                                  .lower = json["lowercase"].boolean(true)};
    if (json["strip_accents"]) options.strip_accents = json["strip_accents"].boolean();
    return bert_normalizer(options);
  }
  unknown_component(json, "normalizer");
}

Behavior read_behavior(const Json& json, const char* otherwise) {
  static const std::pair<const char*, Behavior> kNames[] = {{"Removed", Behavior::removed},
                                                            {"Isolated", Behavior::isolated},
                                                            {"MergedWithPrevious", Behavior::merged_with_previous},
                                                            {"MergedWithNext", Behavior::merged_with_next},
                                                            {"Contiguous", Behavior::contiguous}};
  const std::string wanted = json.text(otherwise);
  for (const auto& [name, behavior] : kNames)
    if (wanted == name) return behavior;
  json.fail("got \"" + wanted + "\", expected Removed, Isolated, MergedWithPrevious, MergedWithNext or Contiguous");
}

PrependScheme read_prepend(const Json& json) {
  const std::string scheme = json["prepend_scheme"].text(json["add_prefix_space"].boolean(true) ? "always" : "never");
  if (scheme == "always") return PrependScheme::always;
  if (scheme == "first") return PrependScheme::first;
  if (scheme == "never") return PrependScheme::never;
  json["prepend_scheme"].fail("got \"" + scheme + "\", expected always, first or never");
}

PreTokenizer read_pre_tokenizer(const Json& json) {
  const std::string type = json.at("type").text();
  if (type == "Sequence")
    return sequence_pre_tokenizer(read_each<PreTokenizer>(json.at("pretokenizers"), read_pre_tokenizer));
  if (type == "ByteLevel")
    return byte_level_pre_tokenizer(json["add_prefix_space"].boolean(true), json["use_regex"].boolean(true));
  if (type == "Metaspace")
    return metaspace_pre_tokenizer({.replacement = json["replacement"].text("\u2581"),
                                    .prepend = read_prepend(json),
                                    .split = json["split"].boolean(true)});
  if (type == "Split")
    return split_pre_tokenizer(read_pattern(json.at("pattern")), read_behavior(json.at("behavior"), "Removed"),
                               json["invert"].boolean(false));
  if (type == "BertPreTokenizer") return bert_pre_tokenizer();
  if (type == "Whitespace") return whitespace_pre_tokenizer();
  if (type == "WhitespaceSplit") return whitespace_split_pre_tokenizer();
  if (type == "Digits") return digits_pre_tokenizer(json["individual_digits"].boolean(false));
  if (type == "Punctuation") return punctuation_pre_tokenizer(read_behavior(json["behavior"], "Isolated"));
  if (type == "CharDelimiterSplit")
    return split_pre_tokenizer(Pattern::literal(json.at("delimiter").text()), Behavior::removed);
  if (type == "UnicodeScripts") return unicode_scripts_pre_tokenizer();
  if (type == "FixedLength") {
    const std::int64_t length = json["length"].integer(5);
    if (length < 1) json["length"].fail("expected at least 1");
    return fixed_length_pre_tokenizer(static_cast<std::size_t>(length));
  }
  unknown_component(json, "pre-tokenizer");
}

Decoder read_decoder(const Json& json) {
  const std::string type = json.at("type").text();
  if (type == "Sequence") return sequence_decoder(read_each<Decoder>(json.at("decoders"), read_decoder));
  if (type == "ByteLevel") return byte_level_decoder();
  if (type == "WordPiece") return wordpiece_decoder(json["prefix"].text("##"), json["cleanup"].boolean(true));
  if (type == "Metaspace")
    return metaspace_decoder(json["replacement"].text("\u2581"), read_prepend(json) != PrependScheme::never);
  if (type == "BPEDecoder") return bpe_decoder(json["suffix"].text("</w>"));
  if (type == "ByteFallback") return byte_fallback_decoder();
  if (type == "Fuse") return fuse_decoder();
  if (type == "Replace") return replace_decoder(read_pattern(json.at("pattern")), json.at("content").text());
  if (type == "Strip")
    return strip_decoder(json.at("content").text(), static_cast<std::size_t>(json["start"].integer(0)),
                         static_cast<std::size_t>(json["stop"].integer(0)));
  if (type == "CTC")
    return ctc_decoder(json["pad_token"].text("<pad>"), json["word_delimiter_token"].text("|"),
                       json["cleanup"].boolean(true));
  unknown_component(json, "decoder");
}

std::int64_t read_id(const Json& json) {
  const std::int64_t id = json.integer();
  if (id < 0 || id >= kMostPieces) json.fail("got " + std::to_string(id) + ", expected an id");
  return id;
}

/// ["</s>", 2]
std::int64_t read_token_and_id(const Json& json) { return read_id(json[std::size_t{1}]); }

/// TemplateProcessing: tokens before and behind the one sequence A.
void read_template(const Json& json, Ids& before, Ids& behind) {
  bool passed = false;
  for (const Json& item : json.at("single").items()) {
    if (item.has("Sequence")) {
      if (passed) item.fail("the sequence stands twice in the template, which is not known here");
      passed = true;
      continue;
    }
    const Json special = json.at("special_tokens").at(item.at("SpecialToken").at("id").text());
    for (const Json& id : special.at("ids").items()) (passed ? behind : before).push_back(read_id(id));
  }
  if (!passed) json["single"].fail("has no sequence");
}

void read_post_processor(const Json& json, TokenizerImpl& tokenizer) {
  const std::string type = json.at("type").text();
  Ids before, behind;
  if (type == "Sequence") {
    for (const Json& step : json.at("processors").items()) read_post_processor(step, tokenizer);
  } else if (type == "TemplateProcessing") {
    read_template(json, before, behind);
  } else if (type == "BertProcessing" || type == "RobertaProcessing") {
    before = {read_token_and_id(json.at("cls"))};
    behind = {read_token_and_id(json.at("sep"))};
  } else if (type != "ByteLevel") {  // which moves offsets only
    unknown_component(json, "post-processor");
  }
  tokenizer.before.insert(tokenizer.before.begin(), before.begin(), before.end());
  tokenizer.behind.insert(tokenizer.behind.end(), behind.begin(), behind.end());
}

/// Old files leave the model's type out.
std::string model_type(const Json& json) {
  if (json["type"]) return json["type"].text();
  if (json["vocab"].is_array()) return "Unigram";
  if (json.has("merges")) return "BPE";
  if (json.has("continuing_subword_prefix")) return "WordPiece";
  json.fail("has no type, and looks like none that is known");
}

void read_vocabulary(const Json& json, TokenizerImpl& tokenizer) {
  for (const auto& [piece, id] : json.members()) tokenizer.add_piece(piece, read_id(id));
  if (tokenizer.pieces.empty()) json.fail("is empty");
}

std::vector<std::pair<std::string, std::string>> read_merges(const Json& json) {
  std::vector<std::pair<std::string, std::string>> merges;
  merges.reserve(json.size());
  for (const Json& item : json.items()) {
    if (item.is_array() && item.size() == 2) {
      merges.emplace_back(item[std::size_t{0}].text(), item[std::size_t{1}].text());
      continue;
    }
    const std::string line = item.text();
    const std::size_t space = line.find(' ');
    if (space == std::string::npos || line.find(' ', space + 1) != std::string::npos)
      item.fail("got \"" + line + "\", expected two pieces with a space between");
    merges.emplace_back(line.substr(0, space), line.substr(space + 1));
  }
  return merges;
}

/// A number as the reference's JSON reader (serde_json) has it: the digits as an integer, times or over a power of ten,
/// with two roundings where a correct reader has one. Ties between segmentations hang on the last bit.
double serde_number(double exact) {
  char text[32];
  const char* end = std::to_chars(text, text + sizeof text, std::abs(exact), std::chars_format::scientific).ptr;
  std::uint64_t digits = 0;
  int exponent = 0;
  bool fraction = false;
  for (const char* c = text; c != end; ++c) {
    if (*c == '.') {
      fraction = true;
    } else if (*c == 'e') {
      exponent += std::atoi(std::string(c + 1, end).c_str());
      break;
    } else {
      digits = digits * 10 + static_cast<std::uint64_t>(*c - '0');
      exponent -= fraction;
    }
  }
  const double power = std::strtod(("1e" + std::to_string(std::abs(exponent))).c_str(), nullptr);
  if (!std::isfinite(power)) return exact;
  const double value = static_cast<double>(digits);
  return std::copysign(exponent < 0 ? value / power : value * power, exact);
}

TokenModel read_unigram(const Json& json, TokenizerImpl& tokenizer) {
  std::vector<double> scores;
  for (const Json& entry : json.at("vocab").items()) {
    tokenizer.add_piece(entry[std::size_t{0}].text(), static_cast<std::int64_t>(scores.size()));
    scores.push_back(serde_number(entry[std::size_t{1}].number()));
    if (!std::isfinite(scores.back())) entry.fail("expected a finite score");
  }
  const UnigramOptions options{.unknown = json["unk_id"] ? read_id(json["unk_id"]) : -1,
                               .byte_fallback = json["byte_fallback"].boolean(false)};
  if (options.unknown >= static_cast<std::int64_t>(scores.size())) json["unk_id"].fail("lies beyond the vocabulary");
  tokenizer.special.unknown = options.unknown;
  return unigram_model(tokenizer.pieces, scores, options);
}

TokenModel read_model(const Json& json, TokenizerImpl& tokenizer) {
  const std::string type = model_type(json);
  tokenizer.bpe = type == "BPE";
  if (type == "Unigram") return read_unigram(json, tokenizer);
  if (type != "BPE" && type != "WordPiece" && type != "WordLevel") unknown_component(json, "model");
  read_vocabulary(json.at("vocab"), tokenizer);
  const std::string unknown = json["unk_token"].text("");
  if (!unknown.empty()) tokenizer.special.unknown = tokenizer.find(unknown);
  if (type == "WordLevel") {
    if (tokenizer.special.unknown < 0) json.fail("the vocabulary lacks the unknown token \"" + unknown + "\"");
    return [words = tokenizer.by_piece, id = tokenizer.special.unknown](std::string_view piece, Ids& ids) {
      const auto found = words.find(piece);
      ids.push_back(found == words.end() ? id : found->second);
    };
  }
  try {
    if (type == "WordPiece")
      return wordpiece_model(tokenizer.by_piece, {.unknown = unknown.empty() ? "[UNK]" : unknown,
                                                  .prefix = json["continuing_subword_prefix"].text("##"),
                                                  .longest_word = json["max_input_chars_per_word"].integer(100)});
    return bpe_model(tokenizer.by_piece, {.merges = read_merges(json.at("merges")),
                                          .unknown = unknown,
                                          .prefix = json["continuing_subword_prefix"].text(""),
                                          .suffix = json["end_of_word_suffix"].text(""),
                                          .fuse_unknown = json["fuse_unk"].boolean(false),
                                          .byte_fallback = json["byte_fallback"].boolean(false),
                                          .ignore_merges = json["ignore_merges"].boolean(false)});
  } catch (const CheckpointError& error) {
    json.fail(error.what());
  }
}

std::vector<AddedToken> read_added_tokens(const Json& list) {
  std::vector<AddedToken> tokens;
  for (const Json& item : list ? list.items() : std::vector<Json>{})
    tokens.push_back({.text = item.at("content").text(),
                      .id = read_id(item.at("id")),
                      .special = item["special"].boolean(false),
                      .normalized = item["normalized"].boolean(true),
                      .lstrip = item["lstrip"].boolean(false),
                      .rstrip = item["rstrip"].boolean(false),
                      .single_word = item["single_word"].boolean(false)});
  return tokens;
}

/// tokenizer.json does not say which token plays which part: the usual spellings do.
void guess_special(TokenizerImpl& tokenizer) {
  const auto first = [&](std::initializer_list<const char*> spellings) -> std::int64_t {
    for (const char* spelling : spellings)
      if (const std::int64_t id = tokenizer.find(spelling); id >= 0 && tokenizer.skipped.count(id)) return id;
    return -1;
  };
  SpecialIds& special = tokenizer.special;
  special.cls = first({"[CLS]", "<cls>"});
  special.sep = first({"[SEP]", "<sep>"});
  special.begin = first({"<s>", "<bos>", "<|startoftext|>", "<|begin_of_text|>", "[BOS]"});
  special.end = first({"</s>", "<eos>", "<|endoftext|>", "<|end_of_text|>", "[EOS]"});
  special.pad = first({"[PAD]", "<pad>", "<|pad|>"});
  special.mask = first({"[MASK]", "<mask>"});
  if (special.unknown < 0) special.unknown = first({"[UNK]", "<unk>"});
}

std::shared_ptr<Pipeline> read_pipeline(const Json& json) {
  auto tokenizer = std::make_shared<Pipeline>();
  if (json["normalizer"]) tokenizer->normalizer = read_normalizer(json["normalizer"]);
  if (json["pre_tokenizer"]) tokenizer->pre_tokenizer = read_pre_tokenizer(json["pre_tokenizer"]);
  tokenizer->model = read_model(json.at("model"), *tokenizer);
  if (json["decoder"]) tokenizer->decoder = read_decoder(json["decoder"]);
  if (json["post_processor"]) read_post_processor(json["post_processor"], *tokenizer);
  tokenizer->set_added(read_added_tokens(json["added_tokens"]));
  guess_special(*tokenizer);
  return tokenizer;
}

}  // namespace

std::shared_ptr<Pipeline> read_tokenizer_json(const std::filesystem::path& file) {
  try {
    return read_pipeline(Json::read(file));
  } catch (const InputError& error) {
    throw CheckpointError(error.what());
  }
}

}  // namespace limn
