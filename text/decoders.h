#pragma once

#include <functional>
#include <string>
#include <vector>

#include "text/regex.h"

namespace limn {

/// One step from token texts to the text: changes the list in place; what is left at the end is joined.
/// Source of all: huggingface/tokenizers, decoders/.
using Decoder = std::function<void(std::vector<std::string>&)>;

Decoder byte_level_decoder();  ///< GPT-2's characters to bytes; invalid UTF-8 to U+FFFD
Decoder wordpiece_decoder(std::string prefix, bool cleanup);
Decoder metaspace_decoder(std::string replacement, bool prepended);
Decoder bpe_decoder(std::string suffix);  ///< a suffix becomes a space, at the end nothing
Decoder byte_fallback_decoder();          ///< runs of <0xNN> to bytes
Decoder ctc_decoder(std::string pad, std::string word_delimiter, bool cleanup);
Decoder fuse_decoder();
Decoder strip_decoder(std::string character, std::size_t at_start, std::size_t at_end);
Decoder replace_decoder(Pattern pattern, std::string content);
Decoder join_decoder(std::string between);  ///< one text
Decoder sequence_decoder(std::vector<Decoder> steps);

/// Spaces before . ? ! , and in English contractions go. Source: transformers, clean_up_tokenization.
void clean_up_spaces(std::string& text);

}  // namespace limn
