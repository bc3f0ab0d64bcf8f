#pragma once

#include "text/added_tokens.h"
#include "text/decoders.h"
#include "text/models.h"
#include "text/normalizers.h"
#include "text/pre_tokenizers.h"

namespace limn {

/// A tokenizer in five steps: added tokens, normalisation, splitting, model, and decoding. tokenizer.json describes
/// one; the classic files of BERT, CLIP, GPT-2 and their like are read into the same.
/// Source: huggingface/tokenizers, tokenizer/mod.rs, added_vocabulary.rs.
class Pipeline : public TokenizerImpl {
 public:
  Normalizer normalizer;       ///< null: none
  PreTokenizer pre_tokenizer;  ///< null: none
  TokenModel model;
  Decoder decoder;  ///< null: tokens joined by spaces

  /// Sets the added tokens; pieces and skipped ids follow. To be called once, after `normalizer` is set: tokens that
  /// are `normalized` are matched, and decoded, in their normalised spelling.
  void set_added(std::vector<AddedToken> tokens);

  void encode(std::string_view text, Ids& ids) const override;
  std::string decode(std::span<const std::int64_t> ids) const override;

 private:
  void encode_plain(std::string_view text, bool at_start, Ids& ids) const;
  AddedTokens raw_, normalized_;
  std::unordered_map<std::int64_t, std::string> spelled_;  // what decode reads for an id, where not its piece
};

}  // namespace limn
