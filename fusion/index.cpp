#include "fusion/index.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <set>

#include "core/checkpoint.h"
#include "core/hash.h"
#include "core/ops.h"
#include "fusion/sample.h"

namespace limn {

namespace {

namespace fs = std::filesystem;

// Live rows, evenly spread.
Vectors sample_of(std::span<const VectorBlock> blocks, const std::vector<std::int64_t>& rows) {
  if (rows.empty()) return {};
  std::vector<std::int64_t> chosen = spread_places(static_cast<std::int64_t>(rows.size()), kBackground);
  for (std::int64_t& row : chosen) row = rows[static_cast<std::size_t>(row)];
  return gathered_rows(blocks, chosen);
}

}  // namespace

std::string model_identity(const fs::path& folder) {
  std::set<fs::path> files;
  for (const auto& [name, tensor] : read_weights(folder)) files.insert(tensor.file);
  for (const char* name : {"preprocessor_config.json", "open_clip_config.json"})
    if (fs::exists(folder / name)) files.insert(folder / name);
  Hash64 hash;
  for (const fs::path& file : files) hash.update(map_checkpoint(file)->bytes());
  char digits[17];
  std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(hash.value()));
  return digits;
}

Index::Index(IndexContent content) : content_(std::move(content)) {
  std::vector<std::int64_t> live, rows;
  for (std::size_t i = 0; i < content_.alive.size(); ++i)
    if (content_.alive[i]) live.push_back(static_cast<std::int64_t>(i));
  live_ = static_cast<std::int64_t>(live.size());
  pictures_ = {content_.picture_vectors, sample_of(content_.picture_vectors, live)};
  if (content_.captions.empty()) return;
  captions_of_.resize(content_.entries.size());
  for (std::size_t i = 0; i < content_.captions.size(); ++i) {
    const auto owner = static_cast<std::size_t>(content_.captions[i].owner);
    captions_of_[owner].push_back(static_cast<std::int64_t>(i));
    most_captions_ = std::max(most_captions_, static_cast<std::int64_t>(captions_of_[owner].size()));
    if (content_.alive[owner]) rows.push_back(static_cast<std::int64_t>(i));
  }
  caption_space_ = {content_.caption_vectors, sample_of(content_.caption_vectors, rows)};
}

Tensor Index::background(Space space, const Tensor& direction) const {
  const Vectors& sample = rows(space).sample;
  if (!sample.codes.defined()) return {};
  return dot_products(prepared_queries(direction.unsqueeze(0), content_.head.type), sample)[0];
}

/// The pictures that pass, and the captions of these.
struct Index::FilePass : PictureIndex::Pass {
  const Index& index;
  const SearchOptions& options;
  std::vector<std::uint8_t> pictures;  // a byte each, 0: does not pass; empty: all pass
  std::int64_t passing;

  FilePass(const Index& index_, const SearchOptions& options_)
      : index(index_), options(options_), passing(index_.live_) {
    const IndexContent& content = index.content_;
    if (!options.keep && index.live_ == static_cast<std::int64_t>(content.entries.size())) return;
    pictures = content.alive;
    if (!options.keep) return;
    passing = 0;
    for (std::size_t i = 0; i < pictures.size(); ++i) {
      pictures[i] = pictures[i] && options.keep(static_cast<std::int64_t>(i), content.entries[i]);
      passing += pictures[i];
    }
  }

  std::vector<Near> nearest(Space space, const Tensor& direction, std::int64_t count) override {
    if (passing == 0) return {};
    const Tensor prepared = prepared_queries(direction.unsqueeze(0), index.content_.head.type);
    return space == Space::pictures ? near_pictures(prepared, std::min(count, passing))
                                    : near_captions(prepared, std::min(count, passing));
  }

  std::vector<Near> near_pictures(const Tensor& prepared, std::int64_t count) const {
    const std::optional<Cells>& cells = index.content_.cells;
    const NearestOptions limits{.count = count,
                                .allowed = pictures.empty() ? nullptr : pictures.data(),
                                .allowed_count = passing,
                                .cells = cells && !options.exact ? &*cells : nullptr,
                                .probes = options.probes};
    std::vector<Near> all;
    const std::vector<Hit> hits = limn::nearest(prepared, index.pictures_.blocks, limits)[0];
    for (const Hit& hit : hits) all.push_back({hit.row, hit.similarity});
    return all;
  }

  std::vector<Near> near_captions(const Tensor& prepared, std::int64_t count) const {
    const std::vector<IndexCaption>& captions = index.content_.captions;
    std::vector<std::uint8_t> allowed(captions.size());
    std::int64_t allowed_count = 0;
    for (std::size_t i = 0; i < allowed.size(); ++i)
      allowed_count += allowed[i] = pictures.empty() ? 1 : pictures[static_cast<std::size_t>(captions[i].owner)];
    // So many that the best pictures are among their owners, however many captions each has.
    const NearestOptions wanted{.count = std::min(count * index.most_captions_, allowed_count),
                                .allowed = allowed.data(),
                                .allowed_count = allowed_count};
    std::vector<Near> all;
    const std::vector<Hit> hits = limn::nearest(prepared, index.caption_space_.blocks, wanted)[0];
    for (const Hit& hit : hits) {
      const IndexCaption& caption = captions[static_cast<std::size_t>(hit.row)];
      all.push_back({caption.owner, hit.similarity, hit.row, caption.text});
    }
    return all;
  }

  std::vector<float> products(const Tensor& direction, std::span<const std::int64_t> numbers) override {
    const Tensor prepared = prepared_queries(direction.unsqueeze(0), index.content_.head.type);
    const Tensor all = products_with(prepared, index.pictures_.blocks, numbers).contiguous();
    return {all.data_ptr<float>(), all.data_ptr<float>() + all.numel()};
  }
};

std::unique_ptr<PictureIndex::Pass> Index::begin(const SearchOptions& options) const {
  return std::make_unique<FilePass>(*this, options);
}

std::string Index::state() const {
  return content_.end < content_.size ? "its last record was cut off; limn index completes it" : "";
}

std::map<std::int64_t, IndexEntry> Index::entries(std::span<const std::int64_t> pictures) const {
  std::map<std::int64_t, IndexEntry> all;
  for (const std::int64_t picture : pictures)
    if (picture >= 0 && picture < static_cast<std::int64_t>(content_.entries.size()) &&
        content_.alive[static_cast<std::size_t>(picture)])
      all.emplace(picture, content_.entries[static_cast<std::size_t>(picture)]);
  return all;
}

Tensor Index::embedding(std::int64_t picture) const {
  return rows_of(content_.picture_vectors, std::span(&picture, 1))[0];
}

std::vector<std::string> Index::captions(std::int64_t picture) const {
  std::vector<std::string> texts;
  if (captions_of_.empty()) return texts;
  for (const std::int64_t row : captions_of_[static_cast<std::size_t>(picture)])
    texts.push_back(content_.captions[static_cast<std::size_t>(row)].text);
  return texts;
}

bool tidy_index(const fs::path& file, const TidyOptions& options) {
  const IndexWriter lock(file);
  const IndexContent& content = lock.content();
  std::vector<std::int64_t> live;
  for (std::size_t i = 0; i < content.alive.size(); ++i)
    if (content.alive[i]) live.push_back(static_cast<std::int64_t>(i));
  const auto all = static_cast<std::int64_t>(content.entries.size()), count = static_cast<std::int64_t>(live.size());
  const bool cells = count > 0 && (options.structure == Structure::cells ||
                                   (options.structure == Structure::automatic && count >= kManyPictures));
  const std::int64_t sorted = content.cells ? content.cells->offsets.back() : 0;
  const bool wrong_structure =
      cells != content.cells.has_value() ||
      (cells && (all - sorted > all / 5 || (options.cells > 0 && options.cells != content.cells->centroids.size(0))));
  if (!wrong_structure && all - count <= all / 4 && content.picture_vectors.size() <= 64) return false;
  std::optional<Cells> made;
  if (cells) {
    std::vector<std::int64_t> order;
    made = make_cells(content.picture_vectors, live, options.cells, order);
    live = std::move(order);
  }
  rewrite_index(file, content, live, made);
  return true;
}

}  // namespace limn
