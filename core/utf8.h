#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace limn {

/// Where the first byte lies that is not part of well-formed UTF-8 (no surrogates, no overlong forms, at most
/// U+10FFFF); npos where all is well.
std::size_t find_invalid_utf8(std::string_view text);

/// Appends a code point (<= U+10FFFF, not a surrogate).
void append_utf8(std::string& text, char32_t code_point);

}  // namespace limn
