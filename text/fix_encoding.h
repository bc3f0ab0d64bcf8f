#pragma once

#include <string>

namespace limn {

/// ftfy's fix_encoding: text that looks like UTF-8 read in a single-byte encoding becomes what it was meant to be.
std::u32string fix_encoding(std::u32string text);

/// C1 controls (U+0080 to U+009F) become what Windows-1252 has in their places.
void fix_c1_controls(std::u32string& text);

}  // namespace limn
