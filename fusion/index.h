#pragma once

#include <functional>

#include "fusion/nearest.h"

namespace limn {

/// What tells a model from all others: Hash64 of its weight files and of how it wants pictures made ready, as 16
/// digits.
/// @throws CheckpointError as read_weights()
std::string model_identity(const std::filesystem::path& folder);

/// A part of a query.
struct QueryTerm {
  Tensor embedding;   ///< float [D], of words or of a picture; any length but 0
  double weight = 1;  ///< below 0: pictures that it fits rank lower
};

struct SearchOptions {
  std::int64_t count = 10;
  std::function<bool(std::int64_t picture, const IndexEntry& entry)> keep = {};  ///< null: all pictures
  std::optional<double> min_score;     ///< only pictures with at least this score
  std::optional<double> min_relative;  ///< only pictures with at least this share of the best score
  std::int64_t probes = 0;             ///< cells that are looked into, where there are cells; 0: a default
  bool exact = false;                  ///< do without cells
};

struct Found {
  std::int64_t picture;
  float similarity;  ///< cosine of picture and query
  /// How many standard deviations of the index's own pictures it lies above their mean, so that 4 says the same for
  /// every query and model. The better of its picture's and of its captions'.
  double score;
  std::int64_t caption = -1;  ///< the caption that gave the score; -1: the picture did
};

/// Pictures by words and pictures. The file is mapped: opening takes no time to speak of, and what other processes
/// add later is not seen.
class Index {
 public:
  explicit Index(IndexContent content);

  const IndexContent& content() const { return content_; }
  std::int64_t live() const { return live_; }  ///< pictures that can be found

  /// The pictures that fit best, best first. Several terms count by their weights, each measured in the standard
  /// deviations of the index's pictures: words and pictures, whose similarities differ in size, have equal say.
  /// Filters are applied before ranking, so that `count` pictures are found wherever so many pass.
  /// @throws InputError for no terms, a wrong width, or weights that cancel out
  std::vector<Found> search(std::span<const QueryTerm> terms, const SearchOptions& options = {}) const;

  /// The embedding of a picture that is in the index: float [D].
  Tensor embedding(std::int64_t picture) const;

  /// Captions of a picture.
  std::vector<std::string> captions(std::int64_t picture) const;

 private:
  struct Space;
  struct Side;
  Side side_of(const Space& space, std::span<const QueryTerm> terms) const;
  std::vector<std::uint8_t> allowed(const SearchOptions& options, std::int64_t& count) const;

  /// Pictures, or captions: vectors, and some of them that stand for all.
  struct Space {
    std::span<const VectorBlock> blocks;
    Vectors sample;
  };
  IndexContent content_;
  std::int64_t live_ = 0, most_captions_ = 0;
  std::vector<std::vector<std::int64_t>> captions_of_;  ///< empty where the index has none
  Space pictures_, caption_space_;
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
