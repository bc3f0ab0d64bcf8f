#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/utf8.h"

namespace limn {

// UTF-8 and Unicode, by ICU. Functions take well-formed UTF-8 unless they say otherwise.

/// Well-formed UTF-8: each maximal ill-formed part of `text` becomes U+FFFD.
std::string valid_utf8(std::string_view text);

/// The code point before `at`, which moves to its first byte.
char32_t previous_code_point(std::string_view text, std::size_t& at);
std::u32string utf32(std::string_view text);
std::string utf8(std::u32string_view text);

/// A version of Unicode; characters that later versions added do not count.
struct UnicodeVersion {
  int major = 255, minor = 255;  // default: whatever ICU knows
};

bool is_ascii(std::string_view text);
bool is_space(char32_t code_point);  ///< the property White_Space: what \s and Rust's is_whitespace mean
bool is_word(char32_t code_point);   ///< \w: letters, marks, decimal digits, connectors
bool is_letter(char32_t code_point, UnicodeVersion version = {});         ///< \p{L}: letters, ideographs included
bool is_decimal_digit(char32_t code_point, UnicodeVersion version = {});  ///< \p{Nd}: of all scripts
bool is_mark(char32_t code_point, UnicodeVersion version = {});           ///< \p{M}
bool is_number(char32_t code_point);                                      ///< \p{N}
bool is_letter_mark_or_number(char32_t code_point);                       ///< what words are made of
/// A number for the character's script, "Common" and "Inherited" included and kana as Han; nothing for plain spaces and
/// characters without one.
std::optional<int> script_of(char32_t code_point, UnicodeVersion version = {});
bool is_ideograph(char32_t code_point);  ///< a unified ideograph: hanzi, kanji, hanja; not kana, not Hangul

// Classes as the reference's table (the crate unicode_categories, Unicode 8) has them; later characters have none.
bool is_table_punctuation(char32_t code_point);  ///< P*, and every ASCII symbol
bool is_table_nonspacing(char32_t code_point);   ///< Mn
bool is_table_other(char32_t code_point);        ///< Cc, Cf, Co

bool begins_with_word(std::string_view text);
bool ends_in_word(std::string_view text);
std::size_t space_at_begin(std::string_view text);  ///< bytes
std::size_t space_at_end(std::string_view text);    ///< bytes

enum class Normal { nfc, nfd, nfkc, nfkd };
/// The text's normal form. Given a version, characters that later ones added are left where and as they are.
std::string normalize(std::string_view text, Normal form, UnicodeVersion version = {});

/// Lower case of one character alone (Rust's to_lowercase): full mappings, no context, so a final sigma stays plain.
void append_lower(std::string& text, char32_t code_point);
/// Python's str.lower(): full mappings; a final sigma becomes U+03C2.
std::string python_lower(std::string_view text);
std::string python_strip(std::string_view text);  ///< str.strip(): the four separators U+001C..1F are space too
std::string joined_words(std::string_view text);  ///< " ".join(text.split())
std::string fold_case(std::string_view text);

}  // namespace limn
