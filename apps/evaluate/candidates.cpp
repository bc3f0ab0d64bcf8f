#include "apps/evaluate/candidates.h"

#include <array>
#include <map>

#include "core/files.h"
#include "core/json.h"

namespace limn {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kSeveral = static_cast<std::size_t>(-1);

// "391895" for COCO_val2014_000000391895; "" where the stem does not end with digits.
std::string final_number(const std::string& stem) {
  const std::size_t last = stem.find_last_not_of("0123456789");
  const std::string digits = last == std::string::npos ? stem : stem.substr(last + 1);
  const std::size_t first = digits.find_first_not_of('0');
  return first == std::string::npos ? digits.substr(0, 1) : digits.substr(first);
}

// Finds a picture by any of its names, the most exact first.
class Names {
 public:
  explicit Names(const std::vector<CaptionRecord>& records) {
    for (std::size_t i = 0; i < records.size(); ++i) {
      const fs::path& image = records[i].image;
      add(0, records[i].id, i);
      add(1, image.lexically_normal().generic_string(), i);
      add(2, image.filename().string(), i);
      add(3, image.stem().string(), i);
      add(4, final_number(image.stem().string()), i);
    }
  }

  // The record's number; kSeveral where the name fits several; nothing where it fits none.
  std::optional<std::size_t> find(const std::string& name) const {
    const fs::path path(name);
    const std::array<std::string, 5> keys = {name, path.lexically_normal().generic_string(), path.filename().string(),
                                             path.filename().string(), name};
    for (std::size_t level = 0; level < keys.size(); ++level) {
      if (const auto found = by_name_[level].find(keys[level]); found != by_name_[level].end()) return found->second;
    }
    return std::nullopt;
  }

 private:
  void add(std::size_t level, const std::string& name, std::size_t record) {
    if (name.empty()) return;
    const auto [found, fresh] = by_name_[level].try_emplace(name, record);
    if (!fresh) found->second = kSeveral;
  }

  std::array<std::map<std::string, std::size_t>, 5> by_name_;
};

class Reader {
 public:
  Reader(const std::vector<CaptionRecord>& records, Candidates& result)
      : names_(records), result_(result), given_(records.size()) {
    result_.captions.resize(records.size());
  }

  // One candidate; `where` names its line or place.
  void read(const Json& json, const std::string& where) {
    if (!json.is_object()) json.fail("expected an object such as {\"image\": …, \"caption\": …}");
    const Json name = name_of(json);
    const std::string text = name.is_integer() ? std::to_string(name.integer()) : name.text();
    if (!json.has("caption") && json.has("error")) return;
    const std::string caption = json.at("caption").text();
    ++count_;
    const std::optional<std::size_t> record = names_.find(text);
    if (!record) {
      if (result_.strangers++ == 0) result_.first_stranger = name.where() + ": \"" + text + "\"";
      return;
    }
    if (*record == kSeveral) name.fail("got \"" + text + "\", which fits several pictures of the references");
    std::string& earlier = given_[*record];
    if (!earlier.empty()) name.fail("got \"" + text + "\", which has a caption already at " + earlier);
    earlier = where;
    result_.captions[*record] = caption;
  }

  std::size_t count() const { return count_; }

 private:
  static Json name_of(const Json& json) {
    for (const char* key : {"image", "path", "image_id", "file_name"}) {
      if (json.has(key)) return json[key];
    }
    return json.at("image");
  }

  Names names_;
  Candidates& result_;
  std::vector<std::string> given_;  // where each picture's caption stands
  std::size_t count_ = 0;
};

void read_lines(const fs::path& file, Reader& reader) {
  each_line(read_file(file), [&](std::string_view line, std::size_t number) {
    reader.read(Json::parse(line, file.string() + ":" + std::to_string(number)), "line " + std::to_string(number));
  });
}

}  // namespace

Candidates read_candidates(const fs::path& file, const std::vector<CaptionRecord>& records) {
  if (!fs::exists(file)) throw InputError(file.string() + ": no such file");
  Candidates result;
  Reader reader(records, result);
  if (file.extension() == ".json") {
    const Json root = Json::read(file);
    std::size_t count = 0;
    for (const Json& item : root.items()) {
      const std::string place = std::to_string(count++);
      reader.read(item, "[" + place + "]");
    }
  } else {
    read_lines(file, reader);
  }
  if (reader.count() == 0) throw InputError(file.string() + ": holds no captions");
  return result;
}

}  // namespace limn
