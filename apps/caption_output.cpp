#include "apps/caption_output.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <set>

#include "apps/html.h"
#include "core/files.h"
#include "core/json.h"

namespace limn {

namespace {

std::string number_text(double value, const char* format) {
  char text[40];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

Json finite(double value) { return std::isfinite(value) ? Json(value) : Json(); }

std::string json_line(const CaptionResult& record) {
  Json line = Json::object({{"path", record.path.string()}});
  if (!record.error.empty()) return line.set("error", record.error).dump() + "\n";
  const ScoredCaption& best = record.captions.at(0);
  line.set("caption", record.withheld ? Json() : Json(best.text));
  line.set("score", finite(best.score));
  if (record.withheld) return line.dump() + "\n";
  line.set("tokens", Json::list(best.ids));
  line.set("logprobs", Json::list(best.logprobs));
  Json others = Json::array();
  for (std::size_t i = 1; i < record.captions.size(); ++i)
    others.push(Json::object({{"caption", record.captions[i].text}, {"score", finite(record.captions[i].score)}}));
  return line.set("alternatives", others).dump() + "\n";
}

/// One line of text: whatever the tokenizer or a prompt smuggled in.
std::string one_line(std::string text) {
  for (char& letter : text)
    if (static_cast<unsigned char>(letter) < 0x20 || letter == 0x7f) letter = ' ';
  return text;
}

std::string text_lines(const CaptionResult& record, const CaptionFormat& format, bool single) {
  std::string lines;
  if (!record.error.empty() || record.withheld) return lines;
  for (const ScoredCaption& caption : record.captions) {
    if (!single) lines += printable(record.path) + "\t";
    lines += one_line(caption.text);
    if (format.scores) lines.append("\t").append(number_text(caption.score, "%.3f"));
    lines += "\n";
  }
  return lines;
}

/// RFC 4180 with plain newlines: quoted only where a reader needs it.
std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char letter : text) quoted += letter == '"' ? std::string("\"\"") : std::string(1, letter);
  return quoted + "\"";
}

std::string csv_lines(const CaptionResult& record) {
  const std::string path = csv_field(record.path.string());
  if (!record.error.empty()) return path + ",,,," + csv_field(record.error) + "\n";
  std::string lines;
  for (std::size_t i = 0; i < record.captions.size(); ++i) {
    const ScoredCaption& caption = record.captions[i];
    lines += path + "," + std::to_string(i + 1) + "," + (record.withheld ? "" : csv_field(caption.text)) + "," +
             number_text(caption.score, "%.6g") + ",\n";
    if (record.withheld) break;
  }
  return lines;
}

std::string html_line(const CaptionResult& record) {
  if (!record.error.empty() || record.withheld) return {};
  return "<img src=\"" + url_path(record.path.string()) + "\" alt=\"" +
         html_escaped(one_line(record.captions.at(0).text)) + "\">\n";
}

bool ends_with(const std::string& text, std::string_view end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

std::string as_sentence(std::string text) {
  if (text.empty()) return text;
  if (text[0] >= 'a' && text[0] <= 'z') text[0] = static_cast<char>(text[0] - 32);
  for (const char* end : {".", "!", "?", "…", "。", "！", "？", ".\"", "!\"", "?\""})
    if (ends_with(text, end)) return text;
  // CJK ideographs and kana are three bytes that begin with E3 to E9: such a sentence takes its own full stop
  const unsigned char last = text.size() >= 3 ? static_cast<unsigned char>(text[text.size() - 3]) : 0;
  return text + (last >= 0xE3 && last <= 0xE9 ? "。" : ".");
}

/// The number at the end of a file's stem, or -1.
std::int64_t trailing_number(const std::filesystem::path& path) {
  const std::string stem = path.stem().string();
  std::size_t begin = stem.size();
  while (begin > 0 && stem[begin - 1] >= '0' && stem[begin - 1] <= '9') --begin;
  if (begin == stem.size() || stem.size() - begin > 18) return -1;
  return std::stoll(stem.substr(begin));
}

template <typename Key, typename Of>
bool all_different(const std::vector<const CaptionResult*>& records, const Of& of) {
  std::set<Key> keys;
  for (const CaptionResult* record : records)
    if (!keys.insert(of(record->path)).second) return false;
  return true;
}

}  // namespace

std::string dress(const std::string& text, const CaptionFormat& format) {
  const auto begin = text.find_first_not_of(" \t\r\n"), end = text.find_last_not_of(" \t\r\n");
  std::string result = begin == std::string::npos ? "" : text.substr(begin, end - begin + 1);
  if (format.sentence) result = as_sentence(result);
  return format.prefix + result + format.suffix;
}

std::string render(const CaptionResult& record, const CaptionFormat& format, bool single) {
  switch (format.style) {
    case CaptionStyle::json:
      return json_line(record);
    case CaptionStyle::csv:
      return csv_lines(record);
    case CaptionStyle::html:
      return html_line(record);
    default:
      return text_lines(record, format, single);
  }
}

std::string render_header(CaptionStyle style) {
  return style == CaptionStyle::csv ? "path,rank,caption,score,error\n" : "";
}

std::string printable(const std::filesystem::path& path) {
  std::string result;
  for (const char letter : path.string()) {
    const auto code = static_cast<unsigned char>(letter);
    if (code >= 0x20 && code != 0x7f) {
      result += letter;
    } else if (letter == '\n' || letter == '\t') {
      result += letter == '\n' ? "\\n" : "\\t";
    } else {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\x%02x", code);
      result += escape;
    }
  }
  return result;
}

std::string coco_results(const std::vector<CaptionResult>& records) {
  std::vector<const CaptionResult*> told;
  for (const CaptionResult& record : records)
    if (record.error.empty() && !record.withheld) told.push_back(&record);
  const auto name = [](const std::filesystem::path& path) { return path.filename().string(); };
  const bool numbered = std::all_of(told.begin(), told.end(),
                                    [](const CaptionResult* record) { return trailing_number(record->path) >= 0; }) &&
                        all_different<std::int64_t>(told, trailing_number);
  const bool named = all_different<std::string>(told, name);
  std::string text = "[";
  for (const CaptionResult* record : told) {
    const Json id = numbered ? Json(trailing_number(record->path))
                    : named  ? Json(name(record->path))
                             : Json(record->path.string());
    if (text.size() > 1) text += ",\n ";
    text += Json::object({{"image_id", id}, {"caption", record->captions.at(0).text}}).dump();
  }
  return text + "]\n";
}

EarlierResults read_earlier(const std::filesystem::path& file) {
  EarlierResults earlier;
  const std::string text = read_file(file);
  std::size_t number = 0;
  for (std::size_t begin = 0; begin < text.size(); ++number) {
    const std::size_t end = text.find('\n', begin);
    if (end == std::string::npos) break;  // cut off by a kill
    const std::string line = text.substr(begin, end - begin);
    begin = end + 1;
    if (line.empty()) continue;
    const std::string where = file.string() + ": line " + std::to_string(number + 1);
    const Json record = Json::parse(line, where);
    if (!record["path"].is_text() || (!record.has("caption") && !record.has("error")))
      throw InputError(where + ": is no caption record; --resume continues a file that --json --out wrote");
    if (record.has("error")) continue;
    earlier.captions[record["path"].text()] = record["caption"].text("");
    earlier.kept += line + "\n";
  }
  earlier.clean = earlier.kept.size() == text.size();
  return earlier;
}

}  // namespace limn
