#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/added_tokens.h"

namespace limn {

struct EncodeOptions {
  bool special = true;          ///< with the family's own tokens, e.g. [CLS] text [SEP]
  std::int64_t max_length = 0;  ///< at most so many ids, special ones included and kept whole; 0: no cut
  std::int64_t pad_to = 0;      ///< at least so many ids, filled with special.pad; 0: no padding
};

/// The ids of tokens with a part to play; -1 where the family has none.
struct SpecialIds {
  std::int64_t begin = -1, end = -1, pad = -1, unknown = -1, mask = -1, cls = -1, sep = -1;
};

class TokenizerImpl;

/// Text to ids and back. A value: a cheap handle on shared, immutable data, safe to use from several threads.
/// Text is UTF-8; ill-formed bytes become U+FFFD, one for each maximal ill-formed part, as Python's errors="replace".
class Tokenizer {
 public:
  explicit Tokenizer(std::shared_ptr<const TokenizerImpl> impl);

  /// @throws InputError when padding is asked for and the family has no padding token, or `max_length` cannot hold
  ///         the special tokens
  std::vector<std::int64_t> encode(std::string_view text, const EncodeOptions& options = {}) const;

  /// The text of ids, as the family joins it. Ids without a text (padding rows of an embedding table) are skipped.
  std::string decode(std::span<const std::int64_t> ids, bool skip_special = true) const;

  std::int64_t size() const;                 ///< ids run 0..size()-1, added tokens included
  std::string piece(std::int64_t id) const;  ///< as the vocabulary spells it; "" for ids without a text
  std::optional<std::int64_t> id(std::string_view piece) const;
  bool is_special(std::int64_t id) const;  ///< skipped by decode

  SpecialIds special;

 private:
  std::shared_ptr<const TokenizerImpl> impl_;
};

struct TokenizerOptions {
  bool lower =
      false;  ///< lower case first, where a tokenizer.json does not ask for it; special tokens are found before
};

/// Opens the tokenizer of a model folder: the classic files (vocab.txt; tokenizer.model or spiece.model; vocab.json
/// with merges.txt) as the class named in tokenizer_config.json, or the model_type of config.json, reads them;
/// tokenizer.json where there are none.
/// @throws CheckpointError naming the file and what is wrong with it
Tokenizer open_tokenizer(const std::filesystem::path& folder, const TokenizerOptions& options = {});

/// The same for the files of a CLIP tokenizer read as open_clip (and OpenAI's own code) reads them: text repaired and
/// cleaned first, special tokens <start_of_text> and <end_of_text>, padding with 0. open_tokenizer does so by itself
/// where a folder has open_clip_config.json and no config.json.
/// @throws CheckpointError naming the file and what is wrong with it
Tokenizer open_clip_tokenizer(const std::filesystem::path& folder);

/// What a family does around a SentencePiece model.
struct SentencePieceOptions {
  std::vector<AddedToken> added = {};    ///< found in the raw text before anything else; ids may lie beyond the model's
  std::vector<std::string> before = {};  ///< pieces put in front where special tokens are asked for
  std::vector<std::string> behind = {};  ///< and behind
  std::string lead = {};           ///< SigLIP: text is encoded behind this, whose pieces are dropped again, so that
                                   ///< the model's own U+2581 stands there; one in the text is a space
  bool drop_lone_prefix = false;   ///< a first U+2581 that stands alone is left out: it says nothing
  bool strip_punctuation = false;  ///< SigLIP's cleaning: ASCII punctuation deleted, white space joined, ends stripped,
                                   ///< also those of what is decoded
  bool lower = false;              ///< Python's lower() first
  std::string pad = {}, mask = {}, cls = {},
              sep = {};  ///< pieces with a part to play; empty: the model's own pad, or none
};

/// Opens a SentencePiece model file (unigram, BPE, word or char), e.g. with the defaults: plain SentencePiece.
/// @throws CheckpointError when the file is missing, truncated or not a SentencePiece model
Tokenizer open_sentencepiece(const std::filesystem::path& model, const SentencePieceOptions& options = {});

}  // namespace limn
