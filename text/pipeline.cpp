#include "text/pipeline.h"

#include "text/unicode.h"

namespace limn {

void Pipeline::set_added(std::vector<AddedToken> tokens) {
  std::vector<AddedToken> raw, normalized;
  for (AddedToken& token : tokens) {
    add_piece(token.text, token.id);
    if (token.special) skipped.insert(token.id);
    if (!token.normalized) {
      raw.push_back(std::move(token));
      continue;
    }
    Normalized value{token.text};
    if (normalizer) normalizer(value);
    if (value.text != token.text) {
      spelled_[token.id] = value.text;
      skipped.erase(token.id);  // the reference asks whether the spelling is special, and finds that it is not
    }
    token.text = value.text;
    normalized.push_back(std::move(token));
  }
  raw_ = AddedTokens(std::move(raw));
  normalized_ = AddedTokens(std::move(normalized));
}

void Pipeline::encode_plain(std::string_view text, bool at_start, Ids& ids) const {
  Pieces split{std::string(text), {{0, text.size(), at_start}}};
  if (pre_tokenizer) pre_tokenizer(split);
  for (std::size_t i = 0; i < split.pieces.size(); ++i)
    if (const std::string_view piece = split[i]; !piece.empty()) model(piece, ids);
}

void Pipeline::encode(std::string_view text, Ids& ids) const {
  for (const TextPart& part : raw_.split(text)) {
    if (part.id >= 0) {
      ids.push_back(part.id);
      continue;
    }
    Normalized value{std::string(part.text), part.text.data() == text.data()};
    if (normalizer) normalizer(value);
    for (const TextPart& inner : normalized_.split(value.text)) {
      if (inner.id >= 0) {
        ids.push_back(inner.id);
      } else {
        encode_plain(inner.text, value.at_start && inner.text.data() == value.text.data(), ids);
      }
    }
  }
}

std::string Pipeline::decode(std::span<const std::int64_t> ids) const {
  std::vector<std::string> tokens;
  tokens.reserve(ids.size());
  for (const std::int64_t id : ids) {
    const auto own = spelled_.find(id);
    tokens.push_back(own != spelled_.end() ? own->second : pieces[static_cast<std::size_t>(id)]);
  }
  if (decoder) {
    decoder(tokens);
  } else {
    join_decoder(" ")(tokens);
  }
  std::string result;
  for (const std::string& token : tokens) result += token;
  return result;
}

}  // namespace limn
