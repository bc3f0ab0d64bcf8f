#pragma once

#include <string>
#include <string_view>

#include "core/utf8.h"

namespace limn {

// UTF-8 and Unicode, by ICU. Functions take well-formed UTF-8 unless they say otherwise.

/// Well-formed UTF-8: each maximal ill-formed part of `text` becomes U+FFFD.
std::string valid_utf8(std::string_view text);

/// The code point at `at`, which moves behind it.
char32_t next_code_point(std::string_view text, std::size_t& at);
/// The code point before `at`, which moves to its first byte.
char32_t previous_code_point(std::string_view text, std::size_t& at);
std::u32string utf32(std::string_view text);
std::string utf8(std::u32string_view text);

bool is_space(char32_t code_point);  ///< the property White_Space: what \s and Rust's is_whitespace mean
bool is_word(char32_t code_point);   ///< \w: letters, marks, decimal digits, connectors

bool begins_with_word(std::string_view text);
bool ends_in_word(std::string_view text);
std::size_t space_at_begin(std::string_view text);  ///< bytes
std::size_t space_at_end(std::string_view text);    ///< bytes

enum class Normal { nfc, nfd, nfkc, nfkd };
std::string normalize(std::string_view text, Normal form);
bool is_ideograph(
    char32_t code_point);  ///< a unified ideograph: Chinese characters, kanji, hanja; not kana, not Hangul

/// Python's str.lower(): full mappings; a final sigma becomes U+03C2.
std::string python_lower(std::string_view text);
std::string fold_case(std::string_view text);

}  // namespace limn
