#pragma once

#include <utility>

#include "text/models.h"

namespace limn {

struct BpeOptions {
  std::vector<std::pair<std::string, std::string>> merges = {};  ///< in the order of their rank
  std::string unknown = {};    ///< piece for characters without one; empty: they are left out
  std::string prefix = {};     ///< of characters that do not begin a piece of text
  std::string suffix = {};     ///< of the last character, e.g. </w>
  bool fuse_unknown = false;   ///< unknown neighbours are one token
  bool byte_fallback = false;  ///< characters without a piece become pieces <0xNN> where they exist
  bool ignore_merges = false;  ///< a text that is itself a piece is not taken apart
};

/// Byte-pair encoding: characters, then the merge of the lowest rank, leftmost first, as long as there is one.
/// @throws CheckpointError when a merge names pieces that the vocabulary lacks, or the unknown piece is absent
/// Source: huggingface/tokenizers, models/bpe/.
TokenModel bpe_model(const Vocabulary& vocabulary, const BpeOptions& options);

}  // namespace limn
