#include "fusion/stores.h"

#include "fusion/index_database.h"

namespace limn {

namespace fs = std::filesystem;

std::string place_name(const fs::path& place) {
  return is_database(place.string()) ? address_name(place.string()) : place.string();
}

bool index_exists(const fs::path& place) {
  std::error_code error;
  return is_database(place.string()) ? database_has_index(place.string()) : fs::exists(place, error);
}

void make_index(const fs::path& place, const IndexHead& head, bool replace) {
  is_database(place.string()) ? create_database_index(place.string(), head, replace) : create_index(place, head);
}

std::unique_ptr<IndexStore> open_store(const fs::path& place) {
  if (is_database(place.string())) return std::make_unique<DatabaseStore>(place.string());
  return std::make_unique<IndexWriter>(place);
}

std::unique_ptr<PictureIndex> open_index(const fs::path& place) {
  if (is_database(place.string())) return std::make_unique<DatabaseIndex>(place.string());
  return std::make_unique<Index>(read_index(place));
}

IndexContent load_index(const fs::path& place) {
  return is_database(place.string()) ? read_database_index(place.string()) : read_index(place);
}

bool tidy_store(const fs::path& place, const TidyOptions& options) {
  return is_database(place.string()) ? tidy_database_index(place.string(), options) : tidy_index(place, options);
}

}  // namespace limn
