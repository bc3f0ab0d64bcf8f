#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/files.h"
#include "fusion/vectors.h"

namespace limn {

/// What an index as a whole is.
struct IndexHead {
  std::string model;     ///< as the user named it, absolute where it is a folder: opened again for queries
  std::string identity;  ///< of the weights and the preprocessing, see model_identity()
  std::int64_t width = 0;
  VectorType type = VectorType::fp16;
};

/// A picture as its file was when it was encoded.
struct IndexEntry {
  std::string path;           ///< absolute
  std::uint64_t bytes = 0;    ///< size of the file
  std::int64_t modified = 0;  ///< nanoseconds since 1970
  std::uint64_t content = 0;  ///< Hash64 of the file
  std::int64_t taken = 0;     ///< seconds since 1970, local time, as its EXIF block says; 0 where it says nothing
  std::int64_t width = 0, height = 0;
};

/// A caption of a picture; its vector is the caption's row.
struct IndexCaption {
  std::int64_t owner;  ///< number of its picture
  std::string text;
};

/// A picture to be added.
struct NewEntry {
  IndexEntry entry;
  std::optional<std::int64_t> replaces;  ///< the picture whose place it takes
  std::vector<std::string> captions = {};
};

/// A file that moved or was touched (with its new entry), or that is gone (without).
struct IndexChange {
  std::int64_t picture;
  std::optional<IndexEntry> entry;
};

/// Consecutive vectors, in the file's own memory.
struct VectorBlock {
  std::int64_t first;  ///< number of its first row
  Vectors rows;
};

/// The first pictures lie sorted by cell: those of cell c are offsets[c] .. offsets[c + 1] - 1.
struct Cells {
  Tensor centroids;                   ///< float [L D], L2-normalised
  std::vector<std::int64_t> offsets;  ///< L + 1 of them
};

/// All that an index file holds. Pictures keep their numbers until the file is rewritten.
struct IndexContent {
  IndexHead head;
  std::vector<IndexEntry> entries;  ///< by number; those no longer alive too
  std::vector<std::uint8_t> alive;
  std::vector<IndexCaption> captions;
  std::vector<VectorBlock> picture_vectors, caption_vectors;
  std::optional<Cells> cells;
  std::uint64_t end = 0;   ///< bytes of the file that hold; what follows was cut off while it was written
  std::uint64_t size = 0;  ///< bytes of the file
  std::shared_ptr<const MappedFile> memory;
};

/// Reads an index. The vectors stay in the mapped file.
///
/// The file is a log: records, each with its length and checksum, one behind the other. A process killed while it
/// writes leaves at most an unfinished last record, which is not read; so the index is always the old or the new one.
/// @param verify  checks all vectors too; else those of the last record only
/// @throws InputError naming the file: no index, of a newer version, damaged
IndexContent read_index(const std::filesystem::path& file, bool verify = false);

/// Makes an empty index; a file of that name is replaced. @throws WriteError
void create_index(const std::filesystem::path& file, const IndexHead& head);

/// Where pictures are added to an index: a file (IndexWriter) or a database.
class IndexStore {
 public:
  virtual ~IndexStore() = default;

  /// As it was found; additions do not appear in it. Vectors need not be there: see rows().
  virtual const IndexContent& content() const = 0;
  /// Vectors of pictures in content(), by their places in it: float [N D].
  virtual Tensor rows(std::span<const std::int64_t> pictures) const = 0;

  /// All of it is stored, or nothing.
  /// @param vectors          float [N D], a row per entry
  /// @param caption_vectors  float [M D], a row per caption in their order; undefined where there are none
  virtual void add(std::span<const NewEntry> entries, const Tensor& vectors, const Tensor& caption_vectors = {}) = 0;
  virtual void change(std::span<const IndexChange> changes) = 0;

  /// How many pictures content() and all additions have together, those that are gone too.
  virtual std::int64_t next() const = 0;
};

/// Appends to an index file; each call is one record.
class IndexWriter : public IndexStore {
 public:
  /// Keeps other writers out, reads and verifies the index, cuts an unfinished record off.
  /// @throws WriteError, also where another process is writing; InputError as read_index()
  explicit IndexWriter(const std::filesystem::path& file);

  const IndexContent& content() const override { return content_; }
  Tensor rows(std::span<const std::int64_t> pictures) const override;
  void add(std::span<const NewEntry> entries, const Tensor& vectors, const Tensor& caption_vectors = {}) override;
  void change(std::span<const IndexChange> changes) override;
  std::int64_t next() const override { return next_; }

 private:
  AppendFile file_;
  IndexContent content_;
  std::int64_t next_;
};

/// The door of every store: the vectors' shape. @throws InputError
void check_rows(const Tensor& vectors, std::size_t count, std::int64_t width);

/// Writes the index anew with the given pictures in the given order, in one record, and puts it in the old one's place.
/// @param cells  how `order` is sorted, if it is
void rewrite_index(const std::filesystem::path& file, const IndexContent& content, std::span<const std::int64_t> order,
                   const std::optional<Cells>& cells = {});

}  // namespace limn
