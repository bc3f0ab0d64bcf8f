#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "text/regex.h"

namespace limn {

/// A text in pieces, each to be encoded by the model by itself: stretches of one buffer, in order.
struct Pieces {
  struct Piece {
    std::size_t begin, end;
    bool at_start;  ///< nothing of the caller's text lies before it
  };
  std::string text;
  std::vector<Piece> pieces;

  std::string_view operator[](std::size_t i) const {
    return std::string_view(text).substr(pieces[i].begin, pieces[i].end - pieces[i].begin);
  }
};

/// One step of splitting. Source of all: huggingface/tokenizers, pre_tokenizers/.
using PreTokenizer = std::function<void(Pieces&)>;

/// What becomes of the stretches that a pattern finds.
enum class Behavior { removed, isolated, merged_with_previous, merged_with_next, contiguous };

enum class PrependScheme { always, first, never };

struct MetaspaceOptions {
  std::string replacement = "\u2581";  ///< stands for a space
  PrependScheme prepend = PrependScheme::always;
  bool split = true;  ///< before each replacement
};

/// Splits each piece. @param invert  exchanges what is found and what lies between
PreTokenizer split_pre_tokenizer(Pattern pattern, Behavior behavior, bool invert = false);
PreTokenizer metaspace_pre_tokenizer(const MetaspaceOptions& options);
/// GPT-2's splitting (where `use_regex`), then bytes to printable characters.
PreTokenizer byte_level_pre_tokenizer(bool add_prefix_space, bool use_regex);
PreTokenizer bert_pre_tokenizer();        ///< white space removed, punctuation isolated
PreTokenizer whitespace_pre_tokenizer();  ///< \w+|[^\w\s]+
PreTokenizer whitespace_split_pre_tokenizer();
PreTokenizer digits_pre_tokenizer(bool individual);
PreTokenizer punctuation_pre_tokenizer(Behavior behavior);
/// Where the script changes; kana count as Han. Spaces and characters of no script change nothing, and those in front
/// are dropped.
PreTokenizer unicode_scripts_pre_tokenizer();
PreTokenizer fixed_length_pre_tokenizer(std::size_t length);  ///< characters
PreTokenizer sequence_pre_tokenizer(std::vector<PreTokenizer> steps);

}  // namespace limn
