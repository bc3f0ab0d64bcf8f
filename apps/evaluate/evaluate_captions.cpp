#include "apps/evaluate/evaluate_captions.h"

#include <algorithm>
#include <iomanip>
#include <ostream>
#include <set>
#include <sstream>

#include "apps/evaluate/candidates.h"
#include "apps/evaluate/ptb_tokenizer.h"
#include "core/files.h"
#include "core/json.h"

namespace limn {

namespace {

using Tokenize = std::string (*)(std::string_view);

Tokenize tokenizer_of(const std::string& language) {
  if (language == "en") return ptb_tokenize;
  if (language == "zh") return cjk_tokenize;
  throw InputError("evaluate captions: language: got \"" + language + "\", expected en or zh");
}

// Pictures that are judged: their records, references and captions.
struct Judged {
  std::vector<CaptionRecord> records;
  std::vector<std::string> captions;  // as said
  References references;              // tokenised
  std::vector<std::string> tokens;    // of the captions
};

std::string pictures(std::size_t count) { return std::to_string(count) + (count == 1 ? " picture" : " pictures"); }

// The pictures with references in the language.
std::vector<CaptionRecord> read_references(const EvaluateCaptionsOptions& options, std::ostream& notes) {
  std::vector<CaptionRecord> records =
      read_captions(options.references, {.images = options.images, .language = options.language});
  if (options.limit > 0 && static_cast<std::size_t>(options.limit) < records.size()) {
    records.resize(static_cast<std::size_t>(options.limit));
  }
  const std::size_t silent =
      std::erase_if(records, [&](const CaptionRecord& record) { return !record.captions.contains(options.language); });
  if (records.empty()) {
    throw InputError(options.references.string() + ": no picture has captions in \"" + options.language + "\"");
  }
  if (silent > 0) notes << pictures(silent) << " left out: no references in \"" << options.language << "\"\n";
  return records;
}

// Captions by record, from the file or freshly made.
std::vector<std::optional<std::string>> find_captions(const EvaluateCaptionsOptions& options,
                                                      const std::vector<CaptionRecord>& records, std::ostream& notes) {
  if (options.candidates.empty()) {
    if (!options.caption)
      throw InputError("evaluate captions: got neither candidates nor a model, expected one of them");
    std::vector<std::filesystem::path> images;
    for (const CaptionRecord& record : records) images.push_back(record.image);
    std::vector<std::string> made = options.caption(images);
    if (made.size() != images.size()) {
      throw InputError("evaluate captions: the model gave " + std::to_string(made.size()) + " captions for " +
                       pictures(images.size()));
    }
    return {made.begin(), made.end()};
  }
  Candidates candidates = read_candidates(options.candidates, records);
  if (candidates.strangers > 0 && options.limit == 0 && !options.partial) {
    throw InputError(
        candidates.first_stranger + " is not a picture of " + options.references.string() +
        (candidates.strangers > 1 ? " (nor are " + std::to_string(candidates.strangers - 1) + " more)" : "") +
        "; --partial judges the pictures that have both");
  }
  if (candidates.strangers > 0) notes << "captions of other pictures left out: " << candidates.strangers << "\n";
  return std::move(candidates.captions);
}

Judged gather(const EvaluateCaptionsOptions& options, std::ostream& notes) {
  const Tokenize tokenize = tokenizer_of(options.language);
  std::vector<CaptionRecord> records = read_references(options, notes);
  std::vector<std::optional<std::string>> captions = find_captions(options, records, notes);
  Judged judged;
  std::size_t missing = 0, empty = 0;
  std::string first_missing;
  for (std::size_t i = 0; i < records.size(); ++i) {
    if (!captions[i]) {
      if (missing++ == 0) first_missing = records[i].id;
      continue;
    }
    judged.tokens.push_back(tokenize(*captions[i]));
    empty += judged.tokens.back().empty();
    std::vector<std::string>& references = judged.references.emplace_back();
    for (const std::string& text : records[i].captions.at(options.language)) references.push_back(tokenize(text));
    judged.captions.push_back(std::move(*captions[i]));
    judged.records.push_back(std::move(records[i]));
  }
  const std::string lacking = pictures(missing) + " of " + std::to_string(records.size());
  if (missing > 0 && (!options.partial || judged.records.empty())) {
    throw InputError(options.candidates.string() + ": " + lacking + " without a caption, first \"" + first_missing +
                     "\"; --partial judges the pictures that have both");
  }
  if (missing > 0) notes << lacking << " left out: no caption\n";
  if (empty > 0) notes << pictures(empty) << " with an empty caption, judged as such\n";
  return judged;
}

// The figures in the order in which they are shown.
std::vector<std::pair<const char*, double>> named(double cider, const std::array<double, 4>& bleu, double rouge) {
  return {{"CIDEr", cider},    {"Bleu_1", bleu[0]}, {"Bleu_2", bleu[1]},
          {"Bleu_3", bleu[2]}, {"Bleu_4", bleu[3]}, {"ROUGE_L", rouge}};
}

std::vector<std::pair<const char*, double>> named(const CaptionScores& scores) {
  return named(scores.cider, scores.bleu, scores.rouge);
}

Json object(const CaptionScores& scores) {
  Json json = Json::object();
  for (const auto& [name, value] : named(scores)) json.set(name, value);
  return json;
}

double mean_tokens(const std::vector<std::string>& captions) {
  std::size_t count = 0;
  for (const std::string& caption : captions) {
    if (!caption.empty()) count += 1 + static_cast<std::size_t>(std::count(caption.begin(), caption.end(), ' '));
  }
  return static_cast<double>(count) / static_cast<double>(captions.size());
}

void write_per_picture(const std::filesystem::path& file, const Judged& judged, const CaptionScores& scores,
                       const std::string& language) {
  std::string lines;
  for (std::size_t i = 0; i < judged.records.size(); ++i) {
    Json json = Json::object({{"image", judged.records[i].id}, {"caption", judged.captions[i]}});
    for (const auto& [name, value] : named(scores.cider_each[i], scores.bleu_each[i], scores.rouge_each[i])) {
      json.set(name, value);
    }
    json.set("references", Json::list(judged.records[i].captions.at(language)));
    lines += json.dump() + "\n";
  }
  write_file(file, lines);
}

void write_captions(const std::filesystem::path& file, const Judged& judged) {
  std::string lines;
  for (std::size_t i = 0; i < judged.records.size(); ++i) {
    lines += Json::object({{"image", judged.records[i].id}, {"caption", judged.captions[i]}}).dump() + "\n";
  }
  write_file(file, lines);
}

}  // namespace

std::string best_constant_caption(const References& references) {
  constexpr std::size_t kSample = 100, kFinal = 50;
  const CiderScorer scorer(references);
  std::set<std::string> distinct;
  for (const auto& captions : references) distinct.insert(captions.begin(), captions.end());
  const auto mean_over = [&](const std::string& caption, std::size_t step) {
    double sum = 0;
    for (std::size_t picture = 0; picture < references.size(); picture += step) sum += scorer.score(picture, caption);
    return sum;
  };
  std::vector<std::pair<double, std::string>> ranked;
  const std::size_t step = std::max<std::size_t>(1, references.size() / kSample);
  for (const std::string& caption : distinct) ranked.emplace_back(-mean_over(caption, step), caption);
  std::sort(ranked.begin(), ranked.end());
  if (ranked.size() > kFinal) ranked.resize(kFinal);
  for (auto& [score, caption] : ranked) score = -mean_over(caption, 1);
  return std::min_element(ranked.begin(), ranked.end())->second;
}

int evaluate_captions(const EvaluateCaptionsOptions& options, std::ostream& out, std::ostream& notes) {
  const Judged judged = gather(options, notes);
  const CaptionScores scores = score_captions(judged.references, judged.tokens);
  if (!options.per_picture.empty()) write_per_picture(options.per_picture, judged, scores, options.language);
  if (!options.save.empty()) write_captions(options.save, judged);

  const std::size_t count = judged.records.size();
  const double distinct =
      static_cast<double>(std::set(judged.tokens.begin(), judged.tokens.end()).size()) / static_cast<double>(count);
  const double length = mean_tokens(judged.tokens);
  std::string constant;
  CaptionScores of_constant;
  if (options.constant) {
    constant = best_constant_caption(judged.references);
    of_constant = score_captions(judged.references, std::vector<std::string>(count, constant));
  }
  if (options.json) {
    Json json = object(scores);
    json.set("pictures", static_cast<std::int64_t>(count)).set("language", options.language);
    json.set("mean_tokens", length).set("distinct", distinct);
    if (options.constant) json.set("constant", object(of_constant).set("caption", constant));
    out << json.dump() << "\n";
    return 0;
  }
  std::ostringstream table;
  table << std::fixed << std::setprecision(4);
  table << "metric   " << std::setw(10) << "captions" << (options.constant ? "  constant" : "") << "\n";
  const auto all = named(scores), same = named(of_constant);
  for (std::size_t i = 0; i < all.size(); ++i) {
    table << std::left << std::setw(9) << all[i].first << std::right << std::setw(10) << all[i].second;
    if (options.constant) table << std::setw(10) << same[i].second;
    table << "\n";
  }
  table << std::setprecision(1) << pictures(count) << ", " << options.language << "; " << length
        << " tokens a caption, " << 100 * distinct << " % distinct\n";
  if (options.constant) table << "constant: \"" << constant << "\"\n";
  out << table.str();
  return 0;
}

}  // namespace limn
