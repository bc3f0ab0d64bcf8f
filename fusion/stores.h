#pragma once

#include "fusion/index.h"

namespace limn {

/// An index lies in a file, or in a database: then its place is an address, postgresql://…

/// A place as it is told to people and logs: without the password.
std::string place_name(const std::filesystem::path& place);
bool index_exists(const std::filesystem::path& place);
/// Makes an empty index. @param replace  the one that is there, else it stays; a file is replaced in any case
void make_index(const std::filesystem::path& place, const IndexHead& head, bool replace);
std::unique_ptr<IndexStore> open_store(const std::filesystem::path& place);
std::unique_ptr<PictureIndex> open_index(const std::filesystem::path& place);
/// All that it holds; a database's vectors too are then in memory.
IndexContent load_index(const std::filesystem::path& place);
/// tidy_index() wherever it lies.
bool tidy_store(const std::filesystem::path& place, const TidyOptions& options);

}  // namespace limn
