#include "text/oniguruma.h"

#include <string_view>
#include <utility>

namespace limn {

namespace {

// The members of \w. ICU's own has the joiners, too; Oniguruma's, outside of brackets, also what Latin-1 has of
// superscript digits and fractions.
constexpr const char* kWord = R"(\p{Alphabetic}\p{M}\p{Nd}\p{Pc})";
constexpr const char* kWordAlone = R"(\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\x{B2}\x{B3}\x{B9}\x{BC}-\x{BE})";

/// An escape that ICU reads otherwise, or not at all; empty for the others.
std::string escape_for_icu(char name, bool in_brackets) {
  const std::string is = std::string("[") + (in_brackets ? kWord : kWordAlone) + "]", is_not = "[^" + is.substr(1);
  switch (name) {
    case 's':
      return R"(\p{White_Space})";
    case 'S':
      return R"(\P{White_Space})";
    case 'w':
      return is;
    case 'W':
      return is_not;
    case 'h':
      return "[0-9a-fA-F]";
    case 'H':
      return "[^0-9a-fA-F]";
    case 'v':
      return R"(\x{B})";
  }
  if (in_brackets) return {};
  if (name == 'b') return "(?:(?<=" + is + ")(?!" + is + ")|(?<!" + is + ")(?=" + is + "))";
  if (name == 'B') return "(?:(?<=" + is + ")(?=" + is + ")|(?<!" + is + ")(?!" + is + "))";
  if (name == 'N') return R"([^\n])";
  return name == 'O' ? "(?s:.)" : "";
}

/// The members of [:name:] where ICU has others; empty for the others.
std::string posix_for_icu(std::string_view name) {
  if (name == "punct") return R"(\p{P}\p{S})";
  if (name == "word") return kWord;
  return name == "xdigit" ? "0-9a-fA-F" : "";
}

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  std::string all() {
    while (at_ < text_.size()) step();
    return std::move(out_);
  }

 private:
  void take(std::size_t count) {
    out_ += text_.substr(at_, count);
    at_ += count;
  }

  void escape() {
    const std::string other = escape_for_icu(text_[at_ + 1], depth_ > 0);
    if (!other.empty()) {
      out_ += other;
      at_ += 2;
    } else if (text_.substr(at_).starts_with("\\p{^")) {
      out_ += "\\P{";
      at_ += 4;
    } else {
      take(2);
    }
  }

  /// [:name:] or [:^name:], inside brackets.
  bool posix() {
    const std::size_t end = text_.find(":]", at_ + 2);
    if (end == std::string_view::npos) return false;
    const std::string_view name = text_.substr(at_ + 2, end - at_ - 2);
    const bool negated = name.starts_with('^');
    const std::string members = posix_for_icu(name.substr(negated ? 1 : 0));
    if (members.empty()) return false;
    out_ += (negated ? "[^" : "[") + members + "]";
    at_ = end + 2;
    return true;
  }

  /// (?flags: or (?flags), where Ruby's m lets the dot match line ends.
  bool flags() {
    const std::size_t end = text_.find_first_not_of("imx-", at_ + 2);
    if (end == std::string_view::npos || end == at_ + 2 || (text_[end] != ':' && text_[end] != ')')) return false;
    for (; at_ < end; ++at_) out_ += text_[at_] == 'm' ? 's' : text_[at_];
    return true;
  }

  void step() {
    const std::string_view rest = text_.substr(at_);
    if (rest.size() > 1 && rest.front() == '\\') return escape();
    if (depth_ > 0 && rest.starts_with("[:") && posix()) return;
    if (depth_ == 0 && rest.starts_with("(?") && flags()) return;
    if (rest.front() == '[') ++depth_;
    if (rest.front() == ']' && depth_ > 0) --depth_;
    take(1);
  }

  std::string_view text_;
  std::size_t at_ = 0;
  int depth_ = 0;  // of brackets
  std::string out_;
};

}  // namespace

std::string oniguruma_for_icu(const std::string& expression) { return Reader(expression).all(); }

}  // namespace limn
