#include "apps/evaluate/pattern.h"

#include <algorithm>

namespace limn {

namespace {

using Range = std::pair<char16_t, char16_t>;

std::vector<Range> parse_ranges(std::u16string_view text) {
  std::vector<Range> ranges;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool range = i + 2 < text.size() && text[i + 1] == u'-';
    ranges.emplace_back(text[i], range ? text[i + 2] : text[i]);
    if (range) i += 2;
  }
  return ranges;
}

bool holds(const std::vector<Range>& ranges, char16_t c) {
  return std::any_of(ranges.begin(), ranges.end(), [c](const Range& r) { return r.first <= c && c <= r.second; });
}

bool matches(char16_t wanted, char16_t c) {
  return c == wanted || (wanted >= u'a' && wanted <= u'z' && c == wanted - u'a' + u'A');
}

bool begins_with(std::u16string_view text, std::size_t begin, std::u16string_view wanted) {
  if (text.size() - begin < wanted.size()) return false;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (!matches(wanted[i], text[begin + i])) return false;
  }
  return true;
}

void tidy(Pattern::Ends& ends) {
  std::sort(ends.begin(), ends.end());
  ends.erase(std::unique(ends.begin(), ends.end()), ends.end());
}

}  // namespace

CharSet one_of(std::u16string_view ranges) {
  return [set = parse_ranges(ranges)](char16_t c) { return holds(set, c); };
}

CharSet none_of(std::u16string_view ranges) {
  return [set = parse_ranges(ranges)](char16_t c) { return !holds(set, c); };
}

CharSet operator|(CharSet a, CharSet b) {
  return [a = std::move(a), b = std::move(b)](char16_t c) { return a(c) || b(c); };
}

Pattern::Pattern(CharSet set) : Pattern(times(std::move(set), 1, 1)) {}

Pattern::Pattern(const char16_t* text) : Pattern(literal(text)) {}

Pattern::Ends Pattern::ends(std::u16string_view text, std::size_t begin) const {
  Ends ends;
  add(text, begin, ends);
  tidy(ends);
  return ends;
}

Pattern literal(std::u16string_view wanted) {
  return Pattern([word = std::u16string(wanted)](std::u16string_view text, std::size_t begin, Pattern::Ends& ends) {
    if (begins_with(text, begin, word)) ends.push_back(begin + word.size());
  });
}

Pattern word_of(std::u16string_view list) {
  std::vector<std::u16string> words(1);
  for (const char16_t c : list) {
    if (c == u' ') {
      words.emplace_back();
    } else {
      words.back() += c;
    }
  }
  return Pattern([words](std::u16string_view text, std::size_t begin, Pattern::Ends& ends) {
    for (const std::u16string& word : words) {
      if (begins_with(text, begin, word)) ends.push_back(begin + word.size());
    }
  });
}

Pattern operator+(Pattern a, Pattern b) {
  return Pattern(
      [a = std::move(a), b = std::move(b)](std::u16string_view text, std::size_t begin, Pattern::Ends& ends) {
        for (const std::size_t middle : a.ends(text, begin)) b.add(text, middle, ends);
      });
}

Pattern operator|(Pattern a, Pattern b) {
  return Pattern(
      [a = std::move(a), b = std::move(b)](std::u16string_view text, std::size_t begin, Pattern::Ends& ends) {
        a.add(text, begin, ends);
        b.add(text, begin, ends);
      });
}

Pattern times(CharSet set, std::size_t least, std::size_t most) {
  return Pattern([=](std::u16string_view text, std::size_t begin, Pattern::Ends& ends) {
    for (std::size_t length = 0;; ++length) {
      if (length >= least) ends.push_back(begin + length);
      if (length == most || begin + length >= text.size() || !set(text[begin + length])) return;
    }
  });
}

Pattern times(Pattern pattern, std::size_t least, std::size_t most) {
  return Pattern([=](std::u16string_view text, std::size_t begin, Pattern::Ends& ends) {
    Pattern::Ends front = {begin}, seen;  // ends after `count` rounds; ends of all counted rounds
    for (std::size_t count = 0; !front.empty(); ++count) {
      if (count >= least) {
        Pattern::Ends fresh;  // what was reached before leads nowhere new
        std::set_difference(front.begin(), front.end(), seen.begin(), seen.end(), std::back_inserter(fresh));
        seen.insert(seen.end(), fresh.begin(), fresh.end());
        tidy(seen);
        front = std::move(fresh);
      }
      if (count == most) break;
      Pattern::Ends next;
      for (const std::size_t place : front) pattern.add(text, place, next);
      tidy(next);
      front = std::move(next);
    }
    ends.insert(ends.end(), seen.begin(), seen.end());
  });
}

}  // namespace limn
