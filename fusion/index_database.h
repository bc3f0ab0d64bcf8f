#pragma once

#include <mutex>

#include "fusion/database.h"
#include "fusion/index.h"

namespace limn {

/// The index of a PostgreSQL database with pgvector: the tables limn_index, limn_pictures and limn_captions of the
/// connection's schema. Vectors are kept as `vector` (fp32) or `halfvec` (fp16) and compared by the server; cells are
/// pgvector's ivfflat. Changes are transactions, and several processes may write at once.

/// Whether the schema holds an index. @throws InputError where the database cannot be reached
bool database_has_index(const std::string& address);

/// Makes an empty index, and the extension where it is not there yet.
/// @param replace  the index that is there, else that one stays
/// @throws InputError where there is no pgvector, or for int8
void create_database_index(const std::string& address, const IndexHead& head, bool replace);

/// Makes or drops cells as the options say. @return whether anything changed
bool tidy_database_index(const std::string& address, const TidyOptions& options);

/// Pictures, captions and vectors as an index file would hold them, in memory.
IndexContent read_database_index(const std::string& address);

/// Searches where the pictures are; what others add meanwhile is found too. Callable from any thread.
class DatabaseIndex : public PictureIndex {
 public:
  /// @throws InputError where there is no index, or one that a newer version made
  explicit DatabaseIndex(const std::string& address);
  ~DatabaseIndex() override;

  const IndexHead& head() const override { return head_; }
  std::int64_t live() const override;
  bool has_captions() const override;
  std::map<std::int64_t, IndexEntry> entries(std::span<const std::int64_t> pictures) const override;
  Tensor embedding(std::int64_t picture) const override;

 protected:
  std::unique_ptr<Pass> begin(const SearchOptions& options) const override;
  Tensor background(Space space, const Tensor& direction) const override;

 private:
  struct DatabasePass;
  Database database_;
  IndexHead head_;
  mutable std::recursive_mutex mutex_;  ///< of the connection
  mutable Tensor samples_[2];           ///< float [S D]
};

/// Adds to it.
class DatabaseStore : public IndexStore {
 public:
  explicit DatabaseStore(const std::string& address);

  const IndexContent& content() const override { return content_; }
  Tensor rows(std::span<const std::int64_t> pictures) const override;
  void add(std::span<const NewEntry> entries, const Tensor& vectors, const Tensor& caption_vectors = {}) override;
  void change(std::span<const IndexChange> changes) override;
  std::int64_t next() const override { return next_; }

 private:
  Database database_;
  IndexContent content_;           ///< without vectors
  std::vector<std::int64_t> ids_;  ///< in the database, of content_'s entries
  std::int64_t next_ = 0;
};

}  // namespace limn
