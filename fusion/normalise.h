#pragma once

#include <string>
#include <string_view>

namespace limn {

/// A text as the house model learns and reads it: ASCII lower case, no punctuation but inner apostrophes and hyphens,
/// single spaces, each ideograph a word of its own.
std::string plain_caption(std::string_view text);

/// The spelling for people: no spaces beside ideographs.
std::string joined_caption(std::string_view plain);

}  // namespace limn
