#include "text/precompiled.h"

#include <unicode/brkiter.h>
#include <unicode/utext.h>

#include <memory>
#include <optional>

#include "core/error.h"
#include "text/unicode.h"

namespace limn {

namespace {

/// A double-array trie (darts-clone) from byte strings to places in a block of zero-terminated texts.
class CharsMap {
 public:
  explicit CharsMap(const std::string& bytes) {
    const std::size_t size = bytes.size() < 4 ? 0 : unit(bytes, 0);
    if (size == 0 || size % 4 != 0 || size > bytes.size() - 4)
      throw InputError("precompiled_charsmap: the table is cut short");
    for (std::size_t at = 4; at < 4 + size; at += 4) units_.push_back(unit(bytes, at));
    texts_ = bytes.substr(4 + size);
    if (find_invalid_utf8(texts_) != std::string::npos) throw InputError("precompiled_charsmap: is not UTF-8");
  }

  /// What the shortest key that `text` begins with becomes; nothing where none does.
  std::optional<std::string_view> transform(std::string_view text) const {
    std::size_t node = offset(units_[0]);
    for (const char c : text) {
      const auto byte = static_cast<unsigned char>(c);
      node ^= byte;
      if (byte == 0 || node >= units_.size()) break;
      const std::uint32_t found = units_[node];
      if ((found & (1u << 31 | 0xFF)) != byte) break;
      node ^= offset(found);
      if ((found >> 8 & 1) == 0) continue;
      const std::size_t place = node < units_.size() ? units_[node] & 0x7FFFFFFF : texts_.size();
      if (place >= texts_.size()) break;
      return std::string_view(texts_).substr(place, texts_.find('\0', place) - place);
    }
    return std::nullopt;
  }

 private:
  static std::uint32_t unit(const std::string& bytes, std::size_t at) {
    std::uint32_t value = 0;
    for (std::size_t i = 4; i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
    return value;
  }
  static std::size_t offset(std::uint32_t found) {
    return static_cast<std::size_t>(found >> 10) << ((found & 1u << 9) >> 6);
  }

  std::vector<std::uint32_t> units_;
  std::string texts_;
};

/// Calls `use` with each grapheme cluster.
template <typename Use>
void each_grapheme(std::string_view text, Use use) {
  UErrorCode status = U_ZERO_ERROR;
  const std::unique_ptr<icu::BreakIterator> breaks(
      icu::BreakIterator::createCharacterInstance(icu::Locale::getRoot(), status));
  UText* input = utext_openUTF8(nullptr, text.data(), static_cast<std::int64_t>(text.size()), &status);
  const std::unique_ptr<UText, UText* (*)(UText*)> closing(input, utext_close);
  if (U_SUCCESS(status)) breaks->setText(input, status);
  if (U_FAILURE(status)) throw Error(std::string("ICU: ") + u_errorName(status));
  std::int32_t begin = breaks->first();
  for (std::int32_t end = breaks->next(); end != icu::BreakIterator::DONE; begin = end, end = breaks->next())
    use(text.substr(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin)));
}

constexpr std::size_t kLongestCluster = 5;  // bytes; longer ones are taken apart

void normalize_with(const CharsMap& map, Normalized& value) {
  std::string result;
  result.reserve(value.text.size());
  const auto put = [&](std::string_view part) { result += map.transform(part).value_or(part); };
  const auto put_each = [&](std::string_view cluster) {
    for (std::size_t at = 0; at < cluster.size();) {
      const std::size_t begin = at;
      next_code_point(cluster, at);
      put(cluster.substr(begin, at - begin));
    }
  };
  const auto put_cluster = [&](std::string_view cluster) {
    const auto whole = cluster.size() <= kLongestCluster ? map.transform(cluster) : std::nullopt;
    if (whole) {
      result += *whole;
    } else {
      put_each(cluster);
    }
  };
  if (is_ascii(value.text) && value.text.find('\r') == std::string::npos) {
    put_each(value.text);  // each character is a cluster
  } else {
    each_grapheme(value.text, put_cluster);
  }
  value.text = std::move(result);
}

}  // namespace

Normalizer precompiled_normalizer(const std::string& charsmap) {
  const auto map = std::make_shared<const CharsMap>(charsmap);
  return [map](Normalized& value) { normalize_with(*map, value); };
}

std::string base64_bytes(std::string_view text) {
  std::string bytes;
  std::uint32_t buffer = 0;
  int bits = 0;
  while (text.ends_with('=')) text.remove_suffix(1);
  for (const char c : text) {
    const int value = c >= 'A' && c <= 'Z'   ? c - 'A'
                      : c >= 'a' && c <= 'z' ? c - 'a' + 26
                      : c >= '0' && c <= '9' ? c - '0' + 52
                      : c == '+'             ? 62
                      : c == '/'             ? 63
                                             : -1;
    if (value < 0) throw InputError("is not base64");
    buffer = buffer << 6 | static_cast<std::uint32_t>(value);
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    bytes += static_cast<char>(buffer >> bits & 0xFF);
  }
  return bytes;
}

}  // namespace limn
