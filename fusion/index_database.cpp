#include "fusion/index_database.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "core/ops.h"
#include "fusion/database_schema.h"

namespace limn {

namespace {

constexpr const char* kEntryColumns = "p.id, p.path, p.bytes, p.modified, p.content, p.taken, p.width, p.height";
constexpr int kEntryCount = 8;

IndexEntry entry_of(const DatabaseRows& rows, std::int64_t row) {
  return {.path = std::string(rows.text(row, 1)),
          .bytes = static_cast<std::uint64_t>(rows.integer(row, 2)),
          .modified = rows.integer(row, 3),
          .content = static_cast<std::uint64_t>(rows.integer(row, 4)),
          .taken = rows.integer(row, 5),
          .width = rows.integer(row, 6),
          .height = rows.integer(row, 7)};
}

/// "{1,2}", as the server reads arrays.
std::string array_of(std::span<const std::int64_t> numbers) {
  std::string text = "{";
  for (const std::int64_t number : numbers) {
    if (text.size() > 1) text += ',';
    text += std::to_string(number);
  }
  return text + "}";
}

std::string array_of(std::span<const NewEntry> entries) {
  std::string text = "{";
  for (const NewEntry& item : entries) {
    text += text.size() > 1 ? ",\"" : "\"";
    for (const char letter : item.entry.path) {
      if (letter == '"' || letter == '\\') text += '\\';
      text += letter;
    }
    text += '"';
  }
  return text + "}";
}

/// Vectors as they are kept.
Tensor codes_of(const DatabaseRows& rows, int column, const IndexHead& head) {
  return rows.size() == 0 ? at::empty({0, head.width}, head.type == VectorType::fp16 ? at::kHalf : at::kFloat)
                          : rows.vectors(column, head.type);
}

}  // namespace

// --- reading ----------------------------------------------------------------------------------------------------

DatabaseIndex::DatabaseIndex(const std::string& address) : database_(address), head_(read_index_head(database_)) {}
DatabaseIndex::~DatabaseIndex() = default;

std::int64_t DatabaseIndex::live() const {
  const std::lock_guard lock(mutex_);
  return database_.run("SELECT count(*) FROM limn_pictures").integer(0, 0);
}

bool DatabaseIndex::has_captions() const {
  const std::lock_guard lock(mutex_);
  return database_.run("SELECT 1 FROM limn_captions LIMIT 1").size() > 0;
}

std::map<std::int64_t, IndexEntry> DatabaseIndex::entries(std::span<const std::int64_t> pictures) const {
  const std::lock_guard lock(mutex_);
  const DatabaseRows rows =
      database_.run(std::string("SELECT ") + kEntryColumns + " FROM limn_pictures p WHERE id = ANY($1::bigint[])",
                    {array_of(pictures)});
  std::map<std::int64_t, IndexEntry> all;
  for (std::int64_t row = 0; row < rows.size(); ++row) all.emplace(rows.integer(row, 0), entry_of(rows, row));
  return all;
}

Tensor DatabaseIndex::embedding(std::int64_t picture) const {
  const std::lock_guard lock(mutex_);
  const DatabaseRows rows =
      database_.run("SELECT embedding FROM limn_pictures WHERE id = $1::bigint", {std::to_string(picture)});
  if (rows.size() == 0) throw InputError(database_.name() + ": the picture has left the index");
  return rows.vectors(0, head_.type)[0].to(at::kFloat);
}

Tensor DatabaseIndex::background(Space space, const Tensor& direction) const {
  const std::lock_guard lock(mutex_);
  Tensor& sample = samples_[space == Space::pictures ? 0 : 1];
  if (!sample.defined()) {
    const std::string table = space == Space::pictures ? "limn_pictures" : "limn_captions";
    const std::int64_t count = database_.run("SELECT count(*) FROM " + table).integer(0, 0);
    std::string share;
    if (count > kBackground)
      share = " TABLESAMPLE BERNOULLI (" +
              std::to_string(100.0 * static_cast<double>(kBackground) / static_cast<double>(count)) +
              ") REPEATABLE (1)";
    sample = codes_of(database_.run("SELECT embedding FROM " + table + share), 0, head_).to(at::kFloat);
  }
  return sample.size(0) == 0 ? Tensor() : at::mv(sample, direction);
}

/// One search. The server streams pictures, the nearest first, until enough of them have passed the filter.
struct DatabaseIndex::DatabasePass : PictureIndex::Pass {
  const DatabaseIndex& index;
  const SearchOptions& options;
  std::lock_guard<std::recursive_mutex> lock;
  Transaction transaction;
  std::int64_t cells = 0;

  DatabasePass(const DatabaseIndex& index_, const SearchOptions& options_)
      : index(index_), options(options_), lock(index_.mutex_), transaction(index_.database_) {
    if (!options.exact) cells = cells_of(index.database_);
    if (cells == 0) {
      exact_only();
      return;
    }
    const std::int64_t probes = options.probes > 0 ? options.probes : default_probes(cells);
    set("ivfflat.probes", std::to_string(std::min(probes, cells)));
    if (vector_version(index.database_) >= 8) set("ivfflat.iterative_scan", "relaxed_order");
  }

  void set(const std::string& name, const std::string& value) const {
    index.database_.run("SELECT set_config($1, $2, true)", {name, value});
  }
  void exact_only() {
    set("enable_indexscan", "off");
    cells = 0;
  }

  std::vector<Near> nearest(Space space, const Tensor& direction, std::int64_t count) override {
    std::vector<Near> found = stream(space, direction, count);
    if (cells > 0 && space == Space::pictures && static_cast<std::int64_t>(found.size()) < count) {
      exact_only();
      found = stream(space, direction, count);
    }
    return found;
  }

  /// @return at least `count` pictures, or captions of so many, where so many pass
  std::vector<Near> stream(Space space, const Tensor& direction, std::int64_t count) const {
    const bool pictures = space == Space::pictures;
    const std::string distance =
        std::string(pictures ? "p" : "c") + ".embedding <#> $1::" + vector_type(index.head_.type);
    const std::string from = pictures ? "limn_pictures p" : "limn_captions c JOIN limn_pictures p ON p.id = c.picture";
    const std::string ties = pictures ? (cells > 0 ? "" : ", p.id") : ", c.id";
    index.database_.run(std::string("DECLARE near NO SCROLL CURSOR FOR SELECT ") + kEntryColumns + ", (" + distance +
                            ")::float8" + (pictures ? "" : ", c.id, c.text") + " FROM " + from + " ORDER BY " +
                            distance + ties,
                        {vector_text(direction)});
    std::vector<Near> found;
    std::unordered_set<std::int64_t> owners;
    for (std::int64_t piece = std::clamp<std::int64_t>(count, 16, 10000);;
         piece = std::min<std::int64_t>(2 * piece, 10000)) {
      const DatabaseRows rows = index.database_.run("FETCH " + std::to_string(piece) + " FROM near");
      for (std::int64_t row = 0; row < rows.size() && static_cast<std::int64_t>(owners.size()) < count; ++row) {
        const std::int64_t picture = rows.integer(row, 0);
        if (options.keep && !options.keep(picture, entry_of(rows, row))) continue;
        owners.insert(picture);
        Near near{picture, -static_cast<float>(rows.number(row, kEntryCount))};
        if (!pictures) {
          near.caption = rows.integer(row, kEntryCount + 1);
          near.text = rows.text(row, kEntryCount + 2);
        }
        found.push_back(std::move(near));
      }
      if (rows.size() < piece || static_cast<std::int64_t>(owners.size()) >= count) break;
    }
    index.database_.run("CLOSE near");
    // Cells are looked into one after the other, so their pictures come nearly in order.
    std::stable_sort(found.begin(), found.end(),
                     [](const Near& a, const Near& b) { return a.similarity > b.similarity; });
    return found;
  }

  std::vector<float> products(const Tensor& direction, std::span<const std::int64_t> pictures) override {
    const DatabaseRows rows = index.database_.run("SELECT id, (embedding <#> $1::" + vector_type(index.head_.type) +
                                                      ")::float8 FROM limn_pictures WHERE id = ANY($2::bigint[])",
                                                  {vector_text(direction), array_of(pictures)});
    std::unordered_map<std::int64_t, float> by_id;
    for (std::int64_t row = 0; row < rows.size(); ++row)
      by_id[rows.integer(row, 0)] = -static_cast<float>(rows.number(row, 1));
    std::vector<float> all;
    for (const std::int64_t picture : pictures) all.push_back(by_id[picture]);
    return all;
  }
};

std::unique_ptr<PictureIndex::Pass> DatabaseIndex::begin(const SearchOptions& options) const {
  return std::make_unique<DatabasePass>(*this, options);
}

// --- writing ----------------------------------------------------------------------------------------------------

namespace {

/// Entries and captions; `ids` become those of the pictures.
IndexContent read_entries(const Database& database, std::vector<std::int64_t>& ids) {
  IndexContent content;
  content.head = read_index_head(database);
  const DatabaseRows rows =
      database.run(std::string("SELECT ") + kEntryColumns + " FROM limn_pictures p ORDER BY p.id");
  std::unordered_map<std::int64_t, std::int64_t> places;
  for (std::int64_t row = 0; row < rows.size(); ++row) {
    places[rows.integer(row, 0)] = row;
    ids.push_back(rows.integer(row, 0));
    content.entries.push_back(entry_of(rows, row));
  }
  content.alive.assign(ids.size(), 1);
  const DatabaseRows captions = database.run("SELECT picture, text FROM limn_captions ORDER BY id");
  for (std::int64_t row = 0; row < captions.size(); ++row)
    if (const auto owner = places.find(captions.integer(row, 0)); owner != places.end())
      content.captions.push_back({owner->second, std::string(captions.text(row, 1))});
  return content;
}

}  // namespace

IndexContent read_database_index(const std::string& address) {
  const Database database(address);
  const Transaction snapshot(database);
  database.run("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ");
  std::vector<std::int64_t> ids;
  IndexContent content = read_entries(database, ids);
  const auto block = [&](const char* statement) {
    return VectorBlock{0, {codes_of(database.run(statement), 0, content.head), {}}};
  };
  if (!ids.empty()) content.picture_vectors.push_back(block("SELECT embedding FROM limn_pictures ORDER BY id"));
  if (!content.captions.empty())
    content.caption_vectors.push_back(block("SELECT embedding FROM limn_captions ORDER BY id"));
  return content;
}

DatabaseStore::DatabaseStore(const std::string& address) : database_(address) {
  content_ = read_entries(database_, ids_);
  next_ = static_cast<std::int64_t>(ids_.size());
}

Tensor DatabaseStore::rows(std::span<const std::int64_t> pictures) const {
  std::vector<std::int64_t> wanted;
  for (const std::int64_t picture : pictures) wanted.push_back(ids_[static_cast<std::size_t>(picture)]);
  const DatabaseRows rows = database_.run(
      "SELECT p.embedding FROM unnest($1::bigint[]) WITH ORDINALITY AS w(id, place) "
      "JOIN limn_pictures p ON p.id = w.id ORDER BY w.place",
      {array_of(wanted)});
  if (rows.size() != static_cast<std::int64_t>(wanted.size()))
    throw InputError(database_.name() + ": another process has removed pictures meanwhile; run the command again");
  return rows.vectors(0, content_.head.type).to(at::kFloat);
}

void DatabaseStore::add(std::span<const NewEntry> entries, const Tensor& vectors, const Tensor& caption_vectors) {
  if (entries.empty()) return;
  check_rows(vectors, entries.size(), content_.head.width);
  const Tensor codes = encode_vectors(vectors, content_.head.type).codes;
  writing([&] {
    Transaction transaction(database_);
    std::vector<std::int64_t> replaced;
    for (const NewEntry& item : entries)
      if (item.replaces) replaced.push_back(ids_[static_cast<std::size_t>(*item.replaces)]);
    database_.run("DELETE FROM limn_pictures WHERE id = ANY($1::bigint[]) OR path = ANY($2::text[])",
                  {array_of(replaced), array_of(entries)});
    const DatabaseRows ids = database_.run(
        "SELECT nextval(pg_get_serial_sequence('limn_pictures', 'id')) FROM generate_series(1, $1::bigint)",
        {std::to_string(entries.size())});
    CopyRows pictures, captions;
    std::int64_t caption = 0;
    const Tensor words =
        caption_vectors.defined() ? encode_vectors(caption_vectors, content_.head.type).codes : Tensor();
    for (std::size_t i = 0; i < entries.size(); ++i) {
      const auto n = static_cast<std::int64_t>(i);
      const IndexEntry& e = entries[i].entry;
      pictures.row(9).integer(ids.integer(n, 0)).text(e.path).integer(static_cast<std::int64_t>(e.bytes));
      pictures.integer(e.modified).integer(static_cast<std::int64_t>(e.content)).integer(e.taken);
      pictures.integer(e.width).integer(e.height).vector(codes[n]);
      for (const std::string& text : entries[i].captions)
        captions.row(3).integer(ids.integer(n, 0)).text(text).vector(words[caption++]);
    }
    database_.copy(
        "COPY limn_pictures (id, path, bytes, modified, content, taken, width, height, embedding) FROM STDIN (FORMAT "
        "binary)",
        std::move(pictures).finish());
    if (caption > 0)
      database_.copy("COPY limn_captions (picture, text, embedding) FROM STDIN (FORMAT binary)",
                     std::move(captions).finish());
    transaction.commit();
  });
  next_ += static_cast<std::int64_t>(entries.size());
}

void DatabaseStore::change(std::span<const IndexChange> changes) {
  if (changes.empty()) return;
  writing([&] {
    Transaction transaction(database_);
    for (const IndexChange& change : changes) {
      const std::string id = std::to_string(ids_[static_cast<std::size_t>(change.picture)]);
      if (!change.entry) {
        database_.run("DELETE FROM limn_pictures WHERE id = $1::bigint", {id});
        continue;
      }
      const IndexEntry& e = *change.entry;
      database_.run(
          "UPDATE limn_pictures SET path = $2, bytes = $3::bigint, modified = $4::bigint, content = $5::bigint, taken "
          "= "
          "$6::bigint, width = $7::bigint, height = $8::bigint WHERE id = $1::bigint",
          {id, e.path, std::to_string(static_cast<std::int64_t>(e.bytes)), std::to_string(e.modified),
           std::to_string(static_cast<std::int64_t>(e.content)), std::to_string(e.taken), std::to_string(e.width),
           std::to_string(e.height)});
    }
    transaction.commit();
  });
}

}  // namespace limn
