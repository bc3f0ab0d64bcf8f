#include <algorithm>

#include "core/hash.h"
#include "core/json.h"
#include "core/ops.h"
#include "fusion/index_file.h"
#include "fusion/index_record.h"
#include "fusion/nearest.h"

namespace limn {

namespace {

namespace fs = std::filesystem;

const std::string kPadding(kRecordAlign, '\0');

/// Puts the words of a record together.
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
  std::vector<std::string_view> pieces(RecordKind kind) {
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
  Writer start{std::string(kIndexMagic)};
  start.number(kIndexVersion).bytes.resize(kRecordAlign, '\0');
  return start.bytes;
}

Record head_record(const IndexHead& head) {
  Record record;
  record.words = Json::object({{"model", head.model},
                               {"identity", head.identity},
                               {"width", head.width},
                               {"type", kVectorTypeNames[static_cast<std::size_t>(head.type)]}})
                     .dump();
  return record;
}

std::string add_words(std::span<const NewEntry> entries) {
  Writer words;
  std::uint32_t captions = 0;
  for (const NewEntry& item : entries) captions += static_cast<std::uint32_t>(item.captions.size());
  words.number(static_cast<std::uint32_t>(entries.size())).number(captions);
  for (const NewEntry& item : entries)
    words.number(item.replaces ? static_cast<std::uint32_t>(*item.replaces) : kNoPicture).entry(item.entry);
  for (std::uint32_t i = 0; i < entries.size(); ++i)
    for (const std::string& caption : entries[i].captions) words.number(i).text(caption);
  return words.bytes;
}

}  // namespace

void create_index(const fs::path& file, const IndexHead& head) {
  Record record = head_record(head);
  std::vector<std::string_view> pieces = record.pieces(RecordKind::head);
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
  file_.append(record.pieces(RecordKind::add));
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
  file_.append(record.pieces(RecordKind::change));
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
  append(head.pieces(RecordKind::head));
  if (!entries.empty()) append(pictures.pieces(RecordKind::add));
  if (cells) {
    Writer words;
    words.number(static_cast<std::uint32_t>(cells->offsets.size() - 1));
    for (const std::int64_t offset : cells->offsets) words.number(static_cast<std::uint32_t>(offset));
    structure.words = std::move(words.bytes);
    structure.put(bytes_of(cells->centroids));
    append(structure.pieces(RecordKind::cells));
  }
  write_file(file, pieces);
}

}  // namespace limn
