#include "text/sentencepiece.h"

#include <sentencepiece_processor.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/files.h"
#include "text/unicode.h"
#include "text/unigram.h"

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

[[noreturn]] void unusable(const std::filesystem::path& file, const std::string& why) {
  throw CheckpointError(file.string() + ": is not a usable SentencePiece model: " + why);
}

/// The library answers with a status, but its tries throw, for instance at an empty piece.
void read_model(sentencepiece::SentencePieceProcessor& model, const std::string& bytes,
                const std::filesystem::path& file) {
  if (bytes.empty()) unusable(file, "the file is empty");
  std::string fault;
  try {
    if (const auto status = model.LoadFromSerializedProto(bytes); !status.ok()) fault = status.ToString();
  } catch (const std::exception& error) {
    fault = error.what();
  }
  if (!fault.empty()) unusable(file, fault);
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

/// A field of a serialised message (protobuf's wire format).
struct Field {
  std::uint64_t number = 0;
  std::uint64_t value = 0;  // of a varint
  std::string_view bytes;   // of everything else
};

/// Calls `use` with each field.
template <typename Use>
void each_field(std::string_view bytes, Use use) {
  for (std::size_t at = 0; at < bytes.size();) {
    const std::uint64_t key = varint(bytes, at);
    const std::uint64_t kind = key & 7;
    Field field{.number = key >> 3};
    std::uint64_t length = kind == 1 ? 8 : kind == 5 ? 4 : 0;
    if (kind == 0) field.value = varint(bytes, at);
    if (kind == 2) length = varint(bytes, at);
    if (length > bytes.size() - at) break;
    field.bytes = bytes.substr(at, length);
    at += length;
    use(field);
  }
}

/// The last field `number`; empty where there is none.
Field last_field(std::string_view bytes, std::uint64_t number) {
  Field found;
  each_field(bytes, [&](const Field& field) {
    if (field.number == number) found = field;
  });
  return found;
}

enum class PieceKind : std::uint8_t { normal = 1, unknown, control, user_defined, unused, byte };

/// The kind of each piece, by id.
std::vector<PieceKind> piece_kinds(std::string_view model) {
  std::vector<PieceKind> kinds;
  each_field(model, [&](const Field& field) {
    if (field.number != 1) return;
    const std::uint64_t kind = last_field(field.bytes, 3).value;
    kinds.push_back(kind == 0 ? PieceKind::normal : static_cast<PieceKind>(kind));
  });
  return kinds;
}

class SentencePiece : public TokenizerImpl {
 public:
  SentencePiece(const std::filesystem::path& file, const SentencePieceOptions& options,
                std::shared_ptr<const TokenizerImpl> with_added);
  void encode(std::string_view text, Ids& ids) const override;
  std::string decode(std::span<const std::int64_t> ids) const override;

 private:
  void load(const std::filesystem::path& file);
  void find_special(const std::filesystem::path& file);
  void encode_plain(std::string_view text, Ids& ids) const;
  void encode_parts(std::string_view text, Ids& ids) const;
  void encode_behind_lead(std::string_view text, Ids& ids) const;
  void read_unigram(std::string_view bytes);
  void encode_unigram(std::string_view text, Ids& ids) const;

  SentencePieceOptions options_;
  std::shared_ptr<const TokenizerImpl> with_added_;
  AddedTokens added_;
  sentencepiece::SentencePieceProcessor model_;
  TokenModel unigram_;        // null where the model is of another type
  std::int64_t prefix_ = -1;  // the id of a lone U+2581
  std::size_t lead_pieces_ = 0;
  std::vector<bool> apart_;  // by id: spelled as it stands, not by the model
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
  if (!options_.lead.empty()) {
    Ids found;
    encode_plain(options_.lead, found);
    lead_pieces_ = found.size();
  }
}

void SentencePiece::load(const std::filesystem::path& file) {
  const std::string bytes = read_file(file);
  read_model(model_, bytes, file);
  for (int id = 0; id < model_.GetPieceSize(); ++id) {
    const std::string& piece = model_.IdToPiece(id);
    if (find_invalid_utf8(piece) != std::string::npos) unusable(file, "piece " + std::to_string(id) + " is not UTF-8");
    add_piece(piece, id);
    const bool apart = model_.IsControl(id) || model_.IsUnknown(id);
    apart_.push_back(model_.IsControl(id));
    if (apart) skipped.insert(id);
  }
  prefix_ = find(kPrefix);
  const std::uint64_t type = last_field(last_field(bytes, 2).bytes, 3).value;  // trainer_spec.model_type
  if (type > 1) return;                                                        // BPE, word, char
  if (piece_kinds(bytes).size() != pieces.size()) unusable(file, "its list of pieces is malformed");
  read_unigram(bytes);
}

/// Segmentations of equal score, as runs of one character have, come out by how the sums are rounded, and the
/// library's versions round differently. Ours adds as version 0.2 does.
void SentencePiece::read_unigram(std::string_view bytes) {
  const std::vector<PieceKind> kinds = piece_kinds(bytes);
  std::vector<double> scores(kinds.size());
  double lowest = std::numeric_limits<float>::max();
  for (std::size_t id = 0; id < kinds.size(); ++id) {
    if (kinds[id] == PieceKind::normal) {
      scores[id] = model_.GetScore(static_cast<int>(id));
      lowest = std::min(lowest, scores[id]);
    } else if (kinds[id] == PieceKind::user_defined) {  // wins over what it is made of, the longest over the others
      scores[id] = static_cast<float>(0.1 * static_cast<double>(pieces[id].size()) - 0.1);
    } else {
      scores[id] = -INFINITY;
    }
  }
  unigram_ = unigram_model(pieces, scores,
                           {.unknown = model_.unk_id(),
                            .byte_fallback = std::find(kinds.begin(), kinds.end(), PieceKind::byte) != kinds.end(),
                            .single_precision = true,
                            .lowest_score = lowest});
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

/// The library normalises, the text that its pieces make up is segmented here.
void SentencePiece::encode_unigram(std::string_view text, Ids& ids) const {
  std::vector<std::string> found;
  if (const auto status = model_.Encode(absl::string_view(text.data(), text.size()), &found); !status.ok())
    throw InputError("SentencePiece: " + status.ToString());
  std::string normalized;
  for (const std::string& piece : found) {
    const std::int64_t id = find(piece);
    if (id >= 0 && id < model_.GetPieceSize() && model_.IsByte(static_cast<int>(id))) {
      normalized += static_cast<char>(std::stoi(piece.substr(3, 2), nullptr, 16));
    } else {
      normalized += piece;
    }
  }
  unigram_(normalized, ids);
}

void SentencePiece::encode_plain(std::string_view text, Ids& ids) const {
  Ids found;
  if (unigram_) {
    encode_unigram(text, found);
  } else {
    std::vector<int> own;
    if (const auto status = model_.Encode(absl::string_view(text.data(), text.size()), &own); !status.ok())
      throw InputError("SentencePiece: " + status.ToString());
    found.assign(own.begin(), own.end());
  }
  const bool lone = options_.drop_lone_prefix && !found.empty() && found.front() == prefix_;
  ids.insert(ids.end(), found.begin() + (lone ? 1 : 0), found.end());
}

void SentencePiece::encode_behind_lead(std::string_view text, Ids& ids) const {
  Ids found;
  encode_plain(options_.lead + std::string(text), found);
  const std::size_t dropped = found.size() >= lead_pieces_ ? lead_pieces_ : 0;
  ids.insert(ids.end(), found.begin() + static_cast<std::ptrdiff_t>(dropped), found.end());
}

void SentencePiece::encode_parts(std::string_view text, Ids& ids) const {
  const std::vector<TextPart> parts = added_.split(text);
  const bool any = std::any_of(parts.begin(), parts.end(), [](const TextPart& part) { return part.id >= 0; });
  if (with_added_ && any) return with_added_->encode(text, ids);
  for (const TextPart& part : parts) {
    if (part.id >= 0) {
      ids.push_back(part.id);
      continue;
    }
    std::string lowered, cleaned;
    std::string_view plain = part.text;
    if (options_.lower) plain = lowered = python_lower(plain);
    if (options_.strip_punctuation) plain = cleaned = without_punctuation(plain);
    options_.lead.empty() ? encode_plain(plain, ids) : encode_behind_lead(plain, ids);
  }
}

void SentencePiece::encode(std::string_view text, Ids& ids) const {
  if (options_.lead.empty()) return encode_parts(text, ids);
  std::string spaced = kPrefix;
  for (std::size_t at = 0; at < text.size();) {
    const bool space = text.substr(at).starts_with(kPrefix);
    spaced += space ? ' ' : text[at];
    at += space ? std::string_view(kPrefix).size() : 1;
  }
  encode_parts(spaced, ids);
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
  return options_.strip_punctuation ? python_strip(result) : result;
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
  read_model(model, bytes, file);
  SentencePieceParts parts;
  for (int id = 0; id < model.GetPieceSize(); ++id) {
    parts.pieces.push_back(model.IdToPiece(id));
    parts.scores.push_back(model.GetScore(id));
  }
  parts.charsmap = last_field(last_field(bytes, 3).bytes, 2).bytes;  // normalizer_spec.precompiled_charsmap
  return parts;
}

Tokenizer open_sentencepiece(const std::filesystem::path& model, const SentencePieceOptions& options) {
  return Tokenizer(read_sentencepiece(model, options));
}

}  // namespace limn
