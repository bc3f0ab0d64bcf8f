#include "core/safetensors_header.h"

#include <limits>
#include <unordered_set>

#include "core/utf8.h"

namespace limn {
namespace {

class HeaderParser {
 public:
  HeaderParser(std::string_view text, const std::string& where) : text_(text), where_(where) {}

  SafetensorsHeader parse() {
    SafetensorsHeader header;
    std::unordered_set<std::string> names;
    if (text_.empty() || text_[0] != '{') fail("'{' as the header's first byte");
    object([&](std::string name) {
      if (!names.insert(name).second) throw CheckpointError(where_ + ": header: \"" + name + "\" occurs twice");
      if (name == "__metadata__") {
        header.metadata = metadata();
      } else {
        header.entries.push_back(entry(std::move(name)));
      }
    });
    skip_space();
    if (at_ != text_.size()) fail("nothing but spaces after the header's object");
    return header;
  }

 private:
  [[noreturn]] void fail(const std::string& expected) const {
    std::string got = "its end";
    if (at_ < text_.size()) {
      const auto byte = static_cast<unsigned char>(text_[at_]);
      constexpr char hex[] = "0123456789abcdef";
      got = byte >= 0x20 && byte < 0x7F ? std::string("'") + text_[at_] + "'"
                                        : std::string("byte 0x") + hex[byte >> 4] + hex[byte & 15];
    }
    throw CheckpointError(where_ + ": header: got " + got + " at byte " + std::to_string(at_) + ", expected " +
                          expected);
  }

  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }

  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t' || text_[at_] == '\r'))
      ++at_;
  }

  void expect(char wanted) {
    skip_space();
    if (peek() != wanted || at_ >= text_.size()) fail(std::string("'") + wanted + "'");
    ++at_;
  }

  bool accept(char wanted) {
    skip_space();
    if (at_ >= text_.size() || text_[at_] != wanted) return false;
    ++at_;
    return true;
  }

  /// An object; `member` is called after each key's colon and reads the value.
  template <typename Member>
  void object(Member member) {
    expect('{');
    if (accept('}')) return;
    do {
      std::string key = string();
      expect(':');
      member(std::move(key));
    } while (accept(','));
    expect('}');
  }

  unsigned hex4() {
    unsigned value = 0;
    for (int i = 0; i < 4; ++i, ++at_) {
      const char c = peek();
      const int digit = c >= '0' && c <= '9'   ? c - '0'
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                               : -1;
      if (digit < 0) fail("four hexadecimal digits");
      value = value * 16 + static_cast<unsigned>(digit);
    }
    return value;
  }

  void escape(std::string& into) {
    constexpr std::string_view names = "\"\\/bfnrt", values = "\"\\/\b\f\n\r\t";
    const char c = peek();
    if (const auto found = c == '\0' ? std::string_view::npos : names.find(c); found != std::string_view::npos) {
      into.push_back(values[found]);
      ++at_;
      return;
    }
    if (c != 'u') fail("an escape sequence");
    ++at_;
    char32_t code = hex4();
    if (code >= 0xD800 && code < 0xDC00 && text_.substr(at_, 2) == "\\u") {
      at_ += 2;
      const unsigned low = hex4();
      if (low < 0xDC00 || low > 0xDFFF) fail("the second half of a surrogate pair");
      code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    }
    if (code >= 0xD800 && code < 0xE000) fail("a surrogate pair");
    append_utf8(into, code);
  }

  std::string string() {
    expect('"');
    std::string value;
    for (;;) {
      if (at_ >= text_.size() || static_cast<unsigned char>(text_[at_]) < 0x20) fail("'\"'");
      const char c = text_[at_++];
      if (c == '"') return value;
      if (c == '\\') {
        escape(value);
      } else {
        value.push_back(c);
      }
    }
  }

  std::int64_t integer() {
    skip_space();
    if (peek() < '0' || peek() > '9') fail("a non-negative integer");
    const std::size_t start = at_;
    std::int64_t value = 0;
    for (; peek() >= '0' && peek() <= '9'; ++at_) {
      if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, peek() - '0', &value))
        fail("an integer below 2^63");
    }
    if (text_[start] == '0' && at_ - start > 1) fail("a number without leading zeros");
    return value;
  }

  std::vector<std::int64_t> integers() {
    std::vector<std::int64_t> values;
    expect('[');
    if (accept(']')) return values;
    do values.push_back(integer());
    while (accept(','));
    expect(']');
    return values;
  }

  HeaderEntry entry(std::string name) {
    HeaderEntry entry;
    const std::string where = where_ + ": tensor \"" + name + "\": ";
    bool dtype = false, shape = false, offsets = false;
    const auto once = [&](bool& seen, const char* key) {
      if (seen) throw CheckpointError(where + key + " occurs twice");
      seen = true;
    };
    object([&](const std::string& key) {
      if (key == "dtype") {
        once(dtype, "dtype");
        entry.dtype = string();
      } else if (key == "shape") {
        once(shape, "shape");
        entry.shape = integers();
      } else if (key == "data_offsets") {
        once(offsets, "data_offsets");
        const std::vector<std::int64_t> range = integers();
        if (range.size() != 2)
          throw CheckpointError(where + "data_offsets: got " + std::to_string(range.size()) + " numbers, expected 2");
        entry.begin = range[0], entry.end = range[1];
      } else {
        throw CheckpointError(where + "got key \"" + key + "\", expected dtype, shape, data_offsets");
      }
    });
    for (const auto& [seen, key] : {std::pair{dtype, "dtype"}, {shape, "shape"}, {offsets, "data_offsets"}})
      if (!seen) throw CheckpointError(where + key + " is missing");
    entry.name = std::move(name);
    return entry;
  }

  std::map<std::string, std::string> metadata() {
    std::map<std::string, std::string> values;
    skip_space();
    if (text_.substr(at_, 4) == "null") {
      at_ += 4;
      return values;
    }
    object([&](std::string key) {
      std::string value = string();
      if (!values.emplace(std::move(key), std::move(value)).second) fail("unique keys in __metadata__");
    });
    return values;
  }

  std::string_view text_;
  const std::string& where_;
  std::size_t at_ = 0;
};

}  // namespace

SafetensorsHeader parse_safetensors_header(std::string_view text, const std::string& where) {
  if (const std::size_t bad = find_invalid_utf8(text); bad != std::string_view::npos)
    throw CheckpointError(where + ": header: invalid UTF-8 at byte " + std::to_string(bad));
  return HeaderParser(text, where).parse();
}

}  // namespace limn
