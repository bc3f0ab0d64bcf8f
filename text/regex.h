#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace limn {

/// A stretch of a text, in bytes, that a pattern matched or left over.
struct Match {
  std::size_t begin = 0, end = 0;
  bool found = false;
};

/// What a text is split at or replaced in. Copies share their data.
class Pattern {
 public:
  /// Every place where `text` stands; an empty one stands nowhere.
  static Pattern literal(std::string text);
  /// Every single character of a class.
  static Pattern character(std::function<bool(char32_t)> belongs);
  /// A regular expression as Oniguruma reads it for Ruby, run by ICU. GPT-2's and CLIP's are recognised and run as
  /// code.
  /// @throws InputError when ICU cannot compile it
  static Pattern regex(const std::string& expression);
  /// Runs of white space.
  static Pattern white_space();
  /// GPT-2's: contractions, letters, digits, others, each with one space in front; white space.
  static Pattern gpt2();

  /// CLIP's: the strings of `whole`, contractions, runs of letters, single digits, runs of others; white space is left
  /// over.
  static Pattern clip(std::vector<std::string> whole = {});

  /// All of `text` in order, appended: matches and what lies between. Only a regular expression's match can be empty.
  void matches(std::string_view text, std::vector<Match>& found) const { (*all_)(text, found); }

 private:
  using All = std::function<void(std::string_view, std::vector<Match>&)>;
  explicit Pattern(All all) : all_(std::make_shared<const All>(std::move(all))) {}
  std::shared_ptr<const All> all_;
};

}  // namespace limn
