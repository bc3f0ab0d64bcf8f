#pragma once

namespace limn {

// General categories of code points, by ICU.

/// A version of Unicode; characters that later versions added do not count.
struct UnicodeVersion {
  int major = 255, minor = 255;  // default: whatever ICU knows
};

/// L*: letters of all scripts, ideographs included
bool is_letter(char32_t code_point, UnicodeVersion version = {});
/// Nd: decimal digits of all scripts
bool is_decimal_digit(char32_t code_point, UnicodeVersion version = {});
/// L*, M* or N*: what words are made of
bool is_letter_mark_or_number(char32_t code_point);

}  // namespace limn
