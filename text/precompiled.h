#pragma once

#include "text/normalizers.h"

namespace limn {

/// SentencePiece's compiled normalisation table as tokenizer.json carries it, applied as the tokenizers library does:
/// per grapheme cluster where that is short, else per character.
/// @param charsmap  base64
/// @throws InputError when it is not base64, or the table is cut short
/// Source: the crate spm_precompiled; huggingface/tokenizers, normalizers/precompiled.rs.
Normalizer precompiled_normalizer(std::string_view charsmap);

}  // namespace limn
