#include "fusion/database_schema.h"

#include <algorithm>
#include <cstdio>

#include "fusion/index_database.h"

namespace limn {

namespace {

constexpr std::int64_t kVersion = 1;

/// Relations of the schema where new tables go; those of others in the search path are another index's.
constexpr const char* kOurs = " AND relnamespace = to_regnamespace(quote_ident(current_schema()))";

bool holds_index(const Database& database) {
  return database.run(std::string("SELECT 1 FROM pg_class WHERE oid = to_regclass('limn_index')") + kOurs).size() > 0;
}

}  // namespace

std::string vector_type(VectorType type) {
  if (type == VectorType::fp32) return "vector";
  if (type == VectorType::fp16) return "halfvec";
  throw InputError("--vectors: got int8, expected fp32 or fp16 for a database");
}

int vector_version(const Database& database) {
  const DatabaseRows rows = database.run("SELECT extversion FROM pg_extension WHERE extname = 'vector'");
  int major = 0, minor = 0;
  if (rows.size() == 1) std::sscanf(std::string(rows.text(0, 0)).c_str(), "%d.%d", &major, &minor);
  return 100 * major + minor;
}

IndexHead read_index_head(const Database& database) {
  if (!holds_index(database))
    throw InputError(database.name() + ": holds no index; limn index FOLDER -o " + database.name() + " makes one");
  const DatabaseRows rows = database.run("SELECT version, model, identity, width, type FROM limn_index");
  if (rows.size() != 1) throw InputError(database.name() + ": limn_index: got no row, expected one");
  if (rows.integer(0, 0) > kVersion)
    throw InputError(database.name() + ": index of version " + std::to_string(rows.integer(0, 0)) +
                     ", this program reads up to " + std::to_string(kVersion) + "; use a newer Limn");
  IndexHead head{std::string(rows.text(0, 1)), std::string(rows.text(0, 2)), rows.integer(0, 3),
                 rows.text(0, 4) == "fp32" ? VectorType::fp32 : VectorType::fp16};
  const DatabaseRows column = database.run(
      "SELECT atttypmod::bigint, format_type(atttypid, NULL) FROM pg_attribute WHERE attrelid = "
      "to_regclass('limn_pictures') AND attname = 'embedding'");
  const std::string expected = vector_type(head.type) + "(" + std::to_string(head.width) + ")";
  const std::string got =
      column.size() == 0 ? "none" : std::string(column.text(0, 1)) + "(" + std::to_string(column.integer(0, 0)) + ")";
  if (got != expected)
    throw InputError(database.name() + ": limn_pictures.embedding: got " + got + ", expected " + expected +
                     "; make the index anew with --rebuild");
  return head;
}

bool database_has_index(const std::string& address) { return holds_index(Database(address)); }

void create_database_index(const std::string& address, const IndexHead& head, bool replace) {
  const std::string type = vector_type(head.type) + "(" + std::to_string(head.width) + ")";
  const Database database(address);
  Transaction transaction(database);
  database.run("SELECT pg_advisory_xact_lock(hashtext('limn_index'))");  // several processes may begin at once
  try {
    database.run("CREATE EXTENSION IF NOT EXISTS vector");
  } catch (const InputError& error) {
    throw InputError(std::string(error.what()) +
                     "; an index needs pgvector: install it on the server, and let an administrator run CREATE "
                     "EXTENSION vector");
  }
  if (head.type == VectorType::fp16 && vector_version(database) < 7)
    throw InputError(database.name() + ": this pgvector keeps no fp16 vectors, 0.7 and newer do; use --vectors fp32");
  if (holds_index(database)) {
    if (!replace) return;
    database.run("DROP TABLE limn_captions, limn_pictures, limn_index");
  }
  database.run(
      "CREATE TABLE limn_index (version bigint NOT NULL, model text NOT NULL, identity text NOT NULL, width bigint NOT "
      "NULL, type text NOT NULL)");
  database.run(
      "CREATE TABLE limn_pictures (id bigserial PRIMARY KEY, path text NOT NULL UNIQUE, bytes bigint NOT NULL, "
      "modified "
      "bigint NOT NULL, content bigint NOT NULL, taken bigint NOT NULL, width bigint NOT NULL, height bigint NOT NULL, "
      "embedding " +
      type + " NOT NULL)");
  database.run(
      "CREATE TABLE limn_captions (id bigserial PRIMARY KEY, picture bigint NOT NULL REFERENCES limn_pictures ON "
      "DELETE "
      "CASCADE, text text NOT NULL, embedding " +
      type + " NOT NULL)");
  database.run("CREATE INDEX limn_captions_picture ON limn_captions (picture)");
  database.run("INSERT INTO limn_index VALUES ($1::bigint, $2, $3, $4::bigint, $5)",
               {std::to_string(kVersion), head.model, head.identity, std::to_string(head.width),
                head.type == VectorType::fp32 ? "fp32" : "fp16"});
  transaction.commit();
}

std::int64_t cells_of(const Database& database) {
  const DatabaseRows rows = database.run(
      std::string("SELECT coalesce((regexp_match(array_to_string(reloptions, ','), 'lists=(\\d+)'))[1]::bigint, 100) "
                  "FROM pg_class WHERE oid = to_regclass('limn_pictures_cells')") +
      kOurs);
  return rows.size() == 0 ? 0 : rows.integer(0, 0);
}

bool tidy_database_index(const std::string& address, const TidyOptions& options) {
  const Database database(address);
  const IndexHead head = read_index_head(database);
  const std::int64_t count = database.run("SELECT count(*) FROM limn_pictures").integer(0, 0);
  const std::int64_t have = cells_of(database);
  std::int64_t wanted = 0;
  if (count > 0 &&
      (options.structure == Structure::cells || (options.structure == Structure::automatic && count >= kManyPictures)))
    wanted = options.cells > 0 ? options.cells : have > 0 ? have : default_cells(count);
  wanted = std::min<std::int64_t>(wanted, 32768);  // pgvector's limit
  if (wanted == have) return false;
  writing([&] {
    Transaction transaction(database);
    if (have > 0) database.run("DROP INDEX limn_pictures_cells");
    if (wanted > 0)
      database.run("CREATE INDEX limn_pictures_cells ON limn_pictures USING ivfflat (embedding " +
                   vector_type(head.type) + "_ip_ops) WITH (lists = " + std::to_string(wanted) + ")");
    transaction.commit();
  });
  return true;
}

}  // namespace limn
