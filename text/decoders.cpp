#include "text/decoders.h"

#include "text/normalizers.h"
#include "text/unicode.h"

namespace limn {

namespace {

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  if (from.empty()) return;
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to);
}

std::string joined(const std::vector<std::string>& tokens, std::string_view between = {}) {
  std::string result;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (i > 0) result += between;
    result += tokens[i];
  }
  return result;
}

/// The token decoders' own clean-up, which has one rule more than clean_up_spaces.
void clean_token(std::string& token) {
  static constexpr std::pair<const char*, const char*> kRules[] = {
      {" .", "."},   {" ?", "?"},           {" !", "!"},   {" ,", ","},     {" ' ", "'"},   {" n't", "n't"},
      {" 'm", "'m"}, {" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
  for (const auto& [from, to] : kRules) replace_all(token, from, to);
}

/// The byte of a token spelled <0xNN>, or -1.
int fallback_byte(const std::string& token) {
  if (token.size() != 6 || !token.starts_with("<0x") || token.back() != '>') return -1;
  int value = 0;
  for (const char c : {token[3], token[4]}) {
    const int digit = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                             : -1;
    if (digit < 0) return -1;
    value = value * 16 + digit;
  }
  return value;
}

}  // namespace

Decoder byte_level_decoder() {
  return [](std::vector<std::string>& tokens) {
    std::string bytes;
    for (const std::string& token : tokens) {
      std::string own;
      bool mapped = true;
      for (std::size_t at = 0; mapped && at < token.size();) {
        const int byte = character_byte(next_code_point(token, at));
        mapped = byte >= 0;
        own += static_cast<char>(byte);
      }
      bytes += mapped ? own : token;
    }
    tokens = {valid_utf8(bytes)};
  };
}

Decoder wordpiece_decoder(std::string prefix, bool cleanup) {
  return [prefix = std::move(prefix), cleanup](std::vector<std::string>& tokens) {
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      if (i > 0 && tokens[i].starts_with(prefix)) {
        tokens[i].erase(0, prefix.size());
      } else if (i > 0) {
        tokens[i].insert(tokens[i].begin(), ' ');
      }
      if (cleanup) clean_token(tokens[i]);
    }
  };
}

Decoder metaspace_decoder(std::string replacement, bool prepended) {
  return [replacement = std::move(replacement), prepended](std::vector<std::string>& tokens) {
    for (std::size_t i = 0; i < tokens.size(); ++i) replace_all(tokens[i], replacement, i == 0 && prepended ? "" : " ");
  };
}

Decoder bpe_decoder(std::string suffix) {
  return [suffix = std::move(suffix)](std::vector<std::string>& tokens) {
    for (std::size_t i = 0; i < tokens.size(); ++i) replace_all(tokens[i], suffix, i + 1 < tokens.size() ? " " : "");
  };
}

Decoder byte_fallback_decoder() {
  return [](std::vector<std::string>& tokens) {
    std::vector<std::string> result;
    std::string bytes;
    const auto flush = [&] {
      if (bytes.empty()) return;
      if (find_invalid_utf8(bytes) == std::string::npos) {
        result.push_back(bytes);
      } else {
        result.insert(result.end(), bytes.size(), "\uFFFD");
      }
      bytes.clear();
    };
    for (std::string& token : tokens) {
      if (const int byte = fallback_byte(token); byte >= 0) {
        bytes += static_cast<char>(byte);
        continue;
      }
      flush();
      result.push_back(std::move(token));
    }
    flush();
    tokens = std::move(result);
  };
}

Decoder ctc_decoder(std::string pad, std::string word_delimiter, bool cleanup) {
  return [pad = std::move(pad), word_delimiter = std::move(word_delimiter), cleanup](std::vector<std::string>& tokens) {
    std::vector<std::string> result;
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      if (i > 0 && tokens[i] == tokens[i - 1]) continue;
      std::string token = tokens[i];
      replace_all(token, pad, "");
      if (cleanup) {
        clean_token(token);
        replace_all(token, word_delimiter, " ");
      }
      if (!token.empty()) result.push_back(std::move(token));
    }
    tokens = std::move(result);
  };
}

Decoder fuse_decoder() { return join_decoder(""); }

Decoder strip_decoder(std::string character, std::size_t at_start, std::size_t at_end) {
  return [character = std::move(character), at_start, at_end](std::vector<std::string>& tokens) {
    for (std::string& token : tokens) {
      std::string_view rest = token;
      for (std::size_t i = 0; i < at_start && rest.starts_with(character); ++i) rest.remove_prefix(character.size());
      for (std::size_t i = 0; i < at_end && rest.ends_with(character); ++i) rest.remove_suffix(character.size());
      token = std::string(rest);
    }
  };
}

Decoder replace_decoder(Pattern pattern, std::string content) {
  const Normalizer replace = replace_normalizer(std::move(pattern), std::move(content));
  return [replace](std::vector<std::string>& tokens) {
    for (std::string& token : tokens) {
      Normalized value{std::move(token)};
      replace(value);
      token = std::move(value.text);
    }
  };
}

Decoder join_decoder(std::string between) {
  return [between = std::move(between)](std::vector<std::string>& tokens) { tokens = {joined(tokens, between)}; };
}

Decoder sequence_decoder(std::vector<Decoder> steps) {
  return [steps = std::move(steps)](std::vector<std::string>& tokens) {
    for (const Decoder& step : steps) step(tokens);
  };
}

void clean_up_spaces(std::string& text) {
  static constexpr std::pair<const char*, const char*> kRules[] = {
      {" .", "."},     {" ?", "?"},   {" !", "!"},   {" ,", ","},     {" ' ", "'"},
      {" n't", "n't"}, {" 'm", "'m"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
  for (const auto& [from, to] : kRules) replace_all(text, from, to);
}

}  // namespace limn
