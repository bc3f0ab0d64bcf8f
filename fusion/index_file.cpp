#include "fusion/index_file.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "core/checkpoint.h"
#include "core/hash.h"
#include "core/json.h"
#include "core/ops.h"
#include "fusion/index_record.h"

namespace limn {

namespace {

namespace fs = std::filesystem;

constexpr std::array<at::ScalarType, 3> kCodes = {at::kFloat, at::kHalf, at::kChar};

/// Takes the words of a record apart.
struct Reader {
  std::string_view bytes;
  const std::string& where;

  [[noreturn]] void fail() const { throw InputError(where + ": the index is damaged: a record contradicts itself"); }
  template <typename T>
  T number() {
    T value;
    if (bytes.size() < sizeof value) fail();
    std::memcpy(&value, bytes.data(), sizeof value);
    bytes.remove_prefix(sizeof value);
    return value;
  }
  std::string text() {
    const auto size = number<std::uint32_t>();
    if (bytes.size() < size) fail();
    std::string value(bytes.substr(0, size));
    bytes.remove_prefix(size);
    return value;
  }
  IndexEntry entry() {
    IndexEntry e;
    e.path = text();
    e.bytes = number<std::uint64_t>();
    e.modified = number<std::int64_t>();
    e.content = number<std::uint64_t>();
    e.taken = number<std::int64_t>();
    e.width = number<std::uint32_t>();
    e.height = number<std::uint32_t>();
    return e;
  }
};

/// Takes the records one after the other.
class Loader {
 public:
  Loader(IndexContent& content, const std::string& where) : content_(content), where_(where) {}

  void take(RecordKind kind, std::string_view words, std::string_view numbers) {
    Reader reader{words, where_};
    if (first_ != (kind == RecordKind::head)) reader.fail();
    first_ = false;
    switch (kind) {
      case RecordKind::head:
        return head(words);
      case RecordKind::add:
        return add(reader, numbers);
      case RecordKind::change:
        return change(reader);
      case RecordKind::cells:
        return cells(reader, numbers);
    }
    throw InputError(where_ + ": the index has records that this version of Limn does not know; use a newer one");
  }

  bool complete() const { return !first_; }

 private:
  void head(std::string_view words) {
    const Json json = Json::parse(words, where_);
    IndexHead& head = content_.head;
    head.model = json.at("model").text();
    head.identity = json.at("identity").text();
    head.width = json.at("width").integer();
    const std::string type = json.at("type").text();
    const auto at = std::find(kVectorTypeNames.begin(), kVectorTypeNames.end(), type);
    if (at == kVectorTypeNames.end()) json["type"].fail("got \"" + type + "\", expected fp32, fp16 or int8");
    if (head.width < 1 || head.width > (1 << 20)) json["width"].fail("is out of range");
    head.type = static_cast<VectorType>(at - kVectorTypeNames.begin());
  }

  Tensor numbers_as(const Reader& reader, std::string_view& numbers, at::IntArrayRef shape, at::ScalarType type) {
    const auto size = static_cast<std::uint64_t>(byte_count(shape, static_cast<std::int64_t>(elementSize(type))));
    if (size > numbers.size() || padded(size) > numbers.size()) reader.fail();
    const Tensor tensor = tensor_over(numbers.substr(0, size), shape, type, content_.memory);
    numbers.remove_prefix(padded(size));
    return tensor;
  }

  Vectors vectors(const Reader& reader, std::string_view& numbers, std::int64_t count) {
    Vectors rows;
    const VectorType type = content_.head.type;
    rows.codes = numbers_as(reader, numbers, {count, content_.head.width}, kCodes[static_cast<std::size_t>(type)]);
    if (type == VectorType::int8) rows.scale = numbers_as(reader, numbers, {count}, at::kFloat);
    return rows;
  }

  void add(Reader& reader, std::string_view numbers) {
    const auto count = reader.number<std::uint32_t>(), captions = reader.number<std::uint32_t>();
    const auto first = static_cast<std::int64_t>(content_.entries.size());
    for (std::uint32_t i = 0; i < count; ++i) {
      if (const auto replaced = reader.number<std::uint32_t>(); replaced != kNoPicture) drop(reader, replaced, first);
      content_.entries.push_back(reader.entry());
      content_.alive.push_back(1);
    }
    const auto first_caption = static_cast<std::int64_t>(content_.captions.size());
    for (std::uint32_t i = 0; i < captions; ++i) {
      const auto owner = reader.number<std::uint32_t>();
      if (owner >= count) reader.fail();
      content_.captions.push_back({first + owner, reader.text()});
    }
    if (count > 0) content_.picture_vectors.push_back({first, vectors(reader, numbers, count)});
    if (captions > 0) content_.caption_vectors.push_back({first_caption, vectors(reader, numbers, captions)});
  }

  void change(Reader& reader) {
    const auto count = reader.number<std::uint32_t>();
    const auto known = static_cast<std::int64_t>(content_.entries.size());
    for (std::uint32_t i = 0; i < count; ++i) {
      const auto picture = reader.number<std::uint32_t>();
      if (reader.number<std::uint32_t>() == 0) {
        drop(reader, picture, known);
      } else {
        if (picture >= known) reader.fail();
        content_.entries[picture] = reader.entry();
      }
    }
  }

  void cells(Reader& reader, std::string_view numbers) {
    const auto count = reader.number<std::uint32_t>();
    Cells cells;
    if (count == 0 || content_.picture_vectors.empty()) reader.fail();
    for (std::uint32_t i = 0; i <= count; ++i) {
      cells.offsets.push_back(reader.number<std::uint32_t>());
      if (cells.offsets.back() < (i == 0 ? 0 : cells.offsets[i - 1])) reader.fail();
    }
    // They lie in one block: that which the rewritten index begins with.
    const VectorBlock& block = content_.picture_vectors.front();
    if (cells.offsets.front() != 0 || cells.offsets.back() != block.rows.codes.size(0)) reader.fail();
    cells.centroids = numbers_as(reader, numbers, {count, content_.head.width}, at::kFloat);
    content_.cells = std::move(cells);
  }

  void drop(const Reader& reader, std::uint32_t picture, std::int64_t known) {
    if (picture >= known) reader.fail();
    content_.alive[picture] = 0;
  }

  IndexContent& content_;
  const std::string& where_;
  bool first_ = true;
};

[[noreturn]] void damaged(const std::string& where, std::uint64_t at, std::uint64_t size) {
  throw InputError(where + ": the index is damaged at byte " + std::to_string(at) + " of " + std::to_string(size) +
                   "; remove it and index again");
}

void check_start(std::string_view bytes, const std::string& where) {
  const bool ours = bytes.substr(0, kIndexMagic.size()) == kIndexMagic && bytes.size() >= kRecordAlign;
  if (!ours) throw InputError(where + ": is no index of Limn's; limn index FOLDER -o FILE makes one");
  std::uint32_t version;
  std::memcpy(&version, bytes.data() + kIndexMagic.size(), sizeof version);
  if (version > kIndexVersion)
    throw InputError(where + ": index of version " + std::to_string(version) + ", this program reads up to " +
                     std::to_string(kIndexVersion) + "; use a newer Limn");
}

}  // namespace

IndexContent read_index(const fs::path& file, bool verify) {
  IndexContent content;
  content.memory = std::make_shared<MappedFile>(file);
  const std::string where = file.string();
  const std::string_view bytes = content.memory->bytes();
  check_start(bytes, where);
  Loader loader(content, where);
  content.size = bytes.size();
  std::uint64_t at = kRecordAlign;
  while (at < bytes.size()) {
    RecordHeader header;
    if (bytes.size() - at < sizeof header) break;
    std::memcpy(&header, bytes.data() + at, sizeof header);
    const std::uint64_t room = bytes.size() - at - sizeof header;
    const bool sealed = header.mark == kRecordMark && header.own_hash == header.hash();
    if (!sealed) {  // the system lost power before the last record reached the disk, or worse
      if (bytes.find_first_not_of('\0', at) == std::string_view::npos) break;
      damaged(where, at, bytes.size());
    }
    if (header.words > room || header.numbers > room || padded(header.words) + header.numbers > room) break;
    const std::string_view words = bytes.substr(at + sizeof header, header.words);
    const std::string_view numbers = bytes.substr(at + sizeof header + padded(header.words), header.numbers);
    const std::uint64_t next = at + sizeof header + padded(header.words) + header.numbers;
    const bool last = next == bytes.size();
    const bool whole =
        hash_of(words) == header.words_hash && (!(verify || last) || hash_of(numbers) == header.numbers_hash);
    if (!whole && last) break;
    if (!whole) damaged(where, at, bytes.size());
    loader.take(header.kind, words, numbers);
    at = next;
  }
  if (!loader.complete()) damaged(where, at, bytes.size());
  content.end = at;
  return content;
}

}  // namespace limn
