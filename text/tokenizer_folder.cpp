#include "text/tokenizer_folder.h"

#include <algorithm>

#include "text/normalizers.h"
#include "text/sentencepiece.h"
#include "text/tokenizer_json.h"

namespace limn {

namespace {

namespace fs = std::filesystem;

std::string lower_ascii(std::string text) {
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return text;
}

/// A string, or an object with "content" and flags. What says nothing of normalisation is matched on the raw text.
AddedToken read_token(const Json& token) {
  if (token.is_text()) return {.text = token.text()};
  return {.text = token.at("content").text(),
          .special = token["special"].boolean(true),
          .normalized = token["normalized"].boolean(false),
          .lstrip = token["lstrip"].boolean(false),
          .rstrip = token["rstrip"].boolean(false),
          .single_word = token["single_word"].boolean(false)};
}

std::int64_t read_id(const Json& where, const std::string& text) {
  const bool digits = !text.empty() && text.size() < 8 && text.find_first_not_of("0123456789") == std::string::npos;
  if (!digits) where.fail("got the id \"" + text + "\", expected a number");
  return std::stoll(text);
}

std::vector<AddedToken> read_list(const Json& list) {
  std::vector<AddedToken> tokens;
  if (list.is_object())  // {"image_token": "<image>"}
    for (const auto& [name, token] : list.members()) tokens.push_back(read_token(token));
  if (list.is_array())
    for (const Json& token : list.items()) tokens.push_back(read_token(token));
  return tokens;
}

/// Takes the tokens of one file, which replace earlier ones.
void read_roles(const Json& json, TokenizerFolder& folder) {
  for (std::size_t i = 0; i < kRoleKeys.size(); ++i) {
    const Json token = json[kRoleKeys[i]];
    if (token) folder.roles[static_cast<Role>(i)] = read_token(token);
  }
  for (const char* key : {"additional_special_tokens", "extra_special_tokens"})
    if (json[key] && json[key].size() > 0) folder.extra = read_list(json[key]);
  for (AddedToken& token : folder.extra) token.special = true;
}

void read_numbered(TokenizerFolder& folder) {
  const Json decoder = folder.config["added_tokens_decoder"];
  if (decoder) {
    for (const auto& [id, token] : decoder.members()) {
      AddedToken read = read_token(token);
      read.special = token["special"].boolean(false);
      read.normalized = token["normalized"].boolean(!read.special);
      read.id = read_id(decoder, id);
      folder.numbered.push_back(std::move(read));
    }
  } else if (folder.has("added_tokens.json")) {
    const auto is_special = [&](const std::string& text) {
      return std::any_of(folder.roles.begin(), folder.roles.end(),
                         [&](const auto& r) { return r.second.text == text; }) ||
             std::any_of(folder.extra.begin(), folder.extra.end(), [&](const auto& t) { return t.text == text; });
    };
    for (const auto& [text, id] : Json::read(folder.path / "added_tokens.json").members()) {
      const bool special = is_special(text);
      folder.numbered.push_back({.text = text, .id = id.integer(), .special = special, .normalized = !special});
      if (folder.numbered.back().id < 0 || id.integer() >= 1 << 24) id.fail("expected an id");
    }
  }
  std::sort(folder.numbered.begin(), folder.numbered.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
}

}  // namespace

TokenizerFolder::TokenizerFolder(const fs::path& folder) : path(folder), config(Json::object()) {
  if (has("tokenizer_config.json")) config = Json::read(path / "tokenizer_config.json");
  family = config["tokenizer_class"].text("");
  for (const std::string_view suffix : {"Fast", "Tokenizer"})
    if (family.ends_with(suffix)) family.resize(family.size() - suffix.size());
  if (family.empty() && has("config.json")) family = Json::read(path / "config.json")["model_type"].text("");
  family = lower_ascii(family);
  read_roles(config, *this);
  if (!config["added_tokens_decoder"] && has("special_tokens_map.json"))
    read_roles(Json::read(path / "special_tokens_map.json"), *this);
  read_numbered(*this);
}

std::string TokenizerFolder::token(Role role) const {
  const auto found = roles.find(role);
  return found == roles.end() ? std::string() : found->second.text;
}

std::vector<AddedToken> TokenizerFolder::added_tokens(const TokenizerImpl& vocabulary) const {
  std::vector<AddedToken> added = numbered;
  const auto add = [&](const AddedToken& token) {
    const auto same = [&](const AddedToken& other) { return other.text == token.text; };
    if (token.text.empty() || std::any_of(numbered.begin(), numbered.end(), same)) return;
    std::erase_if(added, same);  // of two roles with one token, the later one's flags count
    added.push_back(token);
    added.back().special = true;
  };
  for (const auto& [role, token] : roles) add(token);
  for (const AddedToken& token : extra) add(token);
  auto next = static_cast<std::int64_t>(vocabulary.pieces.size());
  for (const AddedToken& token : added) next = std::max(next, token.id + 1);
  for (AddedToken& token : added) {
    if (token.id < 0) token.id = vocabulary.find(token.text);
    if (token.id < 0) token.id = next++;
  }
  return added;
}

void TokenizerFolder::finish(TokenizerImpl& tokenizer) const {
  const auto set = [&](Role role, std::int64_t& id) {
    const std::string text = token(role);
    if (!text.empty()) id = tokenizer.find(text);
  };
  set(Role::begin, tokenizer.special.begin);
  set(Role::end, tokenizer.special.end);
  set(Role::unknown, tokenizer.special.unknown);
  set(Role::sep, tokenizer.special.sep);
  set(Role::pad, tokenizer.special.pad);
  set(Role::cls, tokenizer.special.cls);
  set(Role::mask, tokenizer.special.mask);
  if (config["padding_side"]) tokenizer.pad_left = config["padding_side"].text() == "left";
  if (config["truncation_side"]) tokenizer.cut_left = config["truncation_side"].text() == "left";
  const bool forced = config["clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output"].boolean(false);
  tokenizer.clean_up = config["clean_up_tokenization_spaces"].boolean(false) && (!tokenizer.bpe || forced);
}

namespace {

bool is_one_of(const std::string& family, std::initializer_list<const char*> names) {
  return std::any_of(names.begin(), names.end(), [&](const char* name) { return family == name; });
}

/// The reader for the classic files in a folder; null where there are none, or of a class that is not known here.
std::shared_ptr<TokenizerImpl> read_classic(const TokenizerFolder& folder) {
  for (const char* name : {"spiece.model", "tokenizer.model", "sentencepiece.model"}) {
    if (!folder.has(name)) continue;
    const fs::path model = folder.path / name;
    if (folder.family == "limn") return read_limn(folder, model);
    if (is_one_of(folder.family, {"t5", "mt5", "umt5"})) return read_t5(folder, model);
    if (is_one_of(folder.family, {"llama", "mistral"})) return read_llama(folder, model);
    if (folder.family == "siglip") return read_siglip(folder, model);
    if (folder.family.empty()) return read_sentencepiece(model, {});
  }
  if (folder.has("vocab.txt")) return read_bert(folder);
  if (!folder.has("vocab.json") || !folder.has("merges.txt")) return nullptr;
  if (folder.has("open_clip_config.json") && !folder.has("config.json")) return read_open_clip(folder);
  if (folder.family == "clip") return read_clip(folder);
  if (is_one_of(folder.family, {"gpt2", "gpt_neo", "opt", "blip-2"})) return read_gpt2(folder);
  if (is_one_of(folder.family, {"bart", "roberta", "longformer", "blenderbot"})) return read_roberta(folder);
  return nullptr;
}

Normalizer lowered(const Normalizer& normalizer) {
  return normalizer ? sequence_normalizer({lowercase_normalizer(), normalizer}) : lowercase_normalizer();
}

}  // namespace

Tokenizer open_clip_tokenizer(const fs::path& path) {
  try {
    return Tokenizer(read_open_clip(TokenizerFolder(path)));
  } catch (const InputError& error) {
    throw CheckpointError(error.what());
  }
}

Tokenizer open_tokenizer(const fs::path& path, const TokenizerOptions& options) {
  if (!fs::is_directory(path)) throw CheckpointError(path.string() + ": is not a folder; expected a model folder");
  try {
    const TokenizerFolder folder(path);
    std::shared_ptr<TokenizerImpl> impl = read_classic(folder);
    if (!impl && folder.has("tokenizer.json")) {
      const auto pipeline = read_tokenizer_json(path / "tokenizer.json");
      if (options.lower) pipeline->normalizer = lowered(pipeline->normalizer);
      impl = pipeline;
      folder.finish(*impl);
    }
    if (impl) return Tokenizer(impl);
    throw CheckpointError(path.string() + ": has no tokenizer that is known here" +
                          (folder.family.empty() ? "" : " (family \"" + folder.family + "\")") +
                          "; expected tokenizer.json, vocab.txt, vocab.json with merges.txt, spiece.model or "
                          "tokenizer.model");
  } catch (const InputError& error) {
    throw CheckpointError(error.what());
  }
}

}  // namespace limn
