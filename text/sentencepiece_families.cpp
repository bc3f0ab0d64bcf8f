#include <algorithm>

#include "text/bpe.h"
#include "text/pipeline.h"
#include "text/precompiled.h"
#include "text/sentencepiece.h"
#include "text/tokenizer_folder.h"
#include "text/unicode.h"
#include "text/unigram.h"

// Families on a SentencePiece model. SentencePiece itself encodes a text; where the text holds special tokens, the
// reference's own reconstruction of the model does (transformers 5.24, models/t5, models/llama), which differs in
// what it makes of the pieces between them.
namespace limn {

namespace {

namespace fs = std::filesystem;

// The token of a role; none where the folder and its class name none.
std::vector<std::string> text_of(const TokenizerFolder& folder, Role role) {
  const std::string token = folder.token(role);
  return token.empty() ? std::vector<std::string>{} : std::vector{token};
}

/// The merges that a BPE model's pieces imply: every way to put a piece together from two others, earlier pieces first.
std::vector<std::pair<std::string, std::string>> implied_merges(const TokenizerImpl& tokenizer) {
  std::vector<std::pair<std::string, std::string>> merges;
  for (const std::string& piece : tokenizer.pieces) {
    for (std::size_t at = 0; at < piece.size();) {
      next_code_point(piece, at);
      const std::string_view left = std::string_view(piece).substr(0, at), right = std::string_view(piece).substr(at);
      if (!right.empty() && tokenizer.find(left) >= 0 && tokenizer.find(right) >= 0) merges.emplace_back(left, right);
    }
  }
  return merges;
}

std::shared_ptr<Pipeline> rebuild_llama(const SentencePieceParts& parts, const TokenizerFolder& folder) {
  auto pipeline = std::make_shared<Pipeline>();
  for (std::size_t id = 0; id < parts.pieces.size(); ++id)
    pipeline->add_piece(parts.pieces[id], static_cast<std::int64_t>(id));
  const bool prefix = folder.config["add_prefix_space"].boolean(true);
  const bool legacy = folder.config["legacy"].boolean(false);
  pipeline->pre_tokenizer = metaspace_pre_tokenizer({.prepend = !prefix  ? PrependScheme::never
                                                                : legacy ? PrependScheme::always
                                                                         : PrependScheme::first,
                                                     .split = false});
  pipeline->model =
      bpe_model(pipeline->by_piece, {.merges = implied_merges(*pipeline), .fuse_unknown = true, .byte_fallback = true});
  return pipeline;
}

std::shared_ptr<Pipeline> rebuild_t5(const SentencePieceParts& parts, std::int64_t unknown) {
  auto pipeline = std::make_shared<Pipeline>();
  for (std::size_t id = 0; id < parts.pieces.size(); ++id)
    pipeline->add_piece(parts.pieces[id], static_cast<std::int64_t>(id));
  if (!parts.charsmap.empty()) pipeline->normalizer = precompiled_normalizer(parts.charsmap);
  pipeline->pre_tokenizer = sequence_pre_tokenizer({whitespace_split_pre_tokenizer(), metaspace_pre_tokenizer({})});
  pipeline->model = unigram_model(parts.pieces, parts.scores, {.unknown = unknown});
  return pipeline;
}

}  // namespace

std::shared_ptr<TokenizerImpl> read_t5(TokenizerFolder folder, const fs::path& model) {
  folder.set_default(Role::end, {.text = "</s>"});
  folder.set_default(Role::unknown, {.text = "<unk>"});
  folder.set_default(Role::pad, {.text = "<pad>"});
  const SentencePieceParts parts = read_sentencepiece_parts(model);
  const auto unknown = std::find(parts.pieces.begin(), parts.pieces.end(), folder.token(Role::unknown));
  if (unknown == parts.pieces.end())
    throw CheckpointError(model.string() + ": has no piece \"" + folder.token(Role::unknown) + "\"");
  const auto pipeline = rebuild_t5(parts, unknown - parts.pieces.begin());

  // <extra_id_0> is the last of the ids behind the model's pieces.
  const std::int64_t count = folder.config["extra_ids"].integer(100);
  const auto pieces = static_cast<std::int64_t>(parts.pieces.size());
  if (count < 0 || count > 1 << 20) folder.config["extra_ids"].fail("expected a small number");
  std::erase_if(folder.extra, [](const AddedToken& token) { return token.text.starts_with("<extra_id_"); });
  for (std::int64_t i = 0; i < count; ++i) {
    const std::string text = "<extra_id_" + std::to_string(i) + ">";
    if (pipeline->find(text) >= 0) continue;
    folder.extra.push_back({.text = text, .id = pieces + count - 1 - i});
  }
  SentencePieceOptions options{.added = folder.added_tokens(*pipeline), .behind = text_of(folder, Role::end)};
  pipeline->set_added(options.added);
  const auto tokenizer = read_sentencepiece(model, options, pipeline);
  folder.finish(*tokenizer);
  return tokenizer;
}

std::shared_ptr<TokenizerImpl> read_llama(TokenizerFolder folder, const fs::path& model) {
  folder.set_default(Role::begin, {.text = "<s>"});
  folder.set_default(Role::end, {.text = "</s>"});
  folder.set_default(Role::unknown, {.text = "<unk>"});
  const auto pipeline = rebuild_llama(read_sentencepiece_parts(model), folder);
  SentencePieceOptions options{.added = folder.added_tokens(*pipeline)};
  if (folder.config["add_bos_token"].boolean(true)) options.before = text_of(folder, Role::begin);
  if (folder.config["add_eos_token"].boolean(false)) options.behind = text_of(folder, Role::end);
  pipeline->set_added(options.added);
  const auto tokenizer = read_sentencepiece(model, options, pipeline);
  tokenizer->pad_left = true;
  tokenizer->bpe = true;
  folder.finish(*tokenizer);
  return tokenizer;
}

std::shared_ptr<TokenizerImpl> read_siglip(TokenizerFolder folder, const fs::path& model) {
  for (const auto& [role, text] : {std::pair{Role::end, "</s>"}, {Role::unknown, "<unk>"}, {Role::pad, "</s>"}})
    folder.set_default(role, {.text = text, .lstrip = true, .rstrip = true});
  SentencePieceOptions options{.behind = text_of(folder, Role::end),
                               .lead = folder.token(Role::unknown),
                               .strip_punctuation = true,
                               .lower = folder.config["do_lower_case"].boolean(true)};
  const auto vocabulary = read_sentencepiece(model, {});
  options.added = folder.added_tokens(*vocabulary);
  const auto tokenizer = read_sentencepiece(model, options);
  tokenizer->end_once = true;
  folder.finish(*tokenizer);
  return tokenizer;
}

std::shared_ptr<TokenizerImpl> read_limn(const TokenizerFolder& folder, const fs::path& model) {
  SentencePieceOptions options{.added = folder.extra,
                               .drop_lone_prefix = folder.config["drop_lone_prefix"].boolean(true)};
  if (folder.config["add_bos_token"].boolean(true)) options.before = text_of(folder, Role::begin);
  if (folder.config["add_eos_token"].boolean(true)) options.behind = text_of(folder, Role::end);
  const auto tokenizer = read_sentencepiece(model, options);
  folder.finish(*tokenizer);
  return tokenizer;
}

}  // namespace limn
