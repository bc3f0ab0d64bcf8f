#pragma once

#include <functional>

#include "fusion/nearest.h"
#include "fusion/picture_index.h"

namespace limn {

/// What tells a model from all others: Hash64 of its weight files and of how it wants pictures made ready, as 16
/// digits.
/// @throws CheckpointError as read_weights()
std::string model_identity(const std::filesystem::path& folder);

/// Pictures of an index file. The file is mapped: opening takes no time to speak of, and what other processes add later
/// is not seen.
class Index : public PictureIndex {
 public:
  explicit Index(IndexContent content);

  const IndexContent& content() const { return content_; }
  /// Captions of a picture.
  std::vector<std::string> captions(std::int64_t picture) const;

  const IndexHead& head() const override { return content_.head; }
  std::int64_t live() const override { return live_; }
  bool has_captions() const override { return caption_space_.sample.codes.defined(); }
  std::string state() const override;
  std::map<std::int64_t, IndexEntry> entries(std::span<const std::int64_t> pictures) const override;
  Tensor embedding(std::int64_t picture) const override;

 protected:
  std::unique_ptr<Pass> begin(const SearchOptions& options) const override;
  Tensor background(Space space, const Tensor& direction) const override;

 private:
  struct FilePass;
  /// Pictures, or captions: vectors, and some of them that stand for all.
  struct Rows {
    std::span<const VectorBlock> blocks;
    Vectors sample;
  };
  const Rows& rows(Space space) const { return space == Space::pictures ? pictures_ : caption_space_; }
  IndexContent content_;
  std::int64_t live_ = 0, most_captions_ = 0;
  std::vector<std::vector<std::int64_t>> captions_of_;  ///< empty where the index has none
  Rows pictures_, caption_space_;
};

/// Groups pictures that are nearly the same: each group's first is the largest, and each other one has at least
/// `threshold` similarity to it. Pictures without such neighbours are in no group.
/// @param progress  called with the number of pictures compared so far; null: not
struct DuplicateGroup {
  std::vector<std::int64_t> pictures;
  std::vector<float> similarity;  ///< to the first; 1 for itself
};
std::vector<DuplicateGroup> near_duplicates(const IndexContent& content, double threshold,
                                            const std::function<void(std::int64_t done)>& progress = {});

/// Puts indexes of one model together, sorted by path, so that their order does not matter; of several pictures with
/// one path the one whose file changed last stays. `out` may be one of them.
/// @return how many pictures there are now
/// @throws InputError where models or types of vectors differ, and as read_index(); WriteError
std::int64_t merge_indexes(std::span<const std::filesystem::path> files, const std::filesystem::path& out);

/// Rewrites the index where that pays: pictures that are gone, many small records, cells that are wanted.
enum class Structure { automatic, exact, cells };
struct TidyOptions {
  Structure structure = Structure::automatic;  ///< automatic: cells from kManyPictures on
  std::int64_t cells = 0;                      ///< how many; 0: by the number of pictures
};
inline constexpr std::int64_t kManyPictures = 1'000'000;
/// @return whether it was rewritten
bool tidy_index(const std::filesystem::path& file, const TidyOptions& options = {});

}  // namespace limn
