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

bool contains(const std::vector<Range>& ranges, char16_t c) {
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

void tidy(Pattern::Places& places) {
  if (std::is_sorted(places.begin(), places.end(), std::less_equal<>())) return;  // strictly ascending: the usual case
  std::sort(places.begin(), places.end());
  places.erase(std::unique(places.begin(), places.end()), places.end());
}

Pattern::First first_of(const CharSet& set) {
  Pattern::First first;
  for (char16_t c = 0; c < 128; ++c) first.units[c] = set(c);
  first.units[128] = true;
  return first;
}

Pattern::First first_of(const std::vector<std::u16string>& words) {
  Pattern::First first;
  for (const std::u16string& word : words) {
    for (char16_t c = 0; c < 128; ++c) first.units[c] = first.units[c] || matches(word.front(), c);
    if (word.front() >= 128) first.units[128] = true;
  }
  return first;
}

}  // namespace

CharSet::CharSet(std::function<bool(char16_t)> holds) : holds_(std::move(holds)) {
  for (char16_t c = 0; c < kAscii; ++c) ascii_[c] = holds_(c);
}

CharSet one_of(std::u16string_view ranges) {
  return CharSet([set = parse_ranges(ranges)](char16_t c) { return contains(set, c); });
}

CharSet none_of(std::u16string_view ranges) {
  return CharSet([set = parse_ranges(ranges)](char16_t c) { return !contains(set, c); });
}

CharSet operator|(CharSet a, CharSet b) {
  return CharSet([a = std::move(a), b = std::move(b)](char16_t c) { return a(c) || b(c); });
}

Pattern::Pattern(const CharSet& set) : Pattern(times(set, 1, 1)) {}

Pattern::Pattern(const char16_t* text) : Pattern(word_of(text)) {}

Pattern word_of(std::u16string_view list) {
  std::vector<std::u16string> words(1);
  for (const char16_t c : list) {
    if (c == u' ') {
      words.emplace_back();
    } else {
      words.back() += c;
    }
  }
  return {first_of(words), [words](std::u16string_view text, const Pattern::Places& begins) {
            Pattern::Places ends;
            for (const std::size_t begin : begins) {
              for (const std::u16string& word : words) {
                if (begins_with(text, begin, word)) ends.push_back(begin + word.size());
              }
            }
            tidy(ends);
            return ends;
          }};
}

Pattern operator+(Pattern a, Pattern b) {
  Pattern::First first = a.first();
  if (first.nothing) first.units |= b.first().units;
  first.nothing = first.nothing && b.first().nothing;
  return {first, [a = std::move(a), b = std::move(b)](std::u16string_view text, const Pattern::Places& begins) {
            const Pattern::Places middle = a.ends(text, begins);
            return middle.empty() ? middle : b.ends(text, middle);
          }};
}

Pattern operator|(Pattern a, Pattern b) {
  Pattern::First first = a.first();
  first.units |= b.first().units;
  first.nothing = first.nothing || b.first().nothing;
  return {first, [a = std::move(a), b = std::move(b)](std::u16string_view text, const Pattern::Places& begins) {
            const Pattern::Places one = a.ends(text, begins), two = b.ends(text, begins);
            Pattern::Places ends;
            std::set_union(one.begin(), one.end(), two.begin(), two.end(), std::back_inserter(ends));
            return ends;
          }};
}

namespace {

// Runs without a limit, in one sweep: of all places in a run only the first matters.
Pattern::Places endless_runs(std::u16string_view text, const Pattern::Places& begins, const CharSet& set,
                             std::size_t least) {
  Pattern::Places ends;
  for (auto begin = begins.begin(); begin != begins.end();) {
    std::size_t stop = *begin;
    while (stop < text.size() && set(text[stop])) ++stop;
    for (std::size_t end = *begin + least; end <= stop; ++end) ends.push_back(end);
    begin = std::upper_bound(begin, begins.end(), stop);
  }
  return ends;
}

Pattern::Places short_runs(std::u16string_view text, const Pattern::Places& begins, const CharSet& set,
                           std::size_t least, std::size_t most) {
  Pattern::Places ends;
  for (const std::size_t begin : begins) {
    for (std::size_t length = 0;; ++length) {
      if (length >= least) ends.push_back(begin + length);
      if (length == most || begin + length >= text.size() || !set(text[begin + length])) break;
    }
  }
  tidy(ends);
  return ends;
}

// Adds places to those seen and leaves only the new ones in `places`.
void keep_unseen(Pattern::Places& places, Pattern::Places& seen) {
  std::erase_if(places, [&](std::size_t place) { return std::binary_search(seen.begin(), seen.end(), place); });
  const bool in_order = seen.empty() || places.empty() || places.front() > seen.back();
  const auto middle = static_cast<std::ptrdiff_t>(seen.size());
  seen.insert(seen.end(), places.begin(), places.end());
  if (!in_order) std::inplace_merge(seen.begin(), seen.begin() + middle, seen.end());
}

}  // namespace

Pattern times(const CharSet& set, std::size_t least, std::size_t most) {
  Pattern::First first = first_of(set);
  first.nothing = least == 0;
  return {first, [=](std::u16string_view text, const Pattern::Places& begins) {
            return most == kNoLimit ? endless_runs(text, begins, set, least)
                                    : short_runs(text, begins, set, least, most);
          }};
}

Pattern times(const Pattern& pattern, std::size_t least, std::size_t most) {
  Pattern::First first = pattern.first();
  first.nothing = first.nothing || least == 0;
  return {first, [=](std::u16string_view text, const Pattern::Places& begins) {
            Pattern::Places front = begins, seen;  // ends of this round; ends of all rounds that count
            for (std::size_t round = 0; !front.empty(); ++round) {
              if (round >= least) keep_unseen(front, seen);  // a place that was reached before leads nowhere new
              if (round == most || front.empty()) break;
              front = pattern.ends(text, front);
            }
            return seen;
          }};
}

}  // namespace limn
