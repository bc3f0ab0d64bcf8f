#pragma once

#include <string>

namespace limn {

/// A regular expression as Oniguruma reads it for Ruby, spelled so that ICU (with UREGEX_MULTILINE and
/// UREGEX_UNIX_LINES, as Ruby has ^ and $) matches the same.
std::string oniguruma_for_icu(const std::string& expression);

}  // namespace limn
