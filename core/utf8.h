#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace limn {

/// Where the first byte lies that is not part of well-formed UTF-8 (no surrogates, no overlong forms, at most
/// U+10FFFF); npos where all is well.
std::size_t find_invalid_utf8(std::string_view text);

/// The code point at `at`, which moves behind it; each maximal ill-formed part gives U+FFFD, as Unicode advises (3.9,
/// "Substitution of Maximal Subparts") and Python's errors="replace" does.
char32_t next_code_point(std::string_view text, std::size_t& at);

/// Appends a code point (<= U+10FFFF, not a surrogate).
void append_utf8(std::string& text, char32_t code_point);

}  // namespace limn
