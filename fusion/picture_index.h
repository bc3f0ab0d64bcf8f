#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>

#include "fusion/index_file.h"

namespace limn {

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
  std::string text = {};      ///< that caption's
};

/// So many pictures stand for all where their mean and standard deviation are asked.
inline constexpr std::int64_t kBackground = 2048;

/// Pictures by words and pictures, wherever they are kept: in a file (Index) or in a database. Callable from one thread
/// at a time, unless the class says otherwise.
class PictureIndex {
 public:
  virtual ~PictureIndex() = default;
  virtual const IndexHead& head() const = 0;
  virtual std::int64_t live() const = 0;  ///< pictures that can be found
  virtual bool has_captions() const = 0;
  /// What the user should know of its state, in a sentence without its name; "": nothing.
  virtual std::string state() const { return {}; }
  /// Those of the pictures that are there, by number.
  virtual std::map<std::int64_t, IndexEntry> entries(std::span<const std::int64_t> pictures) const = 0;
  /// The embedding of a picture that is there: float [D].
  virtual Tensor embedding(std::int64_t picture) const = 0;

  /// The pictures that fit best, best first. Several terms count by their weights, each measured in the standard
  /// deviations of the index's pictures: words and pictures, whose similarities differ in size, have equal say.
  /// Filters are applied before ranking, so that `count` pictures are found wherever so many pass.
  /// @throws InputError for no terms, a wrong width, or weights that cancel out
  std::vector<Found> search(std::span<const QueryTerm> terms, const SearchOptions& options = {}) const;

 protected:
  enum class Space { pictures, captions };

  /// A row near a query.
  struct Near {
    std::int64_t picture;  ///< itself, or whose caption it is
    float similarity;
    std::int64_t caption = -1;
    std::string text = {};
  };

  /// One search, which knows what passes its filter.
  struct Pass {
    virtual ~Pass() = default;
    /// Rows of pictures that pass, best first: so many that the best `count` pictures are among them, where so many
    /// pass.
    virtual std::vector<Near> nearest(Space space, const Tensor& direction, std::int64_t count) = 0;
    /// Pictures' own products with the direction, in the order given.
    virtual std::vector<float> products(const Tensor& direction, std::span<const std::int64_t> pictures) = 0;
  };
  virtual std::unique_ptr<Pass> begin(const SearchOptions& options) const = 0;

  /// Products of a direction, float [D] of length one, with rows that stand for all: float [S]; undefined for none.
  virtual Tensor background(Space space, const Tensor& direction) const = 0;

 private:
  struct Side;
  Side measured(Space space, const Tensor& direction) const;
  Side side_of(Space space, std::span<const QueryTerm> terms) const;
  void add_captions(std::vector<Found>& found, Pass& pass, const Side& side, std::span<const QueryTerm> terms,
                    std::int64_t count) const;
};

}  // namespace limn
