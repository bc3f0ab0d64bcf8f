#include "text/wordpiece.h"

#include "core/error.h"
#include "text/byte_trie.h"
#include "text/unicode.h"

namespace limn {

namespace {

struct WordPiece {
  ByteTrie begins, continues;  // the second without the prefix
  std::int64_t unknown = -1;
  std::int64_t longest_word = 100;

  bool too_long(std::string_view word) const {
    if (static_cast<std::int64_t>(word.size()) <= longest_word) return false;
    std::int64_t characters = 0;
    for (const char c : word) characters += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
    return characters > longest_word;
  }

  void operator()(std::string_view word, Ids& ids) const {
    const std::size_t before = ids.size();
    bool known = !too_long(word);
    for (std::size_t at = 0; known && at < word.size();) {
      const ByteTrie::Match match = (at == 0 ? begins : continues).longest(word.substr(at));
      known = match.length > 0;
      if (known) ids.push_back(match.value);
      at += match.length;
    }
    if (known) return;
    ids.resize(before);
    ids.push_back(unknown);
  }
};

}  // namespace

TokenModel wordpiece_model(const Vocabulary& vocabulary, const WordPieceOptions& options) {
  auto model = std::make_shared<WordPiece>();
  const auto unknown = vocabulary.find(options.unknown);
  if (unknown == vocabulary.end())
    throw CheckpointError("the vocabulary lacks the unknown token \"" + options.unknown + "\"");
  model->unknown = unknown->second;
  model->longest_word = options.longest_word;
  for (const auto& [piece, id] : vocabulary) {
    if (piece.empty()) continue;
    model->begins.insert(piece, id);
    if (piece.size() > options.prefix.size() && piece.starts_with(options.prefix))
      model->continues.insert(std::string_view(piece).substr(options.prefix.size()), id);
  }
  return [model](std::string_view word, Ids& ids) { (*model)(word, ids); };
}

}  // namespace limn
