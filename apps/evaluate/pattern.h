#pragma once

#include <bitset>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace limn {

/// A set of UTF-16 units, for patterns; what it says of ASCII is kept in a table.
class CharSet {
 public:
  explicit CharSet(std::function<bool(char16_t)> holds);
  bool operator()(char16_t c) const { return c < kAscii ? ascii_[c] : holds_(c); }

 private:
  static constexpr std::size_t kAscii = 128;
  std::bitset<kAscii> ascii_;
  std::function<bool(char16_t)> holds_;
};

/// The units listed in `ranges`: u"a-z_" is a to z and _. A hyphen stands for itself where it comes first or last.
CharSet one_of(std::u16string_view ranges);
/// All others.
CharSet none_of(std::u16string_view ranges);
CharSet operator|(CharSet a, CharSet b);

/// A regular pattern: given all places in a text where it may begin, it knows all places where it may end, so that the
/// longest match of a sequence is found exactly, without the greed or the explosions of backtracking matchers.
/// Build with the functions below, a + b (one after the other) and a | b (either).
class Pattern {
 public:
  using Places = std::vector<std::size_t>;  ///< ascending, distinct
  using Match = std::function<Places(std::u16string_view text, const Places& begins)>;

  /// What a match may begin with: ASCII units, and as one all others; `nothing`: it may be empty.
  struct First {
    std::bitset<129> units;
    bool nothing = false;
  };

  Pattern() = default;  ///< none; see operator bool
  Pattern(First first, Match match) : first_(first), match_(std::make_shared<const Match>(std::move(match))) {}
  Pattern(const CharSet& set);    ///< one unit of the set
  Pattern(const char16_t* word);  ///< see word_of()

  /// All ends of matches that begin at one of the places; empty where there is none.
  Places ends(std::u16string_view text, const Places& begins) const { return (*match_)(text, begins); }
  /// False where no match begins with this unit: a cheap way to rule a pattern out.
  bool may_begin_with(char16_t c) const { return first_.nothing || first_.units[c < 128 ? c : 128]; }
  const First& first() const { return first_; }
  explicit operator bool() const { return match_ != nullptr; }

 private:
  First first_;
  std::shared_ptr<const Match> match_;
};

constexpr std::size_t kNoLimit = static_cast<std::size_t>(-1);

/// Any one of several words, separated by spaces. A small ASCII letter matches its capital too; everything else
/// matches only itself.
Pattern word_of(std::u16string_view words);

Pattern operator+(Pattern a, Pattern b);
Pattern operator|(Pattern a, Pattern b);

/// `least` to `most` units of a set.
Pattern times(const CharSet& set, std::size_t least, std::size_t most = kNoLimit);
inline Pattern some(const CharSet& set) { return times(set, 1); }
inline Pattern any(const CharSet& set) { return times(set, 0); }

/// `least` to `most` repetitions.
Pattern times(const Pattern& pattern, std::size_t least, std::size_t most = kNoLimit);
inline Pattern some(const Pattern& pattern) { return times(pattern, 1); }
inline Pattern any(const Pattern& pattern) { return times(pattern, 0); }
inline Pattern maybe(const Pattern& pattern) { return times(pattern, 0, 1); }

}  // namespace limn
