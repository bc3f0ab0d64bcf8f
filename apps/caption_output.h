#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace limn {

enum class CaptionStyle {
  text,  ///< the caption alone for a single picture, else path, tab, caption
  json,  ///< one object a line
  csv,   ///< a header, then a line per caption
  html   ///< one <img> with its alternative text a line
};

struct CaptionFormat {
  CaptionStyle style = CaptionStyle::text;
  bool scores = false;              ///< text: the score behind the caption
  bool sentence = false;            ///< begin with a capital letter, end with a full stop
  std::string prefix, suffix;       ///< around every caption, e.g. a trigger word for training
  std::optional<double> min_score;  ///< captions below it are withheld
};

/// One caption as it is reported.
struct ScoredCaption {
  std::string text;
  double score = 0;  ///< mean log-probability of the new tokens
  std::vector<std::int64_t> ids;
  std::vector<double> logprobs;
};

/// What became of one picture.
struct CaptionResult {
  std::filesystem::path path;
  std::string error;                    ///< not empty: no caption, and why
  std::vector<ScoredCaption> captions;  ///< best first; dressed already
  bool withheld = false;                ///< below min_score: nothing is told but the score
};

/// The caption as authors want it: white space at the ends removed, sentence case and full stop where asked for,
/// between prefix and suffix. Chinese sentences end with their own full stop.
std::string dress(const std::string& text, const CaptionFormat& format);

/// One record in the chosen style, each line ended by a newline; "" where the style has nothing to say (text and html
/// leave out errors and withheld captions, which go to the notes).
/// @param single  the only picture: text does not repeat its path
std::string render(const CaptionResult& record, const CaptionFormat& format, bool single);

/// What stands above all records: the CSV header, else "".
std::string render_header(CaptionStyle style);

/// A path on one line of a terminal: control characters as \n, \t, \x1b.
std::string printable(const std::filesystem::path& path);

/// The COCO result format, `[{"image_id": 391895, "caption": "a man riding a bike"}, …]`. Identifiers are the numbers
/// that the file names end with (COCO_val2014_000000391895.jpg) where every name ends with one and no two are equal;
/// else the file names; else, where those repeat, the paths.
std::string coco_results(const std::vector<CaptionResult>& records);

/// A results file of earlier runs (JSON lines), for --resume.
struct EarlierResults {
  std::map<std::string, std::string> captions;  ///< by path; "" where it was withheld
  std::string kept;                             ///< their lines; what failed or was cut off by a kill is not among them
  bool clean = true;                            ///< the file holds exactly `kept`
};

/// @throws InputError where a complete line is not a record of ours: the file is then something else, and stays
EarlierResults read_earlier(const std::filesystem::path& file);

}  // namespace limn
