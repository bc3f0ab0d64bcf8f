#include "fusion/index_file.h"

#include <array>
#include <cstring>

#include "core/checkpoint.h"
#include "core/hash.h"
#include "core/json.h"
#include "core/ops.h"
#include "fusion/nearest.h"

namespace limn {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kMagic = "LIMNIDX\n";
constexpr std::uint32_t kVersion = 1, kRecordMark = 0x64636572;  // "recd"
constexpr std::size_t kAlign = 64;
constexpr std::array<const char*, 3> kTypeNames = {"fp32", "fp16", "int8"};
constexpr std::array<at::ScalarType, 3> kCodes = {at::kFloat, at::kHalf, at::kChar};

enum class Kind : std::uint32_t { head = 1, add = 2, change = 3, cells = 4 };

/// In front of each record, whose words and then numbers follow, both padded to kAlign.
struct RecordHeader {
  std::uint32_t mark = kRecordMark;
  Kind kind{};
  std::uint64_t words = 0, numbers = 0;            ///< bytes
  std::uint64_t words_hash = 0, numbers_hash = 0;  ///< Hash64
  std::uint64_t reserved[2] = {0, 0};
  std::uint64_t own_hash = 0;  ///< of all before

  std::uint64_t hash() const {
    return hash_of({reinterpret_cast<const char*>(this), sizeof(RecordHeader) - sizeof own_hash});
  }
};
static_assert(sizeof(RecordHeader) == kAlign);

std::uint64_t padded(std::uint64_t bytes) { return (bytes + kAlign - 1) / kAlign * kAlign; }
const std::string kPadding(kAlign, '\0');

/// Little-endian words, as x86-64 and ARM keep them.
struct Writer {
  std::string bytes;
  template <typename T>
  Writer& number(T value) {
    bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
    return *this;
  }
  Writer& text(const std::string& value) {
    number(static_cast<std::uint32_t>(value.size()));
    bytes += value;
    return *this;
  }
  Writer& entry(const IndexEntry& e) {
    return text(e.path)
        .number(e.bytes)
        .number(e.modified)
        .number(e.content)
        .number(e.taken)
        .number(static_cast<std::uint32_t>(e.width))
        .number(static_cast<std::uint32_t>(e.height));
  }
};

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

// --- writing ----------------------------------------------------------------------------------------------------

std::string_view bytes_of(const Tensor& tensor) {
  return {static_cast<const char*>(tensor.data_ptr()), static_cast<std::size_t>(tensor.nbytes())};
}

/// A record in pieces; the numbers are not copied.
struct Record {
  RecordHeader header;
  std::string words;
  std::vector<std::string_view> numbers;
  std::uint64_t number_bytes = 0;

  void put(std::string_view piece) {
    if (piece.empty()) return;
    numbers.push_back(piece);
    number_bytes += piece.size();
  }
  void pad() { put(std::string_view(kPadding).substr(0, padded(number_bytes) - number_bytes)); }
  void put(const Vectors& rows) {
    put(bytes_of(rows.codes));
    pad();
    if (rows.scale.defined()) put(bytes_of(rows.scale));
    pad();
  }

  /// Seals the header and gives all pieces.
  std::vector<std::string_view> pieces(Kind kind) {
    pad();
    Hash64 hash;
    for (const std::string_view piece : numbers) hash.update(piece);
    header = {.kind = kind, .words = words.size(), .numbers = number_bytes, .words_hash = hash_of(words)};
    header.numbers_hash = hash.value();
    header.own_hash = header.hash();
    std::vector<std::string_view> all = {{reinterpret_cast<const char*>(&header), sizeof header}, words};
    all.push_back(std::string_view(kPadding).substr(0, padded(words.size()) - words.size()));
    all.insert(all.end(), numbers.begin(), numbers.end());
    return all;
  }
};

std::string file_start() {
  Writer start{std::string(kMagic)};
  start.number(kVersion).bytes.resize(kAlign, '\0');
  return start.bytes;
}

Record head_record(const IndexHead& head) {
  Record record;
  record.words = Json::object({{"model", head.model},
                               {"identity", head.identity},
                               {"width", head.width},
                               {"type", kTypeNames[static_cast<std::size_t>(head.type)]}})
                     .dump();
  return record;
}

constexpr std::uint32_t kNone = 0xFFFFFFFF;

std::string add_words(std::span<const NewEntry> entries) {
  Writer words;
  std::uint32_t captions = 0;
  for (const NewEntry& item : entries) captions += static_cast<std::uint32_t>(item.captions.size());
  words.number(static_cast<std::uint32_t>(entries.size())).number(captions);
  for (const NewEntry& item : entries)
    words.number(item.replaces ? static_cast<std::uint32_t>(*item.replaces) : kNone).entry(item.entry);
  for (std::uint32_t i = 0; i < entries.size(); ++i)
    for (const std::string& caption : entries[i].captions) words.number(i).text(caption);
  return words.bytes;
}

// --- reading ----------------------------------------------------------------------------------------------------

/// Takes the records one after the other.
class Loader {
 public:
  Loader(IndexContent& content, const std::string& where) : content_(content), where_(where) {}

  void take(Kind kind, std::string_view words, std::string_view numbers) {
    Reader reader{words, where_};
    if (first_ != (kind == Kind::head)) reader.fail();
    first_ = false;
    switch (kind) {
      case Kind::head:
        return head(words);
      case Kind::add:
        return add(reader, numbers);
      case Kind::change:
        return change(reader);
      case Kind::cells:
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
    const auto at = std::find(kTypeNames.begin(), kTypeNames.end(), type);
    if (at == kTypeNames.end()) json["type"].fail("got \"" + type + "\", expected fp32, fp16 or int8");
    if (head.width < 1 || head.width > (1 << 20)) json["width"].fail("is out of range");
    head.type = static_cast<VectorType>(at - kTypeNames.begin());
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
      if (const auto replaced = reader.number<std::uint32_t>(); replaced != kNone) drop(reader, replaced, first);
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
  const bool ours = bytes.substr(0, kMagic.size()) == kMagic && bytes.size() >= kAlign;
  if (!ours) throw InputError(where + ": is no index of Limn's; limn index FOLDER -o FILE makes one");
  std::uint32_t version;
  std::memcpy(&version, bytes.data() + kMagic.size(), sizeof version);
  if (version > kVersion)
    throw InputError(where + ": index of version " + std::to_string(version) + ", this program reads up to " +
                     std::to_string(kVersion) + "; use a newer Limn");
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
  std::uint64_t at = kAlign;
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

void create_index(const fs::path& file, const IndexHead& head) {
  Record record = head_record(head);
  std::vector<std::string_view> pieces = record.pieces(Kind::head);
  const std::string start = file_start();
  pieces.insert(pieces.begin(), start);
  write_file(file, pieces);
}

IndexWriter::IndexWriter(const fs::path& file)
    : file_(file), content_(read_index(file, true)), next_(static_cast<std::int64_t>(content_.entries.size())) {
  if (file_.size() > content_.end) file_.cut(content_.end);
}

Tensor IndexWriter::rows(std::span<const std::int64_t> pictures) const {
  return rows_of(content_.picture_vectors, pictures);
}

void check_rows(const Tensor& vectors, std::size_t count, std::int64_t width) {
  const auto [N, D] = dims<2>(vectors, "index: vectors [N D]");
  if (N != static_cast<std::int64_t>(count) || D != width)
    throw InputError("index: vectors [N D]: got [" + std::to_string(N) + ", " + std::to_string(D) + "], expected [" +
                     std::to_string(count) + ", " + std::to_string(width) + "]");
}

void IndexWriter::add(std::span<const NewEntry> entries, const Tensor& vectors, const Tensor& caption_vectors) {
  if (entries.empty()) return;
  check_rows(vectors, entries.size(), content_.head.width);
  Record record;
  record.words = add_words(entries);
  const Vectors pictures = encode_vectors(vectors, content_.head.type);
  record.put(pictures);
  Vectors captions;
  if (caption_vectors.defined()) record.put(captions = encode_vectors(caption_vectors, content_.head.type));
  file_.append(record.pieces(Kind::add));
  next_ += static_cast<std::int64_t>(entries.size());
}

void IndexWriter::change(std::span<const IndexChange> changes) {
  if (changes.empty()) return;
  Writer words;
  words.number(static_cast<std::uint32_t>(changes.size()));
  for (const IndexChange& change : changes) {
    words.number(static_cast<std::uint32_t>(change.picture)).number(std::uint32_t{change.entry ? 1U : 0U});
    if (change.entry) words.entry(*change.entry);
  }
  Record record;
  record.words = std::move(words.bytes);
  file_.append(record.pieces(Kind::change));
}

namespace {

/// Rows of blocks, picked in any order, as pieces of the blocks' own memory; neighbours become one piece.
struct Picker {
  const std::vector<VectorBlock>& blocks;

  void put(Record& record, std::span<const std::int64_t> order, Tensor Vectors::*part) const {
    std::string_view run;
    for (const std::int64_t number : order) {
      const auto block = std::prev(
          std::upper_bound(blocks.begin(), blocks.end(), number,
                           [](std::int64_t wanted, const VectorBlock& candidate) { return wanted < candidate.first; }));
      const Tensor& numbers = block->rows.*part;
      const auto row = static_cast<std::size_t>(numbers.nbytes()) / static_cast<std::size_t>(numbers.size(0));
      const char* const at =
          static_cast<const char*>(numbers.data_ptr()) + row * static_cast<std::size_t>(number - block->first);
      if (!run.empty() && run.data() + run.size() == at) {
        run = {run.data(), run.size() + row};
      } else {
        record.put(run);
        run = {at, row};
      }
    }
    record.put(run);
    record.pad();
  }

  void put(Record& record, std::span<const std::int64_t> order) const {
    if (order.empty()) return;
    put(record, order, &Vectors::codes);
    if (blocks.front().rows.scale.defined()) put(record, order, &Vectors::scale);
  }
};

}  // namespace

void rewrite_index(const fs::path& file, const IndexContent& content, std::span<const std::int64_t> order,
                   const std::optional<Cells>& cells) {
  std::vector<std::vector<std::int64_t>> captions_of(content.entries.size());
  for (std::size_t i = 0; i < content.captions.size(); ++i)
    captions_of[static_cast<std::size_t>(content.captions[i].owner)].push_back(static_cast<std::int64_t>(i));
  std::vector<NewEntry> entries;
  std::vector<std::int64_t> caption_order;
  for (const std::int64_t number : order) {
    NewEntry& item = entries.emplace_back(NewEntry{content.entries[static_cast<std::size_t>(number)], {}});
    for (const std::int64_t caption : captions_of[static_cast<std::size_t>(number)]) {
      item.captions.push_back(content.captions[static_cast<std::size_t>(caption)].text);
      caption_order.push_back(caption);
    }
  }
  Record head = head_record(content.head), pictures, structure;
  pictures.words = add_words(entries);
  Picker{content.picture_vectors}.put(pictures, order);
  Picker{content.caption_vectors}.put(pictures, caption_order);
  const std::string start = file_start();
  std::vector<std::string_view> pieces = {start};
  const auto append = [&pieces](std::vector<std::string_view> more) {
    pieces.insert(pieces.end(), more.begin(), more.end());
  };
  append(head.pieces(Kind::head));
  if (!entries.empty()) append(pictures.pieces(Kind::add));
  if (cells) {
    Writer words;
    words.number(static_cast<std::uint32_t>(cells->offsets.size() - 1));
    for (const std::int64_t offset : cells->offsets) words.number(static_cast<std::uint32_t>(offset));
    structure.words = std::move(words.bytes);
    structure.put(bytes_of(cells->centroids));
    append(structure.pieces(Kind::cells));
  }
  write_file(file, pieces);
}

}  // namespace limn
