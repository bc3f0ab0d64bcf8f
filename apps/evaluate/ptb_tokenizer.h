#pragma once

#include <string>
#include <string_view>

namespace limn {

/// The Penn Treebank tokens of one caption as the usual caption metrics want them: lower-cased, punctuation tokens
/// dropped, joined by one space. Line breaks in the caption count as spaces; invalid UTF-8 becomes U+FFFD.
std::string ptb_tokenize(std::string_view caption);

}  // namespace limn
