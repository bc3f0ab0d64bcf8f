#pragma once

#include "text/normalizers.h"

namespace limn {

/// SentencePiece's compiled normalisation table applied as the tokenizers library does:
/// per grapheme cluster where that is short, else per character.
/// @throws InputError when the table is cut short
/// Source: the crate spm_precompiled; huggingface/tokenizers, normalizers/precompiled.rs.
Normalizer precompiled_normalizer(const std::string& charsmap);

/// @throws InputError when the text is not base64
std::string base64_bytes(std::string_view text);

}  // namespace limn
