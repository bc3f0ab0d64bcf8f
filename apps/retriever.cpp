#include "apps/retriever.h"

#include <algorithm>
#include <charconv>
#include <ctime>

#include "apps/index_plan.h"
#include "apps/match.h"
#include "apps/pictures.h"
#include "core/ops.h"
#include "fusion/stores.h"

namespace limn {

namespace {

namespace fs = std::filesystem;

bool blank(const std::string& text) { return text.find_first_not_of(" \t\r\n\f\v\u3000") == std::string::npos; }

}  // namespace

std::pair<double, std::string> weighted(const std::string& part) {
  const std::size_t colon = part.find(':');
  if (colon == std::string::npos || colon == 0 || colon + 1 == part.size()) return {1, part};
  double weight = 1;
  const auto [end, error] = std::from_chars(part.data(), part.data() + colon, weight);
  const bool number = error == std::errc() && end == part.data() + colon && std::isfinite(weight);
  return number ? std::pair(weight, part.substr(colon + 1)) : std::pair(1.0, part);
}

std::int64_t parse_date(const std::string& text, const std::string& option) {
  std::tm time{};
  int used = 0;
  time.tm_mon = time.tm_mday = 1;
  const int fields =
      std::sscanf(text.c_str(), "%4d%n-%2d%n-%2d%n", &time.tm_year, &used, &time.tm_mon, &used, &time.tm_mday, &used);
  const bool whole = fields >= 1 && static_cast<std::size_t>(used) == text.size() && text[0] >= '0' && text[0] <= '9';
  time.tm_year -= 1900;
  time.tm_mon -= 1;
  const std::tm wanted = time;
  const auto seconds = static_cast<std::int64_t>(timegm(&time));
  if (!whole || time.tm_mon != wanted.tm_mon || time.tm_mday != wanted.tm_mday)
    throw UsageError(option + ": got \"" + text + "\", expected a date like 2024, 2024-05 or 2024-05-01");
  return seconds;
}

std::int64_t time_of(const IndexEntry& entry) {
  if (entry.taken != 0) return entry.taken;
  const std::time_t changed = static_cast<std::time_t>(entry.modified / 1'000'000'000);
  std::tm local{};
  localtime_r(&changed, &local);
  return static_cast<std::int64_t>(timegm(&local));
}

std::function<bool(std::int64_t, const IndexEntry&)> filter_of(const RetrieveFilter& filter) {
  if (filter.paths.empty() && filter.after.empty() && filter.before.empty()) return nullptr;
  const std::int64_t after = filter.after.empty() ? INT64_MIN : parse_date(filter.after, "--after");
  const std::int64_t before = filter.before.empty() ? INT64_MAX : parse_date(filter.before, "--before");
  return [paths = filter.paths, after, before](std::int64_t, const IndexEntry& entry) {
    if (after != INT64_MIN || before != INT64_MAX) {
      const std::int64_t time = time_of(entry);
      if (time < after || time >= before) return false;
    }
    const std::string shown = shown_path(entry.path), name = fs::path(entry.path).filename().string();
    return paths.empty() || std::any_of(paths.begin(), paths.end(), [&](const std::string& glob) {
             if (glob.find('/') == std::string::npos) return glob_matches(glob, name);
             return glob_matches(glob, glob[0] == '/' ? entry.path : shown);
           });
  };
}

Retriever::Retriever(fs::path file, std::function<IndexModel(const std::string&)> open,
                     std::function<IndexModel(const std::string&)> open_matcher)
    : file_(std::move(file)),
      open_(std::move(open)),
      open_matcher_(std::move(open_matcher)),
      index_(open_index(file_)) {}

const IndexModel& Retriever::model() {
  if (!model_.model) {
    model_ = open_(index_->head().model);
    check_model(index_->head(), model_, file_);
  }
  return model_;
}

const Matcher& Retriever::matcher() {
  if (!matching_.model) matching_ = open_matcher_ ? open_matcher_(index_->head().model) : model();
  if (!matching_.model->matcher)
    throw UsageError("--rerank: the model " + matching_.name +
                     " has no matching head; --rerank-model names one that has");
  return *matching_.model->matcher;
}

Tensor Retriever::picture_embedding(const std::string& file) {
  const Embedder& embedder = *model().model->embedder;
  const Tensor pixels = embedder.preprocess(read_image(file));  // [3 H W]
  return embedder.pictures(pixels.unsqueeze(0))[0];
}

std::vector<QueryTerm> Retriever::terms(const RetrieveQuery& query, std::vector<std::string>& notes) {
  std::vector<std::string> texts;
  std::vector<double> weights;
  const auto take = [&](const std::string& part, double sign) {
    const auto [weight, text] = weighted(part);
    if (blank(text)) throw UsageError("the query is empty: got \"" + part + "\", expected words");
    texts.push_back(text);
    weights.push_back(sign * weight);
  };
  for (const std::string& part : query.words) take(part, 1);
  for (const std::string& part : query.without) take(part, -1);
  if (query.words.empty() && query.images.empty()) throw UsageError("no query: give words, or a picture with --image");
  std::vector<QueryTerm> all;
  if (!texts.empty()) {
    const Embedder& embedder = *model().model->embedder;
    if (!embedder.text)
      throw UsageError("the model " + model_.name + " reads no texts; look for pictures with --image");
    for (const std::string& text : texts)
      if (const std::string note = cut_note(embedder, text); !note.empty()) notes.push_back(note);
    const Tensor vectors = embedder.texts(texts);  // [T E]
    for (std::size_t i = 0; i < texts.size(); ++i) all.push_back({vectors[static_cast<std::int64_t>(i)], weights[i]});
  }
  for (const std::string& part : query.images) {
    const auto [weight, file] = fs::exists(part) ? std::pair(1.0, part) : weighted(part);
    all.push_back({picture_embedding(file), weight});
  }
  return all;
}

std::vector<Retrieved> Retriever::find(const std::vector<QueryTerm>& terms, const RetrieveFilter& filter,
                                       const RetrieveLimits& limits, std::optional<std::int64_t> except) {
  SearchOptions options{.count = std::max(limits.count, limits.rerank),
                        .keep = filter_of(filter),
                        .min_score = limits.min_score,
                        .min_relative = limits.min_relative,
                        .probes = limits.probes,
                        .exact = limits.exact};
  if (except)
    options.keep = [keep = options.keep, except](std::int64_t number, const IndexEntry& entry) {
      return number != *except && (!keep || keep(number, entry));
    };
  const std::vector<Found> hits = index_->search(terms, options);
  std::vector<std::int64_t> numbers;
  for (const Found& hit : hits) numbers.push_back(hit.picture);
  const std::map<std::int64_t, IndexEntry> entries = index_->entries(numbers);
  std::vector<Retrieved> found;
  for (const Found& hit : hits) {
    const auto entry = entries.find(hit.picture);
    if (entry == entries.end()) continue;  // another process has removed it just now
    const std::string& file = entry->second.path;
    found.push_back({hit.picture, shown_path(file), file, hit.similarity, hit.score, {}, hit.text});
  }
  return found;
}

void Retriever::rerank(std::vector<Retrieved>& found, const std::vector<std::string>& words,
                       const RetrieveLimits& limits, const CommonOptions& common,
                       const std::function<void(std::int64_t done)>& progress) {
  std::vector<std::string> texts;
  std::vector<double> weights;
  double total = 0;
  for (const std::string& part : words) {
    const auto [weight, text] = weighted(part);
    if (weight <= 0) continue;
    texts.push_back(text);
    weights.push_back(weight);
    total += weight;
  }
  if (texts.empty()) throw UsageError("--rerank: reads pictures together with words; the query has none");
  const Matcher& matcher = this->matcher();
  const std::size_t count = std::min(found.size(), static_cast<std::size_t>(limits.rerank));
  std::vector<fs::path> files;
  for (std::size_t i = 0; i < count; ++i) files.emplace_back(found[i].file);
  Tensor fits;  // double [P T] of the last batch
  in_order(
      files, matcher.preprocess, {common, matching_.model->placement},
      [&](const Tensor& pictures, const std::vector<std::size_t>&) {
        fits = matcher(matcher.tokens(pictures), texts).to(at::kDouble);
      },
      [&](std::size_t index, std::size_t row, const std::string& error) {
        if (error.empty()) {
          double sum = 0;
          for (std::size_t t = 0; t < texts.size(); ++t)
            sum += weights[t] * fits[static_cast<std::int64_t>(row)][static_cast<std::int64_t>(t)].item<double>();
          found[index].match = sum / total;
        }
        progress(static_cast<std::int64_t>(index) + 1);
      });
  std::stable_sort(found.begin(), found.begin() + static_cast<std::ptrdiff_t>(count),
                   [](const Retrieved& a, const Retrieved& b) { return a.match.value_or(-1) > b.match.value_or(-1); });
}

}  // namespace limn
