#include "text/added_tokens.h"

#include <algorithm>

#include "text/unicode.h"

namespace limn {

AddedTokens::AddedTokens(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)) {
  std::erase_if(tokens_, [](const AddedToken& token) { return token.text.empty(); });
  for (std::size_t i = 0; i < tokens_.size(); ++i) {
    trie_.insert(tokens_[i].text, static_cast<std::int64_t>(i));
    first_[static_cast<unsigned char>(tokens_[i].text.front())] = true;
  }
}

std::vector<TextPart> AddedTokens::split(std::string_view text) const {
  std::vector<TextPart> parts;
  std::size_t plain = 0;  // where the text not yet handed out begins
  for (std::size_t at = 0; !tokens_.empty() && at < text.size();) {
    const bool possible = first_[static_cast<unsigned char>(text[at])];
    const ByteTrie::Match match = possible ? trie_.longest(text.substr(at)) : ByteTrie::Match{};
    if (match.value == ByteTrie::kAbsent) {
      ++at;
      continue;
    }
    const AddedToken& token = tokens_[static_cast<std::size_t>(match.value)];
    std::size_t begin = at, end = at + match.length;
    at = end;
    if (token.single_word && (ends_in_word(text.substr(0, begin)) || begins_with_word(text.substr(end)))) continue;
    if (token.lstrip) begin = std::max(plain, begin - space_at_end(text.substr(0, begin)));
    if (token.rstrip) end += space_at_begin(text.substr(end));
    if (begin > plain) parts.push_back({-1, text.substr(plain, begin - plain)});
    parts.push_back({token.id, text.substr(begin, end - begin)});
    plain = end;  // the search goes on behind the token itself: the next may begin in the space that it took
  }
  if (plain < text.size()) parts.push_back({-1, text.substr(plain)});
  return parts;
}

}  // namespace limn
