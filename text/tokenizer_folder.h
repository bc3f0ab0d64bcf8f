#pragma once

#include <array>
#include <map>

#include "core/json.h"
#include "text/tokenizer_impl.h"

namespace limn {

/// Which part a special token plays; the order is that in which the reference adds them.
enum class Role { begin, end, unknown, sep, pad, cls, mask };
constexpr std::array<const char*, 7> kRoleKeys = {"bos_token", "eos_token", "unk_token", "sep_token",
                                                  "pad_token", "cls_token", "mask_token"};

/// A model folder as far as its tokenizer is concerned: files, configuration, and the special tokens it names.
/// Source: transformers 5.24, tokenization_utils_base.py, _from_pretrained.
struct TokenizerFolder {
  /// Reads tokenizer_config.json, special_tokens_map.json, added_tokens.json, and config.json for the family.
  explicit TokenizerFolder(const std::filesystem::path& folder);

  std::filesystem::path path;
  Json config;         ///< tokenizer_config.json, or an empty object
  std::string family;  ///< lower case: tokenizer_class without Tokenizer and Fast, else config.json's model_type; or ""
  std::map<Role, AddedToken> roles;  ///< where the folder names one; ids are not known yet
  std::vector<AddedToken> extra;     ///< additional special tokens
  std::vector<AddedToken> numbered;  ///< added tokens that the folder gives ids

  bool has(const char* file) const { return std::filesystem::exists(path / file); }
  /// What a class takes where the folder names no token for a role.
  void set_default(Role role, AddedToken token) { roles.emplace(role, std::move(token)); }
  std::string token(Role role) const;  ///< its text, or ""

  /// All tokens to be found in texts, each with its id: the numbered ones, then those of roles, then the extra ones;
  /// what the vocabulary lacks gets the ids behind it.
  std::vector<AddedToken> added_tokens(const TokenizerImpl& vocabulary) const;
  /// Sets special ids, the side of padding and cutting; to be called after all pieces are known.
  void finish(TokenizerImpl& tokenizer) const;
};

/// The readers of the classic files. Each takes the folder by value, to fill in its class's defaults.
/// @throws CheckpointError, InputError naming the file
std::shared_ptr<TokenizerImpl> read_bert(TokenizerFolder folder);
std::shared_ptr<TokenizerImpl> read_clip(TokenizerFolder folder);
std::shared_ptr<TokenizerImpl> read_open_clip(const TokenizerFolder& folder);
std::shared_ptr<TokenizerImpl> read_gpt2(TokenizerFolder folder);
std::shared_ptr<TokenizerImpl> read_roberta(TokenizerFolder folder);
std::shared_ptr<TokenizerImpl> read_t5(TokenizerFolder folder, const std::filesystem::path& model);
std::shared_ptr<TokenizerImpl> read_llama(TokenizerFolder folder, const std::filesystem::path& model);
std::shared_ptr<TokenizerImpl> read_siglip(TokenizerFolder folder, const std::filesystem::path& model);
std::shared_ptr<TokenizerImpl> read_limn(const TokenizerFolder& folder, const std::filesystem::path& model);

}  // namespace limn
