#include <algorithm>
#include <map>

#include "fusion/index.h"

namespace limn {

namespace {

namespace fs = std::filesystem;

void check_same(const IndexHead& first, const fs::path& first_file, const IndexHead& head, const fs::path& file) {
  if (head.identity != first.identity || head.width != first.width)
    throw InputError("merge: " + file.string() + " was made with the model " + head.model + " (weights " +
                     head.identity + "), " + first_file.string() + " with " + first.model + " (weights " +
                     first.identity + "); indexes of one model can be merged");
  if (head.type != first.type)
    throw InputError("merge: " + file.string() + " and " + first_file.string() +
                     " keep vectors of different types; make them with the same --vectors");
}

/// Takes `more` up behind what is there. The vectors stay where they lie.
void append(IndexContent& all, IndexContent more) {
  const auto pictures = static_cast<std::int64_t>(all.entries.size());
  const auto captions = static_cast<std::int64_t>(all.captions.size());
  for (VectorBlock& block : more.picture_vectors) all.picture_vectors.push_back({block.first + pictures, block.rows});
  for (VectorBlock& block : more.caption_vectors) all.caption_vectors.push_back({block.first + captions, block.rows});
  for (IndexCaption& caption : more.captions) all.captions.push_back({caption.owner + pictures, caption.text});
  all.entries.insert(all.entries.end(), more.entries.begin(), more.entries.end());
  all.alive.insert(all.alive.end(), more.alive.begin(), more.alive.end());
}

}  // namespace

std::int64_t merge_indexes(std::span<const fs::path> files, const fs::path& out) {
  if (files.empty()) throw InputError("merge: got no indexes, expected at least one");
  IndexContent all;
  for (const fs::path& file : files) {
    IndexContent content = read_index(file, true);
    if (&file == files.data()) all.head = content.head;
    check_same(all.head, files.front(), content.head, file);
    append(all, std::move(content));
  }
  std::map<std::string, std::int64_t> latest;  // by path
  for (std::size_t i = 0; i < all.entries.size(); ++i) {
    if (!all.alive[i]) continue;
    const auto [place, fresh] = latest.emplace(all.entries[i].path, static_cast<std::int64_t>(i));
    if (!fresh && all.entries[i].modified > all.entries[static_cast<std::size_t>(place->second)].modified)
      place->second = static_cast<std::int64_t>(i);
  }
  std::vector<std::int64_t> order;
  for (const auto& [path, number] : latest) order.push_back(number);
  rewrite_index(out, all, order);
  return static_cast<std::int64_t>(order.size());
}

}  // namespace limn
