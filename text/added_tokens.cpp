#include "text/added_tokens.h"

#include <algorithm>

#include "text/unicode.h"

namespace limn {

AddedTokens::AddedTokens(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)), nodes_(1) {
  std::erase_if(tokens_, [](const AddedToken& token) { return token.text.empty(); });
  for (std::size_t i = 0; i < tokens_.size(); ++i) {
    std::uint32_t at = 0;
    for (const unsigned char byte : tokens_[i].text) {
      auto& next = nodes_[at].next;
      const auto place = std::lower_bound(next.begin(), next.end(), byte,
                                          [](const auto& edge, unsigned char wanted) { return edge.first < wanted; });
      if (place != next.end() && place->first == byte) {
        at = place->second;
        continue;
      }
      const auto made = static_cast<std::uint32_t>(nodes_.size());
      next.insert(place, {byte, made});
      nodes_.emplace_back();
      at = made;
    }
    if (nodes_[at].token < 0) nodes_[at].token = static_cast<std::int32_t>(i);
    first_[static_cast<unsigned char>(tokens_[i].text.front())] = true;
  }
}

std::int32_t AddedTokens::longest_match(std::string_view text) const {
  std::uint32_t at = 0;
  std::int32_t found = -1;
  for (const unsigned char byte : text) {
    const auto& next = nodes_[at].next;
    const auto edge = std::find_if(next.begin(), next.end(), [byte](const auto& e) { return e.first == byte; });
    if (edge == next.end()) break;
    at = edge->second;
    if (nodes_[at].token >= 0) found = nodes_[at].token;
  }
  return found;
}

std::vector<TextPart> AddedTokens::split(std::string_view text) const {
  std::vector<TextPart> parts;
  std::size_t plain = 0;  // where the text not yet handed out begins
  for (std::size_t at = 0; !tokens_.empty() && at < text.size();) {
    const std::int32_t match = first_[static_cast<unsigned char>(text[at])] ? longest_match(text.substr(at)) : -1;
    if (match < 0) {
      ++at;
      continue;
    }
    const AddedToken& token = tokens_[static_cast<std::size_t>(match)];
    std::size_t begin = at, end = at + token.text.size();
    at = end;
    if (token.single_word && (ends_in_word(text.substr(0, begin)) || begins_with_word(text.substr(end)))) continue;
    if (token.lstrip) begin = std::max(plain, begin - space_at_end(text.substr(0, begin)));
    if (token.rstrip) end += space_at_begin(text.substr(end));
    if (begin > plain) parts.push_back({-1, text.substr(plain, begin - plain)});
    parts.push_back({token.id, text.substr(begin, end - begin)});
    plain = at = end;
  }
  if (plain < text.size()) parts.push_back({-1, text.substr(plain)});
  return parts;
}

}  // namespace limn
