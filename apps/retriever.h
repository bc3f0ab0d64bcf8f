#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "apps/index.h"

namespace limn {

/// What is looked for. Each part may begin with a weight: "2:words".
struct RetrieveQuery {
  std::vector<std::string> words;
  std::vector<std::string> images;   ///< picture files
  std::vector<std::string> without;  ///< words that wanted pictures do not fit
};

/// Which pictures may be found.
struct RetrieveFilter {
  std::vector<std::string> paths;  ///< globs, one of which must fit the path as printed, the absolute path, or the name
  std::string after, before;       ///< "2024", "2024-05" or "2024-05-01"; from its start on, until its start
};

struct RetrieveLimits {
  std::int64_t count = 10;
  std::optional<double> min_score, min_relative;
  std::int64_t rerank = 0;  ///< the matching head reads so many of the best; 0: none
  std::int64_t probes = 0;
  bool exact = false;
};

struct Retrieved {
  std::int64_t picture;
  std::string path;  ///< as printed
  std::string file;  ///< absolute
  float similarity;
  double score;
  std::optional<double> match;  ///< probability that it fits the words
  std::string caption;          ///< which fitted better than the picture itself
};

/// A number before a colon, and what is behind it: "2:a dog" is {2, "a dog"}, "a dog" is {1, "a dog"}.
std::pair<double, std::string> weighted(const std::string& part);

/// Seconds since 1970 at the start of a year, month or day; UTC.
/// @throws UsageError for anything else
std::int64_t parse_date(const std::string& text, const std::string& option);

/// When a picture was taken, else changed, on the clock of its place.
std::int64_t time_of(const IndexEntry& entry);

/// The filter as a test, empty where it lets everything pass. @throws UsageError
std::function<bool(std::int64_t, const IndexEntry&)> filter_of(const RetrieveFilter& filter);

/// An index with the model that asks it; the model is opened when a query needs it. One call at a time.
class Retriever {
 public:
  /// @param open  gives the index's model; @param open_matcher  another one with a matching head, null: the same
  Retriever(std::filesystem::path file, std::function<IndexModel(const std::string& stored)> open,
            std::function<IndexModel(const std::string& stored)> open_matcher = nullptr);

  const PictureIndex& index() const { return *index_; }
  const std::filesystem::path& file() const { return file_; }

  /// @param notes  gets what the user should know: words that the text tower does not read
  /// @throws UsageError for an empty query, InputError for pictures that cannot be read and for another model's index
  std::vector<QueryTerm> terms(const RetrieveQuery& query, std::vector<std::string>& notes);

  /// Pictures for terms, best first, not re-ranked.
  std::vector<Retrieved> find(const std::vector<QueryTerm>& terms, const RetrieveFilter& filter,
                              const RetrieveLimits& limits, std::optional<std::int64_t> except = {});

  /// Reads the first `limits.rerank` pictures together with the words, and puts those that fit best first.
  void rerank(std::vector<Retrieved>& found, const std::vector<std::string>& words, const RetrieveLimits& limits,
              const CommonOptions& common, const std::function<void(std::int64_t done)>& progress);

  /// Probabilities that pictures fit texts: uint8 pictures as the matcher wants them [P 3 H W] -> float [P T].
  const Matcher& matcher();
  const IndexModel& model();

 private:
  Tensor picture_embedding(const std::string& file);

  std::filesystem::path file_;
  std::function<IndexModel(const std::string&)> open_, open_matcher_;
  std::unique_ptr<PictureIndex> index_;
  IndexModel model_, matching_;
};

}  // namespace limn
