#include "text/char_class.h"

#include <unicode/uchar.h>

#include <cstdint>

namespace limn {

namespace {

bool is_of(char32_t code_point, std::uint32_t categories, UnicodeVersion version) {
  const auto c = static_cast<UChar32>(code_point);
  if ((U_GET_GC_MASK(c) & categories) == 0) return false;
  if (version.major == UnicodeVersion{}.major) return true;
  UVersionInfo age;  // major, minor, …
  u_charAge(c, age);
  return age[0] < version.major || (age[0] == version.major && age[1] <= version.minor);
}

}  // namespace

bool is_letter(char32_t code_point, UnicodeVersion version) { return is_of(code_point, U_GC_L_MASK, version); }

bool is_decimal_digit(char32_t code_point, UnicodeVersion version) { return is_of(code_point, U_GC_ND_MASK, version); }

bool is_letter_mark_or_number(char32_t code_point) {
  return is_of(code_point, U_GC_L_MASK | U_GC_M_MASK | U_GC_N_MASK, {});
}

}  // namespace limn
