#pragma once

#include <string>
#include <string_view>

namespace limn {

/// The tokens of one caption as the usual caption metrics want them: scanned by the Penn Treebank's rules, lower-cased,
/// punctuation marks dropped, joined by one space. A token may hold U+00A0 where the caption has a space ("1 1/2").
/// All of \n \r U+000B U+000C U+2028 U+2029 count as spaces; the caption is scanned as if a line's end and a small word
/// followed; ill-formed UTF-8 counts as U+FFFD.
/// Gives what pycocoevalcap 1.2 makes of a caption by calling Stanford CoreNLP 3.4.1
/// (`PTBTokenizer -preserveLines -lowerCase`), quirks included.
std::string ptb_tokenize(std::string_view caption);

/// Chinese captions by characters: lower-cased; each ideograph is a token, other runs of letters, marks and digits stay
/// whole, everything else separates and is dropped.
std::string cjk_tokenize(std::string_view caption);

}  // namespace limn
