#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/byte_trie.h"

namespace limn {

/// A token that is found in a text as it stands, before the model sees the rest.
/// Source: huggingface/tokenizers, added_vocabulary.rs.
struct AddedToken {
  std::string text = {};
  std::int64_t id = -1;
  bool special = true;       ///< decode can skip it
  bool normalized = false;   ///< matched after normalisation, not on the raw text
  bool lstrip = false;       ///< takes the white space in front of it
  bool rstrip = false;       ///< takes the white space behind it
  bool single_word = false;  ///< only between characters that are no word characters
};

/// A part of a text: an added token (id >= 0) or plain text (id -1) to be encoded by the model.
struct TextPart {
  std::int64_t id = -1;
  std::string_view text;
};

/// Finds added tokens in texts: leftmost first, the longest of those that begin there.
class AddedTokens {
 public:
  AddedTokens() = default;
  explicit AddedTokens(std::vector<AddedToken> tokens);

  /// The parts of `text` in order, without empty ones; they view into `text`.
  std::vector<TextPart> split(std::string_view text) const;
  bool empty() const { return tokens_.empty(); }

 private:
  std::vector<AddedToken> tokens_;
  ByteTrie trie_;         // index into tokens_
  bool first_[256] = {};  // bytes that a token begins with
};

}  // namespace limn
