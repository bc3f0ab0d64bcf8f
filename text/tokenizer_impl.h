#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "text/tokenizer.h"

namespace limn {

using Ids = std::vector<std::int64_t>;

/// Lets a map of strings be asked with a view.
struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
};
using Vocabulary = std::unordered_map<std::string, std::int64_t, TextHash, std::equal_to<>>;

/// What stands behind a Tokenizer. Readers fill the public fields; a model answers the two questions below.
/// Immutable once a Tokenizer holds it.
class TokenizerImpl {
 public:
  virtual ~TokenizerImpl() = default;

  /// Appends the ids of `text`, which is well-formed UTF-8, added tokens inside it included, without `before`,
  /// `behind`.
  virtual void encode(std::string_view text, Ids& ids) const = 0;
  /// The text of ids that all have a piece; none of them is skipped.
  virtual std::string decode(std::span<const std::int64_t> ids) const = 0;

  std::vector<std::string> pieces;  ///< by id; "" where an id has no text
  Vocabulary by_piece;
  std::unordered_set<std::int64_t> skipped;  ///< special ids that decode leaves out
  Ids before, behind;                        ///< the family's special tokens around a text
  SpecialIds special;
  bool pad_left = false;
  bool cut_left = false;
  bool end_once = false;       ///< `behind` is left out where the text itself ends with it
  bool trims_padding = false;  ///< decode without special ids drops padding behind the end mark: it looks like a word
  bool clean_up = false;       ///< decode ends with clean_up_spaces
  bool bpe = false;            ///< a BPE model: the configuration's wish for clean_up does not count

  /// Gives `id` a text, and the text that id; the vocabulary grows as needed.
  void add_piece(const std::string& piece, std::int64_t id);
  std::int64_t find(std::string_view piece) const;  ///< -1 where absent
};

}  // namespace limn
