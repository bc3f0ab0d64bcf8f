#include <algorithm>
#include <istream>
#include <iterator>
#include <ostream>
#include <set>

#include "apps/caption_output.h"
#include "apps/match.h"
#include "core/files.h"
#include "core/ops.h"
#include "fusion/embedder.h"

namespace limn {

namespace {

bool is_blank(std::string_view text) { return text.find_first_not_of(" \t\r\n\v\f") == std::string_view::npos; }

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  each_line(text, [&](std::string_view line, std::size_t) { lines.emplace_back(line); });
  return lines;
}

}  // namespace

std::vector<std::string> gather_texts(const TextOptions& options, std::istream& standard_input) {
  std::vector<std::string> texts = options.texts;
  for (const std::string& text : texts)
    if (is_blank(text)) throw UsageError("--text: got \"" + printable(text) + "\", expected words");
  if (!options.file.empty()) {
    const std::string all =
        options.file == "-" ? std::string(std::istreambuf_iterator<char>(standard_input), {}) : read_file(options.file);
    for (std::string& line : lines_of(all)) texts.push_back(std::move(line));
    if (texts.empty()) throw UsageError("--texts: " + printable(options.file) + ": has no line with words");
  }
  return texts;
}

std::vector<std::string> read_labels(const std::vector<std::string>& words) {
  std::vector<std::string> labels;
  for (const std::string& word : words) {
    std::error_code error;
    if (std::filesystem::is_regular_file(word, error)) {
      for (std::string& line : lines_of(read_file(word))) labels.push_back(std::move(line));
      continue;
    }
    for (std::size_t at = 0; at <= word.size();) {
      const std::size_t comma = std::min(word.find(',', at), word.size());
      std::string label = word.substr(at, comma - at);
      const std::size_t first = label.find_first_not_of(' ');
      label = first == std::string::npos ? "" : label.substr(first, label.find_last_not_of(' ') - first + 1);
      if (is_blank(label)) throw UsageError("--labels: got \"" + printable(word) + "\", in which a label is empty");
      labels.push_back(label);
      at = comma + 1;
    }
  }
  if (labels.empty()) throw UsageError("--labels: names no label; give --labels cat,dog or a file with one a line");
  std::set<std::string> seen;
  for (const std::string& label : labels)
    if (!seen.insert(label).second) throw UsageError("--labels: \"" + printable(label) + "\" is there twice");
  return labels;
}

std::vector<std::string> read_templates(const std::vector<std::string>& words) {
  std::vector<std::string> templates;
  for (const std::string& word : words) {
    std::error_code error;
    if (!std::filesystem::is_regular_file(word, error)) {
      templates.push_back(word);
    } else {
      for (std::string& line : lines_of(read_file(word))) templates.push_back(std::move(line));
    }
  }
  if (words.empty()) templates = {"a photo of {}"};
  if (templates.empty()) throw UsageError("--template: the file names no template");
  for (const std::string& text : templates)
    if (text.find("{}") == std::string::npos)
      throw UsageError("--template: got \"" + printable(text) + "\", expected {} where the label goes");
  return templates;
}

Tensor label_embeddings(const Embedder& embedder, const std::vector<std::string>& labels,
                        const std::vector<std::string>& templates) {
  std::vector<std::string> texts;
  for (const std::string& label : labels)
    for (const std::string& pattern : templates) {
      std::string text = pattern;
      text.replace(text.find("{}"), 2, label);
      texts.push_back(std::move(text));
    }
  const auto L = static_cast<std::int64_t>(labels.size()), S = static_cast<std::int64_t>(templates.size());
  return normalised(embedder.texts(texts).view({L, S, -1}).mean(1));
}

std::string cut_note(const Embedder& embedder, const std::string& text) {
  constexpr std::size_t kShown = 100;  // bytes
  std::string rest = left_out(embedder, text);
  if (rest.empty()) return {};
  if (rest.size() > kShown) {
    std::size_t end = kShown;
    while (end > 0 && (static_cast<unsigned char>(rest[end]) & 0xC0) == 0x80) --end;  // whole characters
    rest = rest.substr(0, end) + "…";
  }
  return "the model reads " + std::to_string(embedder.longest) + " tokens of a text; not read: \"" + printable(rest) +
         "\"";
}

void note_cut_texts(const Embedder& embedder, const std::vector<std::string>& texts, const CommonOptions& common,
                    std::ostream& notes) {
  if (common.quiet) return;
  for (const std::string& text : texts)
    if (const std::string note = cut_note(embedder, text); !note.empty()) notes << "limn: " << note << '\n';
  notes.flush();
}

}  // namespace limn
