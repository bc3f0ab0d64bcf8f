#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace limn {

/// A set of UTF-16 units, for patterns.
using CharSet = std::function<bool(char16_t)>;

/// The units listed in `ranges`: u"a-z_" is a to z and _. A hyphen stands for itself where it comes first or last.
CharSet one_of(std::u16string_view ranges);
/// All others.
CharSet none_of(std::u16string_view ranges);
CharSet operator|(CharSet a, CharSet b);

/// A regular pattern: given a place in a text where it may begin, it knows all places where it may end, so that the
/// longest match of a sequence is found exactly, without the greed of backtracking matchers. Build with the functions
/// below, a + b (one after the other) and a | b (either).
class Pattern {
 public:
  using Ends = std::vector<std::size_t>;  ///< ascending, distinct
  using Match = std::function<void(std::u16string_view text, std::size_t begin, Ends& ends)>;

  Pattern() = default;
  explicit Pattern(Match match) : match_(std::make_shared<const Match>(std::move(match))) {}
  Pattern(CharSet set);              ///< one unit of the set
  Pattern(const char16_t* literal);  ///< see literal()

  /// All ends of matches that begin at `begin`; empty where there is none.
  Ends ends(std::u16string_view text, std::size_t begin) const;
  /// Appends the ends, in any order, possibly repeated.
  void add(std::u16string_view text, std::size_t begin, Ends& ends) const { (*match_)(text, begin, ends); }
  explicit operator bool() const { return match_ != nullptr; }

 private:
  std::shared_ptr<const Match> match_;
};

constexpr std::size_t kNoLimit = static_cast<std::size_t>(-1);

/// A string of units. A small ASCII letter matches its capital too; everything else matches only itself.
Pattern literal(std::u16string_view text);
/// Any one of several literals, separated by spaces.
Pattern word_of(std::u16string_view list);

Pattern operator+(Pattern a, Pattern b);
Pattern operator|(Pattern a, Pattern b);

/// `least` to `most` units of a set.
Pattern times(CharSet set, std::size_t least, std::size_t most = kNoLimit);
inline Pattern some(CharSet set) { return times(std::move(set), 1); }
inline Pattern any(CharSet set) { return times(std::move(set), 0); }

/// `least` to `most` repetitions.
Pattern times(Pattern pattern, std::size_t least, std::size_t most = kNoLimit);
inline Pattern some(Pattern pattern) { return times(std::move(pattern), 1); }
inline Pattern any(Pattern pattern) { return times(std::move(pattern), 0); }
inline Pattern maybe(Pattern pattern) { return times(std::move(pattern), 0, 1); }

}  // namespace limn
