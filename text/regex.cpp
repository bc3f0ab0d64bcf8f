#include "text/regex.h"

#include <unicode/regex.h>
#include <unicode/utext.h>

#include <algorithm>
#include <array>

#include "core/error.h"
#include "text/oniguruma.h"
#include "text/unicode.h"

namespace limn {

namespace {

enum class Class : std::uint8_t { space, letter, number, other };

Class classify(char32_t c) {
  if (is_letter(c)) return Class::letter;
  if (is_number(c)) return Class::number;
  return is_space(c) ? Class::space : Class::other;
}

std::array<Class, 128> ascii_classes() {
  std::array<Class, 128> classes{};
  for (char32_t c = 0; c < 128; ++c) classes[c] = classify(c);
  return classes;
}

/// The class of the character at `at`, which moves behind it.
Class next_class(std::string_view text, std::size_t& at) {
  static const std::array<Class, 128> ascii = ascii_classes();
  const auto byte = static_cast<unsigned char>(text[at]);
  if (byte < 0x80) return ++at, ascii[byte];
  return classify(next_code_point(text, at));
}

/// Where the run of `wanted` that begins at `at` ends.
std::size_t run_end(std::string_view text, std::size_t at, Class wanted) {
  for (std::size_t end = at; end < text.size(); at = end)
    if (next_class(text, end) != wanted) break;
  return at;
}

/// The length of 's 't 're 've 'm 'll 'd at `at`, or 0.
std::size_t contraction(std::string_view text, std::size_t at) {
  if (text[at] != '\'' || at + 1 >= text.size()) return 0;
  const char first = text[at + 1], second = at + 2 < text.size() ? text[at + 2] : '\0';
  if (first == 's' || first == 't' || first == 'm' || first == 'd') return 2;
  return ((first == 'r' || first == 'v') && second == 'e') || (first == 'l' && second == 'l') ? 3 : 0;
}

/// Where GPT-2's match at `from` ends: its expression matches everywhere.
std::size_t gpt2_end(std::string_view text, std::size_t from) {
  if (const std::size_t length = contraction(text, from)) return from + length;
  std::size_t at = text[from] == ' ' ? from + 1 : from;
  if (at < text.size()) {
    const Class kind = next_class(text, at);
    if (kind != Class::space) return run_end(text, at, kind);
  }
  std::size_t end = run_end(text, from, Class::space);
  if (end == text.size()) return end;
  std::size_t last = end;  // \s+(?!\S): all but the last, which may belong to the word behind
  previous_code_point(text, last);
  return last > from ? last : end;
}

void literal_matches(std::string_view wanted, std::string_view text, std::vector<Match>& found) {
  std::size_t done = 0;
  for (std::size_t at = 0; !wanted.empty() && (at = text.find(wanted, at)) != std::string_view::npos;) {
    if (at > done) found.push_back({done, at, false});
    at = done = at + wanted.size();
    found.push_back({done - wanted.size(), done, true});
  }
  if (done < text.size()) found.push_back({done, text.size(), false});
}

void regex_matches(const icu::RegexPattern& pattern, std::string_view text, std::vector<Match>& found) {
  UErrorCode status = U_ZERO_ERROR;
  const std::unique_ptr<icu::RegexMatcher> matcher(pattern.matcher(status));
  UText* input = utext_openUTF8(nullptr, text.data(), static_cast<std::int64_t>(text.size()), &status);
  const std::unique_ptr<UText, UText* (*)(UText*)> closing(input, utext_close);
  std::size_t done = 0;
  if (U_SUCCESS(status)) {
    matcher->setTimeLimit(10000, status);  // about as many milliseconds: an expression may explode
    matcher->reset(input);
    while (U_SUCCESS(status) && matcher->find(status)) {
      const auto begin = static_cast<std::size_t>(matcher->start64(status));
      const auto end = static_cast<std::size_t>(matcher->end64(status));
      if (begin > done) found.push_back({done, begin, false});
      found.push_back({begin, end, true});
      done = end;
    }
  }
  if (U_FAILURE(status)) throw InputError(std::string("tokenizer: regular expression: ") + u_errorName(status));
  if (done < text.size()) found.push_back({done, text.size(), false});
}

}  // namespace

Pattern Pattern::literal(std::string text) {
  return Pattern([wanted = std::move(text)](std::string_view all, std::vector<Match>& found) {
    literal_matches(wanted, all, found);
  });
}

Pattern Pattern::character(std::function<bool(char32_t)> belongs) {
  return Pattern([belongs = std::move(belongs)](std::string_view text, std::vector<Match>& found) {
    std::size_t done = 0;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t begin = at;
      if (!belongs(next_code_point(text, at))) continue;
      if (begin > done) found.push_back({done, begin, false});
      found.push_back({begin, at, true});
      done = at;
    }
    if (done < text.size()) found.push_back({done, text.size(), false});
  });
}

Pattern Pattern::white_space() {
  return Pattern([](std::string_view text, std::vector<Match>& found) {
    std::size_t done = 0;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t begin = at;
      if (next_class(text, at) != Class::space) continue;
      at = run_end(text, at, Class::space);
      if (begin > done) found.push_back({done, begin, false});
      found.push_back({begin, at, true});
      done = at;
    }
    if (done < text.size()) found.push_back({done, text.size(), false});
  });
}

Pattern Pattern::gpt2() {
  return Pattern([](std::string_view text, std::vector<Match>& found) {
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = gpt2_end(text, at);
      found.push_back({at, end, true});
      at = end;
    }
  });
}

Pattern Pattern::clip(std::vector<std::string> whole) {
  return Pattern([whole = std::move(whole)](std::string_view text, std::vector<Match>& found) {
    for (std::size_t at = 0; at < text.size();) {
      const auto here = std::find_if(whole.begin(), whole.end(),
                                     [&](const std::string& special) { return text.substr(at).starts_with(special); });
      std::size_t end = at;
      const Class kind = next_class(text, end);
      if (here != whole.end()) {
        end = at + here->size();
      } else if (const std::size_t length = contraction(text, at)) {
        end = at + length;
      } else if (kind != Class::number) {
        end = run_end(text, end, kind);
      }
      found.push_back({at, end, kind != Class::space});
      at = end;
    }
  });
}

Pattern Pattern::regex(const std::string& expression) {
  static const std::string kGpt2 = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
  static const std::string kClip = R"('s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+)";
  static const std::string kClipSpecial = R"(<\|startoftext\|>|<\|endoftext\|>|)";
  if (expression == kGpt2) return gpt2();
  if (expression == kClip) return clip();
  if (expression == kClipSpecial + kClip) return clip({"<|startoftext|>", "<|endoftext|>"});
  if (expression == R"(\s+)") return white_space();
  UErrorCode status = U_ZERO_ERROR;
  UParseError where;
  const std::uint32_t flags = UREGEX_MULTILINE | UREGEX_UNIX_LINES;  // as Ruby has ^ $ and .
  const std::shared_ptr<const icu::RegexPattern> compiled(
      icu::RegexPattern::compile(icu::UnicodeString::fromUTF8(oniguruma_for_icu(expression)), flags, where, status));
  if (U_FAILURE(status) || !compiled)
    throw InputError("regular expression \"" + expression + "\": " + u_errorName(status));
  return Pattern(
      [compiled](std::string_view text, std::vector<Match>& found) { regex_matches(*compiled, text, found); });
}

}  // namespace limn
