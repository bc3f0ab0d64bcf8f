#include "text/bpe.h"

#include <algorithm>
#include <limits>
#include <queue>

#include "core/error.h"
#include "text/flat_map.h"
#include "text/unicode.h"

namespace limn {

namespace {

constexpr std::uint32_t kNoRank = std::numeric_limits<std::uint32_t>::max();
constexpr std::size_t kShort = 24;  // symbols up to which searching all of them beats a heap

struct Merge {
  std::uint32_t rank = kNoRank;
  std::uint32_t id = 0;
};

/// One symbol of a word: a list linked by index, so that merging moves nothing.
struct Symbol {
  std::uint32_t id;
  std::int32_t previous, next;  // -1: none
  bool alive = true;
};

std::uint64_t pair_key(std::uint32_t left, std::uint32_t right) {
  return static_cast<std::uint64_t>(left) << 32 | right;
}

class Bpe {
 public:
  Bpe(const Vocabulary& vocabulary, const BpeOptions& options);
  void operator()(std::string_view text, Ids& ids) const;

 private:
  void add_merge(const std::pair<std::string, std::string>& merge, std::size_t rank, const Vocabulary& vocabulary,
                 const std::string& prefix);
  void add_character(std::string_view piece, std::int64_t id);
  Merge merge_of(std::uint32_t left, std::uint32_t right) const;
  void symbols_of(std::string_view text, std::vector<std::uint32_t>& symbols) const;
  void merge_short(std::vector<std::uint32_t>& symbols) const;
  void merge_long(std::vector<std::uint32_t>& symbols) const;

  FlatMap merges_;                       // pair_key -> rank << 32 | id
  FlatMap characters_[2][2];             // [continues][last]: code point -> id of prefix + character + suffix
  std::array<std::int64_t, 256> bytes_;  // -1: no such piece, or no fallback
  std::int64_t unknown_ = -1;
  bool fuse_unknown_;
  std::string prefix_, suffix_;
  Vocabulary whole_;  // where merges are ignored: all pieces
};

Bpe::Bpe(const Vocabulary& vocabulary, const BpeOptions& options)
    : merges_(options.merges.size()),
      fuse_unknown_(options.fuse_unknown),
      prefix_(options.prefix),
      suffix_(options.suffix) {
  const auto find = [&](const std::string& piece) {
    const auto found = vocabulary.find(piece);
    return found == vocabulary.end() ? std::int64_t{-1} : found->second;
  };
  if (!options.unknown.empty()) {
    unknown_ = find(options.unknown);
    if (unknown_ < 0) throw CheckpointError("the vocabulary lacks the unknown token \"" + options.unknown + "\"");
  }
  bytes_ = byte_piece_ids([&](const std::string& piece) { return options.byte_fallback ? find(piece) : -1; });
  for (const auto& [piece, id] : vocabulary) add_character(piece, id);
  for (std::size_t rank = 0; rank < options.merges.size(); ++rank)
    add_merge(options.merges[rank], rank, vocabulary, options.prefix);
  if (options.ignore_merges) whole_ = vocabulary;
}

/// Enters a piece that is one character, with or without prefix and suffix.
void Bpe::add_character(std::string_view piece, std::int64_t id) {
  for (const bool continues : {false, true}) {
    for (const bool last : {false, true}) {
      std::string_view rest = piece;
      if (continues) {
        if (!rest.starts_with(prefix_)) continue;
        rest.remove_prefix(prefix_.size());
      }
      if (last) {
        if (!rest.ends_with(suffix_)) continue;
        rest.remove_suffix(suffix_.size());
      }
      if (rest.empty() || rest.size() > 4) continue;
      std::size_t at = 0;
      const char32_t c = next_code_point(rest, at);
      if (at == rest.size()) characters_[continues][last].insert(c, id);
    }
  }
}

void Bpe::add_merge(const std::pair<std::string, std::string>& merge, std::size_t rank, const Vocabulary& vocabulary,
                    const std::string& prefix) {
  const auto id = [&](const std::string& piece) {
    const auto found = vocabulary.find(piece);
    if (found == vocabulary.end())
      throw CheckpointError("merge " + std::to_string(rank) + ", \"" + merge.first + " " + merge.second +
                            "\": the vocabulary lacks \"" + piece + "\"");
    return static_cast<std::uint32_t>(found->second);
  };
  const std::uint32_t left = id(merge.first), right = id(merge.second);
  const std::uint32_t made = id(merge.first + merge.second.substr(std::min(prefix.size(), merge.second.size())));
  merges_.insert(pair_key(left, right), static_cast<std::int64_t>(static_cast<std::uint64_t>(rank) << 32 | made));
}

Merge Bpe::merge_of(std::uint32_t left, std::uint32_t right) const {
  const std::int64_t found = merges_.find(pair_key(left, right));
  if (found == FlatMap::kAbsent) return {};
  return {static_cast<std::uint32_t>(found >> 32), static_cast<std::uint32_t>(found)};
}

void Bpe::symbols_of(std::string_view text, std::vector<std::uint32_t>& symbols) const {
  bool pending = false;  // an unknown token not yet written
  const auto put = [&](std::int64_t id) { symbols.push_back(static_cast<std::uint32_t>(id)); };
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = at;
    const char32_t c = next_code_point(text, at);
    const bool continues = begin > 0, last = at == text.size();
    const std::int64_t id = characters_[continues][last].find(c);
    if (id >= 0) {
      if (pending) put(unknown_);
      pending = false;
      put(id);
      continue;
    }
    const std::string spelled = (continues ? prefix_ : std::string()) + std::string(text.substr(begin, at - begin)) +
                                (last ? suffix_ : std::string());
    const auto byte_id = [&](char byte) { return bytes_[static_cast<unsigned char>(byte)]; };
    if (std::all_of(spelled.begin(), spelled.end(), [&](char byte) { return byte_id(byte) >= 0; })) {
      for (const char byte : spelled) put(byte_id(byte));  // a pending unknown stays pending, as in the reference
    } else if (unknown_ >= 0) {
      if (pending && !fuse_unknown_) put(unknown_);
      pending = true;
    }
  }
  if (pending) put(unknown_);
}

void Bpe::merge_short(std::vector<std::uint32_t>& symbols) const {
  Merge found[kShort];
  std::size_t count = symbols.size();
  for (std::size_t i = 0; i + 1 < count; ++i) found[i] = merge_of(symbols[i], symbols[i + 1]);
  while (count > 1) {
    std::size_t best = 0;
    for (std::size_t i = 1; i + 1 < count; ++i)
      if (found[i].rank < found[best].rank) best = i;
    if (found[best].rank == kNoRank) break;
    symbols[best] = found[best].id;
    --count;
    for (std::size_t i = best + 1; i < count; ++i) symbols[i] = symbols[i + 1];
    for (std::size_t i = best + 1; i + 1 < count; ++i) found[i] = found[i + 1];
    if (best + 1 < count) found[best] = merge_of(symbols[best], symbols[best + 1]);
    if (best > 0) found[best - 1] = merge_of(symbols[best - 1], symbols[best]);
  }
  symbols.resize(count);
}

void Bpe::merge_long(std::vector<std::uint32_t>& symbols) const {
  std::vector<Symbol> list;
  list.reserve(symbols.size());
  for (std::size_t i = 0; i < symbols.size(); ++i)
    list.push_back(
        {symbols[i], static_cast<std::int32_t>(i) - 1, i + 1 < symbols.size() ? static_cast<std::int32_t>(i) + 1 : -1});
  struct Candidate {
    Merge merge;
    std::int32_t at;
    std::uint32_t left, right;                      // what stood there when it was found
    bool operator<(const Candidate& other) const {  // the queue's top is the largest
      return merge.rank != other.merge.rank ? merge.rank > other.merge.rank : at > other.at;
    }
  };
  std::priority_queue<Candidate> queue;
  const auto offer = [&](std::int32_t at) {
    if (at < 0 || list[static_cast<std::size_t>(at)].next < 0) return;
    const Symbol& symbol = list[static_cast<std::size_t>(at)];
    const std::uint32_t right = list[static_cast<std::size_t>(symbol.next)].id;
    const Merge merge = merge_of(symbol.id, right);
    if (merge.rank != kNoRank) queue.push({merge, at, symbol.id, right});
  };
  for (std::size_t i = 0; i + 1 < list.size(); ++i) offer(static_cast<std::int32_t>(i));
  while (!queue.empty()) {
    const Candidate top = queue.top();
    queue.pop();
    Symbol& left = list[static_cast<std::size_t>(top.at)];
    if (!left.alive || left.next < 0 || left.id != top.left) continue;
    Symbol& right = list[static_cast<std::size_t>(left.next)];
    if (right.id != top.right) continue;
    left.id = top.merge.id;
    left.next = right.next;
    right.alive = false;
    if (left.next >= 0) list[static_cast<std::size_t>(left.next)].previous = top.at;
    offer(left.previous);
    offer(top.at);
  }
  symbols.clear();
  for (std::int32_t at = 0; at >= 0; at = list[static_cast<std::size_t>(at)].next)
    symbols.push_back(list[static_cast<std::size_t>(at)].id);
}

void Bpe::operator()(std::string_view text, Ids& ids) const {
  if (!whole_.empty()) {
    if (const auto found = whole_.find(text); found != whole_.end()) return ids.push_back(found->second);
  }
  std::vector<std::uint32_t> symbols;
  symbols.reserve(text.size());
  symbols_of(text, symbols);
  if (symbols.size() > kShort) {
    merge_long(symbols);
  } else if (symbols.size() > 1) {
    merge_short(symbols);
  }
  ids.insert(ids.end(), symbols.begin(), symbols.end());
}

}  // namespace

std::array<std::int64_t, 256> byte_piece_ids(const std::function<std::int64_t(const std::string& piece)>& find) {
  std::array<std::int64_t, 256> ids;
  const char* digits = "0123456789ABCDEF";
  for (std::size_t byte = 0; byte < 256; ++byte)
    ids[byte] = find({'<', '0', 'x', digits[byte / 16], digits[byte % 16], '>'});
  return ids;
}

TokenModel bpe_model(const Vocabulary& vocabulary, const BpeOptions& options) {
  const auto model = std::make_shared<const Bpe>(vocabulary, options);
  return [model](std::string_view text, Ids& ids) { (*model)(text, ids); };
}

}  // namespace limn
