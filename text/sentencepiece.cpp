#include "text/sentencepiece.h"

#include <sentencepiece_processor.h>

#include <algorithm>

#include "core/files.h"
#include "text/unicode.h"

namespace limn {

namespace {

constexpr const char* kPrefix = "\u2581";  // SentencePiece's visible space

/// SigLIP's canonicalisation: the 32 characters of string.punctuation deleted, white space joined, ends stripped.
/// Source: transformers, models/siglip/tokenization_siglip.py, canonicalize_text.
std::string without_punctuation(std::string_view text) {
  std::string result;
  bool space = false;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = at;
    const char32_t c = next_code_point(text, at);
    if (c < 0x80 && std::ispunct(static_cast<int>(c))) continue;
    if (is_space(c) || (c >= 0x1C && c <= 0x1F)) {  // Python's \s has the four separators too
      space = true;
      continue;
    }
    if (space && !result.empty()) result += ' ';
    space = false;
    result.append(text.substr(begin, at - begin));
  }
  return result;
}

/// Reads a varint at `at`, which moves behind it.
std::uint64_t varint(std::string_view bytes, std::size_t& at) {
  std::uint64_t value = 0;
  for (int shift = 0; at < bytes.size() && shift < 64; shift += 7) {
    const auto byte = static_cast<unsigned char>(bytes[at++]);
    value |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
    if (byte < 0x80) break;
  }
  return value;
}

/// The last length-delimited field `number` of a serialised message (protobuf's wire format); empty where there is
/// none.
std::string_view message_field(std::string_view bytes, std::uint64_t number) {
  std::string_view found;
  for (std::size_t at = 0; at < bytes.size();) {
    const std::uint64_t key = varint(bytes, at);
    const std::uint64_t kind = key & 7;
    std::uint64_t length = kind == 1 ? 8 : kind == 5 ? 4 : 0;
    if (kind == 0) varint(bytes, at);
    if (kind == 2) length = varint(bytes, at);
    if (length > bytes.size() - at) break;
    if (kind == 2 && key >> 3 == number) found = bytes.substr(at, length);
    at += length;
  }
  return found;
}

bool begins_with_prefix(std::string_view text) { return text.starts_with(' ') || text.starts_with(kPrefix); }

class SentencePiece : public TokenizerImpl {
 public:
  SentencePiece(const std::filesystem::path& file, const SentencePieceOptions& options,
                std::shared_ptr<const TokenizerImpl> with_added);
  void encode(std::string_view text, Ids& ids) const override;
  std::string decode(std::span<const std::int64_t> ids) const override;

 private:
  void load(const std::filesystem::path& file);
  void find_special(const std::filesystem::path& file);
  void encode_plain(std::string_view text, bool prefix, Ids& ids) const;

  SentencePieceOptions options_;
  std::shared_ptr<const TokenizerImpl> with_added_;
  AddedTokens added_;
  sentencepiece::SentencePieceProcessor model_;
  sentencepiece::SentencePieceProcessor bare_;  // the same without the leading U+2581
  std::int64_t prefix_ = -1;                    // the id of a lone U+2581
  std::vector<bool> apart_;                     // by id: spelled as it stands, not by the model
};

SentencePiece::SentencePiece(const std::filesystem::path& file, const SentencePieceOptions& options,
                             std::shared_ptr<const TokenizerImpl> with_added)
    : options_(options), with_added_(std::move(with_added)) {
  load(file);
  for (AddedToken& token : options_.added) {
    if (token.id < 0) token.id = find(token.text);
    if (token.id < 0)
      throw CheckpointError(file.string() + ": has no piece \"" + token.text + "\", which the configuration adds");
    add_piece(token.text, token.id);
    if (token.special) skipped.insert(token.id);
  }
  added_ = AddedTokens(options_.added);
  apart_.resize(pieces.size(), true);
  for (const AddedToken& token : options_.added) apart_[static_cast<std::size_t>(token.id)] = true;
  find_special(file);
}

void SentencePiece::load(const std::filesystem::path& file) {
  const std::string bytes = read_file(file);
  const auto complain = [&](const std::string& what) {
    throw CheckpointError(file.string() + ": is not a usable SentencePiece model: " + what);
  };
  if (bytes.empty()) complain("the file is empty");
  if (const auto status = model_.LoadFromSerializedProto(bytes); !status.ok()) complain(status.ToString());
  // Serialised messages merge when joined: this sets normalizer_spec (3) { add_dummy_prefix (3): false }.
  const std::string bare = bytes + std::string("\x1A\x02\x18\x00", 4);
  if (const auto status = bare_.LoadFromSerializedProto(bare); !status.ok()) complain(status.ToString());
  for (int id = 0; id < model_.GetPieceSize(); ++id) {
    const std::string& piece = model_.IdToPiece(id);
    if (find_invalid_utf8(piece) != std::string::npos) complain("piece " + std::to_string(id) + " is not UTF-8");
    add_piece(piece, id);
    const bool apart = model_.IsControl(id) || model_.IsUnknown(id);
    apart_.push_back(model_.IsControl(id));
    if (apart) skipped.insert(id);
  }
  prefix_ = find(kPrefix);
}

void SentencePiece::find_special(const std::filesystem::path& file) {
  const auto wanted = [&](const std::string& piece) {
    const std::int64_t id = piece.empty() ? -1 : find(piece);
    if (!piece.empty() && id < 0)
      throw CheckpointError(file.string() + ": has no piece \"" + piece + "\", which the configuration names");
    return id;
  };
  for (const std::string& piece : options_.before) before.push_back(wanted(piece));
  for (const std::string& piece : options_.behind) behind.push_back(wanted(piece));
  special.begin = model_.bos_id();
  special.end = model_.eos_id();
  special.unknown = model_.unk_id();
  special.pad = options_.pad.empty() ? model_.pad_id() : wanted(options_.pad);
  special.mask = wanted(options_.mask);
  special.cls = wanted(options_.cls);
  special.sep = wanted(options_.sep);
}

void SentencePiece::encode_plain(std::string_view text, bool prefix, Ids& ids) const {
  std::vector<int> found;
  const auto& model = prefix ? model_ : bare_;
  if (const auto status = model.Encode(absl::string_view(text.data(), text.size()), &found); !status.ok())
    throw InputError("SentencePiece: " + status.ToString());
  const bool lone = options_.drop_lone_prefix && !found.empty() && found.front() == prefix_;
  ids.insert(ids.end(), found.begin() + (lone ? 1 : 0), found.end());
}

void SentencePiece::encode(std::string_view text, Ids& ids) const {
  const std::vector<TextPart> parts = added_.split(text);
  const bool any = std::any_of(parts.begin(), parts.end(), [](const TextPart& part) { return part.id >= 0; });
  if (with_added_ && any) return with_added_->encode(text, ids);
  bool first = true;
  for (const TextPart& part : parts) {
    if (part.id >= 0) {
      ids.push_back(part.id);
    } else {
      std::string lowered, cleaned;
      std::string_view plain = part.text;
      if (options_.lower) plain = lowered = python_lower(plain);
      if (options_.strip_punctuation) plain = cleaned = without_punctuation(plain);
      const bool spaced = !any || options_.prefix_spaces || !begins_with_prefix(plain);
      encode_plain(plain, (first || options_.prefix_after_added) && spaced, ids);
    }
    first = false;
  }
}

std::string SentencePiece::decode(std::span<const std::int64_t> ids) const {
  std::string result;
  std::vector<int> run;
  const auto flush = [&] {
    std::string text;
    if (const auto status = model_.Decode(run, &text); !status.ok())
      throw InputError("SentencePiece: " + status.ToString());
    result += text;
    run.clear();
  };
  for (const std::int64_t id : ids) {
    if (!apart_[static_cast<std::size_t>(id)]) {
      run.push_back(static_cast<int>(id));
      continue;
    }
    flush();
    result += pieces[static_cast<std::size_t>(id)];
  }
  flush();
  return result;
}

}  // namespace

std::shared_ptr<TokenizerImpl> read_sentencepiece(const std::filesystem::path& model,
                                                  const SentencePieceOptions& options,
                                                  std::shared_ptr<const TokenizerImpl> with_added) {
  return std::make_shared<SentencePiece>(model, options, std::move(with_added));
}

SentencePieceParts read_sentencepiece_parts(const std::filesystem::path& file) {
  const std::string bytes = read_file(file);
  sentencepiece::SentencePieceProcessor model;
  if (const auto status = model.LoadFromSerializedProto(bytes); !status.ok())
    throw CheckpointError(file.string() + ": is not a usable SentencePiece model: " + status.ToString());
  SentencePieceParts parts;
  for (int id = 0; id < model.GetPieceSize(); ++id) {
    parts.pieces.push_back(model.IdToPiece(id));
    parts.scores.push_back(model.GetScore(id));
  }
  parts.charsmap = message_field(message_field(bytes, 3), 2);  // normalizer_spec.precompiled_charsmap
  return parts;
}

Tokenizer open_sentencepiece(const std::filesystem::path& model, const SentencePieceOptions& options) {
  return Tokenizer(read_sentencepiece(model, options));
}

}  // namespace limn
