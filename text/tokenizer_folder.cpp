#include <algorithm>
#include <map>

#include "core/json.h"
#include "text/sentencepiece.h"
#include "text/tokenizer_json.h"

namespace limn {

namespace {

namespace fs = std::filesystem;

/// What a folder says about its tokenizer beside the vocabulary.
struct Folder {
  fs::path path;
  Json config;         // tokenizer_config.json, or an empty object
  std::string family;  // lower case: tokenizer_class without "Tokenizer" and "Fast", else config.json's model_type
};

std::string lower_ascii(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

Folder read_folder(const fs::path& path) {
  Folder folder{.path = path, .config = Json::object(), .family = {}};
  if (fs::exists(path / "tokenizer_config.json")) folder.config = Json::read(path / "tokenizer_config.json");
  std::string name = folder.config["tokenizer_class"].text("");
  for (const char* suffix : {"Fast", "Tokenizer"})
    if (name.ends_with(suffix)) name.resize(name.size() - std::string_view(suffix).size());
  if (name.empty() && fs::exists(path / "config.json")) name = Json::read(path / "config.json")["model_type"].text("");
  folder.family = lower_ascii(name);
  return folder;
}

/// A token in tokenizer_config.json is a string or an object with "content"; "" where absent or null.
std::string token_text(const Json& token) { return token.is_object() ? token.at("content").text() : token.text(""); }

AddedToken read_added(const Json& token, std::int64_t id) {
  return {.text = token_text(token),
          .id = id,
          .special = token["special"].boolean(true),
          .normalized = token["normalized"].boolean(false),
          .lstrip = token["lstrip"].boolean(false),
          .rstrip = token["rstrip"].boolean(false),
          .single_word = token["single_word"].boolean(false)};
}

/// Limn's own: the tokens named in the configuration are found in the text; the model's begin and end go around it.
std::shared_ptr<TokenizerImpl> open_limn(const Folder& folder) {
  SentencePieceOptions options{.drop_lone_prefix = folder.config["drop_lone_prefix"].boolean(true)};
  for (const Json& token : folder.config["additional_special_tokens"]
                               ? folder.config["additional_special_tokens"].items()
                               : std::vector<Json>{})
    options.added.push_back(read_added(token, -1));
  if (folder.config["add_bos_token"].boolean(true)) options.before = {token_text(folder.config.at("bos_token"))};
  if (folder.config["add_eos_token"].boolean(true)) options.behind = {token_text(folder.config.at("eos_token"))};
  return read_sentencepiece(folder.path / "tokenizer.model", options);
}

}  // namespace

Tokenizer open_tokenizer(const fs::path& path) {
  if (!fs::is_directory(path)) throw CheckpointError(path.string() + ": is not a folder; expected a model folder");
  try {
    const Folder folder = read_folder(path);
    if (fs::exists(path / "tokenizer.model")) {
      if (folder.family == "limn") return Tokenizer(open_limn(folder));
      return Tokenizer(read_sentencepiece(path / "tokenizer.model", {}));
    }
    if (fs::exists(path / "tokenizer.json")) return Tokenizer(read_tokenizer_json(path / "tokenizer.json"));
  } catch (const InputError& error) {
    throw CheckpointError(error.what());
  }
  throw CheckpointError(path.string() +
                        ": has no tokenizer; expected one of tokenizer.model, spiece.model, vocab.txt, " +
                        "vocab.json with merges.txt, tokenizer.json");
}

}  // namespace limn
