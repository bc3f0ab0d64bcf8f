#include "apps/evaluate/evaluate_stylize_text.h"

#include <algorithm>
#include <iomanip>
#include <ostream>

#include "apps/evaluate/style_measures.h"
#include "apps/models.h"
#include "apps/stylize.h"
#include "apps/text_styles.h"
#include "apps/train/style_texts.h"
#include "core/files.h"
#include "core/json.h"
#include "core/ops.h"
#include "fusion/model.h"
#include "vision/drawing.h"
#include "vision/image.h"

namespace limn {

namespace {

namespace fs = std::filesystem;

using Group = std::vector<std::string>;

std::vector<Group> read_groups(const fs::path& file) {
  std::vector<Group> groups;
  std::size_t last = 0;
  each_line(read_file(file), [&](std::string_view line, std::size_t number) {
    if (groups.empty() || number != last + 1) groups.emplace_back();
    last = number;
    groups.back().emplace_back(line);
  });
  if (groups.empty()) throw InputError(file.string() + ": has no texts");
  for (const Group& group : groups)
    if (group.size() < 2)
      throw InputError(file.string() + ": \"" + group[0] +
                       "\" stands alone; expected groups of at least two texts, parted by blank lines");
  return groups;
}

/// What became of one text, over all contents.
struct Row {
  std::string text;
  double coloured = 0;  ///< share of results whose colours are nearest to those that these words name, of all words
  double nearest = 0;   ///< share of results that are most like these words, of all of the group
  double found = 0;     ///< share of contents whose result for these words is the one most like them
  double above = 0;     ///< that are more like them than the content was
  double before = 0, after = 0;  ///< mean similarity (cosine) of contents and of results
  double ssim = 0;
};

struct Judged {
  bool colours = false;  ///< every text names some
  std::vector<Row> rows;
  std::vector<Tensor> made;  ///< uint8 [3 side side], contents of the first text, of the second …
};

Tensor looked_at(const Embedder& judge, const Tensor& picture) {  // uint8 [3 H W] -> [E]
  const Tensor pixels = picture.permute({1, 2, 0}).contiguous();
  return judge.pictures(judge.preprocess({pixels.size(1), pixels.size(0), pixels}).unsqueeze(0))[0];
}

/// How far a picture's colours are from a palette: of every pixel to the nearest of its colours, and of every colour to
/// the tenth of the pixels that are nearest to it. @param picture  uint8 [3 H W]. @param palette  float [n 3] in 0..1
double colour_distance(const Tensor& picture, const Tensor& palette) {
  const Tensor small = at::adaptive_avg_pool2d(picture.to(at::kFloat).div(255).unsqueeze(0), {48, 48});
  const Tensor pixels = small.flatten(2)[0].t();                                                             // [P 3]
  const Tensor apart = (pixels.unsqueeze(1) - palette).square().sum(at::IntArrayRef{2}).sqrt();              // [P n]
  const Tensor nearest = std::get<0>(apart.topk(apart.size(0) / 10, /*dim=*/0, /*largest=*/false)).mean(0);  // [n]
  return (std::get<0>(apart.min(1)).mean() + nearest.mean()).item<double>();
}

/// Of all palettes the one that a picture's colours are nearest to.
std::int64_t nearest_palette(const Tensor& picture, const std::vector<Tensor>& palettes) {
  std::vector<double> apart;
  for (const Tensor& palette : palettes) apart.push_back(colour_distance(picture, palette));
  return std::ranges::min_element(apart) - apart.begin();
}

Judged judged(const Group& group, const std::vector<std::vector<Tensor>>& styles, const std::vector<Tensor>& contents,
              const Stylizer& stylizer, const Embedder& judge, const std::vector<Tensor>& palettes) {
  const Tensor texts = judge.texts(group);  // [T E]
  const auto planes = [](const Tensor& picture) { return picture.unsqueeze(0).to(at::kFloat).div_(255); };
  const double each = 1 / static_cast<double>(contents.size());
  const auto T = static_cast<std::int64_t>(group.size()), C = static_cast<std::int64_t>(contents.size());
  const Tensor scores = at::empty({T, C, T});  // of the picture painted after a text from a content with every text
  Judged result;
  result.colours = !palettes.empty();
  for (std::int64_t t = 0; t < T; ++t) {
    Row row{.text = group[static_cast<std::size_t>(t)]};
    for (std::int64_t c = 0; c < C && !interrupted(); ++c) {
      const Tensor& content = contents[static_cast<std::size_t>(c)];
      const StyleItem style{.picture = {}, .share = 1, .mask = {}, .read = styles[static_cast<std::size_t>(t)]};
      const Tensor picture = stylize(stylizer, content, {style}).picture;
      const Tensor own = at::mv(texts, looked_at(judge, picture));
      scores[t][c].copy_(own);
      const double before = at::dot(texts[t], looked_at(judge, content)).item<double>();
      const double after = own[t].item<double>();
      row.nearest += each * (own.argmax().item<std::int64_t>() == t);
      if (result.colours) row.coloured += each * (nearest_palette(picture, palettes) == t);
      row.above += each * (after > before);
      row.before += each * before;
      row.after += each * after;
      row.ssim += each * structural_similarity(planes(picture), planes(content)).item<double>();
      result.made.push_back(picture);
    }
    result.rows.push_back(row);
  }
  for (std::int64_t t = 0; t < T; ++t)
    result.rows[static_cast<std::size_t>(t)].found =
        (scores.select(2, t).argmax(0) == t).to(at::kDouble).mean().item<double>();
  return result;
}

Row mean_of(const std::vector<Row>& rows, const std::string& name) {
  Row mean{.text = name};
  for (const Row& row : rows)
    for (double Row::*value :
         {&Row::coloured, &Row::nearest, &Row::found, &Row::above, &Row::before, &Row::after, &Row::ssim})
      mean.*value += row.*value / static_cast<double>(rows.size());
  return mean;
}

/// The groups one below the other: a row for each content, the first with the texts.
void save_sheet(const fs::path& file, const std::vector<Tensor>& contents, const std::vector<Judged>& groups) {
  std::size_t columns = 0;
  for (const Judged& group : groups) columns = std::max(columns, group.rows.size() + 1);
  std::vector<SheetEntry> entries;
  for (const Judged& group : groups)
    for (std::size_t c = 0; c < contents.size(); ++c) {
      entries.push_back(sheet_entry(contents[c]));
      for (std::size_t t = 0; t < group.rows.size(); ++t) {
        entries.push_back(sheet_entry(group.made[t * contents.size() + c]));
        if (c == 0) entries.back().captions = {group.rows[t].text};
      }
      entries.resize((entries.size() + columns - 1) / columns * columns);
    }
  write_image(file, contact_sheet(entries, {.columns = static_cast<std::int64_t>(columns), .side = 128}).pixels);
}

void print(std::ostream& out, const std::vector<Judged>& groups) {
  out << "| words | named colours | nearest | found | more than the photo | similarity of the photo | painted | SSIM "
         "|\n|---|---|---|---|---|---|---|---|\n";
  const auto line = [&](const Row& r, bool colours) {
    out << "| " << r.text << std::fixed << std::setprecision(3) << " | ";
    if (colours) out << r.coloured;
    out << " | " << r.nearest << " | " << r.found << " | " << r.above << " | " << r.before << " | " << r.after << " | "
        << r.ssim << " |\n";
  };
  for (const Judged& group : groups) {
    for (const Row& row : group.rows) line(row, group.colours);
    line(mean_of(group.rows, "**all " + std::to_string(group.rows.size()) + "**"), group.colours);
  }
}

Json json_of(const Row& r, bool colours) {
  return Json::object({{"text", r.text},
                       {"named_colours", colours ? Json(r.coloured) : Json()},
                       {"nearest", r.nearest},
                       {"found", r.found},
                       {"above_content", r.above},
                       {"similarity_of_content", r.before},
                       {"similarity", r.after},
                       {"ssim", r.ssim}});
}

}  // namespace

int evaluate_stylize_text(const EvaluateStylizeTextOptions& o, std::ostream& out, std::ostream& notes) {
  if (o.contents.empty()) throw UsageError("evaluate stylize-text: got no contents, expected at least one");
  apply_threads(o.common);
  const std::vector<Group> groups = read_groups(o.texts);
  const Model model = open_stylizer(o.common);
  if (!model.stylizer->words)
    throw UsageError("evaluate stylize-text: " + model.folder.string() + " paints no styles in words");
  const Model judge = open_model(resolve_model(o.judge.empty() ? model.stylizer->words->encoder : o.judge));
  if (!judge.embedder || !judge.embedder->image || !judge.embedder->text)
    throw UsageError("evaluate stylize-text: " + judge.folder.string() + " embeds not both pictures and texts");
  const StyleVocabulary vocabulary = o.words.empty() ? StyleVocabulary{} : read_style_vocabulary(o.words, {});
  std::vector<Tensor> contents;
  for (const fs::path& file : o.contents) contents.push_back(to_bytes(middle_square(file, o.side)));

  std::vector<Judged> results;
  Json json = Json::array();
  for (const Group& group : groups) {
    const auto styles = read_text_styles(group, *model.stylizer, o.common, notes);
    std::vector<Tensor> palettes;
    for (const std::string& text : group)
      if (const Tensor palette = named_colours(vocabulary, text); palette.defined()) palettes.push_back(palette);
    if (palettes.size() < group.size()) palettes.clear();
    results.push_back(judged(group, styles, contents, *model.stylizer, *judge.embedder, palettes));
    if (interrupted()) return exit_interrupted;
    Json rows = Json::array();
    for (const Row& row : results.back().rows) rows.push(json_of(row, results.back().colours));
    json.push(
        Json::object({{"texts", rows}, {"all", json_of(mean_of(results.back().rows, ""), results.back().colours)}}));
  }
  if (!o.sheet.empty()) save_sheet(o.sheet, contents, results);
  if (o.json)
    out << Json::object({{"judge", judge.folder.filename().string()}, {"groups", json}}).dump() << '\n';
  else
    print(out, results);
  flush_results(out);
  return exit_done;
}

}  // namespace limn
