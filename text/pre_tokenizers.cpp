#include "text/pre_tokenizers.h"

#include <algorithm>
#include <optional>

#include "text/normalizers.h"
#include "text/unicode.h"

namespace limn {

namespace {

using Piece = Pieces::Piece;

void append(std::vector<Piece>& pieces, const Piece& whole, std::size_t begin, std::size_t end) {
  if (begin < end) pieces.push_back({whole.begin + begin, whole.begin + end, whole.at_start && begin == 0});
}

/// Appends the stretches of one piece, as `behavior` joins matches (relative to the piece) and the rest.
void join(const std::vector<Match>& matches, Behavior behavior, const Piece& whole, std::vector<Piece>& pieces) {
  for (std::size_t i = 0; i < matches.size(); ++i) {
    const std::size_t begin = matches[i].begin;
    std::size_t end = matches[i].end;
    const auto next_found = [&] { return i + 1 < matches.size() && matches[i + 1].found; };
    switch (behavior) {
      case Behavior::isolated:
        break;
      case Behavior::removed:
        if (matches[i].found) continue;
        break;
      case Behavior::contiguous:
        while (i + 1 < matches.size() && matches[i + 1].found == matches[i].found) end = matches[++i].end;
        break;
      case Behavior::merged_with_previous:  // of several matches in a row, the first joins
        if (!matches[i].found && next_found()) end = matches[++i].end;
        break;
      case Behavior::merged_with_next:  // of several matches in a row, the last joins
        if (matches[i].found && i + 1 < matches.size() && !matches[i + 1].found) end = matches[++i].end;
        break;
    }
    append(pieces, whole, begin, end);
  }
}

/// Rewrites every piece into a new buffer; `write` appends piece i to it.
template <typename Write>
void rewrite(Pieces& value, Write write) {
  std::string text;
  text.reserve(value.text.size() * 2);
  for (std::size_t i = 0; i < value.pieces.size(); ++i) {
    const std::size_t begin = text.size();
    write(i, text);
    value.pieces[i].begin = begin;
    value.pieces[i].end = text.size();
  }
  value.text = std::move(text);
}

Pattern space_pattern() {
  return Pattern::character([](char32_t c) { return is_space(c); });
}

}  // namespace

PreTokenizer split_pre_tokenizer(Pattern pattern, Behavior behavior, bool invert) {
  return [pattern = std::move(pattern), behavior, invert](Pieces& value) {
    std::vector<Piece> pieces;
    std::vector<Match> matches;
    for (std::size_t i = 0; i < value.pieces.size(); ++i) {
      matches.clear();
      pattern.matches(value[i], matches);
      if (invert)
        for (Match& match : matches) match.found = !match.found;
      join(matches, behavior, value.pieces[i], pieces);
    }
    value.pieces = std::move(pieces);
  };
}

PreTokenizer metaspace_pre_tokenizer(const MetaspaceOptions& options) {
  const PreTokenizer split = split_pre_tokenizer(Pattern::literal(options.replacement), Behavior::merged_with_next);
  return [options, split](Pieces& value) {
    rewrite(value, [&](std::size_t i, std::string& text) {
      const std::string_view piece = value[i];
      const bool wanted = options.prepend == PrependScheme::always ||
                          (options.prepend == PrependScheme::first && value.pieces[i].at_start);
      const bool there = piece.starts_with(' ') || piece.starts_with(options.replacement);
      if (wanted && !there) text += options.replacement;
      for (const char c : piece) c == ' ' ? text += options.replacement : text += c;
    });
    if (options.split) split(value);
  };
}

PreTokenizer byte_level_pre_tokenizer(bool add_prefix_space, bool use_regex) {
  const PreTokenizer split = split_pre_tokenizer(Pattern::gpt2(), Behavior::isolated);
  return [add_prefix_space, use_regex, split](Pieces& value) {
    if (add_prefix_space)
      rewrite(value, [&](std::size_t i, std::string& text) {
        if (!value[i].starts_with(' ')) text += ' ';  // other white space does not count
        text += value[i];
      });
    if (use_regex) split(value);
    rewrite(value, [&](std::size_t i, std::string& text) {
      for (const char c : value[i]) append_utf8(text, byte_character(static_cast<unsigned char>(c)));
    });
  };
}

PreTokenizer bert_pre_tokenizer() {
  return [](Pieces& value) {
    std::vector<Piece> pieces;
    for (const Piece& whole : value.pieces) {
      const std::string_view text = std::string_view(value.text).substr(whole.begin, whole.end - whole.begin);
      std::size_t word = 0;
      for (std::size_t at = 0; at < text.size();) {
        const std::size_t begin = at;
        const char32_t c = next_code_point(text, at);
        const bool space = is_space(c);
        if (!space && !is_table_punctuation(c)) continue;
        append(pieces, whole, word, begin);
        if (!space) append(pieces, whole, begin, at);
        word = at;
      }
      append(pieces, whole, word, text.size());
    }
    value.pieces = std::move(pieces);
  };
}

PreTokenizer whitespace_pre_tokenizer() {
  // Rust's \w, which has the joiners.
  const std::string word = R"(\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control})";
  return split_pre_tokenizer(Pattern::regex("[" + word + "]+|[^" + word + R"(\s]+)"), Behavior::removed, true);
}

PreTokenizer whitespace_split_pre_tokenizer() { return split_pre_tokenizer(space_pattern(), Behavior::removed); }

PreTokenizer digits_pre_tokenizer(bool individual) {
  return split_pre_tokenizer(Pattern::character([](char32_t c) { return is_number(c); }),
                             individual ? Behavior::isolated : Behavior::contiguous);
}

PreTokenizer punctuation_pre_tokenizer(Behavior behavior) {
  return split_pre_tokenizer(Pattern::character([](char32_t c) { return is_table_punctuation(c); }), behavior);
}

PreTokenizer unicode_scripts_pre_tokenizer() {
  return [](Pieces& value) {
    std::vector<Piece> pieces;
    for (const Piece& whole : value.pieces) {
      const std::string_view text = std::string_view(value.text).substr(whole.begin, whole.end - whole.begin);
      std::optional<int> current;
      std::size_t begin = 0;
      for (std::size_t at = 0; at < text.size();) {
        const std::size_t here = at;
        const std::optional<int> script = script_of(next_code_point(text, at), {9, 0});
        if (!script || script == current) continue;
        if (current) append(pieces, whole, begin, here);
        begin = here;
        current = script;
      }
      if (current) append(pieces, whole, begin, text.size());
    }
    value.pieces = std::move(pieces);
  };
}

PreTokenizer fixed_length_pre_tokenizer(std::size_t length) {
  return [length](Pieces& value) {
    std::vector<Piece> pieces;
    for (const Piece& whole : value.pieces) {
      const std::string_view text = std::string_view(value.text).substr(whole.begin, whole.end - whole.begin);
      std::size_t begin = 0, count = 0;
      for (std::size_t at = 0; at < text.size();) {
        next_code_point(text, at);
        if (++count % length != 0) continue;
        append(pieces, whole, begin, at);
        begin = at;
      }
      append(pieces, whole, begin, text.size());
    }
    value.pieces = std::move(pieces);
  };
}

PreTokenizer sequence_pre_tokenizer(std::vector<PreTokenizer> steps) {
  return [steps = std::move(steps)](Pieces& value) {
    for (const PreTokenizer& step : steps) step(value);
  };
}

}  // namespace limn
