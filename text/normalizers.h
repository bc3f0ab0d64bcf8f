#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/regex.h"

namespace limn {

/// A text on its way to the model. `at_start` tells whether its first character is still the first of what the caller
/// gave: Metaspace's scheme "first" asks for it.
struct Normalized {
  std::string text;
  bool at_start = true;
};

/// One step of normalisation, in place. Source of all: huggingface/tokenizers, normalizers/.
using Normalizer = std::function<void(Normalized&)>;

struct BertNormalizerOptions {
  bool clean_text = true;  ///< drop control characters, white space to plain spaces
  bool spaces_around_chinese = true;
  std::optional<bool> strip_accents = {};  ///< absent: exactly when lower-casing
  bool lower = true;
};
Normalizer bert_normalizer(const BertNormalizerOptions& options);

Normalizer unicode_normalizer(std::string_view form);  ///< "NFC", "NFD", "NFKC", "NFKD"
Normalizer lowercase_normalizer();                     ///< each character by itself
Normalizer strip_normalizer(bool left, bool right);
Normalizer strip_accents_normalizer();  ///< drops all marks
Normalizer nmt_normalizer();
Normalizer replace_normalizer(Pattern pattern, std::string content);
Normalizer prepend_normalizer(std::string content);  ///< before texts that are not empty
Normalizer byte_level_normalizer();                  ///< bytes to GPT-2's printable characters
Normalizer sequence_normalizer(std::vector<Normalizer> steps);

/// GPT-2's table: a printable character for each byte.
char32_t byte_character(unsigned char byte);
/// The byte that a character stands for, or -1.
int character_byte(char32_t character);

}  // namespace limn
