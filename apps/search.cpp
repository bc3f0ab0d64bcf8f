#include "apps/search.h"

#include <cmath>
#include <ostream>

#include "apps/caption_output.h"
#include "apps/html.h"
#include "apps/index_plan.h"
#include "apps/notes.h"
#include "apps/pictures.h"
#include "apps/sheet.h"
#include "core/files.h"
#include "core/json.h"
#include "core/ops.h"
#include "fusion/stores.h"

namespace limn {

namespace {

namespace fs = std::filesystem;

std::string fixed(double value, const char* format = "%.3f") {
  char text[40];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

std::string label_of(const Retrieved& found) {
  return found.match ? "match " + fixed(*found.match) : fixed(found.similarity);
}

std::string line_of(const SearchCommand& options, const Retrieved& found, std::size_t rank) {
  if (options.zero) return found.path + '\0';
  if (options.json) {
    Json line = Json::object({{"rank", static_cast<std::int64_t>(rank)},
                              {"path", found.path},
                              {"similarity", static_cast<double>(found.similarity)},
                              {"score", found.score},
                              {"match", found.match ? Json(*found.match) : Json()}});
    if (!found.caption.empty()) line.set("caption", found.caption);
    return line.dump() + "\n";
  }
  return printable(found.path) + "\t" + (found.match ? fixed(*found.match) : fixed(found.similarity)) + "\n";
}

void write_sheet(const fs::path& file, const std::vector<PageRow>& rows, Notes& notes) {
  const SheetOptions style;
  std::vector<SheetEntry> entries;
  for (const PageRow& row : rows)
    for (const PageEntry& entry : row.entries)
      entries.push_back(
          sheet_entry(entry.path, {fs::path(entry.path).filename().string(), entry.label}, true, style.side));
  if (entries.empty()) return notes.note("nothing found, so no contact sheet");
  const Drawing sheet = contact_sheet(entries, style);
  write_image(file, sheet.pixels);
  if (!sheet.note.empty()) notes.note(sheet.note);
}

void write_pages(const fs::path& html, const fs::path& show, const std::string& title, const std::vector<PageRow>& rows,
                 Notes& notes) {
  if (!html.empty()) write_file(html, results_page(title, rows, fs::absolute(html).parent_path()));
  if (!show.empty()) write_sheet(show, rows, notes);
}

}  // namespace

std::string results_page(const std::string& title, const std::vector<PageRow>& rows, const fs::path& folder) {
  std::string page =
      "<!doctype html><html><head><meta charset=\"utf-8\"><title>" + html_escaped(title) +
      "</title><style>\n"
      "body{font:15px system-ui,sans-serif;margin:1.5em;background:#fafafa;color:#222}h1{font-size:1.3em}"
      "h2{font-size:1em;margin:1.5em 0 .4em}div{display:flex;flex-wrap:wrap;gap:12px}"
      "figure{margin:0;width:220px}figure img{width:220px;height:220px;object-fit:contain;background:#eee}"
      "figcaption{font-size:12px;overflow-wrap:anywhere}\n</style></head><body><h1>" +
      html_escaped(title) + "</h1>\n";
  for (const PageRow& row : rows) {
    if (!row.heading.empty()) page += "<h2>" + html_escaped(row.heading) + "</h2>";
    page += "<div>\n";
    for (const PageEntry& entry : row.entries) {
      const std::string address = url_path(fs::path(entry.path).lexically_relative(folder.lexically_normal()).string());
      page += "<figure><a href=\"" + address + "\"><img loading=\"lazy\" src=\"" + address +
              "\" alt=\"\"></a><figcaption>" + html_escaped(shown_path(entry.path)) + "<br>" +
              html_escaped(entry.label) + "</figcaption></figure>\n";
    }
    page += "</div>\n";
  }
  return page + "</body></html>\n";
}

int search_with(Retriever& retriever, const SearchCommand& options, std::ostream& out, std::ostream& stream) {
  Notes notes(options.common, stream);
  filter_of(options.filter);  // faults of the command line first
  const PictureIndex& index = retriever.index();
  if (const std::string state = index.state(); !state.empty()) notes.note(place_name(options.file) + ": " + state);
  if (index.live() == 0) notes.note(place_name(options.file) + ": holds no pictures");
  std::vector<std::string> told;
  const std::vector<QueryTerm> terms = retriever.terms(options.query, told);
  for (const std::string& note : told) notes.note(note);
  std::vector<Retrieved> found = retriever.find(terms, options.filter, options.limits);
  if (options.limits.rerank > 0 && !found.empty()) {
    const auto count = std::min(options.limits.rerank, static_cast<std::int64_t>(found.size()));
    notes.begin("rerank", count);
    retriever.rerank(found, options.query.words, options.limits, options.common,
                     [&notes](std::int64_t done) { notes.update(done); });
    if (interrupted()) return exit_interrupted;
    const auto unread =
        std::count_if(found.begin(), found.begin() + count, [](const Retrieved& r) { return !r.match; });
    notes.end();
    if (unread > 0) notes.note(std::to_string(unread) + " pictures could not be read for re-ranking");
  }
  if (static_cast<std::int64_t>(found.size()) > options.limits.count)
    found.resize(static_cast<std::size_t>(options.limits.count));
  std::string lines;
  std::vector<PageRow> rows(1);
  for (std::size_t i = 0; i < found.size(); ++i) {
    lines += line_of(options, found[i], i + 1);
    rows[0].entries.push_back({found[i].file, label_of(found[i])});
  }
  out << lines;
  flush_results(out);
  if (found.empty() && index.live() > 0) notes.note("no picture passes");
  std::string title;
  for (const auto* parts : {&options.query.words, &options.query.images})
    for (const std::string& part : *parts) title += (title.empty() ? "" : " + ") + part;
  for (const std::string& part : options.query.without) title += " - " + part;
  write_pages(options.html, options.show, title, rows, notes);
  return exit_done;
}

Retriever open_retriever(const fs::path& file, const CommonOptions& common, const std::string& rerank_model) {
  const auto open = [common](const std::string& stored) { return open_index_model(common, stored); };
  if (rerank_model.empty()) return Retriever(file, open);
  return Retriever(file, open, [common, rerank_model](const std::string&) {
    CommonOptions other = common;
    other.model = rerank_model;
    return IndexModel{rerank_model, {}, open_chosen_model(other)};
  });
}

int search_index(const SearchCommand& options, std::ostream& out, std::ostream& notes) {
  Retriever retriever = open_retriever(options.file, options.common, options.rerank_model);
  return search_with(retriever, options, out, notes);
}

int dedupe_index(const DedupeCommand& options, std::ostream& out, std::ostream& stream) {
  Notes notes(options.common, stream);
  const IndexContent content = load_index(options.file);
  const auto live = static_cast<std::int64_t>(std::count(content.alive.begin(), content.alive.end(), 1));
  notes.begin("dedupe", live);
  const auto groups = near_duplicates(content, options.threshold, [&notes](std::int64_t done) { notes.update(done); });
  notes.end();
  std::string lines;
  std::vector<PageRow> rows;
  std::size_t spare = 0;
  for (const DuplicateGroup& group : groups) {
    Json paths = Json::array(), similarity = Json::array();
    PageRow& row = rows.emplace_back(PageRow{std::to_string(group.pictures.size()) + " pictures", {}});
    if (!options.zero && !options.json && rows.size() > 1) lines += "\n";
    for (std::size_t i = 0; i < group.pictures.size(); ++i) {
      const std::string& path = content.entries[static_cast<std::size_t>(group.pictures[i])].path;
      const std::string shown = shown_path(path);
      row.entries.push_back({path, fixed(group.similarity[i])});
      paths.push(shown);
      similarity.push(static_cast<double>(group.similarity[i]));
      if (options.zero && i > 0) lines += shown + '\0';
      if (!options.zero && !options.json) lines += printable(shown) + "\t" + fixed(group.similarity[i]) + "\n";
    }
    spare += group.pictures.size() - 1;
    if (options.json)
      lines += Json::object(
                   {{"group", static_cast<std::int64_t>(rows.size())}, {"paths", paths}, {"similarity", similarity}})
                   .dump() +
               "\n";
  }
  out << lines;
  flush_results(out);
  notes.note(std::to_string(groups.size()) + " groups, " + std::to_string(spare) +
             " pictures besides the first of each");
  write_pages(options.html, options.show, "Near duplicates in " + place_name(options.file), rows, notes);
  return exit_done;
}

}  // namespace limn
