#include "text/unigram.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "core/error.h"
#include "text/byte_trie.h"

namespace limn {

namespace {

constexpr double kUnknownPenalty = 10;

std::size_t character_length(char lead) {
  const auto byte = static_cast<unsigned char>(lead);
  return byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}

struct Unigram {
  struct Node {  // the best way to reach a place
    double score = 0;
    std::size_t begin = 0;  // of its last piece
    std::int64_t id = -1;   // of its last piece; -1: not reached
  };

  ByteTrie trie;
  std::vector<double> scores;
  double unknown_score = 0;
  std::int64_t unknown = -1;
  bool single_precision = false;
  std::array<std::int64_t, 256> byte_ids;  // -1: no such piece, or no fallback to bytes

  std::vector<Node> best_path(std::string_view text) const {
    std::vector<Node> nodes(text.size() + 1);
    const auto offer = [&](std::size_t begin, std::size_t end, std::int64_t id, double sum) {
      Node& node = nodes[end];
      const double score = single_precision ? static_cast<float>(sum) : sum;
      if (node.id < 0 || score > node.score) node = {score, begin, id};
    };
    for (std::size_t begin = 0; begin < text.size();) {
      const double score = nodes[begin].score;
      const std::size_t length = std::min(character_length(text[begin]), text.size() - begin);
      bool single = false;
      std::int64_t at = ByteTrie::kRoot;
      for (std::size_t end = begin; end < text.size();) {
        at = trie.step(at, static_cast<unsigned char>(text[end++]));
        if (at == ByteTrie::kAbsent) break;
        const std::int64_t id = trie.value(at);
        if (id == ByteTrie::kAbsent) continue;
        offer(begin, end, id, score + scores[static_cast<std::size_t>(id)]);
        single = single || end == begin + length;
      }
      if (!single) {
        if (unknown < 0) throw InputError("tokenizer: a character is unknown, and the vocabulary has no unknown token");
        offer(begin, begin + length, unknown, score + unknown_score);
      }
      begin += length;
    }
    return nodes;
  }

  /// What one stretch of unknown characters becomes.
  void append_unknown(std::string_view text, Ids& ids) const {
    const auto id = [&](char c) { return byte_ids[static_cast<unsigned char>(c)]; };
    if (std::any_of(text.begin(), text.end(), [&](char c) { return id(c) < 0; })) return ids.push_back(unknown);
    for (const char c : text) ids.push_back(id(c));
  }

  void operator()(std::string_view text, Ids& ids) const {
    const std::vector<Node> nodes = best_path(text);
    std::vector<std::size_t> ends;
    for (std::size_t end = text.size(); end > 0; end = nodes[end].begin) ends.push_back(end);
    std::size_t begin = 0;
    for (std::size_t i = ends.size(); i-- > 0; begin = ends[i]) {
      if (nodes[ends[i]].id != unknown) {
        ids.push_back(nodes[ends[i]].id);
        continue;
      }
      while (i > 0 && nodes[ends[i - 1]].id == unknown) --i;
      append_unknown(text.substr(begin, ends[i] - begin), ids);
    }
  }
};

}  // namespace

TokenModel unigram_model(const std::vector<std::string>& pieces, const std::vector<double>& scores,
                         const UnigramOptions& options) {
  auto model = std::make_shared<Unigram>();
  model->scores = scores;
  model->unknown = options.unknown;
  model->single_precision = options.single_precision;
  for (std::size_t id = 0; id < pieces.size(); ++id)
    if (!pieces[id].empty() && std::isfinite(scores[id])) model->trie.insert(pieces[id], static_cast<std::int64_t>(id));
  const double lowest = scores.empty() ? 0 : *std::min_element(scores.begin(), scores.end());
  model->unknown_score = options.lowest_score.value_or(lowest) - kUnknownPenalty;
  if (options.single_precision) model->unknown_score = static_cast<float>(model->unknown_score);
  model->byte_ids = byte_piece_ids([&](const std::string& piece) -> std::int64_t {
    const auto found = std::find(pieces.begin(), pieces.end(), piece);
    return options.byte_fallback && found != pieces.end() ? found - pieces.begin() : -1;
  });
  return [model](std::string_view text, Ids& ids) { (*model)(text, ids); };
}

}  // namespace limn
