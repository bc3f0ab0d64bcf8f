#pragma once

#include <filesystem>
#include <functional>
#include <iosfwd>
#include <string>
#include <vector>

#include "apps/retriever.h"

namespace limn {

struct SearchCommand {
  CommonOptions common;
  std::filesystem::path file;  ///< the index
  RetrieveQuery query;
  RetrieveFilter filter;
  RetrieveLimits limits;
  std::string rerank_model;  ///< a model with a matching head; "": the index's own
  bool json = false;
  bool zero = false;           ///< paths only, each ended by NUL
  std::filesystem::path html;  ///< also a page with the pictures; empty: no
  std::filesystem::path show;  ///< also a PNG with the pictures; empty: no
};

/// Prints the pictures of an index that fit words and pictures best.
/// @return an ExitCode
int search_index(const SearchCommand& options, std::ostream& out, std::ostream& notes);

/// The same with models of the caller's.
int search_with(Retriever& retriever, const SearchCommand& options, std::ostream& out, std::ostream& notes);

/// A Retriever over the models that the options name.
Retriever open_retriever(const std::filesystem::path& file, const CommonOptions& common,
                         const std::string& rerank_model);

struct DedupeCommand {
  CommonOptions common;
  std::filesystem::path file;
  double threshold = 0.95;  ///< cosine from which two pictures count as the same
  bool json = false;
  bool zero = false;  ///< paths of all but the first of each group, each ended by NUL
  std::filesystem::path html, show;
};

/// Prints groups of pictures that are nearly the same, the largest of each group first.
int dedupe_index(const DedupeCommand& options, std::ostream& out, std::ostream& notes);

/// A picture on a page of results.
struct PageEntry {
  std::string path;   ///< absolute
  std::string label;  ///< what stands under it
};

/// A page for a browser; pictures are named relative to the page's own folder. Rows begin with a heading each.
struct PageRow {
  std::string heading;
  std::vector<PageEntry> entries;
};
std::string results_page(const std::string& title, const std::vector<PageRow>& rows,
                         const std::filesystem::path& folder);

}  // namespace limn
